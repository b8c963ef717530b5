"""A share w of the timestamps is off by a fixed h (a time zone): F_obs(y) = (1 − w)F(y) + wF(y − h)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dagster_pipeline.statistics.evidence import Cells

Distribution = Callable[[float], float]


def shifted(distribution: Distribution, shift: float, share: float) -> Distribution:
    """The distribution as it is observed."""
    return lambda y: (1 - share) * distribution(y) + share * distribution(y - shift)


def quantile_of(distribution: Distribution, q: float, low: float, high: float) -> float:
    """The smallest y in [low, high] with F(y) ≥ q, by bisection.

    Raises ValueError if ``high`` is too small.
    """
    if distribution(high) < q:
        raise ValueError(f"the {q}-quantile lies beyond {high}")
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if distribution(middle) >= q else (middle, high)
    return high


def shift_cells(cells: Cells, shift: float) -> Cells:
    """Each request's true value when its timestamp may, or may not, be late (or early) by ``shift``."""
    moved_low, moved_high = cells.low - shift, cells.high - shift
    return Cells(
        np.maximum(0.0, np.minimum(cells.low, moved_low)),
        np.maximum(cells.high, moved_high),
        cells.d,
        cells.count,
    )
