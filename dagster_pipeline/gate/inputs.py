"""From an assessed run to what the decision is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from dagster_pipeline.criteria.evaluate import joint_value, threshold
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.desk import ExperimentAssessment
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.gate.decision import Answer, DecisionInputs, Harm, OpenGap, SegmentAnswer
from dagster_pipeline.gate.settled import waived_until

_MISSING_VARIANT = "missing_variant"
_SHOWN_SEVERAL_TIMES = ("orphan_rows", _MISSING_VARIANT)
_ROUNDING = 1e-9


class PreparationLike(Protocol):
    """How a launch was prepared, in sentences."""

    @property
    def unready(self) -> tuple[str, ...]:
        """What holds it back."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """What stands beside the verdict whatever it is."""
        ...


def decision_inputs(
    assessment: RunAssessment,
    gaps: Iterable[Gap],
    as_of: datetime,
    evaluated_at: datetime,
    prepared: Mapping[str, PreparationLike] = MappingProxyType({}),
    rehearsal: str | None = None,
) -> tuple[DecisionInputs, ...]:
    """One question per experiment with a brief; without any brief, one that can only be answered HOLD.

    ``prepared`` is experiment → how its launch was prepared; ``rehearsal`` says why this run decides nothing.
    """
    gaps = tuple(gaps)
    asked = [e for e in assessment.experiments if e.brief is not None] or list(assessment.experiments[:1])
    found = (_inputs(e, gaps, as_of, evaluated_at) for e in asked)
    return tuple(_prepared(one, prepared.get(one.experiment or ""), rehearsal) for one in found)


def _prepared(inputs: DecisionInputs, found: PreparationLike | None, rehearsal: str | None) -> DecisionInputs:
    if found is None:
        return replace(inputs, rehearsal=rehearsal)
    return replace(inputs, rehearsal=rehearsal, unready=found.unready, remarks=found.remarks)


def _inputs(
    found: ExperimentAssessment, gaps: tuple[Gap, ...], as_of: datetime, evaluated_at: datetime
) -> DecisionInputs:
    brief = found.brief
    metrics = {d.rule.metric for d in found.demands}
    about = [g for g in gaps if g.status is not GapStatus.RESOLVED and _is_about(g, found.experiment)]
    stale = {metric for g in gaps if g.kind == "stale_source" for metric in _moved(g, metrics)}
    return DecisionInputs(
        experiment=found.experiment,
        has_brief=brief is not None,
        has_criteria=brief is not None and bool(brief.criteria or brief.guardrails),
        is_known_experiment=found.experiment is not None,
        answers=(answers := tuple(_answer(d, stale) for d in found.demands)),
        gaps=tuple(_open_gap(g, metrics, answers, found.experiment, evaluated_at) for g in about),
        segments=tuple(SegmentAnswer(s, passes_base=True, passes_joint=True) for s in found.passing_segments),
        as_of=as_of,
        evaluated_at=evaluated_at,
        stage_cap=brief.rollout.stage_cap if brief else DecisionInputs.stage_cap,
        residual_variant=_residual_variant(about),
        harmed=tuple(Harm(h.segment, h.treatment, h.hire_limit, h.tickets_limit) for h in found.harmed),
        passing_treatments=found.passing_treatments,
        without=tuple(SegmentAnswer(s, passes_base=True, passes_joint=True) for s in found.passing_without),
    )


def _residual_variant(gaps: Iterable[Gap]) -> float:
    """The share of cohort requests whose arm stays unknown; no such gap is none of them."""
    shares = [
        g.share_residual
        for g in gaps
        if (g.kind, g.table) == (_MISSING_VARIANT, "requests") and g.column is None
    ]
    return max((1.0 if share is None else share for share in shares), default=0.0)


def _is_about(gap: Gap, experiment: str | None) -> bool:
    return gap.experiment is None or gap.experiment == experiment


def _moved(gap: Gap, metrics: set[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(i.metric for i in gap.metrics if i.metric in metrics))


def _open_gap(
    gap: Gap, metrics: set[str], answers: Iterable[Answer], experiment: str | None, at: datetime
) -> OpenGap:
    own = [impact for impact in gap.metrics if impact.metric in metrics]
    until = waived_until(gap, experiment, at)
    return OpenGap(
        gap_id=gap.gap_id,
        kind=gap.kind,
        severity=gap.severity,
        status=gap.status.value,
        flips=any(i.flips_decision for i in own),
        metrics=_moved(gap, metrics),
        description=f"{'.'.join(part for part in (gap.table, gap.column) if part)}: {gap.description}",
        opens=tuple(dict.fromkeys(i.metric for i in own if not _is_point(i))),
        explains=tuple((a.metric, a.variant) for a in answers if any(_is_region_of(i, a) for i in own)),
        loss=_loss(gap),
        turns=tuple((i.metric, i.variant) for i in own if i.flips_decision),
        hides=tuple((i.metric, i.variant) for i in own if i.lower is None or i.upper is None),
        is_waived=until is not None,
        waiver_expires_at=until,
    )


def _is_point(impact: Impact) -> bool:
    """Whether the gap leaves nothing open on the metric."""
    if impact.lower is None or impact.upper is None:
        return False
    return _near(impact.lower, impact.upper)


def _is_region_of(impact: Impact, answer: Answer) -> bool:
    """Whether the joint region of the answer is the gap's own: nothing else leaves the metric open."""
    same = (impact.metric, impact.variant, impact.effect) == (answer.metric, answer.variant, answer.effect)
    return same and _near(impact.lower, answer.lower) and _near(impact.upper, answer.upper)


def _near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _ROUNDING * max(1.0, abs(one))


def _loss(gap: Gap) -> str | None:
    """What the gap shows: several gaps of these kinds are one loss where they leave the same open."""
    if gap.kind not in _SHOWN_SEVERAL_TIMES:
        return None
    return f"{gap.kind} {[(i.metric, i.variant, i.lower, i.upper) for i in gap.metrics]}"


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
        definition=demand.definition,
    )
