"""Small experiments from lists of requests, and the level of a list by definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Cells,
    Metric,
    MetricEvidence,
    MetricKind,
    Moments,
)
from dagster_pipeline.statistics.quantiles import rank_of

HALVES = {"treatment": 0.5, "control": 0.5}


def level_of(values: Sequence, metric: Metric) -> float:
    """The unscaled level of plain requests, straight from its definition."""
    if metric.kind is MetricKind.RATIO:
        return sum(y for y, _ in values) / sum(d for _, d in values)
    if metric.kind is MetricKind.QUANTILE:
        return float(sorted(values)[rank_of(metric.quantile, len(values)) - 1])
    return sum(values) / len(values)


def cells_of(metric: Metric, values: Sequence) -> Cells:
    """One cell per request: a plain value, a (low, high) pair, or (y, d) for a ratio."""
    if metric.kind is MetricKind.RATIO:
        low = high = [float(y) for y, _ in values]
        d = [float(d) for _, d in values]
    else:
        pairs = [value if isinstance(value, tuple) else (value, value) for value in values]
        low, high = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
        d = [1.0] * len(pairs)
    return Cells(np.array(low), np.array(high), np.array(d), np.ones(len(values), dtype=np.int64))


def moments_of(metric: Metric, values: Sequence, units: Sequence[int] | None = None) -> Moments:
    """Sums over units (each request its own without ``units``); an interval counts at its lower end."""
    cells = cells_of(metric, values)
    indicator = metric.kind is MetricKind.QUANTILE
    y = np.zeros(len(values)) if indicator else cells.low
    labels = np.arange(len(values)) if units is None else np.array(units)
    y_units = np.array([y[labels == unit].sum() for unit in np.unique(labels)])
    d_units = np.array([cells.d[labels == unit].sum() for unit in np.unique(labels)])
    return Moments(
        units=len(y_units),
        n=len(values),
        y=float(y.sum()),
        d=float(cells.d.sum()),
        yy=float((y_units**2).sum()),
        dd=float((d_units**2).sum()),
        yd=float((y_units * d_units).sum()),
    )


def arm(
    metric: Metric, values: Sequence, missing: int = 0, units: Sequence[int] | None = None
) -> ArmEvidence:
    """The evidence of one arm."""
    return ArmEvidence(moments_of(metric, values, units), cells_of(metric, values), missing)


def evidence_of(
    metric: Metric,
    treatment: Sequence,
    control: Sequence,
    unlabelled: Sequence,
    split: Mapping[str, float] = HALVES,
    other: Sequence | None = None,
) -> MetricEvidence:
    """A whole experiment, two arms or three."""
    arms = {"treatment": arm(metric, treatment), "control": arm(metric, control)}
    if other is not None:
        arms["other"] = arm(metric, other)
    return MetricEvidence(metric, "control", split, arms, arm(metric, unlabelled) if unlabelled else None)
