"""What open gaps add to the evidence beyond the requests that are there: requests and rows that nobody can place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.gaps.measurements import NO_CELLS, NO_MOMENTS
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Cells,
    FloatArray,
    Metric,
    MetricEvidence,
    MetricKind,
)

_COUNTED = (MetricKind.MEAN, MetricKind.RATIO)


@dataclass(frozen=True)
class UnknownRows:
    """Rows of a source whose request is not known: any of them may be any request's.

    ``counted`` says that they count somewhere already and may belong elsewhere, so that they may also be taken away.
    """

    source: str
    count: int
    counted: bool = False


def can_count(definition: MetricDefinition, source: str) -> bool:
    """Whether what a row of the source adds to the metric is limited: an amount that is not known is not."""
    if definition.kind not in ("mean", "ratio"):
        return True
    return f"n_{source}" in (definition.y, definition.d)


def with_missing(evidence: MetricEvidence, missing: Mapping[str, int]) -> MetricEvidence:
    """The evidence with requests of wholly unknown outcome added to arms."""
    arms = {
        arm: replace(found, missing=found.missing + missing.get(arm, 0))
        for arm, found in evidence.arms.items()
    }
    return replace(evidence, arms=arms)


def with_traceless(evidence: MetricEvidence, requests: int) -> MetricEvidence:
    """The evidence with requests whose row has no id: of any arm, and nothing that is counted points at them."""
    if requests == 0 or evidence.metric.kind is MetricKind.RATIO:
        return evidence
    rest = evidence.unlabelled or ArmEvidence(NO_MOMENTS, NO_CELLS)
    if evidence.metric.kind is MetricKind.MEAN:
        nothing = Cells(np.zeros(1), np.zeros(1), np.ones(1), np.array([requests], dtype=np.int64))
        return replace(evidence, unlabelled=replace(rest, cells=joined(rest.cells, nothing)))
    return replace(evidence, unlabelled=replace(rest, missing=rest.missing + requests))


def with_unknown_rows(evidence: MetricEvidence, rows: UnknownRows) -> MetricEvidence:
    """The evidence with every arm's requests open as far as the rows may be theirs (the orphan bound, GAPS.md §2).

    Either arm may hold all of them; a region's end gives them to one arm and none to the other.
    """
    if rows.count == 0:
        return evidence
    arms = {arm: _with_rows(found, evidence.metric, rows) for arm, found in evidence.arms.items()}
    return replace(evidence, arms=arms)


def joined(one: Cells, other: Cells) -> Cells:
    """The cells of two groups of requests."""
    return Cells(
        np.concatenate([one.low, other.low]),
        np.concatenate([one.high, other.high]),
        np.concatenate([one.d, other.d]),
        np.concatenate([one.count, other.count]),
    )


def _with_rows(arm: ArmEvidence, metric: Metric, rows: UnknownRows) -> ArmEvidence:
    if len(arm.cells.count) == 0:
        return arm
    cells = (
        _sums_opened(arm.cells, metric, rows) if metric.kind in _COUNTED else _opened(arm.cells, metric, rows)
    )
    return replace(arm, cells=cells)


def _opened(cells: Cells, metric: Metric, rows: UnknownRows) -> Cells:
    """Each row may give one request the event: of a share those without it, of a quantile the slowest ones at once."""
    if metric.kind is MetricKind.SHARE:
        order, ends = np.argsort(cells.low, kind="stable"), (cells.low, np.ones_like(cells.high))
    else:
        order, ends = np.argsort(-cells.low, kind="stable"), (np.zeros_like(cells.low), cells.high)
    count = cells.count[order]
    taken = np.empty_like(count)
    taken[order] = np.clip(rows.count - (np.cumsum(count) - count), 0, count)
    found = joined(replace(cells, count=cells.count - taken), Cells(*ends, cells.d, taken))
    held = found.count > 0
    return Cells(found.low[held], found.high[held], found.d[held], found.count[held])


def _sums_opened(cells: Cells, metric: Metric, rows: UnknownRows) -> Cells:
    """The arm's own cell comes first and holds its sums; the rows enter the numerator, the denominator or both."""
    definition = metric_definitions()[metric.name]
    n, d = float(cells.count[0]), float(cells.d[0] * cells.count[0])
    low, high = float(cells.low[0]) * n, float(cells.high[0]) * n
    if f"n_{rows.source}" != definition.d:
        low, high = max(0.0, low - rows.count) if rows.counted else low, high + rows.count
    elif d > 0:
        low = low * d / (d + rows.count)
        if definition.y.endswith(rows.source):
            high = max(high, d * (high + rows.count) / (d + rows.count))
    return Cells(_first(cells.low, low / n), _first(cells.high, high / n), cells.d, cells.count)


def _first(values: FloatArray, value: float) -> FloatArray:
    return np.concatenate([[value], values[1:]])
