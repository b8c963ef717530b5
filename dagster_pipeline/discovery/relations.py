# ruff: noqa: S608 - every identifier is quoted and every location a literal, by the engine
"""The tables that could be mapped: their columns, what those hold and how unique they are, from a sample."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

import duckdb

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.locations import is_file
from dagster_pipeline.engines import files
from dagster_pipeline.engines.duckdb import DuckDBEngine
from dagster_pipeline.engines.duckdb_profile import shapes
from dagster_pipeline.engines.files import SourceFileError
from dagster_pipeline.engines.formats import ColumnReading, decide
from dagster_pipeline.engines.inspection import one_line

SAMPLE_ROWS = 10_000
_SYSTEM_SCHEMAS = ("information_schema", "pg_catalog")
_OWN_SCHEMAS = "plumbline_"
_ERA = ("1970-01-01", "2200-01-01")
_EPOCHS = ("1e8", "1e17")
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT|DECIMAL|DOUBLE|FLOAT")
_LIKE_A_DATE = "^([0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}|[0-9]{1,2}[- ][a-z]{3,9}[- ][0-9]{4}|[a-z]{3,9} [0-9]{1,2},? [0-9]{4})"
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ENGINE = DuckDBEngine()

Connection: TypeAlias = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Candidate:
    """A table that may be a source: ``address`` goes into ``from:``, ``name`` is what tells what it holds.

    ``is_file``: the address is a path or glob. ``problem`` says why it can't be mapped as it stands.
    """

    name: str
    address: str
    is_file: bool
    problem: str | None = None


@dataclass(frozen=True)
class Column:
    """One physical column, from the sample; shares are of the sampled rows.

    ``dates`` is the share of values whose text reads as a timestamp, ``numbers`` as a number, ``epochs`` as a
    number that could be seconds, milli- or microseconds since 1970, ``like_dates`` as some date of two or three
    parts. ``reading`` says how text is to be read that is a time but not in ISO 8601, from all rows.
    """

    name: str
    data_type: str
    distinct: float
    nulls: float
    dates: float = 0.0
    numbers: float = 0.0
    epochs: float = 0.0
    like_dates: float = 0.0
    reading: ColumnReading | None = None

    @property
    def is_timestamp(self) -> bool:
        """A timestamp or date by type, or text that all reads as one, if only a person could say which."""
        written = self.reading is not None
        return self.data_type.startswith(("TIMESTAMP", "DATE")) or self.dates >= 0.95 or written

    @property
    def is_number(self) -> bool:
        """A number by type, or text that all reads as one."""
        return bool(_NUMBER.match(self.data_type)) or self.numbers >= 0.95


@dataclass(frozen=True)
class Relation:
    """A candidate that could be read."""

    candidate: Candidate
    sql: str
    columns: tuple[Column, ...]
    rows_sampled: int

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True)
class Unreadable:
    """A candidate that could not be read, and why, in one line."""

    candidate: Candidate
    reason: str


def files_of(folder: Path) -> tuple[Candidate, ...]:
    """The data files below a folder; parts of one table (``requests_2026-01.csv`` …) come as one glob."""
    found = sorted(path for path in folder.rglob("*") if _is_data(path, folder))
    groups: dict[Path, list[Path]] = defaultdict(list)
    for file in found:
        groups[_pattern(file)].append(file)
    return tuple(
        c for pattern, members in groups.items() for c in _as_candidates(pattern, members, found, folder)
    )


def tables_of(connection: Connection) -> tuple[Candidate, ...]:
    """The tables and views of a database, without its system schemas and without ours."""
    rows = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_catalog = current_database() order by all"
    ).fetchall()
    return tuple(
        _table(schema, table)
        for schema, table in rows
        if schema not in _SYSTEM_SCHEMAS and not schema.startswith(_OWN_SCHEMAS)
    )


def read(connection: Connection, candidate: Candidate) -> Relation | Unreadable:
    """Columns, types and shares of a candidate's first rows; never raises for what is wrong with the data."""
    try:
        sql = _selectable(candidate)
        described = connection.execute(f"describe select * from {sql}").fetchall()
        return _sampled(connection, candidate, sql, [(row[0], row[1]) for row in described])
    except (duckdb.Error, SourceFileError, UnicodeDecodeError) as error:
        return Unreadable(candidate, one_line(str(error)))


def contained(
    connection: Connection, parent: Relation, key: str, children: Sequence[tuple[Relation, str]]
) -> list[float]:
    """For each child column the share of its sampled values that the parent's key holds; 1 where it has none.

    The parent is read in full, once; of a child only the first rows.
    """
    connection.execute(
        f"create or replace temp table parent_key as "
        f"select distinct cast({_ENGINE.quote(key)} as varchar) as value from {parent.sql}"
    )
    return [_contained(connection, child, column) for child, column in children]


def _contained(connection: Connection, child: Relation, column: str) -> float:
    name = _ENGINE.quote(column)
    total, matched = connection.execute(
        f"""
        with child as (
            select distinct cast({name} as varchar) as value
            from (select {name} from {child.sql} limit {SAMPLE_ROWS}) where {name} is not null
        )
        select count(*), count(parent_key.value) from child left join parent_key using (value)
        """
    ).fetchall()[0]
    return matched / total if total else 1.0


def newest(connection: Connection, relation: Relation, column: str) -> str | None:
    """The latest timestamp of a column as ISO text in UTC, over all rows; None where there is none."""
    name, reading = _ENGINE.quote(column), relation.column(column).reading
    value = f"try_cast({name} as timestamptz)"
    if reading is not None:
        formats = ", ".join(_ENGINE.literal(text) for text in reading.formats if "%z" not in text)
        value = f"try_strptime(trim({name}), [{formats}])" if formats else "cast(null as timestamp)"
    plausible = f"{value} between timestamp '{_ERA[0]}' and timestamp '{_ERA[1]}'"
    row = connection.execute(
        f"select strftime(max({value}), '%Y-%m-%dT%H:%M:%SZ') from {relation.sql} where {plausible}"
    ).fetchall()[0]
    return str(row[0]) if row[0] else None


def arms(connection: Connection, relation: Relation, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The combinations of values in the sample as text, each with its rows last; none with a null."""
    names = ", ".join(f"cast({_ENGINE.quote(column)} as varchar)" for column in columns)
    sample = f"(select * from {relation.sql} limit {SAMPLE_ROWS})"
    rows = connection.execute(
        f"select {names}, count(*) as n from {sample} group by all order by all"
    ).fetchall()
    return [tuple(map(str, row)) for row in rows if None not in row]


def _is_data(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    # Both the configuration and the engine must take it for a file, or its address would not lead back to it.
    is_table = files.is_csv(path.name) or files.is_parquet(path.name)
    return not hidden and is_table and is_file(path.name) and path.is_file()


def _selectable(candidate: Candidate) -> str:
    if not candidate.is_file:
        return candidate.address
    location = _ENGINE.literal(files.pattern(candidate.address))
    if files.is_parquet(candidate.address):
        return f"read_parquet({location}, union_by_name = true)"
    first = _first_file(candidate.address)
    if first.stat().st_size == 0:
        raise SourceFileError("it has no content (0 bytes)")
    files.check_whole(first)
    files.check_encoding(first)
    # As the pipeline reads it: all text. What reads as a timestamp or a number is measured, not detected.
    wanted = {column for spec in source_specs().values() for column in spec.column_names}
    delimiter = _ENGINE.literal(files.csv_delimiter(first, wanted))
    return (
        f"read_csv({location}, header = true, all_varchar = true, union_by_name = true, delim = {delimiter})"
    )


def _first_file(address: str) -> Path:
    path = Path(address)
    return min(path.parent.glob(path.name)) if files.is_glob(address) else path


def _sampled(
    connection: Connection, candidate: Candidate, sql: str, described: Sequence[tuple[str, str]]
) -> Relation:
    measures = ", ".join(_measures(name) for name, _ in described)
    counts = connection.execute(
        f"select count(*), {measures} from (from {sql} limit {SAMPLE_ROWS})"
    ).fetchall()[0]
    columns = tuple(
        _column(name, data_type, counts[0], counts[1 + 6 * i : 7 + 6 * i])
        for i, (name, data_type) in enumerate(described)
    )
    return Relation(candidate, sql, tuple(_with_reading(connection, sql, c) for c in columns), counts[0])


def _with_reading(connection: Connection, sql: str, column: Column) -> Column:
    """A text column that is no time as it stands, with how it would be one; unchanged where it would be none."""
    if column.data_type != "VARCHAR" or column.is_timestamp or column.is_number or column.like_dates < 0.95:
        return column
    counts = shapes(connection, sql, _ENGINE.quote(column.name), datetime.now(UTC))
    reading = decide(counts, column.name, "")
    unknown = reading is None or reading.unknown > 0.05 * sum(count.count for count in counts)
    return column if unknown else replace(column, reading=reading)


def _measures(column: str) -> str:
    name = _ENGINE.quote(column)
    text = f"cast({name} as varchar)"
    # 5-1-17 casts without complaint, to a day in the year 5: such a time was not read right.
    date = f"try_cast({text} as timestamp)"
    plausible = f"count(*) filter ({date} between timestamp '{_ERA[0]}' and timestamp '{_ERA[1]}')"
    number = f"try_cast({text} as double)"
    epoch = f"count(*) filter ({number} between {_EPOCHS[0]} and {_EPOCHS[1]})"
    like_date = f"count(*) filter (regexp_matches(lower(trim({text})), '{_LIKE_A_DATE}'))"
    return f"count({name}), count(distinct {name}), {plausible}, count({number}), {epoch}, {like_date}"


def _column(name: str, data_type: str, rows: int, counts: Sequence[int]) -> Column:
    filled, *measured = counts
    distinct, *shares = (count / filled if filled else 0.0 for count in measured)
    dates, numbers, epochs, like_dates = shares
    nulls = 1 - filled / rows if rows else 0.0
    return Column(name, data_type, distinct, nulls, dates, numbers, epochs, like_dates)


def _pattern(file: Path) -> Path:
    """The file's path with every run of digits as ``*``: what parts of one table have in common."""
    return file.with_name(re.sub(r"\d+([-_.]?\d+)*", "*", file.name))


def _as_candidates(
    pattern: Path, members: Sequence[Path], found: Iterable[Path], folder: Path
) -> tuple[Candidate, ...]:
    caught = [
        file for file in found if file.parent == pattern.parent and fnmatchcase(file.name, pattern.name)
    ]
    if len(members) > 1 and caught == list(members):
        return (_file(pattern, folder),)
    return tuple(_file(file, folder) for file in members)


def _file(path: Path, folder: Path) -> Candidate:
    stem = re.sub(r"(\.(csv|tsv|parquet|pq|gz))+$", "", path.name, flags=re.IGNORECASE)
    nameless = not re.sub(r"[\W_\d]|part|data|chunk", "", stem.lower())
    name = path.parent.name if nameless and path.parent != folder else stem
    problem = (
        "its path holds ${, which would be read from the environment: rename it"
        if "${" in str(path)
        else None
    )
    return Candidate(name, str(path), True, problem)


def _table(schema: str, table: str) -> Candidate:
    parts = (table,) if schema == "main" else (schema, table)
    address = ".".join(part if _PLAIN.fullmatch(part) else _ENGINE.quote(part) for part in parts)
    problem = (
        "its name holds ${, which would be read from the environment: give it a view"
        if "${" in address
        else None
    )
    return Candidate(table, address, False, problem)
