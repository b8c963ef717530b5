"""A sample of which a share is not from the population of interest (bots, staff, corrupted rows)."""

from __future__ import annotations

from dagster_pipeline.statistics.bounds.pair import Bounds


def contaminated_share(p: float, contaminated: float) -> Bounds:
    """The true share when up to λ of the rows are foreign: [(p−λ)/(1−λ), p/(1−λ)], clipped.

    Source: Horowitz & Manski 1995, Econometrica 63:281-302. Raises ValueError unless 0 ≤ λ < 1.
    """
    if not 0 <= contaminated < 1:
        raise ValueError(f"the contaminated share must lie in [0, 1), got {contaminated}")
    clean = 1 - contaminated
    return Bounds(max(0.0, (p - contaminated) / clean), min(1.0, p / clean))


def contaminated_difference(p_t: float, p_c: float, lambda_t: float, lambda_c: float) -> Bounds:
    """Δ of two shares, each contaminated by up to its own share."""
    t, c = contaminated_share(p_t, lambda_t), contaminated_share(p_c, lambda_c)
    return Bounds(t.lower - c.upper, t.upper - c.lower)
