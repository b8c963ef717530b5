"""Real visits without ids and with m-d-yy dates: read right, joined without a row too many, and judged in their window."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest
import yaml
from line import Line, run_line

from dagster_pipeline.statistics.srm import srm

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("PLUMBLINE_DATA") or ROOT.parent / "shared" / "data").resolve()


def run_example(folder: Path, **changes) -> Line:
    if not (DATA / "musclehub" / "visits.csv").is_file():
        pytest.skip(f"the real tables are not in {DATA}; name their folder with PLUMBLINE_DATA")
    config = yaml.safe_load((ROOT / "examples" / "musclehub" / "plumbline.yml").read_text(encoding="utf-8"))
    config["experiments"][0] |= changes
    (folder / "plumbline.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUMBLINE_DATA", str(DATA))
        return run_line(folder / "plumbline.yml")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return run_example(tmp_path_factory.mktemp("musclehub"))


@pytest.fixture(scope="module")
def without_window(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return run_example(tmp_path_factory.mktemp("musclehub_all"), window=None)


def ask(line: Line, sql: str) -> list[tuple]:
    path = line.config.parent / ".plumbline" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()


def arms(line: Line) -> dict[str, tuple[int, float]]:
    return {
        row["variant"]: (row["n"], row["value"])
        for row in line.metrics["levels"]
        if row["metric"] == "hire_rate_7d"
    }


def in_points(line: Line) -> list[float]:
    effect = next(row for row in line.metrics["effects"] if row["metric"] == "hire_rate_7d")
    return [round(100 * effect[key], 2) for key in ("estimate", "ci_lower", "ci_upper")]


def test_every_visit_is_kept_once_and_no_join_adds_a_row(line):
    assert line.source("requests").canonical_rows == line.source("requests").rows_total == 6_000
    assert line.source("hires").canonical_rows == line.source("hires").rows_total == 575
    assert line.source("assignments").canonical_rows == line.source("assignments").rows_total == 6_000
    assert ask(
        line, "select count(*), count(distinct request_id) from plumbline_metrics.experiment_requests"
    ) == [(5_000, 5_000)]
    assert arms(line) == {"a": (2_500, 250 / 2_500), "b": (2_500, 325 / 2_500)}


def test_dates_are_read_with_the_month_first_and_why_is_said(line):
    found = ask(line, "select min(created_at), max(created_at), count(*) from plumbline_canonical.requests")
    assert [str(value) for value in found[0]] == ["2017-05-01 00:00:00", "2017-09-29 00:00:00", "6000"]
    note = line.source("requests").note
    assert "created_at: read as month-day-year (%m-%d-%y): of 6,000 values" in note
    assert "3,527 have a second number above 12 and none a first" in note
    assert "3,527 have a second number above 12" in (line.output / "report" / "index.html").read_text(
        encoding="utf-8"
    )


def test_who_comes_twice_makes_no_duplicate_and_no_contradiction(line):
    twice = ask(
        line,
        "select count(*), sum(n) from (select count(*) as n from plumbline_canonical.requests "
        "group by customer_id having count(*) > 1)",
    )
    assert twice == [(3, 6)]
    assert not {kind for kind, _, _ in line.places()} & {"duplicate_rows", "conflicting_keys", "orphan_rows"}


def test_the_difference_between_the_arms_is_the_published_one_without_phantom_rows(line):
    assert in_points(line) == [3.00, 1.52, 4.49]
    (criterion,) = line.verdict["criteria"]
    assert (criterion["metric"], criterion["outcome"]) == ("hire_rate_7d", "passed")


def test_the_days_on_which_nobody_came_are_named_and_are_no_part_of_the_cohort(line):
    assert ask(line, "select max(extract(day from created_at)) from plumbline_canonical.requests") == [(29,)]
    gap = line.gap("missing_partition", "requests")
    assert "2017-07-30 to 2017-07-31: 0 rows" in gap["description"]
    assert {(i["lower"], i["upper"]) for i in gap["metrics"] if i["metric"] == "hire_rate_7d"} == {
        (0.03, 0.03)
    }
    assert line.places(above_info=True) == set()
    assert line.verdict["verdict"] == "GO"


def test_the_ratio_of_the_arms_is_as_designed_within_the_window(line):
    found = srm({arm: n for arm, (n, _) in arms(line).items()}, {"a": 0.5, "b": 0.5}, 0.001)
    assert found.p == 1.0
    assert "sample_ratio_mismatch" not in {gap["kind"] for gap in line.gaps}


def test_without_the_window_the_ratio_gives_the_mistake_away(without_window):
    assert arms(without_window) == {"a": (2_500, 250 / 2_500), "b": (3_500, 325 / 3_500)}
    assert in_points(without_window)[0] == -0.71
    gap = without_window.gap("sample_ratio_mismatch", "assignments", "variant")
    assert gap["severity"] == "blocker"
    assert without_window.verdict["verdict"] == "HOLD"
