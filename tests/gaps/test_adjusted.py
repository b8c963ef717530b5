"""Arms whose customers differed beforehand: between the plain and the adjusted effect, from the models to the severity."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from small_worlds import CONTROL, EXPERIMENT, TREATMENT, definition, ends, measure, regions
from statsmodels.regression.linear_model import OLS

from benchmarks.compiled_line import compiled_run, shown
from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.world import WorldSpec
from dagster_pipeline.gaps.adjusted import COVARIATES, MODEL, adjusted_effect
from dagster_pipeline.gaps.evidence import EvidenceReader, ExperimentDesign, statistic_of
from dagster_pipeline.gaps.imbalance import ALPHA
from dagster_pipeline.gaps.places import NOT_ADJUSTED, Place
from dagster_pipeline.statistics.evidence import Estimate
from dagster_pipeline.statistics.levels import point_level

SHARE, MEDIAN, TICKETS = "hire_rate_7d", "ttfq_median", "support_tickets_per_100_requests"
ARMS = (TREATMENT, CONTROL)


# --- a few units, written as the model gives them


def whole(metric, arm, units, experiment=EXPERIMENT):
    """The model's row of an arm whose units are pairs of outcome and one covariate."""
    y, x = (np.array(side, dtype=float) for side in zip(*units, strict=True))
    ones = np.ones(len(y))
    row = {"experiment_id": experiment, "metric": metric, "variant": arm, "low": None, "high": None}
    row |= {
        "units": len(y),
        "n": len(y),
        "y": y.sum(),
        "d": ones.sum(),
        "yy": y @ y,
        "dd": ones @ ones,
        "yd": y @ ones,
    }
    for i, one in enumerate(COVARIATES):
        known = i == 0
        row |= {f"x__{one}": x.sum() * known, f"y__{one}": x @ y * known, f"d__{one}": x.sum() * known}
        row |= {
            f"x__{one}__{other}": x @ x * (known and i == j) for j, other in enumerate(COVARIATES) if j >= i
        }
    return row


def bins(metric, arm, units):
    """The model's rows of an arm's histogram, a bin for every request."""
    return [
        {"experiment_id": EXPERIMENT, "metric": metric, "variant": arm, "low": min(y, 1e18),
         "high": None if math.isinf(y) else y, "units": None, "n": 1}
        | {f"x__{name}": x * (name == COVARIATES[0]) for name in COVARIATES}
        for y, x in units
    ]  # fmt: skip


def opened(name, rows, plain):
    measured = replace(measure({}), tables={MODEL: tuple(rows)})
    place = Place("pre_exposure_imbalance", "requests", "customer_id", 0, None, {}, about_arms=True)
    return regions(measured).open(place.asks(statistic_of(definition(name)), TREATMENT, plain))


# The outcome is the covariate and, in the treatment, 0.25 more; the arms' covariates differ by 0.5.
LINE = {
    TREATMENT: [(x + 0.25, x) for x in (0.0, 0.5, 0.5, 1.0)],
    CONTROL: [(x, x) for x in (-0.5, 0.0, 0.0, 0.5)],
}


def test_what_the_past_explains_is_between_the_region_and_the_plain_effect():
    rows = [whole(SHARE, arm, units) for arm, units in LINE.items()]
    found = opened(SHARE, rows, Estimate(0.75, 0.7, 0.8))
    assert found.unmitigated == 0.75
    assert ends(found.region) == pytest.approx((0.25, 0.75))
    assert found.adjusted == pytest.approx(0.25)
    assert (found.region.gate_lower, found.region.gate_upper) == pytest.approx((0.25, 0.8))


def test_another_experiments_units_say_nothing_of_this_one():
    rows = [whole(SHARE, arm, units, "another") for arm, units in LINE.items()]
    assert opened(SHARE, rows, Estimate(0.75)).region.reason == NOT_ADJUSTED


@pytest.mark.parametrize("rows", [[], [whole(SHARE, TREATMENT, LINE[TREATMENT])],
                                  [whole(SHARE, TREATMENT, LINE[TREATMENT]), whole(SHARE, CONTROL, [(1, 1)])]])  # fmt: skip
def test_without_a_past_of_both_arms_the_metric_is_unidentified(rows):
    found = opened(SHARE, rows, Estimate(0.75, 0.7, 0.8))
    assert (found.unmitigated, *ends(found.region), found.adjusted) == (0.75, None, None, None)
    assert found.region.reason == NOT_ADJUSTED


def test_without_an_estimate_there_is_nothing_to_adjust():
    rows = [whole(SHARE, arm, units) for arm, units in LINE.items()]
    assert opened(SHARE, rows, Estimate(None)).region.reason == NOT_ADJUSTED


def test_a_relative_effect_is_one_of_adjusted_levels():
    """Both levels are those of the common mean of the covariate, 0.25: 0.5 against 0.25, twice as much."""
    rows = [whole(TICKETS, arm, units) for arm, units in LINE.items()]
    found = opened(TICKETS, rows, Estimate(3.0, 2.9, 3.1))
    assert ends(found.region) == pytest.approx((1.0, 3.0))


def test_a_level_adjusted_to_below_zero_has_no_relative_effect():
    lower = {arm: [(y - 0.3, x) for y, x in units] for arm, units in LINE.items()}
    rows = [whole(TICKETS, arm, units) for arm, units in lower.items()]
    assert opened(TICKETS, rows, Estimate(3.0)).region.reason == NOT_ADJUSTED


SECONDS = {
    TREATMENT: [(10.0, 0.0), (20.0, 0.0), (30.0, 1.0), (40.0, 1.0), (50.0, 1.0), (60.0, 1.0)],
    CONTROL: [(10.0, 0.0), (20.0, 0.0), (30.0, 0.0), (40.0, 0.0), (50.0, 1.0), (math.inf, 1.0)],
}


def test_a_medians_arms_are_weighted_to_the_same_past():
    """Weighted to three of either past, the treatment's median is its fourth request's and the control's its fourth's."""
    rows = [whole(MEDIAN, arm, [(0, x) for _, x in units]) for arm, units in SECONDS.items()]
    rows += [row for arm, units in SECONDS.items() for row in bins(MEDIAN, arm, units)]
    found = opened(MEDIAN, rows, Estimate(40 / 30 - 1, -0.5, 1.0))
    assert ends(found.region) == pytest.approx((20 / 40 - 1, 40 / 30 - 1))


def test_a_median_without_a_histogram_is_unidentified():
    rows = [whole(MEDIAN, arm, [(0, x) for _, x in units]) for arm, units in SECONDS.items()]
    assert opened(MEDIAN, rows, Estimate(0.1)).region.reason == NOT_ADJUSTED


def test_a_median_that_is_infinite_once_adjusted_is_unidentified():
    """Who has a past is never quoted in the treatment, and the control has more of them."""
    units = {
        TREATMENT: [*((10.0 + i, 0.0) for i in range(4)), (math.inf, 1.0), (math.inf, 1.0)],
        CONTROL: [(10.0, 0.0), *((20.0 + i, 1.0) for i in range(5))],
    }
    rows = [whole(MEDIAN, arm, [(0, x) for _, x in own]) for arm, own in units.items()]
    rows += [row for arm, own in units.items() for row in bins(MEDIAN, arm, own)]
    assert opened(MEDIAN, rows, Estimate(12 / 21 - 1)).region.reason == NOT_ADJUSTED


def test_the_histograms_are_kept_wherever_an_imbalance_can_be_found():
    """pre_period_products keeps them from 3 standard errors on."""
    assert math.erfc(3 / math.sqrt(2)) > ALPHA


# --- worlds through the models

SPEC = WorldSpec(requests=6_000, seed=31, days_before=28, unit="customer")
CLUSTERED = ExperimentDesign("quoting_v2", CONTROL, {CONTROL: 0.5, TREATMENT: 0.5}, clustered=True)


@pytest.fixture(scope="module")
def planted():
    with compiled_run(SPEC, Faults(imbalance=0.18)) as run:
        yield run


@pytest.fixture(scope="module")
def effects_of_the_clean_twin():
    with compiled_run(SPEC) as run:
        assert shown(run.gaps) == []
        (found,) = run.assessment.experiments
        return {effect.metric: effect.estimate for effect in found.effects if effect.segment is None}


@pytest.fixture(scope="module")
def reader(planted):
    return EvidenceReader(planted.measurements, CLUSTERED)


def test_hires_of_one_arm_before_the_window_leave_every_metric_between_two_effects(
    planted, effects_of_the_clean_twin
):
    gap = planted.gap("pre_exposure_imbalance", "requests", "customer_id")
    # Nobody's 37 days are over, so there is no rehire rate to adjust.
    left_out = ("pro_return_rate_7d", "rehire_rate_30d")
    of_requests = [impact for impact in gap.metrics if impact.metric not in left_out]
    assert len(of_requests) == 12
    for impact in of_requests:
        clean = effects_of_the_clean_twin[impact.metric].value
        assert impact.unmitigated == impact.mitigated == pytest.approx(clean), impact
        assert impact.lower <= clean <= impact.upper, impact
        assert impact.lower < impact.upper, impact
        assert impact.reason is None


def test_the_severity_is_what_the_region_does_to_the_decision_and_no_longer_that_there_is_none(planted):
    """The adjusted hire rate is the better one here, and the median moves by far less than it may."""
    gap = planted.gap("pre_exposure_imbalance", "requests", "customer_id")
    assert gap.severity.value not in ("blocker", "high")
    assert "unidentified" not in gap.severity_reason
    assert not any(impact.flips_decision for impact in gap.metrics)


def test_the_expected_direction_is_the_plain_effect_less_the_adjusted_one(planted, reader):
    gap = planted.gap("pre_exposure_imbalance", "requests", "customer_id")
    impact = next(impact for impact in gap.metrics if impact.metric == "quotes_per_request")
    found = adjusted_effect(reader, statistic_of(definition("quotes_per_request")), ARMS, 0.9)
    assert sorted([impact.mitigated, found.value]) == pytest.approx([impact.lower, impact.upper])
    assert impact.expected_direction.value == ("inflates" if found.value < impact.mitigated else "deflates")
    assert impact.direction == impact.expected_direction


def test_the_sums_are_those_of_the_estimate(planted, reader):
    """What is adjusted is the repaired reading itself: the same units, requests, sums and squares."""
    rows = [row for row in reader.rows(MODEL) if row["low"] is None]
    mature = {d.name for d in planted.mapping.metrics if d.unit != "pro"} - {"rehire_rate_30d"}
    assert {row["metric"] for row in rows} == mature
    for row in rows:
        moments = reader.moments(row["metric"], row["variant"])
        assert (row["units"], row["n"]) == (moments.units, moments.n)
        assert [row[c] for c in ("y", "d", "yy", "dd", "yd")] == pytest.approx(
            [moments.y, moments.d, moments.yy, moments.dd, moments.yd]
        )


def test_the_histograms_are_those_of_the_quantiles(reader):
    for metric in ("ttfq_median", "ttfq_p90"):
        for arm in ARMS:
            found = [r for r in reader.rows(MODEL) if (r["metric"], r["variant"]) == (metric, arm) and r["low"] is not None]  # fmt: skip
            cells = reader.cells(metric, arm)
            counted = {
                (None if high == np.inf else high): n for high, n in zip(cells.high, cells.count, strict=True)
            }
            assert {row["high"]: row["n"] for row in found} == counted


# Each customer's mature cohort requests and hires, beside what the customer did before the window and the assignment.
CUSTOMERS = """
with members as (
    select entity_id as customer_id, variant, assigned_at from raw.assignments
),

outcomes as (
    select customer_id, count(*) as d, sum(case when first_hire_seconds <= 604800 then 1 else 0 end) as y
    from plumbline_metrics.request_metrics
    where created_at >= timestamp '2026-10-01' and created_at < timestamp '2026-10-29'
    group by customer_id
),

pasts as (
    select
        customer_id, count(*) as n,
        avg(case when created_at <= timestamp '2026-09-24' then case when first_hire_seconds <= 604800 then 1.0 else 0.0 end end) as hired,
        avg(case when created_at <= timestamp '2026-09-30 23:30:00' then case when first_quote_seconds <= 1800 then 1.0 else 0.0 end end) as quoted
    from plumbline_metrics.request_metrics
    where created_at < timestamp '2026-10-01'
    group by customer_id
)

select variant, y, d, ln(1 + coalesce(n, 0)), hired, quoted
from members inner join outcomes using (customer_id) left join pasts using (customer_id)
"""


def test_the_adjusted_effect_is_an_analysis_of_covariance_of_the_customers(planted, reader):
    rows = planted.ask(CUSTOMERS)
    treated = np.array([row[0] == TREATMENT for row in rows])
    y, d = (np.array([row[i] for row in rows], dtype=float) for i in (1, 2))
    x = np.array([[np.nan if value is None else value for value in row[3:]] for row in rows], dtype=float)
    x = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
    outcome = np.empty(len(y))
    for own in (treated, ~treated):
        level = y[own].sum() / d[own].sum()
        outcome[own] = level + (y[own] - level * d[own]) / d[own].mean()
    fitted = OLS(outcome, np.column_stack([np.ones(len(y)), treated, x])).fit()
    metric = statistic_of(definition(SHARE))
    found = adjusted_effect(reader, metric, ARMS, 0.9)
    assert found.value == pytest.approx(fitted.params[1], abs=1e-9)
    assert found.ci_lower < found.value < found.ci_upper
    plain = [point_level(reader.moments(SHARE, arm)) for arm in ARMS]
    assert found.value != pytest.approx(plain[0] - plain[1], abs=1e-4)
    assert 0.5 < found.variance_ratio <= 1
