"""The commands as a newcomer meets them, each in a process of its own, on what real runs left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_pipeline.config.loader import load_config

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "init", "discover", "run", "gate", "gaps list", "gaps show", "report", "serve")


def plumbline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    start = "from dagster_pipeline.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def results(lines, tmp_path: Path):
    """A folder with a copy of a run's configuration and files, by the name of its world."""

    def copied(name: str) -> Path:
        shutil.copytree(lines(name).output, tmp_path / "out")
        shutil.copy(lines(name).config, tmp_path)
        return tmp_path

    return copied


def test_without_a_configuration_the_answer_is_what_to_do_next(tmp_path):
    done = plumbline(tmp_path, "run")
    assert done.returncode == 2
    assert "plumbline.yml" in done.stderr
    assert "plumbline init" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_broken_configuration_is_refused_with_file_key_and_line(tmp_path):
    text = plumbline_yml().replace("  request_id: id", "  request_idd: id")
    (tmp_path / "plumbline.yml").write_text(text)
    done = plumbline(tmp_path, "run")
    line = 1 + text.splitlines().index("      request_idd: id")
    assert done.returncode == 2
    assert f"plumbline.yml:{line}" in done.stderr or f"line {line}" in done.stderr
    assert "sources.requests.columns.request_idd" in done.stderr
    assert "request_id" in done.stderr.replace("request_idd", "")
    assert "Traceback" not in done.stderr


def plumbline_yml() -> str:
    """A small configuration that would do."""
    return "\n".join(
        (
            "version: 1",
            "warehouse: {engine: duckdb, path: w.duckdb}",
            "sources:",
            "  requests:",
            "    from: requests.csv",
            "    columns:",
            "      request_id: id",
            "      created_at: at",
        )
    )


def test_a_configuration_without_experiment_or_brief_still_runs_and_decides_nothing(tmp_path):
    rows = "".join(f"{n},2026-10-01 10:{n % 60:02d}:00\n" for n in range(50))
    (tmp_path / "requests.csv").write_text(f"id,at\n{rows}")
    (tmp_path / "plumbline.yml").write_text(plumbline_yml() + "\nas_of: 2026-10-02\n")
    done = plumbline(tmp_path, "run")
    assert done.returncode == 0, done.stderr
    assert "HOLD" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert "[8/8]" in done.stderr
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["verdict"] == "HOLD"
    assert plumbline(tmp_path, "gate").returncode == 1


def test_the_starter_loads_once_its_tables_are_named(tmp_path):
    assert plumbline(tmp_path, "init").returncode == 0
    config = load_config(tmp_path / "plumbline.yml")
    assert "requests" in config.sources
    again = plumbline(tmp_path, "init")
    assert again.returncode != 0
    assert "exists already" in again.stderr


def test_the_gate_lets_a_go_through(results):
    done = plumbline(results("clean"), "gate")
    assert (done.returncode, "GO" in done.stdout) == (0, True), done.stderr


def test_the_gate_blocks_a_hold_with_its_reasons(results, lines):
    done = plumbline(results("story"), "gate", "--json")
    assert done.returncode == 1
    assert lines("story").verdict["reasons"][0] in json.dumps(json.loads(done.stdout), ensure_ascii=False)


@pytest.mark.parametrize(("stage", "code"), [((), 1), (("--stage", "10"), 0), (("--stage", "11"), 1)])
def test_the_gate_lets_a_partial_through_up_to_its_stage(results, stage, code):
    folder = results("clean")
    (folder / "out" / ".run.json").unlink()
    verdict = json.loads((folder / "out" / "verdict.json").read_text())
    (folder / "out" / "verdict.json").write_text(json.dumps({**verdict, "verdict": "PARTIAL", "stage": 10}))
    assert plumbline(folder, "gate", *stage).returncode == code


def test_the_gate_refuses_an_experiment_nobody_knows(results):
    done = plumbline(results("clean"), "gate", "--experiment", "quoting_v3")
    assert done.returncode == 2
    assert "quoting_v2" in done.stderr


def test_the_gate_can_not_judge_what_was_changed_interrupted_or_never_there(results, tmp_path):
    folder = results("clean")
    (folder / "empty").mkdir()
    assert plumbline(folder, "gate", "--output", "empty").returncode == 3
    record = json.loads((folder / "out" / ".run.json").read_text())
    (folder / "out" / ".run.json").write_text(json.dumps({**record, "state": "running"}))
    assert plumbline(folder, "gate").returncode == 3
    (folder / "out" / ".run.json").write_text(json.dumps(record))
    verdict = (folder / "out" / "verdict.json").read_text()
    (folder / "out" / "verdict.json").write_text(verdict.replace('"as_of": "2026', '"as_of": "2025'))
    assert plumbline(folder, "gate").returncode == 3


def test_gaps_come_as_an_array_for_machines_and_as_a_list_for_people(results, lines):
    folder = results("story")
    done = plumbline(folder, "gaps", "list", "--all", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == lines("story").register["gaps"]
    shown = plumbline(folder, "gaps", "list", "--config", "plumbline.yml").stdout
    open_ = {gap["gap_id"]: gap["severity"] for gap in lines("story").gaps}
    assert {gap_id for gap_id in open_ if gap_id in shown} == {
        g for g, severity in open_.items() if severity != "info"
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_shows_how_it_is_used(command):
    done = plumbline(ROOT, *command.split(), "--help")
    assert done.returncode == 0
    assert f"Example: plumbline {command}" in " ".join(done.stdout.split())
