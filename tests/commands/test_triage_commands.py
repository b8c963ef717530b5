"""What people say about gaps: who may say what, that it is kept, and that all of it is or nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from dagster_pipeline.cli import SEVERITIES, STATUSES, cli
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import GapStatus
from dagster_pipeline.register.acts import gap_acts
from tests.commands.triage_cases import CONFIG, OUT, SAYS, WAIVED, journal, leave_a_run, plumbline, read


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def gaps():
    return leave_a_run()


def gap(gap_id):
    return next(g for g in listed("--all") if g["gap_id"] == gap_id)


def listed(*arguments):
    found = plumbline("gaps", "list", *arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


# --- what is recorded ---------------------------------------------------------------------------


def test_an_owner_is_named_for_several_gaps_at_once(gaps):
    found = plumbline("gaps", "assign", *gaps[:2], "--to", "Data platform", *SAYS)
    assert found.exit_code == 0
    assert f"Assigned: {gaps[0]} (missing_variant, quotes.variant), to Data platform." in found.stdout
    assert "Recorded in plumbline.journal.jsonl: 2 entries by Bo Li." in found.stdout
    assert [gap(gap_id)["owner"] for gap_id in gaps[:2]] == ["Data platform"] * 2
    assert [(act.gap_id, act.by, act.why) for act in gap_acts(journal())] == [
        (gap_id, "Bo Li", "Looked at it") for gap_id in gaps[:2]
    ]


def test_what_was_recorded_is_there_for_machines_too(gaps):
    found = plumbline("gaps", "acknowledge", gaps[0], *SAYS, "--json")
    document = json.loads(found.stdout)
    assert set(document) == {"recorded", "verdicts", "verdict_fault"}
    (entry,) = document["recorded"]
    assert (entry["act"], entry["gap_id"], entry["by"]) == ("acknowledged", gaps[0], "Bo Li")
    assert entry["digest"] == journal()[0].digest
    assert gap(gaps[0])["status"] == "acknowledged"


def test_a_gap_named_twice_is_one_act(gaps):
    assert plumbline("gaps", "acknowledge", gaps[0], gaps[0], *SAYS).exit_code == 0
    assert len(journal()) == 1


def test_a_waiver_carries_the_share_it_is_granted_at(gaps):
    found = plumbline("gaps", "accept", gaps[0], *WAIVED, "--expires", "14d", "--scope", "quoting_v2")
    assert found.exit_code == 0, found.output
    (act,) = gap_acts(journal())
    assert (act.waiver.share, act.waiver.tolerance, act.waiver.scope) == (0.06, 0.1, "quoting_v2")
    assert act.waiver.expires_at - act.waiver.granted_at == timedelta(days=14)
    assert "up to 6.60%, for quoting_v2 only, owned by Bo Li, approved by Mo Diallo" in found.stdout


def test_a_waiver_ends_at_the_midnight_of_its_date(gaps):
    day = (datetime.now(UTC) + timedelta(days=20)).date()
    assert plumbline("gaps", "accept", gaps[0], *WAIVED, "--expires", day.isoformat()).exit_code == 0
    assert gap_acts(journal())[0].waiver.expires_at == datetime(day.year, day.month, day.day, tzinfo=UTC)


# --- what is refused ------------------------------------------------------------------------------


def refused(*arguments, says, code=2):
    """The command ends with this code and message, and leaves the journal and every file as they were."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    found = plumbline(*arguments)
    message = found.output + str(found.exception or "")
    assert says in message
    assert found.exit_code == code or getattr(found.exception, "exit_code", None) == code
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_an_unknown_gap_is_refused_and_the_known_ones_with_it(gaps):
    refused("gaps", "resolve", gaps[0], "gap-x", *SAYS, says="No gap 'gap-x' in out/register.json")


def test_one_gap_that_does_not_allow_it_keeps_all_of_them_back(gaps):
    refused(
        "gaps",
        "acknowledge",
        *gaps,
        *SAYS,
        says="only an open gap can be acknowledged. Nothing was recorded.",
    )


@pytest.mark.parametrize(
    "command", ["assign", "acknowledge", "accept", "resolve", "false-positive", "reopen"]
)
def test_nobody_changes_a_gap_without_a_name_and_a_reason(gaps, command):
    more = {"assign": ("--to", "x"), "accept": ("--owner", "x", "--approver", "y", "--expires", "2d")}.get(
        command, ()
    )
    refused("gaps", command, gaps[0], *more, "--by", "Bo", says="--why")
    refused("gaps", command, gaps[0], *more, "--why", "because", says="--by")
    refused("gaps", command, *more, *SAYS, says="GAP_IDS")
    refused("gaps", command, gaps[0], *more, "--by", " ", "--why", "because", says="--by names nobody")


def test_a_blank_reason_is_none(gaps):
    refused("gaps", "resolve", gaps[0], "--by", "Bo", "--why", "  ", says="needs a reason")


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (("--expires", "31d"), "at most 30 days"),
        (("--expires", "2020-01-01"), "is past"),
        (("--expires", "0d"), "must be a date such as"),
        (("--expires", "soon"), "must be a date such as"),
        (("--expires", "99999999w"), "longer than any"),
        (("--expires", "9d", "--scope", "else"), "there are: 'quoting_v2', 'other'"),
        (("--expires", "9d", "--scope", "other"), "is about 'quoting_v2', not about 'other'"),
        (("--expires", "9d", "--tolerance", "0.2"), "more than triage.waivers.tolerance"),
        (("--expires", "9d", "--approver", "bo  li"), "own waiver"),
        (("--expires", "9d", "--approver", "Eve"), "may not approve"),
        (("--expires", "9d", "--owner", " "), "--owner names nobody"),
    ],
)
def test_a_waiver_is_only_what_the_policy_allows(gaps, terms, says):
    refused("gaps", "accept", gaps[0], *WAIVED, *terms, says=says)


def test_a_waiver_without_an_end_is_none(gaps):
    refused("gaps", "accept", gaps[0], *WAIVED, says="--expires")


def test_who_owns_a_gap_approves_no_waiver_of_it(gaps):
    leave_a_run(triage="{}")
    terms = (*SAYS, "--owner", "Bo Li", "--approver", "experimentation", "--expires", "2d")
    refused("gaps", "accept", gaps[0], *terms, says="owns the gap")


def test_a_journal_that_was_changed_takes_no_more_acts(gaps):
    plumbline("gaps", "acknowledge", gaps[0], *SAYS)
    path = CONFIG.with_name("plumbline.journal.jsonl")
    path.write_text(path.read_text("utf-8").replace("Bo Li", "Al Li"), encoding="utf-8")
    refused(
        "gaps", "assign", gaps[0], "--to", "x", *SAYS, says="The journal is only ever appended to", code=3
    )


def test_without_a_register_there_is_nothing_to_say_anything_about():
    CONFIG.write_text("version: 1\n", encoding="utf-8")
    leave_a_run()
    (OUT / "register.json").unlink()
    refused("gaps", "resolve", "gap-1", *SAYS, says="register.json does not exist", code=3)


# --- list and show ----------------------------------------------------------------------------------


def test_the_list_is_filtered_by_each_of_its_options(gaps):
    blocking, low, gone = gaps

    def ids(*arguments):
        return [g["gap_id"] for g in listed(*arguments)]

    assert ids() == [blocking, low]
    assert ids("--all") == [blocking, low, gone]
    assert ids("--severity", "low") == [low]
    assert ids("--severity", "low", "--severity", "high") == [blocking, low]
    assert ids("--status", "resolved", "--severity", "info") == ids("--status", "resolved") == [gone]
    assert ids("--kind", "duplicate_rows") == [low]
    assert ids("--table", "hires", "--all") == [gone]
    assert ids("--owner", "experimentation ") == [blocking]
    assert ids("--unowned") == [low]
    assert ids("--late") == []


def test_a_gap_past_what_was_agreed_is_late(gaps):
    leave_a_run(triage="{sla: {high: 10h, low: 30d}}")
    assert [g["gap_id"] for g in listed("--late")] == [gaps[0]]
    found = plumbline("gaps", "list").stdout.splitlines()
    assert found[0].endswith("11 h late")
    assert found[1].endswith("due in 29 days")


def test_an_unknown_kind_is_no_empty_list(gaps):
    refused("gaps", "list", "--kind", "nonsense", says="No gap kind 'nonsense'; there are:")


def test_the_choices_of_the_list_are_those_there_are():
    assert list(SEVERITIES) == [severity.value for severity in sorted(Severity, key=lambda s: -s.rank)]
    assert list(STATUSES) == [status.value for status in GapStatus]


def test_show_tells_who_did_what_and_why(gaps):
    plumbline("gaps", "assign", gaps[0], "--to", "Data platform", *SAYS)
    plumbline("gaps", "accept", gaps[0], *WAIVED, "--expires", "9d")
    text = plumbline("gaps", "show", gaps[0]).stdout
    assert "assigned (Data platform) by Bo Li: Looked at it" in text
    assert "owned by Bo Li, approved by Mo Diallo: Looked at it" in text
    assert "up to 6.600%" in text
    assert "What the warehouse holds is not shown:" in text  # this run left no warehouse
    document = json.loads(plumbline("gaps", "show", gaps[0], "--json").stdout)
    assert [event["event"] for event in document["events"]] == ["assigned", "accepted"]
    assert (document["status"], document["is_late"]) == ("accepted", False)
    assert document["due_at"] == document["lifecycle"]["waiver"]["expires_at"]


def test_no_reason_or_name_steers_the_terminal(gaps):
    evil = "\x1b[2J\x07\u202eevil\nBROKEN"
    found = plumbline("gaps", "assign", gaps[0], "--to", evil, "--by", evil, "--why", evil)
    text = found.output + plumbline("gaps", "list").output + plumbline("gaps", "show", gaps[0]).output
    assert not set("\x1b\x07\u202e") & set(text)
    assert not [line for line in text.splitlines() if line.startswith("BROKEN")]


def test_what_a_run_knew_is_not_told_again(gaps):
    """The register of a run holds the acts before it; only those after it are added to what it says."""
    plumbline("gaps", "acknowledge", gaps[0], *SAYS)
    leave_a_run(journal=1)
    assert gap(gaps[0])["status"] == "open"
    assert read("register.json")["gaps"][0]["status"] == "open"


def test_a_journal_shorter_than_the_run_read_is_said(gaps):
    leave_a_run(journal=4)
    plumbline("gaps", "acknowledge", gaps[0], *SAYS)
    found = plumbline("gaps", "list").stderr
    assert (
        "Not shown: what people did since. The journal has 1 entries, and the last run read 4 of it." in found
    )


def test_a_register_is_read_without_a_configuration(gaps):
    CONFIG.unlink()
    assert [g["gap_id"] for g in listed()] == list(gaps[:2])
    text = plumbline("gaps", "show", gaps[0]).stdout
    assert "What the warehouse holds is not shown: there is no configuration" in text


# --- completion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "says"), [("bash", "complete -o"), ("zsh", "#compdef plumbline"), ("fish", "complete ")]
)
def test_completion_is_a_script_for_each_shell(shell, says):
    found = plumbline("completion", shell)
    assert found.exit_code == 0
    assert says in found.stdout
    assert "_PLUMBLINE_COMPLETE" in found.stdout


def completed(*words):
    complete = ShellComplete(cli, {}, "plumbline", "_PLUMBLINE_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_gap_ids_and_choices_are_completed(gaps):
    assert set(completed("gaps", "show", "gap-")) == set(gaps)
    assert completed("gaps", "resolve", gaps[0], gaps[1][:8]) == [gaps[1]]
    assert completed("gaps", "list", "--severity", "b") == ["blocker"]
    assert completed("gaps", "list", "--kind", "dup") == ["duplicate_rows"]
    assert "reopen" in completed("gaps", "")


def test_completion_offers_nothing_that_a_shell_acts_on(gaps):
    register = read("register.json")
    register["gaps"][0]["owner"] = "$(touch evil)"
    register["gaps"][1]["owner"] = "Ops"
    (OUT / "register.json").write_text(json.dumps(register), encoding="utf-8")
    assert completed("gaps", "list", "--owner", "") == ["Ops"]


def test_completion_says_nothing_where_there_is_no_register(folder):
    assert completed("gaps", "show", "gap-") == []
    OUT.mkdir()
    (OUT / "register.json").write_text("[]", encoding="utf-8")
    assert completed("gaps", "show", "gap-") == []
