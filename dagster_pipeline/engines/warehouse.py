"""The DuckDB warehouse of one run: built aside, published whole or not at all."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from dagster_pipeline.engines.storage import (
    Fingerprint,
    RunLock,
    WarehouseBusyError,
    WarehouseError,
    build_path,
    copy_published,
    discard_build,
    fingerprint,
    held_open_here,
    prepare_folder,
    publish_file,
    wal_path,
)
from dagster_pipeline.errors import NotEvaluatedError


class WarehouseSession:
    """The exclusive right to build the warehouse at ``path``.

    On entry it waits up to ``wait_seconds`` for a run that holds the lock (``on_wait`` is told who, once),
    then copies the published database to ``build_path``. dbt, Great Expectations and `connection` work on
    that file, one after the other: whoever opens it closes it. `publish` swaps it in; leaving the block
    without it discards the build and the published file stays as it was.

    Raises WarehouseBusyError where the lock or the file is held, WarehouseError where it cannot be used.
    """

    def __init__(
        self,
        path: Path,
        run_id: str,
        wait_seconds: float = 600.0,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        # A link is followed once: replacing its name would cut it off from the file it points at.
        self.path = path.resolve()
        self.run_id = run_id
        self.build_path = build_path(self.path)
        self.published = False
        self._wait_seconds = wait_seconds
        self._on_wait = on_wait
        self._lock = RunLock(self.path, run_id)
        self._copied = Fingerprint()
        self._open = 0

    def __enter__(self) -> Self:
        prepare_folder(self.path)
        self._lock.acquire(self._wait_seconds, self._on_wait)
        try:
            discard_build(self.build_path)
            _settle(self.path)
            self._copied = copy_published(self.path, self.build_path)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the build, in UTC, closed when the block ends."""
        connection = _connect(self.build_path)
        self._open += 1
        try:
            yield connection
        finally:
            connection.close()
            self._open -= 1

    def start_over(self) -> None:
        """Throw the build away and begin again from the published database; whoever opened the build has closed it."""
        discard_build(self.build_path)
        self._copied = copy_published(self.path, self.build_path)

    def publish(self) -> None:
        """Make the build the published warehouse, whole and durable; the session ends with it.

        Raises WarehouseError where something still has the build open, or the published file was changed
        by another program since the run began; the published file is then left as it is.
        """
        if self.published:
            raise WarehouseError(f"run {self.run_id} has already published {self.path}")
        with self.connection() as connection:
            connection.execute("checkpoint")
        self._refuse_unsafe_swap()
        publish_file(self.build_path, self.path)
        self.published = True

    def _refuse_unsafe_swap(self) -> None:
        # Swapping an open file would leave readers of the new one behind this process's lock.
        if self._open or held_open_here(self.build_path):
            gc.collect()
        if self._open or held_open_here(self.build_path):
            raise WarehouseError(
                f"{self.build_path} is still open in this process; close it before publishing"
            )
        if wal_path(self.build_path).exists():
            raise WarehouseError(f"{self.build_path} has writes that were not checkpointed")
        if fingerprint(self.path) != self._copied or wal_path(self.path).exists():
            raise WarehouseBusyError(
                f"{self.path} was changed by another program while run {self.run_id} was building; run again"
            )

    def _close(self) -> None:
        try:
            discard_build(self.build_path)
        finally:
            self._lock.release()


@contextmanager
def read_published(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the published warehouse at ``path``, closed when the block ends.

    It keeps showing the same state while a run publishes a new one. Raises NotEvaluatedError where there
    is no warehouse yet, WarehouseError where the file is not a database DuckDB can open.
    """
    if not path.is_file():
        raise NotEvaluatedError(f"{path}: there is no warehouse here yet; do a `plumbline run` first")
    connection = _connect(path, read_only=True)
    try:
        yield connection
    finally:
        connection.close()


def _settle(published: Path) -> None:
    """Check that the published file can be opened and fold a log left beside it into it.

    A log that stayed beside the file would be replayed into the next one published under its name.
    """
    if not published.exists():
        wal_path(published).unlink(missing_ok=True)
        return
    connection = _connect(published, read_only=not wal_path(published).exists())
    try:
        if wal_path(published).exists():
            connection.execute("checkpoint")
    finally:
        connection.close()


def _connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
        connection.execute("set TimeZone = 'UTC'")
    except duckdb.Error as error:
        raise _explained(path, error) from error
    return connection


def _explained(path: Path, error: duckdb.Error) -> WarehouseError | WarehouseBusyError:
    message = str(error).splitlines()[0]
    if "lock on file" in message:
        holder = message.partition("Conflicting lock is held in ")[2].partition(" See also")[0]
        return WarehouseBusyError(
            f"{path} is held open by {holder or 'another program'}; close it and run again"
        )
    return WarehouseError(
        f"{path} cannot be opened as a DuckDB database ({message}); move it away and run again"
    )
