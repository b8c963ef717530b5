"""The tables of a world while they are broken: which rows are picked, and what became of them."""

# ruff: noqa: S608  (table and column names come from our own vocabulary)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from benchmarks.truth.injectors.vocabulary import Injection, Where
from benchmarks.truth.simulator import Truth
from dagster_pipeline.demo.spec import TIME_COLUMNS, WorldSpec, microseconds

CHILDREN = ("quotes", "quote_events", "hires", "messages", "support_tickets")
"""Tables whose rows are about a request."""
KEYS: Mapping[str, str] = {
    "requests": "request_id",
    "quotes": "quote_id",
    "hires": "hire_id",
    "assignments": "entity_id",
    "quote_events": "request_id || ' ' || pro_id",
    "messages": "request_id || ' ' || pro_id || ' ' || epoch_us(sent_at)",
    "support_tickets": "ticket_id",
    "spam_flags": "quote_id",
    "dashboards": "metric || ' ' || variant",
}
"""What names a row of a clean table."""
UNITS = {"request": "request_id", "customer": "customer_id", "session": "session_id"}


@dataclass
class Bench:
    """The raw tables under work. A row is picked by one injection at most, for which ``truth.touched`` keeps account.

    ``uncounted`` is as in `Injected`, ``sampling`` what the configuration declares of the event log.
    """

    con: duckdb.DuckDBPyConnection
    truth: Truth
    seed: int
    uncounted: dict[Where, int] = field(default_factory=dict)
    sampling: dict[str, float] = field(default_factory=dict)

    @property
    def world(self) -> WorldSpec:
        """Dates, arms and unit."""
        return self.truth.world

    @property
    def unit(self) -> str:
        """The column of requests that holds the randomization unit."""
        return UNITS[self.world.unit]

    def table(self, name: str) -> str:
        """The relation of a source."""
        return self.truth.relations[name]

    def run(self, sql: str) -> None:
        """Executes a statement."""
        self.con.execute(sql)

    def number(self, sql: str) -> int:
        """The single number a query gives."""
        row = self.con.execute(sql).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def size(self, name: str, where: str = "true") -> int:
        """Rows of a source."""
        return self.number(f"select count(*) from {self.table(name)} where {where}")

    def lot(self, key: str, purpose: str) -> str:
        """A number in (0, 1) that the key, the purpose and the seed decide, as SQL."""
        text = f"{key} || ' {purpose} {self.seed}'"
        return f"((md5_number_lower({text}) % 4503599627370496) + 0.5) / 4503599627370496"

    def key_of(self, name: str) -> str:
        """What names the source's rows, as SQL over the table."""
        return KEYS[name]

    def picked(self, name: str) -> str:
        """Condition: the source's row is one of the picked."""
        return f"{KEYS[name]} in (select key from truth.picked)"

    def update(self, name: str, assignment: str) -> None:
        """Sets the picked rows."""
        self.run(f"update {self.table(name)} set {assignment} where {self.picked(name)}")

    def copy(self, name: str, replace: str = "") -> None:
        """Adds a copy of every picked row, with some columns replaced."""
        changed = f" replace ({replace})" if replace else ""
        self.run(
            f"insert into {self.table(name)} by name select *{changed} from {self.table(name)} where {self.picked(name)}"
        )

    def delete(self, name: str, where: str) -> int:
        """Removes rows and gives their number."""
        count = self.size(name, where)
        self.run(f"delete from {self.table(name)} where {where}")
        return count

    def note(self, where: Where, count: int) -> None:
        """Adds to what can't be counted."""
        if count:
            self.uncounted[where] = self.uncounted.get(where, 0) + count


def timestamp(moment: datetime) -> str:
    """The moment as SQL, naive UTC."""
    return f"make_timestamp({microseconds(moment)})"


def purpose_of(injection: Injection) -> str:
    """What sets an injection's lots apart from another's."""
    return f"{injection.kind} {injection.place}"


def time_of(name: str) -> str:
    """The column that dates a source's rows."""
    return TIME_COLUMNS[name]
