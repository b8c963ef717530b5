"""What a source is like before anything reads it in full: there or not, its columns, what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dagster_pipeline.engines.formats import ColumnReading


class SourceStatus(StrEnum):
    """Whether a source can be read.

    ``unmapped``: not in plumbline.yml. ``missing``: no such file or relation. ``unreadable``: it is there,
    but cannot be read. ``empty``: it has no row.
    """

    OK = "ok"
    UNMAPPED = "unmapped"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"


@dataclass(frozen=True)
class SourceInspection:
    """One source of the catalogue as it stands now.

    ``relation_sql`` goes after ``from`` in a staging model; None where there is nothing to select from
    (unmapped, missing, unreadable, or a file of zero bytes). ``physical_columns`` are the source's names and
    types in its own order. ``columns`` maps logical names to the physical ones that are there, in their
    exact spelling; ``absent_columns`` are logical names mapped to a column the source does not have, and
    ``near_matches`` the unmapped physical names that look like them, best first. ``row_error`` is one line
    for a person, None when status is ok. By logical name, ``readings`` says how times written in other ways than
    ISO 8601 or epochs are read, ``refusals`` what values are not read and why, ``notes`` what was decided about
    values that are read.
    """

    name: str
    status: SourceStatus
    relation_sql: str | None = None
    physical_columns: Mapping[str, str] = field(default_factory=dict)
    absent_columns: tuple[str, ...] = ()
    row_error: str | None = None
    near_matches: Mapping[str, list[str]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[str, ColumnReading] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def remark(self) -> str:
        """What there is to say about the source in one line: its fault, else how its columns are read; "" where nothing is."""
        told = (f"{column}: {text}" for column, text in (*self.notes.items(), *self.refusals.items()))
        return self.row_error or ". ".join(told)


@dataclass(frozen=True)
class ColumnMatch:
    """A mapping held against the columns that are there."""

    columns: dict[str, str]
    absent: tuple[str, ...]
    near: dict[str, list[str]]


def match_columns(mapping: Mapping[str, str], physical: Iterable[str]) -> ColumnMatch:
    """Match each mapped name exactly, then without regard to case where that is unambiguous."""
    names = list(physical)
    matched = {logical: _find(wanted, names) for logical, wanted in mapping.items()}
    columns = {logical: name for logical, name in matched.items() if name is not None}
    absent = tuple(logical for logical, name in matched.items() if name is None)
    free = [name for name in names if name not in columns.values()]
    near = {logical: _near(logical, mapping[logical], free) for logical in absent}
    return ColumnMatch(columns, absent, {logical: names for logical, names in near.items() if names})


def _find(wanted: str, names: list[str]) -> str | None:
    if wanted in names:
        return wanted
    alike = [name for name in names if name.casefold() == wanted.casefold()]
    return alike[0] if len(alike) == 1 else None


def _near(logical: str, wanted: str, free: list[str]) -> list[str]:
    plain = {_plain(name): name for name in free}
    found = [
        match
        for target in dict.fromkeys((_plain(wanted), _plain(logical)))
        for match in difflib.get_close_matches(target, list(plain), n=3, cutoff=0.7)
    ]
    return [plain[match] for match in dict.fromkeys(found)]


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def one_line(text: str, limit: int = 300) -> str:
    """The first line of an error's text, without control characters, at most ``limit`` long."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "unknown error")
    printable = "".join(character if character.isprintable() else "�" for character in first)
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"
