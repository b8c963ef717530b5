"""Identification regions of an effect: the one way the gaps room asks for a bound.

Every function returns a ``Region`` in the metric's effect, raw and scaled, with the gate limits that add
sampling error. An end is None, with a reason, where the data do not limit it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dagster_pipeline.statistics.bounds.dealing import Blocks, Deals, Extreme, extreme, filled_level
from dagster_pipeline.statistics.bounds.design import (
    BLOCK_LIMIT,
    OpenCount,
    blocks,
    cluster_spread,
    from_design_share,
    from_known_size,
    points,
)
from dagster_pipeline.statistics.bounds.evidence_ends import OpenOutcomes
from dagster_pipeline.statistics.effects import effect, extreme_effects
from dagster_pipeline.statistics.evidence import (
    Cells,
    Metric,
    MetricEvidence,
    MetricKind,
    Moments,
    Region,
)
from dagster_pipeline.statistics.levels import NO_REQUESTS, point_level
from dagster_pipeline.statistics.quantiles import Steps
from dagster_pipeline.statistics.sampling_error import Filled, FilledQuantile, gate_limit

UNBOUNDED = "unbounded"
_ROUNDING = 1e-9
_RATIO_BUDGET = 100_000  # cells times blocks of one ratio scan: a few hundredths of a second


def label_region(
    evidence: MetricEvidence,
    treatment: str,
    confidence: float,
    known: Mapping[str, int] | None = None,
    exact: Mapping[str, float] | None = None,
) -> Region:
    """The region with only the labels of the unlabelled requests open.

    The arms count as observed: their moments (for a quantile their cells, bin edges outward). ``known``
    gives the arms' full sizes where an assignment service knows them; else the design share's 99% band
    limits how many go to each arm. ``exact`` are the arms' exact quantiles: with nothing unlabelled the
    region is their effect.
    """
    outcomes = OpenOutcomes(evidence, outcomes_open=False)
    region = _scan(outcomes, treatment, confidence, known)
    if outcomes.unlabelled.total > 0:
        return region
    if evidence.metric.kind is MetricKind.QUANTILE:
        levels = exact or {}
        point = effect(levels.get(treatment), levels.get(evidence.control), evidence.metric)
    else:
        point = _observed_effect(evidence, treatment)
    return at_point(region, point)


def outcome_region(evidence: MetricEvidence, treatment: str, confidence: float) -> Region:
    """The region with only outcomes open: labelled requests anywhere in their cells, no unlabelled ones."""
    return joint_region(replace(evidence, unlabelled=None), treatment, confidence)


def joint_region(
    evidence: MetricEvidence,
    treatment: str,
    confidence: float,
    known: Mapping[str, int] | None = None,
    ends: tuple[Mapping[str, Moments], Mapping[str, Moments]] | None = None,
) -> Region:
    """The region with labels and outcomes open together, over the full cohort.

    Every request's value lies in its cell's [low, high]; an arm's ``missing`` requests anywhere in the
    metric's support. ``ends`` may give the arms' moments with every request at its lower and at its upper
    value, in place of the arms' cells (shares, means and ratios). Gaps that share requests are bounded
    jointly: their widths are never added. Sharp for shares of two arms, else an outer bound.
    """
    region = _scan(OpenOutcomes(evidence, outcomes_open=True, ends=ends), treatment, confidence, known)
    return _snapped(region, _observed_effect(evidence, treatment))


def interval_region(
    low: Mapping[str, Moments],
    high: Mapping[str, Moments],
    metric: Metric,
    treatment: str,
    control: str,
    confidence: float,
) -> Region:
    """The region of a share, mean or ratio where every request's value lies in an interval of its own.

    ``low`` and ``high`` are the arms' moments with every request at its lower and at its upper value: T at
    its high against C at its low gives the upper end, and the reverse the lower one.
    """
    if metric.kind is MetricKind.QUANTILE:
        raise ValueError("a quantile's region needs its exact quantiles: use quantile_interval_region")
    ends = [
        _moment_extreme(_by_level(low, high, treatment), _by_level(low, high, control), metric, upper)
        for upper in (False, True)
    ]
    return _assemble(ends[0], ends[1], metric, confidence)


@dataclass(frozen=True)
class QuantileArm:
    """One arm's exact quantile with every request at one end of its interval (inf allowed).

    ``cells`` at that same end give the sampling error: without them the gate limits are None.
    """

    value: float
    cells: Cells | None = None
    design_effect: float = 1.0


def quantile_interval_region(
    low: Mapping[str, QuantileArm],
    high: Mapping[str, QuantileArm],
    metric: Metric,
    treatment: str,
    control: str,
    confidence: float,
) -> Region:
    """The region of a quantile where every request's value lies in an interval: as ``interval_region``."""
    ends = [
        _quantile_extreme(
            (high if upper else low).get(treatment), (low if upper else high).get(control), metric, upper
        )
        for upper in (False, True)
    ]
    return _assemble(ends[0], ends[1], metric, confidence)


def at_point(region: Region, value: float | None) -> Region:
    """The region shrunk to a value known exactly, its gate limits kept outside it; unchanged without one.

    Limits that came from bins stay outward: the room to the value is sampling error and bin width together.
    """
    if value is None:
        return region
    lower = None if region.gate_lower is None else min(region.gate_lower, value)
    upper = None if region.gate_upper is None else max(region.gate_upper, value)
    return Region(value, value, lower, upper)


def _scan(
    outcomes: OpenOutcomes, treatment: str, confidence: float, known: Mapping[str, int] | None
) -> Region:
    evidence = outcomes.evidence
    if treatment not in evidence.arms or evidence.control not in evidence.arms:
        return Region(None, None, reason=NO_REQUESTS)
    deals = _deals(outcomes, treatment, known or {})
    lower, upper = (
        extreme(
            outcomes.end(treatment, highest=side),
            outcomes.end(evidence.control, highest=not side),
            deals,
            evidence.metric,
            upper=side,
        )
        for side in (False, True)
    )
    return _assemble(lower, upper, evidence.metric, confidence)


def _deals(outcomes: OpenOutcomes, treatment: str, known: Mapping[str, int]) -> Deals:
    """How many unlabelled requests either arm may take."""
    control, m = outcomes.evidence.control, outcomes.unlabelled.total
    t_blocks = _blocks(_open_count(outcomes, treatment, known), outcomes)
    if sum(share > 0 for share in outcomes.evidence.split.values()) == 2:
        return Deals(t_blocks, t_blocks.complement(m), paired=True)
    return Deals(t_blocks, _blocks(_open_count(outcomes, control, known), outcomes), paired=False)


def _open_count(outcomes: OpenOutcomes, arm: str, known: Mapping[str, int]) -> OpenCount:
    evidence, m = outcomes.evidence, outcomes.unlabelled.total
    if arm in known:
        return from_known_size(outcomes.size(arm), m, known[arm])
    sizes = {name: outcomes.size(name) for name in evidence.arms}
    groups = [(evidence.arms[name].moments, size) for name, size in sizes.items()]
    if evidence.unlabelled is not None:
        groups.append((evidence.unlabelled.moments, m))
    spread = sum(cluster_spread(moments, size, evidence.clustered) for moments, size in groups)
    total = sum(sizes.values()) + m
    return from_design_share(sizes[arm], total, m, evidence.split[arm], spread)


def _blocks(open_count: OpenCount, outcomes: OpenOutcomes) -> Blocks:
    kind = outcomes.evidence.metric.kind
    if kind is MetricKind.QUANTILE:
        return blocks(open_count, BLOCK_LIMIT)
    if kind is MetricKind.RATIO:
        cells = max(1, len(outcomes.unlabelled.count))
        return blocks(open_count, max(16, min(512, _RATIO_BUDGET // cells)))
    return points(open_count)


def _assemble(lower: Extreme | None, upper: Extreme | None, metric: Metric, confidence: float) -> Region:
    if lower is None or upper is None:
        return Region(None, None, reason=NO_REQUESTS)
    ends = _finite(lower.value), _finite(upper.value)
    gates = [
        gate_limit(found.treatment, found.control, found.value, metric, confidence, upper=side)
        for side, found in ((False, lower), (True, upper))
    ]
    return Region(ends[0], ends[1], gates[0], gates[1], UNBOUNDED if None in ends else None)


def _by_level(
    low: Mapping[str, Moments], high: Mapping[str, Moments], arm: str
) -> tuple[Moments, Moments] | None:
    """The arm's moments ordered by level: a denominator that moves can turn the two around."""
    pair = [side.get(arm) for side in (low, high)]
    if pair[0] is None or pair[1] is None:
        return None
    levels = [point_level(moments) for moments in pair if moments]
    if levels[0] is None or levels[1] is None:
        return None
    return (pair[0], pair[1]) if levels[0] <= levels[1] else (pair[1], pair[0])


def _moment_extreme(
    treatment: tuple[Moments, Moments] | None,
    control: tuple[Moments, Moments] | None,
    metric: Metric,
    upper: bool,
) -> Extreme | None:
    if treatment is None or control is None:
        return None
    t, c = filled_level(treatment[int(upper)]), filled_level(control[int(not upper)])
    return _extreme_of(t.value, c.value, (t, c), metric, upper)


def _quantile_extreme(
    treatment: QuantileArm | None, control: QuantileArm | None, metric: Metric, upper: bool
) -> Extreme | None:
    if treatment is None or control is None:
        return None
    filled = _filled_quantile(treatment, upper), _filled_quantile(control, not upper)
    return _extreme_of(treatment.value, control.value, filled, metric, upper)


def _filled_quantile(arm: QuantileArm, highest: bool) -> FilledQuantile:
    cells = arm.cells
    if cells is None:
        return FilledQuantile(Steps(np.array([]), np.array([], dtype=np.int64)))
    return FilledQuantile(Steps.of(cells.high if highest else cells.low, cells.count), arm.design_effect)


def _extreme_of(t: float, c: float, filled: tuple[Filled, Filled], metric: Metric, upper: bool) -> Extreme:
    value = extreme_effects(np.array([t]), np.array([c]), metric, upper)[0]
    return Extreme(float(value), *filled)


def _observed_effect(evidence: MetricEvidence, treatment: str) -> float | None:
    arms = [evidence.arms.get(name) for name in (treatment, evidence.control)]
    if evidence.metric.kind is MetricKind.QUANTILE or None in arms:
        return None
    t, c = (point_level(arm.moments) if arm else None for arm in arms)
    return effect(t, c, evidence.metric)


def _snapped(region: Region, value: float | None) -> Region:
    """An end that misses the estimate by rounding alone is moved onto it."""
    if value is None or region.lower is None or region.upper is None:
        return region
    slack = _ROUNDING * max(1.0, abs(value))
    if not region.lower - slack <= value <= region.upper + slack:
        return (
            region  # the labelled requests' effect is not the full cohort's, and need not be possible for it
        )
    return replace(region, lower=min(region.lower, value), upper=max(region.upper, value))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
