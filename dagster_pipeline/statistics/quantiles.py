"""Quantiles of grouped requests, and their sampling distribution.

A quantile is the smallest y with F(y) ≥ q, so the K-th smallest of n with K = ⌈qn⌉. Where a request's value
is only known to lie in an interval (a histogram bin, an outcome not yet seen), the quantile is an interval
too.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dagster_pipeline.statistics.evidence import Cells, FloatArray, IntArray

DRAWS = 4_000  # puts the Monte Carlo error of a 5% limit at about a fifteenth of the standard error


@dataclass(frozen=True)
class Steps:
    """An empirical distribution: ascending ``values`` and how many requests lie at or below each."""

    values: FloatArray
    below: IntArray

    @classmethod
    def of(cls, values: FloatArray, counts: IntArray) -> Steps:
        """Groups equal values; inf is a value like any other. Cells that hold nobody vanish."""
        held = counts > 0
        distinct, place = np.unique(values[held], return_inverse=True)
        sums = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(sums, place, counts[held])
        return cls(distinct.astype(np.float64), np.cumsum(sums))

    @property
    def n(self) -> int:
        """Requests in all."""
        return int(self.below[-1]) if len(self.below) else 0

    def at_rank(self, ranks: NDArray[np.float64] | NDArray[np.int64]) -> FloatArray:
        """The values at 1-based ranks. Raises ValueError where there are no requests."""
        if self.n == 0:
            raise ValueError("an empty distribution has no quantiles")
        place = np.searchsorted(self.below, ranks, side="left")
        return self.values[np.minimum(place, len(self.values) - 1)]


def exact_fraction(q: float) -> Fraction:
    """0.9 as 9/10, not as the double beside it: ⌈qn⌉ must be exact. Raises ValueError outside (0, 1)."""
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies strictly between 0 and 1, got {q}")
    return Fraction(str(q)).limit_denominator(1_000_000)


def rank_of(q: float, n: int) -> int:
    """K = ⌈qn⌉, the rank of the q-quantile among n."""
    share = exact_fraction(q)
    return -(-share.numerator * n // share.denominator)


def ranks_of(q: float, n: IntArray) -> IntArray:
    """⌈qn⌉ for many sizes at once."""
    share = exact_fraction(q)
    return -(-share.numerator * n // share.denominator)


def quantile(cells: Cells, q: float) -> tuple[float, float]:
    """The q-quantile as (low, high): equal for exact values, outward for bins and open outcomes.

    Raises ValueError where the cells hold no requests.
    """
    rank = np.array([rank_of(q, cells.total)])
    low = Steps.of(cells.low, cells.count).at_rank(rank)
    high = Steps.of(cells.high, cells.count).at_rank(rank)
    return float(low[0]), float(high[0])


def rank_shares(q: float, n: int, design_effect: float, generator: np.random.Generator) -> FloatArray:
    """Bootstrap draws of where in the sample a resample's q-quantile falls, as shares of the sample.

    The K-th smallest of n uniform draws is Beta(K, n−K+1), so the q-quantile of a resample is F⁻¹ of such a
    draw: the bootstrap distribution without resampling. Clusters shrink the sample by their design effect.
    """
    rank = rank_of(q, n)
    return generator.beta(rank / design_effect, (n - rank + 1) / design_effect, size=DRAWS)


def quantile_draws(steps: Steps, shares: FloatArray) -> FloatArray:
    """The sample's values at the given shares: F⁻¹(u)."""
    return steps.at_rank(shares * steps.n)


def order_statistic(draws: FloatArray, share: float, upper: bool) -> float:
    """A quantile of draws that is one of them, taken outward: infinities must not blend with numbers."""
    return float(np.quantile(draws, share, method="higher" if upper else "lower"))
