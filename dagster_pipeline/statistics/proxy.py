"""A late outcome from an early one: its level is the early level times what history says it grows by (the uplift)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

from dagster_pipeline.statistics.effects import effect
from dagster_pipeline.statistics.evidence import EffectKind, Metric
from dagster_pipeline.statistics.intervals import Interval, difference, relative_difference

LEAST_EARLY = 20
"""Early events a block must hold: with fewer its uplift is mostly chance."""


@dataclass(frozen=True)
class Block:
    """Requests of one time, old enough for both outcomes: how many had the early and how many the late one."""

    early: float
    late: float


@dataclass(frozen=True)
class Uplift:
    """Late outcomes per early one: pooled over all blocks, and the least and the most of any one."""

    value: float
    lower: float
    upper: float
    blocks: int


@dataclass(frozen=True)
class MeasuredLevel:
    """A level, unscaled, and its variance."""

    value: float
    variance: float


@dataclass(frozen=True)
class StandInEffect:
    """An effect (raw), its range, and the two unscaled levels it comes from."""

    value: float
    range: Interval
    treatment: float
    control: float


def uplift(blocks: Iterable[Block], least_early: float = LEAST_EARLY) -> Uplift | None:
    """The factor from early to late outcomes, and its range over the blocks; None unless two blocks are large enough.

    One block has no range. Blocks too small for a factor of their own still count in the pooled one.
    """
    blocks = tuple(blocks)
    factors = [block.late / block.early for block in blocks if block.early >= max(least_early, 1)]
    if len(factors) < 2:
        return None
    early, late = math.fsum(b.early for b in blocks), math.fsum(b.late for b in blocks)
    pooled = late / early
    return Uplift(pooled, min(*factors, pooled), max(*factors, pooled), len(factors))


def proxied_effect(
    treatment: MeasuredLevel, control: MeasuredLevel, factor: Uplift, metric: Metric, confidence: float
) -> StandInEffect | None:
    """The late effect from two early levels, each arm's uplift anywhere in its range, with sampling error on top.

    The value has the pooled uplift in both arms; the range is the hull of the intervals at the four corners of the two
    uplifts (a treatment that only speeds the outcome has the lesser one). Lower limits are concave in the uplifts and
    upper ones convex, so no pair inside reaches beyond the corners. None for a relative effect of a level at 0.
    """
    ends = (factor.lower, factor.upper)
    pairs = [(factor.value, factor.value), *itertools.product(ends, ends)]
    found = [level_effect(_lifted(treatment, t), _lifted(control, c), metric, confidence) for t, c in pairs]
    effects = [one for one in found if one is not None]
    if len(effects) < len(pairs):
        return None
    plain, corners = effects[0], effects[1:]
    widest = Interval(min(c.range.lower for c in corners), max(c.range.upper for c in corners))
    return StandInEffect(plain.value, widest, plain.treatment, plain.control)


def level_effect(
    treatment: MeasuredLevel, control: MeasuredLevel, metric: Metric, confidence: float
) -> StandInEffect | None:
    """The effect of two independent levels with its normal interval, on the log scale where it is relative.

    None for a relative effect of a level that is not above 0.
    """
    pair = (treatment.value, treatment.variance, control.value, control.variance)
    if metric.effect is EffectKind.RELATIVE:
        if min(treatment.value, control.value) <= 0:
            return None
        ends = relative_difference(*pair, confidence)
    else:
        plain = difference(*pair, confidence)
        ends = Interval(metric.scale * plain.lower, metric.scale * plain.upper)
    value = effect(treatment.value, control.value, metric)
    return None if value is None else StandInEffect(value, ends, treatment.value, control.value)


def _lifted(level: MeasuredLevel, factor: float) -> MeasuredLevel:
    return MeasuredLevel(level.value * factor, level.variance * factor**2)
