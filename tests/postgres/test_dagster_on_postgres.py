"""Dagster for several users: its daemon, a code location and a real Postgres server, with the settings docs/dagster.md shows.

Only with `make test-postgres`: it makes a cluster of its own, on loopback, and runs the whole line for two days.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from dagster_pipeline.demo.story import write_config
from dagster_pipeline.demo.world import WorldSpec, generate

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).resolve().parents[2]
DAYS = ["2026-11-04", "2026-11-05"]
PASSWORD = "not-for-logs-4711"  # noqa: S105 (of a cluster that lives as long as the test)
LONGEST = 1_800.0


def binary(name: str) -> str | None:
    there = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)
    return shutil.which(name) or next(iter(there), None)


def as_owner(*command: str) -> list[str]:
    """Postgres refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.getuid() == 0 else list(command)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def server():
    """A cluster of its own; gives what dagster.yaml reads from the environment."""
    initdb, pg_ctl = binary("initdb"), binary("pg_ctl")
    if not initdb or not pg_ctl:
        pytest.skip(
            "No Postgres server here: initdb and pg_ctl are missing (Debian: apt-get install postgresql)."
        )
    pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    folder = Path(tempfile.mkdtemp(prefix="plumbline-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    port, data = free_port(), str(folder / "data")
    init = [initdb, "-D", data, "-U", "plumbline", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
    subprocess.run(as_owner(*init), check=True, capture_output=True, cwd="/", timeout=120)
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    start = [pg_ctl, "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start"]
    subprocess.run(as_owner(*start), check=True, capture_output=True, cwd="/", timeout=120)
    yield {
        "PLUMBLINE_PG_HOST": "127.0.0.1", "PLUMBLINE_PG_PORT": str(port), "PLUMBLINE_PG_DB": "postgres",
        "PLUMBLINE_PG_USER": "plumbline", "PLUMBLINE_PG_PASSWORD": PASSWORD,
    }  # fmt: skip
    subprocess.run(
        as_owner(pg_ctl, "-D", data, "-m", "immediate", "stop"), check=False, capture_output=True, cwd="/"
    )
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def deployment(server, tmp_path_factory):
    """A project and a DAGSTER_HOME with the settings of the documentation, and the environment all processes share."""
    folder = tmp_path_factory.mktemp("deployment")
    home = folder / "home"
    home.mkdir()
    text = (ROOT / "docs" / "dagster.md").read_text("utf-8")
    [settings] = [
        found for found in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "postgres_db" in found
    ]
    (home / "dagster.yaml").write_text(settings)
    config = write_config(folder, generate(WorldSpec(requests=400), folder))
    environment = os.environ | server | {
        "DAGSTER_HOME": str(home), "PLUMBLINE_CONFIG": str(config), "PLUMBLINE_OUTPUT": str(folder / "out"),
        "PLUMBLINE_STATE": str(folder / ".plumbline"), "DAGSTER_DISABLE_TELEMETRY": "yes",
    }  # fmt: skip
    return folder, environment


def dagster(environment, *words):
    command = [sys.executable, "-m", "dagster", *words, "-m", "dagster_pipeline.definitions"]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


class Postgres:
    """What the tables of Dagster hold."""

    def __init__(self, environment):
        import psycopg2

        names = {"host": "HOST", "port": "PORT", "dbname": "DB", "user": "USER", "password": "PASSWORD"}
        self._connection = psycopg2.connect(**{k: environment[f"PLUMBLINE_PG_{v}"] for k, v in names.items()})
        self._connection.autocommit = True

    def rows(self, query, *values):
        with self._connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    def runs(self):
        return self.rows("select run_id, status, partition, start_time, end_time from runs order by id")


@pytest.fixture(scope="module")
def done(deployment):
    """A backfill of two days is asked for, and the daemon is left to work until both are over."""
    folder, environment = deployment
    words = ["job", "backfill", "-j", "plumbline_daily", "--partitions", ",".join(DAYS), "--noprompt"]
    asked = dagster(environment, *words)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    postgres = Postgres(environment)
    queued = [status for _, status, *_ in postgres.runs()]
    log = folder / "daemon.log"
    with log.open("w") as stream:
        daemon = subprocess.Popen(
            [Path(sys.executable).with_name("dagster-daemon"), "run", "-m", "dagster_pipeline.definitions"],
            env=environment, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            end = time.monotonic() + LONGEST
            while time.monotonic() < end and daemon.poll() is None:
                if all(status in ("SUCCESS", "FAILURE", "CANCELED") for _, status, *_ in postgres.runs()):
                    break
                time.sleep(3)
            time.sleep(40)  # one more round of the sensors, after the last report
        finally:
            daemon.terminate()
            daemon.wait(60)
    return folder, postgres, queued, log.read_text()


def test_runs_asked_for_wait_in_the_queue_and_the_daemon_runs_them(done):
    _, postgres, queued, log = done
    assert queued == ["QUEUED", "QUEUED"]
    assert [(status, day) for _, status, day, *_ in postgres.runs()] == [("SUCCESS", day) for day in DAYS], (
        log[-5_000:]
    )


def test_one_runs_at_a_time(done):
    _, postgres, *_ = done
    (*_, _, first_end), (*_, second_start, _) = postgres.runs()
    assert first_end <= second_start


def test_events_checks_and_tags_are_in_postgres(done):
    _, postgres, *_ = done
    for run_id, *_ in postgres.runs():
        made = postgres.rows(
            "select distinct asset_key from event_logs where run_id = %s and dagster_event_type = 'ASSET_MATERIALIZATION'",
            run_id,
        )
        assert {'["gap_register"]', '["daily_verdict"]', '["standing_verdict"]'} <= {key for (key,) in made}
        tags = dict(postgres.rows("select key, value from run_tags where run_id = %s", run_id))
        assert tags["plumbline/verdict"]
        assert tags["plumbline/kind"] == "run"
    assert postgres.rows("select count(*) from asset_check_executions")[0][0] > 50


def test_days_in_their_order_are_runs_and_the_last_is_what_stands(done):
    folder, *_ = done
    assert json.loads((folder / "out" / "verdict.json").read_text())["as_of"] == "2026-11-06T00:00:00Z"
    assert not (folder / "out" / "days").exists()


def test_the_sensors_that_are_on_from_the_start_tick(done):
    _, postgres, _, log = done
    ticks = postgres.rows("select tick_body from job_ticks where type = 'SENSOR'")
    ticked = {body["origin_job_name"] if "origin_job_name" in body else body["job_name"]: body["status"]["__enum__"] for (text,) in ticks for body in [json.loads(text)["tick_data"] if "tick_data" in json.loads(text) else json.loads(text)]}  # fmt: skip
    assert {"rollback_sensor", "run_failure_sensor", "new_blocker_sensor"} <= set(ticked), log[-5_000:]
    assert not {name for name, status in ticked.items() if status.endswith("FAILURE")}


def test_no_secret_is_in_a_log(done):
    folder, _, _, log = done
    assert PASSWORD not in log
    assert not [
        file
        for file in (folder / "out").rglob("*")
        if file.is_file() and PASSWORD.encode() in file.read_bytes()
    ]
