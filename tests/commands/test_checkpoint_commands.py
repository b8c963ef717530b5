"""risks and digest: as things stand now, with what people did since the run, and never silent about what can't be read."""

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.store import RunRecord, append_run, prepare
from tests.commands.triage_cases import CONFIG, OUT, SAYS, WAIVED, leave_a_run, plumbline, read

WAREHOUSE = ".plumbline/warehouse.duckdb"
# The stored verdict names no version of a brief, so that the gate refuses it beside a configuration that has one.
BRIEF = """brief:
  experiment: quoting_v2
  criteria: [{metric: hire_rate_7d, min_delta: 0}]
  max_age: 7d
"""


@pytest.fixture
def gap_ids(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return leave_a_run()


def printed(*arguments):
    found = plumbline(*arguments)
    assert found.exit_code == 0, found.output
    return found.output


def machine(*arguments):
    return json.loads(printed(*arguments, "--json"))


def a_warehouse(folder, *events):
    (folder / ".plumbline").mkdir()
    with duckdb.connect(str(folder / WAREHOUSE)) as session:
        prepare(session)
        now = datetime.now(UTC)
        append_run(session, RunRecord("earlier", now, now, (), events))


# --- risks ---------------------------------------------------------------------------------------


def test_the_risks_are_the_open_gaps_with_figures_for_machines(gap_ids):
    document = machine("risks")
    assert (document["schema_version"], document["fault"]) == (1, None)
    first, second = document["risks"]
    assert (first["gap_id"], first["likelihood"], first["delta_star"]) == (gap_ids[0], "likely", 0.7)
    assert (first["impact"]["metric"], first["impact"]["lower"]) == ("hire_rate_7d", -0.01)
    assert first["owner"] == "Experimentation"
    assert 20 < first["age_hours"] < 22
    assert (second["gap_id"], second["likelihood"], second["impact"]) == (gap_ids[1], "cannot be said", None)


def test_what_people_did_since_the_run_stands_in_the_risks(gap_ids):
    printed("gaps", "accept", gap_ids[0], *WAIVED, "--expires", "5d")
    printed("gaps", "resolve", gap_ids[1], *SAYS)
    assert [(risk["gap_id"], risk["status"]) for risk in machine("risks")["risks"]] == [
        (gap_ids[0], "accepted")
    ]
    assert "waived until" in printed("risks")


def test_the_risks_are_markdown_for_people(gap_ids):
    text = printed("risks")
    assert text.startswith("# Risk register\n\n2 open gaps above info, 0 late")
    assert "| High: Variant unknown, quotes.variant (open)." in text


def test_a_run_writes_both_files_and_a_decision_taken_again_writes_them_anew(gap_ids):
    assert (OUT / "risk-register.md").read_text("utf-8").startswith("# Risk register\n\n2 open gaps")
    assert gap_ids[0] in (OUT / "digest.md").read_text("utf-8")
    printed("gaps", "resolve", gap_ids[0], *SAYS)
    assert (OUT / "risk-register.md").read_text("utf-8").startswith("# Risk register\n\n1 open gap ")
    digest = (OUT / "digest.md").read_text("utf-8")
    assert "- High, Variant unknown in quotes.variant" in digest
    assert ": resolved by Bo Li\n" in digest


@pytest.mark.parametrize(
    ("name", "content"),
    [("register.json", None), ("register.json", "[]"), ("verdict.json", None), ("verdict.json", "{"),
     ("decision.json", None), ("decision.json", '{"experiments": 5}'), ("verdict.json", '{"experiment": "x"}')],
)  # fmt: skip
def test_risks_of_a_run_that_can_not_be_read_are_not_an_empty_list(gap_ids, name, content):
    (OUT / name).unlink() if content is None else (OUT / name).write_text(content, encoding="utf-8")
    found = plumbline("risks", "--json")
    assert (found.exit_code != 0, found.output) == (True, "")
    assert getattr(found.exception, "exit_code", None) == 3


# --- digest --------------------------------------------------------------------------------------


def test_the_digest_tells_what_the_gate_says_now(gap_ids):
    CONFIG.write_text(CONFIG.read_text("utf-8").replace(BRIEF, ""), encoding="utf-8")
    (block,) = (one for one in machine("digest")["blocks"] if one["experiment"] == "quoting_v2")
    assert (block["verdict"], block["is_blocked"], block["blocked_by"]) == ("HOLD", True, [gap_ids[0]])
    printed("gaps", "accept", gap_ids[0], *WAIVED, "--expires", "5d")
    (block,) = (one for one in machine("digest")["blocks"] if one["experiment"] == "quoting_v2")
    assert (block["verdict"], block["is_blocked"]) == ("GO", False)


def test_an_experiment_without_a_verdict_and_a_changed_verdict_block(gap_ids):
    blocks = {one["experiment"]: one for one in machine("digest")["blocks"]}
    assert (blocks["other"]["verdict"], blocks["other"]["is_blocked"]) == (None, True)
    document = read("verdict.json") | {"verdict": "GO", "blocked_by": []}
    (OUT / "verdict.json").write_text(json.dumps(document), encoding="utf-8")
    blocks = machine("digest")["blocks"]
    assert [one["verdict"] for one in blocks] == [None, None]
    assert "nothing may go ahead" in printed("digest")


def test_the_digest_holds_what_the_last_day_brought_and_each_act_once(gap_ids, tmp_path):
    now = datetime.now(UTC)
    a_warehouse(
        tmp_path,
        GapEvent("earlier", now - timedelta(hours=25), gap_ids[1], EventKind.OPENED, None, "low"),
        GapEvent("earlier", now - timedelta(hours=2), gap_ids[0], EventKind.OPENED, None, "high"),
    )
    printed("gaps", "acknowledge", gap_ids[0], *SAYS)
    changed = machine("digest")["changed"]
    assert [(one["event"], one["gap_id"], one["by"]) for one in changed] == [
        ("opened", gap_ids[0], None), ("acknowledged", gap_ids[0], "Bo Li"),
    ]  # fmt: skip
    assert (changed[1]["before"], changed[1]["after"]) == ("open", "acknowledged")


def test_what_is_late_and_due_is_by_the_clock_of_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ids = leave_a_run(triage="{sla: {high: 15h, low: 30h}}")
    document = machine("digest")
    assert [one["gap_id"] for one in document["late"]] == [ids[0]]
    assert [one["gap_id"] for one in document["due"]] == [ids[1]]
    assert "late by 6 h" in printed("digest")


def test_a_warehouse_or_journal_that_can_not_be_read_is_said(gap_ids, tmp_path):
    (fault,) = machine("digest")["unknown"]
    assert "no warehouse here yet" in fault
    a_warehouse(tmp_path)
    assert machine("digest")["unknown"] == []
    (tmp_path / "plumbline.journal.jsonl").write_text("broken\n", encoding="utf-8")
    assert "What people did since the last run is not known" in printed("digest")


def test_without_a_register_there_is_no_digest(gap_ids):
    (OUT / "register.json").unlink()
    found = plumbline("digest")
    assert (found.output, found.exception.exit_code) == ("", 3)


def test_a_channel_no_message_reached_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leave_a_run()
    text = CONFIG.read_text("utf-8") + "alerts: {channels: [{name: pager, url_variable: PAGER}]}\n"
    CONFIG.write_text(text, encoding="utf-8")
    a_warehouse(tmp_path)
    assert machine("digest")["unknown"] == []
    told = "dagster_pipeline.alerts.dispatch.alert_faults"
    monkeypatch.setattr(told, lambda warehouse, alerts: (f"{alerts.channels[0].name} could not be told.",))
    assert "- pager could not be told." in printed("digest")
