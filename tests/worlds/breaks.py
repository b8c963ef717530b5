"""Every way in which a mapped column or a source can be broken, and what the register must say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml

from dagster_pipeline.demo.faults import FileFault, break_file
from dagster_pipeline.demo.world import WorldSpec

# Effects so plain that the clean world is a GO at this size: what is no GO then, is none for what was broken.
PLAIN = WorldSpec(
    requests=3_000, seed=21, speedup=0.5, hire_effect=0.15, ticket_effect=-0.5, spam_effect=-0.6
)
COLUMNS = {
    "requests": ("request_id", "created_at", "customer_id", "session_id", "category", "geo"),
    "quotes": ("quote_id", "request_id", "pro_id", "quoted_at", "price", "variant"),
    "hires": ("hire_id", "request_id", "pro_id", "hired_at", "amount", "outcome"),
    "assignments": ("entity_id", "experiment_id", "variant", "assigned_at"),
    "quote_events": ("request_id", "pro_id", "event_at", "variant"),
    "messages": ("request_id", "pro_id", "sent_at"),
    "support_tickets": ("ticket_id", "request_id", "opened_at"),
    "spam_flags": ("quote_id", "flagged_at"),
    "dashboards": ("metric", "variant", "value", "as_of"),
}
ADDRESSES = tuple(f"{table}.{column}" for table, columns in COLUMNS.items() for column in columns)
SOURCES = tuple(COLUMNS)


@dataclass(frozen=True)
class ColumnBreak:
    """A way to write a column; ``select`` gives its item of the select list, ``kind`` the gap, None where it can be read."""

    name: str
    select: Callable[[str], str]
    kind: str | None


RENAMED = ColumnBreak("renamed", lambda c: f"{c} as was_{c}", "schema_change")
# A list of values is a value of none of the types a column can have.
UNREADABLE = ColumnBreak("of another type", lambda c: f"[{c}] as {c}", "schema_change")
AS_TEXT = ColumnBreak("as text", lambda c: f"cast({c} as varchar) as {c}", None)
COLUMN_BREAKS = (RENAMED, UNREADABLE, AS_TEXT)


def select_list(address: str, found: ColumnBreak) -> str:
    """The columns of the address's table with this one broken."""
    table, column = address.split(".")
    return ", ".join(found.select(c) if c == column else c for c in COLUMNS[table])


def break_column(folder: Path, address: str, found: ColumnBreak) -> None:
    """Rewrites the table's file with the column broken."""
    file = folder / f"{address.partition('.')[0]}.parquet"
    with duckdb.connect() as con:
        con.execute(f"create table t as select {select_list(address, found)} from '{file}'")
        con.execute(f"copy t to '{file}' (format parquet)")


def _file(fault: FileFault) -> Callable[[Path, str], None]:
    return lambda folder, source: break_file(folder / f"{source}.parquet", fault)


def _only_a_header(folder: Path, source: str) -> None:
    """The source becomes a csv of its names alone."""
    (folder / f"{source}.csv").write_text(",".join(COLUMNS[source]) + "\n")
    path = folder / "plumbline.yml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["sources"][source]["from"] = f"{source}.csv"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


SOURCE_BREAKS: dict[str, Callable[[Path, str], None]] = {
    "missing": _file(FileFault.MISSING),
    "empty": _file(FileFault.EMPTY),
    "header only": _only_a_header,
    "truncated": _file(FileFault.TRUNCATED),
}
