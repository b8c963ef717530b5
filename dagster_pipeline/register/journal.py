"""What people did about a decision, written down where it can be read again: signatures, stages, rollbacks, dissent.

A file of JSON lines beside plumbline.yml, meant to be committed with it. It is only ever appended to, and chained:
every entry carries the SHA-256 of the one before it and of itself. A line that was changed, dropped, inserted, moved
or cut off breaks the chain. What the chain alone can't show is that entries were taken off its end, or that the whole
file was written anew by somebody who computed every hash again: for that the entries are held against the copy of
them that each run leaves in the warehouse.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError, PlumblineError

try:
    import fcntl
except ImportError:  # a system without POSIX locks
    fcntl = None  # type: ignore[assignment]

BRIEF_SIGNED = "brief_signed"
STAGE_STARTED = "stage_started"
ROLLED_BACK = "rolled_back"
DISSENT = "dissent"
DECISION_NOTED = "decision_noted"
DRY_RUN = "dry_run"
GAP_REOPENED = "gap_reopened"
GAP_ACTS = (
    *("gap_assigned", "gap_acknowledged", "gap_accepted", "gap_resolved"),
    *("gap_false_positive", GAP_REOPENED),
)
ACTION_CLOSED = "action_closed"
REALISED = "realised"
KINDS = (
    *(BRIEF_SIGNED, STAGE_STARTED, ROLLED_BACK, DISSENT, DECISION_NOTED, DRY_RUN),
    *GAP_ACTS,
    *(ACTION_CLOSED, REALISED),
)
"""What may be appended. A kind that a later version writes is read all the same."""

_START = "0" * 64  # what the first entry names as the one before it
_KEYS = ("number", "at", "by", "kind", "experiment", "content", "previous", "digest")


@dataclass(frozen=True)
class Entry:
    """One act: who did what, when, about which experiment (None: about none).

    ``number`` counts from 1, ``at`` is in UTC, ``content`` holds plain JSON values. ``by`` and all text in ``content``
    are as they were given: escape them for the place they are shown in. ``previous`` is the digest of the entry
    before, ``digest`` the SHA-256 of the canonical JSON of everything else.
    """

    number: int
    at: datetime
    by: str
    kind: str
    experiment: str | None
    content: Mapping[str, Any]
    previous: str
    digest: str


def journal_path(config_file: Path) -> Path:
    """The journal that belongs to a configuration: plumbline.yml → plumbline.journal.jsonl in the same folder."""
    return config_file.with_name(f"{config_file.stem}.journal.jsonl")


def read_journal(path: Path) -> tuple[Entry, ...]:
    """All entries, oldest first; none where there is no file.

    Raises NotEvaluatedError naming the file and the first line that can't be read or does not continue the chain.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise NotEvaluatedError(f"{path}: can't be read: {error.strerror or error}.") from error
    return _entries(content, path)


def append_entry(
    path: Path,
    *,
    kind: str,
    by: str,
    experiment: str | None,
    content: Mapping[str, Any],
    at: datetime | None = None,
) -> Entry:
    """Append one act, on disk before it returns, and give it as it will be read; ``at`` defaults to now.

    Only one process at a time appends. Raises PlumblineError where nobody is named, the kind is unknown, the content
    is not plain JSON, or the file can't be locked or written; NotEvaluatedError where its chain is broken already.
    """
    if not by.strip():
        raise PlumblineError("Nobody is named: the journal says of every act whose it was.")
    if kind not in KINDS:
        raise PlumblineError(f"{kind!r} is nothing the journal records; allowed: {', '.join(KINDS)}.")
    with _locked(path) as descriptor:
        before = _content(descriptor)
        entries = _entries(before, path)
        fields = {
            "number": len(entries) + 1,
            "at": _iso(at or datetime.now(UTC)),
            "by": by.strip(),
            "kind": kind,
            "experiment": experiment,
            "content": dict(content),
            "previous": entries[-1].digest if entries else _START,
        }
        line = _new_line(fields)
        # Where an editor took the last line's end off, it is put back.
        start = "" if before.endswith(b"\n") or not before else "\n"
        _write(descriptor, f"{start}{line}\n".encode("ascii"), path)
    return _entry(line)


def _entries(content: bytes, path: Path) -> tuple[Entry, ...]:
    lines = content.decode("utf-8", "backslashreplace").replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    found: list[Entry] = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = _entry(line)
        except (ValueError, OverflowError, RecursionError) as error:
            raise _broken(path, number, f"is no entry of a journal ({error})") from error
        if entry.number != number:
            raise _broken(path, number, f"holds entry {entry.number}: entries were dropped, added or moved")
        if entry.previous != (found[-1].digest if found else _START):
            raise _broken(path, number, "does not continue the entry before it: one of the two was changed")
        found.append(entry)
    return tuple(found)


def _entry(line: str) -> Entry:
    """The entry of a line. Raises ValueError, OverflowError or RecursionError for anything else."""
    fields = json.loads(line)
    if not isinstance(fields, dict) or set(fields) != set(_KEYS):
        raise ValueError(f"it must hold {', '.join(_KEYS)}")
    texts = ["at", "by", "kind", "previous", "digest", *(["experiment"] * (fields["experiment"] is not None))]
    wrong = [name for name in texts if not isinstance(fields[name], str)]
    if wrong or type(fields["number"]) is not int or not isinstance(fields["content"], dict):
        raise ValueError("a value of it is of the wrong kind")
    digest = fields.pop("digest")
    # Held against the very text: a key given twice or a blank put in is a change too.
    if _signed_line(fields) != line:
        raise ValueError("it is not what was written: its hash differs")
    return Entry(**{**fields, "at": datetime.fromisoformat(fields["at"]).astimezone(UTC)}, digest=digest)


def _new_line(fields: Mapping[str, Any]) -> str:
    try:
        return _signed_line(fields)
    except (TypeError, ValueError, RecursionError) as error:
        raise PlumblineError(f"The journal holds plain JSON values only: {error}.") from error


def _signed_line(fields: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(_canonical(fields).encode("ascii")).hexdigest()
    return _canonical({**fields, "digest": digest})


def _canonical(fields: Mapping[str, Any]) -> str:
    """ASCII on one line: no text in it can end the line or turn it around in a display."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _iso(moment: datetime) -> str:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def _broken(path: Path, line: int, what: str) -> NotEvaluatedError:
    return NotEvaluatedError(
        f"{path}, line {line}: {what}. The journal is only ever appended to; restore it from version control "
        "(a line cut off when a machine stopped may be removed, and entries of two branches are made again)."
    )


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The open journal, created where there is none, locked against every other process that appends."""
    if fcntl is None:
        raise PlumblineError(f"{path}: this system has no file locks, so nothing can be recorded safely.")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise PlumblineError(f"{path}: can't be written: {error.strerror or error}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise PlumblineError(
                f"{path}: can't be locked ({error.strerror or error}), so two people could overwrite each other; "
                "keep the configuration on a file system with locks."
            ) from error
        yield descriptor
    finally:
        os.close(descriptor)  # which gives the lock back


def _content(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read()


def _write(descriptor: int, line: bytes, path: Path) -> None:
    size = os.fstat(descriptor).st_size
    try:
        written = 0
        while written < len(line):
            written += os.write(descriptor, line[written:])
        os.fsync(descriptor)
    except OSError as error:
        os.ftruncate(descriptor, size)  # half a line would break the chain
        raise PlumblineError(f"{path}: can't be written: {error.strerror or error}.") from error
    if not size:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A new file is safe once its folder is on disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
