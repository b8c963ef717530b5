"""The SQLAlchemy dialect through which Great Expectations reads DuckDB: ``duckdb+buffered``.

Great Expectations fetches rows after it has given the connection back, when DuckDB has already dropped them;
this dialect reads every result at once. It opens the file read-only and keeps one connection, so that the
file is free as soon as the engine is disposed of.

The address is ``duckdb+buffered:///?database=<percent-encoded path>``: in a query a path may hold any
character, also the ``$`` that Great Expectations would take for a variable of the environment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duckdb_engine import Dialect
from sqlalchemy import pool, text
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import registry
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.engine.reflection import ReflectionDefaults
from sqlalchemy.engine.url import URL
from sqlalchemy.types import TypeEngine

Reflected = list[tuple[tuple[str | None, str], Any]]


def _none_of(filters: dict[str, Any], default: Callable[[], Any]) -> Reflected:
    return [((filters.get("schema"), name), default()) for name in filters.get("filter_names") or ()]


_COLUMNS = text(
    "select table_name, column_name, data_type, is_nullable from duckdb_columns() "
    "where schema_name = coalesce(:schema, current_schema()) and database_name = current_database() "
    "and list_contains(:names, table_name) order by table_name, column_index"
)
_TYPES: dict[str, type[TypeEngine[Any]]] = {
    "VARCHAR": sqltypes.String,
    "TIMESTAMP": sqltypes.DateTime,
    "DATE": sqltypes.Date,
    "DOUBLE": sqltypes.Double,
    "FLOAT": sqltypes.Float,
    "DECIMAL": sqltypes.Numeric,
    "BOOLEAN": sqltypes.Boolean,
    "BIGINT": sqltypes.BigInteger,
    "INTEGER": sqltypes.Integer,
}


def _column(name: str, data_type: str, is_nullable: bool) -> dict[str, Any]:
    known = _TYPES.get(data_type.partition("(")[0].partition(" ")[0], sqltypes.NullType)
    return {"name": name, "type": known(), "nullable": is_nullable, "default": None, "comment": None}


class BufferedExecutionContext(Dialect.execution_ctx_cls):
    """Takes all rows of a statement from the cursor before anybody can drop them."""

    def post_exec(self) -> None:
        """Replace the cursor by its rows where the statement returns any."""
        super().post_exec()
        if self.cursor.description is not None:
            rows = self.cursor.fetchall()
            self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(self.cursor, initial_buffer=rows)


class BufferedDialect(Dialect):
    """duckdb_engine's dialect with buffered results, one connection, read-only."""

    driver = "buffered"
    supports_statement_cache = False
    execution_ctx_cls = BufferedExecutionContext

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        """One connection for all, so that disposing of the engine frees the file."""
        return pool.StaticPool

    def get_multi_columns(self, connection: Any, **filters: Any) -> Reflected:
        """Columns and types from DuckDB's own catalog: PostgreSQL's takes a tenth of a second per table."""
        names = list(filters.get("filter_names") or ())
        found = connection.execute(_COLUMNS, {"schema": filters.get("schema"), "names": names})
        columns: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for table, column, data_type, is_nullable in found:
            columns[table].append(_column(column, data_type, bool(is_nullable)))
        return [((filters.get("schema"), name), rows) for name, rows in columns.items() if rows]

    def get_multi_pk_constraint(self, connection: Any, **filters: Any) -> Reflected:
        """No keys: our tables have none, and duckdb_engine asks PostgreSQL's catalog, which fails."""
        return _none_of(filters, ReflectionDefaults.pk_constraint)

    def get_multi_foreign_keys(self, connection: Any, **filters: Any) -> Reflected:
        """No foreign keys, for the same reason."""
        return _none_of(filters, ReflectionDefaults.foreign_keys)

    def get_multi_indexes(self, connection: Any, **filters: Any) -> Reflected:
        """No indexes, without the warning duckdb_engine gives each time."""
        return _none_of(filters, ReflectionDefaults.indexes)

    def get_multi_unique_constraints(self, connection: Any, **filters: Any) -> Reflected:
        """No unique constraints, for the same reason."""
        return _none_of(filters, ReflectionDefaults.unique_constraints)

    def get_multi_check_constraints(self, connection: Any, **filters: Any) -> Reflected:
        """No check constraints, for the same reason."""
        return _none_of(filters, ReflectionDefaults.check_constraints)

    def get_multi_table_comment(self, connection: Any, **filters: Any) -> Reflected:
        """No comments, for the same reason."""
        return _none_of(filters, ReflectionDefaults.table_comment)

    def create_connect_args(self, url: URL) -> tuple[list[Any], dict[str, Any]]:
        """What `duckdb.connect` is called with."""
        return [], {"database": url.query["database"], "read_only": True}


def register() -> None:
    """Make ``duckdb+buffered`` known to SQLAlchemy; harmless when repeated."""
    registry.register("duckdb.buffered", __name__, BufferedDialect.__name__)
