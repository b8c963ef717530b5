"""The register in the warehouse: appended to, read back, never rewritten."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.register.history import Evaluation, EventKind, merge
from dagster_pipeline.register.store import RunRecord, append_run, gap_events, latest_gaps, prepare
from dagster_pipeline.statistics.vocabulary import Direction

START = datetime(2026, 11, 6, 12, 30, tzinfo=UTC)
HOSTILE = "x'); drop table plumbline_register.gap_history; --"


@pytest.fixture
def session():
    connection = duckdb.connect()
    prepare(connection)
    yield connection
    connection.close()


def a_gap(column="price", severity=Severity.HIGH):
    impact = Impact(
        "hire_rate_7d", "treatment", "absolute", 0.01, 0.02, None, 0.03, None, 0.03,
        Direction.EITHER, Direction.NONE, True, 1 / 3,
    )  # fmt: skip
    return Gap(
        gap_id("missing_values", None, "quotes", column), "missing_values", None, "quotes", column, None,
        "12% of prices are null", GapStatus.OPEN, severity, HOSTILE, 1000, 124, 0.124, 0.06,
        {"control": 0.1}, False, (impact,),
    )  # fmt: skip


def one_run(session, day, measured, checks=()):
    at = START + timedelta(days=day)
    evaluation = Evaluation(frozenset({"missing_values"}))
    merged = merge(latest_gaps(session), measured, evaluation, run_id=f"run-{day}", at=at)
    verdicts = {"quoting_v2": "HOLD"}
    append_run(session, RunRecord(f"run-{day}", at, at, merged.gaps, merged.events, tuple(checks), verdicts))
    return merged


def count(session, table):
    return session.execute(f"select count(*) from plumbline_register.{table}").fetchone()[0]


def test_what_is_appended_is_read_back_unchanged(session):
    merged = one_run(session, 0, [a_gap(), a_gap(HOSTILE)])
    assert list(latest_gaps(session)) == sorted(merged.gaps, key=lambda gap: gap.gap_id)
    assert count(session, "gap_history") == 2


def test_the_life_of_a_gap_can_be_told_from_the_tables(session):
    for day, measured in enumerate([[a_gap()], [a_gap(severity=Severity.LOW)], [], [], [a_gap()]]):
        one_run(session, day, measured)
    events = gap_events(session, a_gap().gap_id)
    assert [event.event for event in events] == [
        EventKind.OPENED, EventKind.SEVERITY_CHANGED, EventKind.RESOLVED, EventKind.REOPENED,
    ]  # fmt: skip
    assert events[0].at == START
    (gap,) = latest_gaps(session)
    assert (gap.status, gap.first_seen, gap.last_seen) == (GapStatus.OPEN, START, START + timedelta(days=4))
    assert count(session, "gap_history") == 4, "the fourth run had nothing to say of it"
    assert count(session, "runs") == 5


def test_earlier_runs_are_left_as_they_were(session):
    one_run(session, 0, [a_gap()])
    before = session.execute("select * from plumbline_register.gap_history where run_number = 1").fetchall()
    one_run(session, 1, [])
    prepare(session)
    after = session.execute("select * from plumbline_register.gap_history where run_number = 1").fetchall()
    assert before == after


def test_the_latest_state_is_the_last_run_s_even_when_the_clock_went_back(session):
    one_run(session, 5, [a_gap()])
    one_run(session, 1, [a_gap(severity=Severity.LOW)])
    assert latest_gaps(session)[0].severity is Severity.LOW


def test_a_run_is_recorded_once(session):
    one_run(session, 0, [a_gap()])
    with pytest.raises(PlumblineError, match="run-0 is in the register already"):
        one_run(session, 0, [a_gap()])
    assert count(session, "gap_history") == 1


def test_checks_and_runs_are_kept_with_their_figures(session):
    check = CheckResult(
        "quotes",
        "not_null",
        "quotes",
        "price",
        CheckStatus.FAILED,
        0.124,
        "≤ 0.005",
        124,
        1000,
        "missing_values",
    )
    one_run(session, 0, [a_gap()], [RegisteredCheck(check, a_gap().gap_id)])
    row = session.execute(
        "select run_id, table_name, status, observed, threshold, failing_rows, gap_id "
        "from plumbline_register.check_history"
    ).fetchone()
    assert row == ("run-0", "quotes", "failed", "0.124", "≤ 0.005", 124, a_gap().gap_id)
    run = session.execute(
        "select run_number, as_of, verdicts, gaps_unresolved, checks_failed from plumbline_register.runs"
    ).fetchone()
    assert run == (1, START.replace(tzinfo=None), '{"quoting_v2": "HOLD"}', 1, 1)


def test_more_rows_than_one_statement_holds_are_all_written(session):
    gaps = tuple(replace(a_gap(str(i)), first_seen=START, last_seen=START) for i in range(450))
    append_run(session, RunRecord("big", START, START, gaps))
    assert len(latest_gaps(session)) == 450


def test_a_history_that_cannot_be_read_is_said_rather_than_forgotten(session):
    one_run(session, 0, [a_gap()])
    session.execute("update plumbline_register.gap_history set gap = '{\"gap_id\": 1}'")
    with pytest.raises(PlumblineError, match=r"latest state of gap-[0-9a-f]{12}"):
        latest_gaps(session)
