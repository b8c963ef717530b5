"""How many unlabelled requests an arm can hold, given what the design says of its share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.bounds.dealing import Blocks
from dagster_pipeline.statistics.bounds.label import DESIGN_BAND_Z
from dagster_pipeline.statistics.evidence import Moments

POINT_LIMIT = 2_000_000  # beyond it the scan takes every few requests: 1e-8 of a share at 1e10 requests
BLOCK_LIMIT = 200_000


@dataclass(frozen=True)
class OpenCount:
    """k, the unlabelled requests of one arm, lies in [low, high]."""

    low: float
    high: float


def from_design_share(n_arm: int, total: int, m: int, share: float, spread: float) -> OpenCount:
    """k ∈ πN − n ± 2.576·√(spread·π(1−π)), clipped to [0, m] (GAPS.md §2).

    ``spread`` is N for requests randomised singly and Σ(unit size)² for clusters. Where the band and [0, m]
    do not meet, the labelled requests alone refute the design share, and every k stays open.
    """
    middle = share * total - n_arm
    half = DESIGN_BAND_Z * math.sqrt(spread * share * (1 - share))
    low, high = max(0.0, middle - half), min(float(m), middle + half)
    return OpenCount(low, high) if low <= high else OpenCount(0.0, float(m))


def from_known_size(n_arm: int, m: int, known: int) -> OpenCount:
    """k = N − n where the assignment service knows the arm's size N, clipped to [0, m]."""
    k = float(min(max(known - n_arm, 0), m))
    return OpenCount(k, k)


def cluster_spread(moments: Moments, requests: int, clustered: bool) -> float:
    """Σ(unit size)² of a group of requests, from its moments; their number where units are requests.

    The denominators stand in for the requests: for a ratio they vary more, which widens the band (outward).
    """
    if not clustered or moments.n == 0:
        return float(requests)
    if moments.d > 0 and moments.dd > 0:
        return max(1.0, moments.n * moments.dd / moments.d**2) * requests
    return max(1.0, moments.n / max(moments.units, 1)) * requests


def points(open_count: OpenCount) -> Blocks:
    """Every whole k between the ends, and the ends themselves even where they are not whole."""
    first, last = math.ceil(open_count.low), math.floor(open_count.high)
    inside = min(max(0, last - first + 1), POINT_LIMIT)
    whole = np.linspace(first, last, inside).round() if inside else np.array([])
    k = np.unique(np.concatenate(([open_count.low, open_count.high], whole)))
    return Blocks(k, k)


def blocks(open_count: OpenCount, limit: int) -> Blocks:
    """The whole k between the ends, taken outward, in at most ``limit`` blocks that touch without overlap."""
    first, last = math.floor(open_count.low), math.ceil(open_count.high)
    size = -(-(last - first + 1) // limit)
    starts = np.arange(first, last + 1, size, dtype=np.float64)
    return Blocks(starts, np.minimum(starts + size - 1, float(last)))
