"""What each channel was told: a file beside the warehouse, so that nothing is lost and nothing told twice.

What is still to be told is not kept here: it is in the register's events, which are only ever appended to. A channel knows the
runs it was told of; the events of all others are told with the next message. A file that can't be read makes every channel a new
one that is told of all open gaps, and of what happened in the last week once more: rather twice than never.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_pipeline.alerts.compose import Told
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.register.documents import from_iso_z, iso_z
from dagster_pipeline.register.history import GapEvent
from dagster_pipeline.report.writing import write_atomically

try:
    import fcntl
except ImportError:  # a system without POSIX locks
    fcntl = None  # type: ignore[assignment]

SCHEMA_VERSION = 1
AGAIN = timedelta(days=7)
"""What happened in this time is told again where nobody knows what was told."""


def outbox_path(warehouse: Path) -> Path:
    """The file that belongs to a warehouse: warehouse.duckdb → warehouse.alerts.json in the same folder."""
    return warehouse.with_name(f"{warehouse.stem}.alerts.json")


def read_outbox(path: Path) -> Mapping[str, Told] | None:
    """What each channel was told, by name; empty where there is no file, None for one that can't be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] != SCHEMA_VERSION:
            return None
        return {name: _told(found) for name, found in document["channels"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_outbox(path: Path, channels: Mapping[str, Told]) -> None:
    """Replace the file in one step. Raises PlumblineError where that can't be done."""
    documents = {name: _document(told) for name, told in channels.items()}
    text = json.dumps({"schema_version": SCHEMA_VERSION, "channels": documents}, indent=1, allow_nan=False)
    write_atomically(path, text + "\n")


def put_aside(path: Path) -> None:
    """Keep a file that can't be read under another name, for who wants to know why; the last one only."""
    with contextlib.suppress(OSError):
        path.replace(path.with_name(f"{path.name}.broken"))


def newcomer(events: Iterable[GapEvent], run_id: str, at: datetime, *, is_lost: bool) -> Told:
    """A channel of which nothing is known: it need not hear of earlier runs, but where that knowledge was lost.

    ``at`` is now, ``is_lost`` whether there was a file that could not be read.
    """
    before = [event for event in events if event.run_id != run_id]
    # What people did is dated when they did it, so a run is as recent as the last of its events.
    again = {event.run_id for event in before if is_lost and event.at > at - AGAIN}
    return Told(runs=frozenset(event.run_id for event in before) - again)


def with_fault(told: Told, fault: str, at: datetime) -> Told:
    """A channel that could not be reached: what it knows stays, and since when it fails."""
    return replace(told, fault=fault, failing_since=told.failing_since or at)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time tells the channels of a warehouse, as far as the system has locks: better twice than never.

    Raises PlumblineError where the folder can't be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise PlumblineError(f"{path}: can't be locked: {error.strerror or error}.") from error
    try:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back


def _told(document: Mapping[str, Any]) -> Told:
    """Raises KeyError, TypeError, ValueError or AttributeError for what ``_document`` did not write."""
    runs, verdicts = document["runs"], document["verdicts"]
    texts = [*runs, *verdicts, *verdicts.values(), *(document[key] or "" for key in ("digest_on", "fault"))]
    if not isinstance(runs, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    if not isinstance(document["is_new"], bool):
        raise TypeError("is_new is true or false")
    return Told(
        runs=frozenset(runs),
        verdicts=dict(verdicts),
        digest_on=document["digest_on"],
        is_new=document["is_new"],
        failing_since=from_iso_z(document["failing_since"]),
        fault=document["fault"],
    )


def _document(told: Told) -> dict[str, Any]:
    return {
        "runs": sorted(told.runs),
        "verdicts": dict(told.verdicts),
        "digest_on": told.digest_on,
        "is_new": told.is_new,
        "failing_since": iso_z(told.failing_since) if told.failing_since else None,
        "fault": told.fault,
    }
