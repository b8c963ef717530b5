"""What the register said of late hires, held against the hires once they are there: through the whole line, twice."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from line import Line, change_config, make_world, run_line

from dagster_pipeline.demo.spec import TIME_COLUMNS
from dagster_pipeline.demo.world import WorldSpec

pytestmark = [pytest.mark.pipeline, pytest.mark.life]

THE_DAY = datetime(2026, 11, 6, tzinfo=UTC)
TWO_DAYS_LATER = THE_DAY + timedelta(days=2)
LAST_HIRE = THE_DAY - timedelta(days=4)
SPEC = WorldSpec(requests=3_000, seed=19, days_after=10)
HIRES = "hire_rate_7d"


def seen_by(folder: Path, origin: Path) -> None:
    """The tables as they were on the day: nothing of later, and of the hires nothing of the last four days."""
    for file in origin.glob("*.parquet"):
        time = TIME_COLUMNS[file.stem]
        until = LAST_HIRE if file.stem == "hires" else THE_DAY
        with duckdb.connect() as connection:
            connection.execute(
                f"copy (select * from '{file}' where {time} <= timestamp '{until:%Y-%m-%d %H:%M:%S}') "
                f"to '{folder / file.name}' (format parquet)"
            )


def set_clock(config: Path, moment: datetime) -> None:
    change_config(config, lambda found: found.update(as_of=f"{moment:%Y-%m-%dT%H:%M:%SZ}"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, Line]:
    """A run on the day with hires four days late, and one two days later when they are all there."""
    folder = tmp_path_factory.mktemp("late hires")
    whole = folder / "whole"
    make_world(whole, SPEC, edit_config=lambda found: found["sources"].pop("dashboards"))
    config = folder / "plumbline.yml"
    shutil.copy(whole / "plumbline.yml", config)
    seen_by(folder, whole)
    set_clock(config, THE_DAY)
    first = run_line(config, output=folder / "out1")
    for file in whole.glob("*.parquet"):
        shutil.copy(file, folder / file.name)
    set_clock(config, TWO_DAYS_LATER)
    return first, run_line(config, output=folder / "out2")


def predictions(line: Line, metric: str, kind: str = "stale_source") -> list[dict]:
    found = line.read("track_record.json")["calibration"]["predictions"]
    return [one for one in found if (one["metric"], one["kind"]) == (metric, kind)]


def test_before_anything_healed_nothing_is_scored_and_that_is_said(runs):
    first, _ = runs
    record = first.read("track_record.json")["calibration"]["overall"]
    assert record["ranges"] == {"scored": 0, "held": 0, "share": None, "lower": None, "upper": None}
    assert "Nothing is scored yet" in (first.output / "summary.md").read_text("utf-8")


def test_the_healed_hire_rate_lies_inside_the_range_predicted_two_days_before_and_is_recorded_so(runs):
    first, second = runs
    predicted = next(i for i in first.gap("stale_source", "hires")["metrics"] if i["metric"] == HIRES)
    healed = next(e for e in second.metrics["effects"] if e["metric"] == HIRES)["estimate"]
    assert predicted["lower"] < healed < predicted["upper"]
    assert predicted["mitigated"] != healed  # the hires that came did tell more
    (row,) = predictions(second, HIRES)
    assert (row["lower"], row["upper"]) == (predicted["lower"], predicted["upper"])
    assert (row["healed"], row["inside"], row["reason"]) == (healed, True, None)
    assert row["experiment"] == SPEC.experiment
    assert second.read("track_record.json")["calibration"]["by_kind"]["stale_source"]["ranges"]["held"] >= 1


def test_what_depends_on_every_later_row_is_not_compared_and_says_why(runs):
    _, second = runs
    (row,) = predictions(second, "gmv_per_request")
    assert (row["inside"], row["direction_right"], row["expected_direction_right"]) == (None, None, None)
    assert row["reason"] == "The metric counts every later row, and as_of has moved."


def test_the_page_and_the_summary_show_the_record(runs):
    _, second = runs
    assert "healed estimates lay inside the range predicted" in (second.output / "summary.md").read_text(
        "utf-8"
    )
    assert "Predicted and healed" in (second.output / "report" / "index.html").read_text("utf-8")
