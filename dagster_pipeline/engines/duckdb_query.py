"""Queries over csv files: which files they read, and that no date in them is guessed at.

DuckDB's detection takes 10/01/2026 for the 10th of January where nothing tells. Where a file's dates are not in ISO 8601,
the reader is therefore told to leave them as text, and how they are read is decided as for any other text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_pipeline.config.sql import Token, tokens

_READERS = ("read_csv", "read_csv_auto")
_SAID = frozenset(
    (
        "dateformat",
        "date_format",
        "timestampformat",
        "timestamp_format",
        "all_varchar",
        "auto_type_candidates",
    )
)
_AS_TEXT = (
    "auto_type_candidates = ['BOOLEAN', 'BIGINT', 'DOUBLE', 'VARCHAR'], "
    "dateformat = '%Y-%m-%d', timestampformat = '%Y-%m-%d %H:%M:%S'"
)
_MOST_FILES = 100  # of one pattern


@dataclass(frozen=True)
class GuardedQuery:
    """A query whose readers guess no dates; ``files`` are the file names as written whose dates stay text in it."""

    sql: str
    files: tuple[str, ...]


def without_date_guesses(
    connection: duckdb.DuckDBPyConnection, query: str, literal: Callable[[str], str]
) -> GuardedQuery:
    """The query with dates left as text where a reader would guess; readers that say a date format are left alone."""
    pieces = list(tokens(query))
    guarded: list[str] = []
    for call in list(_calls(pieces)):
        if call.options & _SAID or not any(_is_guessed(connection, name, literal) for name in call.files):
            continue
        guarded.extend(call.files)
        last = pieces[call.last]
        told = f", {_AS_TEXT})" if last.text == ")" else f"read_csv({last.text}, {_AS_TEXT})"
        pieces[call.last] = Token(last.kind, told)
    return GuardedQuery("".join(piece.text for piece in pieces), tuple(dict.fromkeys(guarded)))


def csv_files(connection: duckdb.DuckDBPyConnection, query: str, literal: Callable[[str], str]) -> list[Path]:
    """The csv files a query names as literals, as far as they exist."""
    names = dict.fromkeys(name for call in _calls(list(tokens(query))) for name in call.files)
    return [
        Path(file) for name in names if "://" not in name for file in _matching(connection, name, literal)
    ]


@dataclass(frozen=True)
class _Call:
    """A csv reader with its files and the names of its options; ``last`` is its closing piece, or its file's literal."""

    files: tuple[str, ...]
    options: frozenset[str]
    last: int


def _calls(pieces: list[Token]) -> Iterator[_Call]:
    significant = [i for i, piece in enumerate(pieces) if piece.kind not in ("blank", "comment", "hint")]
    for place, index in enumerate(significant):
        word = pieces[index].text.lower()
        following = significant[place + 1 :]
        if not following:
            return
        after = pieces[following[0]]
        if word in _READERS and after.text == "(":
            yield _reader(pieces, following)
        elif word in ("from", "join") and after.kind == "text" and _is_csv(_plain(after)):
            yield _Call((_plain(after),), frozenset(), following[0])


def _reader(pieces: list[Token], inside: list[int]) -> _Call:
    """``inside`` begins at the reader's opening parenthesis, which the configuration has checked is closed."""
    files: list[str] = []
    options: set[str] = set()
    depth, is_first = 0, True
    for place, index in enumerate(inside):
        piece = pieces[index]
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(piece.text, 0)
        if depth == 0:
            return _Call(tuple(files), frozenset(options), index)
        is_first = is_first and not (depth == 1 and piece.text == ",")
        if is_first and piece.kind == "text":
            files.append(_plain(piece))
        if depth == 1 and piece.kind == "word" and pieces[inside[place + 1]].text == "=":
            options.add(piece.text.lower())
    return _Call((), frozenset(), inside[-1])


def _plain(literal: Token) -> str:
    return literal.text[1:-1].replace("''", "'")


def _is_csv(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))


def _is_guessed(connection: duckdb.DuckDBPyConnection, name: str, literal: Callable[[str], str]) -> bool:
    """Whether DuckDB would read some date of the files in another way than year-month-day."""
    try:
        files = _matching(connection, name, literal)[:_MOST_FILES]
        return any(_guesses(connection, literal(file)) for file in files)
    except duckdb.Error:  # what cannot be looked at can't be read either, and reading it says why
        return False


def _matching(connection: duckdb.DuckDBPyConnection, name: str, literal: Callable[[str], str]) -> list[str]:
    found = connection.execute(f"select file from glob({literal(name)}) order by file").fetchall()  # noqa: S608 - quoted
    return [str(file) for (file,) in found]


def _guesses(connection: duckdb.DuckDBPyConnection, file: str) -> bool:
    found = connection.execute(f"select DateFormat, TimestampFormat from sniff_csv({file})").fetchall()  # noqa: S608 - quoted
    return any(text and not text.startswith("%Y") for row in found for text in row)
