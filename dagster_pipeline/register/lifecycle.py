"""The life of a gap: what people may do about it, what a waiver covers, when it is due, how far it is escalated. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dagster_pipeline.config.triage import Agreed, Escalation, WaiverPolicy
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.model import Gap, GapStatus, GapWaiver, Life
from dagster_pipeline.register.acts import ActKind, GapAct

TOP_LEVEL = 2
_ROUNDING = 1e-9  # a share that was written down and read back is the same share


def apply_act(gap: Gap, act: GapAct) -> Gap:
    """The gap after what somebody did about it. Raises PlumblineError, which says why, where that is not allowed."""
    if not act.why.strip():
        raise PlumblineError(f"{gap.gap_id}: nobody says why; every change of a gap needs a reason.")
    return _ACTS[act.kind](gap, act)


def _assigned(gap: Gap, act: GapAct) -> Gap:
    _expect_unresolved(gap, "assigned")
    if not (act.owner and act.owner.strip()):
        raise PlumblineError(f"{gap.gap_id}: nobody is named as its owner.")
    owner = act.owner.strip()
    return replace(gap, owner=owner, life=replace(gap.life, assigned_to=owner))


def _acknowledged(gap: Gap, act: GapAct) -> Gap:
    if gap.status is not GapStatus.OPEN:
        raise PlumblineError(f"{gap.gap_id} is {gap.status.value}, and only an open gap can be acknowledged.")
    return replace(gap, status=GapStatus.ACKNOWLEDGED, life=replace(gap.life, acknowledged_at=act.at))


def _accepted(gap: Gap, act: GapAct) -> Gap:
    """A waiver also says that somebody has seen the gap, so it acknowledges what nobody did before."""
    _expect_unresolved(gap, "accepted")
    waiver = act.waiver
    if waiver is None:
        raise PlumblineError(f"{gap.gap_id}: accepting a gap takes a waiver.")
    if _utc(waiver.expires_at) <= _utc(act.at):
        raise PlumblineError(f"{gap.gap_id}: a waiver that expires on {waiver.expires_at:%Y-%m-%d %H:%M} UTC waives nothing.")  # fmt: skip
    if not covers(waiver, gap):
        raise PlumblineError(
            f"{gap.gap_id} has {_share(shown_share(gap))} now, which a waiver granted at {_share(waiver.share)} does not cover."
        )
    life = replace(gap.life, waiver=waiver, acknowledged_at=gap.life.acknowledged_at or act.at, level=0)
    return replace(gap, status=GapStatus.ACCEPTED, life=life)


def _resolved(gap: Gap, act: GapAct) -> Gap:
    _expect_unresolved(gap, "resolved")
    life = replace(gap.life, resolved_at=act.at, resolved_by=act.by, waiver=None, level=0)
    return replace(gap, status=GapStatus.RESOLVED, life=life)


def _false_positive(gap: Gap, act: GapAct) -> Gap:
    resolved = _resolved(gap, act)
    return replace(resolved, life=replace(resolved.life, is_false_positive=True))


def _reopened(gap: Gap, act: GapAct) -> Gap:
    if gap.status not in (GapStatus.RESOLVED, GapStatus.ACCEPTED):
        raise PlumblineError(
            f"{gap.gap_id} is {gap.status.value}; only a resolved or an accepted gap is reopened."
        )
    if gap.status is GapStatus.RESOLVED and gap.life.resolved_by is None:
        raise PlumblineError(
            f"{gap.gap_id} was measured and is gone; a run reopens it where it finds it again."
        )
    return reopened(gap, act.at)


_ACTS: Mapping[ActKind, Callable[[Gap, GapAct], Gap]] = {
    ActKind.ASSIGN: _assigned,
    ActKind.ACKNOWLEDGE: _acknowledged,
    ActKind.ACCEPT: _accepted,
    ActKind.RESOLVE: _resolved,
    ActKind.FALSE_POSITIVE: _false_positive,
    ActKind.REOPEN: _reopened,
}


def _expect_unresolved(gap: Gap, what: str) -> None:
    if gap.status is GapStatus.RESOLVED:
        raise PlumblineError(f"{gap.gap_id} is resolved, so it can't be {what}.")


def check_waiver(waiver: GapWaiver, policy: WaiverPolicy) -> None:
    """Raises PlumblineError where a waiver is not one that the team's policy allows."""
    if _name(waiver.owner) == _name(waiver.approver):
        raise PlumblineError("Nobody approves their own waiver: owner and approver must differ.")
    if policy.approvers and not is_named(waiver.approver, policy.approvers):
        raise PlumblineError(
            f"{waiver.approver!r} may not approve waivers; triage.waivers.approvers names: {', '.join(policy.approvers)}."
        )
    if _utc(waiver.expires_at) - _utc(waiver.granted_at) > policy.longest:
        days = policy.longest / timedelta(days=1)
        raise PlumblineError(
            f"A waiver lasts at most {days:g} days (triage.waivers.longest); expires: {waiver.expires_at:%Y-%m-%d}."
        )
    if not 0 <= waiver.tolerance <= 1:
        raise PlumblineError(f"A waiver's tolerance lies between 0 and 1, not {waiver.tolerance:g}.")


def is_named(name: str, names: Iterable[str]) -> bool:
    """Whether somebody is among the names, however they are spaced and capitalised."""
    return _name(name) in map(_name, names)


def _name(text: str) -> str:
    return " ".join(text.split()).casefold()


def reopened(gap: Gap, at: datetime) -> Gap:
    """The gap opened once more: the same gap, with its owner, and with nothing of what was said about it before."""
    life = Life(opened_at=at, openings=gap.life.openings + 1, assigned_to=gap.life.assigned_to)
    return replace(gap, status=GapStatus.OPEN, life=life)


def shown_share(gap: Gap) -> float | None:
    """The share of rows that the repair leaves, else the share affected: what a waiver is granted at."""
    return gap.share_residual if gap.share_residual is not None else gap.share_affected


def covers(waiver: GapWaiver, gap: Gap) -> bool:
    """Whether the gap is still no larger than the waiver allows. What could not be counted covers only what can't be counted."""
    share = shown_share(gap)
    if share is None or waiver.share is None:
        return share is None and waiver.share is None
    return share <= waiver.share * (1 + waiver.tolerance) + _ROUNDING


def waiver_end(gap: Gap, at: datetime) -> str | None:
    """Why an accepted gap's waiver no longer holds, in a sentence; None while it does."""
    waiver = gap.life.waiver
    if waiver is None:
        return "It is accepted without a waiver."
    if _utc(waiver.expires_at) <= _utc(at):
        return f"The waiver expired on {_utc(waiver.expires_at):%Y-%m-%d %H:%M} UTC."
    if not covers(waiver, gap):
        return (
            f"The waiver was granted at {_share(waiver.share)} and allows {waiver.tolerance:.0%} more; "
            f"it is {_share(shown_share(gap))} now."
        )
    return None


def waiver_in_force(gap: Gap, at: datetime) -> bool:
    """Whether somebody accepts the risk of the gap as it is now."""
    return gap.status is GapStatus.ACCEPTED and waiver_end(gap, at) is None


def _share(share: float | None) -> str:
    return "no share that could be counted" if share is None else f"{share:.3g} of the rows"


def age(gap: Gap, at: datetime) -> timedelta | None:
    """How long the gap has been there since it was last opened; None where nobody knows when."""
    opened = gap.life.opened_at or gap.first_seen
    return None if opened is None else max(_utc(at) - _utc(opened), timedelta(0))


def due_at(gap: Gap, sla: Agreed) -> datetime | None:
    """When the gap is to be resolved: its opening and what is agreed for its severity. None where nothing is.

    A resolved gap is due no more, and an accepted one when its waiver expires.
    """
    if gap.status is GapStatus.RESOLVED:
        return None
    if gap.status is GapStatus.ACCEPTED and gap.life.waiver is not None:
        return gap.life.waiver.expires_at
    opened, within = gap.life.opened_at or gap.first_seen, sla.within(gap.severity.value)
    return None if opened is None or within is None else opened + within


def level_at(gap: Gap, escalation: Escalation, at: datetime) -> int:
    """How far the gap is to be escalated: 0, 1 or 2. It never falls while the gap is open.

    Level 1: a blocker that is open for longer than ``escalation.after``, or a gap that can turn the decision (δ* ≤ 1) and that
    nobody owns at a later run. Level 2: the blocker after twice as long, the one without an owner after once as long.
    """
    if gap.status not in (GapStatus.OPEN, GapStatus.ACKNOWLEDGED):
        return 0
    waited = age(gap, at) or timedelta(0)
    level = gap.life.level
    if gap.severity is Severity.BLOCKER and waited > escalation.after:
        level = max(level, 2 if waited > 2 * escalation.after else 1)
    if (
        gap.owner is None and _can_turn(gap) and waited > timedelta(0)
    ):  # the run that opens it gives a chance to name one
        level = max(level, 2 if waited > escalation.after else 1)
    return level


def _can_turn(gap: Gap) -> bool:
    """Whether the gap alone can turn the decision (δ* ≤ 1), which is also what makes it high or a blocker."""
    return gap.severity.rank >= Severity.HIGH.rank


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
