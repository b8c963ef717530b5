"""One world through the project's compiled line: what was planted, what was true, and what was said of it.

Brute force, the dearest part, is asked in every third faulty world.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from benchmarks.compiled_line import CompiledRun, PreparedLine, config_of, run_relations, warehouse
from benchmarks.truth.brute_force import METRICS, BruteForce
from benchmarks.truth.habits import judge, launch_value
from benchmarks.truth.injectors import Injected, inject
from benchmarks.truth.plan import World
from benchmarks.truth.simulator import Truth, lay_out
from dagster_pipeline.criteria.evaluate import gate_limit
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.model import Gap, Impact
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import Decision, Verdict
from dagster_pipeline.gate.inputs import decision_inputs
from dagster_pipeline.statistics.direction import epsilon

Record = dict[str, Any]
SOLVED = frozenset(
    {
        "missing_variant", "missing_values", "stale_source", "conflicting_keys", "orphan_rows", "late_assignment",
        "timestamp_disorder", "source_conflict", "duplicate_rows", "multiple_exposures", "invalid_values",
    }
)  # fmt: skip
"""Kinds whose sharp region brute force solves from the raw tables."""
_NO_MARGIN = -1e9
_WORLDS_OF_A_LINE = 120
_EVALUATED = datetime(2026, 11, 22, tzinfo=UTC)


class Observatory:
    """Looks at worlds one after the other, with the line planned once for each kind of them."""

    def __init__(self) -> None:
        self._lines: dict[str, PreparedLine] = {}

    def observe(self, world: World) -> Record:
        """The world's record: plain values that JSON can hold, one line of the results."""
        line = self._line(world)
        with line.forge() as connection:
            truth = lay_out(connection, world.spec)
            injected = inject(connection, truth, world.injections, world.seed)
            config = config_of(truth.world, injected.relations, injected.edit_config)
            run = line.bring(config)
            if run is not None:
                return _record(world, truth, injected, run)
        return observe_alone(world)

    def _line(self, world: World) -> PreparedLine:
        """The line of the world's kind; a new one takes the place of one whose tables have grown."""
        kind = world.spec.unit
        if kind not in self._lines or self._lines[kind].worlds >= _WORLDS_OF_A_LINE:
            # A world with faults may have a mapping of its own: what is planned is that of a clean one.
            self._lines[kind] = PreparedLine()
            clean = replace(world, injections=())
            with self._lines[kind].forge() as connection:
                truth = lay_out(connection, clean.spec)
                self._lines[kind].bring(config_of(truth.world, truth.relations))
        return self._lines[kind]


def observe_alone(world: World) -> Record:
    """The same in a warehouse of its own, every statement planned for it."""
    with warehouse() as connection:
        truth = lay_out(connection, world.spec)
        injected = inject(connection, truth, world.injections, world.seed)
        config = config_of(truth.world, injected.relations, injected.edit_config)
        return _record(world, truth, injected, run_relations(connection, config))


def _record(world: World, truth: Truth, injected: Injected, run: CompiledRun) -> Record:
    found = run.assessment.experiments[0]
    inputs = decision_inputs(run.assessment, run.gaps, run.config.as_of, _EVALUATED)[0]
    decision = decide(inputs)
    record: Record = {
        "id": world.id,
        "twin": world.twin,
        "group": world.group,
        "regime": world.regime,
        "injections": [
            {"kind": i.kind, "place": i.place, "rate": i.rate, "mechanism": str(i.mechanism)}
            for i in world.injections
        ],
        "truth": {name: _finite(value) for name, value in truth.effects.items()},
        "effects": {
            e.metric: _numbers(e.estimate, ("value", "ci_lower", "ci_upper"))
            | _numbers(e.region, ("lower", "upper", "gate_lower", "gate_upper"))
            for e in found.effects
            if e.segment is None
        },
        "negligible": _negligible(found.demands),
        "rules": [_rule(d) for d in found.demands],
        "gaps": [_gap(g) for g in run.gaps],
        "planted": [[*place, count] for place, count in injected.planted.items() if count]
        + [[*place, None] for place, count in injected.uncounted.items() if count],
        "altered": list(injected.altered),
        "verdict": decision.verdict.value,
        "share": _share_launched(decision),
        "base_passes": all(d.base is Outcome.PASSED for d in found.demands),
        "value": launch_value(truth.effects, run.config.briefs[0]),
    }
    if not world.injections:
        return record
    record["habits"] = {h.name: max(h.margin, _NO_MARGIN) for h in judge(run.connection, run.config)}
    if world.seed % 3 == 0 and {i.kind for i in world.injections} <= SOLVED and not _has_strays(run):
        brute = BruteForce.of(run.connection, run.config)
        record["brute"] = {metric: list(brute.region(metric)) for metric in METRICS}
    return record


def _share_launched(decision: Decision) -> float:
    """How much of the traffic the verdict lets through; a PARTIAL by segments counts as nothing, to our own cost."""
    if decision.verdict is Verdict.GO:
        return 1.0
    return (decision.stage or 0) / 100 if decision.verdict is Verdict.PARTIAL else 0.0


def _has_strays(run: CompiledRun) -> bool:
    """Orphans that were never assigned: brute force knows them as lost requests of the cohort alone."""
    rows = run.measurements.tables["unplaced_rows"]
    return any(row["experiment_id"] is not None and row["n_rows"] for row in rows)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _numbers(found: object, names: Iterable[str]) -> dict[str, float | None]:
    return {name: getattr(found, name) for name in names}


def _rule(demand: Demand) -> Record:
    """One rule of the brief: what it asks of the estimate and of the limit, raw, and what came of it."""
    return {
        "metric": demand.rule.metric,
        "effect": demand.effect,
        "conditions": [[c.quantity.value, c.side.value, c.threshold] for c in demand.rule.conditions],
        "base": demand.base.value,
        "joint": demand.joint.value,
        "value": demand.estimate.value,
        "ci_lower": demand.estimate.ci_lower,
        "ci_upper": demand.estimate.ci_upper,
    }


def _negligible(demands: Iterable[Demand]) -> dict[str, float]:
    """ε of GAPS.md §3 by metric: what a direction of "none" allows for."""
    found: dict[str, float] = {}
    for demand in demands:
        if demand.effect == demand.definition.effect:
            limit = gate_limit(demand.rule, demand.estimate)
            value = epsilon(limit, demand.rule.tested_jointly[0].threshold)
            found[demand.rule.metric] = min(value, found.get(demand.rule.metric, value))
    return found


def _gap(gap: Gap) -> Record:
    return {
        "kind": gap.kind,
        "table": gap.table,
        "column": gap.column,
        "segment": gap.segment,
        "severity": gap.severity.value,
        "affected": gap.rows_affected,
        "share": gap.share_affected,
        "residual": gap.share_residual,
        "differential": gap.differential,
        "impacts": [_impact(i) for i in gap.metrics],
    }


def _impact(impact: Impact) -> Record:
    names = ("unmitigated", "mitigated", "lower", "upper", "delta_star")
    return (
        {"metric": impact.metric}
        | _numbers(impact, names)
        | {
            "direction": impact.direction.value,
            "expected": impact.expected_direction.value,
            "flips": impact.flips_decision,
        }
    )
