"""`plumbline rollout`: a stage starts where nothing forbids it, and by force only with a reason on record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from click.testing import CliRunner

from dagster_pipeline.cli import cli
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.register.journal import append_entry, journal_path, read_journal
from tests.rollouts import TRIGGER, config_with

NOW = datetime.now(UTC)
CONFIG = config_with(max_age="7d")


class Project:
    def __init__(self, folder):
        self.config, self.output = folder / "plumbline.yml", folder / "out"
        self.config.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
        self.output.mkdir()
        self.decide()

    def decide(self, trigger=None, state="open", age=timedelta(hours=1), name="x"):
        """A run's decision.json, so long ago."""
        look = {"day": "2026-10-09", "units": 2_000, "estimate": 0.001, "lower": -0.02, "upper": 0.022}
        guardrail = {"metric": "hire_rate_7d", "variant": "treatment", "kind": "guardrail", "state": state, "reason": None, "looks": [look]}  # fmt: skip
        move = {"day": "2026-10-10", "move": "unjudged", "fall": None, "why": "2026-10-10 has no request"}
        rollout = {
            "experiment": "x", "evaluated_at": (NOW - age).isoformat(), "starts": [], "rollbacks": [], "monitored": [guardrail],
            "stages": [{"percent": p, "dwell_seconds": 86_400} for p in (0.5, 10)],
            "rollback": [{"metric": "hire_rate_7d", "variant": "treatment", "trigger": trigger, "reason": None, "moves": [move]}],
        }  # fmt: skip
        content = {
            "run_id": "r",
            "experiments": [{"experiment": name, "rollout": {**rollout, "experiment": name}}],
        }
        (self.output / "decision.json").write_text(json.dumps(content))

    def call(self, *words):
        return CliRunner().invoke(
            cli, ["rollout", *words, "--config", str(self.config), "--output", str(self.output)]
        )

    def start(self, *words):
        return self.call("start", "--by", "Ada Chen", *words)

    def entries(self):
        return read_journal(journal_path(self.config))

    def append(self, kind, content, days_ago=0.0):
        at = NOW - timedelta(days=days_ago)
        append_entry(journal_path(self.config), kind=kind, by="Ada", experiment="x", content=content, at=at)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_the_first_stage_starts_and_is_on_record(project):
    done = project.start("--stage", "0.5")
    assert done.exit_code == 0
    assert "Started: 0.5% of x (entry 1 of" in done.output
    entry = project.entries()[0]
    assert (entry.kind, entry.by, entry.experiment) == ("stage_started", "Ada Chen", "x")
    assert entry.content == {"percent": 0.5, "forced": False, "seen": 0}


def test_a_stage_that_may_not_start_is_not_recorded_and_says_why(project):
    project.start("--stage", "0.5")
    done = project.start("--stage", "10")
    assert done.exit_code == 1
    assert "The stage 0.5% has run for 0 min of 1 d." in done.output
    assert "--force --reason TEXT" in done.output
    assert len(project.entries()) == 1


def test_it_starts_once_the_stage_before_ran_its_time(project):
    project.append("stage_started", {"percent": 0.5, "forced": False}, days_ago=1.1)
    assert project.start("--stage", "10").exit_code == 0


def test_by_force_it_starts_with_the_reason_and_what_it_overrode(project):
    project.decide(TRIGGER, state="crossed")
    project.append("rolled_back", {**TRIGGER, "days": ["2026-10-01", "2026-10-02"]})
    done = project.start("--stage", "10", "--force", "--reason", "a data fault, repaired")
    assert done.exit_code == 0
    assert "Started by force: 10% of x" in done.output
    content = project.entries()[-1].content
    assert (content["forced"], content["reason"], content["seen"]) == (True, "a data fault, repaired", 1)
    assert len(content["against"]) >= 3
    assert content["overrides"] == []  # while a rollback of the arm stands, a later row of falls is the same
    project.decide(TRIGGER)
    assert project.start("--stage", "10").exit_code == 1  # which is news after the start by force


def test_a_trigger_nobody_recorded_yet_is_answered_by_name(project):
    project.decide(TRIGGER)
    assert project.start("--stage", "0.5").exit_code == 1
    assert project.start("--stage", "0.5", "--force", "--reason", "known").exit_code == 0
    assert project.entries()[0].content["overrides"] == [
        {k: TRIGGER[k] for k in ("metric", "variant", "days")}
    ]
    assert project.start("--stage", "0.5").exit_code == 0


def test_force_where_nothing_forbids_it_is_an_ordinary_start(project):
    project.start("--stage", "0.5", "--force", "--reason", "to be sure")
    assert project.entries()[0].content["forced"] is False


@pytest.mark.parametrize("words", [["--force"], ["--reason", "why"], ["--force", "--reason", " "]])
def test_force_and_reason_go_together(project, words):
    done = project.start("--stage", "0.5", *words)
    assert done.exit_code == 2
    assert project.entries() == ()


@pytest.mark.parametrize("stage", ["0", "-1", "101", "x"])
def test_a_stage_is_a_share_of_the_traffic(project, stage):
    assert project.start("--stage", stage).exit_code == 2


def test_a_run_that_is_missing_stale_or_broken_starts_nothing(project):
    project.decide(age=timedelta(days=8))
    assert "decision.json is stale" in project.start("--stage", "0.5").output
    for text in ("{", '{"experiments": []}'):
        (project.output / "decision.json").write_text(text)
        done = project.start("--stage", "0.5")
        assert (done.exit_code, "plumbline run" in done.output) == (1, True)
    (project.output / "decision.json").unlink()
    assert project.start("--stage", "0.5").exit_code == 1
    assert project.entries() == ()


def test_an_experiment_without_a_brief_and_a_broken_journal_are_errors(project):
    assert isinstance(project.start("--stage", "0.5", "--experiment", "y").exception, PlumblineError)
    project.append("stage_started", {"percent": 0.5})
    journal_path(project.config).write_text(journal_path(project.config).read_text().replace("0.5", "0.6"))
    assert isinstance(project.start("--stage", "0.5").exception, NotEvaluatedError)
    assert isinstance(project.call("show").exception, NotEvaluatedError)


def test_show_tells_where_a_launch_stands(project):
    project.append("stage_started", {"percent": 0.5, "forced": True, "reason": "be\x1b[31mcause"}, days_ago=3)
    project.append("rolled_back", TRIGGER, days_ago=1)
    project.append(
        "decision_noted", {"about": "webhook", "of": 2, "text": "The webhook could not be told of entry 2."}
    )
    shown = project.call("show").output
    for part in (
        "Rollout of x",
        "10%: may not start",
        "Switched off on",
        "guardrail hire_rate_7d of treatment: open, [-0.02, +0.022] after 2026-10-09",
        "rollback on hire_rate_7d of treatment: has not fired",
        "1 of 1 days unjudged; the last: 2026-10-10 has no request",
        "entry 1: 0.5% started",
        "entry 2: rolled back",
        "entry 3: The webhook could not be told of entry 2.",
    ):
        assert part in shown
    assert "\x1b" not in shown


def test_show_prints_the_same_for_machines(project):
    shown = json.loads(project.call("show", "--json").output)
    assert [answer["allowed"] for answer in shown["answers"]] == [True, False]
    assert shown["monitored"][0]["state"] == "open"


@pytest.mark.parametrize("part", ["stages", "monitored", "rollback"])
def test_show_of_a_broken_section_is_not_evaluated(project, part):
    path = project.output / "decision.json"
    content = json.loads(path.read_text())
    content["experiments"][0]["rollout"][part] = [5]
    path.write_text(json.dumps(content))
    assert isinstance(project.call("show").exception, NotEvaluatedError)
