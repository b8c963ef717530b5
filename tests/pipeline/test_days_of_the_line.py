"""The line run for days: in their order they build the register's history; an earlier one is looked back at."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from dagster_pipeline.commands.run import run
from dagster_pipeline.demo.story import write_config
from dagster_pipeline.demo.world import WorldSpec, generate

pytestmark = [pytest.mark.pipeline, pytest.mark.matrix]

CLOCKS = ("2026-11-05", "2026-11-06", "2026-11-03")
"""Two days in their order, then an earlier one."""


def told(folder: Path) -> dict[str, tuple[int, bytes]]:
    """The files of today, to the byte."""
    return {str(f.relative_to(folder)): (f.stat().st_mtime_ns, f.read_bytes()) for f in folder.rglob("*") if f.is_file()}  # fmt: skip


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("days")
    config, output = write_config(folder, generate(WorldSpec(requests=1_000), folder)), folder / "out"
    for clock in CLOCKS[:2]:
        run(config, output, quiet=True, as_of=clock)
    before = told(output)
    back = run(config, output, quiet=True, as_of=CLOCKS[2])
    after = {name: found for name, found in told(output).items() if not name.startswith("days/")}
    with duckdb.connect(str(folder / ".plumbline" / "warehouse.duckdb"), read_only=True) as connection:
        tables = {
            name: connection.execute(f"select * from plumbline_register.{name}").fetchall()
            for name in ("runs", "gap_events", "look_backs", "look_back_gaps", "decision_log")
        }
        newest = connection.execute("select max(as_of) from plumbline_register.runs").fetchone()
    return SimpleNamespace(output=output, before=before, after=after, back=back, tables=tables, newest=newest)


def test_days_in_their_order_are_runs(days):
    assert len(days.tables["runs"]) == 2
    assert f"{days.newest[0]:%Y-%m-%d}" == "2026-11-06"


def test_a_look_back_changes_no_byte_of_what_today_reads(days):
    assert days.after == days.before


def test_a_look_back_is_no_event_and_no_decision_on_record(days):
    runs = {row[1] for row in days.tables["runs"]}
    assert {row[1] for row in days.tables["gap_events"]} <= runs
    assert days.back.report.run_id not in runs
    assert days.back.report.run_id not in {row[1] for row in days.tables["decision_log"]}


def test_a_look_back_shows_its_day_and_decides_nothing(days):
    folder = days.output / "days" / "2026-11-02"
    assert days.back.output == folder
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (verdict["as_of"], verdict["verdict"]) == ("2026-11-03T00:00:00Z", "HOLD")
    assert "look back" in verdict["reasons"][0]
    levels = json.loads((folder / "metrics.json").read_text())["levels"]
    assert any(level["value"] is not None for level in levels)


def test_what_a_look_back_measured_is_kept_by_its_day(days):
    [found] = days.tables["look_backs"]
    assert f"{found[1]:%Y-%m-%d}" == "2026-11-03"
    assert len(days.tables["look_back_gaps"]) == found[3] == len(days.back.report.gaps)
