"""δ*: how much of a gap's region it takes to flip a rule of the brief (GAPS.md §5).

δ* = (G₀ − τ)/(G₀ − G₁): the distance from the repaired figure to the threshold, as a share of the distance
to the figure at the worse end of the gap's region. At most 1, the gap alone can flip the rule; 2 means its
worst case would have to be twice as bad. Where the rule already fails, the same share is taken toward the
better end: how much of the best case would make it pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dagster_pipeline.criteria.evaluate import base_outcome, base_value, best_value, joint_value, worse_end
from dagster_pipeline.criteria.rules import Condition, Rule, Side
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.statistics.evidence import Estimate, Region

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Flip:
    """What a region can do to one rule.

    ``share`` is δ*, None where the region cannot move the rule toward flipping. ``unidentified`` says that
    the end that matters is not limited, or that there is no figure to start from; share is None then too.
    ``base`` is the rule's outcome without the gap.
    """

    rule: Rule
    base: Outcome
    share: float | None
    unidentified: bool = False

    @property
    def moves(self) -> bool:
        """Whether the region can move the rule toward flipping."""
        return self.unidentified or self.share is not None

    @property
    def flips(self) -> bool:
        """Whether the region alone can flip the rule."""
        return self.unidentified or (self.share is not None and self.share <= 1)


def flip(rule: Rule, estimate: Estimate, region: Region) -> Flip:
    """δ* of one rule under one region: adverse where the rule passes, favourable where it fails."""
    base = base_outcome(rule, estimate)
    if base is Outcome.MISSING:
        return Flip(rule, base, None, unidentified=True)
    if base is Outcome.PASSED:
        return _adverse(rule, estimate, region)
    return _favourable(rule, estimate, region)


def delta_star(rule: Rule, estimate: Estimate, region: Region) -> float | None:
    """The number that is published: None where the region can't move the rule, or limits nothing."""
    return flip(rule, estimate, region).share


def most_pressing(flips: Iterable[Flip]) -> Flip | None:
    """The flip that takes least: an unidentified one, else the smallest share; None where nothing moves."""
    moving = [found for found in flips if found.moves]
    return min(moving, key=lambda found: -1.0 if found.share is None else found.share, default=None)


def break_even(share_residual: float, star: float | None) -> float | None:
    """The defect's share of rows at which the decision flips, if the region grows in proportion to it."""
    return None if star is None else share_residual * star


def _adverse(rule: Rule, estimate: Estimate, region: Region) -> Flip:
    shares = []
    for condition in rule.tested_jointly:
        before, after = base_value(condition, estimate), joint_value(condition, region)
        if after is None:
            return Flip(rule, Outcome.PASSED, None, unidentified=True)
        if before is None or not _is_worse(condition, estimate, region):
            continue
        kept, left = condition.margin(before), condition.margin(after)
        if left < kept:
            shares.append(max(0.0, kept) / (kept - left))
    return Flip(rule, Outcome.PASSED, min(shares, default=None))


def _favourable(rule: Rule, estimate: Estimate, region: Region) -> Flip:
    """All failing conditions must come right at once: the largest of their shares."""
    shares = []
    for condition in rule.conditions:
        before = base_value(condition, estimate)
        if before is None or condition.holds(before):
            continue
        after = best_value(condition, region)
        if after is None:
            return Flip(rule, Outcome.FAILED, None, unidentified=True)
        gain = condition.margin(after) - condition.margin(before)
        if gain <= _ROUNDING or not _is_better(condition, estimate, region):
            return Flip(rule, Outcome.FAILED, None)
        shares.append(-condition.margin(before) / gain)
    return Flip(rule, Outcome.FAILED, max(shares, default=None))


def _is_worse(condition: Condition, estimate: Estimate, region: Region) -> bool:
    """Whether the region's end lies beyond the estimate on the condition's side.

    A point region has the estimate for its ends, and its gate limit may differ from the interval's only by
    the interval's method: that is not the gap's doing.
    """
    end = worse_end(condition, region)
    return _beyond(end, estimate.value, below=condition.side is Side.LOWER)


def _is_better(condition: Condition, estimate: Estimate, region: Region) -> bool:
    """Whether the region's other end lies beyond the estimate."""
    end = region.upper if condition.side is Side.LOWER else region.lower
    return _beyond(end, estimate.value, below=condition.side is Side.UPPER)


def _beyond(end: float | None, value: float | None, below: bool) -> bool:
    if end is None or value is None:
        return True
    slack = _ROUNDING * max(1.0, abs(value))
    return end < value - slack if below else end > value + slack
