"""outcome record and show, decisions close: what goes on record, what is refused, and what it is held against."""

import json
import shutil
import sys
from datetime import timedelta

import duckdb
import pytest

from dagster_pipeline import cli
from dagster_pipeline.register.decision_log import append_decisions
from dagster_pipeline.register.journal import journal_path, read_journal
from dagster_pipeline.register.store import RunRecord, append_run, prepare
from tests.register.log_cases import AS_OF, AT, EXPERIMENT, a_record, a_verdict

CONFIG = """
version: 1
warehouse: {engine: duckdb, path: warehouse.duckdb}
sources:
  requests: {from: requests.parquet, columns: {request_id: request_id, created_at: created_at}}
experiments:
  - {id: quoting_v2, unit: request, control: control, split: {control: 0.5, treatment: 0.5}}
"""
TICKETS = "support_tickets_per_100_requests"
RECORD = (
    *("outcome", "record", "--experiment", EXPERIMENT, "--metric", TICKETS, "--variant", "treatment"),
    *("--value", "0.04", "--source", "holdout", "--by", "Ada Chen"),
)
CLOSE = ("decisions", "close", "--action", "replay the lost events", "--by", "Ada Chen")


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """A project whose last run said GO."""
    folder = tmp_path_factory.mktemp("launched")
    (folder / "plumbline.yml").write_text(CONFIG, encoding="utf-8")
    with duckdb.connect(str(folder / "warehouse.duckdb")) as session:
        prepare(session)
        append_decisions(session, "run-1", AT, [a_record(a_verdict("GO"))], [])
        append_run(session, RunRecord("run-1", AS_OF, AT, (), verdicts={EXPERIMENT: "GO"}))
    return folder


@pytest.fixture
def project(tmp_path, launched, monkeypatch):
    folder = shutil.copytree(launched, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def told(monkeypatch, capsys):
    """The exit code of a command, and all that it printed."""

    def ended(*arguments):
        monkeypatch.setattr(sys, "argv", ["plumbline", *arguments])
        monkeypatch.setattr(cli.gc, "disable", lambda: None)
        try:
            cli.main()
            code = 0
        except SystemExit as ending:
            code = ending.code or 0
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return ended


def entries(project):
    return read_journal(journal_path(project / "plumbline.yml"))


def test_a_realised_effect_goes_on_record_and_is_shown_beside_its_forecast(project, told):
    code, said = told(*RECORD)
    assert (code, "Recorded as entry 1 of plumbline.journal.jsonl" in said) == (0, True)
    (entry,) = entries(project)
    assert (entry.kind, entry.by, entry.experiment, entry.content["value"]) == (
        "realised",
        "Ada Chen",
        EXPERIMENT,
        0.04,
    )
    code, said = told("outcome", "show")
    assert code == 0
    assert (
        "forecast 0.031 by the GO of 2026-11-06; off by 0.009; inside the interval [-0.044, 0.106]; inside"
        in said
    )
    _, shown = told("outcome", "show", "--json")
    (found,) = json.loads(shown)
    assert (found["inside_interval"], found["inside_region"], found["forecast"]["run_id"]) == (
        True,
        True,
        "run-1",
    )


def test_an_effect_measured_before_the_launch_has_no_forecast(project, told):
    told(*RECORD, "--on", f"{AT - timedelta(days=1):%Y-%m-%d}")
    assert "No GO or PARTIAL was decided" in told("outcome", "show")[1]


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--experiment", "search_v1", "there are: quoting_v2"),
        ("--metric", "hire_rate_9d", "hire_rate_7d"),
        ("--variant", "control", "there are: treatment"),
        ("--value", "nan", "finite"),
        ("--value", "much", "--value"),
        ("--source", " ", "source"),
        ("--by", " ", "Nobody is named"),
        ("--on", "2126-01-01", "future"),
        ("--on", "someday", "--on"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_entry(project, told, option, value, named):
    code, said = told(*RECORD, option, value)
    assert (code, named in said) == (2, True), said
    assert entries(project) == ()


def test_before_anything_is_on_record_it_says_how(project, told):
    code, said = told("outcome", "show")
    assert (code, "plumbline outcome record" in said) == (0, True)


def test_an_action_of_a_decision_is_closed_once(project, told):
    code, said = told(*CLOSE)
    assert (code, "Replay the lost events is done" in said) == (0, True)
    (entry,) = entries(project)
    assert (entry.kind, entry.content["action"]) == ("action_closed", "Replay the lost events")
    code, said = told(*CLOSE)
    assert (code, "was closed on" in said) == (2, True)
    assert len(entries(project)) == 1


def test_an_action_that_no_decision_lists_is_refused_with_those_there_are(project, told):
    code, said = told("decisions", "close", "--action", "Replay everything", "--by", "Ada Chen")
    assert (code, "known: 'Replay the lost events'" in said) == (2, True)
    assert entries(project) == ()


def test_without_a_log_no_action_is_known(project, told):
    (project / "warehouse.duckdb").unlink()
    code, said = told(*CLOSE)
    assert (code, "plumbline run" in said) == (3, True)


def test_decisions_alone_still_prints_the_log(project, told):
    code, said = told("decisions")
    assert (code, "Expand the new quoting workflow" in said) == (0, True)
