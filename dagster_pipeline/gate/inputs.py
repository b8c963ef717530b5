"""From an assessed run to what the decision is asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from dagster_pipeline.criteria.evaluate import joint_value, threshold
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.desk import ExperimentAssessment
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.gate.decision import Answer, DecisionInputs, OpenGap, SegmentAnswer


def decision_inputs(
    assessment: RunAssessment, gaps: Iterable[Gap], as_of: datetime, evaluated_at: datetime
) -> tuple[DecisionInputs, ...]:
    """One question per experiment with a brief; without any brief, one that can only be answered HOLD."""
    gaps = tuple(gaps)
    asked = [e for e in assessment.experiments if e.brief is not None] or list(assessment.experiments[:1])
    return tuple(_inputs(e, gaps, as_of, evaluated_at) for e in asked)


def _inputs(
    found: ExperimentAssessment, gaps: tuple[Gap, ...], as_of: datetime, evaluated_at: datetime
) -> DecisionInputs:
    brief = found.brief
    metrics = {d.rule.metric for d in found.demands}
    open_gaps = tuple(
        _open_gap(g, metrics)
        for g in gaps
        if g.status is not GapStatus.RESOLVED and _is_about(g, found.experiment)
    )
    stale = {metric for g in gaps if g.kind == "stale_source" for metric in _moved(g, metrics)}
    return DecisionInputs(
        experiment=found.experiment,
        has_brief=brief is not None,
        has_criteria=brief is not None and bool(brief.criteria or brief.guardrails),
        is_known_experiment=found.experiment is not None,
        answers=tuple(_answer(d, stale) for d in found.demands),
        gaps=open_gaps,
        segments=tuple(SegmentAnswer(s, passes_base=True, passes_joint=True) for s in found.passing_segments),
        as_of=as_of,
        evaluated_at=evaluated_at,
    )


def _is_about(gap: Gap, experiment: str | None) -> bool:
    return gap.experiment is None or gap.experiment == experiment


def _moved(gap: Gap, metrics: set[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(i.metric for i in gap.metrics if i.metric in metrics))


def _open_gap(gap: Gap, metrics: set[str]) -> OpenGap:
    return OpenGap(
        gap_id=gap.gap_id,
        kind=gap.kind,
        severity=gap.severity,
        status=gap.status.value,
        flips=any(i.flips_decision for i in gap.metrics if i.metric in metrics),
        metrics=_moved(gap, metrics),
        description=f"{'.'.join(part for part in (gap.table, gap.column) if part)}: {gap.description}",
    )


def _answer(demand: Demand, stale: set[str]) -> Answer:
    outcome = demand.base
    if outcome is Outcome.MISSING and demand.rule.metric in stale:
        outcome = Outcome.STALE
    condition = demand.rule.tested_jointly[0]
    estimate, region = demand.estimate, demand.region
    return Answer(
        metric=demand.rule.metric,
        variant=demand.treatment,
        kind=demand.rule.kind.value,
        outcome=outcome,
        joint_passes=None if outcome in (Outcome.MISSING, Outcome.STALE) else demand.joint is Outcome.PASSED,
        threshold=threshold(demand.rule, estimate),
        estimate=estimate.value,
        ci_lower=estimate.ci_lower,
        ci_upper=estimate.ci_upper,
        lower=region.lower,
        upper=region.upper,
        delta_star=demand.flip.share,
        effect=demand.effect,
        joint_figure=joint_value(condition, region),
        joint_threshold=condition.threshold,
    )
