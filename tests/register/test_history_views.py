"""The history as a BI tool reads it: every table and column documented, an earlier version's warehouse brought up to date."""

import re
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import yaml
from lives import DAY, FIRST, a_gap

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Impact
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.register.store import SCHEMA, RunRecord, append_run, latest_gaps, prepare
from dagster_pipeline.register.trends import RUNS_SHOWN, read_past, read_trends
from dagster_pipeline.statistics.vocabulary import Direction

ROOT = Path(__file__).resolve().parents[2]
VIEWS = {"gap_states", "gap_trend", "check_trend", "gap_alerts", "weekly_quality"}


@pytest.fixture
def session():
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    prepare(connection)
    yield connection
    connection.close()


def keep(session, number, gaps, as_of=None, checks=()):
    at = FIRST + number * DAY
    append_run(session, RunRecord(f"run-{number:02}", as_of or at, at, tuple(gaps), checks=tuple(checks)))


def columns(session):
    rows = session.execute(
        "select table_name, column_name from information_schema.columns where table_schema = ? order by all",
        [SCHEMA],
    ).fetchall()
    found = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


def documented():
    """What docs/history.md says there is: its sections and the first cells of their tables."""
    text = (ROOT / "docs" / "history.md").read_text("utf-8")
    parts = re.split(r"^### `(\w+)`.*$", text, flags=re.MULTILINE)[1:]
    return {
        name: set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.+?) \|", body, re.MULTILINE))))
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_table_view_and_column_of_the_schema_is_documented(session):
    assert documented() == columns(session)


def test_the_query_that_the_page_shows_runs(session):
    keep(session, 0, [a_gap(), a_gap(column="x")])
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "history.md").read_text("utf-8"), re.DOTALL)
    assert [row[1:] for row in session.execute(query).fetchall()] == [("high", 2)]


def test_the_views_are_views_and_change_nothing(session):
    rows = session.execute(
        "select table_name from information_schema.tables where table_type = 'VIEW'"
    ).fetchall()
    assert {name for (name,) in rows} == VIEWS


def test_the_exposures_name_models_and_tables_that_there_are(session):
    document = yaml.safe_load((ROOT / "dbt_project" / "models" / "exposures.yml").read_text("utf-8"))
    models = {path.stem for path in (ROOT / "dbt_project" / "models").rglob("*.sql")}
    (source,) = document["sources"]
    assert source["schema"] == SCHEMA
    tables = {table["name"] for table in source["tables"]}
    assert tables <= set(columns(session))
    for exposure in document["exposures"]:
        for reference in exposure["depends_on"]:
            kind, names = re.fullmatch(r"(ref|source)\((.+)\)", reference).groups()
            name = re.findall(r"'(\w+)'", names)[-1]
            assert name in (models if kind == "ref" else tables), f"{exposure['name']} reads {name}"


def an_impact(delta_star, flips=False):
    return Impact("hire_rate_7d", "t", "absolute", None, 0.02, None, None, None, None,
                  Direction.EITHER, Direction.NONE, flips, delta_star)  # fmt: skip


def test_a_gap_s_trend_has_a_row_for_each_run_that_knew_of_it(session):
    keep(session, 0, [a_gap(metrics=(an_impact(0.4), an_impact(None)))])
    keep(
        session,
        1,
        [a_gap(severity=Severity.LOW, share_residual=0.01, metrics=(an_impact(None, True), an_impact(3.0)))],
    )
    keep(session, 2, [])
    rows = session.execute(
        f"select run_number, cast(as_of_date as varchar), severity_rank, share_residual, status, delta_star from {SCHEMA}.gap_trend order by 1"
    ).fetchall()
    assert rows == [(1, "2026-11-06", 3, 0.06, "open", 0.4), (2, "2026-11-07", 1, 0.01, "open", None)]


def test_every_severity_has_its_rank(session):
    keep(session, 0, [a_gap(column=severity.value, severity=severity) for severity in Severity])
    rows = session.execute(f"select severity, severity_rank from {SCHEMA}.gap_trend").fetchall()
    assert dict(rows) == {severity.value: severity.rank for severity in Severity}


def test_a_check_s_trend_says_what_share_failed_and_nothing_where_nobody_counted(session):
    counted = CheckResult(
        "quotes", "not_null", "quotes", "price", CheckStatus.FAILED, 0.1, 0.0, 5, 50, "missing_values"
    )
    checks = [
        counted,
        replace(counted, status=CheckStatus.ERROR, failing_rows=None, rows_total=None, column="x"),
    ]
    checks += [replace(counted, failing_rows=0, rows_total=0, column="y")]
    keep(session, 0, [], checks=[RegisteredCheck(check) for check in checks])
    rows = session.execute(
        f"select column_name, status, failing_share from {SCHEMA}.check_trend order by 1"
    ).fetchall()
    assert rows == [("price", "failed", 0.1), ("x", "error", None), ("y", "failed", None)]


def test_an_interrupted_run_is_no_point_of_a_trend(session):
    keep(session, 0, [a_gap()])
    session.execute(f"delete from {SCHEMA}.runs")
    assert session.execute(f"select count(*) from {SCHEMA}.gap_trend").fetchone() == (0,)
    assert read_trends(session) == ()


def test_trends_go_by_the_date_of_the_data_and_leave_a_hole_where_the_gap_was_not():
    with duckdb.connect() as session:
        prepare(session)
        keep(session, 0, [a_gap(share_residual=0.01)])
        keep(session, 1, [])
        keep(session, 2, [a_gap(share_residual=0.03)])
        keep(session, 3, [a_gap(share_residual=0.02)], as_of=FIRST + DAY / 2)
        (trend,) = read_trends(session)
        assert [point and point.share_residual for point in trend.points] == [0.01, 0.02, None, 0.03]
        assert [point and point.share_residual for point in read_trends(session, last=2)[0].points] == [
            None,
            0.03,
        ]


def test_a_trend_reaches_back_as_many_runs_as_it_says(session):
    for number in range(RUNS_SHOWN + 2):
        keep(session, number, [a_gap()])
    (trend,) = read_trends(session)
    assert len(trend.points) == RUNS_SHOWN
    assert trend.points[-1].run_id == f"run-{RUNS_SHOWN + 1:02}"


def test_the_past_is_empty_before_the_first_run(session):
    past = read_past(session)
    assert (past.events, past.severities, past.coverages, past.trends) == ((), {}, (), ())


def test_a_warehouse_of_an_earlier_version_is_brought_up_to_date_and_keeps_its_rows(session):
    keep(session, 0, [a_gap()])
    for view in VIEWS:
        session.execute(f"drop view {SCHEMA}.{view}")
    session.execute(f"alter table {SCHEMA}.gap_history drop column delta_star")
    session.execute(f"drop table {SCHEMA}.coverage_history")
    session.execute(f"create view {SCHEMA}.gap_states as select *, 1 as recency from {SCHEMA}.gap_history")
    prepare(session)
    keep(session, 1, [a_gap(metrics=(an_impact(0.4),))])
    rows = session.execute(f"select run_number, delta_star from {SCHEMA}.gap_trend order by 1").fetchall()
    assert rows == [(1, None), (2, 0.4)]
    assert len(latest_gaps(session)) == 1
    assert read_past(session).coverages == ()
