"""The register's tables in the warehouse. Rows are only ever inserted: the past is not rewritten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.documents import RegisteredCheck, gap_document, gap_from_document, plain
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.history_views import history_views
from dagster_pipeline.register.risk import smallest_delta_star

SCHEMA = "plumbline_register"
_ROWS_PER_INSERT = 200

# Column types by the few names every engine is given a translation of; timestamps hold UTC.
_TYPES = {
    "text": "varchar",
    "count": "bigint",
    "share": "double precision",
    "time": "timestamp",
    "flag": "boolean",
}

_TABLES: Mapping[str, Mapping[str, str]] = {
    "runs": {
        "run_number": "count",
        "run_id": "text",
        "as_of": "time",
        "evaluated_at": "time",
        "verdicts": "text",
        "gaps_unresolved": "count",
        "checks_failed": "count",
    },
    "gap_history": {
        "run_number": "count",
        "run_id": "text",
        "gap_id": "text",
        "kind": "text",
        "experiment": "text",
        "table_name": "text",
        "column_name": "text",
        "segment": "text",
        "status": "text",
        "severity": "text",
        "owner": "text",
        "rows_total": "count",
        "rows_affected": "count",
        "share_affected": "share",
        "share_residual": "share",
        "first_seen": "time",
        "last_seen": "time",
        "gap": "text",
        "delta_star": "share",
    },
    "gap_events": {
        "run_number": "count",
        "run_id": "text",
        "event_at": "time",
        "gap_id": "text",
        "event": "text",
        "before_value": "text",
        "after_value": "text",
        "event_number": "count",
        "event_by": "text",
        "why": "text",
        "act_digest": "text",
    },
    "check_history": {
        "run_number": "count",
        "run_id": "text",
        "suite": "text",
        "expectation": "text",
        "table_name": "text",
        "column_name": "text",
        "status": "text",
        "observed": "text",
        "threshold": "text",
        "failing_rows": "count",
        "rows_total": "count",
        "gap_id": "text",
    },
    "decision_log": {
        "entry_number": "count",
        "run_id": "text",
        "entry_at": "time",
        "kind": "text",
        "experiment": "text",
        "title": "text",
        "document": "text",
        "previous_digest": "text",
        "digest": "text",
    },
    "brief_history": {
        "run_id": "text",
        "seen_at": "time",
        "experiment": "text",
        "version": "text",
        "document": "text",
        "saw_data": "flag",
    },
    "dry_runs": {
        "run_id": "text",
        "dry_run_at": "time",
        "experiment": "text",
        "brief_version": "text",
        "is_green": "flag",
        "reasons": "text",
        "critical_fields": "count",
        "monitored_fields": "count",
        "as_of": "time",
    },
    "metric_history": {
        "run_id": "text",
        "measured_at": "time",
        "as_of": "time",
        "experiment": "text",
        "metric": "text",
        "variant": "text",
        "better": "text",
        "estimate": "share",
        "requests": "count",
        "too_young": "count",
        "is_timeless": "flag",
        "is_of_requests": "flag",
        "basis": "text",
    },
    "calibration": {
        "run_id": "text",
        "judged_at": "time",
        "gap_id": "text",
        "kind": "text",
        "experiment": "text",
        "metric": "text",
        "variant": "text",
        "predicted_at": "time",
        "better": "text",
        "lower_bound": "share",
        "upper_bound": "share",
        "unmitigated": "share",
        "mitigated": "share",
        "direction": "text",
        "expected_direction": "text",
        "healed": "share",
        "is_inside": "flag",
        "direction_right": "flag",
        "expected_right": "flag",
        "reason": "text",
    },
    "coverage_history": {
        "run_id": "text",
        "measured_at": "time",
        "critical_fields": "count",
        "monitored_fields": "count",
    },
    "look_backs": {
        "run_id": "text",
        "as_of": "time",
        "looked_at": "time",
        "gaps_found": "count",
        "checks_failed": "count",
    },
    "look_back_gaps": {
        "run_id": "text",
        "as_of": "time",
        "gap_id": "text",
        "kind": "text",
        "experiment": "text",
        "table_name": "text",
        "column_name": "text",
        "segment": "text",
        "severity": "text",
        "rows_total": "count",
        "rows_affected": "count",
        "share_affected": "share",
        "share_residual": "share",
    },
}

_EVENT_COLUMNS = "run_id, event_at, gap_id, event, before_value, after_value, event_by, why, act_digest"
_EVENT_ORDER = "order by run_number, event_number, gap_id"
_ADDED = {
    "gap_events": ("event_number", "event_by", "why", "act_digest"),
    "gap_history": ("delta_star",),
}
"""Columns that a register of an earlier version lacks."""

# The latest word on every gap is a view over the history, so that nothing needs to be updated.
_STATES = f"""
create or replace view {SCHEMA}.gap_states as
select * from (
    select
        gap_history.*,
        row_number() over (partition by gap_id order by run_number desc) as recency
    from {SCHEMA}.gap_history
) ranked
where recency = 1
"""  # noqa: S608 (a constant, no value from outside)


class Rows(Protocol):
    """What a statement gives back."""

    def fetchall(self) -> list[Any]:
        """All rows, each a tuple."""
        ...


class SqlSession(Protocol):
    """The little of a connection the register needs; DuckDB's is one. Parameters are written ``?``."""

    def execute(self, query: str, parameters: Any = ..., /) -> Rows:
        """Runs one statement."""
        ...


@dataclass(frozen=True)
class RunRecord:
    """Everything one run adds to the register; ``verdicts`` by experiment ("" without one)."""

    run_id: str
    as_of: datetime
    evaluated_at: datetime
    gaps: tuple[Gap, ...]
    events: tuple[GapEvent, ...] = ()
    checks: tuple[RegisteredCheck, ...] = ()
    verdicts: Mapping[str, str] | None = None


def prepare(session: SqlSession) -> None:
    """Creates what is not there yet: the schema, its tables and the view of current states."""
    session.execute(f"create schema if not exists {SCHEMA}")
    for table, columns in _TABLES.items():
        listed = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in columns.items())
        session.execute(f"create table if not exists {SCHEMA}.{table} ({listed})")
    for table, names in _ADDED.items():
        for name in names:
            kind = _TYPES[_TABLES[table][name]]
            session.execute(f"alter table {SCHEMA}.{table} add column if not exists {name} {kind}")
    for view in (_STATES, *history_views(SCHEMA)):
        session.execute(view)


def latest_gaps(session: SqlSession) -> tuple[Gap, ...]:
    """The latest state of every gap ever registered, resolved ones included; needs ``prepare``.

    Raises PlumblineError where a stored gap can't be read, rather than forget it.
    """
    query = f"select gap_id, gap from {SCHEMA}.gap_states order by gap_id"  # noqa: S608
    return tuple(_stored_gap(gap_id, text) for gap_id, text in session.execute(query).fetchall())


def gap_events(session: SqlSession, gap_id: str) -> tuple[GapEvent, ...]:
    """What happened to one gap, oldest first; empty for an id never seen."""
    query = f"select {_EVENT_COLUMNS} from {SCHEMA}.gap_events where gap_id = ? {_EVENT_ORDER}"  # noqa: S608
    return tuple(map(_event, session.execute(query, [gap_id]).fetchall()))


def all_events(session: SqlSession) -> tuple[GapEvent, ...]:
    """What happened to all gaps, oldest first."""
    query = f"select {_EVENT_COLUMNS} from {SCHEMA}.gap_events {_EVENT_ORDER}"  # noqa: S608
    return tuple(map(_event, session.execute(query).fetchall()))


def folded_acts(session: SqlSession) -> frozenset[str]:
    """Digests of the acts of people that the register knows of."""
    query = f"select distinct act_digest from {SCHEMA}.gap_events where act_digest is not null"  # noqa: S608
    return frozenset(digest for (digest,) in session.execute(query).fetchall())


def _event(row: Sequence[Any]) -> GapEvent:
    run_id, at, gap_id, event, before, after, by, why, act = row
    return GapEvent(
        run_id, at.replace(tzinfo=UTC), gap_id, EventKind(event), before, after, by, why, act or ""
    )


def append_run(session: SqlSession, run: RunRecord) -> int:
    """Appends one run's snapshot and gives its number, 1 for the first; needs ``prepare``.

    The row in ``runs`` is written last: a run without it was interrupted. Raises PlumblineError for a run_id
    that is there already, since its history would be told twice.
    """
    number = _next_number(session, run.run_id)
    insert_rows(session, "gap_history", [_gap_row(number, run.run_id, gap) for gap in run.gaps])
    events = [_event_row(number, place, event) for place, event in enumerate(run.events, start=1)]
    insert_rows(session, "gap_events", events)
    insert_rows(session, "check_history", [_check_row(number, run.run_id, check) for check in run.checks])
    insert_rows(session, "runs", [_run_row(number, run)])
    return number


def _stored_gap(gap_id: str, text: str) -> Gap:
    try:
        return gap_from_document(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise PlumblineError(
            f"The latest state of {gap_id} in {SCHEMA}.gap_history cannot be read ({error}). It was written "
            f"by another version or changed by hand; restore the warehouse file from a copy."
        ) from error


def _next_number(session: SqlSession, run_id: str) -> int:
    numbers = f"select max(run_number), sum(case when run_id = ? then 1 else 0 end) from {SCHEMA}.%s"  # noqa: S608
    last = 0
    for table in ("runs", "gap_history"):  # gap_history too: a run may have been interrupted before ``runs``
        highest, same = session.execute(numbers % table, [run_id]).fetchall()[0]
        if same:
            raise PlumblineError(f"Run {run_id} is in the register already; a new run needs a new run_id.")
        last = max(last, highest or 0)
    return last + 1


def insert_rows(session: SqlSession, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Appends rows to one of the tables, their values in the order of its columns; needs ``prepare``."""
    columns = tuple(_TABLES[table])
    one = f"({', '.join('?' * len(columns))})"
    head = f"insert into {SCHEMA}.{table} ({', '.join(columns)}) values "  # noqa: S608
    for start in range(0, len(rows), _ROWS_PER_INSERT):
        chunk = rows[start : start + _ROWS_PER_INSERT]
        session.execute(head + ", ".join([one] * len(chunk)), _flat(chunk))


def _flat(rows: Iterable[Sequence[Any]]) -> list[Any]:
    return [value for row in rows for value in row]


def naive_utc(moment: datetime | None) -> datetime | None:
    """A moment as the tables hold it; a naive one is taken for UTC."""
    if moment is None or moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None)


def _text(value: Any) -> str | None:
    cleaned = plain(value)
    return cleaned if cleaned is None or isinstance(cleaned, str) else json.dumps(cleaned)


def _run_row(number: int, run: RunRecord) -> list[Any]:
    unresolved = sum(gap.status is not GapStatus.RESOLVED for gap in run.gaps)
    failed = sum(item.check.status.value != "passed" for item in run.checks)
    verdicts = json.dumps(plain(run.verdicts or {}))
    return [
        number,
        run.run_id,
        naive_utc(run.as_of),
        naive_utc(run.evaluated_at),
        verdicts,
        unresolved,
        failed,
    ]


def _gap_row(number: int, run_id: str, gap: Gap) -> list[Any]:
    document = gap_document(gap)
    named = [document[key] for key in ("gap_id", "kind", "experiment", "table", "column", "segment")]
    state = [document[key] for key in ("status", "severity", "owner")]
    keys = ("rows_total", "rows_affected", "share_affected", "share_residual")
    figures = [document[key] for key in keys]
    seen = [naive_utc(gap.first_seen), naive_utc(gap.last_seen)]
    text = json.dumps(document, allow_nan=False)
    return [number, run_id, *named, *state, *figures, *seen, text, plain(smallest_delta_star(gap.metrics))]


def _event_row(number: int, place: int, event: GapEvent) -> list[Any]:
    return [
        number,
        event.run_id,
        naive_utc(event.at),
        plain(event.gap_id),
        event.event.value,
        plain(event.before),
        plain(event.after),
        place,
        plain(event.by),
        plain(event.why),
        event.act or None,
    ]


def _check_row(number: int, run_id: str, registered: RegisteredCheck) -> list[Any]:
    check = registered.check
    place = [_text(value) for value in (check.suite, check.expectation, check.table, check.column)]
    found = [check.status.value, _text(check.observed), _text(check.threshold)]
    counts = [plain(check.failing_rows), plain(check.rows_total)]
    return [number, run_id, *place, *found, *counts, registered.gap_id]
