"""How the work on gaps and decisions goes: waits, escalations, and whether what was promised was done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.register.decision_log import DECISION, LogEntry, entry_document
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.journal import ACTION_CLOSED, Entry, append_entry

IN_TIME = timedelta(days=30)
"""How long after the decision an action may take."""
_OPENS = (EventKind.OPENED, EventKind.REOPENED)


@dataclass(frozen=True)
class Wait:
    """One opening of a gap, and the first decision after it that named the gap; None while there is none."""

    gap_id: str
    opened_at: datetime
    decided_at: datetime | None = None
    verdict: str | None = None

    @property
    def length(self) -> timedelta | None:
        """From opening to decision."""
        return None if self.decided_at is None else self.decided_at - self.opened_at


@dataclass(frozen=True)
class ActionState:
    """One action of a brief: promised with the first decision that lists it, and closed by somebody or not yet."""

    experiment: str | None
    what: str
    owner: str | None
    due: str | None
    decided_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None

    def in_time(self, at: datetime) -> bool | None:
        """Whether it was closed within 30 days of the decision; None while there is time left."""
        if self.closed_at is not None:
            return self.closed_at - self.decided_at <= IN_TIME
        return False if at - self.decided_at > IN_TIME else None


@dataclass(frozen=True)
class ProcessFigures:
    """The waits of every opening, how often a gap was escalated, and the actions, as of ``at``."""

    at: datetime
    waits: tuple[Wait, ...] = ()
    escalations: int = 0
    actions: tuple[ActionState, ...] = ()

    @property
    def median_wait(self) -> timedelta | None:
        """The median time from opening to decision; None where nothing was decided yet."""
        known = [wait.length for wait in self.waits if wait.length is not None]
        return timedelta(seconds=median(length.total_seconds() for length in known)) if known else None

    @property
    def actions_judged(self) -> int:
        """Actions that were closed or whose 30 days are over."""
        return sum(action.in_time(self.at) is not None for action in self.actions)

    @property
    def actions_in_time(self) -> int:
        """Actions closed within 30 days of their decision."""
        return sum(action.in_time(self.at) is True for action in self.actions)


def process_figures(
    events: Sequence[GapEvent], log: Sequence[LogEntry], journal: Sequence[Entry], at: datetime
) -> ProcessFigures:
    """The figures as of ``at``; events and entries are in the order they happened."""
    decisions = [(entry, _document(entry)) for entry in log if entry.kind == DECISION]
    return ProcessFigures(
        at=at,
        waits=tuple(_waits(events, decisions)),
        escalations=sum(event.event is EventKind.ESCALATED for event in events),
        actions=tuple(_actions(decisions, journal)),
    )


def close_action(journal: Path, action: ActionState, by: str, note: str | None, at: datetime) -> Entry:
    """Put on record that an action is done. Raises PlumblineError where it was already, else what ``append_entry`` raises."""
    if action.closed_at is not None:
        raise PlumblineError(
            f"{action.what!r} was closed on {action.closed_at:%Y-%m-%d} by {action.closed_by}."
        )
    content = {"action": action.what, "note": (note or "").strip() or None}
    return append_entry(
        journal, kind=ACTION_CLOSED, by=by, experiment=action.experiment, content=content, at=at
    )


def find_action(actions: Sequence[ActionState], text: str, experiment: str | None) -> ActionState:
    """The action somebody means by its text. Raises PlumblineError, which lists the known ones, where there is not just one."""
    wanted = [action for action in actions if experiment in (None, action.experiment)]
    found = [action for action in wanted if _folded(action.what) == _folded(text)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(repr(action.experiment) for action in found))
        raise PlumblineError(
            f"{text!r} is an action of several experiments ({names}): name one with --experiment."
        )
    known = "; ".join(repr(action.what) for action in wanted) or "none"
    raise PlumblineError(f"{text!r} is no action of a decision; known: {known}.")


def _waits(
    events: Sequence[GapEvent], decisions: Sequence[tuple[LogEntry, Mapping[str, Any]]]
) -> Iterator[Wait]:
    opened = [event for event in events if event.event in _OPENS]
    named = [(entry, document, _names(document)) for entry, document in decisions]
    for place, event in enumerate(opened):
        later = (other.at for other in opened[place + 1 :] if other.gap_id == event.gap_id)
        until = next(later, None)
        first = next(
            (
                (entry, document)
                for entry, document, gaps in named
                if event.gap_id in gaps and entry.at > event.at and (until is None or entry.at <= until)
            ),
            None,
        )
        if first is None:
            yield Wait(event.gap_id, event.at)
        else:
            yield Wait(event.gap_id, event.at, first[0].at, _verdict(first[1]).get("verdict"))


def _names(document: Mapping[str, Any]) -> frozenset[str]:
    """The gaps a decision was blocked by, and those waived in it."""
    verdict = _verdict(document)
    waivers = verdict.get("waivers", ())
    return frozenset(verdict.get("blocked_by", ())) | {waiver["gap_id"] for waiver in waivers}


def _verdict(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("verdict")
    return found if isinstance(found, Mapping) else {}


def _actions(
    decisions: Sequence[tuple[LogEntry, Mapping[str, Any]]], journal: Iterable[Entry]
) -> Iterator[ActionState]:
    closed = _closed(journal)
    seen: set[tuple[str | None, str]] = set()
    for entry, document in decisions:
        for action in document.get("actions") or ():
            key = (entry.experiment, _folded(action.get("what")))
            if key in seen:
                continue
            seen.add(key)
            done = closed.get(key)
            yield ActionState(
                experiment=entry.experiment,
                what=str(action.get("what")),
                owner=action.get("owner"),
                due=action.get("due"),
                decided_at=entry.at,
                closed_at=done.at if done else None,
                closed_by=done.by if done else None,
            )


def _closed(journal: Iterable[Entry]) -> dict[tuple[str | None, str], Entry]:
    """The first entry that closed each action."""
    found: dict[tuple[str | None, str], Entry] = {}
    for entry in journal:
        if entry.kind == ACTION_CLOSED:
            found.setdefault((entry.experiment, _folded(entry.content.get("action"))), entry)
    return found


def _folded(text: Any) -> str:
    return " ".join(str(text).split()).casefold()


def _document(entry: LogEntry) -> Mapping[str, Any]:
    """An entry's document; an empty one where it can't be read: ``plumbline verify`` is what says so."""
    try:
        return entry_document(entry)
    except NotEvaluatedError:
        return {}
