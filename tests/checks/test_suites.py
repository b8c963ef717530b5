"""Suites are data; what they ask follows the configuration; one that can't be used is said by name."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from dagster_pipeline.checks.suite_files import suite_files
from dagster_pipeline.checks.suites import Check, Suite, load_suites
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.engines import SourceInspection, SourceStatus
from dagster_pipeline.errors import PlumblineError
from tests.checks.worlds import QUOTING, RELATIONS, SOURCES, configuration

NOT_NULL = "expect_column_values_to_not_be_null"
NEWEST = "expect_column_max_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"


def one(suites: tuple[Suite, ...], name: str, expectation: str, column: str | None = None) -> Check | None:
    checks = [check for suite in suites if suite.name == name for check in suite.checks]
    found = [c for c in checks if c.entry.type == expectation and column in (None, c.entry.column)]
    assert len(found) <= 1
    return found[0] if found else None


def must(*arguments) -> Check:
    found = one(*arguments)
    assert found is not None
    return found


def test_there_is_a_suite_for_every_relation_and_no_other() -> None:
    assert {file.name for file in suite_files()} == RELATIONS


@pytest.mark.parametrize("source", SOURCES)
def test_every_mappable_column_is_checked_for_nulls_and_every_source_for_its_size(source: str) -> None:
    entries = next(file.entries for file in suite_files() if file.name == f"int_{source}")
    not_null = {entry.column for entry in entries if entry.type == NOT_NULL}
    assert not_null == set(source_specs()[source].column_names)
    assert entries[0].type == "expect_table_row_count_to_be_between"


@pytest.mark.parametrize("source", SOURCES)
def test_unreadable_values_are_counted_as_invalid_and_never_as_missing(source: str) -> None:
    entries = next(file.entries for file in suite_files() if file.name == f"int_{source}")
    for column in source_specs()[source].columns:
        missing = next(e for e in entries if e.type == NOT_NULL and e.column == column.name)
        unreadable = [e for e in entries if e.gap_kind == "invalid_values" and e.gap_column == column.name]
        if column.data_type != "text":
            assert missing.kwargs["row_condition"]["column"] == {"name": f"{column.name}_unreadable"}
            assert [e.column for e in unreadable] == [f"{column.name}_unreadable"]


def test_entries_name_metrics_that_exist_and_say_what_is_done() -> None:
    for file in suite_files():
        for entry in file.entries:
            assert set(entry.affects) <= set(metric_definitions())
            assert entry.mitigation


def test_freshness_is_relative_to_the_clock_and_only_where_it_is_configured(tmp_path: Path) -> None:
    fresh = must(load_suites(configuration(tmp_path, freshness=timedelta(hours=36))), "int_hires", NEWEST)
    assert fresh.kwargs["min_value"] == "2026-11-04T12:00:00"
    assert fresh.kwargs["row_condition"]["parameter"] == "2026-11-06T00:00:00"
    assert fresh.threshold == "2026-11-04T12:00:00Z"
    assert one(load_suites(configuration(tmp_path, freshness=None)), "int_hires", NEWEST) is None


def test_a_threshold_of_a_column_wins_over_its_table_and_the_default(tmp_path: Path) -> None:
    overrides = {"quotes": {"price": {"null_share": 0.2}, "*": {"null_share": 0.1, "duplicate_share": 0.3}}}
    suites = load_suites(configuration(tmp_path, overrides=overrides))
    shares = {
        (name, column): must(suites, name, kind, column).threshold
        for name, kind, column in [
            ("int_quotes", NOT_NULL, "price"),
            ("int_quotes", NOT_NULL, "pro_id"),
            ("int_quotes", IN_SET, "is_duplicate"),
            ("int_hires", NOT_NULL, "pro_id"),
        ]
    }
    assert list(shares.values()) == [0.2, 0.1, 0.3, 0.005]


@pytest.mark.parametrize("share", [0.005, 0.1, 0.3, 0.07, 0.0, 1.0])
def test_a_share_exactly_at_the_threshold_is_within_it(tmp_path: Path, share: float) -> None:
    suites = load_suites(configuration(tmp_path, overrides={"quotes": {"*": {"null_share": share}}}))
    mostly = must(suites, "int_quotes", NOT_NULL, "pro_id").kwargs["mostly"]
    for rows in (100, 1000, 7000):
        assert (rows - round(rows * share)) / rows >= mostly
        assert (rows - round(rows * share) - 1) / rows < mostly


def test_what_is_not_mapped_is_not_applicable_rather_than_passed(tmp_path: Path) -> None:
    unmapped = ("quotes.quote_id", "quotes.price", "assignments.variant")
    suites = load_suites(
        configuration(tmp_path, sources=("requests", "quotes", "spam_flags"), unmapped=unmapped)
    )
    assert {suite.name for suite in suites} == {
        "int_requests",
        "int_quotes",
        "int_spam_flags",
        "requests",
        "quotes",
    }
    assert one(suites, "int_quotes", NOT_NULL, "price") is None
    assert one(suites, "int_quotes", "expect_column_values_to_be_null", "price_unreadable") is None
    assert one(suites, "int_quotes", IN_SET, "is_conflict") is None
    assert one(suites, "int_spam_flags", IN_SET, "is_orphan") is None, "orphans need the parent's key"
    assert one(suites, "int_quotes", IN_SET, "is_duplicate") is not None


def test_arms_are_looked_at_in_the_configured_experiments_and_not_without_one(tmp_path: Path) -> None:
    arms = must(load_suites(configuration(tmp_path)), "int_assignments", IN_SET, "is_off_arm").kwargs
    assert arms["row_condition"]["parameter"] == ["quoting_v2"]
    without = load_suites(configuration(tmp_path, experiments=()))
    assert one(without, "int_assignments", IN_SET, "is_off_arm") is None
    assert one(without, "int_quotes", IN_SET, "is_off_arm") is None
    assert one(without, "int_quotes", NOT_NULL, "variant") is None


def test_a_column_that_is_mapped_but_gone_can_not_be_evaluated(tmp_path: Path) -> None:
    inspections = {"quotes": SourceInspection("quotes", SourceStatus.OK, "t", absent_columns=("price",))}
    suites = load_suites(configuration(tmp_path), inspections)
    obstacle = must(suites, "int_quotes", NOT_NULL, "price").obstacle
    assert obstacle == "quotes.price is mapped to price, which the source does not have"
    assert must(suites, "int_quotes", NOT_NULL, "pro_id").obstacle is None


@pytest.mark.parametrize("status", [SourceStatus.MISSING, SourceStatus.UNREADABLE])
def test_nothing_of_a_source_that_could_not_be_read_can_be_evaluated(tmp_path: Path, status) -> None:
    inspections = {"hires": SourceInspection("hires", status, row_error="hires.parquet is truncated")}
    suites = {suite.name: suite for suite in load_suites(configuration(tmp_path), inspections)}
    for name in ("int_hires", "hires"):
        assert {check.obstacle for check in suites[name].checks} == {"hires.parquet is truncated"}
    assert {check.obstacle for check in suites["int_quotes"].checks} == {None}


def test_a_required_entry_without_its_column_is_an_obstacle_and_not_left_out(tmp_path: Path) -> None:
    folder = suite(tmp_path, required=True, gap_kind="missing_values", affects=[], mitigation="none")
    check = must(
        load_suites(configuration(tmp_path, unmapped=("quotes.price",)), folder=folder),
        "int_quotes",
        NOT_NULL,
    )
    assert check.obstacle == "quotes.price is not mapped"


GOOD = {"gap_kind": "missing_values", "affects": ["quotes_per_request"], "mitigation": "none"}


def suite(tmp_path: Path, *, raw: dict | None = None, kwargs: dict | None = None, **meta) -> Path:
    entry = {
        "type": NOT_NULL,
        "kwargs": {"column": "price"} if kwargs is None else kwargs,
        "meta": meta or GOOD,
    }
    content = {
        "name": "int_quotes",
        "meta": {"schema": "plumbline_intermediate", "table": "quotes"},
        "expectations": [entry],
    }
    folder = tmp_path / "suites"
    folder.mkdir()
    (folder / "int_quotes.json").write_text(json.dumps(content | (raw or {})))
    return folder


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"raw": {"expectations": []}}, "at least one entry"),
        ({"raw": {"expectations": ["x"]}}, r"expectations\[0\] must be a mapping"),
        ({"raw": {"name": "other"}}, "must be the file's, 'int_quotes'"),
        ({"raw": {"extra": 1}}, "has an unknown key 'extra'; keys: expectations, meta, name"),
        ({"raw": {"meta": {"table": "quotes"}}}, "meta lacks 'schema'"),
        ({"gap_kind": "x", "affects": []}, r"expectations\[0\].meta lacks 'mitigation'"),
        (
            {**GOOD, "affects": ["happiness"]},
            r"expectations\[0\].*names no metric: 'happiness'; metrics: ttfq",
        ),
        ({**GOOD, "affects": "all"}, "affects must be a list"),
        ({**GOOD, "gap_kind": 3}, "gap_kind must be a text"),
        ({**GOOD, "colour": "red"}, "unknown key 'colour'"),
        (
            {"kwargs": {"column": "price", "mostly": {"$al_but": "x"}}},
            r"\[0\] \(expect.*unknown \$al_but; placeholders",
        ),
        (
            {"kwargs": {"column": "price", "mostly": {"$all_but": "x"}}},
            r"\$all_but: no threshold 'x'; there are null_share",
        ),
    ],
)
def test_a_suite_that_can_not_be_used_names_file_and_entry(
    tmp_path: Path, broken: dict, message: str
) -> None:
    folder = suite(tmp_path, **broken)
    with pytest.raises(PlumblineError, match=rf"int_quotes\.json.*{message}"):
        load_suites(configuration(tmp_path), folder=folder)


def test_an_entry_that_stands_twice_is_refused(tmp_path: Path) -> None:
    entry = {"type": NOT_NULL, "kwargs": {"column": "price"}, "meta": GOOD}
    folder = suite(tmp_path, raw={"expectations": [entry, entry]})
    with pytest.raises(PlumblineError, match="stands twice for column 'price'"):
        suite_files(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_file_that_is_no_suite_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(PlumblineError, match=r"x\.json"):
        suite_files(tmp_path)


def test_a_folder_without_suites_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlumblineError, match="holds no suite"):
        suite_files(tmp_path)


def test_loading_suites_does_not_import_great_expectations() -> None:
    code = (
        "import sys; import dagster_pipeline.checks.runner, dagster_pipeline.checks.suites; "
        "sys.exit(any(name in sys.modules for name in ('great_expectations', 'sqlalchemy', 'pandas')))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_assignments_of_every_configured_experiment_are_looked_at(tmp_path: Path) -> None:
    second = QUOTING.model_copy(update={"id": "pricing"})
    suites = load_suites(configuration(tmp_path, experiments=(QUOTING, second)))
    check = must(suites, "int_assignments", IN_SET, "is_off_arm")
    assert check.kwargs["row_condition"]["parameter"] == ["quoting_v2", "pricing"]
