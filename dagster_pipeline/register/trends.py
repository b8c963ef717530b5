"""How each gap went over the last runs, and the past of the register as the report needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.register.alert_quality import CoverageSeen
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.history import GapEvent
from dagster_pipeline.register.store import SCHEMA, SqlSession, all_events, insert_rows, naive_utc

RUNS_SHOWN = 30
"""How many runs a trend reaches back."""

_COVERAGE = "coverage_history"


@dataclass(frozen=True)
class TrendPoint:
    """A gap in one run; shares are of one, None where they could not be counted."""

    run_id: str
    as_of: datetime
    status: str
    severity: Severity
    share_affected: float | None
    share_residual: float | None
    delta_star: float | None


@dataclass(frozen=True)
class GapTrend:
    """A gap over the last runs, oldest first; None for a run that had nothing to say of it."""

    gap_id: str
    points: tuple[TrendPoint | None, ...]


@dataclass(frozen=True)
class RegisterPast:
    """What the register knows of the past: every event, how severe each gap was when it was opened again (``SeverityOf``), what
    was watched, and the last runs' trends.
    """

    events: tuple[GapEvent, ...] = ()
    severities: Mapping[tuple[str, str], Severity] = field(default_factory=dict)
    coverages: tuple[CoverageSeen, ...] = ()
    trends: tuple[GapTrend, ...] = ()


def append_coverage(session: SqlSession, seen: CoverageSeen) -> None:
    """Appends what one run watched; needs ``store.prepare``."""
    found = seen.coverage
    row = [seen.run_id, naive_utc(seen.at), found.critical_fields, found.monitored_fields]
    insert_rows(session, _COVERAGE, [row])


def read_past(session: SqlSession) -> RegisterPast:
    """The past of the register; needs ``store.prepare``."""
    return RegisterPast(all_events(session), _severities(session), _coverages(session), read_trends(session))


def read_trends(session: SqlSession, last: int = RUNS_SHOWN) -> tuple[GapTrend, ...]:
    """Every gap of the last runs, by the date their data are of (a day that was filled in later goes to its place)."""
    latest = f"select run_id from {SCHEMA}.runs order by as_of desc, run_number desc limit ?"  # noqa: S608
    runs = _execute(session, latest, last)
    order = [run_id for (run_id,) in reversed(runs)]
    columns = "gap_id, run_id, as_of, status, severity, share_affected, share_residual, delta_star"
    marks = ", ".join("?" * len(order)) or "null"
    query = f"select {columns} from {SCHEMA}.gap_trend where run_id in ({marks})"  # noqa: S608
    return _trends(order, _execute(session, query, *order))


def _trends(order: Sequence[str], rows: Iterable[Sequence[Any]]) -> tuple[GapTrend, ...]:
    found: dict[str, dict[str, TrendPoint]] = {}
    for gap_id, run_id, as_of, status, severity, *figures in rows:
        point = TrendPoint(run_id, as_of.replace(tzinfo=UTC), status, Severity(severity), *figures)
        found.setdefault(gap_id, {})[run_id] = point
    return tuple(
        GapTrend(gap_id, tuple(points.get(run_id) for run_id in order))
        for gap_id, points in sorted(found.items())
    )


def _severities(session: SqlSession) -> dict[tuple[str, str], Severity]:
    """How severe each gap was in the runs that opened it again; its events don't say."""
    query = f"""
        select gap_history.run_id, gap_history.gap_id, gap_history.severity
        from {SCHEMA}.gap_history
        inner join {SCHEMA}.gap_events
            on gap_history.run_id = gap_events.run_id and gap_history.gap_id = gap_events.gap_id
        where gap_history.status <> 'resolved' and gap_events.event in ('opened', 'reopened')
    """  # noqa: S608
    return {(run_id, gap_id): Severity(severity) for run_id, gap_id, severity in _execute(session, query)}


def _coverages(session: SqlSession) -> tuple[CoverageSeen, ...]:
    columns = "run_id, measured_at, critical_fields, monitored_fields"
    query = f"select {columns} from {SCHEMA}.{_COVERAGE} order by measured_at, run_id"  # noqa: S608
    rows = _execute(session, query)
    return tuple(
        CoverageSeen(run_id, at.replace(tzinfo=UTC), Coverage(critical, monitored))
        for run_id, at, critical, monitored in rows
    )


def _execute(session: SqlSession, query: str, *values: Any) -> list[Any]:
    return session.execute(query, list(values)).fetchall()
