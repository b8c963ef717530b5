"""The normal distribution from the standard library, without scipy's second of import."""

from __future__ import annotations

from statistics import NormalDist

_STANDARD = NormalDist()


def two_sided_z(confidence: float) -> float:
    """Critical value of a two-sided interval: 1.645 at 0.90.

    Raises ValueError unless 0 < confidence < 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence}")
    return _STANDARD.inv_cdf(0.5 + confidence / 2)


def quantile(p: float) -> float:
    """The standard normal's p-quantile."""
    return _STANDARD.inv_cdf(p)


def cdf(x: float) -> float:
    """Φ(x)."""
    return _STANDARD.cdf(x)
