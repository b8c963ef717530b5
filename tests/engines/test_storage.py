"""The published warehouse is whole, or it is the one before: whatever happens to a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from dagster_pipeline.engines.storage import WarehouseBusyError, WarehouseError, build_path, wal_path
from dagster_pipeline.engines.warehouse import WarehouseSession, read_published
from dagster_pipeline.errors import NotEvaluatedError

ROOT = Path(__file__).parents[2]


def write_version(session: WarehouseSession, version: int, rows: int = 1000) -> None:
    with session.connection() as connection:
        connection.execute(f"create or replace table state as select {version} as version from range({rows})")


def break_after_writing(session: WarehouseSession) -> None:
    write_version(session, 2)
    with session.connection() as connection:
        connection.execute("select * from no_such_table")


def publish_version(path: Path, version: int, rows: int = 1000) -> None:
    with WarehouseSession(path, f"run-{version}") as session:
        write_version(session, version, rows)
        session.publish()


def published_version(path: Path) -> tuple[int, int, int]:
    with read_published(path) as connection:
        return connection.execute("select min(version), max(version), count(*) from state").fetchone()


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "store" / "warehouse.duckdb"


def test_a_first_run_makes_the_folder_and_publishes(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    assert published_version(warehouse) == (1, 1, 1000)


def test_a_later_run_starts_from_what_was_published(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    with WarehouseSession(warehouse, "second") as session, session.connection() as connection:
        assert connection.execute("select any_value(version) from state").fetchone() == (1,)


def test_the_build_has_the_published_file_name_and_so_its_catalog_name(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    with WarehouseSession(warehouse, "second") as session, session.connection() as connection:
        built = connection.execute("select current_catalog()").fetchone()
    with read_published(warehouse) as connection:
        assert connection.execute("select current_catalog()").fetchone() == built == ("warehouse",)


def test_a_run_that_raises_leaves_the_published_file_as_it_was(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    before = warehouse.read_bytes()
    with pytest.raises(duckdb.CatalogException), WarehouseSession(warehouse, "second") as session:
        break_after_writing(session)
    assert warehouse.read_bytes() == before
    assert not session.build_path.exists()


def test_leaving_without_publishing_discards_the_build(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    with WarehouseSession(warehouse, "second") as session:
        write_version(session, 2)
    assert published_version(warehouse)[0] == 1
    assert sorted(p.name for p in warehouse.parent.iterdir()) == ["warehouse.duckdb", "warehouse.duckdb.lock"]


def test_a_reader_keeps_its_state_while_a_run_publishes(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    with read_published(warehouse) as reader:
        publish_in_another_process = start(PUBLISH, str(warehouse), "2")
        assert publish_in_another_process.wait(30) == 0
        assert reader.execute("select min(version), max(version) from state").fetchone() == (1, 1)
    assert published_version(warehouse)[0] == 2


PUBLISH = """
import sys
from pathlib import Path
from tests.engines.test_storage import publish_version
publish_version(Path(sys.argv[1]), int(sys.argv[2]))
"""


def test_readers_see_one_version_whole_across_many_swaps(warehouse: Path) -> None:
    publish_version(warehouse, 0)
    readers = start(READ_UNTIL, str(warehouse), "15")
    assert readers.stdout is not None
    assert readers.stdout.readline().strip() == "reading"
    for version in range(1, 16):
        publish_version(warehouse, version)
    output, _ = readers.communicate(timeout=60)
    assert readers.returncode == 0, output
    assert int(output) > 3, "the reader must have met versions on the way"


READ_UNTIL = """
import sys
from pathlib import Path
from tests.engines.test_storage import published_version
seen = [published_version(Path(sys.argv[1]))[0]]
print("reading", flush=True)
while seen[-1] < int(sys.argv[2]):
    low, high, rows = published_version(Path(sys.argv[1]))
    assert low == high >= seen[-1] and rows == 1000, (low, high, rows)
    seen.append(high)
print(len(set(seen)))
"""


BUILD_AND_HANG = """
import sys, time
from pathlib import Path
from tests.engines.test_storage import write_version
from dagster_pipeline.engines.warehouse import WarehouseSession
with WarehouseSession(Path(sys.argv[1]), "the-hanging-run") as session:
    write_version(session, 99, 200_000)
    with session.connection() as connection:
        connection.execute("insert into state values (100)")
        print("building", flush=True)
        time.sleep(120)
"""


@pytest.fixture
def hanging(warehouse: Path):
    publish_version(warehouse, 1)
    process = start(BUILD_AND_HANG, str(warehouse))
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "building"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_killed_run_leaves_the_published_file_intact_and_its_lock_free(warehouse: Path, hanging) -> None:
    before = warehouse.read_bytes()
    os.kill(hanging.pid, signal.SIGKILL)
    hanging.wait()
    assert build_path(warehouse).exists(), "the dead run leaves its build behind"
    assert warehouse.read_bytes() == before
    with WarehouseSession(warehouse, "next", wait_seconds=1) as session, session.connection() as connection:
        assert connection.execute("select max(version) from state").fetchone() == (1,)


def test_a_second_run_that_cannot_wait_longer_names_the_holder(warehouse: Path, hanging) -> None:
    message = rf"the-hanging-run \(pid {hanging.pid} on .*waited 0.3 s"
    with (
        pytest.raises(WarehouseBusyError, match=message),
        WarehouseSession(warehouse, "late", wait_seconds=0.3),
    ):
        pass
    assert published_version(warehouse)[0] == 1, "readers never wait for a run"


def test_a_second_run_waits_until_the_first_ends(warehouse: Path, hanging) -> None:
    ended = start("import os, sys, time; time.sleep(0.7); os.kill(int(sys.argv[1]), 9)", str(hanging.pid))
    begun, told = time.monotonic(), []
    with WarehouseSession(warehouse, "patient", wait_seconds=30, on_wait=told.append):
        assert time.monotonic() - begun > 0.5
    assert len(told) == 1
    assert told[0].startswith(f"run the-hanging-run (pid {hanging.pid} on ")
    ended.communicate(timeout=10)


def test_publishing_is_refused_while_this_process_still_has_the_build_open(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    with WarehouseSession(warehouse, "second") as session:
        write_version(session, 2)
        forgotten = duckdb.connect(str(session.build_path))
        with pytest.raises(WarehouseError, match="still open in this process"):
            session.publish()
        forgotten.close()
        session.publish()
    assert published_version(warehouse)[0] == 2


def test_a_file_changed_by_another_program_during_the_run_is_not_overwritten(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    with WarehouseSession(warehouse, "second") as session:
        write_version(session, 2)
        with duckdb.connect(str(warehouse)) as user:
            user.execute("create table theirs as select 1 as x")
        with pytest.raises(WarehouseBusyError, match="changed by another program"):
            session.publish()
    with read_published(warehouse) as connection:
        assert connection.execute("select x from theirs").fetchone() == (1,)


def test_a_log_left_beside_the_published_file_is_folded_in_never_replayed_later(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    assert start(WRITE_AND_DIE, str(warehouse)).wait(30) == 1
    assert wal_path(warehouse).exists()
    publish_version(warehouse, 2)
    assert not wal_path(warehouse).exists()
    with read_published(warehouse) as connection:
        assert connection.execute("select x from theirs").fetchone() == (7,)
        assert connection.execute("select max(version) from state").fetchone() == (2,)


WRITE_AND_DIE = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("create table theirs as select 7 as x")
os._exit(1)
"""


def test_a_warehouse_another_program_writes_to_is_busy(warehouse: Path) -> None:
    publish_version(warehouse, 1)
    writer = start(HOLD_OPEN, str(warehouse))
    assert writer.stdout is not None
    assert writer.stdout.readline().strip() == "open"
    with pytest.raises(WarehouseBusyError, match=f"PID {writer.pid}"), WarehouseSession(warehouse, "second"):
        pass
    writer.kill()
    writer.communicate()


HOLD_OPEN = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("content", [b"not a database at all" * 500, b"", b"DUCK" * 1024])
def test_a_file_that_is_no_database_is_said_and_left_alone(warehouse: Path, content: bytes) -> None:
    warehouse.parent.mkdir()
    warehouse.write_bytes(content)
    with pytest.raises(WarehouseError, match="cannot be opened as a DuckDB database"):
        publish_version(warehouse, 1)
    assert warehouse.read_bytes() == content


def test_a_folder_cannot_be_the_warehouse(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="is a folder"):
        publish_version(tmp_path, 1)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match="cannot make the folder"):
        publish_version(tmp_path / "file" / "warehouse.duckdb", 1)


def test_reading_before_the_first_run_says_so(warehouse: Path) -> None:
    with pytest.raises(NotEvaluatedError, match="plumbline run"), read_published(warehouse):
        pass


def test_publishing_through_a_link_replaces_the_file_it_points_at(tmp_path: Path) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(tmp_path / "real.duckdb")
    publish_version(link, 1)
    assert link.is_symlink()
    assert published_version(tmp_path / "real.duckdb")[0] == 1


def test_two_publications_in_one_session_are_refused(warehouse: Path) -> None:
    with WarehouseSession(warehouse, "once") as session:
        write_version(session, 1)
        session.publish()
        with pytest.raises(WarehouseError, match="already published"):
            session.publish()


def test_other_files_in_the_build_folder_are_left_alone(warehouse: Path) -> None:
    other = build_path(warehouse).with_name("other.duckdb")
    other.parent.mkdir(parents=True)
    other.write_text("of another warehouse")
    publish_version(warehouse, 1)
    assert other.read_text() == "of another warehouse"
