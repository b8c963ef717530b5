"""Files that plumbline.yml points at, relative to its folder."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dagster_pipeline.config.sql import Token, tokens

_SUFFIXES = (".csv", ".parquet", ".json", ".jsonl", ".ndjson")
_COMPRESSED = (".gz", ".zst")
_GLOB = frozenset("*?[")
_READERS = {
    f"read_{kind}" for kind in ("csv", "csv_auto", "parquet", "json", "json_auto", "ndjson", "ndjson_auto")
}
_READERS |= {
    "read_json_objects",
    "read_json_objects_auto",
    "read_ndjson_objects",
    "parquet_scan",
    "sniff_csv",
}


def is_file(location: str) -> bool:
    """Whether a ``from`` is a file or a glob, not a relation: by its suffix or its glob characters."""
    name = location.strip().lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return name.endswith(_SUFFIXES) or any(sign in name for sign in _GLOB)


def absolute_path(location: str, folder: Path) -> Path:
    """A path of the file as an absolute one; ``~`` is the home folder."""
    return folder / os.path.expanduser(location.strip())


def absolute_location(location: str, folder: Path) -> str:
    """A ``from`` with a relative file or glob put into ``folder``; relations and s3://… stay as they are."""
    name = location.strip()
    return _in_folder(name, folder) if is_file(name) else name


def absolute_query(query: str, folder: Path) -> str:
    """A query whose relative file names, in read_csv and its kin or after FROM, are put into ``folder``."""
    pieces = list(tokens(query))
    for index in _file_literals(pieces):
        name = pieces[index].text[1:-1].replace("''", "'")
        placed = _in_folder(name, folder).replace("'", "''")
        pieces[index] = Token("text", f"'{placed}'")
    return "".join(piece.text for piece in pieces)


def _in_folder(name: str, folder: Path) -> str:
    name = os.path.expanduser(name)
    if "://" in name or Path(name).is_absolute():
        return name
    # Glob characters of the folder itself are no pattern; the engine would take them for one.
    base = glob.escape(folder.as_posix()) if any(sign in name for sign in _GLOB) else folder.as_posix()
    return f"{base}/{name.removeprefix('./')}"


@dataclass
class _Bracket:
    sign: str
    reads_files: bool  # a reader's parenthesis still in its first argument, or a list in one


def _file_literals(pieces: list[Token]) -> Iterator[int]:
    """Where string literals stand that name files: a reader's first argument, or a table in FROM and JOIN."""
    last = ""  # the significant piece before, lower-cased
    brackets = [_Bracket("", reads_files=False)]
    for index, piece in enumerate(pieces):
        if piece.kind in ("blank", "comment", "hint"):
            continue
        if piece.kind == "text" and piece.text.startswith("'") and _names_file(piece, last, brackets[-1]):
            yield index
        if piece.kind == "sign":
            _follow(piece.text, last, brackets)
        last = piece.text.lower()


def _names_file(piece: Token, last: str, bracket: _Bracket) -> bool:
    if last in ("from", "join"):
        return is_file(piece.text[1:-1])
    return bracket.reads_files and last in ("(", "[", ",")


def _follow(sign: str, last: str, brackets: list[_Bracket]) -> None:
    if sign == "(":
        brackets.append(_Bracket(sign, last in _READERS))
    elif sign == "[":
        brackets.append(_Bracket(sign, brackets[-1].reads_files))
    elif sign in ")]" and len(brackets) > 1:
        brackets.pop()
    elif sign == "," and brackets[-1].sign == "(":
        brackets[-1].reads_files = False
