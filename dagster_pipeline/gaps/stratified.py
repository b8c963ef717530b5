"""An effect with both arms weighted to the same mix of a column: what remains of it once their mixes are alike."""

from __future__ import annotations

import numpy as np

from dagster_pipeline.gaps.effects import at_estimate, hull
from dagster_pipeline.gaps.evidence import REPAIRED, EvidenceReader, ExperimentDesign
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Cells,
    EffectKind,
    Estimate,
    Metric,
    MetricKind,
    Region,
)
from dagster_pipeline.statistics.intervals import difference, relative_difference
from dagster_pipeline.statistics.levels import design_effect, estimate
from dagster_pipeline.statistics.quantiles import quantile
from dagster_pipeline.statistics.regions import QuantileArm, quantile_interval_region
from dagster_pipeline.statistics.stratification import Stratum, post_stratified, whole_counts


def between_plain_and_stratified(
    reader: EvidenceReader,
    design: ExperimentDesign,
    metric: Metric,
    treatment: str,
    column: str,
    found: Estimate,
    confidence: float,
) -> Region | None:
    """The region between the plain effect and the one post-stratified on the column (GAPS.md §2, drift).

    None where the metric is not measured by the column, or where a value of it has requests in one arm only: there is
    nothing to weight.
    """
    arms = (treatment, design.control)
    counted = _comparable(reader, metric, arms, column)
    if not counted or found.value is None:
        return None
    if metric.kind is MetricKind.QUANTILE:
        return _quantile_region(reader, design, metric, arms, counted, confidence)
    stratified = _stratified(reader, metric, arms, counted, confidence)
    return hull(at_estimate(found), [stratified]) if stratified else None


def stratified_estimate(
    reader: EvidenceReader,
    design: ExperimentDesign,
    metric: Metric,
    treatment: str,
    column: str,
    confidence: float,
) -> Estimate | None:
    """The effect with both arms weighted to the mix of both together, with its interval; None as above.

    A quantile is read off the weighted histograms: the middle of its bin, within 0.25% of it.
    """
    arms = (treatment, design.control)
    counted = _comparable(reader, metric, arms, column)
    if not counted:
        return None
    if metric.kind is not MetricKind.QUANTILE:
        region = _stratified(reader, metric, arms, counted, confidence)
        return Estimate(region.lower, region.gate_lower, region.gate_upper) if region else None
    weighted = _at_common_mix(reader, metric, arms, counted)
    t, c = (ArmEvidence(reader.moments(metric.name, arm), weighted[arm]) for arm in arms)
    middles = [sum(quantile(weighted[arm], metric.quantile or 0.5)) / 2 for arm in arms]
    return estimate(t, c, metric, confidence, design.clustered, (middles[0], middles[1]))


def _comparable(
    reader: EvidenceReader, metric: Metric, arms: tuple[str, str], column: str
) -> list[str] | None:
    """The column's values that have requests, None where one of them has requests in one arm only."""
    segments = [s for s in reader.segments if s.partition("=")[0] == column]
    counts = {s: [reader.moments(metric.name, arm, REPAIRED, s).n for arm in arms] for s in segments}
    counted = [s for s, numbers in counts.items() if sum(numbers)]
    return None if any(0 in counts[s] for s in counted) else counted


def _stratified(
    reader: EvidenceReader, metric: Metric, arms: tuple[str, str], segments: list[str], confidence: float
) -> Region | None:
    """The post-stratified effect with its interval's limits."""
    strata = [Stratum(*(reader.moments(metric.name, arm, REPAIRED, s) for arm in arms)) for s in segments]
    found = post_stratified(strata, metric)
    t, t_variance, c, c_variance = (
        found.treatment,
        found.treatment_variance,
        found.control,
        found.control_variance,
    )
    if found.value is None or t is None or c is None or t_variance is None or c_variance is None:
        return None
    relative = metric.effect is EffectKind.RELATIVE
    if relative and min(t, c) <= 0:
        return None  # the log scale has no place for it
    interval = (relative_difference if relative else difference)(t, t_variance, c, c_variance, confidence)
    scale = 1.0 if relative else metric.scale
    return Region(found.value, found.value, interval.lower * scale, interval.upper * scale)


def _quantile_region(
    reader: EvidenceReader,
    design: ExperimentDesign,
    metric: Metric,
    arms: tuple[str, str],
    segments: list[str],
    confidence: float,
) -> Region:
    """Each arm's quantile between its own and that of its histograms weighted to the mix of both arms together."""
    ends: tuple[dict[str, QuantileArm], dict[str, QuantileArm]] = ({}, {})
    weighted = _at_common_mix(reader, metric, arms, segments)
    for arm, cells in weighted.items():
        known = [
            v
            for v in (reader.quantile(metric.name, arm), *quantile(cells, metric.quantile or 0.5))
            if v is not None
        ]
        deff = design_effect(reader.moments(metric.name, arm), design.clustered)
        ends[0][arm] = QuantileArm(min(known), cells, deff)
        ends[1][arm] = QuantileArm(max(known), cells, deff)
    return quantile_interval_region(ends[0], ends[1], metric, arms[0], design.control, confidence)


def _at_common_mix(
    reader: EvidenceReader, metric: Metric, arms: tuple[str, str], segments: list[str]
) -> dict[str, Cells]:
    """Each arm's histogram with every stratum at its share of both arms together."""
    parts = {arm: [reader.cells(metric.name, arm, "observed", s) for s in segments] for arm in arms}
    whole = sum(cells.total for cells in (*parts[arms[0]], *parts[arms[1]]))
    both = [sum(parts[arm][i].total for arm in arms) / whole for i in range(len(segments))]
    return {arm: _weighted(parts[arm], both) for arm in arms}


def _weighted(parts: list[Cells], mix: list[float]) -> Cells:
    """The arm's histograms with every stratum at its share of the mix, in whole requests."""
    total = sum(cells.total for cells in parts)
    weights = [cells.count * (share * total / cells.total) for cells, share in zip(parts, mix, strict=True)]
    low = np.concatenate([cells.low for cells in parts])
    return Cells(
        low,
        np.concatenate([cells.high for cells in parts]),
        np.concatenate([cells.d for cells in parts]),
        whole_counts(low, np.concatenate(weights)),
    )
