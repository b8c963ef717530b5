"""From the evidence of an experiment to arm ends: what is dealt, to whom, at which values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from dagster_pipeline.statistics.bounds.dealing import ArmEnd, MeanEnd, Pile
from dagster_pipeline.statistics.bounds.dealing_quantile import QuantileEnd
from dagster_pipeline.statistics.bounds.dealing_ratio import RatioEnd
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Cells,
    FloatArray,
    Metric,
    MetricEvidence,
    MetricKind,
    Moments,
)
from dagster_pipeline.statistics.intervals import residual_sum
from dagster_pipeline.statistics.levels import design_effect
from dagster_pipeline.statistics.quantiles import Steps

NO_CELLS = Cells(np.array([]), np.array([]), np.array([]), np.array([], dtype=np.int64))


@dataclass(frozen=True)
class OpenOutcomes:
    """Builds arm ends where labels and outcomes are open: all of a request's knowledge is its cell.

    ``outcomes_open`` False takes the arms' moments as observed and opens the labels alone. ``ends`` are
    arms' moments with every request at its lower and at its upper value; where they are given (means and
    ratios have too many values for cells) they stand for the arm's cells.
    """

    evidence: MetricEvidence
    outcomes_open: bool
    ends: tuple[Mapping[str, Moments], Mapping[str, Moments]] | None = None

    def size(self, arm: str) -> int:
        """Requests labelled as the arm's."""
        if self.ends is not None and not self._is_quantile:
            return self.ends[1][arm].n + self.evidence.arms[arm].missing
        if self.outcomes_open or self._is_quantile:
            return self.cells(arm).total
        return self.evidence.arms[arm].moments.n

    def cells(self, arm: str) -> Cells:
        """The arm's cells; with open outcomes, also its wholly unknown requests."""
        return self._known_cells(self.evidence.arms[arm])

    @property
    def unlabelled(self) -> Cells:
        """The cells of the requests without an arm."""
        return self._known_cells(self.evidence.unlabelled) if self.evidence.unlabelled else NO_CELLS

    def end(self, arm: str, highest: bool) -> ArmEnd:
        """The arm pushed to its highest or lowest level, ready to be dealt unlabelled requests."""
        kind = self.evidence.metric.kind
        if kind is MetricKind.QUANTILE:
            return self._quantile_end(arm, highest)
        if kind is MetricKind.RATIO:
            return self._ratio_end(arm, highest)
        return self._mean_end(arm, highest)

    @property
    def _is_quantile(self) -> bool:
        return self.evidence.metric.kind is MetricKind.QUANTILE

    def _known_cells(self, arm: ArmEvidence) -> Cells:
        if not self.outcomes_open or arm.missing == 0:
            return arm.cells
        return with_missing(arm.cells, arm.missing, self.evidence.metric)

    def _mean_end(self, arm: str, highest: bool) -> MeanEnd:
        cells = self.unlabelled
        own, other = (cells.high, cells.low) if highest else (cells.low, cells.high)
        pile = Pile.of(own, cells.count, largest_first=highest)
        known_total = (
            None if self.outcomes_open or not self.evidence.unlabelled else self.evidence.unlabelled.moments
        )
        return MeanEnd(
            self._moments(arm, highest),
            pile,
            highest,
            self._design_effect(arm),
            rest=Pile.of(other, cells.count, largest_first=not highest),
            total=known_total.y if known_total and known_total.n == cells.total else None,
        )

    def _ratio_end(self, arm: str, highest: bool) -> RatioEnd:
        cells = self.unlabelled
        y = cells.high if highest else cells.low
        return RatioEnd(
            self._moments(arm, highest), y, cells.d, cells.count, highest, self._design_effect(arm)
        )

    def _quantile_end(self, arm: str, highest: bool) -> QuantileEnd:
        q = self.evidence.metric.quantile
        assert q is not None  # noqa: S101 - a quantile metric carries its q
        steps = [
            Steps.of(cells.high if highest else cells.low, cells.count)
            for cells in (self.cells(arm), self.unlabelled)
        ]
        factor = design_effect(self.evidence.arms[arm].moments, self.evidence.clustered)
        return QuantileEnd.of(steps[0], steps[1], q, highest, factor)

    def _moments(self, arm: str, highest: bool) -> Moments:
        found = self.evidence.arms[arm]
        if not self.outcomes_open:
            return found.moments
        if self.ends is not None:
            unknown = with_missing(NO_CELLS, found.missing, self.evidence.metric)
            fill = request_moments(
                unknown.high if highest else unknown.low, unknown, self._design_effect(arm)
            )
            return plus(self.ends[int(highest)][arm], fill)
        cells = self.cells(arm)
        moments = request_moments(cells.high if highest else cells.low, cells, self._design_effect(arm))
        is_share = self.evidence.metric.kind is MetricKind.SHARE
        return moments if is_share else _as_spread_as(moments, found.moments)

    def _design_effect(self, arm: str) -> float:
        """Clustered over request-level spread of the arm's observed values; 1 where units are requests."""
        found = self.evidence.arms[arm]
        if not self.evidence.clustered or found.moments.d <= 0 or found.moments.n == 0:
            return 1.0
        if self.evidence.metric.kind is MetricKind.SHARE:
            return design_effect(found.moments, clustered=True)
        return _spread_ratio(found)


def with_missing(cells: Cells, missing: int, metric: Metric) -> Cells:
    """The cells and one more for the requests of which nothing is known but that they exist."""
    low, high = _support(metric)
    # A ratio's missing request lacks its denominator too: nothing limits what it does to the ratio.
    d = 0.0 if metric.kind is MetricKind.RATIO else 1.0
    return Cells(
        np.append(cells.low, low),
        np.append(cells.high, high),
        np.append(cells.d, d),
        np.append(cells.count, missing),
    )


def request_moments(y: FloatArray, cells: Cells, factor: float) -> Moments:
    """Moments with every request its own unit; ``factor`` inflates the squares for clusters."""
    held = cells.count > 0
    value, d, count = y[held], cells.d[held], cells.count[held].astype(np.float64)
    return Moments(
        units=cells.total,
        n=cells.total,
        y=float(count @ value),
        d=float(count @ d),
        yy=factor * float(count @ value**2),
        dd=factor * float(count @ d**2),
        yd=factor * float(count @ (value * d)),
    )


def _as_spread_as(moments: Moments, observed: Moments) -> Moments:
    """Squares raised to the observed units' spread per request, which coarse cells hide."""
    if observed.n == 0 or observed.d <= 0 or moments.d <= 0 or not math.isfinite(moments.yy):
        return moments
    per_request = residual_sum(observed, observed.y / observed.d) / observed.n
    short = per_request * moments.n - residual_sum(moments, moments.y / moments.d)
    return replace(moments, yy=moments.yy + max(0.0, short))


def plus(a: Moments, b: Moments) -> Moments:
    """The moments of two groups of units together."""
    return Moments(*(getattr(a, part.name) + getattr(b, part.name) for part in fields(Moments)))


def _support(metric: Metric) -> tuple[float, float]:
    if metric.kind is MetricKind.SHARE:
        return 0.0, 1.0
    if metric.kind is MetricKind.RATIO:
        return -math.inf, math.inf
    least, most = metric.support
    if metric.kind is MetricKind.QUANTILE:
        most = None  # an event not seen may never come
    return (-math.inf if least is None else least), (math.inf if most is None else most)


def _spread_ratio(arm: ArmEvidence) -> float:
    """Residual squares per request, over units against over requests; at least 1."""
    exact = np.isfinite(arm.cells.high) & (arm.cells.high == arm.cells.low)
    seen = Cells(arm.cells.low[exact], arm.cells.high[exact], arm.cells.d[exact], arm.cells.count[exact])
    value = arm.moments.y / arm.moments.d
    single = residual_sum(request_moments(seen.low, seen, 1.0), value)
    if single <= 0:
        return max(1.0, arm.moments.n / max(arm.moments.units, 1))
    return max(1.0, (residual_sum(arm.moments, value) / arm.moments.n) / (single / seen.total))
