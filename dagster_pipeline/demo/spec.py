"""What a sample world is made of: its size, its dates, its experiment and the effects built into it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from dagster_pipeline.errors import PlumblineError

Unit = Literal["request", "customer", "session"]
UNITS: tuple[Unit, ...] = ("request", "customer", "session")

# Of every table, the column that dates its rows; each table is written in this column's order.
TIME_COLUMNS = {
    "requests": "created_at",
    "quotes": "quoted_at",
    "hires": "hired_at",
    "assignments": "assigned_at",
    "quote_events": "event_at",
    "messages": "sent_at",
    "support_tickets": "opened_at",
    "spam_flags": "flagged_at",
    "dashboards": "as_of",
}
TABLES = tuple(TIME_COLUMNS)


@dataclass(frozen=True)
class WorldSpec:
    """A world's parameters; the same spec always gives the same tables.

    ``requests`` counts all rows of the table, of which those created in [``start``, ``start`` + ``days``)
    are the experiment's cohort; traffic runs from ``days_before`` earlier until ``as_of``. The first of
    ``arms`` is the control. ``speedup`` is the share by which every treated quote comes sooner,
    ``hire_effect`` is added to the 7-day hire rate, the other effects are relative.
    """

    requests: int = 40_000
    seed: int = 6
    start: datetime = datetime(2026, 10, 1, tzinfo=UTC)
    days: int = 28
    days_before: int = 3
    days_after: int = 8
    experiment: str = "quoting_v2"
    unit: Unit = "request"
    arms: tuple[str, ...] = ("control", "treatment")
    split: tuple[float, ...] = (0.5, 0.5)
    speedup: float = 0.18
    hire_rate: float = 0.120
    hire_effect: float = 0.004
    quotes_per_request: float = 3.4
    quote_effect: float = 0.0
    ticket_rate: float = 0.04
    ticket_effect: float = -0.05
    spam_rate: float = 0.02
    spam_effect: float = -0.05

    def __post_init__(self) -> None:
        if self.requests < 1 or self.days < 1 or self.days_before < 0 or self.days_after < 0:
            raise PlumblineError("A demo world needs at least 1 request and 1 day, and no negative days.")
        if len(self.arms) < 2 or len(self.arms) != len(self.split) or abs(sum(self.split) - 1) > 1e-9:
            raise PlumblineError("A demo world needs at least 2 arms, with one share each that add up to 1.")
        if self.unit not in UNITS:
            raise PlumblineError(f"Unknown unit {self.unit!r} of a demo world. Allowed: {', '.join(UNITS)}.")

    @property
    def control(self) -> str:
        """The arm that keeps the old workflow."""
        return self.arms[0]

    @property
    def traffic_start(self) -> datetime:
        """When the first requests come in."""
        return self.start - timedelta(days=self.days_before)

    @property
    def end(self) -> datetime:
        """End of the experiment's window, exclusive."""
        return self.start + timedelta(days=self.days)

    @property
    def as_of(self) -> datetime:
        """The world's clock: nothing in a clean world is dated later."""
        return self.end + timedelta(days=self.days_after)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly; a naive datetime is read as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
