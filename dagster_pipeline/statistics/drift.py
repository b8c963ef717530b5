"""Has a column's distribution moved? Population stability index, its χ² test, and Kolmogorov–Smirnov.

PSI says how far a distribution moved, not whether it did: held against its χ² critical value it alarms up to a hundred
times as often as it should where bins are small (5 expected rows in the smaller sample). Whether it moved is therefore
said by `homogeneity`; PSI is reported beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.evidence import FloatArray
from dagster_pipeline.statistics.lazy_scipy import chi2_sf, scipy_stats

MIN_EXPECTED = 5.0  # rows a bin must be expected to hold on either side; smaller ones are merged
DECILES = 10  # ordered values are compared in about ten bins of equal weight, as PSI's rule of thumb supposes

_EMPTY_BIN = 1e-6  # the floor of a share: PSI is infinite for a bin that one side leaves empty


def psi(expected: Sequence[float], actual: Sequence[float]) -> float:
    """Population stability index Σ (a − e)·ln(a/e) of two distributions over the same bins."""
    e, a = (_shares(side) for side in (expected, actual))
    if len(e) != len(a):
        raise ValueError(f"the same bins are needed on both sides, got {len(e)} and {len(a)}")
    return math.fsum((y - x) * math.log(y / x) for x, y in zip(e, a, strict=True))


def psi_critical(bins: int, n_reference: float, n_current: float, alpha: float) -> float:
    """What PSI exceeds with probability ``alpha`` though nothing moved; replaces rules of thumb such as 0.1.

    PSI·NM/(N+M) is about χ² with bins − 1 degrees of freedom. Source: Yurdakul 2018, Western Michigan
    University.
    """
    quantile = float(scipy_stats().chi2.isf(alpha, bins - 1))
    return quantile * (1 / n_reference + 1 / n_current)


Grouping = tuple[tuple[int, ...], ...]
"""Which bins are taken together, by their places."""


def grouped_categories(reference: Sequence[float], current: Sequence[float]) -> Grouping:
    """Bins large enough for the χ² approximation: the small ones are taken together, the rest stay as they are.

    Which are small follows from the pooled counts alone, so that choosing them says nothing of a difference.
    """
    pooled = _expected_in_smaller(reference, current)
    large = [(place,) for place, expected in enumerate(pooled) if expected >= MIN_EXPECTED]
    small = tuple(place for place, expected in enumerate(pooled) if 0 < expected < MIN_EXPECTED)
    if not small:
        return tuple(large)
    if large and math.fsum(pooled[place] for place in small) < MIN_EXPECTED:
        least = min(large, key=lambda group: pooled[group[0]])
        return (*(group for group in large if group != least), least + small)
    return (*large, small)


def grouped_in_order(reference: Sequence[float], current: Sequence[float]) -> Grouping:
    """Neighbouring bins taken together until each group holds a tenth of the pooled rows, and enough for χ²."""
    pooled = _expected_in_smaller(reference, current)
    wanted = max(MIN_EXPECTED, math.fsum(pooled) / DECILES)
    groups: list[tuple[int, ...]] = []
    open_group: tuple[int, ...] = ()
    for place, expected in enumerate(pooled):
        open_group = (*open_group, place) if expected > 0 else open_group
        if math.fsum(pooled[p] for p in open_group) >= wanted:
            groups.append(open_group)
            open_group = ()
    if open_group and groups:
        groups[-1] = groups[-1] + open_group
    return tuple(groups) if groups else ((open_group,) if open_group else ())


def summed(counts: Sequence[float], grouping: Grouping) -> tuple[float, ...]:
    """Counts of the groups."""
    return tuple(math.fsum(counts[place] for place in group) for group in grouping)


@dataclass(frozen=True)
class Homogeneity:
    """Do two samples come from one distribution? ``p`` is the larger of Pearson's and the likelihood ratio's.

    ``psi`` is of the groups, ``deviation`` the largest difference of a group's shares; ``rows`` are the two samples'.
    """

    psi: float
    p: float
    bins: int
    deviation: float
    rows: tuple[float, float]

    def critical(self, alpha: float) -> float:
        """The PSI that chance alone exceeds with probability ``alpha`` in large samples."""
        return psi_critical(self.bins, *self.rows, alpha)


def homogeneity(
    reference: Sequence[float], current: Sequence[float], grouping: Grouping
) -> Homogeneity | None:
    """Two counts over the same bins held against one distribution; None where fewer than two groups are left.

    Counts of clustered rows are to be divided by their design effect beforehand (Rao & Scott 1981, JASA 76:221-230).
    Pearson's χ² is too large too often where one sample's bins are small, the likelihood ratio where they are empty;
    both at once keep the level: simulated from 1.0 down to 0.2 times alpha for alpha of 1e-3 and 1e-4, samples from
    100 to 3,000 rows and 2 to 50 bins.
    """
    first, second = (np.array(summed(side, grouping), dtype=np.float64) for side in (reference, current))
    if len(grouping) < 2 or min(first.sum(), second.sum()) <= 0:
        return None
    n, m = float(first.sum()), float(second.sum())
    pooled = (first + second) / (n + m)
    statistic = min(_pearson(first, second, pooled), _likelihood_ratio(first, second, pooled))
    return Homogeneity(
        psi=psi(first.tolist(), second.tolist()),
        p=chi2_sf(statistic, len(grouping) - 1),
        bins=len(grouping),
        deviation=float(np.abs(first / n - second / m).max()),
        rows=(n, m),
    )


def _pearson(first: FloatArray, second: FloatArray, pooled: FloatArray) -> float:
    return math.fsum(
        float(((side - side.sum() * pooled) ** 2 / (side.sum() * pooled)).sum()) for side in (first, second)
    )


def _likelihood_ratio(first: FloatArray, second: FloatArray, pooled: FloatArray) -> float:
    total = 0.0
    for side in (first, second):
        seen = side > 0
        total += float((side[seen] * np.log(side[seen] / (side.sum() * pooled[seen]))).sum())
    return 2 * total


def _expected_in_smaller(reference: Sequence[float], current: Sequence[float]) -> list[float]:
    """What each bin is expected to hold in the smaller of the two samples, were they alike."""
    n, m = math.fsum(reference), math.fsum(current)
    if n + m <= 0:
        return [0.0] * len(reference)
    return [(r + c) * min(n, m) / (n + m) for r, c in zip(reference, current, strict=True)]


@dataclass(frozen=True)
class KsResult:
    """Largest gap between two empirical distribution functions, and its p-value."""

    statistic: float
    p: float


def ks_two_sample(x: FloatArray, y: FloatArray) -> KsResult:
    """Two-sample Kolmogorov–Smirnov test of plain values; the exact distribution for small samples."""
    found = scipy_stats().ks_2samp(x, y)
    return KsResult(float(found.statistic), float(found.pvalue))


def ks_of_counts(reference: Sequence[float], current: Sequence[float]) -> KsResult:
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
