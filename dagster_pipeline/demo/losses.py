"""Faults that take rows away: stale sources, lost arms, removed parents, missing assignments."""

# ruff: noqa: S608  (table and column names come from our own vocabulary or are checked against it)

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from dagster_pipeline.demo.ledger import CHILDREN_OF_REQUESTS, Ledger, fill, literal, time_of
from dagster_pipeline.demo.marketplace import IntArray


def drop_newest(ledger: Ledger, stale: Mapping[str, timedelta]) -> None:
    """Drops each named table's rows newer than its lag behind as_of, and what hangs on a dropped row."""
    for table, lag in stale.items():
        newer = f"{time_of(ledger.table(table))} > {ledger.before_as_of(lag)}"
        ledger.add(f"stale_source.{table}", ledger.size(table, newer))
        ledger.con.execute(f"delete from {table} where {newer}")
    if stale:
        _drop_dependants(ledger)


def lose_units(ledger: Ledger, share: float, arm: str) -> None:
    """Loses a share of one arm's units without trace: requests, assignment and all that follows."""
    of_arm = ledger.con.execute("select count(*) from assignments where variant = ?", [arm]).fetchone()
    count = round(share * of_arm[0]) if of_arm else 0
    if not count:
        return
    ledger.pick("assignments", count, "sample_ratio_mismatch", f"variant = {literal(arm)}")
    ledger.con.execute(
        f"delete from requests where {ledger.in_cohort()} and {ledger.entity()} in "
        "(select entity_id from assignments inner join picked using (row_id))"
    )
    ledger.add("sample_ratio_mismatch.requests", count)
    _drop_dependants(ledger)


def remove_parents(ledger: Ledger, table: str, share: float, keep_assignment: bool) -> None:
    """Removes requests until about ``share`` of the table's rows are orphans, like their other children."""
    found = ledger.arrays(
        "select requests.row_id, count(*) as children "
        f"from requests inner join {ledger.table(table)} as child using (request_id) "
        "where requests.fault is null and child.fault is null "
        "group by requests.row_id order by requests.row_id"
    )
    target = round(share * ledger.size(table))
    ledger.choose(fill(ledger.stream(f"orphans.{table}"), found["row_id"], found["children"], target))
    ledger.con.execute(
        "create or replace temp table removed as "
        "select request_id from requests inner join picked using (row_id)"
    )
    ledger.con.execute("delete from requests where row_id in (select row_id from picked)")
    settle_children(ledger, keep_assignment)


def settle_children(ledger: Ledger, keep_assignment: bool) -> None:
    """Counts and marks as orphans what hangs on the requests in the table ``removed``."""
    for child in CHILDREN_OF_REQUESTS:
        gone = "fault is null and request_id in (select request_id from removed)"
        ledger.add(f"orphan_rows.{child}", ledger.size(child, gone))
        ledger.con.execute(f"update {child} set fault = 'orphan' where {gone}")
    _settle_assignments(ledger, keep_assignment)


def _settle_assignments(ledger: Ledger, keep: bool) -> None:
    """Assignments of units that have no cohort request any more: left and counted, or lost as well."""
    without = f"fault is null and {_without_requests(ledger)}"
    if keep:
        ledger.add("orphan_rows.assignments", ledger.size("assignments", without))
        ledger.con.execute(f"update assignments set fault = 'orphan' where {without}")
    else:
        ledger.con.execute(f"delete from assignments where {without}")


def lose_assignments(ledger: Ledger, share: float, recoverable: bool) -> None:
    """Loses assignments until ``share`` of the cohort's requests have none.

    ``recoverable``: the requests have quotes, and these keep their variant. Else the variant is gone from
    quotes and quote events too, and stays unknown.
    """
    target = round(share * ledger.size("requests", ledger.in_cohort()))
    if not target:
        return
    found = _assigned_units(ledger, quoted_only=recoverable)
    ledger.choose(
        fill(ledger.stream(f"assignments.{recoverable}"), found["row_id"], found["requests"], target)
    )
    ledger.con.execute(
        "create or replace temp table unassigned as select requests.request_id from requests "
        f"inner join assignments on assignments.entity_id = {ledger.entity()} "
        f"inner join picked on picked.row_id = assignments.row_id where {ledger.in_cohort()}"
    )
    ledger.con.execute("delete from assignments where row_id in (select row_id from picked)")
    lost = ledger.number("select count(*) from unassigned")
    ledger.add("missing_variant.requests", lost)
    _mark_unassigned(ledger, recoverable)
    if not recoverable:
        ledger.add("missing_variant.requests.residual", lost)


def _assigned_units(ledger: Ledger, quoted_only: bool) -> dict[str, IntArray]:
    """Untouched assignments and their cohort requests; ``quoted_only``: each of them has a quote."""
    having = "bool_and(requests.fault is null)"
    if quoted_only:
        having += " and bool_and(requests.request_id in (select request_id from quotes where fault is null))"
    return ledger.arrays(
        "select assignments.row_id, count(*) as requests from assignments "
        f"inner join requests on assignments.entity_id = {ledger.entity()} and {ledger.in_cohort()} "
        "where assignments.fault is null "
        f"group by assignments.row_id having {having} order by assignments.row_id"
    )


def _mark_unassigned(ledger: Ledger, recoverable: bool) -> None:
    variant = "variant" if recoverable else "null"
    if not recoverable:
        unlabelled = ledger.size("quote_events", "request_id in (select request_id from unassigned)")
        ledger.add("missing_values.quote_events.variant", unlabelled)
    for table in ("quotes", "quote_events"):
        ledger.con.execute(
            f"update {table} set variant = {variant}, fault = 'missing_variant' "
            "where request_id in (select request_id from unassigned)"
        )
    ledger.con.execute(
        "update requests set fault = 'missing_variant' "
        "where request_id in (select request_id from unassigned)"
    )


def sample_events(ledger: Ledger, share: float, arm: str) -> None:
    """Drops a share of the events logged of quotes to one arm's cohort requests."""
    of_arm = (
        f"variant = {literal(arm)} and request_id in "
        f"(select request_id from requests where {ledger.in_cohort()})"
    )
    count = round(share * ledger.size("quote_events", of_arm))
    ledger.pick("quote_events", count, "sampled_logging", of_arm)
    ledger.con.execute("delete from quote_events where row_id in (select row_id from picked)")
    ledger.add("sampled_logging.quote_events", count)


def _drop_dependants(ledger: Ledger) -> None:
    """Removes what hangs on a removed request or quote, so that no orphan appears by accident."""
    for table in CHILDREN_OF_REQUESTS:
        ledger.con.execute(f"delete from {table} where request_id not in (select request_id from requests)")
    ledger.con.execute("delete from spam_flags where quote_id not in (select quote_id from quotes)")
    ledger.con.execute(f"delete from assignments where {_without_requests(ledger)}")


def _without_requests(ledger: Ledger) -> str:
    return f"entity_id not in (select {ledger.entity()} from requests where {ledger.in_cohort()})"
