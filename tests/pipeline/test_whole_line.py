"""A clean world shows no gap, a faulty one is repaired, and every figure is what anyone finds in the raw files."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from line import assert_metrics_equal_recomputation, place_of, planted_places, plumbline
from rich.console import Console

from dagster_pipeline.report.terminal import render_register

ROOT = Path(__file__).resolve().parents[2]

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
    assert len(clean.metrics["levels"]) == 28
    assert_metrics_equal_recomputation(clean)


def test_the_last_daily_look_is_the_estimate_with_an_interval_wider_than_one_look_would_give(clean):
    effects = {(effect["metric"], effect["variant"]): effect for effect in clean.metrics["effects"]}
    rules = clean.read("decision.json")["experiments"][0]["rollout"]["monitored"]
    looked = [rule for rule in rules if rule["looks"]]
    assert {rule["state"] for rule in looked} <= {"open", "safe"}
    assert {rule["state"] for rule in rules if not rule["looks"]} == {"unmonitored"}
    for rule in looked:
        last, effect = rule["looks"][-1], effects[rule["metric"], rule["variant"]]
        assert last["estimate"] == pytest.approx(effect["estimate"])
        assert last["lower"] < effect["ci_lower"] < effect["ci_upper"] < last["upper"]


def test_no_row_of_a_clean_world_is_set_aside(clean):
    kept = {
        source.name: source.canonical_rows for source in clean.outcome.report.sources if source.canonical_rows
    }
    assert kept == clean.world.rows


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
    shown = found.pop(("stale_dashboard", "dashboards", "value"))
    assert shown  # the dashboards still show what was true before the faults
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


def test_the_join_leaves_six_per_cent_without_a_variant_which_is_high_and_was_a_blocker(story):
    for place in (("quotes", "variant"), ("requests", None)):
        gap = story.gap("missing_variant", *place)
        assert gap["severity"] == "high", gap["severity_reason"]
        assert (
            "Without the join, by the variants of the quotes alone, it would be a blocker"
            in (gap["severity_reason"])
        )


def test_the_break_even_of_the_story_is_printed_everywhere(story):
    """In the terminal, the summary, the report and the README, in the same words; it is δ* of the share that is left."""
    gap = story.gap("missing_variant", "requests")
    share = gap["share_residual"] * min(i["delta_star"] for i in gap["metrics"] if i["delta_star"])
    said = f"GO survives up to {100 * share:.3g}% of requests without a variant; you have 6%."
    console = Console(file=io.StringIO(), width=400)
    console.print(render_register(story.outcome.report))
    printed = {
        "terminal": console.file.getvalue(),
        "summary": (story.output / "summary.md").read_text(encoding="utf-8"),
        "report": (story.output / "report" / "index.html").read_text(encoding="utf-8"),
        "README": " ".join((ROOT / "README.md").read_text(encoding="utf-8").split()),
    }
    assert [where for where, text in printed.items() if said not in text] == []


def test_the_readme_shows_the_storys_own_reasons(story):
    block = (ROOT / "README.md").read_text(encoding="utf-8").partition("✕ HOLD")[2].partition("```")[0]
    shown = [" ".join(part.split()) for part in block.partition("…")[0].split("  · ")[1:]]
    assert len(shown) >= 4
    assert [sentence for sentence in shown if sentence not in story.verdict["reasons"]] == []


def test_the_scenarios_of_the_story_are_told_and_valid(story):
    found = story.read("scenarios.json")["experiments"][0]
    assert (found["answers"]["base"], found["answers"]["worst"]) == ("passed", "failed")
    for rule in found["rules"]:
        assert rule["is_open"]
        assert rule["unlabelled_requests"] > 1_000
        assert rule["scenarios_not_bounds"]["all_missing_in_treatment"]["value"] is not None


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


@pytest.fixture
def results(lines, tmp_path: Path):
    """A folder with a copy of a run's configuration and files, by the name of its world."""

    def copied(name: str) -> Path:
        shutil.copytree(lines(name).output, tmp_path / "out")
        shutil.copy(lines(name).config, tmp_path)
        return tmp_path

    return copied


def test_the_gate_lets_a_go_through(results):
    done = plumbline(results("clean"), "gate")
    assert (done.returncode, "GO" in done.stdout) == (0, True), done.stderr


def test_the_gate_blocks_a_hold_with_its_reasons(results, lines):
    done = plumbline(results("story"), "gate", "--json")
    assert done.returncode == 1
    assert lines("story").verdict["reasons"][0] in json.dumps(json.loads(done.stdout), ensure_ascii=False)


@pytest.mark.parametrize(("stage", "code"), [((), 1), (("--stage", "10"), 0), (("--stage", "11"), 1)])
def test_the_gate_lets_a_partial_through_up_to_its_stage(results, stage, code):
    folder = results("clean")
    (folder / "out" / ".run.json").unlink()
    verdict = json.loads((folder / "out" / "verdict.json").read_text())
    (folder / "out" / "verdict.json").write_text(json.dumps({**verdict, "verdict": "PARTIAL", "stage": 10}))
    assert plumbline(folder, "gate", *stage).returncode == code


def test_the_gate_refuses_an_experiment_nobody_knows(results):
    done = plumbline(results("clean"), "gate", "--experiment", "quoting_v3")
    assert done.returncode == 2
    assert "quoting_v2" in done.stderr


def test_the_gate_can_not_judge_what_was_changed_interrupted_or_never_there(results, tmp_path):
    folder = results("clean")
    (folder / "empty").mkdir()
    assert plumbline(folder, "gate", "--output", "empty").returncode == 3
    record = json.loads((folder / "out" / ".run.json").read_text())
    (folder / "out" / ".run.json").write_text(json.dumps({**record, "state": "running"}))
    assert plumbline(folder, "gate").returncode == 3
    (folder / "out" / ".run.json").write_text(json.dumps(record))
    verdict = (folder / "out" / "verdict.json").read_text()
    (folder / "out" / "verdict.json").write_text(verdict.replace('"as_of": "2026', '"as_of": "2025'))
    assert plumbline(folder, "gate").returncode == 3


def test_gaps_come_as_an_array_for_machines_and_as_a_list_for_people(results, lines):
    folder = results("story")
    done = plumbline(folder, "gaps", "list", "--all", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == lines("story").register["gaps"]
    shown = plumbline(folder, "gaps", "list", "--config", "plumbline.yml").stdout
    open_ = {gap["gap_id"]: gap["severity"] for gap in lines("story").gaps}
    assert {gap_id for gap_id in open_ if gap_id in shown} == {
        g for g, severity in open_.items() if severity != "info"
    }
