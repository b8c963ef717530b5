"""verify, decisions and dissent on a real warehouse file: what is whole, what was touched, what is on record."""

import hashlib
import json
import shutil
from datetime import timedelta

import duckdb
import pytest

from dagster_pipeline.commands.decisions import decisions
from dagster_pipeline.commands.dissent import dissent
from dagster_pipeline.commands.verify import verify
from dagster_pipeline.errors import ConfigError, NotEvaluatedError, PlumblineError
from dagster_pipeline.register.decision_log import append_decisions, read_log
from dagster_pipeline.register.journal import journal_path, read_journal
from dagster_pipeline.register.store import RunRecord, append_run, prepare
from dagster_pipeline.report.decision_log import decision_log_markdown
from tests.register.log_cases import AS_OF, AT, EXPERIMENT, a_record

CONFIG = """
version: 1
warehouse: {engine: duckdb, path: warehouse.duckdb}
sources:
  requests: {from: requests.parquet, columns: {request_id: request_id, created_at: created_at}}
experiments:
  - {id: quoting_v2, unit: request, control: control, split: {control: 0.5, treatment: 0.5}}
"""


class Project:
    """A configuration with its warehouse, journal and output, as two runs left them."""

    def __init__(self, folder):
        self.config, self.output = folder / "plumbline.yml", folder / "out"
        self.warehouse, self.journal = folder / "warehouse.duckdb", journal_path(self.config)

    def begin(self):
        self.config.write_text(CONFIG, encoding="utf-8")
        self.output.mkdir()
        self.run(1)
        dissent(self.config, "Bo Lind", "The guardrail is too wide.", None)
        self.run(2)

    def run(self, number):
        run_id, at = f"run-{number}", AT + timedelta(days=number)
        with duckdb.connect(str(self.warehouse)) as session:
            prepare(session)
            journal = read_journal(self.journal)
            append_decisions(session, run_id, at, [a_record(run_id=run_id, journal=journal)], journal)
            append_run(session, RunRecord(run_id, AS_OF, at, (), verdicts={EXPERIMENT: "HOLD"}))
            log = decision_log_markdown(read_log(session))
        self.leave(run_id, {"verdict.json": "{}\n", "decision-log.md": log})

    def leave(self, run_id, files):
        for name, text in files.items():
            (self.output / name).write_text(text, encoding="utf-8")
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
        self.record({"state": "finished", "run_id": run_id, "files": digests})

    def record(self, content):
        (self.output / ".run.json").write_text(json.dumps(content), encoding="utf-8")

    def sql(self, statement):
        with duckdb.connect(str(self.warehouse)) as session:
            session.execute(statement)

    def verify(self):
        return verify(self.config, self.output)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    Project(folder).begin()
    return folder


@pytest.fixture
def project(tmp_path, written):
    return Project(shutil.copytree(written, tmp_path / "project"))


def test_what_was_only_appended_is_whole_and_counted(project, capsys):
    capsys.readouterr()
    assert project.verify() == 0
    first, second, third, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Decision log: 3 entries of 2 runs; the last is entry 3, digest ")
    assert second == "Journal: 1 entry in plumbline.journal.jsonl, 1 copied into the log"
    assert third.startswith("Output folder: 2 files of run run-2 in ")
    assert last == "Whole."


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            "update decision_log set document = replace(document, 'HOLD', 'GO') where entry_number = 1",
            "Entry 1 ",
        ),
        ("update decision_log set title = 'x' where entry_number = 3", "Entry 3 "),
        (
            "update decision_log set entry_at = entry_at + interval 1 microsecond where entry_number = 2",
            "Entry 2 ",
        ),
        ("update decision_log set digest = null where entry_number = 1", "Entry 1 "),
        ("delete from decision_log where entry_number = 1", "entry 1 belongs"),
        ("delete from decision_log where entry_number = 3", "run run-2"),
        ("insert into decision_log select * from decision_log where entry_number = 3", "entry 4 belongs"),
        ("update decision_log set entry_number = 5 - entry_number where entry_number > 1", "Entry 2 "),
    ],
)
def test_what_was_changed_by_sql_is_found_with_its_entry(project, capsys, statement, named):
    project.sql(statement.replace("decision_log", "plumbline_register.decision_log", 2))
    assert project.verify() == 3
    out = capsys.readouterr().out
    assert named in out
    assert "Whole." not in out


@pytest.mark.parametrize(
    "statement",
    [
        "delete from plumbline_register.decision_log",
        "drop table plumbline_register.decision_log",
        "drop schema plumbline_register cascade",
        "alter table plumbline_register.decision_log drop column digest",
        "update plumbline_register.runs set verdicts = '{'",
    ],
)
def test_an_empty_absent_or_unreadable_log_is_never_whole(project, statement):
    project.sql(statement)
    with pytest.raises(NotEvaluatedError):
        project.verify()


def test_without_a_warehouse_there_is_nothing_to_verify(project):
    project.warehouse.unlink()
    with pytest.raises(NotEvaluatedError, match="no warehouse"):
        project.verify()


def test_a_warehouse_that_is_none_is_said(project):
    project.warehouse.write_bytes(b"not a database" * 100)
    with pytest.raises(PlumblineError) as raised:
        project.verify()
    assert raised.value.exit_code == 3


def test_a_line_taken_out_of_the_journal_is_found(project, capsys):
    dissent(project.config, "Cy", "Too early.", EXPERIMENT)
    lines = project.journal.read_text("utf-8").splitlines(keepends=True)
    project.journal.write_text(lines[1], encoding="utf-8")
    assert project.verify() == 3
    assert "plumbline.journal.jsonl, line 1" in capsys.readouterr().out
    project.journal.write_text("", encoding="utf-8")
    assert project.verify() == 3
    assert "copies entry 1 of the journal, which is no longer there" in capsys.readouterr().out
    project.journal.unlink()
    assert project.verify() == 3


def test_a_changed_line_of_the_journal_is_found(project, capsys):
    project.journal.write_text(project.journal.read_text("utf-8").replace("wide", "fine"), encoding="utf-8")
    assert project.verify() == 3
    assert "its hash differs" in capsys.readouterr().out


def test_an_act_that_no_run_has_copied_yet_is_no_fault(project):
    dissent(project.config, "Cy", "Too early.", None)
    assert project.verify() == 0


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (
            lambda p: (p.output / "verdict.json").write_text('{"verdict": "GO"}'),
            "verdict.json is not the file",
        ),
        (lambda p: (p.output / "verdict.json").unlink(), "verdict.json is missing"),
        (lambda p: (p.output / ".run.json").unlink(), ".run.json does not exist"),
        (lambda p: (p.output / ".run.json").write_text("{"), ".run.json is corrupt"),
        (lambda p: p.record({"state": "running", "run_id": "run-3"}), "interrupted"),
        (lambda p: p.record({"state": "finished", "run_id": "run-2", "files": {}}), "lists no files"),
        (lambda p: p.record([]), "no JSON object"),
        (lambda p: p.leave("run-1", {"verdict.json": "{}"}), "the last run in the warehouse is run-2"),
        (lambda p: p.leave("run-2", {"decision-log.md": "# Decision log\n"}), "not in the decision log"),
        (
            lambda p: p.record({"state": "finished", "run_id": "run-2", "files": {"../plumbline.yml": "00"}}),
            "not in the folder",
        ),
    ],
)
def test_an_output_folder_that_is_not_the_last_run_s_is_not_whole(project, capsys, tamper, named):
    tamper(project)
    assert project.verify() == 3
    assert named in capsys.readouterr().out


def test_a_log_written_anew_from_the_start_is_given_away_by_its_export(project, capsys):
    project.sql("delete from plumbline_register.decision_log")
    with duckdb.connect(str(project.warehouse)) as session:
        for number in (1, 2):
            run_id, at = f"run-{number}", AT + timedelta(days=number)
            journal = read_journal(project.journal) if number == 2 else ()
            append_decisions(session, run_id, at, [a_record(run_id=run_id)], journal)
    assert project.verify() == 3
    assert "ends with an entry that is not in the decision log" in capsys.readouterr().out


def test_a_configuration_that_can_not_be_used_is_wrong_usage(project):
    project.config.write_text("version: 2", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        project.verify()
    assert raised.value.exit_code == 2


# --- decisions ---------------------------------------------------------------------------------


def test_the_log_is_printed_as_markdown_and_as_json(project, capsys):
    capsys.readouterr()
    assert decisions(project.config, as_json=False) == 0
    assert capsys.readouterr().out == (project.output / "decision-log.md").read_text("utf-8")
    assert decisions(project.config, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["kind"] for entry in found] == ["decision", "dissent", "decision"]
    assert found[0]["document"]["decision"]["verdict"] == "HOLD"
    assert found[1]["previous_digest"] == found[0]["digest"]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_broken_log_is_printed_and_said_to_be_broken(project, capsys, as_json):
    project.sql("update plumbline_register.decision_log set document = '{' where entry_number = 1")
    assert decisions(project.config, as_json=as_json) == 3
    assert "BROKEN: Entry 1 (decision)" in capsys.readouterr().err


# --- dissent -----------------------------------------------------------------------------------


def test_an_objection_is_on_record_with_who_made_it(project, capsys):
    dissent(project.config, " Cy\x1b[2J ", "  Too early.\n", None)
    entry = read_journal(project.journal)[-1]
    assert (entry.kind, entry.experiment, entry.content) == ("dissent", EXPERIMENT, {"text": "Too early."})
    out = capsys.readouterr().out
    assert "Recorded as entry 2 of plumbline.journal.jsonl" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("by", "text", "experiment", "named"),
    [
        ("Cy", "x", "another", "not configured"),
        ("Cy", "  ", None, "--text"),
        ("  ", "x", None, "Nobody is named"),
    ],
)
def test_an_objection_by_nobody_of_nothing_or_to_nothing_is_refused(project, by, text, experiment, named):
    with pytest.raises(PlumblineError, match=named) as raised:
        dissent(project.config, by, text, experiment)
    assert raised.value.exit_code == 2
    assert len(read_journal(project.journal)) == 1
