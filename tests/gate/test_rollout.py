"""The rollout section of a run: what decision.json holds of it answers for every stage on its own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from rollout_cases import NOW, rolled_back, started

from dagster_pipeline.config.brief import Brief, Guardrail, Rollback, Rollout, Stage
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.types import Experiment, PlumblineConfig, Source, Warehouse, Window
from dagster_pipeline.criteria.rules import guardrail_rule
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gate.rollout import rollout_document, rollout_section, stage_check
from dagster_pipeline.gate.stages import stage_allowed
from dagster_pipeline.statistics.evidence import Better

HIRES = "hire_rate_7d"
GUARDRAIL = Guardrail(metric=HIRES, max_decrease=0.01)
BRIEF = Brief(
    experiment="quoting_v2",
    guardrails=(GUARDRAIL,),
    rollout=Rollout(
        stages=(Stage(percent=1.0, dwell=timedelta(days=2)), Stage(percent=10.0, dwell=timedelta(days=7))),
        rollback=(Rollback(metric=HIRES, max_fall=0.01),),
    ),
)
EXPERIMENT = Experiment(
    id="quoting_v2", control="control", split={"control": 0.5, "treatment": 0.5},
    window=Window(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 5, tzinfo=UTC)),
)  # fmt: skip
CONFIG = PlumblineConfig(
    version=1, warehouse=Warehouse(engine="duckdb", path=Path("w")), as_of=datetime(2026, 11, 6, tzinfo=UTC),
    sources={"requests": Source(**{"from": "r.parquet"}, columns={"request_id": "r", "created_at": "c"})},
    experiments=(EXPERIMENT,), briefs=(BRIEF,), directory=Path(), file=Path("plumbline.yml"),
)  # fmt: skip


def measured(**shares):
    """Daily sums of 2,000 requests a day and arm; by default both arms stay at 12%."""
    rows = [
        {"experiment_id": "quoting_v2", "variant": arm, "metric": HIRES, "day": date(2026, 10, 1 + i), "units": 2_000,
         "n": 2_000, "n_open": 0, "y": 2_000 * p, "d": 2_000, "yy": 2_000 * p, "dd": 2_000, "yd": 2_000 * p}
        for arm in ("control", "treatment")
        for i, p in enumerate(shares.get(arm, (0.12, 0.12, 0.12, 0.12)))
    ]  # fmt: skip
    return Measurements({}, {}, {}, {}, (), {}, frozenset(), {"daily_effects": tuple(rows)})


def section(measurements=None, entries=(), brief=BRIEF):
    definition = metric_definitions()[HIRES]
    demand = Demand(guardrail_rule(GUARDRAIL, Better.HIGHER), definition, "absolute", "treatment", None)
    found = SimpleNamespace(experiment="quoting_v2", brief=brief, demands=(demand,))
    return rollout_section(CONFIG, found, measured() if measurements is None else measurements, entries, NOW)


def test_what_it_holds_is_plain_json_and_answers_by_itself():
    text = json.dumps(rollout_document(section(entries=[started(1, 1, 3)])), allow_nan=False)
    document = json.loads(text)
    assert stage_allowed(document, 10, NOW) == (True, ())
    assert stage_allowed(document, 10, NOW - timedelta(days=2))[0] is False
    assert document["stages"] == [{"percent": 1.0, "dwell_seconds": 172_800.0}, {"percent": 10.0, "dwell_seconds": 604_800.0}]  # fmt: skip
    assert (document["experiment"], document["cap"]) == ("quoting_v2", 10)


def test_the_journal_as_it_is_now_may_be_held_against_it():
    found = section()
    assert not stage_check(found, 10, NOW).allowed
    assert stage_check(found, 10, NOW, [started(1, 1, 3)]).allowed
    assert not stage_check(found, 10, NOW, [started(1, 1, 3), rolled_back(2, 1)]).allowed


def test_a_fall_of_the_treatment_stops_every_stage_of_the_run():
    found = section(measured(treatment=(0.12, 0.10, 0.08, 0.08)))
    answer = stage_check(found, 1, NOW)
    assert not answer.allowed
    assert any("0.02 on 2026-10-02, 0.02 on 2026-10-03" in reason for reason in answer.reasons)
    assert answer.failed  # and the guardrail is proven broken by then
    assert stage_check(section(measured(control=(0.12, 0.10, 0.08, 0.08))), 1, NOW).allowed


@pytest.mark.parametrize("tables", [{}, {"daily_effects": ()}])
def test_without_daily_sums_nothing_may_start(tables):
    answer = stage_check(section(replace(measured(), tables=tables)), 1, NOW)
    assert not answer.allowed
    assert len(answer.missing) == 1
    assert any("rollback trigger" in reason for reason in answer.reasons)


def test_without_a_brief_there_is_no_rollout():
    assert section(brief=None) is None
