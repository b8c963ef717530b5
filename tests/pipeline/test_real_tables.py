"""A real marketplace's tables: every row kept, nothing found that is not there, what is absent said plainly."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest
from line import Line, run_line

from dagster_pipeline.statistics.srm import srm

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("PLUMBLINE_DATA") or ROOT.parent / "shared" / "data").resolve()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    if not (DATA / "thumbtack" / "requests.csv.gz").is_file():
        pytest.skip(f"the real tables are not in {DATA}; name their folder with PLUMBLINE_DATA")
    folder = tmp_path_factory.mktemp("thumbtack")
    shutil.copy(ROOT / "examples" / "thumbtack" / "plumbline.yml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUMBLINE_DATA", str(DATA))
        return run_line(folder / "plumbline.yml")


def test_every_row_is_kept_and_requests_without_a_quote_too(line):
    assert line.source("requests").canonical_rows == line.source("requests").rows_total == 4_961
    assert line.source("quotes").canonical_rows == line.source("quotes").rows_total == 12_819
    with duckdb.connect(
        str(line.config.parent / ".plumbline" / "warehouse.duckdb"), read_only=True
    ) as warehouse:
        found = warehouse.execute(
            "select count(*) from plumbline_metrics.request_metrics where n_quotes = 0"
        ).fetchone()
    assert found == (613,)


def test_no_gap_stands_above_info(line):
    assert line.places(above_info=True) == set()
    assert [check for check in line.register["checks"] if check["status"] != "passed"] == []


def test_what_is_absent_is_said_plainly(line):
    for source in ("hires", "quote_events", "messages", "support_tickets", "spam_flags", "dashboards"):
        gap = line.gap("not_evaluated", source)
        assert gap["description"] == "Not in plumbline.yml."
        assert gap["severity"] == "info"
    shown = {row["metric"] for row in line.metrics["levels"]}
    assert not shown & {
        "hire_rate_7d",
        "gmv_per_request",
        "support_tickets_per_100_requests",
        "spam_flags_per_1000_quotes",
    }
    page = (line.output / "report" / "index.html").read_text(encoding="utf-8")
    assert "is not computed: it needs hires" in page
    assert "Not in plumbline.yml" in page


def test_arms_by_parity_differ_by_nothing_but_chance(line):
    levels = {
        row["variant"]: (row["n"], row["value"])
        for row in line.metrics["levels"]
        if row["metric"] == "quoted"
    }
    assert levels == {
        "control": (2_480, pytest.approx(2_179 / 2_480)),
        "treatment": (2_481, pytest.approx(2_169 / 2_481)),
    }
    effect = next(row for row in line.metrics["effects"] if row["metric"] == "quoted")
    assert effect["estimate"] == pytest.approx(2_169 / 2_481 - 2_179 / 2_480, rel=1e-12)
    in_points = [round(100 * effect[key], 2) for key in ("estimate", "ci_lower", "ci_upper")]
    assert in_points == [-0.44, -1.98, 1.10]
    assert (effect["lower"], effect["upper"]) == (effect["estimate"], effect["estimate"])


def test_the_ratio_of_the_arms_is_as_designed(line):
    units = {row["variant"]: row["n"] for row in line.metrics["levels"] if row["metric"] == "quoted"}
    found = srm(units, {"control": 0.5, "treatment": 0.5}, 0.001)
    assert round(found.p, 3) == 0.989
    assert not found.fired
    assert "sample_ratio_mismatch" not in {gap["kind"] for gap in line.gaps}


def test_without_a_brief_nothing_is_decided(line):
    assert line.verdict["verdict"] == "HOLD"
    assert line.verdict["criteria"] == []
    assert "brief" in line.verdict["reasons"][0]


def test_nothing_was_written_into_the_example(line):
    assert line.output.is_relative_to(line.config.parent)
    assert sorted(
        path.name for path in (ROOT / "examples" / "thumbtack").iterdir() if path.name != ".plumbline"
    ) == [
        "README.md",
        "plumbline.yml",
    ]
