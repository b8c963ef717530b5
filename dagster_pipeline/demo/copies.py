"""Faults that add rows: retries, re-sent quotes, conflicting keys, rows from the future, second arms."""

from __future__ import annotations

from collections.abc import Sequence

from dagster_pipeline.demo.ledger import KEYS, Ledger, literal, time_of, timestamp
from dagster_pipeline.demo.marketplace import GEOS
from dagster_pipeline.demo.spec import TIME_COLUMNS
from dagster_pipeline.errors import PlumblineError

# The content in which the second row of a key differs: values that no time-based metric reads.
_OTHER_CONTENT = {
    "requests": f"case when geo = '{GEOS[0]}' then '{GEOS[1]}' else '{GEOS[0]}' end as geo",
    "quotes": "round(price * 1.5 + 1, 2) as price",
    "hires": "round(amount * 1.5 + 1, 2) as amount",
    "support_tickets": "opened_at - interval 1 second as opened_at",
}
_CAN_BE_FUTURE = (
    "requests",
    "quotes",
    "quote_events",
    "hires",
    "assignments",
    "messages",
    "support_tickets",
    "spam_flags",
)


def repeat_rows(ledger: Ledger, table: str, share: float) -> None:
    """Adds full copies of a share of the table's rows."""
    count = round(share * ledger.size(ledger.table(table)))
    ledger.pick(table, count, f"duplicates.{table}")
    ledger.copy(table, "duplicate")
    ledger.add(f"duplicate_rows.{table}", count)


def resend_quotes(ledger: Ledger, share: float) -> None:
    """Adds a share of the quotes once more under another id: same request, pro and time."""
    count = round(share * ledger.size("quotes"))
    ledger.pick("quotes", count, "resent_quotes")
    ledger.copy("quotes", "duplicate", "quote_id || 'r' as quote_id")
    ledger.add("duplicate_rows.quotes", count)


def contradict_rows(ledger: Ledger, table: str, share: float) -> None:
    """Adds a second row with the same key and other content for a share of the table's rows."""
    _allow(table, tuple(_OTHER_CONTENT), "conflicting keys")
    count = round(share * ledger.size(table))
    ledger.pick(table, count, f"conflicts.{table}")
    ledger.copy(table, "conflict", _OTHER_CONTENT[table])
    ledger.add(f"conflicting_keys.{table}", count)


def add_future_rows(ledger: Ledger, table: str, share: float) -> None:
    """Adds new rows dated one hour to nine days after as_of: a share of the table's rows."""
    _allow(table, _CAN_BE_FUTURE, "future rows")
    count = round(share * ledger.size(table))
    ledger.pick(table, count, f"future.{table}")
    moment = f"{timestamp(ledger.spec.as_of)} + to_seconds(3600 + row_id * 7919 % 774000)"
    changes = f"{moment} as {time_of(table)}"
    if table in KEYS:
        changes += f", 'f' || {KEYS[table]} as {KEYS[table]}"
    ledger.copy(table, "future", changes, at_end=True)
    ledger.add(f"timestamp_disorder.{table}.{TIME_COLUMNS[table]}", count)


def expose_twice(ledger: Ledger, share: float) -> None:
    """Assigns a share of the units once more, an hour later and to the next arm."""
    count = round(share * ledger.size("assignments"))
    ledger.pick("assignments", count, "multiple_exposures")
    arms = f"[{', '.join(map(literal, ledger.spec.arms))}]"
    following = f"{arms}[list_position({arms}, variant) % {len(ledger.spec.arms)} + 1]"
    ledger.copy(
        "assignments",
        "multiple_exposure",
        f"{following} as variant, assigned_at + interval 1 hour as assigned_at",
    )
    ledger.add("multiple_exposures.assignments", count)


def _allow(table: str, allowed: Sequence[str], fault: str) -> None:
    if table not in allowed:
        raise PlumblineError(
            f"The demo world cannot plant {fault} in {table!r}. Allowed: {', '.join(allowed)}."
        )
