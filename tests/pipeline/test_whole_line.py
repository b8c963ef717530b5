"""A clean world shows no gap, a faulty one is repaired, and every figure is what anyone finds in the raw files."""

from __future__ import annotations

import pytest
from line import assert_metrics_equal_recomputation, place_of, planted_places

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def clean(lines):
    return lines("clean")


@pytest.fixture(scope="module")
def story(lines):
    return lines("story")


def test_a_clean_world_of_40_000_requests_has_no_gap_at_all(clean):
    assert clean.world.rows["requests"] == 40_000
    assert clean.register["gaps"] == []
    assert [check for check in clean.register["checks"] if check["status"] != "passed"] == []
    assert len(clean.register["checks"]) > 80


def test_a_clean_world_with_a_good_launch_is_a_go(clean):
    assert clean.verdict["verdict"] == "GO"
    assert clean.verdict["blocked_by"] == []
    assert {c["outcome"] for c in clean.verdict["criteria"]} == {"passed"}


def test_metrics_of_a_clean_world_are_those_of_the_raw_files(clean):
    assert len(clean.metrics["levels"]) == 26
    assert_metrics_equal_recomputation(clean)


def test_no_row_of_a_clean_world_is_set_aside(clean):
    kept = {
        source.name: source.canonical_rows for source in clean.outcome.report.sources if source.canonical_rows
    }
    assert kept == {name: rows for name, rows in clean.world.rows.items() if name != "dashboards"}


def test_without_an_open_gap_the_region_of_every_effect_is_its_estimate(clean):
    for effect in clean.metrics["effects"]:
        assert (effect["lower"], effect["upper"]) == (effect["estimate"], effect["estimate"]), effect


def test_the_dashboards_of_the_world_agree_with_the_rebuilt_metrics(clean):
    rebuilt = {(row["metric"], row["variant"]): row["value"] for row in clean.metrics["levels"]}
    shown = clean.ask("select metric, variant, value from dashboards")
    assert len(shown) == 6
    for metric, variant, value in shown:
        assert rebuilt[metric, variant] == pytest.approx(value, rel=1e-9)


def test_the_founding_story_is_told_with_its_exact_figures(story):
    found = {place_of(gap): gap["rows_affected"] for gap in story.gaps}
    planted = planted_places(story.planted)
    planted["stale_source", "hires", None] = None  # rows that never came can't be counted
    assert found == planted
    assert story.gap("missing_variant", "quotes", "variant")["share_affected"] == pytest.approx(
        0.18, abs=1e-4
    )
    assert story.gap("missing_variant", "requests")["share_residual"] == pytest.approx(0.06, abs=1e-4)


def test_the_story_holds_the_launch_and_says_by_which_gaps(story):
    assert story.verdict["verdict"] == "HOLD"
    serious = {gap["gap_id"] for gap in story.gaps if gap["severity"] in ("blocker", "high")}
    assert serious & set(story.verdict["blocked_by"])
    assert story.gap("stale_source", "hires")["gap_id"] in story.verdict["blocked_by"]


def test_repaired_metrics_of_the_story_are_those_of_the_raw_files(story):
    assert_metrics_equal_recomputation(story)


def test_requests_of_no_known_arm_are_kept_and_counted(story):
    unknown = [
        row for row in story.metrics["levels"] if row["variant"] == "unknown" and row["metric"] == "quoted"
    ]
    assert [row["n"] for row in unknown] == [story.planted["missing_variant.requests.residual"]]


def test_every_estimate_of_the_story_lies_in_its_region(story):
    for effect in story.metrics["effects"]:
        assert effect["lower"] is None or effect["lower"] <= effect["estimate"], effect
        assert effect["upper"] is None or effect["estimate"] <= effect["upper"], effect
