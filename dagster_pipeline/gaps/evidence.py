"""From measurements to what the statistics take: one metric of one cohort, under one reading or with gaps open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dagster_pipeline.gaps.defined import is_of_pros, statistic_of
from dagster_pipeline.gaps.measurements import NO_CELLS, NO_MOMENTS, UNKNOWN, Cohort, Measurements
from dagster_pipeline.gaps.opened import UnknownRows, joined, optional, reach, stray_rows
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Cells,
    Metric,
    MetricEvidence,
    MetricKind,
    Moments,
)

__all__ = ["EvidenceReader", "ExperimentDesign", "is_of_pros", "statistic_of"]

REPAIRED = "repaired"
LATE = "late_assignment"
FROM_QUOTES = "variant_from_quotes"


@dataclass(frozen=True)
class ExperimentDesign:
    """What the statistics need of an experiment; ``id`` is "" for a run without experiments.

    ``narrowed_by`` are the columns that the brief's cohort is told by: requests that were lost may be of it or not.
    """

    id: str
    control: str
    split: dict[str, float]
    clustered: bool
    narrowed_by: tuple[str, ...] = ()

    @property
    def treatments(self) -> tuple[str, ...]:
        """Arms other than the control that the design gives any unit."""
        return tuple(arm for arm, share in self.split.items() if arm != self.control and share > 0)


class EvidenceReader:
    """Evidence of one experiment's metrics, from the measurements."""

    def __init__(self, measurements: Measurements, design: ExperimentDesign) -> None:
        self._measurements = measurements
        self._design = design

    @property
    def segments(self) -> tuple[str, ...]:
        """Segments the experiment's metrics are measured in."""
        return self._measurements.segments(self._design.id)

    def rows(self, model: str) -> tuple[Mapping[str, Any], ...]:
        """The experiment's rows of a small aggregate, none where it was not built."""
        found = self._measurements.tables.get(model, ())
        return tuple(row for row in found if row["experiment_id"] == self._design.id)

    @property
    def undecided(self) -> int:
        """Requests of the window that may or may not be of the brief's cohort."""
        return sum(int(row["n_undecided"]) for row in self.rows("cohort_counts"))

    @property
    def strays(self) -> tuple[UnknownRows, ...]:
        """Rows that name a request which is nowhere and was never assigned."""
        return stray_rows(self._measurements.tables, self._design.id)

    def moments(
        self, metric: str, variant: str, reading: str = REPAIRED, segment: str | None = None
    ) -> Moments:
        """Sums of an arm under a reading, zeros where it has no request."""
        return self._measurements.moments.get((reading, self._cohort(metric, variant, segment)), NO_MOMENTS)

    def quantile(
        self, metric: str, variant: str, reading: str = REPAIRED, segment: str | None = None
    ) -> float | None:
        """Exact quantile of an arm under a reading, inf where infinite, None where it has no request."""
        key = (reading, self._cohort(metric, variant, segment))
        if key not in self._measurements.quantiles:
            return None
        value = self._measurements.quantiles[key]
        return float("inf") if value is None else value

    def has_reading(self, metric: str, variant: str, reading: str) -> bool:
        """Whether the quantile was read that way; a reading that does not concern it is not."""
        return (reading, self._cohort(metric, variant, None)) in self._measurements.quantiles

    def cells(self, metric: str, variant: str, basis: str = "observed", segment: str | None = None) -> Cells:
        """Histogram of an arm: its mature requests as observed, or every request as far as it is known ("joint")."""
        return self._measurements.cells.get((basis, self._cohort(metric, variant, segment)), NO_CELLS)

    def lost(self, metric: str, variant: str, source: str) -> Cells:
        """Requests of an arm known only through a source's orphans ("any": through any)."""
        return self._measurements.lost.get((source, self._cohort(metric, variant, None)), NO_CELLS)

    def observed(
        self, metric: Metric, segment: str | None = None, *, unlabelled: bool = True
    ) -> MetricEvidence:
        """The repaired reading: mature requests at their values, those without an arm apart."""
        arms = {arm: self._observed_arm(metric, arm, segment) for arm in self._design.split}
        rest = self._observed_arm(metric, UNKNOWN, segment) if unlabelled else None
        return self._evidence(metric, arms, rest)

    def joint(
        self, metric: Metric, segment: str | None = None, *, strays_are_lost: bool = True
    ) -> MetricEvidence:
        """Every request of the full cohort, anywhere its open gaps allow, with the requests that were lost.

        A lost request's segment is lost with it: each segment may hold all of them. ``strays_are_lost`` counts those
        never assigned among them: their rows may as well be misspelt, or of a request outside the cohort.
        """
        arms = {arm: self._joint_arm(metric, arm, segment) for arm in self._design.split}
        rest = self._joint_arm(metric, UNKNOWN, segment, with_lost=strays_are_lost)
        return self._evidence(metric, arms, rest)

    def late(self, metric: Metric) -> MetricEvidence:
        """The mature requests with those assigned after their outcome as the only ones without an arm."""
        arms = {arm: self._late_arm(metric, arm) for arm in self._design.split}
        return self._evidence(metric, arms, self._late_arm(metric, UNKNOWN))

    def from_quotes(self, metric: Metric) -> MetricEvidence:
        """The mature requests of a share with the arm their quotes alone tell, as before any join."""
        arms = {arm: self._share_from_quotes(metric, arm) for arm in self._design.split}
        return self._evidence(metric, arms, self._share_from_quotes(metric, UNKNOWN))

    def with_lost(self, metric: Metric, source: str, *, strays_are_lost: bool = True) -> MetricEvidence:
        """The repaired reading with the requests lost from one table's point of view added; requests without an arm left out."""
        arms = {
            arm: self._with_lost(self._observed_arm(metric, arm, None), metric, arm, source)
            for arm in self._design.split
        }
        nothing = ArmEvidence(NO_MOMENTS, NO_CELLS)
        rest = self._with_lost(nothing, metric, UNKNOWN, source) if strays_are_lost else nothing
        return self._evidence(metric, arms, rest)

    def _evidence(
        self, metric: Metric, arms: dict[str, ArmEvidence], rest: ArmEvidence | None
    ) -> MetricEvidence:
        clustered = self._design.clustered and not is_of_pros(metric)
        return MetricEvidence(metric, self._design.control, self._design.split, arms, rest, clustered)

    def _observed_arm(self, metric: Metric, variant: str, segment: str | None) -> ArmEvidence:
        moments = self.moments(metric.name, variant, REPAIRED, segment)
        cells = self.cells(metric.name, variant, "observed", segment)
        if variant != UNKNOWN and metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
            cells = _one_cell(moments, moments)
        return ArmEvidence(moments, cells)

    def _share_from_quotes(self, metric: Metric, variant: str) -> ArmEvidence:
        moments = self.moments(metric.name, variant, FROM_QUOTES)
        return ArmEvidence(moments, _successes_and_failures(moments))

    def _late_arm(self, metric: Metric, variant: str) -> ArmEvidence:
        moments = self.moments(metric.name, variant, LATE)
        if metric.kind is MetricKind.SHARE:
            return ArmEvidence(moments, _successes_and_failures(moments))
        if variant != UNKNOWN and metric.kind is not MetricKind.QUANTILE:
            return ArmEvidence(moments, _one_cell(moments, moments))
        return ArmEvidence(moments, self.cells(metric.name, variant, LATE))

    def _joint_arm(
        self, metric: Metric, variant: str, segment: str | None, *, with_lost: bool = True
    ) -> ArmEvidence:
        cells = self.cells(metric.name, variant, "joint", segment)
        if variant != UNKNOWN and metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
            low = self.moments(metric.name, variant, "joint_low", segment)
            cells = _one_cell(low, self.moments(metric.name, variant, "joint_high", segment))
        arm = ArmEvidence(self.moments(metric.name, variant, REPAIRED, segment), cells)
        return self._with_lost(arm, metric, variant, "any", segment) if with_lost else arm

    def _with_lost(
        self, arm: ArmEvidence, metric: Metric, variant: str, source: str, segment: str | None = None
    ) -> ArmEvidence:
        lost = self.lost(metric.name, variant, source)
        if self._design.narrowed_by and lost.total:
            lost = optional(lost, metric, self._reach(metric, segment))
        return replace(arm, cells=joined(arm.cells, lost))

    def _reach(self, metric: Metric, segment: str | None) -> tuple[float, float]:
        """The least and the greatest level that any arm can have, whichever of the lost requests are of the cohort."""
        if metric.kind not in (MetricKind.MEAN, MetricKind.RATIO):
            return 0.0, 0.0
        unlabelled = joined(
            self.cells(metric.name, UNKNOWN, "joint", segment), self.lost(metric.name, UNKNOWN, "any")
        )
        ends = [
            reach(
                self.moments(metric.name, arm, "joint_low", segment),
                self.moments(metric.name, arm, "joint_high", segment),
                joined(unlabelled, self.lost(metric.name, arm, "any")),
            )
            for arm in self._design.split
        ]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def _cohort(self, metric: str, variant: str, segment: str | None) -> Cohort:
        return Cohort(self._design.id, segment, metric, variant)


def _one_cell(low: Moments, high: Moments) -> Cells:
    """An arm whose requests all have their arm's mean: its sums are what counts, and those are exact.

    Where the denominator is open too it is taken at its least, with the value's ends divided outward.
    """
    if low.n == 0:
        return NO_CELLS
    d = min(low.d, high.d)
    least = low.y * (d / high.d) if high.d > 0 else low.y
    return Cells(
        np.array([least / low.n]),
        np.array([high.y / low.n]),
        np.array([d / low.n]),
        np.array([low.n], dtype=np.int64),
    )


def _successes_and_failures(moments: Moments) -> Cells:
    """The requests of a share: its sums say it all."""
    values = np.array([1.0, 0.0])
    counts = np.array([round(moments.y), moments.n - round(moments.y)], dtype=np.int64)
    held = counts > 0
    return Cells(values[held], values[held], np.ones(int(held.sum())), counts[held])
