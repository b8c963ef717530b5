"""What the planting of faults shares: the tables, the random picks, and the account of what was planted."""

# ruff: noqa: S608  (table and column names come from our own vocabulary or are checked against it)

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

from dagster_pipeline.demo.marketplace import IntArray
from dagster_pipeline.demo.spec import TABLES, TIME_COLUMNS, WorldSpec, microseconds
from dagster_pipeline.demo.tables import BOOKKEEPING, quoted
from dagster_pipeline.errors import PlumblineError

KEYS = {
    "requests": "request_id",
    "quotes": "quote_id",
    "hires": "hire_id",
    "support_tickets": "ticket_id",
}
CHILDREN_OF_REQUESTS = ("quotes", "quote_events", "hires", "messages", "support_tickets")
UNIT_COLUMN = {"request": "request_id", "customer": "customer_id", "session": "session_id"}


def timestamp(moment: datetime) -> str:
    """The moment as a SQL expression, naive UTC."""
    return f"make_timestamp({microseconds(moment)})"


def literal(text: str) -> str:
    """The text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass
class Ledger:
    """The tables of one world while faults are planted; ``planted`` adds up what was done.

    A row takes part in at most one fault: picks are made from rows whose ``fault`` is null, and every
    planting marks the rows it touched.
    """

    con: duckdb.DuckDBPyConnection
    spec: WorldSpec
    planted: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, count: int) -> None:
        """Adds to the account; a fault that touched nothing is not in it."""
        if count:
            self.planted[name] = self.planted.get(name, 0) + count

    def number(self, sql: str) -> int:
        """The single number a query gives."""
        row = self.con.execute(sql).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def size(self, table: str, where: str = "true") -> int:
        """Rows of a table."""
        return self.number(f"select count(*) from {table} where {where}")

    def arrays(self, sql: str) -> dict[str, NDArray[np.int64]]:
        """The columns of a query whose values are integers without nulls."""
        columns = self.con.execute(sql).fetchnumpy()
        return {name: np.asarray(values, dtype=np.int64) for name, values in columns.items()}

    def locate(self, address: str) -> tuple[str, str]:
        """Table and column of "table.column"; PlumblineError where there is no such column."""
        table, _, column = address.partition(".")
        if column not in self.columns(self.table(table)):
            allowed = ", ".join(self.columns(table))
            raise PlumblineError(f"The demo world has no column {address!r}. Columns of {table}: {allowed}.")
        return table, column

    def table(self, name: str) -> str:
        """The name itself; PlumblineError where there is no such table."""
        if name not in TABLES:
            raise PlumblineError(f"The demo world has no table {name!r}. Tables: {', '.join(TABLES)}.")
        return name

    def columns(self, table: str) -> list[str]:
        """The table's own columns in order, without our bookkeeping."""
        described = self.con.execute(f"describe {table}").fetchall()
        return [str(row[0]) for row in described if row[0] not in BOOKKEEPING]

    def pick(self, table: str, count: int, purpose: str, where: str = "true") -> None:
        """Makes ``count`` random untouched rows of the table the view ``picked(row_id)``.

        Raises PlumblineError where fewer rows are left than asked for.
        """
        found = self.arrays(f"select row_id from {table} where fault is null and ({where}) order by row_id")
        if count > len(found["row_id"]):
            raise PlumblineError(
                f"The demo world cannot plant {purpose}: {count} rows of {table} asked for, "
                f"{len(found['row_id'])} untouched. Ask for smaller shares or a larger world."
            )
        self.choose(self.stream(purpose).choice(found["row_id"], count, replace=False))

    def choose(self, row_ids: NDArray[np.int64]) -> None:
        """Makes the given rows the table ``picked(row_id)``."""
        self.con.register("chosen", {"row_id": np.sort(np.asarray(row_ids, dtype=np.int64))})
        self.con.execute("create or replace temp table picked as select row_id from chosen")
        self.con.unregister("chosen")

    def stream(self, purpose: str) -> np.random.Generator:
        """A random stream of the purpose's own, so that one fault never moves another."""
        return np.random.default_rng([self.spec.seed, zlib.crc32(purpose.encode())])

    def update(self, table: str, assignment: str, fault: str) -> None:
        """Sets the picked rows and marks them."""
        self.con.execute(
            f"update {table} set {assignment}, fault = $fault where row_id in (select row_id from picked)",
            {"fault": fault},
        )

    def copy(self, table: str, fault: str, replace: str = "", at_end: bool = False) -> None:
        """Adds a copy of every picked row, right behind it or at the end; marks both."""
        self.update(table, "position = position", fault)
        shift = "position + 1e12" if at_end else "position + 0.5"
        own = f"row_id + {self.number(f'select max(row_id) + 1 from {table}')} as row_id, {shift} as position"
        changes = f"{own}, {replace}" if replace else own
        self.con.execute(
            f"insert into {table} by name select * replace ({changes}) from {table} "
            "where row_id in (select row_id from picked) order by row_id"
        )

    def in_cohort(self, alias: str = "requests") -> str:
        """Condition: the request was created inside the experiment's window."""
        start, end = timestamp(self.spec.start), timestamp(self.spec.end)
        return f"{alias}.created_at >= {start} and {alias}.created_at < {end}"

    def entity(self, alias: str = "requests") -> str:
        """The column of requests that holds the randomization unit's id."""
        return f"{alias}.{UNIT_COLUMN[self.spec.unit]}"

    def before_as_of(self, lag: timedelta) -> str:
        """The moment ``lag`` before the world's clock, as SQL."""
        return timestamp(self.spec.as_of - lag)


def time_of(table: str) -> str:
    """The quoted column that dates the table's rows."""
    return quoted(TIME_COLUMNS[table])


def fill(rng: np.random.Generator, row_ids: IntArray, sizes: IntArray, target: int) -> IntArray:
    """Random rows whose sizes add up to the target, or as near below it as the draw comes."""
    order = rng.permutation(len(row_ids))
    taken = np.cumsum(sizes[order]) <= target
    return row_ids[order][taken]
