"""What happens to gaps from run to run: pure functions from the last known state, what people did since, and what a run measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from dagster_pipeline.config.triage import Escalation
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.kinds import measured_from
from dagster_pipeline.gaps.model import Gap, GapStatus, Life
from dagster_pipeline.register.acts import ActKind, GapAct
from dagster_pipeline.register.lifecycle import apply_act, level_at, reopened, waiver_end

NOT_EVALUATED = "not_evaluated"
_CARRIED_OVER = "Not measured in this run, so it stays open"


class EventKind(StrEnum):
    """What may happen to a gap: the first two and ``escalated`` by a run alone, the rest by a person or a run."""

    OPENED = "opened"
    SEVERITY_CHANGED = "severity_changed"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    RESOLVED = "resolved"
    FALSE_POSITIVE = "false_positive"
    REOPENED = "reopened"


@dataclass(frozen=True)
class GapEvent:
    """One thing that happened to one gap.

    ``before`` and ``after`` are severities (opened, severity_changed), owners (assigned), levels (escalated) or else statuses.
    ``by`` and ``why`` are a person's, or why a run did it; ``by`` None is a run. ``act`` is the digest of the journal's
    entry, "" for a run's. ``run_id`` is the run that wrote it down.
    """

    run_id: str
    at: datetime
    gap_id: str
    event: EventKind
    before: str | None
    after: str | None
    by: str | None = None
    why: str | None = None
    act: str = ""


@dataclass(frozen=True)
class Evaluation:
    """What a run was able to look at; only what was looked at can be found to be gone.

    ``kinds`` are the gap kinds whose measurement ran to its end, ``unread`` the sources and "source.column" names
    that could not be read, ``experiments`` the ones analysed (None: all there are).
    """

    kinds: frozenset[str]
    unread: frozenset[str] = field(default=frozenset())
    experiments: frozenset[str] | None = None

    def covers(self, gap: Gap) -> bool:
        """True where this run would have found the gap again, were it still there."""
        if gap.kind != NOT_EVALUATED and gap.kind not in self.kinds:
            return False
        if gap.table is not None and self.unread & measured_from(gap.kind, gap.table, gap.column):
            return False
        return gap.experiment is None or self.experiments is None or gap.experiment in self.experiments


@dataclass(frozen=True)
class Merged:
    """The register after a run: unresolved gaps and those resolved since the last run, worst first.

    ``events`` are what people did since, in their order, then what the run found.
    """

    gaps: tuple[Gap, ...]
    events: tuple[GapEvent, ...]


def merge(
    prior: Iterable[Gap],
    measured: Iterable[Gap],
    evaluation: Evaluation,
    *,
    run_id: str,
    at: datetime,
    acts: Iterable[GapAct] = (),
    escalation: Escalation = Escalation(),  # noqa: B008  frozen
) -> Merged:
    """Carries the register from its last known state over what people did and what a run measured at ``at``.

    ``prior`` holds the latest state of every gap ever seen, ``acts`` what people did that it does not know of yet. Raises
    PlumblineError when a run measured one gap twice: two rows would overwrite each other's figures.
    """
    before = {gap.gap_id: gap for gap in prior}
    known, told = fold_acts(before, acts, run_id)
    found = _by_id(measured)
    gaps = [_seen(known.get(gap_id), gap, at) for gap_id, gap in found.items()]
    gaps += [_unseen(gap, evaluation, at) for gap in known.values() if _is_missed(gap, found)]
    listed = {gap.gap_id for gap in gaps}
    # Resolved by a person since the last run, and not found by this one: shown once more, as what was resolved.
    gaps += [gap for gap_id, gap in known.items() if gap_id not in listed and gap != before[gap_id]]
    events = [*told, *(event for gap in gaps for event in _events(known.get(gap.gap_id), gap, run_id, at))]
    raised = [_escalated(gap, escalation, run_id, at) for gap in gaps]
    gaps = [gap for gap, _ in raised]
    events += [event for _, event in raised if event is not None]
    return Merged(tuple(sorted(gaps, key=register_order)), tuple(events))


def fold_acts(
    known: Mapping[str, Gap], acts: Iterable[GapAct], run_id: str
) -> tuple[dict[str, Gap], tuple[GapEvent, ...]]:
    """The gaps after what people did, and the events of it, one for each act.

    An act that is not allowed on the gap as it stands (two people at once, a journal of another warehouse) changes nothing,
    and its event says so: no act is lost.
    """
    gaps, events = dict(known), []
    for act in acts:
        before = gaps.get(act.gap_id)
        try:
            after = None if before is None else apply_act(before, act)
            why = act.why if before is not None else f"{act.why} (no such gap in this register)"
        except PlumblineError as refused:
            after, why = before, f"{act.why} (changed nothing: {refused})"
        if after is not None:
            gaps[act.gap_id] = after
        states = _act_states(act.kind, before, after)
        kind = _EVENT_OF[act.kind]
        events.append(GapEvent(run_id, act.at, act.gap_id, kind, *states, act.by, why, act.digest))
    return gaps, tuple(events)


_EVENT_OF = {
    ActKind.ASSIGN: EventKind.ASSIGNED,
    ActKind.ACKNOWLEDGE: EventKind.ACKNOWLEDGED,
    ActKind.ACCEPT: EventKind.ACCEPTED,
    ActKind.RESOLVE: EventKind.RESOLVED,
    ActKind.FALSE_POSITIVE: EventKind.FALSE_POSITIVE,
    ActKind.REOPEN: EventKind.REOPENED,
}


def _act_states(kind: ActKind, before: Gap | None, after: Gap | None) -> tuple[str | None, str | None]:
    if kind is ActKind.ASSIGN:
        return (before.owner if before else None), (after.owner if after else None)
    return (before.status.value if before else None), (after.status.value if after else None)


def register_order(gap: Gap) -> tuple[bool, int, float, str, str, str]:
    """Sorts unresolved before resolved, then by severity, what is left unrepaired, and name."""
    residual = gap.share_residual if gap.share_residual is not None else gap.share_affected
    return (
        gap.status is GapStatus.RESOLVED,
        -gap.severity.rank,
        -(residual or 0.0),
        gap.kind,
        f"{gap.table or ''}.{gap.column or ''}",
        gap.gap_id,
    )


def _by_id(measured: Iterable[Gap]) -> dict[str, Gap]:
    found: dict[str, Gap] = {}
    for gap in measured:
        if gap.gap_id in found:
            raise PlumblineError(
                f"The run measured one gap twice: {gap.gap_id} ({gap.kind}, table {gap.table}, column "
                f"{gap.column}). One row per kind, table, column and experiment is allowed; the gap model of "
                f"this kind breaks its grain."
            )
        found[gap.gap_id] = gap
    return found


def _is_missed(gap: Gap, found: Mapping[str, Gap]) -> bool:
    return gap.gap_id not in found and gap.status is not GapStatus.RESOLVED


def _seen(prior: Gap | None, gap: Gap, at: datetime) -> Gap:
    """A person's word (acknowledged, accepted) outlives a run; a resolution does not survive a find."""
    if prior is None:
        life = Life(opened_at=at, openings=1)
        return replace(gap, status=GapStatus.OPEN, first_seen=at, last_seen=at, life=life)
    life = prior.life if prior.life.openings else replace(prior.life, opened_at=prior.first_seen, openings=1)
    carried = replace(
        gap,
        status=prior.status,
        owner=life.assigned_to or gap.owner or prior.owner,
        first_seen=prior.first_seen or at,
        last_seen=at,
        life=replace(life, unmeasured_since=None),
    )
    return reopened(carried, at) if _found_again(carried, at) else carried


def _found_again(gap: Gap, at: datetime) -> bool:
    if gap.status is GapStatus.RESOLVED:
        return True
    return gap.status is GapStatus.ACCEPTED and waiver_end(gap, at) is not None


def _unseen(gap: Gap, evaluation: Evaluation, at: datetime) -> Gap:
    return _resolved(gap, at) if evaluation.covers(gap) else _carried_over(gap, at)


def _resolved(gap: Gap, at: datetime) -> Gap:
    """The figures of now, which are none; what it was is said in words and kept in the history."""
    return replace(
        gap,
        status=GapStatus.RESOLVED,
        severity=Severity.INFO,
        severity_reason=f"Resolved: measured on {at:%Y-%m-%d}, no longer found. It was {gap.severity.value}.",
        rows_affected=None if gap.rows_affected is None else 0,
        share_affected=None if gap.share_affected is None else 0.0,
        share_residual=None if gap.share_residual is None else 0.0,
        by_variant={},
        differential=False,
        metrics=(),
        life=replace(gap.life, resolved_at=at, resolved_by=None, waiver=None, unmeasured_since=None, level=0),
    )


def _carried_over(gap: Gap, at: datetime) -> Gap:
    """Still there as far as anybody knows: a waiver that ended meanwhile does not go on."""
    life = replace(gap.life, unmeasured_since=gap.life.unmeasured_since or at)
    reason = gap.severity_reason
    if not reason.startswith(_CARRIED_OVER):
        seen = "" if gap.last_seen is None else f" with the figures of {gap.last_seen:%Y-%m-%d}"
        reason = f"{_CARRIED_OVER}{seen}. {reason}".strip()
    carried = replace(gap, severity_reason=reason, life=life)
    if not _found_again(carried, at):
        return carried
    again = reopened(carried, at)
    return replace(again, life=replace(again.life, unmeasured_since=life.unmeasured_since))


def _events(prior: Gap | None, gap: Gap, run_id: str, at: datetime) -> Iterable[GapEvent]:
    """What the run did to the gap: at most one event; one found again at another severity is reopened, not changed."""
    if prior is None:
        yield GapEvent(run_id, at, gap.gap_id, EventKind.OPENED, None, gap.severity.value)
    elif prior.status is not gap.status:
        event = EventKind.RESOLVED if gap.status is GapStatus.RESOLVED else EventKind.REOPENED
        states = (prior.status.value, gap.status.value)
        yield GapEvent(run_id, at, gap.gap_id, event, *states, why=_why(prior, gap, at))
    elif prior.severity is not gap.severity:
        severities = (prior.severity.value, gap.severity.value)
        yield GapEvent(run_id, at, gap.gap_id, EventKind.SEVERITY_CHANGED, *severities)


def _why(prior: Gap, gap: Gap, at: datetime) -> str | None:
    """Why a run resolved or reopened it; a person's mark that did not hold is named."""
    if gap.status is GapStatus.RESOLVED:
        return "Measured, and no longer found."
    if prior.status is GapStatus.ACCEPTED:
        return waiver_end(replace(gap, status=GapStatus.ACCEPTED, life=prior.life), at)
    if prior.life.is_false_positive:
        return "Marked a false positive, and found again: raise its threshold or accept it."
    return "Found again."


def _escalated(gap: Gap, escalation: Escalation, run_id: str, at: datetime) -> tuple[Gap, GapEvent | None]:
    level = level_at(gap, escalation, at)
    raised = replace(gap, life=replace(gap.life, level=level))
    if level <= gap.life.level:
        return raised, None
    why = ", ".join(escalation.contacts(level)) or "nobody is named to be told (triage.escalation)"
    levels = (str(gap.life.level), str(level))
    return raised, GapEvent(run_id, at, gap.gap_id, EventKind.ESCALATED, *levels, why=f"To: {why}")
