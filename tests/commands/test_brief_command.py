"""brief, brief sign, brief --meeting: what they print, write, record and refuse."""

import hashlib
import json
import sys
from datetime import UTC, datetime

import pytest

from dagster_pipeline import cli
from dagster_pipeline.commands.brief import brief, sign
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.gate.brief_version import brief_document, brief_status
from dagster_pipeline.register.brief_history import BriefSeen
from dagster_pipeline.register.journal import journal_path, read_journal

CONFIG = """\
version: 1
warehouse: {engine: duckdb, path: nowhere/warehouse.duckdb}
sources:
  requests: {from: nowhere.csv, columns: {request_id: id, created_at: made}}
experiments:
  - {id: quoting_v2, control: control, split: {control: 0.5, treatment: 0.5}}
brief:
  question: Expand or hold?
  criteria: [{metric: hire_rate_7d, min_bound: -0.010}]
  signature: required
"""
TWO = """\
version: 1
warehouse: {engine: duckdb, path: nowhere/warehouse.duckdb}
sources:
  requests: {from: nowhere.csv, columns: {request_id: id, created_at: made}}
experiments:
  - {id: one, control: control, split: {control: 0.5, treatment: 0.5}}
  - {id: two, control: control, split: {control: 0.5, treatment: 0.5}}
brief:
  - {experiment: one, question: One or none?, criteria: [{metric: hire_rate_7d, min_bound: -0.010}]}
  - {experiment: two, question: Two or none?, criteria: [{metric: hire_rate_7d, min_bound: -0.010}]}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "plumbline.yml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


def change(path, old="-0.010", new="-0.020"):
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def shown(
    path, capsys, *, output=None, experiment=None, folder=None, length=30, meeting=False, as_markdown=True
):
    brief(
        path, output or path.parent / "out", experiment, folder, length, meeting=meeting, as_markdown=as_markdown
    )  # fmt: skip
    return capsys.readouterr().out


def entries(path):
    return read_journal(journal_path(path))


def the_status(path, *seen):
    config = load_config(path)
    return brief_status(config.briefs[0], config.metrics, entries(path), seen)


# --- sign ----------------------------------------------------------------------------------------


def test_signing_records_the_version_and_what_it_says_without_a_warehouse_or_a_run(path, capsys):
    status = the_status(path)
    sign(path, " Ada ", None, "for the board")
    (entry,) = entries(path)
    assert (entry.kind, entry.by, entry.experiment) == ("brief_signed", "Ada", "quoting_v2")
    assert entry.content == {"version": status.version, "document": status.content, "note": "for the board"}
    assert f"Ada signed version {status.version[:12]} of the brief on quoting_v2." in capsys.readouterr().out
    assert the_status(path).is_signed
    assert sorted(file.name for file in path.parent.iterdir()) == ["plumbline.journal.jsonl", "plumbline.yml"]


def test_signing_twice_records_once_and_says_so(path, capsys):
    sign(path, "Ada", None, None)
    sign(path, "ada ", None, None)
    assert len(entries(path)) == 1
    assert "has signed" in capsys.readouterr().out
    sign(path, "Bo", None, None)
    assert [signature.by for signature in the_status(path).signatures] == ["Ada", "Bo"]


def test_signing_again_after_a_change_says_what_changed(path, capsys):
    sign(path, "Ada", None, None)
    change(path)
    assert the_status(path).is_missing_a_signature
    sign(path, "Ada", None, None)
    assert "Changed since the last signature: criteria: hire_rate_7d min_bound from −0.01 to −0.02." in (
        capsys.readouterr().out
    )
    assert the_status(path).is_signed


def test_who_signed_before_a_change_and_back_again_may_sign_again(path):
    sign(path, "Ada", None, None)
    change(path)
    sign(path, "Bo", None, None)
    change(path, "-0.020", "-0.010")
    assert not the_status(path).is_signed
    sign(path, "Ada", None, None)
    assert the_status(path).is_signed


def test_nobody_can_not_sign(path):
    with pytest.raises(PlumblineError, match="Nobody is named"):
        sign(path, " ", None, None)
    assert entries(path) == ()


def test_a_name_that_would_paint_the_terminal_does_not(path, capsys):
    sign(path, "Ada\x1b[31m\u202e", None, None)
    assert capsys.readouterr().out.startswith("Ada�[31m� signed")


def test_a_broken_journal_is_not_signed_on_top_of(path):
    journal_path(path).write_text("not a journal\n", encoding="utf-8")
    for act in (lambda: sign(path, "Ada", None, None), lambda: brief(path, path.parent, None, None, 30, meeting=False, as_markdown=True)):  # fmt: skip
        with pytest.raises(NotEvaluatedError, match=r"plumbline\.journal\.jsonl, line 1"):
            act()


# --- which brief ---------------------------------------------------------------------------------


def test_of_several_briefs_one_must_be_named(path, capsys):
    path.write_text(TWO, encoding="utf-8")
    for act in (lambda: sign(path, "Ada", None, None), lambda: shown(path, capsys)):
        with pytest.raises(PlumblineError, match=r"name one with --experiment; there are: 'one', 'two'"):
            act()
    sign(path, "Ada", "two", None)
    assert entries(path)[0].experiment == "two"
    assert "is signed by Ada" in shown(path, capsys, experiment="two")
    assert "is not signed" in shown(path, capsys, experiment="one")


def test_an_experiment_without_a_brief_and_a_file_without_one_are_refused(path, capsys):
    with pytest.raises(PlumblineError, match="'quoting' has no brief; there are briefs on: 'quoting_v2'"):
        shown(path, capsys, experiment="quoting")
    path.write_text(CONFIG.partition("brief:")[0], encoding="utf-8")
    with pytest.raises(PlumblineError, match="has no brief"):
        sign(path, "Ada", None, None)


# --- the page ------------------------------------------------------------------------------------


def test_the_brief_is_printed_as_markdown_or_html(path, capsys):
    assert shown(path, capsys).startswith("# Expand or hold?\n")
    assert shown(path, capsys, as_markdown=False).startswith("<!doctype html>")


def test_the_brief_is_written_as_both(path, capsys, tmp_path):
    folder = tmp_path / "pages"
    assert shown(path, capsys, folder=folder).count("Wrote ") == 2
    assert {file.name for file in folder.iterdir()} == {"brief.md", "brief.html"}


def test_the_pack_is_written_with_the_brief_it_asks_to_read(path, capsys, tmp_path):
    folder = tmp_path / "pages"
    shown(path, capsys, folder=folder, meeting=True, length=45)
    assert {file.name for file in folder.iterdir()} == {
        "brief.md",
        "brief.html",
        "meeting.md",
        "meeting.html",
    }
    text = (folder / "meeting.md").read_text(encoding="utf-8")
    assert "45 minutes" in text
    assert "brief.html" in text
    assert shown(path, capsys, meeting=True).startswith("# Expand or hold?\n\nDecision meeting, 30 minutes")


def leave_a_run(path, output, *seen, verdict="HOLD"):
    """What a finished run on the brief as it stands leaves of it."""
    output.mkdir()
    document = {
        "schema_version": 1, "experiment": "quoting_v2", "verdict": verdict, "segments": [], "stage": None,
        "criteria": [], "blocked_by": [], "waivers": [], "reasons": ["A gap is open."],
        "as_of": "2026-11-06T00:00:00Z", "evaluated_at": "2026-11-06T06:00:00Z",
    }  # fmt: skip
    section = brief_document(the_status(path, *seen))
    decision = {"schema_version": 1, "experiments": [{"experiment": "quoting_v2", "brief": section}]}
    texts = {"verdict.json": json.dumps(document), "decision.json": json.dumps(decision)}
    for name, text in texts.items():
        (output / name).write_text(text, encoding="utf-8")
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    record = {"schema_version": 1, "state": "finished", "run_id": "run-1", "files": digests}
    (output / ".run.json").write_text(json.dumps(record), encoding="utf-8")


def seen(path, day=1):
    status = the_status(path)
    at = datetime(2026, 10, day, tzinfo=UTC)
    return BriefSeen("run-1", at, "quoting_v2", status.version, status.content, saw_data=True)


def test_the_last_verdict_is_told_with_the_version_it_was_decided_on(path, capsys, tmp_path):
    leave_a_run(path, tmp_path / "out")
    assert "HOLD, decided 2026-11-06 06:00 UTC on this version of the brief. A gap is open." in shown(
        path, capsys
    )
    change(path)
    assert "of the brief, not on this one: run again" in shown(path, capsys)


def test_a_change_since_a_run_that_saw_data_is_told(path, capsys, tmp_path):
    leave_a_run(path, tmp_path / "out", seen(path))
    assert "Changed after data" not in shown(path, capsys)
    change(path)
    text = shown(path, capsys)
    assert "- Changed after data were seen." in text
    assert "(first on 2026-10-01): criteria: hire_rate_7d min_bound from −0.01 to −0.02." in text


def test_a_change_before_the_last_run_is_still_told(path, capsys, tmp_path):
    first = seen(path)
    change(path)
    leave_a_run(path, tmp_path / "out", first)
    assert "min_bound from −0.01 to −0.02" in shown(path, capsys)


def test_before_any_data_a_change_is_none_after_data(path, capsys, tmp_path):
    leave_a_run(path, tmp_path / "out")
    change(path)
    assert "Changed after data" not in shown(path, capsys)


@pytest.mark.parametrize("name", ["verdict.json", "decision.json"])
def test_a_run_that_can_not_be_read_is_never_shown_as_fine(path, capsys, tmp_path, name):
    leave_a_run(path, tmp_path / "out")
    (tmp_path / "out" / name).write_text("{", encoding="utf-8")
    if name == "decision.json":
        with pytest.raises(NotEvaluatedError, match=r"decision\.json"):
            shown(path, capsys)
    else:
        assert "Last verdict: The last run can not be used" in shown(path, capsys)


# --- the command line ----------------------------------------------------------------------------


def ended(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["plumbline", *map(str, arguments)])
    monkeypatch.setattr(cli.gc, "disable", lambda: None)
    try:
        cli.main()
        code = 0
    except SystemExit as ending:
        code = ending.code or 0
    return code, capsys.readouterr()


def test_the_configuration_may_be_given_before_or_after_sign(monkeypatch, capsys, path):
    code, said = ended(monkeypatch, capsys, "brief", "--config", path, "sign", "--by", "Ada")
    assert (code, said.out.startswith("Ada signed")) == (0, True)
    code, said = ended(monkeypatch, capsys, "brief", "sign", "--config", path, "--by", "Bo")
    assert (code, said.out.startswith("Bo signed")) == (0, True)
    code, said = ended(monkeypatch, capsys, "brief", "--config", path, "--meeting", "--length", 20)
    assert (code, "20 minutes" in said.out) == (0, True)


def test_wrong_usage_is_2(monkeypatch, capsys, path):
    for arguments in (("sign",), ("--config", path, "sign", "--by", ""), ("--config", path, "--length", 5)):
        assert ended(monkeypatch, capsys, "brief", *arguments)[0] == 2
