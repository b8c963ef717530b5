"""The sampling error of a region's ends (GAPS.md §4): what the gate looks at.

Each end of a region is the effect of two filled arms: their observed requests and those the bound dealt
them. Its standard error is that of the filled levels, as if the fill had been observed; the gate limit lies
z standard errors outside the end, with the z of the brief's two-sided interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dagster_pipeline.statistics.effects import extreme_effects
from dagster_pipeline.statistics.evidence import EffectKind, FloatArray, Metric
from dagster_pipeline.statistics.normal import two_sided_z
from dagster_pipeline.statistics.quantiles import Steps, order_statistic, quantile_draws, rank_shares
from dagster_pipeline.statistics.seeds import stable_generator

_BEYOND_ALL = 20.0
"""A log effect that no data limit: a factor of half a billion is no limit to anything."""


@dataclass(frozen=True)
class FilledLevel:
    """A filled arm's share, mean or ratio (unscaled) and its variance."""

    value: float
    variance: float


@dataclass(frozen=True)
class FilledQuantile:
    """A filled arm's distribution and the design effect of its clusters."""

    steps: Steps
    design_effect: float = 1.0


Filled = FilledLevel | FilledQuantile


def share_variance(p: float, n: float) -> float:
    """p(1−p)/n: the variance of a filled share."""
    return p * (1 - p) / n


def filled_mean_variance(n: float, observed: float, mean: float, sd: float, fill: float) -> float:
    """Variance of a mean of n units: ``observed`` with this mean and population sd, the rest at ``fill``."""
    missing = n - observed
    filled = (observed * mean + missing * fill) / n
    squares = observed * (sd**2 + (mean - filled) ** 2) + missing * (fill - filled) ** 2
    return squares / n**2


def gate_limit(
    treatment: Filled, control: Filled, end: float, metric: Metric, confidence: float, upper: bool
) -> float | None:
    """The end of a region moved outward by its sampling error; None where that is without limit.

    Absolute effects on their own scale, relative ones on the log scale, quantiles by the bootstrap of the
    filled distributions.
    """
    if not math.isfinite(end):
        return None
    if isinstance(treatment, FilledQuantile) and isinstance(control, FilledQuantile):
        return _quantile_gate(treatment, control, end, metric, confidence, upper)
    assert isinstance(treatment, FilledLevel)  # noqa: S101 - both arms are of one kind by construction
    assert isinstance(control, FilledLevel)  # noqa: S101
    sign = 1 if upper else -1
    z = two_sided_z(confidence)
    if metric.effect is EffectKind.ABSOLUTE:
        return _finite(end + sign * z * metric.scale * math.sqrt(treatment.variance + control.variance))
    return _relative_gate(treatment, control, end, sign * z)


def _relative_gate(treatment: FilledLevel, control: FilledLevel, end: float, z: float) -> float | None:
    if end <= -1 and z < 0:
        return -1.0  # nothing falls by more than everything
    if treatment.value <= 0 or control.value <= 0:
        return None
    error = math.sqrt(treatment.variance / treatment.value**2 + control.variance / control.value**2)
    if z * error > _BEYOND_ALL:
        return None
    return _finite((1 + end) * math.exp(z * error) - 1)


def _quantile_gate(
    treatment: FilledQuantile,
    control: FilledQuantile,
    end: float,
    metric: Metric,
    confidence: float,
    upper: bool,
) -> float | None:
    if treatment.steps.n == 0 or control.steps.n == 0:
        return None
    t, c = _draws(treatment, metric, "treatment"), _draws(control, metric, "control")
    effects = extreme_effects(t, c, metric, upper)
    tail = (1 - confidence) / 2
    limit = order_statistic(effects, 1 - tail if upper else tail, upper)
    return _finite(max(limit, end) if upper else min(limit, end))


def _draws(filled: FilledQuantile, metric: Metric, role: str) -> FloatArray:
    assert metric.quantile is not None  # noqa: S101 - a quantile metric carries its q
    # The stream of the ordinary interval: two limits that are compared must not differ by Monte Carlo noise.
    generator = stable_generator("quantile", metric.name, role)
    shares = rank_shares(metric.quantile, filled.steps.n, filled.design_effect, generator)
    return quantile_draws(filled.steps, shares)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
