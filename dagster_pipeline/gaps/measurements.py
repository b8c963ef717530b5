"""What the warehouse measured: the only place where its aggregates enter Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from dagster_pipeline.statistics.evidence import Cells, FloatArray, Moments

UNKNOWN = "unknown"
"""The variant of a request that no source gives an arm."""

NO_MOMENTS = Moments(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
NO_CELLS = Cells(np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))


class Connection(Protocol):
    """The little a database connection must do."""

    def execute(self, query: str, /) -> Any:
        """Run one statement; its result has ``fetchall``."""
        ...


@dataclass(frozen=True)
class Cohort:
    """Which requests a figure is about; ``segment`` is "column=value", None for all."""

    experiment: str
    segment: str | None
    metric: str
    variant: str


@dataclass(frozen=True)
class MeasuredRow:
    """One row of a gap model (the common shape of all of them)."""

    kind: str
    experiment: str | None
    source: str
    column: str | None
    segment: str | None
    variant: str | None
    rows_total: int | None
    rows_affected: int | None
    rows_residual: int | None
    is_gap: bool | None
    note: str | None


@dataclass(frozen=True)
class SourceFact:
    """Row balance and freshness of one source."""

    name: str
    rows_in: int
    rows_total: int
    rows_filtered: int
    rows_quarantined: int
    rows_duplicate: int
    rows_conflicting: int
    rows_kept: int
    newest_at: datetime | None
    is_stale: bool


@dataclass(frozen=True)
class Measurements:
    """Everything Python knows of the data.

    ``moments`` is by (reading, cohort), ``quantiles`` too (None is infinite), ``cells`` by (basis, cohort), ``lost`` by
    (source or "any", cohort). ``unread`` are the models that were not built, so that nothing stale is read in their place.
    ``tables`` are the small aggregates that detectors in Python judge, model → rows (column → value).
    """

    moments: Mapping[tuple[str, Cohort], Moments]
    quantiles: Mapping[tuple[str, Cohort], float | None]
    cells: Mapping[tuple[str, Cohort], Cells]
    lost: Mapping[tuple[str, Cohort], Cells]
    rows: tuple[MeasuredRow, ...]
    sources: Mapping[str, SourceFact]
    unread: frozenset[str]
    tables: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)

    def segments(self, experiment: str) -> tuple[str, ...]:
        """Segments measured in an experiment, sorted."""
        found = {c.segment for _, c in self.moments if c.experiment == experiment and c.segment is not None}
        return tuple(sorted(found))


_MODELS = {
    "metric_statistics": "plumbline_metrics",
    "metric_quantiles": "plumbline_metrics",
    "metric_cells": "plumbline_metrics",
    "pro_statistics": "plumbline_metrics",
    "lost_request_cells": "plumbline_metrics",
    "int_source_facts": "plumbline_intermediate",
}
_JUDGED_HERE = (
    "assignment_days",
    "cohort_counts",
    "column_distributions",
    "contingency_sums",
    "daily_effects",
    "daily_nulls",
    "daily_rows",
    "dashboard_figures",
    "logged_pairs",
    "pre_period_products",
    "pre_period_sums",
    "pro_overlap",
    "unit_joins",
    "unplaced_rows",
)
"""Aggregates whose verdict is a statistic's: read whole, a few rows each."""


def read_measurements(
    connection: Connection, built: frozenset[str], gap_models: Iterable[str]
) -> Measurements:
    """Read every aggregate whose model was built in this run; the others are named in ``unread``."""
    gap_models = tuple(gap_models)
    unread = frozenset(name for name in (*_MODELS, *_JUDGED_HERE, *gap_models) if name not in built)

    def rows(model: str, columns: str) -> list[Any]:
        if model in unread:
            return []
        found: list[Any] = connection.execute(f"select {columns} from {_MODELS[model]}.{model}").fetchall()  # noqa: S608
        return found

    return Measurements(
        moments=_moments((*rows("metric_statistics", _SUMS), *rows("pro_statistics", _SUMS))),
        quantiles=_quantiles(
            rows("metric_quantiles", "reading, experiment_id, segment, metric, variant, quantile_value")
        ),
        cells=_cells(
            rows("metric_cells", "basis, experiment_id, segment, metric, variant, low, high, d, n_requests")
        ),
        lost=_cells(
            rows(
                "lost_request_cells",
                "source_name, experiment_id, null, metric, variant, low, high, d, n_requests",
            )
        ),
        rows=tuple(row for model in gap_models if model in built for row in _gap_rows(connection, model)),
        sources={fact.name: fact for fact in map(_source_fact, rows("int_source_facts", _FACTS))},
        unread=unread,
        tables={model: _table(connection, model) for model in _JUDGED_HERE if model in built},
    )


def _table(connection: Connection, model: str) -> tuple[Mapping[str, Any], ...]:
    found = connection.execute(f"select * from plumbline_metrics.{model}")  # noqa: S608
    names = [column[0] for column in found.description]
    return tuple(dict(zip(names, row, strict=True)) for row in found.fetchall())


_SUMS = "reading, experiment_id, segment, metric, variant, units, n, y, d, yy, dd, yd"


def _moments(rows: Iterable[Any]) -> dict[tuple[str, Cohort], Moments]:
    return {(row[0], Cohort(*row[1:5])): Moments(*(v or 0 for v in row[5:])) for row in rows}


def _quantiles(rows: Iterable[Any]) -> dict[tuple[str, Cohort], float | None]:
    return {(row[0], Cohort(*row[1:5])): row[5] for row in rows}


def _cells(rows: Iterable[Any]) -> dict[tuple[str, Cohort], Cells]:
    """Histograms by their key, in the order of the rows; a fine one has many bins, so columns are made once for all."""
    places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    ends = []
    for i, row in enumerate(rows):
        places[row[:5]].append(i)
        ends.append(row[5:])
    if not ends:
        return {}
    low, high, d, count = (np.array(column, dtype=float) for column in zip(*ends, strict=True))
    return {
        (key[0], Cohort(*key[1:])): histogram(low[at], high[at], d[at], count[at])
        for key, at in places.items()
    }


def histogram(low: FloatArray, high: FloatArray, d: FloatArray, count: FloatArray) -> Cells:
    """Bins as the warehouse gives them: it has no infinity that every engine sorts, null is its word for it, and 1e18 for a low end."""
    lowest = np.where(np.isnan(low) | (low >= 1e18), np.inf, low)
    return Cells(lowest, np.where(np.isnan(high), np.inf, high), d, count.astype(np.int64))


_SHAPE = "experiment_id, source_name, column_name, segment, variant, rows_total, rows_affected, rows_residual, is_gap, note"


def _gap_rows(connection: Connection, model: str) -> list[MeasuredRow]:
    kind = model.removeprefix("gap_")
    found = connection.execute(f"select {_SHAPE} from plumbline_gaps.{model}").fetchall()  # noqa: S608
    return [MeasuredRow(kind, row[0] or None, *row[1:]) for row in found]


_FACTS = (
    "source_name, rows_in, rows_total, rows_filtered, rows_quarantined, rows_duplicate, rows_conflicting, rows_kept, "
    "newest_at, is_stale"
)


def _source_fact(row: Any) -> SourceFact:
    return SourceFact(*row)
