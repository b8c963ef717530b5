"""Segments of requests beside the columns of requests: what they are called, what they need, and what they are fit for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from dagster_pipeline.config.frozen import Frozen
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.config.scalars import Text

CUSTOMER_KIND = "customer_kind"
PRO_KIND = "pro_kind"
PEAK_HOUR = "peak_hour"
NEEDS: Mapping[str, tuple[str, ...]] = {
    CUSTOMER_KIND: ("requests.customer_id",),
    PRO_KIND: ("quotes.request_id", "quotes.pro_id", "quotes.quoted_at|quote_events.event_at"),
    PEAK_HOUR: ("requests.created_at",),
}
"""Segments computed from the data, and the mapped columns each needs ("a|b": either will do)."""
LARGEST_N = 1000


class TopValues(Frozen):
    """The ``n`` values of a column of requests with the most requests in the cohort; every other value is "other"."""

    top: Text
    n: Annotated[int, Field(strict=True, ge=1, le=LARGEST_N)]

    @property
    def name(self) -> str:
        """What the segment is called: category_top_5."""
        return f"{self.top}_top_{self.n}"


Segment = str | TopValues


def name_of(segment: Segment) -> str:
    """What results are filed under."""
    return segment if isinstance(segment, str) else segment.name


def needs_of(segment: Segment) -> tuple[str, ...]:
    """The mapped columns without which the segment does not exist."""
    if isinstance(segment, TopValues):
        return (f"requests.{segment.top}",)
    return NEEDS.get(segment, (f"requests.{segment}",))


def is_drawn_before(name: str, unit: str) -> bool:
    """Whether the treatment can't move requests from one of the segment's values to another.

    Who quotes first, and whether that pro is new, comes after the assignment. Whether a customer has asked before does
    where the arm is the customer's (or the session's) rather than the request's: the treatment may bring them back. Such
    segments describe; nothing is decided over them.
    """
    return name != PRO_KIND and (name != CUSTOMER_KIND or unit == "request")


def read_segment(value: object) -> Segment:
    """One entry of ``brief.segments``. Raises Refusal for what is neither a name nor {top: column, n: number}."""
    if isinstance(value, TopValues):
        return value
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, Mapping):
        return _top_values(value)
    raise Refusal("must be a column of requests or a list of them")


def _top_values(value: Mapping[Any, Any]) -> TopValues:
    column, n = value.get("top"), value.get("n")
    is_number = isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= LARGEST_N
    if set(value) != {"top", "n"} or not isinstance(column, str) or not column.strip() or not is_number:
        raise Refusal(
            f"must be {{top: column of requests, n: how many of its values}}, n from 1 to {LARGEST_N}, such as "
            "{top: category, n: 5}"
        )
    return TopValues(top=column, n=int(n or 0))
