"""Faults in the times of rows: quotes before their request, events that disagree, assignments after the fact."""

# ruff: noqa: S608  (table and column names come from our own vocabulary or are checked against it)

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.demo.ledger import Ledger, literal, time_of, timestamp
from dagster_pipeline.demo.spec import TIME_COLUMNS
from dagster_pipeline.errors import PlumblineError


@dataclass(frozen=True)
class HourShift:
    """The clock of one arm's clients: a share of its logged events is off by whole hours, as by a wrong time zone.

    ``share`` is of the arm's events. An event that would be dated after as_of is not shifted.
    """

    arm: str
    share: float
    hours: int = 1


def quote_too_early(ledger: Ledger, share: float) -> None:
    """Dates a share of the quotes, and their events, one to ninety minutes before the request."""
    count = round(share * ledger.size("quotes"))
    ledger.pick("quotes", count, "early_quotes", _HAS_PLAIN_EVENT)
    _pair_events(ledger)
    for table, row in (("quotes", "quote_row"), ("quote_events", "event_row")):
        ledger.con.execute(
            f"update {table} set fault = 'early', "
            f"{time_of(table)} = created_at - to_seconds(60 + quote_row * 7919 % 5340) "
            f"from paired where {table}.row_id = paired.{row}"
        )
        ledger.add(f"timestamp_disorder.{table}.{TIME_COLUMNS[table]}", count)


def shift_events(ledger: Ledger, share: float) -> None:
    """Dates a share of the logged events 2 to 600 seconds after the transactional row of the same quote."""
    count = round(share * ledger.size("quotes"))
    room = f"quoted_at < {timestamp(ledger.spec.as_of)} - interval 10 minute"
    ledger.pick("quotes", count, "shifted_events", f"{_HAS_PLAIN_EVENT} and {room}")
    _pair_events(ledger)
    ledger.con.execute(
        "update quote_events set fault = 'shifted', "
        "event_at = event_at + to_seconds(2 + quote_row * 7919 % 599) "
        "from paired where quote_events.row_id = paired.event_row"
    )
    ledger.update("quotes", "position = position", "shifted")
    ledger.add("source_conflict.quotes.quoted_at", count)


_HAS_PLAIN_EVENT = (
    "quoted_at is not null and request_id in (select request_id from requests) and (request_id, pro_id) in "
    "(select (request_id, pro_id) from quote_events group by request_id, pro_id having count(*) = 1 "
    "and bool_and(fault is null))"
)


def _pair_events(ledger: Ledger) -> None:
    """The picked quotes beside their events and requests: table ``paired``."""
    ledger.con.execute(
        "create or replace temp table paired as "
        "select quotes.row_id as quote_row, events.row_id as event_row, "
        "any_value(requests.created_at) as created_at from picked inner join quotes using (row_id) "
        "inner join quote_events as events "
        "on events.request_id = quotes.request_id and events.pro_id = quotes.pro_id "
        "inner join requests on requests.request_id = quotes.request_id group by all"
    )


def shift_hours(ledger: Ledger, shift: HourShift) -> None:
    """Dates events of one arm whole hours off; the transactional row keeps the time."""
    if not shift.hours:
        raise PlumblineError("HourShift.hours of the demo world must not be 0.")
    of_arm = f"variant = {literal(shift.arm)}"
    count = round(shift.share * ledger.size("quote_events", of_arm))
    room = f"quoted_at + to_hours({shift.hours}) <= {timestamp(ledger.spec.as_of)}"
    ledger.pick("quotes", count, "hour_shift", f"{of_arm} and {_HAS_PLAIN_EVENT} and {room}")
    _pair_events(ledger)
    ledger.con.execute(
        f"update quote_events set fault = 'hour_shift', event_at = event_at + to_hours({shift.hours}) "
        "from paired where quote_events.row_id = paired.event_row"
    )
    ledger.update("quotes", "position = position", "hour_shift")
    ledger.add("timestamp_disorder.quote_events.event_at", count)
    ledger.add("source_conflict.quotes.quoted_at", count)


def assign_late(ledger: Ledger, share: float) -> None:
    """Dates a share of the assignments 1 to 3,600 seconds after the first quote to one of their unit's cohort requests."""
    count = round(share * ledger.size("assignments"))
    latest = f"{timestamp(ledger.spec.as_of)} - interval 1 hour"
    ledger.con.execute(
        "create or replace temp table first_quoted as "
        f"select {ledger.entity()} as entity_id, min(quoted_at) as quoted_at "
        f"from requests inner join quotes using (request_id) where {ledger.in_cohort()} "
        f"group by 1 having bool_and(quotes.fault is null) and min(quoted_at) < {latest} "
        "and not bool_or(request_id in (select request_id from quote_events where fault is not null))"
    )
    quoted_units = "entity_id in (select entity_id from first_quoted)"
    ledger.pick("assignments", count, "late_assignment", quoted_units)
    ledger.con.execute(
        "update assignments set fault = 'late_assignment', "
        "assigned_at = quoted_at + to_seconds(1 + row_id * 7919 % 3600) from first_quoted "
        "where assignments.entity_id = first_quoted.entity_id and row_id in (select row_id from picked)"
    )
    ledger.add("late_assignment.assignments.assigned_at", count)
