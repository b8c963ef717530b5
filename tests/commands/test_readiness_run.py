"""plumbline run --readiness: what it asks beforehand, what it tells the line, and that the next run is none."""

import os
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from dagster_pipeline.cli import cli
from dagster_pipeline.commands import run as run_module
from dagster_pipeline.commands.run import DryRunRequest, run
from dagster_pipeline.defs.resources import PlumblineRun, is_readiness_run, resources
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.register.dry_runs import DryRun

CONFIG = """
version: 1
warehouse: {engine: duckdb, path: warehouse.duckdb}
sources:
  requests: {from: requests.parquet, columns: {request_id: request_id, created_at: created_at}}
experiments:
  - {id: EXPERIMENT, unit: request, control: control, split: {control: 0.5, treatment: 0.5}}
"""
BRIEF = "brief: {criteria: [{metric: hire_rate_7d, min_delta: 0}]}\n"


def a_config(path, brief=BRIEF, experiment="quoting_v2"):
    path.write_text(CONFIG.replace("EXPERIMENT", experiment) + brief, encoding="utf-8")
    return path


@pytest.fixture
def line(monkeypatch):
    """Runs nothing, and keeps what the line would have been told."""
    told = []

    def execute(config, output, *, debug, as_of):
        found = resources(str(config), str(output))["plumbline"]
        told.append((found.is_readiness, found.recorded_for))

    for name in ("CONFIG", "OUTPUT", "STATE"):
        monkeypatch.setenv(f"PLUMBLINE_{name}", os.environ.get(f"PLUMBLINE_{name}", ""))
    for name in ("READINESS", "READINESS_FOR"):
        monkeypatch.delenv(f"PLUMBLINE_{name}", raising=False)
    monkeypatch.setattr(run_module, "_execute", execute)
    return told


def test_a_readiness_run_is_told_to_the_line_and_the_next_run_is_none(line, tmp_path):
    config = a_config(tmp_path / "plumbline.yml")
    run(config, tmp_path / "out", quiet=True, readiness=DryRunRequest())
    run(config, tmp_path / "out", quiet=True)
    assert line == [(True, ""), (False, "")]


def test_a_run_told_by_the_environment_to_be_a_dry_run_is_one(line, tmp_path, monkeypatch):
    monkeypatch.setenv("PLUMBLINE_READINESS", "1")
    run(a_config(tmp_path / "plumbline.yml"), tmp_path / "out", quiet=True)
    assert line == [(True, "")]
    assert os.environ["PLUMBLINE_READINESS"] == "1"


def test_a_dry_run_may_be_for_another_configuration(line, tmp_path):
    staging, production = a_config(tmp_path / "staging.yml"), a_config(tmp_path / "plumbline.yml")
    run(staging, tmp_path / "out", quiet=True, readiness=DryRunRequest(production))
    assert line == [(True, str(production))]
    told = PlumblineRun(
        config_path=str(staging), output="out", is_readiness=True, recorded_for=str(production)
    )
    assert told.dry_run_journal == tmp_path / "plumbline.journal.jsonl"


@pytest.mark.parametrize("brief", ["", BRIEF.replace("{criteria", "{experiment: another, criteria")])
def test_without_a_launch_to_be_ready_for_nothing_is_run(line, tmp_path, brief):
    production = a_config(tmp_path / "plumbline.yml")
    experiment = "another" if brief else "quoting_v2"
    staging = a_config(tmp_path / "staging.yml", brief, experiment)
    with pytest.raises(PlumblineError, match="no launch to be ready for"):
        run(staging, tmp_path / "out", quiet=True, readiness=DryRunRequest(production))
    assert line == []


def test_where_the_journal_is_broken_nothing_is_run(line, tmp_path):
    config = a_config(tmp_path / "plumbline.yml")
    (tmp_path / "plumbline.journal.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(NotEvaluatedError, match="line 1"):
        run(config, tmp_path / "out", quiet=True, readiness=DryRunRequest())
    assert line == []


@pytest.mark.parametrize(
    ("value", "expected"), [("", False), ("0", False), ("1", True), ("true", True), ("?", True)]
)
def test_what_the_environment_says_is_read_on_the_safe_side(monkeypatch, value, expected):
    monkeypatch.setenv("PLUMBLINE_READINESS", value)
    assert is_readiness_run() is expected


def test_for_goes_with_readiness_only(tmp_path):
    result = CliRunner().invoke(cli, ["run", "--for", str(a_config(tmp_path / "plumbline.yml"))], obj={})
    assert result.exit_code == 2
    assert "--for goes with --readiness" in result.output


def test_what_a_dry_run_came_to_is_printed_with_its_reasons():
    at = datetime(2026, 10, 1, tzinfo=UTC)
    red = DryRun("run-1", at, "quoting_v2", None, False, ("The source \x1bquotes is missing.",), 12, 9, at)
    assert run_module._dry_run_line(red).splitlines() == [
        "Dry run for quoting_v2: not green; 9 of 12 critical fields watched.",
        "  The source �quotes is missing.",
    ]
