"""What a rule hopes for and where its bound lies: the effect that a sample must be able to tell from the bound.

| rule | bound | hope |
|---|---|---|
| criterion with min_bound | min_bound | the limit on the estimate where it lies beyond the bound, else 0 where that does |
| criterion with a limit on the estimate alone, an improvement | 0, nothing happens | that improvement |
| criterion with a limit on the estimate alone, a loss it allows | that loss | 0, nothing is lost |
| guardrail with max_bound | max_bound | 0, no harm |
| guardrail with a limit on the estimate alone | that limit | 0, no harm |

A rule whose bound is 0 and which names no improvement hopes for nothing in particular: the hope is None, and so is what it
needs. Relative effects are told apart on the log scale, on which their intervals are symmetric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dagster_pipeline.criteria.rules import Condition, Quantity, Rule, RuleKind, Side


@dataclass(frozen=True)
class Scale:
    """The scale on which an effect's interval is symmetric: its own, or for relative effects the logarithm of T/C."""

    is_log: bool

    def at(self, effect: float) -> float:
        """A raw effect on this scale; −∞ for a fall by everything."""
        if not self.is_log:
            return effect
        return math.log1p(effect) if effect > -1 else -math.inf

    def raw(self, value: float) -> float:
        """Back again; +∞ where that is beyond all numbers."""
        if not self.is_log:
            return value
        try:
            return math.expm1(value)
        except OverflowError:
            return math.inf

    def moved(self, effect: float, by: float) -> float:
        """The raw effect that lies ``by`` on this scale from another."""
        return self.raw(self.at(effect) + by)


def scale_of(effect: str) -> Scale:
    """The scale of an effect that is ``absolute`` or ``relative``."""
    return Scale(is_log=effect == "relative")


@dataclass(frozen=True)
class Aim:
    """A bound on one side and the effect hoped for beyond it, raw; ``hope`` None where the rule names none."""

    side: Side
    bound: float
    hope: float | None

    @property
    def sign(self) -> float:
        """+1 where the good direction is up."""
        return 1.0 if self.side is Side.LOWER else -1.0

    @property
    def matters_from(self) -> float | None:
        """The least improvement that counts, a size; None for a rule that only forbids harm."""
        if self.sign * self.bound > 0:
            return abs(self.bound)
        return abs(self.hope) if self.hope is not None and self.sign * self.hope > 0 else None

    def needed(self, scale: Scale) -> float | None:
        """How far the hope lies from the bound, on the scale; None where no distance can be named."""
        if self.hope is None:
            return None
        apart = abs(scale.at(self.hope) - scale.at(self.bound))
        return apart if math.isfinite(apart) and apart > 0 else None


def aim_of(rule: Rule, scale: Scale) -> Aim:
    """The rule's aim; of a guardrail's two sides the one that needs the finer distinction."""
    aims = [_aim(rule, side) for side in dict.fromkeys(found.side for found in rule.conditions)]
    return min(aims, key=lambda aim: aim.needed(scale) or 0.0)


def _aim(rule: Rule, side: Side) -> Aim:
    own = [found for found in rule.conditions if found.side is side]
    on_estimate, limit = (_strictest(own, of) for of in (Quantity.ESTIMATE, Quantity.LIMIT))
    sign = 1.0 if side is Side.LOWER else -1.0
    if limit is not None:
        hopes = [0.0] if rule.kind is RuleKind.GUARDRAIL or on_estimate is None else [on_estimate, 0.0]
        return Aim(side, limit, next((h for h in hopes if sign * h > sign * limit), None))
    assert on_estimate is not None  # noqa: S101 - a side comes from a condition
    if sign * on_estimate > 0 and rule.kind is RuleKind.CRITERION:
        return Aim(side, 0.0, on_estimate)
    return Aim(side, on_estimate, 0.0 if on_estimate else None)


def _strictest(conditions: list[Condition], quantity: Quantity) -> float | None:
    limits = [found.threshold for found in conditions if found.quantity is quantity]
    if not limits:
        return None
    return max(limits) if conditions[0].side is Side.LOWER else min(limits)
