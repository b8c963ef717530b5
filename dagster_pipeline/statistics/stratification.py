"""Post-stratification: arms whose mix of strata differs, compared stratum by stratum and put together again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.effects import effect
from dagster_pipeline.statistics.evidence import FloatArray, IntArray, Metric, Moments


@dataclass(frozen=True)
class Stratum:
    """One stratum's sums in the two arms that are compared."""

    treatment: Moments
    control: Moments

    @property
    def n(self) -> int:
        """Requests of both arms."""
        return self.treatment.n + self.control.n


@dataclass(frozen=True)
class PostStratified:
    """Levels at the common mix, unscaled, and their effect; None where an arm has no denominator.

    ``covered`` is the share of the requests in strata that both arms have: the others compare nothing.
    """

    value: float | None
    treatment: float | None
    control: float | None
    treatment_variance: float | None
    control_variance: float | None
    covered: float


def post_stratified(strata: Sequence[Stratum], metric: Metric) -> PostStratified:
    """Δ_strat = Σ (N_g/N)(ȳ_Tg − ȳ_Cg) in the metric's effect, N_g the requests of both arms in stratum g.

    Source: Miratrix, Sekhon & Yu 2013, JRSS B 75:369-396. A ratio's numerator and denominator are each standardised to
    the common mix and divided after that; a relative effect is of the two standardised levels. Strata that only one arm
    has are left out and the weights scaled up. Variances are of the strata's linearised sums with the weights held
    fixed; a unit with requests in several strata counts in each as if it were several. Quantiles have no such sums:
    for them the value is None.
    """
    total = sum(stratum.n for stratum in strata)
    both = [s for s in strata if s.treatment.n > 0 and s.control.n > 0]
    shared = sum(stratum.n for stratum in both)
    if not shared or metric.quantile is not None:
        return PostStratified(None, None, None, None, None, shared / total if total else 0.0)
    weights = [stratum.n / shared for stratum in both]
    treatment, treatment_variance = _standardised([s.treatment for s in both], weights)
    control, control_variance = _standardised([s.control for s in both], weights)
    return PostStratified(
        effect(treatment, control, metric),
        treatment,
        control,
        treatment_variance,
        control_variance,
        shared / total,
    )


def whole_counts(values: FloatArray, weights: FloatArray) -> IntArray:
    """Weights as whole numbers of requests, rounded as sums from the least value up.

    No request's rank moves by more than a half: rounded one by one, bins of few requests would lose their weights.
    """
    order = np.argsort(values, kind="stable")
    counts = np.empty(len(weights), dtype=np.int64)
    counts[order] = np.diff(np.rint(np.cumsum(weights[order])), prepend=0.0).astype(np.int64)
    return counts


def _standardised(arm: Sequence[Moments], weights: Sequence[float]) -> tuple[float | None, float | None]:
    """An arm's level at the given mix, Σ w·y/n over Σ w·d/n, and its variance; None where one unit says nothing of spread."""
    y = math.fsum(w * m.y / m.n for w, m in zip(weights, arm, strict=True))
    d = math.fsum(w * m.d / m.n for w, m in zip(weights, arm, strict=True))
    if d <= 0:
        return None, None
    level = y / d
    if any(m.units < 2 for m in arm):
        return level, None
    variance = math.fsum(
        (w / m.n) ** 2 * _residual_variance(m, level) for w, m in zip(weights, arm, strict=True)
    )
    return level, variance / d**2


def _residual_variance(moments: Moments, level: float) -> float:
    """Variance of Σ(y − level·d) over units, estimated around the stratum's own mean."""
    u = moments.units
    squares = moments.yy - 2 * level * moments.yd + level**2 * moments.dd
    mean = (moments.y - level * moments.d) / u
    return max(0.0, (squares - u * mean**2) * u / (u - 1))
