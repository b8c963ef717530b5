"""Whether DuckDB takes the expressions of a team's own metrics, found before anything is built on them; no row is read."""

# ruff: noqa: S608 - expressions are the user's own, each checked as one by config/sql.py; described, never run

from __future__ import annotations

from collections.abc import Callable

import duckdb

from dagster_pipeline.config.own_metrics import OwnMetric, request_metric_columns
from dagster_pipeline.engines.inspection import one_line

Describe = Callable[[str], object]
"""Runs one statement that describes a query; raises duckdb.Error where DuckDB refuses it."""

_TYPES = {"text": "varchar", "double": "double", "bigint": "bigint"}


def expression_fault(metric: OwnMetric, describe: Describe) -> str:
    """Why an expression over request_metrics can't be evaluated, "" where it can."""
    columns = ", ".join(
        f"cast(null as {_TYPES[column.data_type]}) as {name}"
        for name, column in request_metric_columns().items()
    )
    return _first_fault(
        metric,
        lambda text: (
            f"select sum(try(cast(({text}\n) as double))) from (select {columns}) as request_metrics"
        ),
        describe,
    )


def table_fault(metric: OwnMetric, relation: str, request_id: str, describe: Describe) -> str:
    """Why the rows of a metric's table can't be chosen or aggregated, "" where they can; ``request_id`` comes quoted."""
    rows = f"{relation} as raw_source where true"
    if metric.where is not None:
        rows = f"{relation} as raw_source where ({metric.where}\n)"
        if fault := _fault("where", f"select 1 from {rows}", describe):
            return fault
    return _first_fault(
        metric,
        lambda text: (
            f"select sum(cast(y as double)) from (select ({text}\n) as y from "
            f"(select raw_source.* from {rows}) as raw_rows group by {request_id}) as aggregates"
        ),
        describe,
    )


def _first_fault(metric: OwnMetric, statement: Callable[[str], str], describe: Describe) -> str:
    texts = {"y": metric.y, "d": metric.d}
    faults = (_fault(key, statement(text), describe) for key, text in texts.items() if text is not None)
    return next((fault for fault in faults if fault), "")


def _fault(key: str, statement: str, describe: Describe) -> str:
    try:
        describe(f"describe {statement}")
    except duckdb.Error as error:
        cause = str(error).splitlines()[0].partition("Error: ")[2] or str(error)
        return one_line(f"{key} can not be evaluated: {cause}")
    return ""
