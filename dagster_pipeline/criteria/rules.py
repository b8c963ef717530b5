"""Criteria and guardrails as plain conditions: which number must lie on which side of which threshold.

The brief writes thresholds in two ways: a criterion's are oriented (an improvement is positive whichever
way the metric improves), a guardrail's are raw (an increase is T over C). Here both become raw
conditions, once, so that nothing later has to know of orientation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dagster_pipeline.statistics.evidence import Better


class CriterionLike(Protocol):
    """What the treatment must reach; at least one of the three limits is set."""

    @property
    def metric(self) -> str:
        """The metric's name."""
        ...

    @property
    def min_improvement(self) -> float | None:
        """Least improvement of the estimate."""
        ...

    @property
    def min_delta(self) -> float | None:
        """Least oriented effect of the estimate."""
        ...

    @property
    def min_bound(self) -> float | None:
        """Least oriented limit of the interval."""
        ...


class GuardrailLike(Protocol):
    """What the treatment must not exceed; at least one of the three limits is set."""

    @property
    def metric(self) -> str:
        """The metric's name."""
        ...

    @property
    def max_increase(self) -> float | None:
        """Largest raw effect of the estimate."""
        ...

    @property
    def max_decrease(self) -> float | None:
        """Largest fall of the estimate, a positive number."""
        ...

    @property
    def max_bound(self) -> float | None:
        """Largest move of the interval's limit on the guarded side, a positive number."""
        ...


class RuleKind(StrEnum):
    """A criterion is a reason to launch, a guardrail a reason not to."""

    CRITERION = "criterion"
    GUARDRAIL = "guardrail"


class Quantity(StrEnum):
    """What a condition looks at."""

    ESTIMATE = "estimate"
    LIMIT = "limit"  # the interval's limit on the condition's side; jointly the region's, with sampling error


class Side(StrEnum):
    """Which end of the raw effect is the dangerous one."""

    LOWER = "lower"  # the number must not fall below the threshold
    UPPER = "upper"  # the number must not rise above it


@dataclass(frozen=True)
class Condition:
    """One raw inequality: the quantity must not lie beyond ``threshold`` on ``side``. Equality passes."""

    quantity: Quantity
    side: Side
    threshold: float

    def margin(self, value: float) -> float:
        """How far inside the threshold a value lies; negative where it fails."""
        return value - self.threshold if self.side is Side.LOWER else self.threshold - value

    def holds(self, value: float) -> bool:
        """Whether the value satisfies the condition; rounding in the last digits never decides."""
        return self.margin(value) >= -1e-12 * max(1.0, abs(self.threshold))


@dataclass(frozen=True)
class Rule:
    """A criterion or guardrail of one metric, as raw conditions."""

    metric: str
    kind: RuleKind
    conditions: tuple[Condition, ...]

    @property
    def shown(self) -> Condition:
        """The condition a reader compares with the estimate: the estimate's own where there is one."""
        on_estimate = [found for found in self.conditions if found.quantity is Quantity.ESTIMATE]
        return (on_estimate or list(self.conditions))[0]

    @property
    def tested_jointly(self) -> tuple[Condition, ...]:
        """The conditions that face the worst the open gaps allow (DESIGN.md §6).

        All of a guardrail's. A criterion's limits, or its estimate where no limit is set: a gap must
        never be beyond the reach of every condition.
        """
        limits = tuple(found for found in self.conditions if found.quantity is Quantity.LIMIT)
        return self.conditions if self.kind is RuleKind.GUARDRAIL or not limits else limits


def criterion_rule(criterion: CriterionLike, better: Better) -> Rule:
    """A criterion's conditions; where lower is better, an improvement of x is an effect of at most −x.

    Raises ValueError where no limit is set: nothing to test is never a pass.
    """
    side, sign = (Side.LOWER, 1.0) if better is Better.HIGHER else (Side.UPPER, -1.0)
    limits = [
        (Quantity.ESTIMATE, criterion.min_improvement),
        (Quantity.ESTIMATE, criterion.min_delta),
        (Quantity.LIMIT, criterion.min_bound),
    ]
    conditions = [Condition(quantity, side, sign * limit) for quantity, limit in limits if limit is not None]
    return _rule(criterion.metric, RuleKind.CRITERION, conditions)


def guardrail_rule(guardrail: GuardrailLike, better: Better) -> Rule:
    """A guardrail's conditions; ``max_bound`` guards the sides that are limited, alone the worse one.

    Raises ValueError where no limit is set.
    """
    conditions = []
    if guardrail.max_increase is not None:
        conditions.append(Condition(Quantity.ESTIMATE, Side.UPPER, guardrail.max_increase))
    if guardrail.max_decrease is not None:
        conditions.append(Condition(Quantity.ESTIMATE, Side.LOWER, -guardrail.max_decrease))
    if guardrail.max_bound is not None:
        worse = Side.UPPER if better is Better.LOWER else Side.LOWER
        for side in [found.side for found in conditions] or [worse]:
            limit = guardrail.max_bound if side is Side.UPPER else -guardrail.max_bound
            conditions.append(Condition(Quantity.LIMIT, side, limit))
    return _rule(guardrail.metric, RuleKind.GUARDRAIL, conditions)


def _rule(metric: str, kind: RuleKind, conditions: list[Condition]) -> Rule:
    if not conditions:
        raise ValueError(f"the {kind.value} on {metric} sets no limit")
    return Rule(metric, kind, tuple(conditions))
