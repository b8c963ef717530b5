"""Dealing unlabelled requests to arms: the extremes of an effect over every admissible labelling.

For an upper end the treatment takes the unlabelled requests that raise its level most, each at the highest
value it can have, and the control those that lower its own most, at their lowest; a lower end mirrors this.
How many go to the treatment (k) is scanned over what the design leaves open, because the effect is not
unimodal in k.

With two arms and outcomes that are seen, the requests one arm wants are exactly those the other leaves, so
the bound is sharp; so it is for shares with unseen outcomes. Otherwise (three arms, intervals that cross,
ratios) the two arms may draw on the same request, and the bound is an outer one: it never excludes a
possible effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dagster_pipeline.statistics.effects import extreme_effects
from dagster_pipeline.statistics.evidence import FloatArray, IntArray, Metric, Moments
from dagster_pipeline.statistics.intervals import residual_sum
from dagster_pipeline.statistics.sampling_error import Filled, FilledLevel


@dataclass(frozen=True)
class Blocks:
    """Ranges [first, last] of k to scan, one row each; a range is a point wherever the scan is exact."""

    first: FloatArray
    last: FloatArray

    def complement(self, m: int) -> Blocks:
        """What is left for the other of two arms."""
        return Blocks(m - self.last, m - self.first)


class ArmEnd(Protocol):
    """One arm pushed to one end, before it is known how many unlabelled requests it takes."""

    def levels(self, blocks: Blocks) -> FloatArray:
        """The extreme level for every block of k; nan where the arm would be empty."""
        ...

    def filled(self, k_first: float, k_last: float) -> Filled:
        """The arm after it took its requests, for the sampling error of the extreme."""
        ...


@dataclass(frozen=True)
class Pile:
    """The unlabelled in the order one arm takes them: running counts, sums and sums of squares from 0 up."""

    taken: FloatArray
    sums: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, values: FloatArray, counts: IntArray, largest_first: bool) -> Pile:
        """Orders the cells; every request of a cell has the cell's value. Cells that hold nobody vanish."""
        held = counts > 0
        order = np.argsort(values[held], kind="stable")
        order = order[::-1] if largest_first else order
        value, count = values[held][order], counts[held][order].astype(np.float64)
        running = [
            np.concatenate(([0.0], np.cumsum(part))) for part in (count, value * count, value**2 * count)
        ]
        return cls(*running)

    def sum(self, k: FloatArray) -> FloatArray:
        """Sum of the first k values; infinite as soon as an infinite one is among them."""
        if np.all(np.isfinite(self.sums)):
            return np.interp(k, self.taken, self.sums)
        first_infinite = self.sums[~np.isfinite(self.sums)][0]
        return np.where(k > 0, first_infinite, 0.0)

    def square(self, k: float) -> float:
        """Sum of the first k squares."""
        if k == 0 or not np.all(np.isfinite(self.squares)):
            return 0.0 if k == 0 else math.inf
        return float(np.interp(k, self.taken, self.squares))


@dataclass(frozen=True)
class MeanEnd:
    """A share or mean (one per request) at one end.

    ``rest`` and ``total`` sharpen a pile of histogram bins: what the arm takes is the known total less what
    it leaves. ``design_effect`` inflates the squares of the requests dealt.
    """

    arm: Moments
    pile: Pile
    highest: bool
    design_effect: float = 1.0
    rest: Pile | None = None
    total: float | None = None

    def levels(self, blocks: Blocks) -> FloatArray:
        """(Σ of the arm + Σ dealt) / (n + k); a block is a point here."""
        k = blocks.first
        size = self.arm.d + k
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(size > 0, (self.arm.y + self._dealt(k)) / size, np.nan)

    def filled(self, k_first: float, k_last: float) -> Filled:
        """Level and variance of the filled arm."""
        dealt = float(self._dealt(np.array([k_first]))[0])
        factor = self.design_effect
        full = Moments(
            units=self.arm.units,
            n=self.arm.n,
            y=self.arm.y + dealt,
            d=self.arm.d + k_first,
            yy=self.arm.yy + factor * self.pile.square(k_first),
            dd=self.arm.dd + factor * k_first,
            yd=self.arm.yd + factor * dealt,
        )
        return filled_level(full)

    def _dealt(self, k: FloatArray) -> FloatArray:
        own = self.pile.sum(k)
        if self.rest is None or self.total is None:
            return own
        left = self.total - self.rest.sum(self.pile.taken[-1] - k)
        return np.minimum(own, left) if self.highest else np.maximum(own, left)


def filled_level(full: Moments) -> FilledLevel:
    """Σy/Σd of a filled arm; variance Σ(y − R·d)²/(Σd)², a smooth g of cell counts (GAPS.md §4)."""
    value = full.y / full.d
    if not math.isfinite(value):
        return FilledLevel(value, math.inf)
    return FilledLevel(value, residual_sum(full, value) / full.d**2)


@dataclass(frozen=True)
class Deals:
    """The blocks of k to scan for either arm.

    ``paired``: row i of one arm leaves row i of the other (two arms share the unlabelled between them);
    else each arm is pushed to its own end by itself, which is an outer bound.
    """

    treatment: Blocks
    control: Blocks
    paired: bool


@dataclass(frozen=True)
class Extreme:
    """The outermost effect and the arms that bring it about."""

    value: float
    treatment: Filled
    control: Filled


def extreme(treatment: ArmEnd, control: ArmEnd, deals: Deals, metric: Metric, upper: bool) -> Extreme | None:
    """The largest (or least) effect over the deals; None where no labelling leaves both arms somebody."""
    t, c = treatment.levels(deals.treatment), control.levels(deals.control)
    t_rows, c_rows = _rows(t, c, deals.paired, upper)
    if len(t_rows) == 0:
        return None
    values = extreme_effects(t[t_rows], c[c_rows], metric, upper)
    best = int(np.argmax(values) if upper else np.argmin(values))
    return Extreme(
        float(values[best]),
        _fill(treatment, deals.treatment, int(t_rows[best])),
        _fill(control, deals.control, int(c_rows[best])),
    )


def _rows(t: FloatArray, c: FloatArray, paired: bool, upper: bool) -> tuple[IntArray, IntArray]:
    """Which rows of either arm to pair; rows that leave an arm empty have no effect and drop out."""
    if paired:
        rows = np.flatnonzero(~np.isnan(t) & ~np.isnan(c))
        return rows, rows
    t_row, c_row = _outermost(t, upper), _outermost(c, not upper)
    return (t_row, c_row) if len(t_row) and len(c_row) else (t_row[:0], c_row[:0])


def _outermost(levels: FloatArray, highest: bool) -> IntArray:
    if np.all(np.isnan(levels)):
        return np.array([], dtype=np.int64)
    return np.array([np.nanargmax(levels) if highest else np.nanargmin(levels)])


def _fill(end: ArmEnd, blocks: Blocks, row: int) -> Filled:
    return end.filled(float(blocks.first[row]), float(blocks.last[row]))
