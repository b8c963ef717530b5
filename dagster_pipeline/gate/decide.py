"""Base × joint × open gaps → GO, PARTIAL or HOLD (DESIGN.md §6). Pure, and it fails closed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gate import reasons as say
from dagster_pipeline.gate.decision import (
    Answer,
    Decision,
    DecisionInputs,
    OpenGap,
    SegmentAnswer,
    Verdict,
    Waiver,
)

_UNEVALUATED = frozenset({Outcome.MISSING, Outcome.STALE, Outcome.ERRORED})
_RESOLVED = "resolved"
_NOT_EVALUATED = "not_evaluated"
_MISSING_VARIANT = "missing_variant"
MOST_RESIDUAL_VARIANT = 0.10
"""A full launch needs less than this share of requests without an arm."""


@dataclass(frozen=True)
class _Ruling:
    verdict: Verdict
    reasons: tuple[str, ...]
    segments: tuple[str, ...] = ()
    stage: int | None = None
    blocked_by: tuple[OpenGap, ...] = ()


def decide(inputs: DecisionInputs) -> Decision:
    """The verdict on one experiment; every answer of every treatment counts.

    What can't be judged is a HOLD: no experiment, no brief or an empty one, an answer that is missing, stale
    or errored, a blocker that something could not be evaluated, a waiver past its expiry.
    """
    case = _Case(inputs)
    ruling = (
        _no_ground(case)
        or _not_judged(case)
        or _unready(case)
        or _base_fails(case)
        or _joint_fails(case)
        or _not_everywhere(case)
        or _go(case)
    )
    return Decision(
        experiment=inputs.experiment,
        verdict=ruling.verdict,
        segments=ruling.segments,
        stage=ruling.stage,
        criteria=case.answers,
        blocked_by=tuple(dict.fromkeys(gap.gap_id for gap in ruling.blocked_by)),
        waivers=case.waivers,
        reasons=(*ruling.reasons, *map(say.of_waiver, case.waivers), *inputs.remarks),
        as_of=inputs.as_of,
        evaluated_at=inputs.evaluated_at,
    )


class _Case:
    """The inputs sorted: which gaps count, which answers can be believed, which segments stand alone."""

    def __init__(self, inputs: DecisionInputs) -> None:
        self.inputs = inputs
        unresolved = [gap for gap in inputs.gaps if gap.status != _RESOLVED]
        in_force = [gap for gap in unresolved if is_in_force(gap, inputs.evaluated_at)]
        self.open = tuple(gap for gap in unresolved if gap not in in_force)
        self.expired = tuple(gap for gap in self.open if gap.is_waived and gap.waiver_expires_at is not None)
        self.waivers = tuple(_waivers(in_force))
        # Who accepts the requests without an arm accepts how many they are.
        accepted = any(gap.kind == _MISSING_VARIANT for gap in in_force)
        self.has_too_few_arms = not accepted and not inputs.residual_variant < MOST_RESIDUAL_VARIANT
        waived_metrics = {metric for gap in in_force for metric in gap.metrics}
        self.answers = tuple(_believable(answer, waived_metrics) for answer in inputs.answers)

    @cached_property
    def judged(self) -> tuple[Answer, ...]:
        return tuple(a for a in self.answers if a.outcome in (Outcome.PASSED, Outcome.FAILED))

    @cached_property
    def unevaluated(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.outcome in _UNEVALUATED)

    @cached_property
    def failed(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.outcome is Outcome.FAILED)

    @cached_property
    def shaken(self) -> tuple[Answer, ...]:
        return tuple(a for a in self.answers if a.outcome is Outcome.PASSED and a.joint_passes is not True)

    @cached_property
    def flipping(self) -> tuple[OpenGap, ...]:
        return tuple(gap for gap in self.open if gap.flips)

    @cached_property
    def not_evaluated(self) -> tuple[OpenGap, ...]:
        """What could not be evaluated at all and matters: figures of such a run can't carry a launch."""
        return tuple(g for g in self.open if g.kind == _NOT_EVALUATED and g.severity is Severity.BLOCKER)

    @cached_property
    def serious(self) -> tuple[OpenGap, ...]:
        return tuple(gap for gap in self.open if gap.severity.rank >= Severity.HIGH.rank)

    @cached_property
    def medium(self) -> tuple[OpenGap, ...]:
        return tuple(gap for gap in self.open if gap.severity is Severity.MEDIUM)

    @cached_property
    def standing(self) -> tuple[SegmentAnswer, ...]:
        """Segments that pass on their own, also with the gaps at their worst, and are not harmed."""
        harmed = {harm.segment for harm in self.inputs.harmed}
        return tuple(
            s
            for s in self.inputs.segments
            if s.segment and s.passes_base and s.passes_joint and s.segment not in harmed
        )

    @cached_property
    def arms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(answer.variant for answer in self.answers if answer.variant))

    @property
    def name_arm(self) -> bool:
        return len(self.arms) > 1


def is_in_force(gap: OpenGap, at: datetime) -> bool:
    """Whether the gap is waived and the waiver has not expired."""
    return gap.is_waived and gap.waiver_expires_at is not None and _utc(gap.waiver_expires_at) > _utc(at)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _waivers(gaps: Iterable[OpenGap]) -> Iterable[Waiver]:
    for gap in gaps:
        if gap.waiver_expires_at is not None:
            yield Waiver(gap.gap_id, gap.waiver_expires_at)


def _believable(answer: Answer, waived_metrics: set[str]) -> Answer:
    """An answer without a figure has no outcome, and one waived without a waiver in force is not waived."""
    if answer.outcome is Outcome.WAIVED:
        return answer if answer.metric in waived_metrics else replace(answer, outcome=Outcome.MISSING)
    has_figure = answer.estimate is not None and math.isfinite(answer.estimate)
    if answer.outcome in (Outcome.PASSED, Outcome.FAILED) and not has_figure:
        return replace(answer, outcome=Outcome.MISSING)
    return answer


def _no_ground(case: _Case) -> _Ruling | None:
    """There is nothing to decide on, or nothing to decide by."""
    inputs = case.inputs
    name = inputs.experiment
    if name is None:
        lacking = "no experiment is named, so there is nothing to decide on"
    elif not inputs.is_known_experiment:
        lacking = f"the experiment {name} is not known"
    elif not inputs.has_brief:
        lacking = f"there is no brief for {name}, so nothing says what a GO would take"
    elif not inputs.has_criteria:
        lacking = f"the brief for {name} demands nothing, and an empty brief is never a GO"
    elif not case.answers:
        lacking = f"no demand of the brief for {name} was evaluated"
    else:
        return None
    gaps = tuple(map(say.of_gap, case.serious))
    return _Ruling(Verdict.HOLD, (f"HOLD: {lacking}.", *gaps), blocked_by=case.serious)


def _not_judged(case: _Case) -> _Ruling | None:
    """Part of the decision's ground is missing: no segment and no stage can make up for it."""
    absent = tuple(_absent_demands(case))
    summary = _not_judged_summary(case, bool(absent))
    if summary is None:
        return None
    expired = tuple(_waivers(case.expired))
    found = (
        f"HOLD: {summary}.",
        *(say.unevaluated(answer, name_arm=case.name_arm) for answer in case.unevaluated),
        *absent,
        *(say.failing(answer, name_arm=case.name_arm) for answer in case.failed),
        *(say.shaken(answer, name_arm=case.name_arm) for answer in case.shaken),
        *map(say.of_expired, expired),
        *map(say.of_gap, _distinct(*case.not_evaluated, *case.serious)),
    )
    return _Ruling(Verdict.HOLD, found, blocked_by=_distinct(*case.expired, *case.serious))


def _not_judged_summary(case: _Case, is_incomplete: bool) -> str | None:
    demands = say.counted(len(case.answers), "demand")
    if case.unevaluated:
        return f"{len(case.unevaluated)} of {demands} of the brief could not be judged"
    if is_incomplete:
        return "not every treatment was held to every demand of the brief"
    if not case.judged:
        return "every demand of the brief is waived, so nothing was judged"
    if case.not_evaluated:
        return "part of the run could not be evaluated, so its figures cannot carry a launch"
    if case.expired:
        return f"{say.counted(len(case.expired), 'waiver')} expired"
    return None


def _absent_demands(case: _Case) -> Iterable[str]:
    """With several treatments each must have been held to the same demands; one left out is not a pass."""
    demands = list(dict.fromkeys((answer.kind, answer.metric) for answer in case.answers if answer.variant))
    found = {(answer.kind, answer.metric, answer.variant) for answer in case.answers}
    for arm in case.arms:
        for kind, metric in demands:
            if (kind, metric, arm) not in found:
                yield f"{arm} was not held to the {kind} on {metric}."


def _unready(case: _Case) -> _Ruling | None:
    """The figures may be as good as they like: the launch was not prepared as the brief demands, or nothing is decided here."""
    inputs = case.inputs
    if inputs.rehearsal is None and not inputs.unready:
        return None
    summary = inputs.rehearsal or "the launch is not ready"
    details = (
        *inputs.unready,
        *(say.failing(answer, name_arm=case.name_arm) for answer in case.failed),
        *(say.shaken(answer, name_arm=case.name_arm) for answer in case.shaken),
        *map(say.of_gap, case.serious),
    )
    return _Ruling(Verdict.HOLD, (f"HOLD: {summary}.", *details), blocked_by=case.serious)


def _base_fails(case: _Case) -> _Ruling | None:
    if not case.failed:
        return None
    count = f"{len(case.failed)} of {say.counted(len(case.answers), 'demand')} of the brief"
    why = f"{count} {'is' if len(case.failed) == 1 else 'are'} not met"
    details = (
        *(say.failing(answer, name_arm=case.name_arm) for answer in case.failed),
        *(say.shaken(answer, name_arm=case.name_arm) for answer in case.shaken),
        *_arms_alone(case),
        *map(say.of_gap, _distinct(*case.serious, *case.flipping)),
    )
    return _segments_or_hold(case, why, details, case.serious)


def _joint_fails(case: _Case) -> _Ruling | None:
    """A single gap that flips counts even where the joint answer passes: one of the two must be wrong."""
    if not case.shaken and not case.flipping:
        return None
    blocking = _distinct(*(case.serious or case.medium), *case.flipping)
    details = (
        *(say.shaken(answer, name_arm=case.name_arm) for answer in case.shaken),
        *_arms_alone(case),
        *map(say.of_gap, blocking),
    )
    why = "the estimates pass, but the open data gaps could turn the answer"
    if case.serious:
        return _segments_or_hold(case, why, details, blocking)
    if case.medium:
        stage = case.inputs.stage_cap
        if case.inputs.harmed:
            return _at_most(stage, _segments_or_hold(case, why, (*details, *_harms(case)), blocking))
        summary = f"PARTIAL: {why}; go no further than {stage}%."
        return _Ruling(Verdict.PARTIAL, (summary, *details), stage=stage, blocked_by=blocking)
    unexplained = "No open gap is severe enough to explain this, so the result itself is in doubt."
    return _Ruling(Verdict.HOLD, (f"HOLD: {why}.", *details, unexplained), blocked_by=blocking)


def _not_everywhere(case: _Case) -> _Ruling | None:
    """Every demand holds, and still not for everybody: too many requests without an arm, or a large segment that is harmed."""
    inputs = case.inputs
    unlabelled = case.has_too_few_arms
    if not unlabelled and not inputs.harmed:
        return None
    stage = inputs.stage_cap if unlabelled else None
    gaps = tuple(gap for gap in case.open if gap.kind == _MISSING_VARIANT) if unlabelled else ()
    details = (
        *((say.unlabelled(inputs.residual_variant, MOST_RESIDUAL_VARIANT),) if unlabelled else ()),
        *_harms(case),
        *map(say.of_gap, gaps),
    )
    why = "every demand of the brief holds, but a full launch needs more"
    if inputs.harmed:
        return _at_most(stage, _segments_or_hold(case, why, details, gaps))
    return _Ruling(
        Verdict.PARTIAL,
        (f"PARTIAL: {why}; go no further than {stage}%.", *details),
        stage=stage,
        blocked_by=gaps,
    )


def _harms(case: _Case) -> Iterable[str]:
    return (say.harm(harm, name_arm=case.name_arm) for harm in case.inputs.harmed)


def _at_most(stage: int | None, ruling: _Ruling) -> _Ruling:
    """The same, capped at a stage where it allows anything at all."""
    return replace(ruling, stage=stage) if ruling.verdict is Verdict.PARTIAL else ruling


def _segments_or_hold(
    case: _Case, why: str, details: tuple[str, ...], blocking: tuple[OpenGap, ...]
) -> _Ruling:
    method = (say.of_segments(),) if case.inputs.segments else ()
    names = tuple(dict.fromkeys(answer.segment for answer in case.standing))
    if not names:
        return _Ruling(Verdict.HOLD, (f"HOLD: {why}.", *details, *method), blocked_by=blocking)
    verb = "passes on its own" if len(names) == 1 else "pass on their own"
    summary = f"PARTIAL: {why}, but {say.listed(names)} {verb}."
    return _Ruling(Verdict.PARTIAL, (summary, *details, *method), segments=names, blocked_by=blocking)


def _go(case: _Case) -> _Ruling:
    waived = len(case.answers) - len(case.judged)
    demands = say.counted(len(case.judged), "demand")
    size = f"all {demands}" if len(case.judged) > 1 else f"the {demands.removeprefix('1 ')}"
    verb = "hold" if len(case.judged) > 1 else "holds"
    left = f" ({waived} more waived)" if waived else ""
    worst = ", also with every open data gap at its worst" if case.open else ""
    return _Ruling(Verdict.GO, (f"GO: {size} of the brief {verb}{left}{worst}.",))


def _arms_alone(case: _Case) -> Iterable[str]:
    """Treatments that would pass by themselves, for whoever might drop the others."""
    if not case.name_arm:
        return
    failing = {answer.variant for answer in (*case.failed, *case.shaken)}
    alone = [arm for arm in case.inputs.passing_treatments if arm not in failing]
    # Where a gap turns the answer no arm is safe from it, and where all pass there is nothing to single out.
    if alone and failing and not case.flipping:
        yield say.of_treatments(alone)


def _distinct(*gaps: OpenGap) -> tuple[OpenGap, ...]:
    return tuple(dict.fromkeys(gaps))
