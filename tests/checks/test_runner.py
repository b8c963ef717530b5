"""Suites are run by Great Expectations on the built warehouse: passed, failed or error, with exact counts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.checks.runner import run_checks
from dagster_pipeline.checks.suites import load_suites
from dagster_pipeline.engines import SourceInspection, SourceStatus
from dagster_pipeline.engines.storage import held_open_here
from dagster_pipeline.errors import PlumblineError
from tests.checks.worlds import RELATIONS, ROWS, SOURCES, alter, configuration, write_clean_world

NOT_NULL = "expect_column_values_to_not_be_null"
NULL = "expect_column_values_to_be_null"
NEWEST = "expect_column_max_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
SIZE = "expect_table_row_count_to_be_between"
UNIQUE = "expect_column_proportion_of_unique_values_to_be_between"

PASSED, FAILED, ERROR = CheckStatus.PASSED, CheckStatus.FAILED, CheckStatus.ERROR


def run(path: Path, *, only: str = ".*", available=RELATIONS, data_docs=None, inspections=None, **options):
    config = configuration(path.parent, **options)
    suites = [suite for suite in load_suites(config, inspections) if re.fullmatch(only, suite.name)]
    return run_checks(path, suites, config, available, data_docs)


def of(
    results: tuple[CheckResult, ...], suite: str, expectation: str, column: str | None = None
) -> CheckResult:
    found = [
        r for r in results if (r.suite, r.expectation) == (suite, expectation) and column in (None, r.column)
    ]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return write_clean_world(tmp_path / "warehouse.duckdb", 100)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory):
    """A clean world's path, results and Data Docs; the one run of everything."""
    folder = tmp_path_factory.mktemp("clean")
    path = write_clean_world(folder / "warehouse.duckdb")
    return path, run(path, data_docs=folder / "docs"), folder / "docs"


def test_a_clean_world_passes_every_check(clean) -> None:
    _, results, _ = clean
    assert len(results) > 70
    assert [(r.suite, r.expectation, r.column, r.message) for r in results if r.status is not PASSED] == []


def test_results_carry_what_a_person_compares(clean) -> None:
    _, results, _ = clean
    size = of(results, "int_hires", SIZE)
    assert (size.observed, size.threshold, size.rows_total, size.table) == (ROWS, 1, ROWS, "hires")
    newest = of(results, "int_hires", NEWEST)
    assert (newest.observed, newest.threshold) == ("2026-11-05T20:00:00Z", "2026-11-05T00:00:00Z")
    nulls = of(results, "int_hires", NOT_NULL, "amount")
    assert (nulls.observed, nulls.threshold, nulls.failing_rows, nulls.rows_total) == (0.0, 0.005, 0, ROWS)
    assert nulls.message == "0 of 1,000 rows (0.00%); allowed 0.50%"
    assert (nulls.gap_kind, nulls.affects) == ("missing_values", ("gmv_per_request",))


def test_results_are_plain_values_that_json_can_hold(clean) -> None:
    _, results, _ = clean
    for result in results:
        assert type(result.observed) in (int, float, str, type(None))
        json.dumps(
            [result.observed, result.threshold, result.failing_rows, result.rows_total], allow_nan=False
        )


def test_results_come_in_the_order_of_suites_and_entries(clean) -> None:
    path, results, _ = clean
    expected = [
        (suite.name, check.entry.type, check.entry.column)
        for suite in load_suites(configuration(path.parent))
        for check in suite.checks
    ]
    assert [(r.suite, r.expectation, r.column) for r in results] == expected


def test_data_docs_are_great_expectations_own_pages_with_every_suite(clean) -> None:
    _, _, docs = clean
    index = (docs / "index.html").read_text()
    assert "Data Docs" in index
    for relation in RELATIONS:
        (page,) = (docs / "validations").rglob(f"{relation}.html")
        assert "Great Expectations Version" in page.read_text()
        assert page.relative_to(docs).as_posix() in index
        assert (docs / "expectations" / f"{relation}.html").is_file()


def test_opening_data_docs_calls_no_host(clean) -> None:
    _, _, docs = clean
    for page in [*docs.rglob("*.html"), *docs.rglob("*.css")]:
        text = page.read_text()
        assert not re.search(r"<(script|link|img|iframe)\b[^>]*https?:", text), page
        assert not re.search(r"(@import|url\()[^;)]*https?:", text), page


def test_data_docs_hold_no_values_of_rows(tmp_path: Path) -> None:
    path = write_clean_world(tmp_path / "warehouse.duckdb", 100)
    alter(path, "update int_quotes set variant = 'SECRET-VALUE', is_off_arm = true where price < 50")
    results = run(path, only="int_quotes", data_docs=tmp_path / "docs")
    assert of(results, "int_quotes", IN_SET, "is_off_arm").failing_rows == 50
    assert all("SECRET-VALUE" not in page.read_text() for page in (tmp_path / "docs").rglob("*.html"))


def test_another_process_can_write_to_the_database_afterwards(clean) -> None:
    path, _, _ = clean
    assert not held_open_here(path)
    code = (
        "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create or replace table later as select 1')"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 0


def test_checks_leave_the_database_as_it_was(world: Path) -> None:
    before = world.read_bytes()
    run(world, only="int_quotes")
    assert world.read_bytes() == before


def test_each_planted_defect_is_counted_exactly_and_nothing_else_fails(tmp_path: Path) -> None:
    path = write_clean_world(tmp_path / "warehouse.duckdb")
    alter(
        path,
        "update int_quotes set price_unreadable = 'n/a' where price < 7",
        "update int_quotes set price = null where price < 20",
        "update int_quotes set is_duplicate = true where price between 100 and 113",
        "update int_quotes set is_conflict = true where price between 200 and 202",
        "update int_quotes set is_orphan = true where price between 300 and 305",
        "update int_quotes set variant = null where price between 400 and 580",
        "update int_quotes set variant = 'tretment', is_off_arm = true where price between 600 and 609",
    )
    results = run(path, only="int_quotes")
    failed = {(r.expectation, r.column): r.failing_rows for r in results if r.status is FAILED}
    assert failed == {
        (NOT_NULL, "price"): 13,
        (NULL, "price_unreadable"): 7,
        (IN_SET, "is_duplicate"): 13,
        (IN_SET, "is_conflict"): 2,
        (IN_SET, "is_orphan"): 5,
        (NOT_NULL, "variant"): 180,
        (IN_SET, "is_off_arm"): 9,
    }
    assert {r.rows_total for r in results} == {ROWS}
    assert {r.status for r in results} == {PASSED, FAILED}


def test_a_gap_s_column_is_the_user_s_own_or_none_for_whole_rows(clean) -> None:
    _, results, _ = clean
    assert of(results, "int_quotes", NULL, "price_unreadable").gap_column == "price"
    assert of(results, "int_quotes", IN_SET, "is_duplicate").gap_column is None
    assert of(results, "int_quotes", NOT_NULL, "price").gap_column == "price"


def test_duplicates_are_counted_where_the_compared_columns_are_null(world: Path) -> None:
    """The flag is null-safe; a built-in uniqueness check would skip rows with nulls."""
    alter(
        world,
        "update int_messages set pro_id = null, request_id = 'r', sent_at = timestamp '2026-11-05 20:00:00'",
        "create or replace table int_messages as select * replace (row_number() over "
        "(partition by request_id, pro_id, sent_at) > 1 as is_duplicate) from int_messages",
    )
    assert of(run(world, only="int_messages"), "int_messages", IN_SET, "is_duplicate").failing_rows == 99


def test_defects_within_the_threshold_pass_and_are_still_counted(tmp_path: Path) -> None:
    path = write_clean_world(tmp_path / "warehouse.duckdb")
    alter(path, "update int_hires set pro_id = null where amount < 5")
    result = of(run(path, only="int_hires"), "int_hires", NOT_NULL, "pro_id")
    assert (result.status, result.failing_rows, result.observed) == (PASSED, 5, 0.005)
    alter(path, "update int_hires set pro_id = null where amount < 6")
    result = of(run(path, only="int_hires"), "int_hires", NOT_NULL, "pro_id")
    assert (result.status, result.failing_rows) == (FAILED, 6)


def test_a_threshold_of_the_configuration_decides_by_column(world: Path) -> None:
    alter(world, "update int_requests set geo = null, category = null where customer_id < 'customer_id3'")
    results = run(world, only="int_requests", overrides={"requests": {"geo": {"null_share": 0.5}}})
    geo, category = (of(results, "int_requests", NOT_NULL, column) for column in ("geo", "category"))
    assert geo.failing_rows == category.failing_rows
    assert (geo.status, geo.threshold, category.status, category.threshold) == (PASSED, 0.5, FAILED, 0.005)


@pytest.mark.parametrize(("hours", "status"), [(4, PASSED), (3.99, FAILED)])
def test_freshness_is_measured_from_the_clock_limit_included(world: Path, hours: float, status) -> None:
    results = run(world, only="int_messages", freshness=timedelta(hours=hours))
    assert of(results, "int_messages", NEWEST).status is status


def test_rows_dated_after_the_clock_do_not_make_a_source_fresh(world: Path) -> None:
    alter(
        world,
        "update int_messages set sent_at = sent_at - interval 9 day",
        "insert into int_messages select * replace (timestamp '2027-01-01' as sent_at) from int_messages",
    )
    newest = of(run(world, only="int_messages"), "int_messages", NEWEST)
    assert (newest.status, newest.observed) == (FAILED, "2026-10-27T20:00:00Z")


def test_a_source_without_any_date_up_to_the_clock_is_stale(world: Path) -> None:
    alter(world, "update int_messages set sent_at = null")
    newest = of(run(world, only="int_messages"), "int_messages", NEWEST)
    assert (newest.status, newest.observed) == (FAILED, None)
    assert "observed nothing" in newest.message


def test_a_relation_that_was_not_built_is_an_error_in_each_of_its_checks(world: Path) -> None:
    results = run(world, only="int_hires|int_messages", available={"int_messages"})
    by_suite = {
        name: {r.status for r in results if r.suite == name} for name in ("int_hires", "int_messages")
    }
    assert by_suite == {"int_hires": {ERROR}, "int_messages": {PASSED}}
    assert of(results, "int_hires", SIZE).message == "not evaluated: int_hires was not built"


def test_a_relation_said_to_be_built_that_is_not_there_is_an_error_too(world: Path) -> None:
    alter(world, "drop table int_hires")
    results = run(world, only="int_hires|int_messages")
    assert {r.status for r in results if r.suite == "int_hires"} == {ERROR}
    assert {r.status for r in results if r.suite == "int_messages"} == {PASSED}


def test_an_empty_relation_fails_its_size_and_passes_nothing(world: Path) -> None:
    alter(world, "delete from int_hires")
    results = run(world, only="int_hires")
    size = of(results, "int_hires", SIZE)
    assert (size.status, size.observed) == (FAILED, 0)
    rest = [r for r in results if r is not size]
    assert {(r.status, r.message) for r in rest} == {(ERROR, "not evaluated: int_hires has no row")}


def test_a_flag_that_was_never_computed_is_an_error_and_not_a_pass(world: Path) -> None:
    alter(world, "update int_hires set is_orphan = null")
    result = of(run(world, only="int_hires"), "int_hires", IN_SET, "is_orphan")
    assert (result.status, result.message) == (ERROR, "not evaluated: is_orphan has no value")


def test_what_an_inspection_found_missing_is_an_error(world: Path) -> None:
    inspections = {"hires": SourceInspection("hires", SourceStatus.OK, "t", absent_columns=("outcome",))}
    results = run(world, only="int_hires", inspections=inspections)
    outcome = {r.status for r in results if r.gap_column == "outcome"}
    assert outcome == {ERROR}
    assert {r.status for r in results if r.gap_column != "outcome"} == {PASSED}


def test_our_own_repair_is_guarded(world: Path) -> None:
    alter(
        world,
        "insert into plumbline_canonical.requests select * from plumbline_canonical.requests limit 1",
        "insert into plumbline_canonical.experiment_assignments select 'quoting_v2', unit_id, 'other', true "
        "from plumbline_canonical.experiment_assignments limit 2",
    )
    results = run(world, only="requests|experiment_assignments")
    assert of(results, "requests", UNIQUE).status is FAILED
    several = of(results, "experiment_assignments", "unexpected_rows_expectation")
    assert (several.status, several.failing_rows, several.gap_kind) == (FAILED, 2, "not_evaluated")


def raising_suite(folder: Path, entries: list[dict]) -> Path:
    meta = {"gap_kind": "missing_values", "affects": [], "mitigation": "none"}
    content = {
        "name": "int_quotes",
        "meta": {"schema": "plumbline_intermediate", "table": "quotes"},
        "expectations": [{"meta": meta, **entry} for entry in entries],
    }
    folder.mkdir()
    (folder / "int_quotes.json").write_text(json.dumps(content))
    return folder


def run_entries(world: Path, entries: list[dict], data_docs: Path | None = None) -> tuple[CheckResult, ...]:
    config = configuration(world.parent)
    suites = load_suites(config, folder=raising_suite(world.parent / "suites", entries))
    return run_checks(world, suites, config, {"int_quotes"}, data_docs)


SOUND = [
    {"type": SIZE, "kwargs": {"min_value": 1}},
    {"type": NOT_NULL, "kwargs": {"column": "price"}},
    {"type": IN_SET, "kwargs": {"column": "is_duplicate", "value_set": [False]}},
    {"type": NEWEST, "kwargs": {"column": "quoted_at", "min_value": "2026-11-01T00:00:00"}},
]
RAISING = [
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "quote_id", "regex": "^quote"}},
    {"type": NOT_NULL, "kwargs": {"column": "no_such_column"}},
    {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": "select x from {batch} where"},
    },
    {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "quote_id", "min_value": 0}},
]


def test_an_expectation_that_raises_is_an_error_and_poisons_no_other(world: Path, capfd) -> None:
    results = run_entries(world, [RAISING[0], *SOUND[:2], RAISING[1], *SOUND[2:], *RAISING[2:]])
    statuses = {(r.expectation, r.column): r.status for r in results}
    sound = {(entry["type"], entry["kwargs"].get("column")) for entry in SOUND}
    assert {key for key, status in statuses.items() if status is ERROR} == set(statuses) - sound
    assert {statuses[key] for key in sound} == {PASSED}
    errors = [r for r in results if r.status is ERROR]
    assert all(r.message.startswith("not evaluated: ") and "\n" not in r.message for r in errors)
    assert all(r.observed is None and r.failing_rows is None for r in errors)
    assert capfd.readouterr() == ("", ""), "what raised is a result; nothing is printed"


def test_an_expectation_that_breaks_the_bundle_as_a_whole_poisons_no_other(world: Path, monkeypatch) -> None:
    from great_expectations.core import ExpectationSuite
    from great_expectations.datasource.fluent.interfaces import Batch

    validate = Batch.validate

    def breaks_on_suites(self, expect, **options):
        if isinstance(expect, ExpectationSuite):
            raise RuntimeError("resolve_metric_bundle")
        return validate(self, expect, **options)

    monkeypatch.setattr(Batch, "validate", breaks_on_suites)
    results = run_entries(world, [*SOUND, RAISING[1]])
    assert [r.status for r in results] == [PASSED] * 4 + [ERROR]


def test_an_exception_can_come_flat_or_keyed_by_metric() -> None:
    from dagster_pipeline.checks.readings import exception_of

    raised = {"raised_exception": True, "exception_message": "boom\nmore", "exception_traceback": "…"}
    quiet = {"raised_exception": False, "exception_message": None, "exception_traceback": None}
    assert exception_of(raised) == exception_of({"('m', 'd')": quiet, "('n', 'd')": raised}) == "boom"
    assert exception_of(quiet) is exception_of({}) is exception_of(None) is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "expect_the_unexpected", "kwargs": {}}, "no such expectation"),
        ({"type": NOT_NULL, "kwargs": {"column": "price", "mostly": 7}}, "mostly"),
        ({"type": NOT_NULL, "kwargs": {}}, "column"),
        ({"type": NOT_NULL, "kwargs": {"column": "price", "row_condition": {"type": "odd"}}}, "Condition"),
    ],
)
def test_an_entry_great_expectations_can_not_make_names_file_and_entry(world: Path, entry, message) -> None:
    with pytest.raises(PlumblineError, match=rf"int_quotes\.json: expectations\[1\] .*{message}"):
        run_entries(world, [SOUND[0], entry])


def test_data_docs_that_can_not_be_written_lose_no_result(world: Path, caplog) -> None:
    (world.parent / "docs").write_text("a file in the way")
    results = run_entries(world, SOUND, data_docs=world.parent / "docs")
    assert [r.status for r in results] == [PASSED] * 4
    assert "Data Docs could not be written" in caplog.text


def test_a_hostile_arm_is_escaped_in_data_docs(world: Path) -> None:
    entry = {"type": IN_SET, "kwargs": {"column": "variant", "value_set": ["<img src=x onerror=alert(1)>"]}}
    run_entries(world, [entry], data_docs=world.parent / "docs")
    pages = [page.read_text() for page in (world.parent / "docs").rglob("*.html")]
    assert any("onerror" in page for page in pages)
    assert all("<img src=x" not in page for page in pages)


def test_a_path_of_any_characters_can_be_checked(tmp_path: Path) -> None:
    folder = tmp_path / "it's ${HOME} 100% a=b&c#d é"
    folder.mkdir()
    path = write_clean_world(folder / "warehouse.duckdb", 10)
    assert {r.status for r in run(path, only="int_spam_flags")} == {PASSED}


def test_nothing_is_left_in_the_home_or_temporary_folder_and_analytics_is_off(
    world: Path, monkeypatch
) -> None:
    home = world.parent / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "true")
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    monkeypatch.chdir(home)
    assert {r.status for r in run(world, only="int_spam_flags")} == {PASSED}
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
    assert list(home.iterdir()) == []


def test_the_defects_of_every_source_are_counted(tmp_path: Path) -> None:
    """Three duplicates and three orphans each; requests have no parent to lose."""
    path = write_clean_world(tmp_path / "warehouse.duckdb", 100)
    for source in SOURCES:
        alter(path, f"update int_{source} set is_duplicate = rowid % 40 = 0, is_orphan = rowid % 40 = 1")
    results = run(path, only="int_.*")
    counted = {(r.table, r.gap_kind): r.failing_rows for r in results if r.status is FAILED}
    orphans = {(source, "orphan_rows"): 3 for source in SOURCES if source != "requests"}
    assert counted == {(source, "duplicate_rows"): 3 for source in SOURCES} | orphans


def test_a_database_another_program_writes_to_is_an_error_in_every_check(world: Path) -> None:
    code = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(world)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        results = run(world, only="int_spam_flags")
        writer.kill()
    assert {r.status for r in results} == {ERROR}
    assert "lock" in results[0].message
    assert {r.status for r in run(world, only="int_spam_flags")} == {PASSED}


def test_checks_run_beside_readers_of_other_processes(world: Path) -> None:
    code = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(world)], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        assert {r.status for r in run(world, only="int_spam_flags")} == {PASSED}
        reader.kill()
