"""What the gate reads in decision.json: signatures, versions, the rollout; and what it makes of what it can't read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from gate_cases import EXPERIMENT, NOW, inputs
from test_verdict_file import ALLOWED, BLOCKED, LATER, NOT_EVALUATED, code, document, put, record

from dagster_pipeline.gate.decision_file import Configured
from dagster_pipeline.gate.verdict_file import check
from dagster_pipeline.register.journal import append_entry, read_journal

VERSION, OTHER = "a" * 64, "b" * 64
WEEK = timedelta(days=7)


def rollout(**changes):
    return {
        "experiment": EXPERIMENT,
        "evaluated_at": "2026-11-06T06:12:41Z",
        "stages": [{"percent": 1, "dwell_seconds": 86_400}, {"percent": 10, "dwell_seconds": 86_400}],
        "cap": 10,
        "monitored": [],
        "rollback": [],
        "starts": [],
        "rollbacks": [],
    } | changes


def section(**changes):
    brief = {"version": VERSION, "signature": "optional", "is_signed": False}
    return {"experiment": EXPERIMENT, "brief": brief, "rollout": None} | changes


def demanded(*, is_signed):
    return section(brief={"version": VERSION, "signature": "required", "is_signed": is_signed})


@pytest.fixture
def left(tmp_path):
    """A folder with a GO and a decision.json beside it."""

    def write(*sections, **changes):
        put(tmp_path, document(inputs(), **changes))
        put(tmp_path, {"schema_version": 1, "experiments": list(sections)}, "decision.json")
        record(tmp_path)
        return tmp_path

    return write


def lines(folder, *arguments, **options):
    return " ".join(check(folder, *arguments, now=LATER, **options).lines)


# --- signatures --------------------------------------------------------------------------------


def test_a_brief_that_demands_a_signature_and_has_none_blocks(left):
    assert code(left(demanded(is_signed=False))) == BLOCKED
    assert "plumbline brief sign" in lines(left(demanded(is_signed=False)))
    assert code(left(demanded(is_signed=True))) == ALLOWED
    assert code(left(section())) == ALLOWED


def test_a_signature_given_or_lost_after_the_run_counts_at_once(left):
    signed, lacking = Configured(WEEK, VERSION), Configured(WEEK, VERSION, lacks_signature=True)
    assert code(left(demanded(is_signed=False)), configured={EXPERIMENT: signed}) == ALLOWED
    assert code(left(demanded(is_signed=True)), configured={EXPERIMENT: lacking}) == BLOCKED


@pytest.mark.parametrize("is_signed", [None, "yes", 1])
def test_what_is_not_plainly_signed_is_not(left, is_signed):
    assert code(left(demanded(is_signed=is_signed))) == BLOCKED


def test_a_verdict_on_another_version_of_the_brief_decides_nothing(left):
    folder = left(section())
    assert code(folder, configured={EXPERIMENT: Configured(WEEK, VERSION)}) == ALLOWED
    assert code(folder, configured={EXPERIMENT: Configured(WEEK, OTHER)}) == NOT_EVALUATED
    assert "another version of the brief" in lines(folder, configured={EXPERIMENT: Configured(WEEK, OTHER)})
    without = left(section(brief=None))
    assert code(without, configured={EXPERIMENT: Configured(WEEK, VERSION)}) == NOT_EVALUATED


# --- the rollout -------------------------------------------------------------------------------


def started(tmp_path, percent, ago):
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "plumbline.journal.jsonl"
    append_entry(
        path,
        kind="stage_started",
        by="Ada",
        experiment=EXPERIMENT,
        content={"percent": percent},
        at=LATER - ago,
    )
    return read_journal(path)


def test_a_stage_may_start_once_the_one_before_it_has_run_its_time(left, tmp_path):
    folder = left(section(rollout=rollout()))
    assert code(folder, EXPERIMENT, 1) == ALLOWED
    assert code(folder, EXPERIMENT, 10) == BLOCKED
    assert code(folder, EXPERIMENT, 5) == BLOCKED, "no stage of the brief"
    entries = started(tmp_path / "journal", 1, timedelta(hours=23))
    now = Configured(WEEK, VERSION, has_rollout=True, journal=entries)
    assert code(folder, EXPERIMENT, 10, configured={EXPERIMENT: now}) == BLOCKED
    entries = started(tmp_path / "other", 1, timedelta(hours=25))
    now = Configured(WEEK, VERSION, has_rollout=True, journal=entries)
    assert code(folder, EXPERIMENT, 10, configured={EXPERIMENT: now}) == ALLOWED


def test_a_kill_switch_pulled_after_the_run_blocks_everything(left, tmp_path):
    folder = left(section(rollout=rollout()))
    path = tmp_path / "plumbline.journal.jsonl"
    content = {
        "metric": "hire_rate_7d",
        "variant": "treatment",
        "days": ["2026-11-05"],
        "reason": "hires fell",
    }
    append_entry(path, kind="rolled_back", by="sensor", experiment=EXPERIMENT, content=content, at=NOW)
    now = Configured(WEEK, VERSION, has_rollout=True, journal=read_journal(path))
    for stage in (None, 1):
        assert code(folder, EXPERIMENT, stage, configured={EXPERIMENT: now}) == BLOCKED
        assert "hires fell" in lines(folder, EXPERIMENT, stage, configured={EXPERIMENT: now})


def test_a_launch_without_stages_is_switched_off_all_the_same(left, tmp_path):
    folder = left(section(rollout=rollout(stages=[])))
    assert code(folder, configured={EXPERIMENT: Configured(WEEK, VERSION)}) == ALLOWED
    path = tmp_path / "plumbline.journal.jsonl"
    append_entry(
        path, kind="rolled_back", by="Ada", experiment=EXPERIMENT, content={"reason": "by hand"}, at=NOW
    )
    off = {EXPERIMENT: Configured(WEEK, VERSION, journal=read_journal(path))}
    assert code(folder, configured=off) == BLOCKED
    assert "by hand" in lines(folder, configured=off)


@pytest.mark.parametrize(
    "broken", [{"monitored": None}, {"stages": [{"percent": -1, "dwell_seconds": 1}]}, {"starts": "none"}]
)
def test_a_rollout_that_can_not_be_read_blocks_with_and_without_a_stage(left, broken):
    folder = left(section(rollout=rollout(**broken)))
    assert code(folder, EXPERIMENT, 1) == BLOCKED
    assert code(folder) == BLOCKED
    assert code(left(section(rollout="all of it"))) == BLOCKED


def test_a_brief_with_a_rollout_needs_decision_json(tmp_path):
    put(tmp_path, document(inputs()))
    assert code(tmp_path) == ALLOWED
    now = Configured(WEEK, VERSION, has_rollout=True)
    assert code(tmp_path, configured={EXPERIMENT: now}) == BLOCKED


# --- files that are not the run's --------------------------------------------------------------


@pytest.mark.parametrize("name", ["decision.json", "register.json"])
def test_a_file_changed_after_the_run_is_not_evaluated(left, name):
    folder = left(section())
    put(folder, {"gaps": []}, "register.json")
    record(folder)
    assert code(folder) == ALLOWED
    put(folder, {"gaps": [], "experiments": []}, name)
    assert code(folder) == NOT_EVALUATED


@pytest.mark.parametrize(
    "text", ["", "[]", "{", json.dumps({"experiments": [1]}), json.dumps({"experiments": "x"}), "{}"]
)
def test_a_decision_json_that_is_none_is_not_evaluated(tmp_path, text):
    put(tmp_path, document(inputs()))
    put(tmp_path, text, "decision.json")
    assert code(tmp_path) == NOT_EVALUATED


def test_a_moment_without_a_zone_is_read_as_utc(left):
    folder = left(section(rollout=rollout(starts=[])))
    assert (
        check(folder, EXPERIMENT, 1, now=datetime(2026, 11, 6, 8, tzinfo=UTC).replace(tzinfo=None)).exit_code
        == ALLOWED
    )


def test_a_decision_json_that_says_nothing_of_the_experiment_is_not_evaluated(left):
    assert code(left(section(experiment="another"))) == NOT_EVALUATED
    assert code(left()) == NOT_EVALUATED


def test_a_decision_json_taken_away_after_the_run_is_not_evaluated(left):
    folder = left(section())
    (folder / "decision.json").unlink()
    assert code(folder) == NOT_EVALUATED
    (folder / ".run.json").unlink()
    assert code(folder) == ALLOWED, "a verdict carried elsewhere without the run's record needs nothing else"
