"""The keys of the brief: what a decision needs is read, what names nothing is refused where it stands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dagster_pipeline.config.brief import Rice

WHOLE = """\
  context: Pros answer from their phones since August.
  cohort: {geo: [us, ca]}
  options:
    - {name: Expand, benefit: Faster, cost: Two engineers, risk: Hires fall, effort: 2 weeks, rice: {reach: 1000, impact: 2, confidence: 0.8, effort: 2}}
    - name: Hold
  value:
    currency: EUR
    per_day: {hire_rate_7d: 2000000}
    incident: {cost: 500000, probability: 0.01}
    infrastructure_per_day: 300
    horizon: 28d
  rollout:
    stages: [{percent: 1, dwell: 2d}, {percent: 10, dwell: 7d}, {percent: 100, dwell: 14d}]
    rollback: [{metric: hire_rate_3d, max_fall: 0.01, days: 2}]
    webhook_variable: KILL_SWITCH_URL
  launch_date: 2026-12-01
  readiness: {lead: 21d, coverage: 0.8}
  signature: required
  owners: {accountable: Vera, missing_variant: experimentation, hires: finance}
  actions: [{what: Tell the pros, owner: Ada, due: 2026-11-20}]
  review_date: 2027-01-15
"""


@pytest.fixture
def whole(example: str) -> str:
    """The design's example with every key of the brief."""
    return example.replace("thresholds:\n", f"{WHOLE}thresholds:\n")


def test_everything_a_decision_needs_is_read(load, whole):
    brief = load(whole).briefs[0]
    assert brief.cohort == {"geo": ("us", "ca")}
    assert [option.name for option in brief.options] == ["Expand", "Hold"]
    assert brief.value.per_day == {"hire_rate_7d": 2_000_000}
    assert [(stage.percent, stage.dwell) for stage in brief.rollout.stages][1] == (10, timedelta(days=7))
    assert brief.rollout.stage_cap == 10
    assert brief.launch_date == datetime(2026, 12, 1, tzinfo=UTC)
    assert (brief.signature, brief.readiness.coverage) == ("required", 0.8)
    assert brief.actions[0].owner == "Ada"


def test_a_brief_without_them_has_their_defaults(load, example):
    brief = load(example).briefs[0]
    assert (brief.signature, brief.value, brief.launch_date) == ("optional", None, None)
    assert (brief.readiness.lead, brief.rollout.stage_cap) == (timedelta(days=21), 10)


def test_the_brief_of_the_documentation_is_one(load, example):
    page = Path(__file__).resolve().parents[2] / "docs" / "brief.md"
    written = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    brief = load(f"{example.partition('brief:')[0]}{written}").briefs[0]
    assert (brief.signature, brief.owners["responsible"], brief.rollout.stage_cap) == (
        "required",
        "Ada Chen",
        10,
    )
    keys = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", page.read_text("utf-8"), re.MULTILINE)))
    )
    assert keys == set(type(brief).model_fields)


def test_a_score_is_reach_times_impact_times_confidence_per_effort():
    assert Rice(reach=1000, impact=2, confidence=0.8, effort=2).score == pytest.approx(800)


REFUSED = {
    "brief.value.per_day.hire_rate: must be a metric (did you mean 'hire_rate_": (
        "{hire_rate_7d: 2000000}",
        "{hire_rate: 2000000}",
    ),
    "brief.rollout.rollback[0].metric: must be a metric, not 'hires'": ("hire_rate_3d,", "hires,"),
    "brief.cohort.country: must be a column of requests": ("geo: [us, ca]", "country: [us]"),
    "brief.cohort.geo: names no value": ("geo: [us, ca]", "geo: []"),
    "brief.signature: must be one of optional, required, not 'demanded'": ("required", "demanded"),
    "brief.rollout.stages: must ascend": ("percent: 1,", "percent: 20,"),
    "brief.rollout.stages[0].percent: must be above 0 and at most 100": ("percent: 1,", "percent: 0,"),
    "brief.rollout.stages[0].dwell: must be a number with a unit": ("dwell: 2d", "dwell: 2"),
    "brief.rollout.rollback[0].days: must be": ("days: 2", "days: 1.5"),
    "brief.value.incident.probability: must be at least 0 and at most 1": ("probability: 0.01", "probability: 2"),
    "brief.options[0].rice.effort: must be above 0": ("confidence: 0.8, effort: 2", "confidence: 0.8, effort: 0"),
    "brief.options[1].name: must not be blank": ("- name: Hold", "- name: ' '"),
    "brief.launch_date: must be a date or time": ("launch_date: 2026-12-01", "launch_date: soon"),
    "brief.actions[0].due: must be a date or time": ("due: 2026-11-20", "due: soon"),
    "brief.readiness.leed: unknown key (did you mean 'lead'?); allowed: lead, coverage": ("lead: 21d", "leed: 21d"),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_can_not_be_meant_is_refused_with_its_line(refused, whole, message):
    old, new = REFUSED[message]
    assert whole.count(old) == 1
    lines = refused(whole.replace(old, new))
    assert len(lines) == 1
    assert message in lines[0]
    line = 1 + next(i for i, text in enumerate(whole.splitlines()) if old in text)
    assert f"plumbline.yml, line {line}: " in lines[0]


def test_the_metrics_that_may_be_meant_are_listed(refused, whole):
    (line,) = refused(whole.replace("{hire_rate_7d: 2000000}", "{hire_rate: 2000000}"))
    assert "; allowed: ttfq_median, " in line


def test_two_mistakes_are_told_at_once(refused, whole):
    lines = refused(whole.replace("hire_rate_3d,", "hires,").replace("geo: [us, ca]", "country: [us]"))
    assert len(lines) == 2


@pytest.mark.parametrize(
    "wrong", ["value: 3", "value: {per_day: 3}", "rollout: [1]", "rollout: {rollback: 2}"]
)
def test_a_key_of_another_kind_is_one_error_and_no_crash(refused, example, wrong):
    assert len(refused(example.replace("  confidence: 0.90\n", f"  {wrong}\n"))) == 1


@pytest.mark.parametrize("owner", ["responsible", "missing_variant", "quotes", "anything"])
def test_owners_may_be_of_anything(load, example, owner):
    config = load(example.replace("  confidence: 0.90\n", f"  owners: {{{owner}: Ada}}\n"))
    assert config.briefs[0].owners == {owner: "Ada"}
