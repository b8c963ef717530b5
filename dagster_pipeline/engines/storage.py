"""Files of the warehouse: the run's lock, the build copy and the swap that publishes it.

Readers never wait: they keep the file they opened, and `publish_file` replaces the name in one step. A
run that dies leaves its lock to the operating system (``flock`` ends with the process) and its build
folder to the next run.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dagster_pipeline.errors import PlumblineError

_POLL_SECONDS = 0.1


class WarehouseBusyError(PlumblineError):
    """Another run, or another program, holds the warehouse."""

    exit_code = 3


class WarehouseError(PlumblineError):
    """The warehouse file or its folder cannot be used."""

    exit_code = 3


@dataclass(frozen=True)
class Fingerprint:
    """What tells one state of a file from another without reading it; all zero where there is no file."""

    inode: int = 0
    size: int = 0
    modified_ns: int = 0


def fingerprint(path: Path) -> Fingerprint:
    """The present state of the file at ``path``."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return Fingerprint()
    return Fingerprint(stat.st_ino, stat.st_size, stat.st_mtime_ns)


def wal_path(database: Path) -> Path:
    """DuckDB's write-ahead log beside ``database``."""
    return database.with_name(database.name + ".wal")


def build_path(published: Path) -> Path:
    """Where a run builds: the same file name (hence the same catalog name) in a folder of its own."""
    return published.parent / "build" / published.name


class RunLock:
    """An exclusive ``flock`` on ``<path>.lock`` whose content names the holder.

    The file is never removed: a waiter could hold the old one while a third process locks a new one.
    """

    def __init__(self, published: Path, run_id: str) -> None:
        self.path = published.with_name(published.name + ".lock")
        self._run_id = run_id
        self._descriptor: int | None = None

    def acquire(self, wait_seconds: float, on_wait: Callable[[str], None] | None = None) -> None:
        """Take the lock, waiting up to ``wait_seconds``; raises WarehouseBusyError that names the holder.

        ``on_wait`` is told the holder once, when the waiting begins.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(descriptor):
            if on_wait is not None:
                on_wait(self.holder())
                on_wait = None
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise WarehouseBusyError(
                    f"{self.path.with_suffix('')} is in use by {self.holder()}; waited {wait_seconds:g} s. "
                    "Let that run end, or stop it, then run again."
                )
            time.sleep(_POLL_SECONDS)
        self._descriptor = descriptor
        self._write_holder(descriptor)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None

    def holder(self) -> str:
        """Who holds the lock, in words."""
        try:
            entry = json.loads(self.path.read_text(encoding="utf-8"))
            return f"run {entry['run_id']} (pid {entry['pid']} on {entry['host']}, since {entry['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another run"

    def _write_holder(self, descriptor: int) -> None:
        entry = {
            "pid": os.getpid(),
            "run_id": self._run_id,
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(entry).encode(), 0)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def prepare_folder(published: Path) -> None:
    """Make the warehouse's folder; raises WarehouseError where it or the file's name cannot be used."""
    try:
        published.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseError(f"{published.parent}: cannot make the folder ({error.strerror})") from error
    if published.is_dir():
        raise WarehouseError(f"{published} is a folder; warehouse.path must name a file")
    if not os.access(published.parent, os.W_OK | os.X_OK):
        raise WarehouseError(f"{published.parent}: no permission to write here")


def discard_build(build: Path) -> None:
    """Remove what a run, or one that died, left of its build; other files in the folder are left alone."""
    for leftover in (build, wal_path(build), build.with_name(build.name + ".tmp")):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
    with suppress(OSError):
        build.parent.rmdir()


def copy_published(published: Path, build: Path) -> Fingerprint:
    """Copy the published file, if there is one, to ``build``; gives the state that was copied.

    No connection of this process may have ``published`` open for writing: closing the copy's descriptor
    would drop its lock. Raises WarehouseError where the copy fails or the file changes under it.
    """
    before = fingerprint(published)
    try:
        build.parent.mkdir(parents=True, exist_ok=True)
        if before != Fingerprint():
            shutil.copy(published, build)
    except OSError as error:
        raise WarehouseError(f"{build}: cannot copy the warehouse here ({error.strerror})") from error
    if fingerprint(published) != before or wal_path(published).exists():
        raise WarehouseBusyError(f"{published} is being written by another program; close it and run again")
    return before


def publish_file(build: Path, published: Path) -> None:
    """Put ``build`` in the place of ``published`` in one durable step; raises WarehouseError if it cannot."""
    try:
        _fsync(build)
        os.replace(build, published)
        _fsync(published.parent)
    except OSError as error:
        raise WarehouseError(f"{published}: cannot publish the warehouse ({error.strerror})") from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def held_open_here(path: Path) -> bool:
    """Whether this process still has ``path`` open (known on Linux; elsewhere taken as no)."""
    try:
        target = path.stat()
        descriptors = os.listdir("/proc/self/fd")
    except OSError:
        return False
    return any(_same_file(descriptor, target) for descriptor in descriptors)


def _same_file(descriptor: str, target: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(int(descriptor)), target)
    except (OSError, ValueError):
        return False
