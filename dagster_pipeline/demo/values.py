"""Faults that change values in place: nulls, invalid values, broken links."""

# ruff: noqa: S608  (table and column names come from our own vocabulary or are checked against it)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dagster_pipeline.demo.ledger import CHILDREN_OF_REQUESTS, Ledger, fill, literal, time_of, timestamp
from dagster_pipeline.errors import PlumblineError

_NEGATIVE = {"price": "-abs(price) - 1", "amount": "-abs(amount) - 1"}
_MISCASED = {"variant": "'  ' || upper(variant) || ' '", "outcome": "' ' || upper(outcome) || '  '"}
_UNDECLARED = {"variant": "'beta'", "outcome": "'n/a'"}
# What `invalid` does to each column: repairable where the meaning stays plain (case and blanks), else not.
_INVALID = {**_NEGATIVE, "variant": _MISCASED["variant"], "outcome": _UNDECLARED["outcome"]}
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
    count = _variants_to_lose(ledger, share)
    ledger.pick("quotes", count, "missing_quote_variant", "variant is not null")
    ledger.update("quotes", "variant = null", "missing_variant")
    ledger.add("missing_variant.quotes.variant", ledger.size("quotes", "variant is null"))


def blank_requests_variants(ledger: Ledger, share: float) -> None:
    """Makes the variant null on all quotes and quote events of requests, until ``share`` of all quotes have none."""
    count = _variants_to_lose(ledger, share)
    found = ledger.arrays(
        "select requests.row_id, count(*) as quotes from requests inner join quotes using (request_id) "
        "where quotes.variant is not null group by 1 order by 1"
    )
    ledger.choose(fill(ledger.stream("variant_lost_by_request"), found["row_id"], found["quotes"], count))
    chosen = "request_id in (select request_id from requests inner join picked using (row_id))"
    ledger.add(
        "missing_values.quote_events.variant",
        ledger.size("quote_events", f"variant is not null and {chosen}"),
    )
    for table in ("quotes", "quote_events"):
        ledger.con.execute(
            f"update {table} set variant = null, fault = coalesce(fault, 'missing_variant') where {chosen}"
        )
    ledger.add("missing_variant.quotes.variant", ledger.size("quotes", "variant is null"))


def _variants_to_lose(ledger: Ledger, share: float) -> int:
    """Quotes that must still lose their variant for ``share`` of them all to have none."""
    count = round(share * ledger.size("quotes")) - ledger.size("quotes", "variant is null") if share else 0
    if count < 0:
        raise PlumblineError(
            f"missing_quote_variant {share} of the demo world is less than missing_assignment takes away."
        )
    return count


def spoil_values(ledger: Ledger, address: str, share: float) -> None:
    """Makes a share of a column's values invalid: variants miscased, outcomes undeclared, amounts negative."""
    _replace_values(ledger, address, share, _INVALID, is_repaired=address.endswith(".variant"))


def miscase_values(ledger: Ledger, address: str, share: float) -> None:
    """Writes a share of a column's values in upper case and with blanks around them."""
    _replace_values(ledger, address, share, _MISCASED, is_repaired=True)


def rename_values(ledger: Ledger, address: str, share: float) -> None:
    """Gives a share of a column's rows a value that no declaration names.

    A unit assigned to an arm that doesn't exist leaves its cohort requests without a variant.
    """
    if "'beta'" in [literal(arm) for arm in ledger.spec.arms]:
        raise PlumblineError(
            "Undeclared variants of the demo world are named 'beta', which is one of its arms."
        )
    _replace_values(ledger, address, share, _UNDECLARED, is_repaired=False)
    if address == "assignments.variant":
        unknown = (
            f"{ledger.in_cohort()} and {ledger.entity()} in "
            "(select entity_id from assignments inner join picked using (row_id))"
        )
        ledger.add("missing_variant.requests.residual", ledger.size("requests", unknown))


def _replace_values(
    ledger: Ledger, address: str, share: float, instead: Mapping[str, str], *, is_repaired: bool
) -> None:
    table, column = ledger.locate(address)
    if column not in instead:
        raise PlumblineError(
            f"No such invalid values known for {address!r} of the demo world. Columns: {', '.join(instead)}."
        )
    count = round(share * ledger.size(table))
    ledger.pick(table, count, f"invalid.{address}", f"{column} is not null")
    ledger.update(table, f"{column} = {instead[column]}", "invalid")
    ledger.add(f"invalid_values.{address}", count)
    if not is_repaired:
        ledger.add(f"invalid_values.{address}.residual", count)


def garble_values(ledger: Ledger, address: str, share: float) -> None:
    """Notes a share of a time's or number's rows, whose column will be written as text, theirs as what can't be read."""
    table, column = ledger.locate(address)
    kinds = dict(ledger.con.execute(f"select column_name, column_type from (describe {table})").fetchall())
    if kinds[column] == "VARCHAR":
        raise PlumblineError(
            f"Any text can be read as {address!r} of the demo world: name a time or a number."
        )
    count = round(share * ledger.size(table))
    ledger.pick(table, count, f"unreadable.{address}", f"{column} is not null")
    ledger.update(table, "position = position", "unreadable")
    ledger.con.execute("create temp table if not exists garbled (address varchar, row_id bigint)")
    ledger.con.execute("insert into garbled select ?, row_id from picked", [address])
    ledger.add(f"invalid_values.{address}", count)
    if address != "quotes.quoted_at":  # of which the event log knows better
        ledger.add(f"invalid_values.{address}.residual", count)


def garbled(address: str, column: str) -> str:
    """The column as text, what can't be read in its noted rows, as SQL."""
    noted = f"row_id in (select row_id from garbled where address = {literal(address)})"
    return f"case when {noted} then 'not known' else cast({column} as varchar) end"


def break_links(ledger: Ledger, table: str, share: float) -> None:
    """Points a share of a child table's rows at a parent that never existed."""
    column = "quote_id" if table == "spam_flags" else "request_id"
    if table not in (*CHILDREN_OF_REQUESTS, "spam_flags"):
        raise PlumblineError(f"Table {table!r} of the demo world has no parent to lose.")
    count = round(share * ledger.size(table))
    ledger.pick(table, count, f"dangling.{table}")
    ledger.update(table, f"{column} = 'lost-' || {column}", "orphan")
    ledger.add(f"orphan_rows.{table}", count)
