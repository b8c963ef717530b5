"""A waiver or a resolution decides the last run again at once, from what it left; an act never makes a file that lies."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dagster_pipeline.commands import deciding_again
from dagster_pipeline.commands.verify import check_output
from dagster_pipeline.engines.storage import RunLock
from dagster_pipeline.gate.verdict_file import check
from dagster_pipeline.register.decision_log import RecordedRun
from dagster_pipeline.report.documents import schema
from dagster_pipeline.report.files import begin_run
from dagster_pipeline.report.run_record import changed_files, finished_run
from tests.commands.triage_cases import EXPERIMENT, OUT, SAYS, WAIVED, journal, leave_a_run, plumbline, read

HEAVY = {"dagster", "dbt", "great_expectations", "pandas", "duckdb", "sqlalchemy"}
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


@pytest.fixture
def gaps():
    return leave_a_run()


def accept(gap_id, expires="14d"):
    found = plumbline("gaps", "accept", gap_id, *WAIVED, "--expires", expires)
    assert found.exit_code == 0, found.output
    return found


def verdict():
    return read("verdict.json")["verdict"]


def files():
    return {path: path.read_bytes() for path in OUT.rglob("*") if path.is_file()}


def test_a_waiver_turns_the_hold_it_caused_into_a_go(gaps):
    assert verdict() == "HOLD"
    found = accept(gaps[0])
    assert f"Verdict on {EXPERIMENT}: HOLD → GO. GO: all 3 demands" in found.stdout
    document = read("verdict.json")
    assert document["verdict"] == "GO"
    assert [waiver["gap_id"] for waiver in document["waivers"]] == [gaps[0]]
    assert gaps[0] not in document["blocked_by"]
    assert any(f"Gap {gaps[0]} is waived until" in reason for reason in document["reasons"])
    Draft202012Validator(schema("verdict")).validate(document)


def test_a_word_makes_no_old_run_a_new_one(gaps):
    before = read("verdict.json")
    accept(gaps[0])
    after = read("verdict.json")
    assert after["verdict"] != before["verdict"]
    assert (after["as_of"], after["evaluated_at"]) == (before["as_of"], before["evaluated_at"])


def test_the_waiver_lets_the_launch_through_until_it_ends(gaps):
    accept(gaps[0], "2d")
    now = datetime.now(UTC)
    assert check(OUT, EXPERIMENT, now=now).exit_code == 0
    late = check(OUT, EXPERIMENT, now=now + timedelta(days=2, seconds=5))
    assert late.exit_code == 1
    assert any(f"The waiver of gap {gaps[0]} expired" in line for line in late.lines)


def test_every_file_of_the_run_says_the_same_afterwards(gaps):
    accept(gaps[0])
    record = finished_run(OUT)
    assert list(changed_files(OUT, record["files"])) == []
    register = {gap["gap_id"]: gap for gap in read("register.json")["gaps"]}
    assert register[gaps[0]]["status"] == "accepted"
    assert register[gaps[0]]["lifecycle"]["waiver"]["approver"] == "Mo Diallo"
    rows = {
        row["gap_id"]: row for row in csv.DictReader((OUT / "register.csv").read_text("utf-8").splitlines())
    }
    assert rows[gaps[0]]["status"] == "accepted"
    assert "GO" in (OUT / "summary.md").read_text("utf-8").split("HOLD")[0]
    page = (OUT / "report" / "index.html").read_text("utf-8")
    assert "could turn the answer" not in page
    assert "all 3 demands of the brief hold" in page.lower()


def test_verify_finds_the_folder_as_whole_as_before(gaps):
    runs = (RecordedRun(finished_run(OUT)["run_id"], (EXPERIMENT,)),)
    before = check_output(OUT, (), runs).faults
    accept(gaps[0])
    assert check_output(OUT, (), runs).faults == before
    (OUT / "verdict.json").write_text("{}", encoding="utf-8")
    assert len(check_output(OUT, (), runs).faults) == len(before) + 1


def test_what_would_turn_the_verdict_is_asked_again(gaps):
    accept(gaps[0])
    (section,) = read("decision.json")["experiments"]
    assert section["changes"] == []
    plumbline("gaps", "reopen", gaps[0], *SAYS)
    (section,) = read("decision.json")["experiments"]
    assert [change["what"] for change in section["changes"]] == [[gaps[0]]]


@pytest.mark.parametrize("command", ["resolve", "false-positive"])
def test_a_resolution_decides_too_and_taking_it_back_restores_the_hold(gaps, command):
    before = read("verdict.json")
    assert "HOLD → GO" in plumbline("gaps", command, gaps[0], *SAYS).stdout
    assert read("verdict.json")["waivers"] == []
    assert "GO → HOLD" in plumbline("gaps", "reopen", gaps[0], *SAYS).stdout
    after = read("verdict.json")
    assert {**after, "evaluated_at": None} == {**before, "evaluated_at": None}


def test_an_act_that_moves_no_verdict_leaves_its_date_alone(gaps):
    """Seeing a gap must not make an old verdict look new."""
    before = files()
    plumbline("gaps", "acknowledge", gaps[0], *SAYS)
    plumbline("gaps", "assign", gaps[0], "--to", "Ops", *SAYS)
    assert files() == before


def test_acts_one_after_the_other_add_up(gaps):
    plumbline("gaps", "assign", gaps[0], "--to", "Ops", *SAYS)
    plumbline("gaps", "resolve", gaps[1], *SAYS)
    accept(gaps[0])
    register = {gap["gap_id"]: gap for gap in read("register.json")["gaps"]}
    assert (register[gaps[0]]["owner"], register[gaps[0]]["status"]) == ("Ops", "accepted")
    assert register[gaps[1]]["status"] == "resolved"
    assert verdict() == "GO"
    listed = json.loads(plumbline("gaps", "list", "--all", "--json").stdout)
    assert {gap["gap_id"]: gap for gap in listed} == register


def test_the_new_verdict_is_put_on_record_with_the_act_it_rests_on(gaps):
    accept(gaps[0])
    act, note = journal()
    assert (note.kind, note.by, note.experiment) == ("decision_noted", "Bo Li", EXPERIMENT)
    assert (note.content["before"], note.content["verdict"]) == ("HOLD", "GO")
    assert note.content["because"] == [{"act": "gap_accepted", "gap_id": gaps[0], "entry": act.digest}]


def test_a_verdict_that_stays_is_not_noted(gaps):
    found = plumbline("gaps", "resolve", gaps[1], *SAYS)
    assert f"Verdict on {EXPERIMENT} stays HOLD." in found.stdout
    assert [entry.kind for entry in journal()] == ["gap_resolved"]


# --- what can't be decided again is recorded all the same ---------------------------------------------


def recorded_only(gap_id, says):
    """The act is on record, no file is touched, and the command ends well and says why the verdict stays."""
    before = files()
    found = accept(gap_id)
    assert "The verdict stays as it is until the next run:" in found.stderr
    assert says in found.stderr
    assert [entry.kind for entry in journal()] == ["gap_accepted"]
    assert files() == before


@pytest.mark.parametrize("name", ["verdict.json", ".state.json", "metrics.json", "report/index.html"])
def test_a_file_that_is_not_what_the_run_wrote_is_not_decided_on(gaps, name):
    path = OUT / name
    path.write_bytes(path.read_bytes() + b" ")
    recorded_only(gaps[0], "is not the file the run wrote")


@pytest.mark.parametrize("name", [".state.json", ".run.json", "summary.md"])
def test_a_file_that_is_gone_is_not_made_up(gaps, name):
    (OUT / name).unlink()
    recorded_only(gaps[0], name)


def test_a_run_that_is_going_on_decides_itself(gaps):
    begin_run(OUT, "another")
    recorded_only(gaps[0], "still going or was interrupted")


def test_nobody_writes_beside_a_run_that_holds_the_warehouse(gaps, monkeypatch):
    monkeypatch.setattr(deciding_again, "_WAIT_SECONDS", 0)
    Path(".plumbline").mkdir()
    lock = RunLock(Path(".plumbline/warehouse.duckdb").absolute(), "nightly")
    lock.acquire(0)
    recorded_only(gaps[0], "in use by run nightly")
    lock.release()


def test_an_old_run_gets_no_new_date(folder):
    gap_ids = leave_a_run(ago=timedelta(days=7, minutes=1))
    recorded_only(gap_ids[0], "the run is 7.0 days old, and the brief accepts 7")


def test_a_run_that_could_not_read_the_journal_is_not_decided_again(folder):
    recorded_only(leave_a_run(journal=None)[0], "The last run could not read the journal")


def test_a_rehearsal_stays_a_hold_whatever_is_waived(folder):
    gap_ids = leave_a_run(rehearsal="a dry run decides nothing")
    assert "stays HOLD. HOLD: a dry run decides nothing." in accept(gap_ids[0]).stdout


def test_an_interrupted_rewriting_blocks_the_gate(gaps, monkeypatch):
    """Half of the files new and half old is never taken for a run."""
    from dagster_pipeline.report import files as written  # the module that is made to fail

    whole, calls = written.write_atomically, []

    def failing(path, text):
        calls.append(path)
        if len(calls) == 4:
            raise deciding_again.PlumblineError("the disk is full")
        whole(path, text)

    monkeypatch.setattr(written, "write_atomically", failing)
    found = accept(gaps[0])
    assert "the disk is full" in found.stderr
    assert check(OUT, EXPERIMENT).exit_code == 3


def test_it_needs_neither_dagster_nor_dbt_nor_great_expectations(gaps):
    command = ["plumbline", "gaps", "accept", gaps[0], *WAIVED, "--expires", "9d"]
    program = f"import sys; sys.argv = {command!r}\n{PROGRAM_THAT_LISTS_ITS_MODULES}"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(json.loads(found.stdout.splitlines()[-1]))
    assert verdict() == "GO"
    assert not HEAVY & modules
