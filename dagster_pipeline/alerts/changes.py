"""What happened to gaps, put together gap by gap: what one message has to tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.history import EventKind, GapEvent, register_order

TOLD = (
    EventKind.OPENED,
    EventKind.REOPENED,
    EventKind.SEVERITY_CHANGED,
    EventKind.ESCALATED,
    EventKind.RESOLVED,
    EventKind.FALSE_POSITIVE,
)
"""Events that somebody is told of. What people did, other than to end a gap, they know."""

_SEVERITIES = {severity.value: severity for severity in Severity}


@dataclass(frozen=True)
class Change:
    """One gap and what happened to it, oldest first; no event where it is told only because it is open.

    ``severity`` is the worst it had meanwhile; of a resolved gap, what it was.
    """

    gap: Gap
    events: tuple[GapEvent, ...]
    severity: Severity

    @property
    def is_resolved(self) -> bool:
        """Whether there is nothing left to do."""
        return self.gap.status is GapStatus.RESOLVED


def changes(
    events: Iterable[GapEvent], gaps: Mapping[str, Gap], was: Mapping[str, Severity], least: Severity
) -> tuple[Change, ...]:
    """The gaps that anything worth telling happened to, of at least that severity: unresolved first, worst first.

    ``gaps`` are the latest states by id, ``was`` the severities that gaps had when they were last unresolved.
    """
    grouped: dict[str, list[GapEvent]] = {}
    for event in events:
        if event.gap_id in gaps and is_told(event):
            grouped.setdefault(event.gap_id, []).append(event)
    found = (_change(gaps[gap_id], own, was) for gap_id, own in grouped.items())
    return _ordered(change for change in found if change.severity.rank >= least.rank)


def still_open(gaps: Iterable[Gap], besides: Sequence[Change], least: Severity) -> tuple[Change, ...]:
    """The unresolved gaps of at least that severity that are not among the changes."""
    told = {change.gap.gap_id for change in besides}
    return _ordered(
        Change(gap, (), gap.severity)
        for gap in gaps
        if gap.status is not GapStatus.RESOLVED and gap.severity.rank >= least.rank and gap.gap_id not in told
    )


def is_told(event: GapEvent) -> bool:
    """Whether somebody is told of the event; an act that changed nothing is none."""
    return event.event in TOLD and event.before != event.after


def _change(gap: Gap, events: Sequence[GapEvent], was: Mapping[str, Severity]) -> Change:
    named = [_SEVERITIES[name] for e in events for name in (e.before, e.after) if name in _SEVERITIES]
    last = was.get(gap.gap_id, gap.severity) if gap.status is GapStatus.RESOLVED else gap.severity
    worst = max([last, *named], key=lambda severity: severity.rank)
    return Change(gap, tuple(events), worst)


def _ordered(found: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(found, key=lambda c: (c.is_resolved, -c.severity.rank, register_order(c.gap))))
