"""The brief's rules on every treatment, each with the estimate and joint region it is held to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.criteria.delta_star import Flip, flip
from dagster_pipeline.criteria.evaluate import base_outcome, joint_outcome
from dagster_pipeline.criteria.rules import Rule, criterion_rule, guardrail_rule
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.effects import EffectCalculator, EffectOf
from dagster_pipeline.statistics.evidence import Better, Estimate, Region


@dataclass(frozen=True)
class Demand:
    """One rule of the brief on one treatment. ``found`` is None where the metric does not exist in this run."""

    rule: Rule
    definition: MetricDefinition
    effect: str
    treatment: str
    found: EffectOf | None

    @property
    def estimate(self) -> Estimate:
        """The repaired estimate; one without a value where the metric does not exist."""
        return self.found.estimate if self.found else Estimate(None, reason="the metric was not computed")

    @property
    def region(self) -> Region:
        """The joint region of all open gaps."""
        return self.found.region if self.found else Region(None, None, reason="the metric was not computed")

    @property
    def base(self) -> Outcome:
        """The answer at the repaired estimate."""
        return base_outcome(self.rule, self.estimate)

    @property
    def joint(self) -> Outcome:
        """The answer with every open gap at its worst."""
        return joint_outcome(self.rule, self.region)

    @property
    def flip(self) -> Flip:
        """What the joint region can do to the rule (δ*_J)."""
        return flip(self.rule, self.estimate, self.region)


def demands_of(
    brief: Brief,
    calculator: EffectCalculator,
    available: Mapping[str, MetricDefinition],
    segment: str | None = None,
) -> tuple[Demand, ...]:
    """Every rule × treatment, in the brief's order."""
    return tuple(_demands(brief, calculator, available, segment))


def _demands(
    brief: Brief, calculator: EffectCalculator, available: Mapping[str, MetricDefinition], segment: str | None
) -> Iterator[Demand]:
    items: tuple[Criterion | Guardrail, ...] = (*brief.criteria, *brief.guardrails)
    for item in items:
        definition = calculator.definitions[item.metric]
        effect = item.effect or definition.effect
        for treatment in calculator.design.treatments:
            there = item.metric in available
            found = calculator.effect(definition, treatment, effect, segment) if there else None
            yield Demand(_rule(item, definition), definition, effect, treatment, found)


def _rule(item: Criterion | Guardrail, definition: MetricDefinition) -> Rule:
    better = Better(definition.better)
    return criterion_rule(item, better) if isinstance(item, Criterion) else guardrail_rule(item, better)
