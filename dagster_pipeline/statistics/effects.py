"""From the levels of two arms to an effect: absolute T − C (times the metric's scale), relative T / C − 1."""

from __future__ import annotations

import math

import numpy as np

from dagster_pipeline.statistics.evidence import EffectKind, FloatArray, Metric


def effect(treatment: float | None, control: float | None, metric: Metric) -> float | None:
    """The effect of two unscaled levels; None where a level is missing or infinite, or a ratio's C is 0."""
    if treatment is None or control is None or not (math.isfinite(treatment) and math.isfinite(control)):
        return None
    if metric.effect is EffectKind.ABSOLUTE:
        return metric.scale * (treatment - control)
    return treatment / control - 1 if control != 0 else None


def extreme_effects(treatment: FloatArray, control: FloatArray, metric: Metric, upper: bool) -> FloatArray:
    """Effects of many pairs of levels, infinities included; an undefined pair takes the outer value.

    An effect that a level at 0 or at infinity leaves undefined is +inf for an upper end and the least
    effect there is for a lower one, so that a region never ends short of what it can't exclude.
    """
    outer = np.inf if upper else _least(metric)
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric.effect is EffectKind.ABSOLUTE:
            values = metric.scale * (treatment - control)
        else:
            values = treatment / control - 1
    return np.where(np.isnan(values), outer, values)


def _least(metric: Metric) -> float:
    return -np.inf if metric.effect is EffectKind.ABSOLUTE else -1.0
