"""How good the register's alerts are: how many were false, how long they waited, how much is watched; per ISO week.

An **alert** is a gap that stood above info for the first time since it was opened or reopened; one gap may give several.
It belongs to the ISO week (UTC) in which it was raised, whenever it was dealt with. What has not happened yet is counted
beside every mean, since a mean over what is done says nothing of what nobody touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.history import EventKind, GapEvent

FALSE_POSITIVES_BELOW = 0.10
"""Target: less than this share of the alerts is marked a false positive."""

COVERAGE_AT_LEAST = 0.80
"""Target: at least this share of the critical fields is watched."""

_OPENS = (EventKind.OPENED, EventKind.REOPENED)
_ENDS = (EventKind.RESOLVED, EventKind.FALSE_POSITIVE)
_LOOKED_AT = (EventKind.ACKNOWLEDGED, EventKind.ACCEPTED, EventKind.FALSE_POSITIVE)

SeverityOf = Mapping[tuple[str, str], Severity]
"""(run_id, gap_id) → how severe the gap was in that run; without those that the run found resolved."""


@dataclass(frozen=True)
class Alert:
    """One gap raised above info once. Times are in UTC, None where it has not happened.

    ``acknowledged_at`` is when a person first dealt with it (acknowledged, accepted, marked or resolved it); ``ended_at`` is
    when it was resolved, marked a false positive, or raised anew by a reopening. ``resolved_at`` only the first of these.
    """

    gap_id: str
    raised_at: datetime
    severity: Severity
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    ended_at: datetime | None = None
    is_false_positive: bool = False


@dataclass(frozen=True)
class CoverageSeen:
    """What share of the critical fields one run watched."""

    run_id: str
    at: datetime
    coverage: Coverage


@dataclass(frozen=True)
class Waits:
    """How long it took: the ``mean`` over the ``done``; beside it those still waiting and the longest wait among them."""

    done: int
    mean: timedelta | None
    waiting: int
    longest_wait: timedelta | None


@dataclass(frozen=True)
class Quality:
    """The alerts raised in one ISO week such as 2026-W45, or (``week`` None) in all of them.

    ``coverage`` is of the last run of the week; None where none was recorded.
    """

    week: str | None
    alerts: int
    false_positives: int
    acknowledged: Waits
    resolved: Waits
    coverage: Coverage | None = None

    @property
    def false_positive_share(self) -> float | None:
        """False positives ÷ alerts; None without alerts."""
        return self.false_positives / self.alerts if self.alerts else None


@dataclass(frozen=True)
class AlertQuality:
    """Over all alerts ever raised, and week by week, oldest first."""

    overall: Quality
    weeks: tuple[Quality, ...]


@dataclass
class _Telling:
    """One gap's story while it is read: the severity its events last told, the opening it is in, and what it gave."""

    told: Severity = Severity.INFO
    severity: Severity = Severity.INFO
    is_open: bool = False
    acknowledged_at: datetime | None = None
    found: list[Alert] = field(default_factory=list)
    raised: bool = False  # whether the opening it is in gave an alert


def alert_quality(
    events: Iterable[GapEvent],
    severities: SeverityOf,
    coverages: Sequence[CoverageSeen],
    at: datetime,
) -> AlertQuality:
    """The quality of all alerts as of ``at``; ``events`` oldest first."""
    found = alerts(events, severities)
    by_week: dict[str, list[Alert]] = {iso_week(seen.at): [] for seen in coverages}
    for alert in found:
        by_week.setdefault(iso_week(alert.raised_at), []).append(alert)
    in_order = sorted(coverages, key=lambda seen: (seen.at, seen.run_id))
    watched = {iso_week(seen.at): seen.coverage for seen in in_order}
    return AlertQuality(
        overall=_quality(None, found, in_order[-1].coverage if in_order else None, at),
        weeks=tuple(_quality(week, by_week[week], watched.get(week), at) for week in sorted(by_week)),
    )


def alerts(events: Iterable[GapEvent], severities: SeverityOf) -> tuple[Alert, ...]:
    """Every alert that these events tell of, by when it was raised; ``events`` oldest first."""
    gaps: dict[str, _Telling] = {}
    for event in events:
        _tell(gaps.setdefault(event.gap_id, _Telling()), event, severities)
    found = [alert for telling in gaps.values() for alert in telling.found]
    return tuple(sorted(found, key=lambda alert: (alert.raised_at, alert.gap_id)))


def iso_week(moment: datetime) -> str:
    """The ISO 8601 week a moment in UTC lies in, such as 2026-W45."""
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02}"


def _tell(gap: _Telling, event: GapEvent, severities: SeverityOf) -> None:
    if event.before == event.after:
        return  # what somebody did changed nothing: it came too late
    if event.event in _OPENS:
        _open(gap, event, severities)
    elif event.event is EventKind.SEVERITY_CHANGED:
        gap.severity = gap.told = _severity(event.after) or gap.told
        _raise(gap, event)
    elif gap.is_open:
        _deal_with(gap, event)


def _deal_with(gap: _Telling, event: GapEvent) -> None:
    ends = event.event in _ENDS
    if event.event in _LOOKED_AT or (ends and event.by is not None):
        _look_at(gap, event.at)
    if ends:
        _end(gap, event)


def _open(gap: _Telling, event: GapEvent, severities: SeverityOf) -> None:
    """A gap that was accepted is reopened without having been resolved: its alert ends, and waits no longer."""
    if gap.is_open:
        _end(gap, event)
    if event.event is EventKind.OPENED:
        gap.told = _severity(event.after) or gap.told
    gap.severity = severities.get((event.run_id, event.gap_id)) or gap.told
    gap.is_open, gap.raised, gap.acknowledged_at = True, False, None
    _raise(gap, event)


def _raise(gap: _Telling, event: GapEvent) -> None:
    if gap.is_open and not gap.raised and gap.severity is not Severity.INFO:
        gap.raised = True
        gap.found.append(Alert(event.gap_id, event.at, gap.severity, gap.acknowledged_at))


def _look_at(gap: _Telling, at: datetime) -> None:
    gap.acknowledged_at = gap.acknowledged_at or at
    if gap.raised:
        gap.found[-1] = replace(gap.found[-1], acknowledged_at=gap.acknowledged_at)


def _end(gap: _Telling, event: GapEvent) -> None:
    gap.is_open = False
    if gap.raised:
        gap.found[-1] = replace(
            gap.found[-1],
            ended_at=event.at,
            resolved_at=event.at if event.event is EventKind.RESOLVED else None,
            is_false_positive=event.event is EventKind.FALSE_POSITIVE,
        )


def _severity(text: str | None) -> Severity | None:
    return Severity(text) if text in tuple(Severity) else None


def _quality(week: str | None, found: Sequence[Alert], coverage: Coverage | None, at: datetime) -> Quality:
    unseen = [alert for alert in found if alert.acknowledged_at is None]
    return Quality(
        week=week,
        alerts=len(found),
        false_positives=sum(alert.is_false_positive for alert in found),
        acknowledged=_waits([(a, a.acknowledged_at) for a in found], unseen, at),
        resolved=_waits([(a, a.resolved_at) for a in found], found, at),
        coverage=coverage,
    )


def _waits(
    reached: Iterable[tuple[Alert, datetime | None]], unreached: Iterable[Alert], at: datetime
) -> Waits:
    """An alert that was looked at before it was raised (as info, and it grew) waited for nothing."""
    took = [max(end - alert.raised_at, timedelta(0)) for alert, end in reached if end is not None]
    waiting = [max(at - alert.raised_at, timedelta(0)) for alert in unreached if alert.ended_at is None]
    mean = sum(took, timedelta(0)) / len(took) if took else None
    return Waits(len(took), mean, len(waiting), max(waiting, default=None))
