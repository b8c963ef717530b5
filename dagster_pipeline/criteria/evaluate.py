"""A rule of the brief against what was measured: on the estimate (base), and at the gaps' worst (joint)."""

from __future__ import annotations

from collections.abc import Sequence

from dagster_pipeline.criteria.rules import Condition, Quantity, Rule, Side
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.statistics.evidence import Estimate, Region


def base_outcome(rule: Rule, estimate: Estimate | None) -> Outcome:
    """Passed where every condition holds for the estimate and its interval.

    Missing where a number that a condition needs does not exist: never a pass.
    """
    values = [None if estimate is None else base_value(found, estimate) for found in rule.conditions]
    return _outcome(rule.conditions, values)


def joint_outcome(rule: Rule, region: Region | None) -> Outcome:
    """Passed where the rule also holds at the region's worse end; missing where that end is unidentified."""
    values = [None if region is None else joint_value(found, region) for found in rule.tested_jointly]
    return _outcome(rule.tested_jointly, values)


def base_value(condition: Condition, estimate: Estimate) -> float | None:
    """The number a condition tests at the base: the estimate, or its interval's limit (G₀), raw."""
    if condition.quantity is Quantity.ESTIMATE:
        return estimate.value
    return estimate.ci_lower if condition.side is Side.LOWER else estimate.ci_upper


def joint_value(condition: Condition, region: Region) -> float | None:
    """The number a condition tests at the region's worse end: the end, or its gate limit (G₁), raw."""
    if condition.quantity is Quantity.ESTIMATE:
        return worse_end(condition, region)
    return region.gate_lower if condition.side is Side.LOWER else region.gate_upper


def worse_end(condition: Condition, region: Region) -> float | None:
    """The region's end on the condition's side, without sampling error, raw."""
    return region.lower if condition.side is Side.LOWER else region.upper


def best_value(condition: Condition, region: Region) -> float | None:
    """The same quantity with the region's open values as favourable as they can be.

    For a limit: the better end less its sampling error, where the interval would end if that were the
    truth.
    """
    lower = condition.side is Side.UPPER
    end, gate = (region.lower, region.gate_lower) if lower else (region.upper, region.gate_upper)
    if condition.quantity is Quantity.ESTIMATE or end is None:
        return end
    return None if gate is None else end + (end - gate)


def gate_limit(rule: Rule, estimate: Estimate | None = None, region: Region | None = None) -> float | None:
    """G₁ of a region, else G₀ of an estimate: the raw number held to the rule's first joint condition."""
    condition = rule.tested_jointly[0]
    if region is not None:
        return joint_value(condition, region)
    return None if estimate is None else base_value(condition, estimate)


def threshold(rule: Rule, estimate: Estimate | None) -> float:
    """The raw threshold to show: of the condition that fails at the base, else of the one on the estimate."""
    for condition in rule.conditions:
        value = None if estimate is None else base_value(condition, estimate)
        if value is not None and not condition.holds(value):
            return condition.threshold
    return rule.shown.threshold


def _outcome(conditions: Sequence[Condition], values: Sequence[float | None]) -> Outcome:
    pairs = list(zip(conditions, values, strict=True))
    if any(value is None for _, value in pairs):
        return Outcome.MISSING
    held = all(condition.holds(value) for condition, value in pairs if value is not None)
    return Outcome.PASSED if held else Outcome.FAILED
