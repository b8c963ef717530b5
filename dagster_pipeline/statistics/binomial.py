"""Exact interval of a share."""

from __future__ import annotations


def exact_interval(held: int, n: int, confidence: float = 0.90) -> tuple[float, float]:
    """The two-sided interval of a share of which ``held`` of ``n`` independent cases were seen; (0, 1) where n is 0.

    It covers the truth at least as often as ``confidence`` says. Source: Clopper & Pearson, Biometrika 26 (1934), by the
    quantiles of the beta distribution. Raises ValueError for counts or a confidence that can't be.
    """
    if not 0 <= held <= n or not 0 < confidence < 1:
        raise ValueError(f"no interval of {held} of {n} at confidence {confidence}")
    from scipy.special import betaincinv  # noqa: PLC0415  half a second, and most runs have nothing to score

    tail = (1 - confidence) / 2
    lower = float(betaincinv(held, n - held + 1, tail)) if held else 0.0
    upper = float(betaincinv(held + 1, n - held, 1 - tail)) if held < n else 1.0
    return lower, upper
