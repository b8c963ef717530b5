"""What there is to tell is read from the register itself: what it holds waits, and is what it was."""

import duckdb
import pytest
from alert_worlds import NOW, a_gap, a_report, an_event, later, resolved

from dagster_pipeline.alerts.reading import read_news
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.register import store
from dagster_pipeline.register.history import EventKind


@pytest.fixture
def session():
    with duckdb.connect(":memory:") as connection:
        store.prepare(connection)
        yield connection


def test_a_resolved_gap_is_what_it_was_when_it_was_last_unresolved(session):
    gap, ended = a_gap(severity=Severity.MEDIUM), resolved(a_gap())
    runs = [(a_gap(severity=Severity.BLOCKER), an_event(gap)), (gap, None), (ended, None), (ended, None)]
    for number, (state, event) in enumerate(runs):
        events = () if event is None else (event,)
        store.append_run(session, store.RunRecord(f"run-{number}", NOW, later(number), (state,), events))
    news = read_news(session, a_report("run-3"), "# Today")
    assert news.was == {gap.gap_id: Severity.MEDIUM}
    assert news.gaps == {gap.gap_id: ended}
    assert [event.event for event in news.events] == [EventKind.OPENED]
    assert (news.report.run_id, news.digest) == ("run-3", "# Today")


def test_events_of_earlier_runs_are_there_oldest_first(session):
    first, second = a_gap(1), a_gap(2)
    store.append_run(session, store.RunRecord("run-0", NOW, NOW, (first,), (an_event(first, run="run-0"),)))
    store.append_run(session, store.RunRecord("run-1", NOW, later(1), (first, second), (an_event(second),)))
    assert [event.run_id for event in read_news(session, a_report()).events] == ["run-0", "run-1"]


def test_an_empty_register_has_nothing_to_tell(session):
    news = read_news(session, a_report())
    assert (news.gaps, news.events, news.was) == ({}, (), {})
