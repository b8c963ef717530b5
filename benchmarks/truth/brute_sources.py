"""Raw tables under their logical column names, typed and otherwise as they lie."""

# ruff: noqa: S608  (names come from our own vocabulary and the configuration)

from __future__ import annotations

import duckdb

from dagster_pipeline.config.types import PlumblineConfig, Source

COLUMNS = {
    "requests": "request_id created_at:t customer_id session_id category",
    "quotes": "quote_id request_id pro_id quoted_at:t price:n variant",
    "hires": "hire_id request_id pro_id hired_at:t amount:n outcome",
    "assignments": "entity_id experiment_id variant assigned_at:t",
    "quote_events": "request_id pro_id event_at:t variant",
    "messages": "request_id pro_id sent_at:t",
    "support_tickets": "ticket_id request_id opened_at:t",
    "spam_flags": "quote_id flagged_at:t",
}
CLOCKS = {
    "requests": "created_at",
    "quotes": "quoted_at",
    "hires": "hired_at",
    "quote_events": "event_at",
    "support_tickets": "opened_at",
    "spam_flags": "flagged_at",
}
KEYS = {"requests": "request_id", "quotes": "quote_id", "hires": "hire_id", "support_tickets": "ticket_id"}
_TYPES = {"": "varchar", "t": "timestamp", "n": "double"}


class RawSources:
    """The mapped tables of a configuration, in a connection (or in files)."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, config: PlumblineConfig) -> None:
        self._config = config
        self._there = {name: _columns(connection, config.sources.get(name)) for name in COLUMNS}

    def has(self, name: str, column: str) -> bool:
        """Whether the column is mapped and the table holds it."""
        source = self._config.sources.get(name)
        return source is not None and source.columns.get(column) in self._there[name]

    def rows(self, name: str) -> str:
        """A subquery of the table: every logical column, null where the table lacks it; no rows where it is not mapped."""
        source = self._config.sources.get(name)
        fields = []
        for column in COLUMNS[name].split():
            logical, _, kind = column.partition(":")
            there = self.has(name, logical)
            value = (
                f'try_cast("{source.columns[logical]}" as {_TYPES[kind]})'
                if there and source
                else f"null::{_TYPES[kind]}"
            )
            fields.append(f"{value} as {logical}")
        origin = (
            f"{_origin(source)} as origin"
            if source and self._there[name]
            else "(select 1) as origin where false"
        )
        return f"(select {', '.join(fields)} from {origin})"


def _columns(connection: duckdb.DuckDBPyConnection, source: Source | None) -> frozenset[str]:
    """The table's columns; none where it can't be read."""
    if source is None:
        return frozenset()
    try:
        return frozenset(
            row[0] for row in connection.execute(f"describe select * from {_origin(source)}").fetchall()
        )
    except duckdb.Error:
        return frozenset()


def _origin(source: Source) -> str:
    if source.query:
        return f"({source.query})"
    return "'" + str(source.from_).replace("'", "''") + "'" if source.is_file else str(source.from_)
