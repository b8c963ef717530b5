"""Imbens and Manski's interval for a partially identified effect: for display, never for the gate.

It covers the effect itself, not the whole region, with the given confidence. Source: Imbens & Manski 2004,
Econometrica 72:1845-1857.
"""

from __future__ import annotations

from dagster_pipeline.statistics.intervals import Interval
from dagster_pipeline.statistics.normal import cdf, quantile


def critical_value(width_over_sigma: float, confidence: float) -> float:
    """c with Φ(c + w) − Φ(−c) = confidence: two-sided z for a point, one-sided for a wide region."""
    if width_over_sigma < 0:
        raise ValueError(f"a width cannot be negative, got {width_over_sigma}")
    low, high = quantile(confidence), quantile(0.5 + confidence / 2)
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        covered = cdf(middle + width_over_sigma) - cdf(-middle)
        low, high = (middle, high) if covered < confidence else (low, middle)
    return (low + high) / 2


def imbens_manski(
    lower: float, upper: float, sigma_lower: float, sigma_upper: float, confidence: float
) -> Interval:
    """[L − c·σ_L, U + c·σ_U]."""
    sigma = max(sigma_lower, sigma_upper)
    width = (upper - lower) / sigma if sigma > 0 else float("inf")
    c = critical_value(min(width, 1e6), confidence)
    return Interval(lower - c * sigma_lower, upper + c * sigma_upper)
