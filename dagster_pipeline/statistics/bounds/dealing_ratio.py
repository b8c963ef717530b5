"""A ratio of sums at one end: which unlabelled requests raise (or lower) Σy/Σd most.

The best set for a ratio is found by Dinkelbach's method (1967, Management Science 13:492-498): take the
requests with the largest y − R·d, recompute R, repeat until R stands still; R moves one way only and fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.bounds.dealing import Blocks, filled_level
from dagster_pipeline.statistics.evidence import FloatArray, IntArray, Moments
from dagster_pipeline.statistics.sampling_error import Filled, FilledLevel

_ROUNDS = 60  # Dinkelbach needs a handful; the limit only guards against cycling on rounding


@dataclass(frozen=True)
class RatioEnd:
    """One arm's ratio at one end; ``y`` and ``d`` are one request's values by cell of the unlabelled."""

    arm: Moments
    y: FloatArray
    d: FloatArray
    count: IntArray
    highest: bool
    design_effect: float = 1.0

    def levels(self, blocks: Blocks) -> FloatArray:
        """The extreme ratio over every number of requests dealt from a block's first to its last k."""
        return self._solve(blocks)[0]

    def filled(self, k_first: float, k_last: float) -> Filled:
        """Ratio and variance of the arm with its requests."""
        value, taken = self._solve(Blocks(np.array([k_first]), np.array([k_last])))
        if not math.isfinite(value[0]):
            return FilledLevel(float(value[0]), math.inf)
        counts, factor = taken[0], self.design_effect
        y, d = np.where(counts > 0, self.y, 0.0), np.where(counts > 0, self.d, 0.0)
        full = Moments(
            units=self.arm.units,
            n=self.arm.n,
            y=self.arm.y + float(counts @ y),
            d=self.arm.d + float(counts @ d),
            yy=self.arm.yy + factor * float(counts @ (y * y)),
            dd=self.arm.dd + factor * float(counts @ (d * d)),
            yd=self.arm.yd + factor * float(counts @ (y * d)),
        )
        return filled_level(full)

    def _solve(self, blocks: Blocks) -> tuple[FloatArray, FloatArray]:
        """Extreme ratios, one per block, and how many of each cell they take."""
        rows, empty = len(blocks.first), np.zeros((len(blocks.first), len(self.y)))
        outer = math.inf if self.highest else -math.inf
        if self.arm.d <= 0:  # without a denominator of its own the arm's ratio is anything
            return np.full(rows, outer), empty
        if not np.all(np.isfinite(self.y[self.count > 0])):
            return np.where(blocks.last > 0, outer, self.arm.y / self.arm.d), empty
        return self._dinkelbach(blocks)

    def _dinkelbach(self, blocks: Blocks) -> tuple[FloatArray, FloatArray]:
        y = np.where(self.count > 0, self.y, 0.0)  # a cell that holds nobody may be infinite
        ratio = np.full(len(blocks.first), self.arm.y / self.arm.d)
        for _ in range(_ROUNDS):
            taken = self._best_counts(ratio, blocks)
            new = (self.arm.y + taken @ y) / (self.arm.d + taken @ self.d)
            if np.allclose(new, ratio, rtol=1e-14, atol=0.0):
                break
            ratio = new
        return new, taken

    def _best_counts(self, ratio: FloatArray, blocks: Blocks) -> FloatArray:
        """Per block, how many requests of each cell have the best y − R·d within the block's limits on k."""
        score = self.y[None, :] - ratio[:, None] * self.d[None, :]
        score = score if self.highest else -score
        order = np.argsort(-score, axis=1, kind="stable")
        count = self.count.astype(np.float64)[order]
        worth = np.where(np.take_along_axis(score, order, axis=1) > 0, count, 0.0).sum(axis=1)
        k = np.clip(worth, blocks.first, blocks.last)
        before = np.cumsum(count, axis=1) - count
        taken = np.clip(k[:, None] - before, 0.0, count)
        result: FloatArray = np.empty_like(taken)
        np.put_along_axis(result, order, taken, axis=1)
        return result
