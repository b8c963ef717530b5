"""A look back at an earlier day: kept beside the register's history, which it never changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.history import Evaluation, merge
from dagster_pipeline.register.look_backs import LookBack, append_look_back, gaps_by_day, state_as_of
from dagster_pipeline.register.store import RunRecord, append_run, latest_gaps, prepare

NOON = datetime(2026, 11, 6, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def session():
    connection = duckdb.connect()
    prepare(connection)
    yield connection
    connection.close()


def a_gap(share, severity=Severity.HIGH):
    identity = gap_id("missing_values", None, "quotes", "price")
    return Gap(
        identity, "missing_values", None, "quotes", "price", None, "what", GapStatus.OPEN, severity, "why",
        1000, int(1000 * share), share, share / 2,
    )  # fmt: skip


def one_run(session, as_of, at, gap):
    merged = merge(
        latest_gaps(session), [gap], Evaluation(frozenset({"missing_values"})), run_id=f"run {at}", at=at
    )
    append_run(session, RunRecord(f"run {at}", as_of, at, merged.gaps, merged.events))


def look_back(session, as_of, at, *gaps):
    append_look_back(session, LookBack(f"look back {at}", as_of, at, gaps, 3))


def days(session):
    return [(found.as_of, found.share) for found in gaps_by_day(session)]


def test_the_register_stands_at_the_clock_of_its_last_run_not_at_its_latest_clock(session):
    assert state_as_of(session) is None
    one_run(session, NOON, NOON, a_gap(0.1))
    one_run(session, NOON - 3 * DAY, NOON + DAY, a_gap(0.1))
    assert state_as_of(session) == NOON - 3 * DAY


def test_the_register_can_be_asked_before_its_first_run():
    with duckdb.connect() as fresh:
        assert state_as_of(fresh) is None


def test_a_look_back_changes_neither_the_state_of_a_gap_nor_where_the_register_stands(session):
    one_run(session, NOON, NOON, a_gap(0.1))
    before = latest_gaps(session), state_as_of(session)
    look_back(session, NOON - 2 * DAY, NOON + DAY, a_gap(0.5, Severity.BLOCKER))
    assert (latest_gaps(session), state_as_of(session)) == before


def test_runs_and_look_backs_make_one_story_by_the_day_they_are_about(session):
    one_run(session, NOON, NOON, a_gap(0.1))
    look_back(session, NOON - 2 * DAY, NOON + DAY, a_gap(0.5))
    look_back(session, NOON - DAY, NOON + 2 * DAY, a_gap(0.3))
    assert days(session) == [(NOON - 2 * DAY, 0.25), (NOON - DAY, 0.15), (NOON, 0.05)]


def test_of_one_day_the_latest_look_back_counts_and_a_run_before_any(session):
    one_run(session, NOON, NOON, a_gap(0.1))
    look_back(session, NOON - DAY, NOON + DAY, a_gap(0.5))
    look_back(session, NOON - DAY, NOON + 2 * DAY, a_gap(0.7))
    look_back(session, NOON, NOON + 3 * DAY, a_gap(0.9))
    assert days(session) == [(NOON - DAY, 0.35), (NOON, 0.05)]


def test_a_gap_without_a_residual_counts_by_what_it_affects_and_an_unknown_share_stays_unknown(session):
    look_back(session, NOON - DAY, NOON, replace(a_gap(0.4), share_residual=None))
    look_back(session, NOON, NOON + DAY, replace(a_gap(0.4), share_residual=None, share_affected=None))
    assert days(session) == [(NOON - DAY, 0.4), (NOON, None)]


def test_a_look_back_that_found_nothing_is_on_record(session):
    look_back(session, NOON - DAY, NOON)
    rows = session.execute(
        "select as_of, looked_at, gaps_found, checks_failed from plumbline_register.look_backs"
    )
    assert rows.fetchall() == [((NOON - DAY).replace(tzinfo=None), NOON.replace(tzinfo=None), 0, 3)]


def test_hostile_values_are_values(session):
    name = "x'); drop table plumbline_register.look_backs; --\x00"
    look_back(session, NOON, NOON, replace(a_gap(0.2), table=name, column=name))
    found = session.execute("select table_name from plumbline_register.look_back_gaps").fetchall()
    assert found[0][0].startswith("x'); drop table")
    assert len(days(session)) == 1
