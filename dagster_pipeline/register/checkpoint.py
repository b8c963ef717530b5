"""The daily checkpoint: what changed, what is due, what is late, what blocks, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dagster_pipeline.config.triage import Triage
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.documents import from_iso_z
from dagster_pipeline.register.history import GapEvent
from dagster_pipeline.register.lifecycle import due_at, level_at
from dagster_pipeline.register.process import ActionState
from dagster_pipeline.register.risk import is_late, is_risk

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Blocked:
    """One decision and whether anything stands in its way: its verdict, the gaps that block it, the first reason.

    ``verdict`` None: there is none to go by. A GO may be blocked too, by what came after it.
    """

    experiment: str | None
    verdict: str | None
    is_blocked: bool
    blocked_by: tuple[str, ...] = ()
    reason: str = ""
    evaluated_at: datetime | None = None


@dataclass(frozen=True)
class Changed:
    """One event, and the gap it happened to as it is now; None where it is no longer in the register."""

    event: GapEvent
    gap: Gap | None


@dataclass(frozen=True)
class Deadline:
    """One gap and when it is to be dealt with; ``level`` is how far it is escalated as of now."""

    gap: Gap
    due_at: datetime
    level: int = 0


@dataclass(frozen=True)
class Promise:
    """An action that a decision listed and nobody has closed yet."""

    experiment: str | None
    what: str
    owner: str | None
    due_at: datetime
    is_late: bool


@dataclass(frozen=True)
class Checkpoint:
    """One screen on where a team stands as of ``at``.

    ``changed`` worst first; ``due`` within the next day and ``late`` by their dates; ``promises`` are the actions of
    decisions that are either, by their dates too; ``unmeasured`` are the gaps that runs
    can't look at; ``unknown`` says in sentences what else could not be looked at, and whom no message reached.
    """

    at: datetime
    blocks: tuple[Blocked, ...]
    changed: tuple[Changed, ...] = ()
    due: tuple[Deadline, ...] = ()
    late: tuple[Deadline, ...] = ()
    promises: tuple[Promise, ...] = ()
    unmeasured: tuple[Gap, ...] = ()
    unknown: tuple[str, ...] = ()


def checkpoint(
    gaps: Iterable[Gap],
    changed: Iterable[GapEvent],
    blocks: Sequence[Blocked],
    triage: Triage,
    at: datetime,
    unknown: Sequence[str] = (),
    actions: Iterable[ActionState] = (),
) -> Checkpoint:
    """Where things stand at ``at``; ``changed`` are the events to tell of (`recent`), ``actions`` those of all decisions."""
    known = {gap.gap_id: gap for gap in gaps}
    deadlines = sorted(
        _deadlines(known.values(), triage, at), key=lambda found: (found.due_at, found.gap.gap_id)
    )
    late = tuple(found for found in deadlines if is_late(found.gap, found.due_at, at))
    return Checkpoint(
        at=at,
        blocks=tuple(blocks),
        changed=_worst_first(changed, known),
        due=tuple(found for found in deadlines if found.due_at <= at + DAY and found not in late),
        late=late,
        promises=tuple(sorted(_promises(actions, at), key=lambda found: (found.due_at, found.what))),
        unmeasured=tuple(g for g in known.values() if is_risk(g) and g.life.unmeasured_since is not None),
        unknown=tuple(unknown),
    )


def recent(events: Iterable[GapEvent], at: datetime, run_id: str | None = None) -> tuple[GapEvent, ...]:
    """The events of the day before ``at``, and all that the run ``run_id`` wrote down, however old."""
    return tuple(event for event in events if event.at > at - DAY or event.run_id == run_id)


def _deadlines(gaps: Iterable[Gap], triage: Triage, at: datetime) -> Iterable[Deadline]:
    for gap in gaps:
        due = due_at(gap, triage.sla) if is_risk(gap) else None
        if due is not None:
            yield Deadline(gap, due, level_at(gap, triage.escalation, at))


def _promises(actions: Iterable[ActionState], at: datetime) -> Iterable[Promise]:
    for action in actions:
        due = _moment(action.due) if action.closed_at is None else None
        if due is not None and due <= at + DAY:
            yield Promise(action.experiment, action.what, action.owner, due, due < at)


def _moment(text: str | None) -> datetime | None:
    """A stored date; None for what is none."""
    try:
        return from_iso_z(text)
    except (TypeError, ValueError):
        return None


def _worst_first(events: Iterable[GapEvent], known: Mapping[str, Gap]) -> tuple[Changed, ...]:
    found = [Changed(event, known.get(event.gap_id)) for event in events]
    return tuple(sorted(found, key=_order))


def _order(changed: Changed) -> tuple[int, bool]:
    """By the gap's severity now, resolved ones last of their kind; in the order of events otherwise."""
    gap = changed.gap
    return (-gap.severity.rank, gap.status is GapStatus.RESOLVED) if gap else (1, True)
