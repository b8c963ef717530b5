"""Has a column's distribution moved? Population stability index and Kolmogorov–Smirnov."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.evidence import FloatArray
from dagster_pipeline.statistics.lazy_scipy import scipy_stats

_EMPTY_BIN = 1e-6  # the floor of a share: PSI is infinite for a bin that one side leaves empty


def psi(expected: Sequence[float], actual: Sequence[float]) -> float:
    """Population stability index Σ (a − e)·ln(a/e) of two distributions over the same bins."""
    e, a = (_shares(side) for side in (expected, actual))
    if len(e) != len(a):
        raise ValueError(f"the same bins are needed on both sides, got {len(e)} and {len(a)}")
    return math.fsum((y - x) * math.log(y / x) for x, y in zip(e, a, strict=True))


def psi_critical(bins: int, n_reference: int, n_current: int, alpha: float) -> float:
    """What PSI exceeds with probability ``alpha`` though nothing moved; replaces rules of thumb such as 0.1.

    PSI·NM/(N+M) is about χ² with bins − 1 degrees of freedom. Source: Yurdakul 2018, Western Michigan
    University.
    """
    quantile = float(scipy_stats().chi2.isf(alpha, bins - 1))
    return quantile * (1 / n_reference + 1 / n_current)


@dataclass(frozen=True)
class KsResult:
    """Largest gap between two empirical distribution functions, and its p-value."""

    statistic: float
    p: float


def ks_two_sample(x: FloatArray, y: FloatArray) -> KsResult:
    """Two-sample Kolmogorov–Smirnov test of plain values; the exact distribution for small samples."""
    found = scipy_stats().ks_2samp(x, y)
    return KsResult(float(found.statistic), float(found.pvalue))


def ks_of_counts(reference: Sequence[int], current: Sequence[int]) -> KsResult:
    """The same test for ordered bins; with ties inside bins the asymptotic p-value is conservative."""
    first, second = np.array(reference, dtype=np.float64), np.array(current, dtype=np.float64)
    n, m = float(first.sum()), float(second.sum())
    gap = float(np.abs(np.cumsum(first) / n - np.cumsum(second) / m).max())
    return KsResult(gap, float(scipy_stats().kstwobign.sf(gap * math.sqrt(n * m / (n + m)))))


def _shares(counts: Sequence[float]) -> list[float]:
    total = math.fsum(counts)
    if total <= 0:
        raise ValueError("a distribution needs at least one observation")
    return [max(count / total, _EMPTY_BIN) for count in counts]
