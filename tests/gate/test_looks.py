"""A rule at every daily look: broken or kept is proven at one of them, and nothing to look at is never fine."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from dagster_pipeline.config.brief import Criterion, Guardrail
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.types import Experiment, Window
from dagster_pipeline.criteria.rules import criterion_rule, guardrail_rule
from dagster_pipeline.gaps.daily import DailySums, DaySums
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gate.looks import monitored, monitored_document, planned_units
from dagster_pipeline.statistics.always_valid import effect_interval
from dagster_pipeline.statistics.evidence import Better, EffectKind, Metric, MetricKind, Moments

EXPERIMENT = Experiment(
    id="x", control="control", split={"control": 0.5, "treatment": 0.5},
    window=Window(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 29, tzinfo=UTC)),
)  # fmt: skip
HIRES, TICKETS = "hire_rate_7d", "support_tickets_per_100_requests"


def demand(item):
    definition = metric_definitions()[item.metric]
    rule = (guardrail_rule if isinstance(item, Guardrail) else criterion_rule)(
        item, Better(definition.better)
    )
    return Demand(rule, definition, item.effect or definition.effect, "treatment", None)


def share(k, n):
    return Moments(units=n, n=n, y=k, d=n, yy=k, dd=n, yd=k)


def days(*counts, first=1):
    return tuple(DaySums(date(2026, 10, 1) + timedelta(days=i + first - 1), share(k, n)) for i, (k, n) in enumerate(counts))  # fmt: skip


def sums(metric, treatment, control, inflation=1.0):
    arms = {(metric, "treatment"): treatment, (metric, "control"): control}
    return DailySums(arms, dict.fromkeys(arms, inflation))


def looked(item, found, confidence=0.9):
    return monitored([demand(item)], found, confidence, EXPERIMENT)[0]


TICKETS_UP = Guardrail(metric=TICKETS, effect="relative", max_increase=0.10)
HIRES_DOWN = Guardrail(metric=HIRES, max_decrease=0.01)


def test_harm_is_proven_on_the_day_the_whole_interval_lies_beyond():
    even = [(50, 1_000)] * 4
    found = looked(TICKETS_UP, sums(TICKETS, days(*[(100, 1_000)] * 4), days(*even)))
    assert found.state == "crossed"
    before = [look for look in found.looks if look.day < found.crossed_on]
    assert found.crossed_on > date(2026, 10, 1)
    assert all(look.interval.lower <= 0.10 for look in before)
    assert next(look for look in found.looks if look.day == found.crossed_on).interval.lower > 0.10


def test_once_broken_it_stays_broken_whatever_follows():
    bad_then_good = [(150, 1_000)] * 2 + [(20, 1_000)] * 6
    found = looked(TICKETS_UP, sums(TICKETS, days(*bad_then_good), days(*[(50, 1_000)] * 8)))
    assert found.looks[-1].interval.lower < 0.10
    assert found.state == "crossed"


def test_it_is_proven_kept_where_the_whole_interval_lies_within():
    found = looked(HIRES_DOWN, sums(HIRES, days(*[(1_250, 10_000)] * 5), days(*[(1_200, 10_000)] * 5)))
    assert (found.state, found.crossed_on) == ("safe", None)
    assert found.safe_on is not None


def test_neither_is_open_and_a_guarded_fall_is_on_the_other_side():
    assert looked(HIRES_DOWN, sums(HIRES, days((120, 1_000)), days((120, 1_000)))).state == "open"
    fallen = sums(HIRES, days(*[(800, 10_000)] * 3), days(*[(1_200, 10_000)] * 3))
    assert looked(HIRES_DOWN, fallen).state == "crossed"
    assert looked(Guardrail(metric=HIRES, max_increase=0.01), fallen).state == "safe"


def test_a_criterion_is_looked_at_too():
    good = sums(HIRES, days(*[(1_300, 10_000)] * 5), days(*[(1_200, 10_000)] * 5))
    found = looked(Criterion(metric=HIRES, min_delta=-0.005, min_bound=-0.010), good)
    assert (found.kind, found.state) == ("criterion", "safe")


def test_the_look_is_the_always_valid_interval_of_all_days_so_far():
    found = looked(HIRES_DOWN, sums(HIRES, days((130, 1_000), (110, 900)), days((120, 1_000), (125, 1_100))))
    metric = Metric(HIRES, MetricKind.SHARE, Better.HIGHER, EffectKind.ABSOLUTE)
    expected = effect_interval((share(240, 1_900), share(245, 2_100)), metric, 0.9, planned=28 * 2_000)
    assert found.planned == 28 * 2_000
    assert (found.looks[1].interval.lower, found.looks[1].interval.upper) == pytest.approx(
        (expected.ci_lower, expected.ci_upper)
    )
    assert found.looks[1].units == 4_000


def test_units_whose_days_are_alike_widen_it():
    arms = days((130, 1_000)), days((120, 1_000))
    plain = looked(HIRES_DOWN, sums(HIRES, *arms)).looks[0].interval
    wide = looked(HIRES_DOWN, sums(HIRES, *arms, inflation=4.0)).looks[0].interval
    assert wide.upper - wide.lower == pytest.approx(2 * (plain.upper - plain.lower))


def test_the_plan_is_fixed_by_the_first_days_count_alone():
    few = looked(HIRES_DOWN, sums(HIRES, days((12, 100)), days((12, 100))))
    more = looked(HIRES_DOWN, sums(HIRES, days((30, 100), (500, 5_000)), days((9, 100), (600, 5_000))))
    assert few.planned == more.planned == 28 * 200
    assert planned_units(10, EXPERIMENT.model_copy(update={"window": None})) == 280


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (DailySums({}), "no daily sums"),
        (sums(HIRES, days((120, 1_000)), ()), "no daily sums"),
        (sums(HIRES, days((120, 1_000)), days((0, 0))), "no daily sums"),
        (sums(HIRES, days((12, 99)), days((120, 1_000))), "too few units"),
        (sums(HIRES, days((0, 1_000)), days((0, 1_000))), "too few units"),
    ],
)
def test_nothing_to_look_at_is_missing_never_fine(found, why):
    answer = looked(HIRES_DOWN, found)
    assert answer.state == "missing"
    assert why in answer.reason


@pytest.mark.parametrize("metric", ["ttfq_median", "pro_return_rate_7d"])
def test_quantiles_and_shares_of_pros_are_said_not_to_be_looked_at(metric):
    answer = looked(Guardrail(metric=metric, max_increase=0.1), DailySums({}))
    assert (answer.state, answer.looks) == ("unmonitored", ())
    assert answer.reason


def test_days_that_one_arm_lacks_count_for_the_other():
    found = looked(HIRES_DOWN, sums(HIRES, days((120, 1_000), first=2), days((120, 1_000), (130, 1_000))))
    assert [(look.day.day, look.units) for look in found.looks] == [(2, 3_000)]


def test_it_is_written_down_in_full():
    document = monitored_document(looked(HIRES_DOWN, sums(HIRES, days((9, 100), (120, 900)), days((12, 100), (120, 900)))))  # fmt: skip
    assert document["looks"][0] | {"estimate": None} == {"day": "2026-10-01", "units": 200, "estimate": None, "lower": None, "upper": None}  # fmt: skip
    assert document["looks"][1]["lower"] < document["looks"][1]["estimate"] < document["looks"][1]["upper"]
    assert (document["state"], document["planned_units"]) == ("open", 5_600)
