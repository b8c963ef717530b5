"""A metric's level in one arm and its effect between two, with intervals (DESIGN.md §5).

Shares: Wilson, Newcombe; means, ratios and clustered shares: delta method over randomization units;
quantiles: bootstrap. A quantile's ``moments`` are those of the indicator that y is at most the arm's own
quantile: they give its clustered variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.effects import effect, extreme_effects
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    EffectKind,
    Estimate,
    FloatArray,
    Level,
    Metric,
    MetricKind,
    Moments,
)
from dagster_pipeline.statistics.intervals import (
    Interval,
    RatioOfSums,
    difference,
    newcombe,
    ratio_of_sums,
    relative_difference,
    residual_sum,
    wilson,
)
from dagster_pipeline.statistics.quantiles import (
    Steps,
    order_statistic,
    quantile,
    quantile_draws,
    rank_shares,
)
from dagster_pipeline.statistics.seeds import stable_generator

NO_REQUESTS = "no requests"
NO_DENOMINATOR = "no denominator"
INFINITE = "infinite"
NOT_COMPUTED = "not computed"
CONTROL_IS_ZERO = "the control's level is zero"


@dataclass(frozen=True)
class QuantileDraws:
    """Bootstrap draws of one arm's quantile with bin edges taken inward (``low``) and outward (``high``)."""

    low: FloatArray
    high: FloatArray


def level(
    evidence: ArmEvidence,
    metric: Metric,
    confidence: float,
    clustered: bool,
    exact_quantile: float | None = None,
) -> Level:
    """The metric's level in one arm, in the metric's unit, with a two-sided interval.

    ``exact_quantile`` is the quantile computed in SQL (inf allowed); without it a quantile is read from
    cells of exact values. A level that does not exist has value None and a reason.
    """
    n = evidence.moments.n
    value, reason = _level_value(evidence, metric, exact_quantile)
    if value is None:
        return Level(n, None, reason)
    interval = _level_interval(evidence, metric, confidence, clustered)
    lower, upper = _scaled_ends(interval, metric.scale, value)
    return Level(n, metric.scale * value, None, lower, upper)


def estimate(
    treatment: ArmEvidence,
    control: ArmEvidence,
    metric: Metric,
    confidence: float,
    clustered: bool,
    exact: tuple[float | None, float | None] | None = None,
) -> Estimate:
    """The effect of treatment against control in ``metric.effect``, raw, with a two-sided interval.

    ``exact`` holds the two exact quantiles (T, C). The value is None, with a reason, where a level is null
    or, for a relative effect, the control's level is zero. An interval end that is infinite is None.
    """
    exact_t, exact_c = exact or (None, None)
    (t, reason_t), (c, reason_c) = (
        _level_value(treatment, metric, exact_t),
        _level_value(control, metric, exact_c),
    )
    value = effect(t, c, metric)
    if value is None:
        return Estimate(None, reason=reason_t or reason_c or CONTROL_IS_ZERO)
    interval = _effect_interval(treatment, control, metric, confidence, clustered)
    lower, upper = _scaled_ends(interval, 1.0, value)
    return Estimate(value, lower, upper)


def point_level(moments: Moments) -> float | None:
    """Σy / Σd, None where there is no denominator."""
    return moments.y / moments.d if moments.d > 0 else None


def design_effect(moments: Moments, clustered: bool) -> float:
    """By how much clusters inflate the variance of an indicator's share; at least 1.

    Where the sums of squares were not given, the worst case: every unit's requests fare alike.
    """
    if not clustered or moments.n == 0 or moments.d <= 0:
        return 1.0
    p = moments.y / moments.d
    if 0 < p < 1 and moments.yy > 0:
        return max(1.0, residual_sum(moments, p) / (moments.d * p * (1 - p)))
    return max(1.0, moments.dd / moments.d)


def draw_quantile(evidence: ArmEvidence, metric: Metric, clustered: bool, role: str) -> QuantileDraws:
    """Bootstrap draws of an arm's quantile; ``role`` keeps the two arms' streams apart."""
    assert metric.quantile is not None, "a quantile metric carries its q"  # noqa: S101
    generator = stable_generator("quantile", metric.name, role)
    factor = design_effect(evidence.moments, clustered)
    shares = rank_shares(metric.quantile, evidence.cells.total, factor, generator)
    low, high = (Steps.of(side, evidence.cells.count) for side in (evidence.cells.low, evidence.cells.high))
    return QuantileDraws(quantile_draws(low, shares), quantile_draws(high, shares))


def _level_value(
    evidence: ArmEvidence, metric: Metric, exact: float | None
) -> tuple[float | None, str | None]:
    """The unscaled level, or None and why."""
    if evidence.moments.n == 0:
        return None, NO_REQUESTS
    if metric.kind is not MetricKind.QUANTILE:
        value = point_level(evidence.moments)
        return value, None if value is not None else NO_DENOMINATOR
    value = exact if exact is not None else _quantile_of_exact_cells(evidence, metric)
    if value is None:
        return None, NOT_COMPUTED
    return (value, None) if math.isfinite(value) else (None, INFINITE)


def _quantile_of_exact_cells(evidence: ArmEvidence, metric: Metric) -> float | None:
    cells = evidence.cells
    if metric.quantile is None or cells.total == 0 or not np.array_equal(cells.low, cells.high):
        return None
    return quantile(cells, metric.quantile)[0]


def _level_interval(
    evidence: ArmEvidence, metric: Metric, confidence: float, clustered: bool
) -> Interval | None:
    if metric.kind is MetricKind.QUANTILE:
        return _quantile_interval(evidence, metric, confidence, clustered)
    if _needs_score_method(metric, clustered, evidence.moments):
        return wilson(*_effective_counts(evidence.moments, clustered), confidence)
    ratio = ratio_of_sums(evidence.moments)
    if ratio.variance is None:
        return None
    around = difference(ratio.value, ratio.variance, 0.0, 0.0, confidence)
    return _within_support(around, metric)


def _needs_score_method(metric: Metric, clustered: bool, *arms: Moments) -> bool:
    """Shares of independent requests; clustered ones at 0 or 1, where the delta method claims certainty."""
    if metric.kind is not MetricKind.SHARE:
        return False
    return not clustered or any(arm.y <= 0 or arm.y >= arm.d for arm in arms)


def _effective_counts(moments: Moments, clustered: bool) -> tuple[float, float]:
    """Successes and requests, shrunk alike by the clusters' design effect."""
    factor = design_effect(moments, clustered)
    return moments.y / factor, moments.d / factor


def _within_support(interval: Interval, metric: Metric) -> Interval:
    """A share never leaves [0, 1]; other levels stay within what one request's value allows."""
    least, most = (0.0, 1.0) if metric.kind is MetricKind.SHARE else metric.support
    if metric.kind is MetricKind.RATIO:
        most = None  # a request's numerator says nothing of the largest ratio
    lower = interval.lower if least is None else max(least, interval.lower)
    upper = interval.upper if most is None else min(most, interval.upper)
    return Interval(lower, upper)


def _quantile_interval(
    evidence: ArmEvidence, metric: Metric, confidence: float, clustered: bool
) -> Interval | None:
    if evidence.cells.total == 0:
        return None
    draws = draw_quantile(evidence, metric, clustered, "level")
    tail = (1 - confidence) / 2
    return Interval(
        order_statistic(draws.low, tail, upper=False), order_statistic(draws.high, 1 - tail, upper=True)
    )


def _effect_interval(
    treatment: ArmEvidence, control: ArmEvidence, metric: Metric, confidence: float, clustered: bool
) -> Interval | None:
    if metric.kind is MetricKind.QUANTILE:
        return _quantile_effect_interval(treatment, control, metric, confidence, clustered)
    t, c = treatment.moments, control.moments
    if metric.effect is EffectKind.ABSOLUTE and _needs_score_method(metric, clustered, t, c):
        counts = (*_effective_counts(t, clustered), *_effective_counts(c, clustered))
        interval = newcombe(*counts, confidence)
        return Interval(metric.scale * interval.lower, metric.scale * interval.upper)
    return _delta_interval(ratio_of_sums(t), ratio_of_sums(c), metric, confidence)


def _delta_interval(
    treatment: RatioOfSums, control: RatioOfSums, metric: Metric, confidence: float
) -> Interval | None:
    if treatment.variance is None or control.variance is None:
        return None
    if metric.effect is EffectKind.ABSOLUTE:
        plain = difference(treatment.value, treatment.variance, control.value, control.variance, confidence)
        return Interval(metric.scale * plain.lower, metric.scale * plain.upper)
    if treatment.value <= 0 or control.value <= 0:
        return None  # the log scale has no place for it
    return relative_difference(
        treatment.value, treatment.variance, control.value, control.variance, confidence
    )


def _quantile_effect_interval(
    treatment: ArmEvidence, control: ArmEvidence, metric: Metric, confidence: float, clustered: bool
) -> Interval | None:
    if treatment.cells.total == 0 or control.cells.total == 0:
        return None
    t = draw_quantile(treatment, metric, clustered, "treatment")
    c = draw_quantile(control, metric, clustered, "control")
    tail = (1 - confidence) / 2
    down = extreme_effects(t.low, c.high, metric, upper=False)
    up = extreme_effects(t.high, c.low, metric, upper=True)
    return Interval(order_statistic(down, tail, upper=False), order_statistic(up, 1 - tail, upper=True))


def _scaled_ends(interval: Interval | None, scale: float, value: float) -> tuple[float | None, float | None]:
    """The interval's ends in the metric's unit, on their sides of the value, None where infinite."""
    if interval is None:
        return None, None
    lower, upper = scale * min(interval.lower, value), scale * max(interval.upper, value)
    return (lower if math.isfinite(lower) else None), (upper if math.isfinite(upper) else None)
