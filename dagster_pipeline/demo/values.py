"""Faults that change values in place: nulls, invalid values, broken links, wrong times."""

# ruff: noqa: S608  (table and column names come from our own vocabulary or are checked against it)

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dagster_pipeline.demo.ledger import CHILDREN_OF_REQUESTS, Ledger, time_of, timestamp
from dagster_pipeline.errors import PlumblineError

# How a value goes wrong: repairable where the meaning stays plain (case and blanks), else not.
_INVALID = {
    "variant": "'  ' || upper(variant) || ' '",
    "outcome": "'n/a'",
    "price": "-abs(price) - 1",
    "amount": "-abs(amount) - 1",
}
_INSTEAD = {
    "requests.request_id": "orphans or srm",
    "quotes.variant": "missing_quote_variant",
    "assignments.entity_id": "missing_assignment",
}


@dataclass(frozen=True)
class NullJump:
    """A column's null share jumps on a date: the day its producer changed.

    ``before`` and ``after`` are shares of the rows whose request (for requests: the row itself) was created
    before, or on and after, ``from_date``. ``unlogged`` is the share of these rows that the event log
    misses too; only for quotes.quoted_at, where the log repairs the others.
    """

    column: str
    before: float
    after: float
    from_date: datetime
    unlogged: float = 0.0


def blank_values(ledger: Ledger, address: str, share: float) -> None:
    """Makes a share of a column's values null."""
    table, column = ledger.locate(address)
    if address in _INSTEAD:
        raise PlumblineError(f"Nulls in {address} of the demo world: use {_INSTEAD[address]} instead.")
    count = round(share * ledger.size(table))
    # A flag on a quote without an id would be an orphan besides.
    spare = "quote_id not in (select quote_id from spam_flags)" if address == "quotes.quote_id" else "true"
    ledger.pick(table, count, f"nulls.{address}", f"{column} is not null and {spare}")
    ledger.update(table, f"{column} = null", "null")
    ledger.add(f"missing_values.{address}", count)


def blank_from_date(ledger: Ledger, jump: NullJump) -> None:
    """Makes a column null at one rate before a date and another from it on."""
    table, column = ledger.locate(jump.column)
    if jump.unlogged and jump.column != "quotes.quoted_at":
        raise PlumblineError("NullJump.unlogged of the demo world applies to quotes.quoted_at only.")
    since = timestamp(jump.from_date)
    for condition, share in ((f"< {since}", jump.before), (f">= {since}", jump.after)):
        where = f"{column} is not null and {_created(table, condition)}"
        count = round(share * ledger.size(table, _created(table, condition)))
        ledger.pick(table, count, f"null_jump.{jump.column}{condition}", where)
        if jump.unlogged:
            _unlog(ledger, round(jump.unlogged * count), f"unlogged {condition}")
        ledger.update(table, f"{column} = null", "null")
        ledger.add(f"missing_values.{jump.column}", count)


def _created(table: str, condition: str) -> str:
    """Condition on the day of a row: its request's creation, or its own time where it has no request."""
    if table in CHILDREN_OF_REQUESTS:
        return f"request_id in (select request_id from requests where created_at {condition})"
    return f"{time_of(table)} {condition}"


def _unlog(ledger: Ledger, count: int, purpose: str) -> None:
    """Drops the event of ``count`` picked quotes; the picked quotes stay picked."""
    found = ledger.arrays(
        "select events.row_id from quote_events as events inner join quotes "
        "on quotes.request_id = events.request_id and quotes.pro_id = events.pro_id "
        "inner join picked on picked.row_id = quotes.row_id where events.fault is null order by events.row_id"
    )["row_id"]
    chosen = ledger.stream(purpose).choice(found, min(count, len(found)), replace=False)
    ledger.con.register("unlogged", {"row_id": chosen})
    ledger.con.execute("delete from quote_events where row_id in (select row_id from unlogged)")
    ledger.con.unregister("unlogged")
    ledger.add("missing_values.quotes.quoted_at.residual", len(chosen))


def blank_quote_variants(ledger: Ledger, share: float) -> None:
    """Makes the variant null on quotes until ``share`` of all rows have none."""
    already = ledger.size("quotes", "variant is null")
    count = round(share * ledger.size("quotes")) - already if share else 0
    if count < 0:
        raise PlumblineError(
            f"missing_quote_variant {share} of the demo world is less than missing_assignment takes away."
        )
    ledger.pick("quotes", count, "missing_quote_variant", "variant is not null")
    ledger.update("quotes", "variant = null", "missing_variant")
    ledger.add("missing_variant.quotes.variant", count + already)


def spoil_values(ledger: Ledger, address: str, share: float) -> None:
    """Makes a share of a column's values invalid."""
    table, column = ledger.locate(address)
    if column not in _INVALID:
        raise PlumblineError(
            f"No invalid values known for {address!r} of the demo world. Columns: {', '.join(_INVALID)}."
        )
    count = round(share * ledger.size(table))
    ledger.pick(table, count, f"invalid.{address}", f"{column} is not null")
    ledger.update(table, f"{column} = {_INVALID[column]}", "invalid")
    ledger.add(f"invalid_values.{address}", count)


def break_links(ledger: Ledger, table: str, share: float) -> None:
    """Points a share of a child table's rows at a parent that never existed."""
    column = "quote_id" if table == "spam_flags" else "request_id"
    if table not in (*CHILDREN_OF_REQUESTS, "spam_flags"):
        raise PlumblineError(f"Table {table!r} of the demo world has no parent to lose.")
    count = round(share * ledger.size(table))
    ledger.pick(table, count, f"dangling.{table}")
    ledger.update(table, f"{column} = 'lost-' || {column}", "orphan")
    ledger.add(f"orphan_rows.{table}", count)


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
    ledger.add("timestamp_disorder.quotes.quoted_at", count)


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
    ledger.add("source_conflict.quote_events", count)


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
