"""The cohort without one of its segments: whether the brief would hold for all the others together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import reduce

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.criteria.segments import passing_segments
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.demands import demands_of
from dagster_pipeline.gaps.effects import EffectCalculator
from dagster_pipeline.gaps.evidence import REPAIRED, EvidenceReader, ExperimentDesign
from dagster_pipeline.gaps.measurements import NO_CELLS, Measurements
from dagster_pipeline.gaps.opened import joined
from dagster_pipeline.statistics.evidence import Cells, Moments
from dagster_pipeline.statistics.quantiles import Steps, rank_of

_FEWEST_SEGMENTS = 3
"""With two segments the rest is the other one, and that is judged on its own already."""


class RestReader(EvidenceReader):
    """Evidence of all other segments of a column, read by the name of the one left out.

    The segments of a column divide the cohort, so sums and histograms add up. Only where the request is the unit: units with requests
    in several segments would need the products of their totals.
    """

    def __init__(
        self,
        measurements: Measurements,
        design: ExperimentDesign,
        definitions: Mapping[str, MetricDefinition],
    ) -> None:
        super().__init__(measurements, design)
        self._quantiles = {d.name: d.quantile for d in definitions.values() if d.quantile is not None}

    def moments(
        self, metric: str, variant: str, reading: str = REPAIRED, segment: str | None = None
    ) -> Moments:
        """Sums of the others."""
        if segment is None:
            return super().moments(metric, variant, reading)
        parts = [EvidenceReader.moments(self, metric, variant, reading, s) for s in self._others(segment)]
        return Moments(*(sum(getattr(part, found.name) for part in parts) for found in fields(Moments)))

    def cells(self, metric: str, variant: str, basis: str = "observed", segment: str | None = None) -> Cells:
        """Histograms of the others, one after the other."""
        if segment is None:
            return super().cells(metric, variant, basis)
        parts = (EvidenceReader.cells(self, metric, variant, basis, s) for s in self._others(segment))
        return reduce(joined, parts, NO_CELLS)

    def quantile(
        self, metric: str, variant: str, reading: str = REPAIRED, segment: str | None = None
    ) -> float | None:
        """The quantile of the others, at the upper edge of its bin: within the bin's half per cent."""
        exact = super().quantile(metric, variant, reading)
        if segment is None or exact is None:
            return exact
        cells, q = self.cells(metric, variant, "observed", segment), self._quantiles[metric]
        steps = Steps.of(cells.high, cells.count)
        return float(steps.values[(steps.below >= rank_of(q, steps.n)).argmax()]) if steps.n else None

    def _others(self, segment: str) -> tuple[str, ...]:
        column = segment.partition("=")[0]
        return tuple(s for s in self.segments if s != segment and s.partition("=")[0] == column)


def passing_without(
    brief: Brief,
    calculator: EffectCalculator,
    reader: RestReader,
    available: Mapping[str, MetricDefinition],
    segments: Sequence[str],
) -> tuple[str, ...]:
    """The segments without which every demand holds, base and joint; multiplicity held over all that could be left out (Holm).

    None of them where the unit is not the request, or a demand is on a metric of pros, who work across segments.
    """
    names = [c.metric for c in brief.criteria] + [g.metric for g in brief.guardrails]
    rules = [available.get(name) for name in names]
    if calculator.design.clustered or any(d is None or d.unit == "pro" for d in rules):
        return ()
    rest = replace(calculator, reader=reader)

    def passes(segment: str, confidence: float) -> bool:
        demands = demands_of(brief, replace(rest, confidence=confidence), available, segment)
        return bool(demands) and all(d.base is d.joint is Outcome.PASSED for d in demands)

    columns = {s.partition("=")[0] for s in segments}
    wanted = [
        s
        for column in sorted(columns)
        for s in segments
        if s.partition("=")[0] == column and _count(segments, column) >= _FEWEST_SEGMENTS
    ]
    return passing_segments(wanted, passes, brief.confidence)


def _count(segments: Sequence[str], column: str) -> int:
    return sum(s.partition("=")[0] == column for s in segments)
