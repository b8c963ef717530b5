"""Confidence intervals of levels and of differences; every function is two-sided at ``confidence``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dagster_pipeline.statistics.evidence import Moments
from dagster_pipeline.statistics.lazy_scipy import scipy_stats
from dagster_pipeline.statistics.normal import quantile as normal_quantile
from dagster_pipeline.statistics.normal import two_sided_z


@dataclass(frozen=True)
class Interval:
    """Two ends, ``lower`` ≤ ``upper``."""

    lower: float
    upper: float


@dataclass(frozen=True)
class RatioOfSums:
    """A mean or ratio and its variance; the variance is None where one unit alone says nothing of spread."""

    value: float
    variance: float | None


def wilson(k: float, n: float, confidence: float) -> Interval:
    """Wilson's score interval of a share, k successes of n.

    Source: Wilson 1927; Newcombe 1998, Stat Med 17:857-872, method 3. Raises ValueError unless 0 ≤ k ≤ n, n
    > 0.
    """
    _check_counts(k, n)
    z = two_sided_z(confidence)
    p, spread = k / n, z * z / n
    centre = (p + spread / 2) / (1 + spread)
    half = math.sqrt(p * (1 - p) * spread + spread * spread / 4) / (1 + spread)
    # The closed form is exact only up to rounding: hold it to [0, 1] and around the share.
    return Interval(
        lower=0.0 if k == 0 else max(0.0, min(p, centre - half)),
        upper=1.0 if k == n else min(1.0, max(p, centre + half)),
    )


def newcombe(k1: float, n1: float, k2: float, n2: float, confidence: float) -> Interval:
    """Newcombe's hybrid score interval of p1 − p2 for independent shares.

    Source: Newcombe 1998, Stat Med 17:873-890, method 10.
    """
    first, second = wilson(k1, n1, confidence), wilson(k2, n2, confidence)
    p1, p2 = k1 / n1, k2 / n2
    down = math.hypot(p1 - first.lower, second.upper - p2)
    up = math.hypot(first.upper - p1, p2 - second.lower)
    return Interval(max(-1.0, p1 - p2 - down), min(1.0, p1 - p2 + up))


def miettinen_nurminen(k1: float, n1: float, k2: float, n2: float, confidence: float) -> Interval:
    """Miettinen and Nurminen's score interval of p1 − p2: all differences their score test does not reject.

    Source: Miettinen & Nurminen 1985, Stat Med 4:213-226. Own implementation: statsmodels' ``score`` method
    is defective (statsmodels #10269).
    """
    _check_counts(k1, n1)
    _check_counts(k2, n2)
    z = two_sided_z(confidence)
    observed = k1 / n1 - k2 / n2

    def score(delta: float) -> float:
        variance = _score_variance(k1, n1, k2, n2, delta)
        gap = observed - delta
        return math.copysign(math.inf, gap) if variance <= 0 and gap else gap / math.sqrt(variance or 1.0)

    lower = -1.0 if score(-1.0) <= z else _root(lambda delta: z - score(delta), -1.0, observed)
    upper = 1.0 if score(1.0) >= -z else _root(lambda delta: -z - score(delta), observed, 1.0)
    return Interval(lower, upper)


def ratio_of_sums(moments: Moments) -> RatioOfSums:
    """Σy / Σd and its delta-method variance over randomization units.

    variance = U/(U−1) · Σ(yᵤ − R·dᵤ)² / (Σd)². Source: Deng et al. 2018, KDD, "Applying the Delta Method in
    Metric Analytics". Raises ValueError where Σd is not positive.
    """
    if moments.d <= 0:
        raise ValueError(f"the denominator must be positive, got {moments.d}")
    value = moments.y / moments.d
    if moments.units < 2:
        return RatioOfSums(value, None)
    bessel = moments.units / (moments.units - 1)
    return RatioOfSums(value, bessel * residual_sum(moments, value) / moments.d**2)


def residual_sum(moments: Moments, value: float) -> float:
    """Σ(yᵤ − value·dᵤ)² over the units; never below 0, which rounding could bring about."""
    return max(0.0, moments.yy - 2 * value * moments.yd + value * value * moments.dd)


def difference(a: float, var_a: float, b: float, var_b: float, confidence: float) -> Interval:
    """Normal interval of a − b for independent estimates with the given variances."""
    half = two_sided_z(confidence) * math.sqrt(var_a + var_b)
    return Interval(a - b - half, a - b + half)


def relative_difference(a: float, var_a: float, b: float, var_b: float, confidence: float) -> Interval:
    """Interval of a/b − 1 by the delta method on the log scale. Raises ValueError unless a, b > 0."""
    if a <= 0 or b <= 0:
        raise ValueError("a relative difference on the log scale needs positive levels")
    half = two_sided_z(confidence) * math.sqrt(var_a / a**2 + var_b / b**2)
    return Interval(a / b * math.exp(-half) - 1, a / b * math.exp(half) - 1)


def median_difference(y1: Sequence[float], y2: Sequence[float], confidence: float) -> tuple[Interval, float]:
    """Interval of median(y1) − median(y2), and its standard error.

    Source: Bonett & Price 2002, Psychological Methods 7:370-383 (statpsych ``ci.median2``).
    """
    first, second = _median_with_error(sorted(y1)), _median_with_error(sorted(y2))
    error = math.hypot(first[1], second[1])
    gap, half = first[0] - second[0], two_sided_z(confidence) * error
    return Interval(gap - half, gap + half), error


def median_ratio(y1: Sequence[float], y2: Sequence[float], confidence: float) -> Interval:
    """Interval of median(y1) / median(y2) for positive values.

    Source: Bonett & Price 2020, J Educ Behav Stat 45 (statpsych ``ci.ratio.median2``).
    """
    log1, log2 = (sorted(math.log(value) for value in values) for values in (y1, y2))
    half = two_sided_z(confidence) * math.hypot(_median_with_error(log1)[1], _median_with_error(log2)[1])
    ratio = _median(sorted(y1)) / _median(sorted(y2))
    return Interval(ratio * math.exp(-half), ratio * math.exp(half))


def _check_counts(k: float, n: float) -> None:
    if not (n > 0 and 0 <= k <= n):
        raise ValueError(f"a share needs 0 <= k <= n and n > 0, got k={k}, n={n}")


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _median_with_error(ordered: Sequence[float]) -> tuple[float, float]:
    """Median and its standard error from a pair of order statistics with a known binomial coverage."""
    n = len(ordered)
    rank = max(1, round(n / 2 - math.sqrt(n)))
    tail = float(scipy_stats().binom.cdf(rank - 1, n, 0.5))
    error = (ordered[n - rank] - ordered[rank - 1]) / (2 * normal_quantile(1 - tail))
    return _median(ordered), error


def _score_variance(k1: float, n1: float, k2: float, n2: float, delta: float) -> float:
    """Variance of p̂1 − p̂2 at the shares most likely under p1 − p2 = delta, with the N/(N−1) factor."""
    p2 = _constrained_share(k1, n1, k2, n2, delta)
    p1 = min(1.0, max(0.0, p2 + delta))
    total = n1 + n2
    return (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * total / (total - 1)


def _constrained_share(k1: float, n1: float, k2: float, n2: float, delta: float) -> float:
    """Maximum-likelihood p2 under p1 = p2 + delta: the root of their cubic in closed form."""
    total, successes = n1 + n2, k1 + k2
    a2 = (n1 + 2 * n2) * delta - total - successes
    a1 = (n2 * delta - total - 2 * k2) * delta + successes
    a0 = k2 * delta * (1 - delta)
    third = a2 / (3 * total)
    q = third**3 - a1 * a2 / (6 * total**2) + a0 / (2 * total)
    p = math.copysign(math.sqrt(max(0.0, third**2 - a1 / (3 * total))), q)
    angle = (math.pi + math.acos(max(-1.0, min(1.0, q / p**3)))) / 3 if p else 0.0
    root = 2 * p * math.cos(angle) - third
    low, high = max(0.0, -delta), min(1.0, 1 - delta)
    return min(high, max(low, root))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Bisection to double precision; the sign changes between the two ends."""
    negative_low = function(low) < 0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if (function(middle) < 0) == negative_low:
            low = middle
        else:
            high = middle
    return (low + high) / 2
