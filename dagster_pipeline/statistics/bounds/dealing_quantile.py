"""A quantile at one end: the arm's distribution with the latest (or earliest) unlabelled requests added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.bounds.dealing import Blocks
from dagster_pipeline.statistics.evidence import FloatArray, IntArray
from dagster_pipeline.statistics.quantiles import Steps, rank_of, ranks_of
from dagster_pipeline.statistics.sampling_error import Filled, FilledQuantile


@dataclass(frozen=True)
class QuantileEnd:
    """One arm's q-quantile at one end: ``own`` and ``pile`` count requests at or below each of ``values``."""

    values: FloatArray
    own: IntArray
    pile: IntArray
    q: float
    highest: bool
    design_effect: float = 1.0

    @classmethod
    def of(cls, own: Steps, pile: Steps, q: float, highest: bool, design_effect: float = 1.0) -> QuantileEnd:
        """Puts the arm and the unlabelled on one grid of values."""
        grid = np.union1d(own.values, pile.values)
        return cls(grid, _on_grid(own, grid), _on_grid(pile, grid), q, highest, design_effect)

    def levels(self, blocks: Blocks) -> FloatArray:
        """The extreme quantile over a block of k, by bisection on the grid; nan where the arm would be empty.

        Over a block of several k the counts are taken at one end and the rank at the other: outward. A rank
        beyond the counts is the greatest value there is.
        """
        first, last = blocks.first.astype(np.int64), blocks.last.astype(np.int64)
        counted, ranked = (first, last) if self.highest else (last, first)
        size = self._n_own + ranked
        rank = ranks_of(self.q, size)
        low, high = (
            np.zeros(len(first), np.int64),
            np.full(len(first), max(len(self.values) - 1, 0), np.int64),
        )
        while np.any(searching := low < high):
            middle = (low + high) // 2
            enough = self._below(middle, counted) >= rank
            low = np.where(searching & ~enough, middle + 1, low)
            high = np.where(searching & enough, middle, high)
        found = self.values[low] if len(self.values) else np.full(len(first), np.nan)
        return np.where(size > 0, found, np.nan)

    def filled(self, k_first: float, k_last: float) -> Filled:
        """The arm's distribution with its share of the unlabelled."""
        places = np.arange(len(self.values))
        below = self._below(places, np.full(len(places), int(k_first)))
        return FilledQuantile(Steps(self.values, below), self.design_effect)

    @property
    def _n_own(self) -> int:
        return int(self.own[-1]) if len(self.own) else 0

    def _below(self, place: IntArray, k: IntArray) -> IntArray:
        """Requests at or below a value when the arm takes the k largest (or smallest) of the pile."""
        if self.highest:
            m = self.pile[-1] if len(self.pile) else 0
            dealt = np.maximum(0, self.pile[place] - (m - k))
        else:
            dealt = np.minimum(self.pile[place], k)
        counts: IntArray = self.own[place] + dealt
        return counts


def known_split_level(own: Steps, pile: Steps, q: float, k: int, highest: bool) -> float:
    """The extreme q-quantile of an arm that takes exactly k of the unlabelled."""
    block = Blocks(np.array([float(k)]), np.array([float(k)]))
    return float(QuantileEnd.of(own, pile, q, highest).levels(block)[0])


def missing_outcome_quantile(observed: Steps, n: int, q: float) -> tuple[float | None, float | None]:
    """Bounds of the q-quantile of n units of which only the observed have an outcome (Manski 1994).

    [y₍K−M₎, y₍K₎] of the observed, K = ⌈qn⌉, M missing; None where the rank falls off the observed.
    """
    rank, missing = rank_of(q, n), n - observed.n
    return _at(observed, rank - missing), _at(observed, rank)


def _at(steps: Steps, rank: int) -> float | None:
    return float(steps.at_rank(np.array([rank]))[0]) if 1 <= rank <= steps.n else None


def _on_grid(steps: Steps, grid: FloatArray) -> IntArray:
    place = np.searchsorted(steps.values, grid, side="right")
    counts: IntArray = np.concatenate(([0], steps.below))[place]
    return counts
