"""Levels and effects of every metric, overall and by segment: what metrics.json holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.gaps.evidence import (
    REPAIRED,
    EvidenceReader,
    ExperimentDesign,
    is_of_pros,
    statistic_of,
)
from dagster_pipeline.gaps.measurements import UNKNOWN
from dagster_pipeline.gaps.opened import (
    UnknownRows,
    with_missing,
    with_traceless,
    with_undecided,
    with_unknown_rows,
)
from dagster_pipeline.gaps.pros import ProOpening, pro_region
from dagster_pipeline.gaps.rehires import REHIRES, TOO_YOUNG
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Cells,
    Estimate,
    FloatArray,
    Level,
    Metric,
    MetricEvidence,
    MetricKind,
    Region,
)
from dagster_pipeline.statistics.levels import estimate, level
from dagster_pipeline.statistics.regions import joint_region

ROWS_MAY_FOLLOW = "unbounded: rows after the cutoff of a stale source have no upper limit"
LOST_WITHOUT_TRACE = "unbounded: units were lost without a trace, and their counts have no upper limit"
MAY_BE_IN_COHORT = (
    "unidentified: requests that lack what the brief's cohort is told by may be of it, and count in it or not"
)


@dataclass(frozen=True)
class LevelOf:
    """One metric in one arm; ``segment`` is "column=value", None for the cohort."""

    metric: str
    variant: str
    segment: str | None
    level: Level


@dataclass(frozen=True)
class EffectOf:
    """One metric of one treatment in one effect, with its joint region over the full cohort."""

    metric: str
    variant: str
    segment: str | None
    effect: str
    estimate: Estimate
    region: Region


def _nothing_alone(metric: Metric, treatment: str, found: Estimate) -> Iterable[Region]:
    del metric, treatment, found
    return ()


@dataclass(frozen=True)
class OpenGaps:
    """What open gaps do to joint regions beyond the cells.

    ``unlimited`` is metric → why it has no limit, ``lost_units`` arm → units lost without a trace, ``traceless`` the
    requests whose row has no id, ``unknown_rows`` metric → rows that may be any request's, ``stray_rows`` metric → those
    that name a request never assigned, ``undecided`` the requests that may or may not be of the cohort. ``alone`` gives
    the regions of the single gaps that no evidence holds: the joint region holds every one of them.
    """

    unlimited: Mapping[str, str] = field(default_factory=dict)
    lost_units: Mapping[str, int] = field(default_factory=dict)
    traceless: int = 0
    unknown_rows: Mapping[str, tuple[UnknownRows, ...]] = field(default_factory=dict)
    stray_rows: Mapping[str, tuple[UnknownRows, ...]] = field(default_factory=dict)
    undecided: int = 0
    alone: Callable[[Metric, str, Estimate], Iterable[Region]] = _nothing_alone


@dataclass(frozen=True)
class EffectCalculator:
    """Computes levels, effects and joint regions of one experiment's metrics.

    ``opened`` is what open gaps do to the joint region beyond what every request's cell says; ``definitions`` are the
    metrics of the run, there or not.
    """

    reader: EvidenceReader
    design: ExperimentDesign
    confidence: float
    opened: OpenGaps
    definitions: Mapping[str, MetricDefinition] = field(default_factory=metric_definitions)

    def levels(self, definition: MetricDefinition, segment: str | None = None) -> Iterator[LevelOf]:
        """The metric in each arm; and among the requests without one, where there are any."""
        metric = statistic_of(definition)
        evidence = self.reader.observed(metric, segment)
        rest = evidence.unlabelled
        arms = dict(evidence.arms) | ({UNKNOWN: rest} if rest and rest.moments.n else {})
        for variant, arm in arms.items():
            exact = self.reader.quantile(metric.name, variant, segment=segment)
            found = level(arm, metric, self.confidence, evidence.clustered, exact)
            yield LevelOf(metric.name, variant, segment, found)

    def effect(
        self,
        definition: MetricDefinition,
        treatment: str,
        effect: str | None = None,
        segment: str | None = None,
    ) -> EffectOf:
        """The effect of one treatment, in the metric's default effect or the one given."""
        metric = statistic_of(definition, effect)
        evidence = self.reader.observed(metric, segment)
        found = self._estimate(evidence, treatment, segment)
        return EffectOf(
            metric.name,
            treatment,
            segment,
            metric.effect.value,
            found,
            self._region(metric, treatment, segment, found),
        )

    def _estimate(self, evidence: MetricEvidence, treatment: str, segment: str | None) -> Estimate:
        metric = evidence.metric
        exact = None
        if metric.kind is MetricKind.QUANTILE:
            arms = (treatment, self.design.control)
            t, c = (self.reader.quantile(metric.name, arm, segment=segment) for arm in arms)
            exact = (t, c)
        t_arm, c_arm = evidence.arms[treatment], evidence.arms[self.design.control]
        return estimate(t_arm, c_arm, metric, self.confidence, evidence.clustered, exact)

    def _region(self, metric: Metric, treatment: str, segment: str | None, found: Estimate) -> Region:
        if metric.name in self.opened.unlimited:
            return Region(None, None, reason=self.opened.unlimited[metric.name])
        if self.opened.lost_units and not is_of_outcomes(metric):
            return Region(None, None, reason=LOST_WITHOUT_TRACE)
        if metric.name == REHIRES and self._has_young(metric, segment):
            return Region(None, None, reason=TOO_YOUNG)
        if self.opened.undecided and not is_of_outcomes(metric):
            return Region(None, None, reason=MAY_BE_IN_COHORT)
        region = self._all_open(metric, treatment, segment) or at_estimate(found)
        return region if segment is not None else hull(region, self.opened.alone(metric, treatment, found))

    def _has_young(self, metric: Metric, segment: str | None) -> bool:
        """Whether requests of the cohort have not been observable for the metric's horizon."""
        arms = (*self.design.split, UNKNOWN)
        everyone, mature = (
            sum(self.reader.moments(metric.name, arm, reading, segment).n for arm in arms)
            for reading in ("joint_low", REPAIRED)
        )
        return everyone != mature

    def _all_open(self, metric: Metric, treatment: str, segment: str | None) -> Region | None:
        """The region of all that the models and the unplaceable rows leave open, None where that is nothing."""
        if is_of_pros(metric):
            rows = sum(found.count for found in self.opened.unknown_rows.get(metric.name, ()))
            arms, opening = (treatment, self.design.control), ProOpening("joint", rows=rows)
            return pro_region(self.reader, metric, arms, opening, self.confidence, segment)
        evidence = self._opened(metric, segment)
        if is_closed(evidence, self.reader.observed(metric, segment)):
            return None
        region = joint_region(evidence, treatment, self.confidence)
        if metric.name not in self.opened.stray_rows:
            return region
        strays = self._opened(metric, segment, strays_are_lost=False)
        return hull(region, [joint_region(strays, treatment, self.confidence)])

    def _opened(self, metric: Metric, segment: str | None, *, strays_are_lost: bool = True) -> MetricEvidence:
        """All that is open at once; what can't be placed at all may all be in this segment.

        Rows of a request never assigned: that request was lost, or they belong to one that is there.
        """
        evidence = self.reader.joint(metric, segment, strays_are_lost=strays_are_lost)
        evidence = with_traceless(evidence, self.opened.traceless)
        evidence = with_missing(evidence, self.opened.lost_units)
        evidence = with_undecided(evidence, self.opened.undecided)
        strays = () if strays_are_lost else self.opened.stray_rows[metric.name]
        for rows in (*self.opened.unknown_rows.get(metric.name, ()), *strays):
            evidence = with_unknown_rows(evidence, rows)
        return evidence


def hides_members(kind: str, source: str, column: str | None, design: ExperimentDesign) -> bool:
    """Whether a gap in that place keeps it open which requests are of the brief's cohort."""
    if source != "requests" or not design.narrowed_by:
        return False
    is_value = kind in ("missing_values", "invalid_values") and column in design.narrowed_by
    return is_value or kind == "conflicting_keys"


def is_of_outcomes(metric: Metric) -> bool:
    """Whether each request has an outcome within known limits: a share of requests, or a quantile."""
    return metric.kind not in (MetricKind.MEAN, MetricKind.RATIO) and not is_of_pros(metric)


def hull(region: Region, others: Iterable[Region]) -> Region:
    """The least region that holds them all; without limit where one of them is."""
    for other in others:
        region = Region(
            _outer(min, region.lower, other.lower),
            _outer(max, region.upper, other.upper),
            _outer(min, region.gate_lower, other.gate_lower),
            _outer(max, region.gate_upper, other.gate_upper),
            region.reason or other.reason,
        )
    return region


def _outer(choose: Callable[[float, float], float], one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else choose(one, other)


def is_closed(joint: MetricEvidence, observed: MetricEvidence) -> bool:
    """Whether nothing is open: every request of the cohort has an arm, is mature, and has one possible value."""
    rest = joint.unlabelled
    if rest is not None and (rest.cells.total or rest.missing):
        return False
    return all(_is_closed_arm(joint.arms[arm], observed.arms[arm]) for arm in joint.arms)


def _is_closed_arm(joint: ArmEvidence, observed: ArmEvidence) -> bool:
    """Whether the arm's possible values are its observed ones: both come in the same bins."""
    if joint.missing or joint.cells.total != observed.cells.total:
        return False
    one, other = _rows_of(joint.cells), _rows_of(observed.cells)
    return one.shape == other.shape and bool(np.allclose(one, other))


def _rows_of(cells: Cells) -> FloatArray:
    """One row per cell, in an order of their own."""
    rows = np.column_stack([cells.low, cells.high, cells.d, cells.count.astype(np.float64)])
    return rows[np.lexsort(rows.T)]


def at_estimate(found: Estimate) -> Region:
    """The point region of an estimate: its gate limits are its interval's."""
    return Region(found.value, found.value, found.ci_lower, found.ci_upper, found.reason)


def every_effect(
    calculator: EffectCalculator, definitions: Iterable[MetricDefinition], segments: Iterable[str | None]
) -> Iterator[EffectOf]:
    """Every metric × treatment × segment in its default effect."""
    segments = tuple(segments)
    for definition in definitions:
        for treatment in calculator.design.treatments:
            for segment in segments:
                yield calculator.effect(definition, treatment, segment=segment)
