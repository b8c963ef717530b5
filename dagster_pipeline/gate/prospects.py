"""From an assessed run to what its data could tell (power) and what the decision is worth (value)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.types import Experiment
from dagster_pipeline.criteria.power import Pace, PowerAnswer, PowerQuestion, power_answer
from dagster_pipeline.criteria.value import GapRange, MetricEffect, ValueAnswer, value_answer
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.desk import ExperimentAssessment
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact

_DAY = timedelta(days=1)


def power_answers(
    found: ExperimentAssessment, experiment: Experiment, gaps: Iterable[Gap], as_of: datetime
) -> tuple[PowerAnswer, ...]:
    """One answer per rule × treatment, in the brief's order; none without a brief."""
    if found.brief is None:
        return ()
    opened = _open(gaps, found.experiment)
    return tuple(
        power_answer(
            _question(found, demand, experiment, opened, as_of),
            found.brief.confidence,
            found.brief.rollout.stages,
        )
        for demand in found.demands
    )


def decision_value(
    found: ExperimentAssessment, experiment: Experiment, gaps: Iterable[Gap]
) -> ValueAnswer | None:
    """What the decision is worth; None where the brief has no ``value``."""
    if found.brief is None or found.brief.value is None:
        return None
    treatments = [arm for arm, share in experiment.split.items() if arm != experiment.control and share > 0]
    effects = [
        MetricEffect(e.metric, e.variant, e.effect, e.estimate, e.region)
        for e in found.effects
        if e.segment is None
    ]
    ranges = [
        GapRange(gap.gap_id, gap.kind, i.metric, i.variant, i.unmitigated, i.lower, i.upper)
        for gap in _open(gaps, found.experiment)
        for i in gap.metrics
    ]
    return value_answer(found.brief.value, found.brief.rollout, treatments, effects, ranges)


def _open(gaps: Iterable[Gap], experiment: str | None) -> tuple[Gap, ...]:
    return tuple(
        gap for gap in gaps if gap.status is not GapStatus.RESOLVED and gap.experiment in (None, experiment)
    )


def _question(
    found: ExperimentAssessment,
    demand: Demand,
    experiment: Experiment,
    gaps: Sequence[Gap],
    as_of: datetime,
) -> PowerQuestion:
    metric = demand.rule.metric
    units = {
        level.variant: level.level.n
        for level in found.levels
        if level.metric == metric and level.segment is None
    }
    days = _mature_days(experiment, demand.definition, as_of)
    return PowerQuestion(
        rule=demand.rule,
        definition=demand.definition,
        effect=demand.effect,
        variant=demand.treatment,
        estimate=demand.estimate,
        region=demand.region,
        n_treatment=units.get(demand.treatment, 0),
        n_control=units.get(experiment.control, 0),
        pace=Pace(sum(units.values()), days) if days else None,
        repairs=tuple(_repairs(gaps, metric, demand.treatment)),
    )


def _mature_days(experiment: Experiment, definition: MetricDefinition, as_of: datetime) -> float | None:
    """Days of the window whose requests the metric can count: those old enough for its horizon by as_of."""
    if experiment.window is None:
        return None
    end = min(experiment.window.end, as_of - timedelta(seconds=definition.horizon))
    days = (end - experiment.window.start) / _DAY
    return days if days > 0 else None


def _repairs(gaps: Iterable[Gap], metric: str, variant: str) -> Iterator[str]:
    """The gaps that leave the metric room, widest first; one without limit is wider than all."""
    impacts = [(gap, impact) for gap in gaps for impact in gap.metrics]
    own = [(gap, impact) for gap, impact in impacts if (impact.metric, impact.variant) == (metric, variant)]
    for gap, impact in sorted(own, key=lambda pair: -_width(pair[1])):
        if _width(impact) > 0:
            yield f"{gap.kind.replace('_', ' ')} in {'.'.join(filter(None, (gap.table, gap.column)))}"


def _width(impact: Impact) -> float:
    if impact.lower is None or impact.upper is None:
        return float("inf")
    return impact.upper - impact.lower
