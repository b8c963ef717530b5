"""A stage starts only where everything before it is there: stages, dwell times, guardrails, no kill switch."""

from __future__ import annotations

import copy
import subprocess
import sys
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_cases import (
    DAY,
    EXPERIMENT,
    NOW,
    TRIGGER,
    document,
    entry,
    forced,
    guardrail,
    rolled_back,
    started,
    watched,
)

from dagster_pipeline.gate.stages import stage_allowed, stage_answer, unanswered_triggers, with_journal


def asked(percent, *entries, **changes):
    return stage_answer(with_journal(document(**changes), entries), percent, NOW)


def test_the_first_stage_needs_no_other():
    answer = asked(1)
    assert (answer.allowed, answer.reasons, answer.dwell_left) == (True, (), timedelta(0))


def test_a_stage_the_brief_does_not_name_is_none_and_without_stages_any_is():
    answer = asked(7)
    assert not answer.is_known
    assert "7% is no stage of the brief; there are: 1%, 10%, 50%, 100%." in answer.reasons
    assert asked(7, stages=[]).allowed


@pytest.mark.parametrize(("days", "allowed"), [(1.99, False), (2.0, True), (30.0, True)])
def test_the_stage_before_must_have_run_for_its_dwell_time(days, allowed):
    answer = asked(10, started(1, 1, days))
    assert answer.allowed is allowed
    assert answer.dwell_left == timedelta(days=max(0.0, 2 - days))


def test_every_stage_before_counts_not_only_the_last():
    answer = asked(50, started(1, 10, 20))
    assert not answer.allowed
    assert answer.reasons == ("The stage 1% before it has not been started.",)
    assert answer.dwell_left is None
    assert asked(50, started(1, 1, 30), started(2, 10, 8)).allowed


def test_a_dwell_time_ends_where_another_stage_starts():
    """1% ran for one day, then 10% was started by mistake: going back to 1% begins anew."""
    entries = started(1, 1, 10), started(2, 10, 9), started(3, 1, 1)
    assert not asked(10, *entries).allowed
    assert asked(10, started(1, 1, 10), started(2, 1, 9), started(3, 1, 1)).allowed  # the same stage goes on


def test_its_own_last_start_is_told():
    assert asked(1, started(1, 1, 3)).started_at == NOW - timedelta(days=3)
    assert asked(1).started_at is None


def test_a_start_in_the_future_is_none():
    assert not asked(10, started(1, 1, -1)).allowed


def test_another_experiments_journal_does_not_count():
    assert not asked(10, entry(1, "stage_started", {"percent": 1}, 5, experiment="another")).allowed


# --- guardrails --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "allowed", "listed"),
    [
        ("open", True, "passed"),
        ("safe", True, "passed"),
        ("crossed", False, "failed"),
        ("missing", False, "missing"),
        ("unmonitored", True, "notes"),
    ],
)
def test_a_guardrail_proven_broken_or_missing_stops_every_stage(state, allowed, listed):
    for percent in (1, 10):
        answer = asked(percent, started(1, 1, 5), monitored=[guardrail(state)])
        assert answer.allowed is allowed
        assert len(getattr(answer, listed)) == 1
        assert bool(answer.reasons) is not allowed


def test_a_criterion_proven_unmet_is_the_verdicts_business():
    assert asked(1, monitored=[guardrail("crossed", kind="criterion")]).allowed


def test_a_trigger_that_can_not_be_judged_at_all_stops_it():
    answer = asked(1, rollback=[{**watched(None), "reason": "no daily sums were built for it"}])
    assert not answer.allowed
    assert "can't be judged" in answer.reasons[0]


# --- the kill switch ---------------------------------------------------------------------------


def test_a_rollback_stops_every_stage_until_one_is_started_by_force():
    entries = [started(1, 1, 9), rolled_back(2, 5)]
    assert not asked(1, *entries).allowed
    assert not asked(1, *entries, started(3, 1, 4)).allowed  # an ordinary start answers for nothing
    assert asked(1, *entries, forced(3, 1, 4)).allowed


def test_a_trigger_of_the_run_stops_it_before_anybody_recorded_it():
    answer = asked(1, rollback=[watched(TRIGGER)])
    assert not answer.allowed
    assert answer.reasons == (f"A rollback trigger fired: {TRIGGER['reason']}.",)


def test_a_forced_start_answers_for_the_triggers_it_names_and_for_no_later_one():
    named = {key: TRIGGER[key] for key in ("metric", "variant", "days")}
    later = {**TRIGGER, "days": ["2026-11-09", "2026-11-10"]}
    assert asked(1, forced(1, 1, 2, overrides=[named]), rollback=[watched(TRIGGER)]).allowed
    assert not asked(1, forced(1, 1, 2, overrides=[named]), rollback=[watched(later)]).allowed
    assert not asked(1, started(1, 1, 2, overrides=[named]), rollback=[watched(TRIGGER)]).allowed


def test_a_forced_start_answers_only_for_what_its_author_could_have_read():
    """The sensor wrote entry 1 between reading and starting."""
    assert not asked(1, rolled_back(1, 2), forced(2, 1, 2, seen=0)).allowed
    assert asked(1, rolled_back(1, 2), forced(2, 1, 2, seen=1)).allowed


def test_what_a_rollback_ended_has_to_run_again():
    before = started(1, 1, 30), started(2, 10, 20), rolled_back(3, 5)
    assert not asked(50, *before, forced(4, 1, 4)).allowed
    assert asked(10, *before, forced(4, 1, 4)).allowed
    assert asked(10, *before, forced(4, 1, 4)).dwell_left == timedelta(0)


def test_the_stages_below_a_forced_one_are_taken_on_its_word():
    assert not asked(50, forced(1, 10, 6)).allowed
    assert asked(50, forced(1, 10, 7)).allowed
    assert asked(1, forced(1, 10, 7)).allowed


def test_a_rollback_written_by_hand_that_says_little_stands_too():
    answer = asked(1, entry(1, "rolled_back", {"days": 5}))
    assert not answer.allowed
    assert "no reason is given" in answer.reasons[0]


def test_a_trigger_is_to_be_recorded_once():
    plain = document(rollback=[watched(TRIGGER)])
    assert unanswered_triggers(plain) == [TRIGGER]
    assert unanswered_triggers(with_journal(plain, [rolled_back(1, 1, TRIGGER["days"])])) == []
    # While one of the same metric and arm stands, a further fall is the same row going on; once answered, it is news.
    assert unanswered_triggers(with_journal(plain, [rolled_back(1, 1)])) == []
    assert unanswered_triggers(with_journal(plain, [rolled_back(1, 1), forced(2, 1, 0.5)])) == [TRIGGER]


# --- failing closed ----------------------------------------------------------------------------

PARTS = ("stages", "starts", "rollbacks", "monitored", "rollback")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("broken", [None, "x", 5, {}, [None], [{}], "gone"])
def test_a_part_that_is_missing_or_malformed_allows_nothing(part, broken):
    found = document()
    if broken == "gone":
        del found[part]
    else:
        found[part] = broken
    allowed, reasons = stage_allowed(found, 1, NOW)
    assert not allowed
    assert "can't be read" in reasons[0]


@pytest.mark.parametrize("whole", [None, [], "x", 5, {}])
def test_a_document_that_is_none_allows_nothing(whole):
    assert stage_allowed(whole, 1, NOW)[0] is False


@pytest.mark.parametrize("percent", [0, -1, 101, float("nan"), float("inf"), None, "x"])
def test_a_stage_that_is_no_share_of_the_traffic_is_not_allowed(percent):
    assert stage_allowed(document(stages=[]), percent, NOW)[0] is False


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("stages", "dwell_seconds", -DAY),
        ("stages", "dwell_seconds", "0"),
        ("stages", "dwell_seconds", float("nan")),
        ("monitored", "state", "fine"),
        ("monitored", "state", None),
        ("monitored", "kind", "note"),
        ("rollback", "trigger", {"metric": "m"}),
        ("rollback", "trigger", True),
    ],
)
def test_a_value_of_the_wrong_kind_allows_nothing(part, key, value):
    found = document()
    found[part][0][key] = value
    assert stage_allowed(found, 1, NOW)[0] is False


@pytest.mark.parametrize(
    "content", [{}, {"percent": "1"}, {"percent": True}, {"percent": 1, "forced": "yes"}, {"percent": 1, "overrides": 3}]
)  # fmt: skip
def test_a_start_that_says_nothing_useful_allows_nothing(content):
    assert not asked(10, entry(1, "stage_started", content, 5)).allowed


def steps():
    """Journals of any order of starts, forced ones and rollbacks, a day apart or so."""
    one = st.tuples(
        st.sampled_from(["start", "force", "roll"]), st.sampled_from([1, 10, 50, 100]), st.integers(0, 9)
    )
    return st.lists(one, max_size=6)


def journal(found):
    ago, entries = 60.0, []
    for number, (kind, percent, days) in enumerate(found, start=1):
        ago -= days
        made = {"start": started, "force": forced}.get(kind)
        entries.append(made(number, percent, ago) if made else rolled_back(number, ago))
    return entries


@settings(max_examples=40, deadline=None)
@given(steps(), st.sampled_from([1, 10, 50, 100]))
def test_nothing_worse_ever_allows_more(found, percent):
    entries = journal(found)
    before = asked(percent, *entries).allowed
    worse = [
        asked(percent, *entries, monitored=[guardrail("crossed")]),
        asked(percent, *entries, monitored=[guardrail("missing")]),
        asked(percent, *entries, rollback=[watched({**TRIGGER, "days": ["2026-11-18", "2026-11-19"]})]),
        asked(percent, *entries, rolled_back(len(entries) + 1, 0, ["2026-11-19"])),
    ]
    assert not any(answer.allowed for answer in worse)
    rollbacks = [one for one in entries if one.kind == "rolled_back"]
    assert not asked(percent, *rollbacks).allowed or (percent == 1 and not rollbacks)  # nothing ever started
    assert not (before and entries[-1:] == rollbacks[-1:] != [])


def test_the_documents_own_starts_give_way_to_the_journals():
    stale = with_journal(document(), [started(1, 1, 5)])
    assert stage_allowed(stale, 10, NOW)[0]
    assert not stage_allowed(with_journal(stale, [started(1, 1, 5), rolled_back(2, 1)]), 10, NOW)[0]
    assert stale["experiment"] == EXPERIMENT


def test_the_document_is_left_as_it_was():
    found = document()
    before = copy.deepcopy(found)
    with_journal(found, [started(1, 1, 5)])
    stage_allowed(found, 10, NOW)
    assert found == before


def test_it_is_answered_without_anything_that_computes():
    """The gate answers at once: no numpy, no pydantic, no Dagster on the way."""
    program = (
        "import sys, dagster_pipeline.gate.stages as s; "
        "print(sorted({'numpy', 'scipy', 'pydantic', 'yaml', 'dagster', 'duckdb'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
