"""From an assessed run: whose units count, over which days, and which gaps are named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dagster_pipeline.config.brief import Brief, Criterion, Rollout, Stage, Value
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.types import Experiment, Window
from dagster_pipeline.criteria.power import Reading
from dagster_pipeline.criteria.rules import criterion_rule
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.desk import ExperimentAssessment
from dagster_pipeline.gaps.effects import EffectOf, LevelOf
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.gate.prospects import decision_value, power_answers
from dagster_pipeline.statistics.evidence import Better, Estimate, Level, Region
from dagster_pipeline.statistics.vocabulary import Direction

HIRES, AS_OF = "hire_rate_7d", datetime(2026, 11, 6, tzinfo=UTC)
WINDOW = Window(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 29, tzinfo=UTC))
EXPERIMENT = Experiment(
    id="quoting_v2", control="control", split={"control": 0.5, "treatment": 0.5, "off": 0.0}, window=WINDOW
)
CRITERION = Criterion(metric=HIRES, min_delta=-0.005, min_bound=-0.010)
ESTIMATE = Estimate(0.0, -0.0076, 0.0076)


def assessed(value=None, found: bool = True, **brief) -> ExperimentAssessment:
    asked = Brief(experiment="quoting_v2", criteria=(CRITERION,), value=value, **brief)
    definition = metric_definitions()[HIRES]
    effects = tuple(
        EffectOf(HIRES, "treatment", segment, "absolute", ESTIMATE, Region(-0.009, 0.018))
        for segment in (None, "category=a")
    )
    demand = Demand(
        criterion_rule(CRITERION, Better.HIGHER),
        definition,
        "absolute",
        "treatment",
        effects[0] if found else None,
    )
    levels = tuple(
        LevelOf(HIRES, arm, segment, Level(n, 0.12))
        for segment in (None, "category=a")
        for arm, n in {"control": 10_100, "treatment": 9_900, "unknown": 800}.items()
    )
    return ExperimentAssessment("quoting_v2", asked, levels, effects if found else (), (demand,), (), ())


def gap(
    lower, upper, *, number=1, metric=HIRES, status=GapStatus.OPEN, column="variant", experiment="quoting_v2"
):
    impact = Impact(
        metric, "treatment", "absolute", 0.01, 0.0, lower, upper, None, None, Direction.EITHER, Direction.EITHER,
        flips_decision=False, delta_star=None,
    )  # fmt: skip
    return Gap(
        f"gap-{number}", "missing_variant", experiment, "requests", column, None, "", status, Severity.HIGH, "",
        100, 10, 0.1, 0.1, metrics=(impact,),
    )  # fmt: skip


def test_the_sample_is_the_cohorts_and_the_pace_counts_every_request_of_the_days_that_are_mature():
    stages = (Stage(percent=10, dwell=timedelta(days=7)),)
    (answer,) = power_answers(assessed(rollout=Rollout(stages=stages)), EXPERIMENT, [], AS_OF)
    assert (answer.n_treatment, answer.n_control) == (9_900, 10_100)
    assert (answer.stages[0].n_treatment, answer.stages[0].n_control) == (520, 4_680)  # a quarter of 20,800


@pytest.mark.parametrize(
    ("as_of", "week"),
    [
        (datetime(2026, 11, 6, tzinfo=UTC), 20_800 / 4),  # the whole window of 28 days
        (datetime(2026, 10, 22, tzinfo=UTC), 20_800 / 2),  # 14 of its days are seven days old
        (datetime(2026, 10, 8, tzinfo=UTC), None),  # none is
    ],
)
def test_days_too_young_to_be_counted_are_not_days_of_the_pace(as_of, week):
    stages = (Stage(percent=50, dwell=timedelta(days=7)),)
    (answer,) = power_answers(assessed(rollout=Rollout(stages=stages)), EXPERIMENT, [], as_of)
    treated = answer.stages[0].n_treatment
    assert treated == (None if week is None else week / 2)


def test_the_gaps_that_leave_room_are_named_the_widest_first_and_resolved_ones_not():
    gaps = [
        gap(-0.001, 0.001, column="hired_at"),
        gap(-0.009, 0.018),
        gap(0.0, 0.0, column="geo"),
        gap(None, 0.1, column="price", status=GapStatus.RESOLVED),
        gap(None, 0.1, column="session_id", experiment="another"),
    ]
    (answer,) = power_answers(assessed(), EXPERIMENT, gaps, AS_OF)
    assert (
        "repair of missing variant in requests.variant and missing variant in requests.hired_at will"
        in answer.sentence
    )
    assert not any(column in answer.sentence for column in ("geo", "price", "session_id"))


def test_a_metric_that_was_not_computed_is_not_evaluated():
    (answer,) = power_answers(assessed(found=False), EXPERIMENT, [], AS_OF)
    assert answer.reading is Reading.NOT_EVALUATED
    assert "the metric was not computed" in answer.sentence


def test_the_decision_is_valued_over_the_cohort_and_by_the_experiments_own_open_gaps():
    value = Value(per_day={HIRES: 1e6}, horizon=timedelta(days=10))
    gaps = [gap(-0.009, 0.018), gap(-1.0, 1.0, number=2, experiment="another")]
    found = decision_value(assessed(value), EXPERIMENT, gaps)
    (treatment,) = found.treatments
    assert treatment.variant == "treatment"
    assert treatment.benefit_per_day.lower == pytest.approx(-9_000)
    assert [risk.gap_id for risk in treatment.gaps] == ["gap-1"]
    assert treatment.gaps[0].at_risk == pytest.approx(180_000)  # holding, where +1.8 pp was there


def test_without_a_value_in_the_brief_there_is_none():
    assert decision_value(assessed(), EXPERIMENT, []) is None
