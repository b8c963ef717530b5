"""How good the alerts are: told twice, by the state of each gap and by brute force, and once more in SQL."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.alert_quality import (
    Alert,
    CoverageSeen,
    Waits,
    alert_quality,
    alerts,
    iso_week,
)
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.store import RunRecord, append_run, prepare
from dagster_pipeline.register.trends import append_coverage, read_past

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATES = {
    EventKind.ACKNOWLEDGED: ("open", "acknowledged"),
    EventKind.ACCEPTED: ("open", "accepted"),
    EventKind.RESOLVED: ("open", "resolved"),
    EventKind.FALSE_POSITIVE: ("open", "resolved"),
    EventKind.REOPENED: ("resolved", "open"),
    EventKind.ASSIGNED: (None, "Ada"),
    EventKind.ESCALATED: ("0", "1"),
}


def an_event(kind, hours, after=None, gap="gap-a", by=None, run="run"):
    before, states_after = STATES.get(kind, (None, after))
    return GapEvent(run, MONDAY + hours * HOUR, gap, kind, before, after or states_after, by)


def opened(hours=0, severity="high", **fields):
    return an_event(EventKind.OPENED, hours, severity, **fields)


def quality(*events, severities=None, coverages=(), at=MONDAY + 100 * HOUR):
    return alert_quality(events, severities or {}, coverages, at)


def test_without_events_there_is_no_alert_and_no_share():
    found = quality()
    assert (found.overall.alerts, found.overall.false_positive_share, found.weeks) == (0, None, ())
    assert found.overall.resolved == Waits(0, None, 0, None)


def test_a_mean_says_how_many_still_wait_beside_it():
    done = [opened(), an_event(EventKind.ACKNOWLEDGED, 2, by="Ada"), an_event(EventKind.RESOLVED, 10)]
    untouched = [opened(20, gap="gap-b")]
    overall = quality(*done, *untouched).overall
    assert overall.acknowledged == Waits(1, 2 * HOUR, 1, 80 * HOUR)
    assert overall.resolved == Waits(1, 10 * HOUR, 1, 80 * HOUR)


def test_a_gap_that_went_before_anybody_saw_it_waits_for_nobody_and_is_no_acknowledgement():
    overall = quality(opened(), an_event(EventKind.RESOLVED, 5)).overall
    assert overall.acknowledged == Waits(0, None, 0, None)
    assert overall.resolved == Waits(1, 5 * HOUR, 0, None)


@pytest.mark.parametrize("kind", [EventKind.ACCEPTED, EventKind.FALSE_POSITIVE, EventKind.RESOLVED])
def test_whoever_deals_with_a_gap_has_seen_it(kind):
    assert quality(opened(), an_event(kind, 3, by="Ada")).overall.acknowledged.mean == 3 * HOUR


def test_a_false_positive_is_counted_and_not_called_resolved():
    overall = quality(opened(), an_event(EventKind.FALSE_POSITIVE, 3, by="Ada"), opened(gap="gap-b")).overall
    assert overall.false_positive_share == 0.5
    assert overall.resolved == Waits(0, None, 1, 100 * HOUR)


def test_information_is_no_alert_until_it_grows_and_then_counts_from_there():
    grown = an_event(EventKind.SEVERITY_CHANGED, 30, "medium")
    events = [opened(severity="info"), grown, an_event(EventKind.SEVERITY_CHANGED, 40, "high")]
    assert quality(events[0]).overall.alerts == 0
    assert alerts(events, {}) == (Alert("gap-a", MONDAY + 30 * HOUR, Severity.MEDIUM),)


def test_a_reopened_gap_counts_anew_at_the_severity_of_that_run():
    events = [opened(), an_event(EventKind.RESOLVED, 5), an_event(EventKind.REOPENED, 50, run="late")]
    assert quality(*events).overall.alerts == 2
    assert quality(*events, severities={("late", "gap-a"): Severity.INFO}).overall.alerts == 1
    assert alerts(events, {("late", "gap-a"): Severity.LOW})[1].severity is Severity.LOW


def test_a_waiver_that_ends_begins_a_new_alert_and_resolves_none():
    events = [opened(), an_event(EventKind.ACCEPTED, 2, by="Ada"), an_event(EventKind.REOPENED, 50)]
    first, second = alerts(events, {})
    assert (first.ended_at, first.resolved_at) == (MONDAY + 50 * HOUR, None)
    assert (second.acknowledged_at, second.ended_at) == (None, None)


def test_what_came_too_late_to_change_anything_counts_for_nothing():
    refused = GapEvent("run", MONDAY + HOUR, "gap-a", EventKind.RESOLVED, "open", "open", "Ada")
    assert quality(opened(), refused).overall.resolved.waiting == 1


def test_a_week_tells_of_the_alerts_raised_in_it_and_of_its_last_coverage():
    seen = [
        CoverageSeen("r2", MONDAY + 30 * HOUR, Coverage(10, 7)),
        CoverageSeen("r1", MONDAY, Coverage(10, 9)),
        CoverageSeen("r3", MONDAY + timedelta(days=8), Coverage(0, 0)),
    ]
    resolved_later = an_event(EventKind.RESOLVED, 24 * 9)
    found = quality(opened(3), resolved_later, coverages=seen, at=MONDAY + timedelta(days=20))
    assert [(week.week, week.alerts, week.coverage.share) for week in found.weeks] == [
        ("2026-W45", 1, 0.7),
        ("2026-W46", 0, None),
    ]
    assert found.weeks[0].resolved.done == 1
    assert found.overall.coverage == Coverage(0, 0)


def test_weeks_are_those_of_iso_8601():
    assert iso_week(datetime(2027, 1, 1, tzinfo=UTC)) == "2026-W53"
    assert iso_week(datetime(2024, 12, 30, tzinfo=UTC)) == "2025-W01"


# --- against brute force, and in SQL -------------------------------------------------------------


@st.composite
def stories(draw):
    """Any events of two gaps over some runs, in order, sensible or not; and the severities of the runs."""
    kinds = st.sampled_from(list(EventKind))
    hours, events = 0, []
    for number in range(draw(st.integers(1, 14))):
        hours += draw(st.sampled_from([0, 1, 7, 40, 150]))
        kind, gap = draw(kinds), draw(st.sampled_from(["gap-a", "gap-b"]))
        severity = draw(st.sampled_from([severity.value for severity in Severity]))
        by = draw(st.sampled_from([None, "Ada"]))
        after = severity if kind in (EventKind.OPENED, EventKind.SEVERITY_CHANGED) else None
        event = an_event(kind, hours, after, gap, by, f"run-{number:02}")
        if draw(st.integers(0, 9)) == 0:
            event = GapEvent(event.run_id, event.at, gap, kind, event.after, event.after, by)
        events.append(event)
    known = {
        (e.run_id, e.gap_id): draw(st.sampled_from(list(Severity))) for e in events if draw(st.booleans())
    }
    return events, known


def brute_force(events, known):
    """Every opening with everything until the next one, looked at anew for each question."""
    found = []
    for gap in ("gap-a", "gap-b"):
        own = [e for e in events if e.gap_id == gap and e.before != e.after]
        starts = [i for i, e in enumerate(own) if e.event.value in ("opened", "reopened")]
        for start, following in pairwise([*starts, len(own)]):
            ends = [
                i for i in range(start + 1, following) if own[i].event.value in ("resolved", "false_positive")
            ]
            end = min([*ends, following])
            told = [e.after for e in own[: start + 1] if e.event.value in ("opened", "severity_changed")]
            first = known.get((own[start].run_id, gap)) or Severity([*["info"], *told][-1])
            grown = [
                e for e in own[start + 1 : end] if e.event.value == "severity_changed" and e.after != "info"
            ]
            if first is Severity.INFO and not grown:
                continue
            at, severity = (
                (grown[0].at, Severity(grown[0].after)) if first is Severity.INFO else (own[start].at, first)
            )
            seen = [
                e.at
                for e in own[start + 1 : end + 1]
                if e.event.value in ("acknowledged", "accepted", "false_positive")
                or (e.event.value == "resolved" and e.by)
            ]
            last = own[end] if end < len(own) else None
            kind = last.event.value if last else ""
            found.append(
                Alert(gap, at, severity, min(seen, default=None), last.at if kind == "resolved" else None,
                      last.at if last else None, kind == "false_positive")
            )  # fmt: skip
    return sorted(found, key=lambda alert: (alert.raised_at, alert.gap_id))


@given(stories())
@settings(max_examples=100, deadline=None)
def test_the_alerts_are_those_that_brute_force_finds(story):
    events, known = story
    assert sorted(alerts(events, known), key=str) == sorted(brute_force(events, known), key=str)


def a_gap(gap_id, severity):
    return Gap(gap_id, "missing_values", None, "quotes", "price", None, "", GapStatus.OPEN, severity, "",
               None, None, None, None)  # fmt: skip


@pytest.fixture(scope="module")
def session():
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    prepare(connection)
    yield connection
    connection.close()


@given(story=stories())
@settings(max_examples=6, deadline=None)
def test_the_views_say_the_same_in_sql(session, story):
    events, known = story
    for table in ("runs", "gap_history", "gap_events", "coverage_history"):
        session.execute(f"delete from plumbline_register.{table}")
    for number, event in enumerate(events):
        gaps = tuple(a_gap(gap, severity) for (run, gap), severity in known.items() if run == event.run_id)
        append_run(session, RunRecord(event.run_id, event.at, event.at, gaps, (event,)))
        append_coverage(session, CoverageSeen(event.run_id, event.at, Coverage(10, number % 11)))
    past = read_past(session)
    at = events[-1].at + HOUR
    found = alerts(past.events, past.severities)
    assert list(found) == list(alerts(events, known))
    rows = session.execute(
        "select * exclude (week_start) from plumbline_register.gap_alerts order by raised_at, gap_id"
    )
    assert [tuple(row) for row in rows.fetchall()] == [
        (a.gap_id, *map(naive, (a.raised_at,)), a.severity.value, *map(naive, (a.acknowledged_at, a.resolved_at, a.ended_at)),
         a.is_false_positive)
        for a in found
    ]  # fmt: skip
    weeks = alert_quality(past.events, past.severities, past.coverages, at).weeks
    told = session.execute("select * from plumbline_register.weekly_quality order by week_start").fetchall()
    assert [tuple(row) for row in told] == [as_a_row(week) for week in weeks]


def naive(moment):
    return None if moment is None else moment.replace(tzinfo=None)


def as_a_row(week):
    year, number = week.week.split("-W")
    hours = [
        None if wait.mean is None else pytest.approx(wait.mean / HOUR)
        for wait in (week.acknowledged, week.resolved)
    ]
    share = week.false_positive_share
    return (
        date.fromisocalendar(int(year), int(number), 1), week.alerts, week.false_positives,
        share if share is None else pytest.approx(share),
        week.acknowledged.done, hours[0], week.acknowledged.waiting,
        week.resolved.done, hours[1], week.resolved.waiting,
        week.coverage.critical_fields, week.coverage.monitored_fields, pytest.approx(week.coverage.share),
    )  # fmt: skip
