"""DuckDB: files and relations of one database file, nothing to install."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import duckdb

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.own_metrics import OwnMetric, own_name
from dagster_pipeline.config.parity import SIDES, Parity, SideName, inspection_name
from dagster_pipeline.config.types import Source
from dagster_pipeline.engines import files
from dagster_pipeline.engines.base import Engine
from dagster_pipeline.engines.duckdb_metrics import expression_fault, table_fault
from dagster_pipeline.engines.duckdb_query import csv_files, without_date_guesses
from dagster_pipeline.engines.duckdb_readings import Columns, with_readings
from dagster_pipeline.engines.files import SourceFileError
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus, match_columns, one_line
from dagster_pipeline.engines.warehouse import WarehouseSession, read_published

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig


class DuckDBEngine(Engine):
    """The engine that needs no server; the warehouse is one file."""

    name: ClassVar[str] = "duckdb"

    def quote(self, identifier: str) -> str:
        """The identifier in double quotes."""
        return '"' + identifier.replace('"', '""') + '"'

    def literal(self, text: str) -> str:
        """The text in single quotes."""
        return "'" + text.replace("'", "''") + "'"

    def session(
        self,
        path: Path,
        run_id: str,
        wait_seconds: float = 600.0,
        on_wait: Callable[[str], None] | None = None,
    ) -> WarehouseSession:
        """A build of the database file at ``path``."""
        return WarehouseSession(path, run_id, wait_seconds, on_wait)

    def read_published(self, path: Path) -> AbstractContextManager[Any]:
        """A read-only DuckDB connection to the file at ``path``."""
        return read_published(path)

    def checks_url(self, database: Path) -> str:
        """The file under our buffered dialect (checks/dialect.py), its path percent-encoded."""
        return f"duckdb+buffered:///?database={quote(str(database))}"

    def inspect(self, config: PlumblineConfig, database: Path | None = None) -> dict[str, SourceInspection]:
        """Inspect every source of the catalogue, every side of a parity and every own metric, without a full scan.

        A bad one never raises. Sides are filed under `inspection_name`, metrics under `own_name`.

        ``database`` is where relation sources live: the build of the run, or else the published warehouse.
        """
        path = database or config.warehouse.path
        stored = path is not None and path.is_file()
        with closing(duckdb.connect(str(path) if stored else ":memory:", read_only=stored)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            # A relation must never be answered by a Python variable that happens to bear its name.
            connection.execute("set python_enable_replacements = false")
            names = dict.fromkeys([*source_specs(), *config.sources])
            sources = {name: self._inspect_one(connection, name, config.sources.get(name)) for name in names}
            for name, source in config.sources.items():
                sources[name] = with_readings(
                    connection, sources[name], Columns(source, self.quote, self.literal), config.as_of
                )
            sides = (
                self._inspect_side(connection, parity, side) for parity in config.parity for side in SIDES
            )
            metrics = self.inspect_metrics(connection, config)
            return sources | {found.name: found for found in sides} | metrics

    def inspect_metrics(
        self, connection: duckdb.DuckDBPyConnection, config: PlumblineConfig
    ) -> dict[str, SourceInspection]:
        """A team's own metrics, filed under `own_name`: their tables, and whether their expressions can be evaluated."""
        found = (self._inspect_metric(connection, metric) for metric in config.own_metrics)
        return {inspection.name: inspection for inspection in found}

    def _inspect_metric(self, connection: duckdb.DuckDBPyConnection, metric: OwnMetric) -> SourceInspection:
        name = own_name(metric.name)

        def describe(statement: str) -> object:
            return _one_statement(connection, statement)

        if not metric.is_of_table:
            found = SourceInspection(name, SourceStatus.OK)
            fault = expression_fault(metric, describe)
        else:
            origin = {"from": metric.from_, "query": metric.query, "columns": metric.columns}
            found = self._inspect_one(connection, name, Source.model_validate(origin))
            if found.relation_sql is None or "request_id" not in found.columns:
                return found
            request_id = self.quote(found.columns["request_id"])
            fault = table_fault(metric, found.relation_sql, request_id, describe)
        if not fault:
            return found
        return replace(found, status=SourceStatus.UNREADABLE, relation_sql=None, row_error=fault)

    def _inspect_side(
        self, connection: duckdb.DuckDBPyConnection, parity: Parity, name: SideName
    ) -> SourceInspection:
        side, filed = parity.side(name), inspection_name(parity.id, name)
        columns = parity.columns(name)
        source = Source.model_validate({"from": side.from_, "query": side.query, "columns": columns})
        if side.reads_our_models:  # not built yet, or only by an earlier run: the model looks when it is
            relation = self._relation(connection, source)
            return SourceInspection(filed, SourceStatus.OK, relation, columns=columns)
        found = self._inspect_one(connection, filed, source)
        if side.where is None or found.relation_sql is None:
            return found
        try:
            # One condition, as the configuration checked; the line break ends a comment.
            probe = f"describe select 1 from {found.relation_sql} where ({side.where}\n)"  # noqa: S608
            _one_statement(connection, probe)
        except duckdb.Error as error:
            cause = str(error).splitlines()[0].partition("Error: ")[2] or str(error)
            fault = one_line(f"{_origin(source)}: where can not be evaluated: {cause}")
            return replace(found, status=SourceStatus.UNREADABLE, relation_sql=None, row_error=fault)
        return found

    def _inspect_one(
        self, connection: duckdb.DuckDBPyConnection, name: str, source: Source | None
    ) -> SourceInspection:
        if source is None:
            return SourceInspection(name, SourceStatus.UNMAPPED)
        try:
            relation = self._relation(connection, source)
            return _described(connection, name, source, relation)
        except _SourceFaultError as fault:
            return SourceInspection(name, fault.status, row_error=one_line(str(fault)))
        except SourceFileError as error:
            return SourceInspection(name, SourceStatus.UNREADABLE, row_error=one_line(str(error)))
        except OSError as error:
            message = f"{_origin(source)} cannot be read ({error.strerror or error})"
            return SourceInspection(name, SourceStatus.UNREADABLE, row_error=one_line(message))
        except duckdb.Error as error:
            return _unreadable(name, source, error)

    def _relation(self, connection: duckdb.DuckDBPyConnection, source: Source) -> str:
        if source.query is not None:
            return self._query(connection, source.query)
        origin = source.from_ or ""
        if not files.is_file(origin):
            return ".".join(self.quote(part) for part in _qualified(origin))
        paths = _matching(connection, origin, self.literal(files.pattern(origin)))
        location = self.literal(files.pattern(origin))
        if files.is_parquet(origin):
            return f"read_parquet({location}, union_by_name = true)"
        for path in paths:
            files.check_encoding(path)
        delimiter = files.csv_delimiter(paths[0], source.columns.values())
        for path in paths:
            files.check_last_row(path, delimiter)
        return (
            f"read_csv({location}, header = true, all_varchar = true, union_by_name = true, "
            f"skip = 0, delim = {self.literal(delimiter)}, quote = '\"', escape = '\"')"
        )

    def _query(self, connection: duckdb.DuckDBPyConnection, query: str) -> str:
        for path in csv_files(connection, query, self.literal):
            files.check_whole(path)
            files.check_encoding(path)
        guarded = without_date_guesses(connection, query.rstrip().rstrip(";"), self.literal)
        # The line break ends a comment the query may close with.
        relation = f"(\n{guarded.sql}\n)"
        if guarded.files:
            try:
                _one_statement(connection, f"describe select * from {relation}")  # noqa: S608 - the user's SELECT
            except duckdb.BinderException as error:
                cause = str(error).splitlines()[0].partition("Error: ")[2]
                message = f"query: {cause}; dates of {Path(guarded.files[0]).name} are not ISO 8601 and are text in it"
                advice = "read them with strptime, or give read_csv a dateformat"
                raise _SourceFaultError(SourceStatus.UNREADABLE, f"{message}: {advice}") from error
        return relation


class _SourceFaultError(Exception):
    """A source cannot be read, for a reason found before the engine was asked."""

    def __init__(self, status: SourceStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def _matching(connection: duckdb.DuckDBPyConnection, origin: str, location: str) -> list[Path]:
    """The files behind ``origin``, at least one, none of them a folder, not all of them without a byte."""
    if "://" in origin:
        raise _SourceFaultError(SourceStatus.UNREADABLE, f"{origin} is remote; copy it next to plumbline.yml")
    if Path(origin).is_dir():
        raise _SourceFaultError(
            SourceStatus.UNREADABLE, f"{origin} is a folder; name its files, e.g. {origin}/*.parquet"
        )
    if not (files.is_csv(origin) or files.is_parquet(origin)):
        raise _SourceFaultError(SourceStatus.UNREADABLE, f"{origin} is neither .csv, .csv.gz nor .parquet")
    found = connection.execute(f"select file from glob({location}) order by file").fetchall()  # noqa: S608 - quoted by literal()
    paths = [Path(file) for (file,) in found]
    if not paths:
        message = "no file matches" if files.is_glob(origin) else "no such file:"
        raise _SourceFaultError(SourceStatus.MISSING, f"{message} {origin}")
    for path in paths:
        files.check_whole(path)
    if all(files.is_blank(path) for path in paths):
        raise _SourceFaultError(SourceStatus.EMPTY, f"{origin} has no content")
    return paths


def _described(
    connection: duckdb.DuckDBPyConnection, name: str, source: Source, relation: str
) -> SourceInspection:
    # Names and files in `relation` are quoted; a query in it is the user's own SELECT, kept in parentheses.
    described = _one_statement(connection, f"describe select * from {relation}")  # noqa: S608
    physical = {row[0]: row[1] for row in described}
    empty = not _one_statement(connection, f"select 1 from {relation} limit 1")  # noqa: S608
    match = match_columns(source.columns, physical)
    return SourceInspection(
        name,
        SourceStatus.EMPTY if empty else SourceStatus.OK,
        relation_sql=relation,
        physical_columns=physical,
        absent_columns=match.absent,
        row_error=f"{_origin(source)} has no row" if empty else None,
        near_matches=match.near,
        columns=match.columns,
    )


def _one_statement(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    # A query that closes our parenthesis early would bring a second statement with it.
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise _SourceFaultError(SourceStatus.UNREADABLE, "the query is not one SELECT")
    return connection.execute(statements[0]).fetchall()


def _unreadable(name: str, source: Source, error: duckdb.Error) -> SourceInspection:
    text = str(error)
    absent = isinstance(error, duckdb.CatalogException) or "No files found" in text
    status = SourceStatus.MISSING if absent else SourceStatus.UNREADABLE
    return SourceInspection(name, status, row_error=one_line(f"{_origin(source)}: {_reason(source, text)}"))


def _reason(source: Source, text: str) -> str:
    first = text.splitlines()[0].partition("Error: ")[2] or text
    if source.from_ is None:
        return first
    if "Invalid unicode" in text:
        return "is not UTF-8; convert it, e.g. with iconv"
    if "magic bytes" in text or "too small to be a Parquet file" in text:
        return "is truncated, or not a parquet file"
    return _ragged(source) if "sniffing file" in text else first


def _ragged(source: Source) -> str:
    path = Path(source.from_ or "")
    found = None
    if path.is_file():
        found = files.first_ragged_row(path, files.csv_delimiter(path, source.columns.values()))
    return found or "is not a table of rows with one number of fields, one line ending and closed quotes"


def _origin(source: Source) -> str:
    return source.from_ if source.from_ is not None else "query"


def _qualified(relation: str) -> list[str]:
    """The parts of a relation's name, quoted or not, with the default schema where none is given."""
    parts: list[str] = []
    rest = relation.strip()
    while rest:
        part, rest = _first_part(rest)
        parts.append(part)
    if not parts or not all(parts):
        raise _SourceFaultError(SourceStatus.MISSING, f"{relation!r} is not the name of a relation")
    return parts if len(parts) > 1 else ["main", *parts]


def _first_part(name: str) -> tuple[str, str]:
    if not name.startswith('"'):
        part, _, rest = name.partition(".")
        return part.strip(), rest
    end = 1
    while (end := name.find('"', end)) != -1 and name[end : end + 2] == '""':
        end += 2
    if end == -1:
        return "", ""
    return name[1:end].replace('""', '"'), name[end + 1 :].lstrip().removeprefix(".")
