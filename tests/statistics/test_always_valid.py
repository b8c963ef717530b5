"""Daily looks: the interval holds at all of them together, and a look at an ordinary interval does not."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dagster_pipeline.statistics.always_valid import (
    MIN_UNITS,
    NO_LEVEL,
    accumulated,
    effect_interval,
    is_settled,
    mean_interval,
    multiplier,
    tuned_variance,
)
from dagster_pipeline.statistics.evidence import Better, EffectKind, Metric, MetricKind, Moments
from dagster_pipeline.statistics.intervals import difference, ratio_of_sums, relative_difference
from dagster_pipeline.statistics.normal import two_sided_z

WORLDS, DAYS, A_DAY = 10_000, 28, 250
PLANNED = 2 * DAYS * A_DAY


def metric(kind=MetricKind.SHARE, effect=EffectKind.ABSOLUTE, scale=1.0):
    return Metric("m", kind, Better.HIGHER, effect, scale)


def share(k, n):
    return Moments(units=n, n=n, y=k, d=n, yy=k, dd=n, yd=k)


# --- the boundary ------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95, 0.99])
def test_at_its_tuning_point_v_is_lamberts_function(confidence):
    """w = −(v + 1) solves w·e^w = −α²/e on the lower branch (w ≤ −1)."""
    w = -(tuned_variance(confidence) + 1)
    assert w <= -1
    assert w * math.exp(w) == pytest.approx(-((1 - confidence) ** 2) / math.e, rel=1e-9)


@pytest.mark.parametrize(("n", "confidence"), [(40.0, 0.9), (1_000.0, 0.9), (5_000.0, 0.95)])
def test_the_boundary_is_where_the_mixture_reaches_one_over_alpha(n, confidence):
    """∫ exp(λS − λ²n/2) dN(λ; 0, ρ²) = 1/α at the sum S of n units of variance 1, integrated without the closed form."""
    planned = 1_000.0
    rho = math.sqrt(tuned_variance(confidence) / planned)
    total = multiplier(n, confidence, planned) * math.sqrt(n)
    spread = 1 / math.sqrt(n + 1 / rho**2)
    at = np.linspace(total * spread**2 - 12 * spread, total * spread**2 + 12 * spread, 20_001)
    density = np.exp(at * total - at**2 * n / 2 - at**2 / (2 * rho**2)) / (rho * math.sqrt(2 * math.pi))
    assert np.trapezoid(density, at) == pytest.approx(1 / (1 - confidence), rel=1e-6)


def test_it_is_narrowest_where_it_is_tuned_and_wider_than_one_look_everywhere():
    n = 10_000.0
    tuned = multiplier(n, 0.9, n)
    assert all(multiplier(n, 0.9, n * off) > tuned for off in (0.2, 0.8, 1.25, 5.0))
    assert multiplier(np.geomspace(10, 1e9, 50), 0.9, n).min() > two_sided_z(0.9)


@pytest.mark.parametrize("wrong", [(0.0, 0.9, 10.0), (10.0, 0.9, 0.0), (10.0, 1.0, 10.0), (10.0, 0.0, 10.0)])
def test_it_refuses_no_units_no_plan_and_no_confidence(wrong):
    with pytest.raises(ValueError, match="must"):
        multiplier(*wrong)


# --- the interval ------------------------------------------------------------------------------


def test_it_is_the_ordinary_interval_with_another_number_of_standard_errors():
    t, c = share(130, 1_000), share(120, 1_000)
    wider = multiplier(2_000.0, 0.9, PLANNED) / two_sided_z(0.9)
    for kind, plain in ((EffectKind.ABSOLUTE, difference), (EffectKind.RELATIVE, relative_difference)):
        found = effect_interval((t, c), metric(effect=kind), 0.9, PLANNED)
        a, b = ratio_of_sums(t), ratio_of_sums(c)
        one_look = plain(a.value, a.variance, b.value, b.variance, 0.9)
        on_scale = (lambda x: x) if kind is EffectKind.ABSOLUTE else math.log1p
        assert on_scale(found.ci_upper) - on_scale(found.ci_lower) == pytest.approx(
            wider * (on_scale(one_look.upper) - on_scale(one_look.lower))
        )
    one_arm = mean_interval(t, 0.9, 1_000)
    assert (one_arm.lower + one_arm.upper) / 2 == pytest.approx(0.13)


def test_a_metrics_scale_and_the_inflation_of_clusters_reach_the_interval():
    arms = share(130, 1_000), share(120, 1_000)
    plain = effect_interval(arms, metric(), 0.9, PLANNED)
    scaled = effect_interval(arms, metric(MetricKind.MEAN, scale=100.0), 0.9, PLANNED)
    wide = effect_interval(arms, metric(), 0.9, PLANNED, inflation=(4.0, 4.0))
    assert scaled.ci_upper == pytest.approx(100 * plain.ci_upper)
    assert wide.ci_upper - wide.value == pytest.approx(2 * (plain.ci_upper - plain.value))


@pytest.mark.parametrize(
    ("arm", "kind", "settled"),
    [
        (share(12, MIN_UNITS), MetricKind.SHARE, True),
        (share(12, MIN_UNITS - 1), MetricKind.SHARE, False),
        (share(9, 1_000), MetricKind.SHARE, False),
        (share(991, 1_000), MetricKind.SHARE, False),
        (share(991, 1_000), MetricKind.MEAN, True),
        (share(0, 1_000), MetricKind.MEAN, False),
        (Moments(1_000, 1_000, 500.0, 1_000, 500.0**2, 1_000, 500.0), MetricKind.MEAN, False),  # one request has it all
        (Moments(1_000, 0, 0.0, 0.0, 0.0, 0.0, 0.0), MetricKind.RATIO, False),
    ],
)  # fmt: skip
def test_a_first_look_waits_for_units_and_for_what_their_sums_rest_on(arm, kind, settled):
    assert is_settled(arm, kind) is settled
    found = effect_interval((arm, share(120, 1_000)), metric(kind), 0.9, PLANNED)
    assert (found.ci_lower is not None) is settled
    assert (found.reason is None) is settled


def test_an_arm_alone_has_an_interval_once_it_is_settled():
    arm = share(120, 1_000)
    found = mean_interval(arm, 0.9, PLANNED)
    level = ratio_of_sums(arm)
    half = multiplier(1_000.0, 0.9, PLANNED) * math.sqrt(level.variance)
    assert (found.lower, found.upper) == pytest.approx((0.12 - half, 0.12 + half))
    assert mean_interval(share(12, MIN_UNITS - 1), 0.9, PLANNED) is None


def test_a_relative_effect_needs_a_level_above_zero():
    """Amounts may be credits: the log scale has no place for a level below zero."""
    gone = Moments(units=500, n=500, y=-400.0, d=500, yy=800.0, dd=500, yd=-400.0)
    there = Moments(units=500, n=500, y=400.0, d=500, yy=800.0, dd=500, yd=400.0)
    found = effect_interval((gone, there), metric(MetricKind.MEAN, EffectKind.RELATIVE), 0.9, PLANNED)
    assert (found.ci_lower, found.ci_upper) == (None, None)
    assert found.reason == NO_LEVEL


def test_a_quantile_has_no_sums():
    with pytest.raises(ValueError, match="quantile"):
        effect_interval((share(1, 2), share(1, 2)), metric(MetricKind.QUANTILE), 0.9, PLANNED)


def test_days_add_up():
    days = [share(1, 10), share(2, 20), share(0, 0)]
    assert accumulated(days) == [share(1, 10), share(3, 30), share(3, 30)]


# --- daily looks -------------------------------------------------------------------------------

# Value of one unit and its chance: hires at a 12% rate; and a rare large amount beside many small ones.
OUTCOMES = {
    "hires": ((1.0, 0.12),),
    "amounts": ((1.0, 0.09), (20.0, 0.01)),
}


@cache
def running_sums(outcome, seed, shift=0.0):
    """Σy and Σy² up to each day, worlds × days × arms; ``shift`` is added to the treatment's first chance."""
    draw = np.random.default_rng(seed)
    y = np.zeros((WORLDS, DAYS, 2))
    yy = np.zeros_like(y)
    for value, chance in OUTCOMES[outcome]:
        counts = draw.binomial(A_DAY, np.array([chance + shift, chance]), size=y.shape)
        y += value * counts
        yy += value**2 * counts
    return y.cumsum(axis=1), yy.cumsum(axis=1)


def z_by_day(y, yy):
    """The difference of the two arms in standard errors, worlds × days."""
    n = A_DAY * np.arange(1, DAYS + 1)[:, None]
    variance = ((yy - y**2 / n) / (n - 1) / n).sum(axis=2)
    return ((y / n)[..., 0] - (y / n)[..., 1]) / np.sqrt(variance)


def alarms(z, reach):
    """The share of worlds in which some day's interval excludes zero."""
    return float((np.abs(z) > reach).any(axis=1).mean())


SEEN = 2.0 * A_DAY * np.arange(1, DAYS + 1)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_without_an_effect_daily_looks_alarm_no_more_often_than_stated(outcome, confidence):
    z = z_by_day(*running_sums(outcome, seed=20_261_001))
    stated = 1 - confidence
    by_chance = 2 * math.sqrt(stated * confidence / WORLDS)

    assert alarms(z, multiplier(SEEN, confidence, PLANNED)) <= stated + by_chance
    # The same days looked at through the interval that is meant for one look: at least three times what it states.
    assert alarms(z, two_sided_z(confidence)) > 3 * stated
    # Which it does keep where one looks once.
    assert alarms(z[:, -1:], two_sided_z(confidence)) == pytest.approx(stated, abs=2 * by_chance)


def test_an_effect_is_found_all_the_same():
    z = z_by_day(*running_sums("hires", seed=20_261_002, shift=0.03))
    assert alarms(z, multiplier(SEEN, 0.9, PLANNED)) > 0.95


def test_the_simulated_looks_are_the_functions_own():
    y, yy = running_sums("amounts", seed=20_261_003)
    z, reach = z_by_day(y, yy), multiplier(SEEN, 0.9, PLANNED)
    for world, day in ((0, 5), (17, 27), (4_321, 12)):
        n = A_DAY * (day + 1)
        arms = tuple(
            Moments(n, n, y[world, day, a], n, yy[world, day, a], n, y[world, day, a]) for a in (0, 1)
        )
        found = effect_interval(arms, metric(MetricKind.MEAN), 0.9, PLANNED)
        excludes = not found.ci_lower <= 0 <= found.ci_upper
        assert excludes == (abs(z[world, day]) > reach[day])
        assert (found.ci_upper + found.ci_lower) / (found.ci_upper - found.ci_lower) == pytest.approx(
            z[world, day] / reach[day]
        )


def returning_units(worlds, seed):
    """z without and with the whole sample's inflation, worlds × days: customers who keep coming back, each with a rate of its own."""
    draw = np.random.default_rng(seed)
    plain, inflated = [], []
    for _ in range(worlds):
        rates = draw.beta(0.3, 2.2, size=(2, 400, 1))
        asked = draw.random((2, 400, DAYS)) < 0.3
        hired = asked & (draw.random(asked.shape) < rates)
        y, n = hired.sum(axis=1).cumsum(axis=1), asked.sum(axis=1).cumsum(axis=1)
        level = y / n
        apart = y - 2 * level * y + level**2 * n
        together = ((hired.sum(axis=2) - level[:, -1:] * asked.sum(axis=2)) ** 2).sum(axis=1)
        factor = np.maximum(1.0, together / apart[:, -1])[:, None]
        for found, by in ((plain, 1.0), (inflated, factor)):
            found.append((level[0] - level[1]) / np.sqrt((by * apart / n**2).sum(axis=0)))
    return np.array(plain), np.array(inflated)


def test_units_that_come_back_alarm_no_more_often_once_their_variance_is_inflated():
    plain, inflated = returning_units(250, seed=20_261_004)
    reach = multiplier(240.0 * np.arange(1, DAYS + 1), 0.9, 240.0 * DAYS)
    assert alarms(inflated, reach) <= 0.10
    assert alarms(plain, reach) > 0.10


# --- what the documentation says of it ---------------------------------------------------------

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rollout.md"


def rows_after(heading):
    """The cells of the table whose header begins so."""
    table = PAGE.read_text("utf-8").partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()[2:]]


def test_the_documented_width_is_the_functions_own():
    for confidence, *shown in rows_after("confidence"):
        c = float(confidence.strip("%")) / 100
        widths = [
            multiplier(7_000 * seen, c, 7_000.0) / two_sided_z(c)
            for seen in (1 / 28, 1 / 4, 1 / 2, 1.0, 2.0, 4.0)
        ]
        assert shown == [f"{width:.2f}" for width in widths]


def test_the_documented_alarms_are_the_simulated_ones():
    found = rows_after("outcome")
    assert len(found) == 4
    for outcome, stated, *shown in found:
        confidence = 1 - float(stated.strip("%")) / 100
        z = z_by_day(*running_sums(outcome.partition(",")[0], seed=20_261_001))
        plain = two_sided_z(confidence)
        shares = [
            alarms(z, multiplier(SEEN, confidence, PLANNED)),
            alarms(z[:, -1:], plain),
            alarms(z, plain),
        ]
        assert shown == [f"{share:.0%}" for share in shares]
