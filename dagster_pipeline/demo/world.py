"""Writes a sample world: the raw tables of one marketplace as parquet files, clean or with planted faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_pipeline.demo.faults import Faults, plant, written_columns
from dagster_pipeline.demo.marketplace import draw_marketplace
from dagster_pipeline.demo.spec import TABLES, WorldSpec
from dagster_pipeline.demo.tables import load_tables, write_tables

__all__ = ["World", "WorldSpec", "generate"]


@dataclass(frozen=True)
class World:
    """What was written: the files and rows of every table, and the planted faults.

    ``planted`` maps "<gap kind>.<table>[.<column>]" to the count that DESIGN.md §7 asks a register for.
    """

    folder: Path
    spec: WorldSpec
    faults: Faults
    files: Mapping[str, Path]
    rows: Mapping[str, int]
    planted: Mapping[str, int]


def generate(spec: WorldSpec, folder: Path, faults: Faults | None = None) -> World:
    """Writes ``<table>.parquet`` for all nine tables into ``folder`` (made if need be).

    Deterministic: the same spec and faults give the same tables, row by row. Times are naive UTC
    timestamps in microseconds. Raises PlumblineError where a fault names a table or column that
    doesn't exist or asks for more rows than are left untouched.
    """
    faults = faults or Faults()
    market = draw_marketplace(spec)
    with duckdb.connect() as con:
        load_tables(con, spec, market)
        planted = plant(con, spec, faults)
        files = write_tables(con, folder, written_columns(con, spec, faults))
        rows = {table: _count(con, table) for table in TABLES}
    return World(folder=folder, spec=spec, faults=faults, files=files, rows=rows, planted=planted)


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = con.execute(f"select count(*) from {table}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0
