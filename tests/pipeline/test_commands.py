"""The commands as a newcomer meets them, each in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from line import plumbline

from dagster_pipeline.config.loader import load_config

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "init", "discover", "run", "gate", "gaps list", "gaps show", "report", "serve")


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


@pytest.mark.matrix
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


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_shows_how_it_is_used(command):
    done = plumbline(ROOT, *command.split(), "--help")
    assert done.returncode == 0
    assert f"Example: plumbline {command}" in " ".join(done.stdout.split())
