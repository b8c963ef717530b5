"""Makes a sample world: the raw tables of one marketplace, clean or with planted faults, as parquet files or in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_pipeline.demo.faults import Faults, plant, written_columns
from dagster_pipeline.demo.marketplace import draw_marketplace
from dagster_pipeline.demo.spec import TABLES, WorldSpec
from dagster_pipeline.demo.tables import load_tables, quoted, write_tables

__all__ = ["TablesInMemory", "World", "WorldSpec", "generate", "generate_in_memory"]


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


@dataclass(frozen=True)
class TablesInMemory:
    """What was created in a connection: the relation and the rows of every table, and the planted faults as in `World`."""

    spec: WorldSpec
    faults: Faults
    relations: Mapping[str, str]
    rows: Mapping[str, int]
    planted: Mapping[str, int]


def generate(spec: WorldSpec, folder: Path, faults: Faults | None = None) -> World:
    """Writes ``<table>.parquet`` for all nine tables into ``folder`` (made if need be).

    Deterministic: the same spec and faults give the same tables, row by row. Times are naive UTC
    timestamps in microseconds. Raises PlumblineError where a fault names a table or column that
    doesn't exist or asks for more rows than are left untouched.
    """
    faults = faults or Faults()
    with duckdb.connect() as con:
        planted = _lay_out(con, spec, faults)
        files = write_tables(con, folder, written_columns(con, spec, faults))
        rows = {table: _count(con, table) for table in TABLES}
    return World(folder=folder, spec=spec, faults=faults, files=files, rows=rows, planted=planted)


def generate_in_memory(
    con: duckdb.DuckDBPyConnection, spec: WorldSpec, faults: Faults | None = None, schema: str = "raw"
) -> TablesInMemory:
    """Creates the tables that `generate` would write in a new ``schema`` of the connection's database, without a file.

    Deterministic and raising as `generate`; an order of rows is not promised, as it is in no warehouse.
    """
    faults = faults or Faults()
    workshop = f"{schema}_workshop"
    for name in (schema, workshop):
        con.execute(f"create schema {quoted(name)}")
    with con.cursor() as bench:  # its own search path and temporary tables, the same database
        bench.execute(f"use {quoted(_database_of(con))}.{quoted(workshop)}")
        planted = _lay_out(bench, spec, faults)
        for table, columns in written_columns(bench, spec, faults).items():
            bench.execute(f"create table {quoted(schema)}.{table} as select {columns} from {table}")  # noqa: S608
    con.execute(f"drop schema {quoted(workshop)} cascade")
    relations = {table: f"{schema}.{table}" for table in TABLES}
    rows = {table: _count(con, f"{quoted(schema)}.{table}") for table in TABLES}
    return TablesInMemory(spec=spec, faults=faults, relations=relations, rows=rows, planted=planted)


def _lay_out(con: duckdb.DuckDBPyConnection, spec: WorldSpec, faults: Faults) -> dict[str, int]:
    """The world's tables in the connection, with their bookkeeping; gives what was planted."""
    load_tables(con, spec, draw_marketplace(spec))
    return plant(con, spec, faults)


def _database_of(con: duckdb.DuckDBPyConnection) -> str:
    row = con.execute("select current_database()").fetchone()
    return str(row[0]) if row else "memory"


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = con.execute(f"select count(*) from {table}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0
