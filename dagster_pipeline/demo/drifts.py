"""Faults in how values are distributed: a mix that moves, arms that differed before the start, figures left to age."""

# ruff: noqa: S608  (table and column names come from our own vocabulary or are checked against it)

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.demo.ledger import Ledger, literal, timestamp
from dagster_pipeline.errors import PlumblineError

_MIXED = ("category", "geo")


@dataclass(frozen=True)
class Drift:
    """A share of the cohort's requests, of one arm or of all, are moved to one value of a column of requests."""

    column: str
    to: str
    share: float
    arm: str | None = None


def move_requests(ledger: Ledger, drift: Drift) -> None:
    """Changes the column of a share of the requests that held another value."""
    if drift.column not in _MIXED:
        raise PlumblineError(
            f"The demo world has no mix of {drift.column!r} to drift. Allowed: {', '.join(_MIXED)}."
        )
    members = ledger.in_cohort()
    if drift.arm is not None:
        members += (
            f" and {ledger.entity()} in "
            f"(select entity_id from assignments where variant = {literal(drift.arm)})"
        )
    count = round(drift.share * ledger.size("requests", members))
    elsewhere = f"{drift.column} <> {literal(drift.to)}"
    ledger.pick("requests", count, f"drift.{drift.column}", f"{members} and {elsewhere}")
    ledger.update("requests", f"{drift.column} = {literal(drift.to)}", "drift")
    ledger.add(f"distribution_drift.requests.{drift.column}", count)


def hire_before_the_window(ledger: Ledger, share: float) -> None:
    """Adds hires, within 7 days, to quoted requests of before the window made by the last arm's customers.

    ``share`` is of these customers' requests that were 7 days old when the window opened.
    """
    start, arm = timestamp(ledger.spec.start), ledger.spec.arms[-1]
    customers = (
        "select customer_id from requests inner join assignments "
        f"on entity_id = {ledger.entity()} where {ledger.in_cohort()} and variant = {literal(arm)}"
    )
    earlier = f"created_at + interval 7 day <= {start} and customer_id in ({customers})"
    count = round(share * ledger.size("requests", earlier))
    free = (
        f"{earlier} and request_id not in (select request_id from hires) and request_id in (select request_id "
        "from quotes inner join requests using (request_id) where quoted_at < created_at + interval 6 day)"
    )
    ledger.pick("requests", count, "imbalance", free)
    ledger.update("requests", "position = position", "imbalance")
    first_row = ledger.number("select max(row_id) + 1 from hires")
    ledger.con.execute(
        "insert into hires by name select 'before-' || request_id as hire_id, request_id, "
        "min(quotes.pro_id) as pro_id, min(quoted_at) + interval 1 hour as hired_at, "
        "min(price) as amount, 'completed' as outcome, "
        f"{first_row} + row_number() over (order by request_id) as row_id, -1.0 as position, "
        "'imbalance' as fault from requests inner join picked using (row_id) "
        "inner join quotes using (request_id) group by request_id"
    )
    ledger.add("pre_exposure_imbalance.requests.customer_id", count)


def age_dashboards(ledger: Ledger, share: float) -> None:
    """Puts a share of the dashboards' figures, one at least, a tenth too high: figures of another day."""
    count = max(1, round(share * ledger.size("dashboards")))
    ledger.pick("dashboards", count, "stale_dashboard")
    ledger.update("dashboards", "value = value * 1.1", "stale_dashboard")
    ledger.add("stale_dashboard.dashboards.value", count)
