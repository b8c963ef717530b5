"""Events logged at a known rate: what weights repair, and what they can't."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.evidence import FloatArray


@dataclass(frozen=True)
class WeightedSample:
    """Inverse-probability estimates: Horvitz–Thompson total and variance, Hájek mean, Kish effective size."""

    total: float
    total_variance: float
    mean: float
    effective_size: float


def inverse_probability(y: FloatArray, p: FloatArray) -> WeightedSample:
    """Estimates from values each kept independently with probability p (Poisson sampling).

    Σy/p, Σ(1 − p)y²/p², Σ(y/p)/Σ(1/p), (Σw)²/Σw². Raises ValueError unless 0 < p ≤ 1 throughout.
    """
    if not (len(p) and np.all((p > 0) & (p <= 1))):
        raise ValueError("logging rates must lie in (0, 1]")
    weights = 1 / p
    return WeightedSample(
        total=float(np.sum(y * weights)),
        total_variance=float(np.sum((1 - p) * y**2 * weights**2)),
        mean=float(np.sum(y * weights) / np.sum(weights)),
        effective_size=float(np.sum(weights) ** 2 / np.sum(weights**2)),
    )


def poisson_any(events: float) -> float:
    """Share of requests with at least one event when events are Poisson: 1 − e^−λ."""
    return 1 - math.exp(-events)


def exponential_median_of_first(mean_time: float, kept: float) -> float:
    """Median time to the first event that a log keeps when the first comes after an exponential time.

    Keeping a share of the events stretches the time to the first kept one by its inverse: no weight on
    what was kept brings back what was not, so first-event metrics need the unsampled source.
    """
    return math.log(2) * mean_time / kept
