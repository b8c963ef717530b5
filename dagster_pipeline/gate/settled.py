"""What people's word on gaps does to a decision: a gap that is accepted or said to be resolved no longer opens the answers.

Pure, and without what computes, so that a verdict can be taken again at once from what a run stored. Where the figures of a
run don't say what the remaining gaps leave open, the answer stays as all gaps together left it: no word widens a GO by guess.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.gate import reasons as say
from dagster_pipeline.gate.decide import is_in_force
from dagster_pipeline.gate.decision import Answer, DecisionInputs, OpenGap
from dagster_pipeline.register.lifecycle import is_named, waiver_in_force

_RESOLVED = GapStatus.RESOLVED.value
_UNJUDGED = frozenset({Outcome.MISSING, Outcome.STALE, Outcome.ERRORED})


def with_gaps(
    inputs: DecisionInputs, gaps: Sequence[Gap], at: datetime, approvers: Collection[str] = ()
) -> DecisionInputs:
    """The question of a run asked again at ``at``, with its gaps as people left them since; ready to be decided.

    A gap that somebody says is resolved counts as such on the word of one of ``approvers``, or of anybody where none is named.
    """
    now = {gap.gap_id: gap for gap in gaps if _counts(gap, approvers)}
    current = [_as_it_is(gap, now.get(gap.gap_id), inputs.experiment, at) for gap in inputs.gaps]
    return settled(replace(inputs, gaps=tuple(current), evaluated_at=at))


def _counts(gap: Gap, approvers: Collection[str]) -> bool:
    by = gap.life.resolved_by if gap.status is GapStatus.RESOLVED else None
    return by is None or not approvers or is_named(by, approvers)


def settled(inputs: DecisionInputs) -> DecisionInputs:
    """The question with its answers as they are once accepted gaps, and those said to be resolved, count no more.

    An answer that an accepted gap kept from passing or from being judged becomes waived, with its figures as they are.
    """
    answers = tuple(_answer(answer, inputs) for answer in inputs.answers)
    said = (say.of_word(gap) for gap in inputs.gaps if gap.status == _RESOLVED)
    return replace(inputs, answers=answers, remarks=(*inputs.remarks, *said))


def waived_until(gap: Gap, experiment: str | None, at: datetime) -> datetime | None:
    """Until when somebody accepts the gap for this experiment; None where nobody does.

    One that grew out of its waiver is not waived; one past its date is, so that the decision says that it expired.
    """
    waiver = gap.life.waiver
    if gap.status is not GapStatus.ACCEPTED or waiver is None or waiver.scope not in (None, experiment):
        return None
    return waiver.expires_at if waiver_in_force(gap, at) or waiver.expires_at <= at else None


def _as_it_is(gap: OpenGap, now: Gap | None, experiment: str | None, at: datetime) -> OpenGap:
    if now is None:
        return gap
    status = now.status.value
    by = now.life.resolved_by if now.status is GapStatus.RESOLVED else None
    if now.status is GapStatus.RESOLVED and by is None:
        status = gap.status  # only a run can find a gap gone, and that run has its own figures
    until = waived_until(now, experiment, at)
    return replace(gap, status=status, resolved_by=by, is_waived=until is not None, waiver_expires_at=until)


def _answer(answer: Answer, inputs: DecisionInputs) -> Answer:
    opening = [gap for gap in inputs.gaps if _opens(gap, answer)]
    closed = [gap for gap in opening if _is_settled(gap, inputs.evaluated_at)]
    if not closed:
        return answer
    left = [gap for gap in opening if gap not in closed]
    is_waived = any(gap.is_waived and gap.status != _RESOLVED for gap in closed)
    if answer.outcome in _UNJUDGED:
        # Nobody's word makes up for a figure; only a risk accepted for the very gap that hides it lets the decision go on.
        return replace(answer, outcome=Outcome.WAIVED) if _is_waived(answer, closed, left) else answer
    if answer.outcome is not Outcome.PASSED or answer.joint_passes is True:
        return answer
    if not _passes_with(left, answer):
        return replace(answer, counts_settled=True)
    return replace(answer, joint_passes=True, rests_on_waiver=is_waived)


def _is_waived(answer: Answer, closed: Iterable[OpenGap], left: Iterable[OpenGap]) -> bool:
    hidden = (answer.metric, answer.variant)
    accepted = any(hidden in gap.hides and gap.status != _RESOLVED for gap in closed)
    return accepted and not any(hidden in gap.hides for gap in left)


def _opens(gap: OpenGap, answer: Answer) -> bool:
    return answer.metric in gap.opens


def _is_settled(gap: OpenGap, at: datetime) -> bool:
    return gap.status == _RESOLVED or is_in_force(gap, at)


def _passes_with(left: Sequence[OpenGap], answer: Answer) -> bool:
    """Whether the gaps that are left keep the answer: for none or one of them the run's own figures say so."""
    if not left:
        return True
    alone = left[0]
    return _is_one(left) and (answer.metric, answer.variant) not in alone.turns and not alone.flips


def _is_one(gaps: Iterable[OpenGap]) -> bool:
    """One gap, or several that show one loss."""
    found = {gap.loss or gap.gap_id for gap in gaps}
    return len(found) == 1
