"""What one validation result of Great Expectations says, in plain Python values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from dagster_pipeline.engines.inspection import one_line

_ROW_COUNT = "expect_table_row_count_to_be_between"
_UNEXPECTED_ROWS = "unexpected_rows_expectation"


@dataclass(frozen=True)
class Reading:
    """A result: a share of failing rows among the ``considered`` ones, or an observed value.

    ``considered`` rows are those with a value within the entry's row condition. ``error`` is one line, None
    where the expectation was evaluated.
    """

    success: bool
    observed: float | str | None = None
    failing_rows: int | None = None
    considered: int | None = None
    elements: int | None = None
    counts_table: bool = False
    is_conditional: bool = False
    error: str | None = None

    @property
    def is_vacuous(self) -> bool:
        """No row had a value to judge, so that a pass would say nothing."""
        return self.considered == 0 and not self.is_conditional


def read(result: Any) -> Reading:
    """The reading of one ``ExpectationValidationResult``."""
    kwargs, found = result.expectation_config.kwargs, result.result or {}
    error = exception_of(result.exception_info)
    kind = result.expectation_config.type
    if error is None and "unexpected_count" not in found and "observed_value" not in found:
        error = "Great Expectations returned nothing"
    if error is not None:
        return Reading(success=False, error=error)
    conditional = kwargs.get("row_condition") is not None
    if "unexpected_count" in found:
        return _of_rows(bool(result.success), found, conditional)
    observed = plain(found["observed_value"])
    failing = int(observed) if kind == _UNEXPECTED_ROWS and isinstance(observed, int | float) else None
    counts_table = kind == _ROW_COUNT
    return Reading(
        bool(result.success), observed, failing, counts_table=counts_table, is_conditional=conditional
    )


def _of_rows(success: bool, found: Mapping[str, Any], conditional: bool) -> Reading:
    # Of a table without rows the count of failing ones is None.
    elements, failing = int(found["element_count"]), int(found["unexpected_count"] or 0)
    considered = elements - int(found.get("missing_count") or 0)
    return Reading(
        success=success,
        observed=failing / considered if considered else None,
        failing_rows=failing,
        considered=considered,
        elements=elements,
        is_conditional=conditional,
    )


def exception_of(info: Mapping[str, Any] | None) -> str | None:
    """The exception's message in one line, None where none was raised.

    Great Expectations gives the information flat, or keyed by the metric that raised.
    """
    for entry in _entries(info or {}):
        if entry.get("raised_exception"):
            return one_line(
                str(entry.get("exception_message") or entry.get("exception_traceback") or "raised")
            )
    return None


def _entries(info: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if "raised_exception" in info:
        return [info]
    return [entry for entry in info.values() if isinstance(entry, Mapping)]


def row_count(readings: Iterable[Reading]) -> int | None:
    """Rows of the whole table, as far as any reading counted them."""
    counted = list(readings)
    for reading in counted:
        if reading.counts_table and isinstance(reading.observed, int | float):
            return int(reading.observed)
    return max((r.elements for r in counted if r.elements is not None and not r.is_conditional), default=None)


def plain(value: Any) -> float | str | None:
    """A number, text or None from whatever an engine returns; what is not finite is None."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return f"{value.replace(tzinfo=None).isoformat()}Z"
    if isinstance(value, date):
        return value.isoformat()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else None


def in_words(reading: Reading, threshold: float | str | None) -> str:
    """What was observed against what is allowed, in one sentence."""
    if reading.considered is not None and isinstance(threshold, int | float):
        share = reading.observed if isinstance(reading.observed, int | float) else 0.0
        failing = f"{reading.failing_rows:,} of {reading.considered:,} rows ({share:.2%})"
        return f"{failing}; allowed {threshold:.2%}"
    if reading.failing_rows is not None:
        return f"{reading.failing_rows:,} rows; allowed {threshold}"
    observed = "nothing" if reading.observed is None else reading.observed
    return f"observed {observed}; expected {threshold} or more"
