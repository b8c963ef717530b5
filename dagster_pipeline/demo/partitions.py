"""A fault of pipelines: whole days of a table that were never loaded."""

# ruff: noqa: S608  (table and column names come from our own vocabulary or are checked against it)

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dagster_pipeline.demo.ledger import CHILDREN_OF_REQUESTS, Ledger, literal, time_of
from dagster_pipeline.demo.losses import settle_children
from dagster_pipeline.errors import PlumblineError

_TABLES = ("requests", *CHILDREN_OF_REQUESTS, "spam_flags")


@dataclass(frozen=True)
class MissingPartition:
    """Days on which a table has no rows, dated by its own time in UTC; of one arm only where ``arm`` names it.

    What hung on the lost rows is left behind and counted as orphans. Assignments are lost by
    ``missing_assignment`` instead, which keeps the account of what can still be recovered.
    """

    table: str
    days: tuple[date, ...]
    arm: str | None = None


def lose_days(ledger: Ledger, partition: MissingPartition) -> None:
    """Drops every row of the days; counts them and the orphans they leave."""
    table = ledger.table(partition.table)
    if table not in _TABLES:
        raise PlumblineError(f"The demo world cannot lose days of {table!r}. Allowed: {', '.join(_TABLES)}.")
    days = ", ".join(f"date '{day.isoformat()}'" for day in partition.days)
    gone = f"{time_of(table)}::date in ({days}) and {_of_arm(ledger, partition)}"
    ledger.add(f"missing_partition.{table}", ledger.size(table, gone))
    key = {"requests": "request_id", "quotes": "quote_id"}.get(table, "row_id")
    ledger.con.execute(f"create or replace temp table removed as select {key} from {table} where {gone}")
    ledger.con.execute(f"delete from {table} where {gone}")
    if table == "requests":
        settle_children(ledger, keep_assignment=True)
    elif table == "quotes":
        left = "fault is null and quote_id in (select quote_id from removed)"
        ledger.add("orphan_rows.spam_flags", ledger.size("spam_flags", left))
        ledger.con.execute(f"update spam_flags set fault = 'orphan' where {left}")


def _of_arm(ledger: Ledger, partition: MissingPartition) -> str:
    """Condition: the row belongs to a cohort request of the arm."""
    if partition.arm is None:
        return "true"
    requests = (
        f"select request_id from requests inner join assignments on entity_id = {ledger.entity()} "
        f"where {ledger.in_cohort()} and variant = {literal(partition.arm)}"
    )
    if partition.table == "spam_flags":
        return f"quote_id in (select quote_id from quotes where request_id in ({requests}))"
    return f"request_id in ({requests})"
