"""Files as sources: what a ``from:`` names, and faults of files that a reader would not report."""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Collection
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from dagster_pipeline.config import locations

_GLOB = "*?["
_DELIMITERS = ",;\t|"
_CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET_SUFFIXES = (".parquet", ".pq")
_OTHER_ENCODINGS = {  # by byte order mark; UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_CHUNK = 1 << 20
_TAIL = 1 << 16
_ROWS_READ = 25_000  # a little more than what DuckDB's own detection looks at


class SourceFileError(Exception):
    """A file cannot be a source; the message is one line for a person."""


def is_file(origin: str) -> bool:
    """Whether a ``from:`` names files rather than a relation; what holds a slash can only be meant as one."""
    return "/" in origin or locations.is_file(origin)


def is_csv(origin: str) -> bool:
    """Whether the files are comma-separated text, plain or gzipped."""
    return origin.lower().endswith(_CSV_SUFFIXES)


def is_parquet(origin: str) -> bool:
    """Whether the files are parquet."""
    return origin.lower().endswith(_PARQUET_SUFFIXES)


def is_glob(origin: str) -> bool:
    """Whether ``origin`` is a pattern; a file that really has such a name is not one."""
    return any(mark in origin for mark in _GLOB) and not Path(origin).exists()


def pattern(origin: str) -> str:
    """``origin`` as the engine must read it: the marks of a pattern escaped where they are part of a name."""
    if is_glob(origin):
        return origin
    return "".join(f"[{mark}]" if mark in _GLOB else mark for mark in origin)


def check_whole(path: Path) -> None:
    """Raise SourceFileError where a gzipped file is cut short or damaged.

    DuckDB reads a truncated gzip stream up to the cut and reports nothing, so the missing rows would never
    be noticed. This reads the file once, decompressing it in constant memory.
    """
    if path.suffix.lower() != ".gz":
        return
    try:
        with _open_bytes(path) as stream:
            while stream.read(_CHUNK):
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceFileError(f"{path} is truncated or damaged ({error})") from error
    except OSError as error:
        raise SourceFileError(f"{path} cannot be read ({error.strerror or error})") from error


def check_encoding(path: Path) -> None:
    """Raise SourceFileError where a csv file says with its first bytes that it is not UTF-8."""
    with _open_bytes(path) as stream:
        start = stream.read(4)
    for mark, name in _OTHER_ENCODINGS.items():
        if start.startswith(mark):
            advice = f"convert it, e.g. with iconv -f {name} -t UTF-8"
            raise SourceFileError(f"{path} is not UTF-8 but {name}; {advice}")


def is_blank(path: Path) -> bool:
    """Whether the file has no content: no byte, or in text only blanks at its beginning."""
    if path.stat().st_size == 0:
        return True
    if not is_csv(path.name):
        return False
    with _open_bytes(path) as stream:
        return not stream.read(_TAIL).strip()


def check_last_row(path: Path, delimiter: str) -> None:
    """Raise SourceFileError where an uncompressed CSV file stops in the middle of a row."""
    if path.suffix.lower() == ".gz" or not is_csv(path.name):
        return
    with path.open("rb") as stream:
        width = _width(stream.readline(), delimiter)
        stream.seek(max(stream.tell(), path.stat().st_size - _TAIL))
        last = stream.read().rpartition(b"\n")[2]
    # Without an even number of quotes the last line is part of a field that spans lines.
    if last.strip() and last.count(b'"') % 2 == 0 and _width(last, delimiter) < width:
        raise SourceFileError(f"{path} is truncated: its last row is incomplete")


def _width(line: bytes, delimiter: str) -> int:
    return len(next(csv.reader([line.decode(errors="replace")], delimiter=delimiter), []))


def csv_delimiter(path: Path, wanted: Collection[str]) -> str:
    """The delimiter under which the header shows most of the ``wanted`` names, a comma by default.

    Left to detect it, DuckDB takes a file with one ragged row for a table of a single column.
    """
    try:
        with _open_text(path) as stream:
            header = stream.readline()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return ","
    names = {name.casefold() for name in wanted}

    def rank(delimiter: str) -> tuple[int, int]:
        fields = [field.strip().casefold() for field in next(csv.reader([header], delimiter=delimiter), [])]
        return len(names.intersection(fields)), len(fields)

    return max(_DELIMITERS, key=rank)


def first_ragged_row(path: Path, delimiter: str) -> str | None:
    """The first of the leading rows whose field count differs from the header's, in words."""
    try:
        with _open_text(path) as stream:
            reader = csv.reader(stream, delimiter=delimiter)
            width = len(next(reader, []))
            for number, row in zip(range(_ROWS_READ), reader, strict=False):
                if row and len(row) != width:
                    return f"row {number + 2} has {len(row)} fields, the header has {width}"
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error):
        return None
    return None


def _open_bytes(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast("BinaryIO", gzip.open(path))
    return path.open("rb")


def _open_text(path: Path) -> TextIO:
    return TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline="")
