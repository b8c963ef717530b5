"""Levels and effects of every metric, overall and by segment: what metrics.json holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.gaps.evidence import EvidenceReader, ExperimentDesign, statistic_of
from dagster_pipeline.gaps.measurements import UNKNOWN
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Estimate,
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


@dataclass(frozen=True)
class OpenGaps:
    """What open gaps do to joint regions beyond the cells: metric → why it has no limit, arm → units lost without a
    trace, (metric, treatment) → how far rows of unknown requests widen it either way (they share no request's cell)."""

    unlimited: Mapping[str, str] = field(default_factory=dict)
    lost_units: Mapping[str, int] = field(default_factory=dict)
    widening: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class EffectCalculator:
    """Computes levels, effects and joint regions of one experiment's metrics.

    ``opened`` is what open gaps do to the joint region beyond what every request's cell says.
    """

    reader: EvidenceReader
    design: ExperimentDesign
    confidence: float
    opened: OpenGaps

    def levels(self, definition: MetricDefinition, segment: str | None = None) -> Iterator[LevelOf]:
        """The metric in each arm; and among the requests without one, where there are any."""
        metric = statistic_of(definition)
        evidence = self.reader.observed(metric, segment)
        rest = evidence.unlabelled
        arms = dict(evidence.arms) | ({UNKNOWN: rest} if rest and rest.moments.n else {})
        for variant, arm in arms.items():
            exact = self.reader.quantile(metric.name, variant, segment=segment)
            found = level(arm, metric, self.confidence, self.design.clustered, exact)
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
        return estimate(t_arm, c_arm, metric, self.confidence, self.design.clustered, exact)

    def _region(self, metric: Metric, treatment: str, segment: str | None, found: Estimate) -> Region:
        if metric.name in self.opened.unlimited:
            return Region(None, None, reason=self.opened.unlimited[metric.name])
        evidence = self.reader.joint(metric, segment)
        if self.opened.lost_units:
            if metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
                return Region(None, None, reason=LOST_WITHOUT_TRACE)
            if segment is None:
                evidence = with_missing(evidence, self.opened.lost_units)
        if is_closed(evidence, self.reader.observed(metric, segment)):
            region = at_estimate(found)
        else:
            region = joint_region(evidence, treatment, self.confidence)
        return _widened(region, self.opened.widening.get((metric.name, treatment), (0.0, 0.0)))


def with_missing(evidence: MetricEvidence, missing: Mapping[str, int]) -> MetricEvidence:
    """The evidence with requests of wholly unknown outcome added to arms."""
    arms = {
        arm: replace(found, missing=found.missing + missing.get(arm, 0))
        for arm, found in evidence.arms.items()
    }
    return replace(evidence, arms=arms)


def _widened(region: Region, by: tuple[float, float]) -> Region:
    down, up = by
    return Region(
        None if region.lower is None else region.lower - down,
        None if region.upper is None else region.upper + up,
        None if region.gate_lower is None else region.gate_lower - down,
        None if region.gate_upper is None else region.gate_upper + up,
        region.reason,
    )


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
    return all(
        len(a) == len(b) and bool(np.allclose(np.sort(a), np.sort(b)))
        for a, b in (
            (joint.cells.low, observed.cells.low),
            (joint.cells.high, observed.cells.high),
            (joint.cells.d, observed.cells.d),
        )
    )


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
