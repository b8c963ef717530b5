"""What one expectation came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class CheckStatus(StrEnum):
    """A check that raised is an error: never a pass, never a mere failure."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True)
class CheckResult:
    """One validation of one expectation.

    ``table`` is the source's name in plumbline.yml (or the canonical relation's), ``observed`` and
    ``threshold`` are what a person compares; ``failing_rows`` is None where rows can't be counted.
    ``gap_column`` is the column of the gap this check would register, None where the gap is about whole rows;
    ``position`` is the expectation's place in its suite, from 0; ``rests_on`` the sources and "source.column"
    names it reads, so that what can't be evaluated for want of one of them is laid at that one's door.
    """

    suite: str
    expectation: str
    table: str
    column: str | None
    status: CheckStatus
    observed: float | str | None
    threshold: float | str | None
    failing_rows: int | None
    rows_total: int | None
    gap_kind: str
    affects: tuple[str, ...] = field(default=())
    mitigation: str = ""
    message: str = ""
    gap_column: str | None = None
    position: int = 0
    rests_on: tuple[str, ...] = field(default=())
