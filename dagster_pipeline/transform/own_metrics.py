"""A team's own metrics as the models are told of them: which can be evaluated, and from which tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.own_metrics import OwnMetric, own_name
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus

_TIMES = ("TIMESTAMP", "DATE", "VARCHAR", "TEXT", "STRING", "CHAR")
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "HUGEINT",
    "UBIGINT",
    "UINTEGER",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
)


def metric_fault(metric: OwnMetric, inspections: Mapping[str, SourceInspection]) -> str:
    """Why an own metric can't be evaluated, "" where it can."""
    found = inspections.get(own_name(metric.name))
    if found is None:
        return "was not inspected"
    if found.status is not SourceStatus.OK:
        return found.row_error or found.status.value
    near = dict.fromkeys(column for like in found.near_matches.values() for column in like)
    hint = f"; the table has {', '.join(near)}" if near else ""
    absent = [f"there is no column {metric.columns[role]!r} ({role})" for role in found.absent_columns]
    if absent:
        return ", ".join(absent) + hint
    kind = found.physical_columns[found.columns["at"]] if "at" in found.columns else "TIMESTAMP"
    if "[" in kind or not kind.upper().startswith((*_TIMES, *_NUMBERS)) or kind.upper() == "INTERVAL":
        return f"at is {found.columns['at']!r}, a {kind}, which can not be read as a timestamp"
    return ""


def own_variables(metric: MetricDefinition) -> dict[str, Any]:
    """What the models need to know of an own metric besides what every metric has."""
    table = metric.table
    return {
        "is_own": True,
        "follows": metric.follows,
        "is_of_table": table is not None,
        "empty": table.empty if table is not None else None,
    }


def own_tables(
    config: PlumblineConfig, available: Collection[str], inspections: Mapping[str, SourceInspection]
) -> list[dict[str, Any]]:
    """The tables that own metrics are computed from, each once however many metrics read it in the same way."""
    tables: dict[tuple[object, ...], dict[str, Any]] = {}
    for metric in config.own_metrics:
        if metric.is_of_table and metric.name in available:
            found = inspections[own_name(metric.name)]
            settings = (metric.where, metric.timezone, metric.horizon, metric.freshness)
            reading = (found.relation_sql, *settings, *found.columns.items())
            table = tables.setdefault(reading, _table(metric, found, len(tables) + 1))
            table["metrics"].append({"name": metric.name, "y": metric.y, "d": metric.d})
    return list(tables.values())


def _table(metric: OwnMetric, found: SourceInspection, number: int) -> dict[str, Any]:
    return {
        "number": number,
        "relation": found.relation_sql,
        "where": metric.where,
        "timezone": metric.timezone,
        "horizon": round(metric.horizon.total_seconds()),
        "freshness": round(metric.freshness.total_seconds()) if metric.freshness is not None else None,
        "columns": {
            role: {"name": column, "type": found.physical_columns[column]}
            for role, column in found.columns.items()
        },
        "content": list(found.physical_columns) if metric.key is not None else [],
        "metrics": [],
    }
