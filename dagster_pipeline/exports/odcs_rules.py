"""How one expectation is written as a quality rule of a data contract, and how much of it a library rule can say.

The Open Data Contract Standard (ODCS, Bitol, https://bitol-io.github.io/open-data-contract-standard/) knows a few metrics
(``nullValues``, ``duplicateValues``, ``invalidValues``, ``rowCount``) with comparison operators; the rest is ``type: custom``.
What only Plumbline knows of a rule stands in its ``customProperties``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dagster_pipeline.checks.suite_files import Entry

ENGINE = "greatExpectations"
NOT_NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"
ROW_COUNT = "expect_table_row_count_to_be_between"
UNIQUE_SHARE = "expect_column_proportion_of_unique_values_to_be_between"
COMPOUND = "expect_compound_columns_to_be_unique"
BETWEEN = "expect_column_values_to_be_between"
LENGTHS = "expect_column_value_lengths_to_be_between"
UNEXPECTED_ROWS = "unexpected_rows_expectation"
NEWEST = "expect_column_max_to_be_between"

_DIMENSIONS = {
    NOT_NULL: "completeness",
    ROW_COUNT: "coverage",
    UNIQUE_SHARE: "uniqueness",
    COMPOUND: "uniqueness",
    NEWEST: "timeliness",
}
_SIMPLE = {NOT_NULL: "nullValues", ROW_COUNT: "rowCount"}
_DUPLICATE_FLAG = "is_duplicate"

Json = dict[str, Any]


@dataclass(frozen=True)
class Bound:
    """What a library rule compares with: one operator of ODCS, its value, and the unit (``rows`` or ``percent``)."""

    operator: str
    value: Any
    unit: str | None = None

    def document(self) -> Json:
        """As keys of the rule."""
        return ({"unit": self.unit} if self.unit else {}) | {self.operator: self.value}


def percent(share: float) -> int | float:
    """A share as a percentage, exact in decimals: 0.005 is 0.5."""
    return _number(Decimal(str(share)) * 100)


def share_of(percentage: float) -> float:
    """A percentage as a share, exact in decimals."""
    return float(Decimal(str(percentage)) / 100)


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def dimension_of(expectation: str, kind_dimension: str, *, is_ours: bool) -> str:
    """The dimension of a rule: its gap kind's; the rule's own where the kind says nothing of what it looks for."""
    return kind_dimension if is_ours else _DIMENSIONS.get(expectation, "conformity")


def threshold_name(entry: Entry) -> str | None:
    """The threshold of plumbline.yml that the entry's share is held against, None where it has its own number."""
    mostly = entry.kwargs.get("mostly")
    return str(mostly["$all_but"]) if isinstance(mostly, Mapping) and "$all_but" in mostly else None


def library_form(entry: Entry, share: float | None, columns: Sequence[str]) -> Json | None:
    """The rule as one of the library's, None where the library has none that says it.

    ``share`` is the share of rows that may fail (None: no row), ``columns`` are the mapped ones of the table.
    """
    made = _metric(entry, columns)
    bound = _bound(entry, share)
    return None if made is None or bound is None else made | bound.document()


def _metric(entry: Entry, columns: Sequence[str]) -> Json | None:
    kwargs = entry.kwargs
    if entry.type in _SIMPLE:
        return {"metric": _SIMPLE[entry.type]}
    if entry.type == UNIQUE_SHARE and (kwargs.get("min_value"), kwargs.get("max_value")) == (1, None):
        return {"metric": "duplicateValues"}
    if entry.type == COMPOUND:
        return {"metric": "duplicateValues", "arguments": {"properties": list(kwargs["column_list"])}}
    return _metric_of_a_set(entry, columns) if entry.type == IN_SET else None


def _metric_of_a_set(entry: Entry, columns: Sequence[str]) -> Json | None:
    values = entry.kwargs.get("value_set")
    if entry.column == _DUPLICATE_FLAG and values == [False]:
        return {"metric": "duplicateValues", "arguments": {"properties": list(columns)}}
    is_flag = str(entry.column).startswith("is_")  # ours, not a column of anybody's table
    if is_flag or not isinstance(values, list):
        return None
    return {"metric": "invalidValues", "arguments": {"validValues": list(values)}}


def _bound(entry: Entry, share: float | None) -> Bound | None:
    if entry.type != ROW_COUNT:
        return Bound("mustBeLessOrEqualTo", percent(share), "percent") if share else Bound("mustBe", 0)
    low, high = entry.kwargs.get("min_value"), entry.kwargs.get("max_value")
    if low is None and high is None:
        return None
    if low is None or high is None:
        return Bound("mustBeLessOrEqualTo", high) if low is None else Bound("mustBeGreaterOrEqualTo", low)
    return Bound("mustBe", low) if low == high else Bound("mustBeBetween", [low, high])


def plain_expectation(entry: Entry) -> Json:
    """Type and arguments, placeholders still open, as plain values."""
    return {"type": entry.type, "kwargs": _plain(entry.kwargs)}


def entry_document(entry: Entry, *, required: bool = False) -> Json:
    """The entry as a suite file holds it; ``required`` is what an entry of that file is without saying so."""
    meta: Json = {
        "gap_kind": entry.gap_kind,
        "affects": list(entry.affects),
        "mitigation": entry.mitigation,
    }
    if entry.gap_column != entry.column:
        meta["gap_column"] = entry.gap_column
    if entry.needs is not None:
        meta["needs"] = list(entry.needs)
    if entry.required != required:
        meta["required"] = entry.required
    return plain_expectation(entry) | {"meta": meta}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
