"""A share of pros through the assessment: level, interval, regions and the brief's answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_worlds import CONTROL, EXPERIMENT, TREATMENT, config, experiment, mapping, measure, opened, row

from dagster_pipeline.config.brief import Brief, Criterion
from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gaps.effects import LOST_WITHOUT_TRACE
from dagster_pipeline.gaps.measurements import Cohort
from dagster_pipeline.gaps.pros import NO_BOUND
from dagster_pipeline.statistics.evidence import Moments
from dagster_pipeline.statistics.intervals import newcombe, wilson

PROS = "pro_return_rate_7d"
LOWEST = Criterion(metric=PROS, effect="absolute", min_delta=-0.01, min_bound=-0.02)


def counted(n, y):
    return Moments(n, n, float(y), float(n), float(y), float(n), float(y))


def pros(rows=(), control=(1000, 600), treatment=(1000, 620), segment=None, **readings):
    """Measured pros: (n, returning) by arm, and under other readings as {reading: {arm: (n, returning)}}."""
    found = {"repaired": {CONTROL: control, TREATMENT: treatment}} | readings
    for end in ("joint_low", "joint_high"):
        found.setdefault(end, found["repaired"])
    moments = {
        (reading, Cohort(EXPERIMENT, segment, PROS, arm)): counted(*value)
        for reading, arms in found.items()
        for arm, value in arms.items()
    }
    return replace(measure({}, rows=rows), moments=moments)


def judged(world, *, unit="request"):
    brief = Brief(experiment=EXPERIMENT, confidence=0.90, criteria=(LOWEST,))
    return assess(config([experiment(unit=unit)], [brief]), mapping([PROS]), world)


def the_effect(found):
    (one,) = [e for e in found.experiments[0].effects if e.segment is None]
    return one


@pytest.mark.parametrize("unit", ["request", "customer"])
def test_pros_are_independent_units_whatever_was_randomized(unit):
    found = judged(pros(), unit=unit)
    one = the_effect(found)
    expected = newcombe(620, 1000, 600, 1000, 0.90)
    assert one.estimate.value == pytest.approx(0.02)
    assert (one.estimate.ci_lower, one.estimate.ci_upper) == pytest.approx((expected.lower, expected.upper))
    assert (one.region.lower, one.region.upper) == (one.estimate.value, one.estimate.value)
    assert one.region.gate_lower == one.estimate.ci_lower
    level = next(x.level for x in found.experiments[0].levels if x.variant == CONTROL)
    assert (level.n, level.value) == (1000, 0.6)
    assert (level.ci_lower, level.ci_upper) == pytest.approx(
        (wilson(600, 1000, 0.90).lower, wilson(600, 1000, 0.90).upper)
    )


def test_a_brief_may_ask_for_it_and_is_answered_at_the_estimate_and_at_the_worst():
    ends = {
        "joint_low": {CONTROL: (1000, 600), TREATMENT: (1030, 620)},
        "joint_high": {CONTROL: (1020, 620), TREATMENT: (1000, 620)},
        "unlabelled_low": {CONTROL: (1000, 600), TREATMENT: (1030, 620)},
        "unlabelled_high": {CONTROL: (1020, 620), TREATMENT: (1000, 620)},
        "variant_from_quotes": {CONTROL: (900, 500), TREATMENT: (900, 600)},
    }
    missing = row("missing_variant", "requests", experiment=EXPERIMENT, total=2000, affected=50)
    found = judged(pros([missing], **ends))
    (demand,) = found.experiments[0].demands
    assert (demand.base, demand.joint) == (Outcome.PASSED, Outcome.FAILED)
    (impact,) = found.gaps[0].metrics
    assert (impact.metric, impact.variant) == (PROS, TREATMENT)
    assert (impact.lower, impact.upper) == pytest.approx((620 / 1030 - 620 / 1020, 0.62 - 0.6))
    assert impact.unmitigated == pytest.approx(100 / 900)
    assert impact.flips_decision
    assert found.gaps[0].severity in (Severity.HIGH, Severity.BLOCKER)
    assert judged(pros()).experiments[0].demands[0].joint is Outcome.PASSED


def test_quotes_without_a_pro_may_change_that_many_pros_of_either_arm():
    found = judged(pros([row("missing_values", "quotes", "pro_id", total=9000, affected=30)]))
    (impact,) = found.gaps[0].metrics
    assert (impact.lower, impact.upper) == pytest.approx((0.59 - 0.63, 0.65 - 0.57))
    region = the_effect(found).region
    assert (region.lower, region.upper) == pytest.approx((impact.lower, impact.upper))


def test_what_a_pro_can_be_named_for_is_in_the_readings_and_not_counted_twice():
    ends = {
        f"{cause}_{end}": {CONTROL: (1000, 600), TREATMENT: (1000, 620 + move)}
        for cause in ("keyless", "joint")
        for end, move in (("low", -4), ("high", 4))
    }
    found = judged(pros([row("missing_values", "quotes", "request_id", total=9000, affected=300)], **ends))
    region = the_effect(found).region
    assert (region.lower, region.upper) == pytest.approx((0.016, 0.024))


def test_copies_of_quotes_leave_nothing_open_and_say_what_they_would_have_done():
    copied = {"duplicate_rows.quotes": {CONTROL: (1000, 640), TREATMENT: (1000, 640)}}
    found = judged(pros([row("duplicate_rows", "quotes", total=9000, affected=300, residual=0)], **copied))
    (impact,) = found.gaps[0].metrics
    assert (impact.unmitigated, impact.lower, impact.upper) == pytest.approx((0.0, 0.02, 0.02))


@pytest.mark.parametrize(
    ("gap", "reason"),
    [
        (row("missing_values", "hires", "hired_at"), None),
        (row("missing_values", "quotes", "price"), None),
        (row("late_assignment", "assignments", "assigned_at"), None),
    ],
    ids=["hires", "prices", "late assignments"],
)
def test_gaps_elsewhere_or_that_no_pro_feels_leave_the_estimate(gap, reason):
    late = {f"late_{end}": {CONTROL: (1000, 600), TREATMENT: (1000, 620)} for end in ("low", "high")}
    region = the_effect(judged(pros([gap], **late))).region
    assert (region.lower, region.upper, region.reason) == (pytest.approx(0.02), pytest.approx(0.02), reason)


def test_units_lost_without_a_trace_may_have_had_any_number_of_pros():
    arms = [
        row(
            "sample_ratio_mismatch",
            "assignments",
            "variant",
            arm,
            total,
            0,
            experiment=EXPERIMENT,
            is_gap=None,
        )
        for arm, total in ((CONTROL, 60_000), (TREATMENT, 50_000))
    ]
    found = judged(pros(arms))
    assert the_effect(found).region.reason == LOST_WITHOUT_TRACE
    assert found.experiments[0].demands[0].joint is Outcome.MISSING


def test_an_arm_without_pros_has_no_level_and_no_effect():
    found = judged(pros(treatment=(0, 0)))
    one = the_effect(found)
    assert one.estimate.value is None
    assert one.region.lower is None
    assert [x.level.n for x in found.experiments[0].levels if x.variant == TREATMENT] == [0]


def test_without_its_models_the_metric_is_not_there():
    found = judged(replace(pros(), unread=frozenset({"pro_statistics"})))
    assert found.experiments[0].effects == ()
    assert found.experiments[0].demands[0].base is Outcome.MISSING


def test_a_segment_has_its_own_pros_and_what_can_not_be_placed_may_all_be_there():
    whole, part = pros(), pros(control=(100, 50), treatment=(100, 60), segment="category=dj")
    rows = [row("missing_values", "quotes", "pro_id", total=9000, affected=3)]
    world = replace(whole, moments={**whole.moments, **part.moments}, rows=tuple(rows))
    effects = judged(world).experiments[0].effects
    (one,) = [e for e in effects if e.segment == "category=dj"]
    assert one.estimate.value == pytest.approx(0.1)
    assert (one.region.lower, one.region.upper) == pytest.approx((0.57 - 0.53, 0.63 - 0.47))


def test_a_gap_that_nobody_bounded_leaves_it_unidentified():
    found = opened(pros(), PROS, "a_kind_without_a_bound", "quotes").region
    assert (found.lower, found.upper, found.reason) == (None, None, NO_BOUND)
