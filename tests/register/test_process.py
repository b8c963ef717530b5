"""Waits, escalations and actions: what was promised, what was done, and by when."""

import json
from datetime import timedelta

import pytest
from log_cases import AT, EXPERIMENT, a_verdict

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.register.decision_log import LogEntry
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.journal import append_entry, read_journal
from dagster_pipeline.register.process import close_action, find_action, process_figures

DAY = timedelta(days=1)
ACTION = {"what": "Replay the lost events", "owner": "Data platform", "due": "2026-11-13T00:00:00Z"}


def a_decision(at=AT, experiment=EXPERIMENT, actions=(), **fields):
    document = json.dumps({"verdict": a_verdict(**fields), "actions": list(actions)})
    return LogEntry(1, "run", at, "decision", experiment, "Launch", document, "", "")


def an_event(event=EventKind.OPENED, at=AT, gap_id="gap-1"):
    return GapEvent("run", at, gap_id, event, None, "high")


def figures(events=(), log=(), journal=(), at=AT):
    return process_figures(events, log, journal, at)


def test_a_gap_waits_from_its_opening_to_the_first_later_decision_that_names_it():
    log = [
        a_decision(AT, blocked_by=["gap-1"]),  # the run that opened it
        a_decision(AT + DAY, blocked_by=["gap-2"]),
        a_decision(AT + 2 * DAY, waivers=[{"gap_id": "gap-1", "expires_at": "2026-12-01T00:00:00Z"}]),
        a_decision(AT + 9 * DAY, blocked_by=["gap-1"]),
    ]
    (wait,) = figures([an_event()], log).waits
    assert (wait.length, wait.verdict) == (2 * DAY, "HOLD")


def test_a_gap_that_no_decision_names_is_still_waiting():
    found = figures([an_event()], [a_decision(AT + DAY)])
    assert (found.waits[0].length, found.median_wait) == (None, None)


def test_every_opening_waits_for_its_own_decision():
    events = [an_event(), an_event(EventKind.REOPENED, AT + 5 * DAY)]
    (first, second) = figures(events, [a_decision(AT + 6 * DAY, blocked_by=["gap-1"])]).waits
    assert (first.length, second.length) == (None, DAY)


def test_the_median_is_over_what_was_decided():
    events = [an_event(), an_event(gap_id="gap-2"), an_event(gap_id="gap-3"), an_event(gap_id="gap-4")]
    log = [a_decision(AT + n * DAY, blocked_by=[f"gap-{n}"]) for n in (1, 2, 3)]
    assert figures(events, log).median_wait == 2 * DAY


def test_escalations_are_counted():
    events = [an_event(), *(an_event(EventKind.ESCALATED, AT + n * DAY) for n in (1, 2))]
    assert figures(events).escalations == 2


def closed(journal, at, action="replay  the LOST events", experiment=EXPERIMENT):
    return append_entry(
        journal, kind="action_closed", by="Ada", experiment=experiment, content={"action": action}, at=at
    )


@pytest.mark.parametrize(
    ("closed_after", "asked_after", "in_time"),
    [(29, 40, True), (30, 40, True), (31, 40, False), (None, 30, None), (None, 31, False)],
)
def test_an_action_has_thirty_days_from_the_first_decision_that_lists_it(
    tmp_path, closed_after, asked_after, in_time
):
    path = tmp_path / "journal.jsonl"
    log = [a_decision(AT, actions=[ACTION]), a_decision(AT + 20 * DAY, actions=[ACTION])]
    if closed_after:
        closed(path, AT + closed_after * DAY)
    found = figures(log=log, journal=read_journal(path), at=AT + asked_after * DAY)
    (action,) = found.actions
    assert action.in_time(found.at) is in_time
    assert (found.actions_judged, found.actions_in_time) == (int(in_time is not None), int(in_time is True))


def test_an_action_of_another_experiment_is_not_closed_with_it(tmp_path):
    path = tmp_path / "journal.jsonl"
    log = [a_decision(actions=[ACTION]), a_decision(experiment="search_v1", actions=[ACTION])]
    closed(path, AT + DAY)
    found = figures(log=log, journal=read_journal(path)).actions
    assert [action.closed_by for action in found] == ["Ada", None]
    with pytest.raises(PlumblineError, match="several experiments"):
        find_action(found, ACTION["what"], None)
    assert find_action(found, ACTION["what"], "search_v1").experiment == "search_v1"


def test_an_action_nobody_decided_on_is_refused_with_those_there_are():
    found = figures(log=[a_decision(actions=[ACTION])]).actions
    with pytest.raises(PlumblineError, match="'Replay the lost events'"):
        find_action(found, "Replay everything", None)


def test_an_action_is_closed_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    log = [a_decision(actions=[ACTION])]
    close_action(path, figures(log=log).actions[0], "Ada", " ", AT + DAY)
    again = figures(log=log, journal=read_journal(path)).actions[0]
    assert (again.closed_by, again.closed_at) == ("Ada", AT + DAY)
    with pytest.raises(PlumblineError, match="closed on 2026-11-07 by Ada"):
        close_action(path, again, "Bo", None, AT + 2 * DAY)


def test_an_entry_that_cannot_be_read_counts_for_nothing():
    broken = LogEntry(1, "run", AT + DAY, "decision", EXPERIMENT, "t", "{", "", "")
    found = figures([an_event()], [broken])
    assert (found.waits[0].length, found.actions) == (None, ())
