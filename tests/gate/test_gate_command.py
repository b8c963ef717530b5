"""``plumbline gate`` as somebody types it: exit code, lines, and how long it takes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from gate_cases import EXPERIMENT, hires, inputs, shaken, tickets, ttfq

from dagster_pipeline.cli import cli
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gate.brief_version import brief_status
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import to_json

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
version: 1
warehouse: {{engine: duckdb, path: warehouse.duckdb}}
sources:
  requests: {{from: requests.parquet, columns: {{request_id: request_id, created_at: created_at}}}}
experiments:
  - {{id: {experiment}, control: control, split: {{control: 0.5, treatment: 0.5}}}}
brief:
  experiment: {experiment}
  criteria: [{{metric: quoted, min_delta: 0}}]
  {more}
"""
HEAVY = {"numpy", "scipy", "duckdb", "dagster", "dbt", "great_expectations", "pandas", "sqlalchemy"}
PROGRAM_THAT_LISTS_ITS_MODULES = """
import json, sys
from dagster_pipeline.cli import main
try:
    main()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluated(given, age=timedelta(minutes=5)):
    """The decision as if it had been made a while ago."""
    (Path("out")).mkdir(exist_ok=True)
    at = (datetime.now(UTC) - age).isoformat().replace("+00:00", "Z")
    Path("out/verdict.json").write_text(json.dumps(to_json(decide(given)) | {"evaluated_at": at}), "utf-8")


def configured(experiment=EXPERIMENT, more="question: Launch?"):
    Path("plumbline.yml").write_text(CONFIG.format(experiment=experiment, more=more), "utf-8")


def gate(*arguments):
    return CliRunner().invoke(cli, ["gate", *arguments])


def test_a_go_exits_0_and_a_hold_exits_1_with_its_reasons():
    evaluated(inputs())
    assert gate().exit_code == 0
    evaluated(shaken(Severity.HIGH))
    found = gate()
    assert found.exit_code == 1
    assert "HOLD: the estimates pass, but the open data gaps could turn the answer." in found.stdout


def a_run(given, state="finished", age=timedelta(minutes=5)):
    """The files of a run with the record of them, which is what the gate holds them to."""
    evaluated(given, age)
    Path("out/register.json").write_text('{"gaps": []}', "utf-8")
    names = ("verdict.json", "register.json")
    digests = {name: hashlib.sha256(Path("out", name).read_bytes()).hexdigest() for name in names}
    Path("out/.run.json").write_text(json.dumps({"state": state, "files": digests}), "utf-8")


def a_decided_brief():
    """decision.json as of the brief that plumbline.yml holds."""
    config = load_config(Path("plumbline.yml"))
    version = brief_status(config.briefs[0], config.metrics, (), ()).version
    section = {"experiment": EXPERIMENT, "brief": {"version": version}, "rollout": None}
    Path("out/decision.json").write_text(json.dumps({"experiments": [section]}), "utf-8")


def unsigned():
    configured(more="signature: required")
    evaluated(inputs())
    a_decided_brief()


def corrupted():
    a_run(inputs())
    Path("out/register.json").write_text('{"gaps": [{}]}', "utf-8")


def failing():
    a_run(inputs(answers=(ttfq(), hires(outcome=Outcome.FAILED), tickets())))


def stale():
    configured(more="max_age: 1h")
    evaluated(inputs(), timedelta(hours=2))
    a_decided_brief()


CASES = {
    "passing": (lambda: a_run(inputs()), (), 0),
    "failing criterion": (failing, (), 1),
    "blocker gap": (lambda: a_run(shaken(Severity.BLOCKER)), (), 1),
    "unsigned brief": (unsigned, (), 1),
    "stale run": (stale, (), 3),
    "missing verdict file": (lambda: None, (), 3),
    "corrupted register": (corrupted, (), 3),
    "unknown experiment": (lambda: a_run(inputs()), ("--experiment", "pricing"), 2),
    "interrupted run": (lambda: a_run(inputs(), "running"), (), 3),
}


@pytest.mark.parametrize(("given", "arguments", "code"), CASES.values(), ids=CASES)
def test_the_exit_code_says_go_blocked_wrong_or_not_evaluated(given, arguments, code):
    given()
    found = gate(*arguments)
    assert found.exit_code == code
    assert ("Allowed" in found.output) == (code == 0)


def test_a_signed_brief_passes_where_the_unsigned_did_not():
    unsigned()
    assert CliRunner().invoke(cli, ["brief", "sign", "--by", "Ada Chen"]).exit_code == 0
    assert gate().exit_code == 0


def test_a_partial_needs_the_stage_it_allows():
    evaluated(shaken(Severity.MEDIUM))
    assert gate().exit_code == 1
    assert gate("--stage", "10").exit_code == 0
    assert gate("--stage", "11").exit_code == 1
    assert gate("--stage", "0").exit_code == 2


def test_nothing_but_verdict_json_is_needed():
    evaluated(inputs())
    assert [path.name for path in Path("out").iterdir()] == ["verdict.json"]
    assert gate("--config", "nowhere.yml", "--experiment", EXPERIMENT).exit_code == 0


def test_without_results_it_exits_3_on_standard_error():
    found = gate("--output", "nowhere")
    assert found.exit_code == 3
    assert found.stdout == ""
    assert "plumbline run" in found.stderr


def test_an_unknown_experiment_exits_2():
    evaluated(inputs())
    assert gate("--experiment", "other").exit_code == 2
    configured()
    assert gate("--experiment", "other").exit_code == 2
    assert gate("--experiment", EXPERIMENT).exit_code == 0


@pytest.mark.parametrize("text", ["", "version: [", "- a list", "version: 2\n", "version: 1\nsecret: x\n"])
def test_a_configuration_that_can_not_be_used_exits_2(text):
    evaluated(inputs())
    Path("plumbline.yml").write_text(text, "utf-8")
    found = gate("--json")
    assert found.exit_code == 2
    assert json.loads(found.stdout)["allowed"] is False


def test_a_results_folder_of_another_project_exits_3():
    evaluated(inputs())
    configured(experiment="another")
    assert gate().exit_code == 3


def test_the_brief_says_how_old_a_verdict_may_be_and_the_option_overrides_it():
    evaluated(inputs(), timedelta(hours=30))
    assert gate().exit_code == 0
    configured(more="max_age: 24h")
    assert gate().exit_code == 3
    assert gate("--max-age", "2d").exit_code == 0
    assert gate("--max-age", "1h").exit_code == 3


@pytest.mark.parametrize("age", ["", "soon", "0h", "-1d", "24"])
def test_an_age_that_is_none_exits_2(age):
    evaluated(inputs())
    found = gate("--max-age", age)
    assert found.exit_code == 2
    assert "24h" in found.stderr or "zero" in found.stderr


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        (inputs(), ()),
        (shaken(Severity.HIGH), ()),
        (shaken(Severity.MEDIUM), ("--stage", "5")),
        (inputs(), ("--experiment", "x")),
    ],
)
def test_json_says_what_the_exit_code_says(given, arguments):
    evaluated(given)
    found = gate("--json", *arguments)
    answer = json.loads(found.stdout)
    assert answer["exit_code"] == found.exit_code
    assert answer["allowed"] is (found.exit_code == 0)
    assert answer["lines"]


def test_a_terminal_without_a_minus_sign_gets_its_answer_too():
    evaluated(shaken(Severity.HIGH))
    done = in_a_process("--output", "out", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_the_gate_loads_nothing_that_computes_and_answers_well_within_a_second():
    evaluated(inputs())
    configured()
    done = in_a_process(program=PROGRAM_THAT_LISTS_ITS_MODULES)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])) & HEAVY == set()

    took = min(_seconds() for _ in range(3))

    # 0.3 s where bytecode is at hand; compiling every import afresh on a busy machine must still end in time.
    assert took < 2


def _seconds():
    started = time.monotonic()
    assert in_a_process().returncode == 0
    return time.monotonic() - started


def in_a_process(*arguments, program="from dagster_pipeline.cli import main; main()", **environment):
    command = [sys.executable, "-c", program, "gate", *arguments]
    path = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=path | environment, capture_output=True, timeout=60, check=False)
