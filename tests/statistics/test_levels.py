"""Levels and effects: held to statsmodels, to plain definitions, and to their promised coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dealt_worlds import arm, cells_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Better,
    Cells,
    EffectKind,
    Metric,
    MetricKind,
    Moments,
)
from dagster_pipeline.statistics.intervals import (
    difference,
    median_difference,
    miettinen_nurminen,
    newcombe,
    ratio_of_sums,
    relative_difference,
    wilson,
)
from dagster_pipeline.statistics.levels import estimate, level
from dagster_pipeline.statistics.quantiles import Steps, quantile, rank_of, ranks_of

SHARE = Metric("hired", MetricKind.SHARE, Better.HIGHER, EffectKind.ABSOLUTE, support=(0.0, 1.0))
MEAN = Metric("tickets", MetricKind.MEAN, Better.LOWER, EffectKind.RELATIVE, scale=100.0)
RATIO = Metric("spam", MetricKind.RATIO, Better.LOWER, EffectKind.RELATIVE, scale=1000.0)
MEDIAN = Metric("ttfq", MetricKind.QUANTILE, Better.LOWER, EffectKind.RELATIVE, quantile=0.5)
counts = st.tuples(st.integers(0, 60), st.integers(1, 60)).filter(lambda pair: pair[0] <= pair[1])


def _shares(k: int, n: int) -> ArmEvidence:
    cells = Cells(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.ones(2), np.array([n - k, k]))
    return ArmEvidence(Moments(n, n, k, n, k, n, k), cells)


@settings(max_examples=100, deadline=None)
@given(counts, st.sampled_from([0.8, 0.9, 0.95]))
def test_share_level_is_wilsons(pair, confidence):
    found = level(_shares(*pair), SHARE, confidence, clustered=False)
    expected = proportion_confint(*pair, alpha=1 - confidence, method="wilson")
    assert (found.ci_lower, found.ci_upper) == pytest.approx(expected, abs=1e-12)
    assert found.ci_lower <= found.value <= found.ci_upper


@settings(max_examples=100, deadline=None)
@given(counts, counts)
def test_share_effect_is_newcombes(t, c):
    found = estimate(_shares(*t), _shares(*c), SHARE, 0.90, clustered=False)
    expected = confint_proportions_2indep(*t, *c, method="newcomb", compare="diff", alpha=0.10)
    assert (found.ci_lower, found.ci_upper) == pytest.approx(expected, abs=1e-9)
    mirrored = newcombe(*c, *t, 0.90)
    assert (-mirrored.upper, -mirrored.lower) == pytest.approx((found.ci_lower, found.ci_upper))


@settings(max_examples=100, deadline=None)
@given(counts, counts)
def test_score_interval_holds_the_difference_and_mirrors(t, c):
    found, mirrored = miettinen_nurminen(*t, *c, 0.95), miettinen_nurminen(*c, *t, 0.95)
    observed = t[0] / t[1] - c[0] / c[1]
    assert -1 <= found.lower <= observed + 1e-9
    assert observed - 1e-9 <= found.upper <= 1
    assert (-mirrored.upper, -mirrored.lower) == pytest.approx((found.lower, found.upper), abs=1e-7)


requests = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=2, max_size=12)


@settings(max_examples=100, deadline=None)
@given(requests)
def test_ratio_variance_is_that_of_the_linearised_residuals(values):
    y, d = np.array(values, float).T
    assume(d.sum() > 0)
    found = ratio_of_sums(arm(RATIO, values).moments)
    residuals = (y - found.value * d) / d.mean()
    assert found.variance == pytest.approx(residuals.var(ddof=1) / len(y), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=12))
def test_mean_variance_is_the_ordinary_one(values):
    found = ratio_of_sums(arm(MEAN, values).moments)
    assert found.value == pytest.approx(np.mean(values))
    assert found.variance == pytest.approx(np.var(values, ddof=1) / len(values))


def test_units_of_several_requests_give_the_clustered_variance():
    values, units = [1, 1, 1, 0, 0, 0, 1, 0], [1, 1, 1, 2, 2, 2, 3, 3]
    clustered = ratio_of_sums(arm(SHARE, values, units=units).moments)
    single = ratio_of_sums(arm(SHARE, values).moments)
    p = 0.5
    by_unit = [(3 - 3 * p), (0 - 3 * p), (1 - 2 * p)]
    assert clustered.variance == pytest.approx(3 / 2 * sum(r * r for r in by_unit) / 64)
    assert clustered.variance > single.variance


def test_scale_multiplies_levels_and_absolute_effects_but_not_relative_ones():
    t, c = arm(MEAN, [0, 1, 1, 0]), arm(MEAN, [1, 0, 0, 0])
    found = level(t, MEAN, 0.90, clustered=False)
    plain = level(
        t, Metric("tickets", MetricKind.MEAN, Better.LOWER, EffectKind.RELATIVE), 0.90, clustered=False
    )
    assert (found.value, found.ci_upper) == pytest.approx((100 * plain.value, 100 * plain.ci_upper))
    assert estimate(t, c, MEAN, 0.90, clustered=False).value == pytest.approx(1.0)
    absolute = Metric("tickets", MetricKind.MEAN, Better.LOWER, EffectKind.ABSOLUTE, scale=100.0)
    assert estimate(t, c, absolute, 0.90, clustered=False).value == pytest.approx(25.0)


def test_relative_interval_is_symmetric_on_the_log_scale():
    found = relative_difference(2.0, 0.01, 1.0, 0.02, 0.90)
    middle = (math.log(1 + found.lower) + math.log(1 + found.upper)) / 2
    assert middle == pytest.approx(math.log(2.0))
    assert difference(2.0, 0.01, 1.0, 0.02, 0.90).lower == pytest.approx(1 - 1.6448536 * math.sqrt(0.03))


def test_what_does_not_exist_is_none_with_a_reason():
    empty = ArmEvidence(Moments(0, 0, 0, 0, 0, 0, 0), cells_of(SHARE, []))
    assert level(empty, SHARE, 0.9, clustered=False).reason == "no requests"
    no_quotes = arm(RATIO, [(0, 0), (0, 0)])
    assert level(no_quotes, RATIO, 0.9, clustered=False).reason == "no denominator"
    never = arm(MEDIAN, [5.0, math.inf, math.inf])
    assert level(never, MEDIAN, 0.9, clustered=False, exact_quantile=math.inf).reason == "infinite"
    zero = estimate(arm(MEAN, [1, 0]), arm(MEAN, [0, 0]), MEAN, 0.9, clustered=False)
    assert (zero.value, zero.reason) == (None, "the control's level is zero")
    infinite = estimate(never, arm(MEDIAN, [5.0, 6.0]), MEDIAN, 0.9, clustered=False, exact=(math.inf, 5.0))
    assert (infinite.value, infinite.reason) == (None, "infinite")
    binned = ArmEvidence(never.moments, Cells(np.array([0.0]), np.array([9.0]), np.ones(1), np.array([3])))
    assert level(binned, MEDIAN, 0.9, clustered=False).reason == "not computed"


def test_one_unit_has_a_level_but_no_interval():
    found = level(arm(MEAN, [3]), MEAN, 0.9, clustered=False)
    assert (found.value, found.ci_lower, found.ci_upper) == (300, None, None)
    effect = estimate(arm(MEAN, [3]), arm(MEAN, [1, 2]), MEAN, 0.9, clustered=False)
    assert (effect.value, effect.ci_lower, effect.ci_upper) == (pytest.approx(1.0), None, None)


def test_a_treatment_at_nought_has_lost_everything_and_the_log_scale_says_no_more():
    effect = estimate(arm(MEAN, [0, 0]), arm(MEAN, [1, 2]), MEAN, 0.9, clustered=False)
    assert (effect.value, effect.ci_lower, effect.ci_upper) == (-1.0, None, None)


def test_a_ratios_interval_ends_at_nought_and_may_exceed_what_one_request_holds():
    metric = Metric("refunds", MetricKind.RATIO, Better.LOWER, EffectKind.ABSOLUTE, support=(0.0, 1.0))
    found = level(arm(metric, [(0, 1), (3, 1)]), metric, 0.9, clustered=False)
    assert found.value == pytest.approx(1.5)
    assert found.ci_lower == 0
    assert found.ci_upper > 1.5


def test_a_quantile_known_without_its_distribution_has_no_interval():
    known = ArmEvidence(arm(MEDIAN, [1.0, 2.0, 3.0]).moments, cells_of(MEDIAN, []))
    found = level(known, MEDIAN, 0.9, clustered=False, exact_quantile=2.0)
    assert (found.value, found.ci_lower, found.ci_upper) == (2.0, None, None)
    whole = arm(MEDIAN, [2.0, 4.0, 6.0])
    for pair, levels in (((known, whole), (2.0, 4.0)), ((whole, known), (4.0, 2.0))):
        found = estimate(*pair, MEDIAN, 0.9, clustered=False, exact=levels)
        assert found.value == pytest.approx(levels[0] / levels[1] - 1)
        assert (found.ci_lower, found.ci_upper) == (None, None)


def test_a_clustered_share_of_nought_is_not_certain():
    units = [1, 1, 2, 2, 3, 3]
    found = level(arm(SHARE, [0] * 6, units=units), SHARE, 0.9, clustered=True)
    assert found.ci_lower == 0
    assert found.ci_upper == pytest.approx(wilson(0, 3, 0.9).upper)
    effect = estimate(
        arm(SHARE, [0] * 6, units=units), arm(SHARE, [1, 0] * 3, units=units), SHARE, 0.9, clustered=True
    )
    assert effect.ci_lower < effect.value < effect.ci_upper


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=20), st.sampled_from([0.1, 0.25, 0.5, 0.7, 0.9, 0.99])
)
def test_quantile_is_the_smallest_value_with_enough_below(values, q):
    low, high = quantile(cells_of(MEDIAN, values), q)
    from fractions import Fraction

    needed = Fraction(str(q)) * len(values)
    expected = min(y for y in values if sum(v <= y for v in values) >= needed)
    assert low == high == expected


def test_rank_is_exact_where_doubles_are_not():
    assert rank_of(0.7, 10) == 7
    assert rank_of(0.1, 30) == 3
    assert ranks_of(0.9, np.array([10, 11, 1_000_000_000_000])).tolist() == [9, 10, 900_000_000_000]
    with pytest.raises(ValueError, match="strictly between"):
        rank_of(1.0, 10)
    with pytest.raises(ValueError, match="no quantiles"):
        Steps.of(np.array([]), np.array([], np.int64)).at_rank(np.array([1]))


def test_quantile_interval_is_near_the_order_statistics_and_the_same_every_time():
    values = sorted(np.random.default_rng(1).exponential(100, 2_001))
    found = level(arm(MEDIAN, values), MEDIAN, 0.90, clustered=False)
    assert found == level(arm(MEDIAN, values), MEDIAN, 0.90, clustered=False)
    half = 1.6449 * math.sqrt(2_001 * 0.25)
    assert found.ci_lower == pytest.approx(values[int(1000 - half)], rel=0.02)
    assert found.ci_upper == pytest.approx(values[int(1000 + half)], rel=0.02)


def test_bin_edges_only_ever_widen_a_quantile_interval():
    values = np.round(np.random.default_rng(2).exponential(100, 500)) + 1
    other = np.round(np.random.default_rng(3).exponential(80, 500)) + 1
    exact = estimate(arm(MEDIAN, list(values)), arm(MEDIAN, list(other)), MEDIAN, 0.90, clustered=False)
    t, c = (ArmEvidence(arm(MEDIAN, list(v)).moments, _binned(v, 7.0)) for v in (values, other))
    medians = (float(np.sort(values)[249]), float(np.sort(other)[249]))
    binned = estimate(t, c, MEDIAN, 0.90, clustered=False, exact=medians)
    assert binned.value == exact.value
    assert binned.ci_lower <= exact.ci_lower
    assert exact.ci_upper <= binned.ci_upper


def _binned(values: np.ndarray, width: float) -> Cells:
    bins, count = np.unique(np.floor(values / width), return_counts=True)
    return Cells(bins * width, (bins + 1) * width, np.ones(len(bins)), count)


def test_requests_that_share_a_unit_widen_a_quantile_interval():
    rng = np.random.default_rng(4)
    values = list(np.repeat(rng.exponential(100, 300), 4))
    units = list(np.repeat(np.arange(300), 4))
    single = level(arm(MEDIAN, values, units=units), MEDIAN, 0.90, clustered=False)
    clustered = level(arm(MEDIAN, values, units=units), MEDIAN, 0.90, clustered=True)
    assert clustered.ci_upper - clustered.ci_lower > 1.5 * (single.ci_upper - single.ci_lower)


def test_an_interval_that_reaches_infinity_is_open_there():
    t = arm(MEDIAN, [1.0, 2.0, 3.0, math.inf, math.inf])
    found = level(t, MEDIAN, 0.90, clustered=False)
    assert (found.value, found.ci_upper) == (3.0, None)


def test_intervals_cover_as_often_as_they_promise():
    rng = np.random.default_rng(5)
    truth, covered, rounds = -0.2, {"mean": 0, "median": 0}, 200
    for _ in range(rounds):
        t, c = rng.exponential(80, 400), rng.exponential(100, 400)
        for name, metric in (
            ("mean", Metric("m", MetricKind.MEAN, Better.LOWER, EffectKind.RELATIVE)),
            ("median", MEDIAN),
        ):
            found = estimate(arm(metric, list(t)), arm(metric, list(c)), metric, 0.90, clustered=False)
            covered[name] += found.ci_lower <= truth <= found.ci_upper
    for name, hits in covered.items():
        assert 0.85 <= hits / rounds <= 0.955, (name, hits / rounds)


def test_median_interval_of_large_samples_does_not_overflow():
    values = list(np.random.default_rng(6).exponential(1, 5_000))
    found, error = median_difference(values, values[::2], 0.95)
    assert found.lower < found.upper
    assert 0 < error < 0.1


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="0 <= k <= n"):
        wilson(5, 4, 0.9)
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 4, 1.0)
    with pytest.raises(ValueError, match="denominator"):
        ratio_of_sums(Moments(2, 2, 0, 0, 0, 0, 0))
    with pytest.raises(ValueError, match="positive levels"):
        relative_difference(0.0, 0.1, 1.0, 0.1, 0.9)
