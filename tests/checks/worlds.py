"""Tables as the intermediate and canonical models leave them, made by hand, and their configuration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.types import Experiment, PlumblineConfig, Source, Thresholds, Warehouse

AS_OF = datetime(2026, 11, 6, tzinfo=UTC)
ROWS = 1000
SOURCES = (
    "requests",
    "quotes",
    "hires",
    "assignments",
    "quote_events",
    "messages",
    "support_tickets",
    "spam_flags",
)
RELATIONS = frozenset(f"int_{source}" for source in SOURCES) | {
    "requests",
    "quotes",
    "hires",
    "experiment_assignments",
}
QUOTING = Experiment(id="quoting_v2", control="control", split={"control": 0.5, "treatment": 0.5})


def configuration(
    folder: Path,
    *,
    sources: tuple[str, ...] = SOURCES,
    unmapped: tuple[str, ...] = (),
    freshness: timedelta | None = timedelta(hours=24),
    experiments: tuple[Experiment, ...] = (QUOTING,),
    overrides: dict | None = None,
) -> PlumblineConfig:
    """Every column of ``sources`` mapped to its own name but ``unmapped`` ("table.column")."""
    mapped = {
        name: Source(
            **{"from": f"{name}.parquet"},
            columns={c: c for c in source_specs()[name].column_names if f"{name}.{c}" not in unmapped},
            freshness=freshness,
        )
        for name in sources
    }
    return PlumblineConfig(
        version=1,
        warehouse=Warehouse(engine="duckdb", path=folder / "warehouse.duckdb"),
        as_of=AS_OF,
        sources=mapped,
        experiments=experiments,
        thresholds=Thresholds(overrides=overrides or {}),
        directory=folder,
        file=folder / "plumbline.yml",
    )


def write_clean_world(path: Path, rows: int = ROWS) -> Path:
    """``rows`` rows per relation, without a defect; the newest is four hours old at AS_OF."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema plumbline_intermediate; create schema plumbline_canonical")
        for source in SOURCES:
            connection.execute(f"create table plumbline_intermediate.int_{source} as {_select(source, rows)}")
        connection.execute("set schema = 'plumbline_canonical'")
        for source in ("requests", "quotes", "hires"):
            connection.execute(f"create table {source} as from plumbline_intermediate.int_{source}")
        connection.execute(
            "create table experiment_assignments as select assigned_experiment_id as experiment_id, "
            "entity_id as unit_id, variant, true as is_first from plumbline_intermediate.int_assignments"
        )
    return path


def alter(path: Path, *statements: str) -> None:
    """Plant defects."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set schema = 'plumbline_intermediate'")
        for statement in statements:
            connection.execute(statement)


def _select(source: str, rows: int) -> str:
    columns = [
        term for column in source_specs()[source].columns for term in _terms(column.name, column.data_type)
    ]
    flags = "false as is_duplicate, false as is_conflict, false as is_orphan, null::text as quarantine_reason"
    named = ", 'quoting_v2' as assigned_experiment_id" if source == "assignments" else ""
    return f"select {', '.join(columns)}, {flags}{named} from range({rows}) t(i)"


def _terms(name: str, data_type: str) -> list[str]:
    values = {
        "experiment_id": "'quoting_v2'",
        "variant": "case when i % 2 = 0 then 'control' else 'treatment' end",
        "outcome": "'completed'",
    }
    if data_type == "timestamp":
        return [
            f"timestamp '2026-11-05 20:00:00' - i * interval 1 minute as {name}",
            f"null::text as {name}_unreadable",
        ]
    if data_type == "double":
        return [f"i + 0.5 as {name}", f"null::text as {name}_unreadable"]
    found = [f"{values.get(name, repr(name) + ' || i')} as {name}"]
    ours = {"variant": "false as is_off_arm", "outcome": "null::text as outcome_unreadable"}
    return [*found, ours[name]] if name in ours else found
