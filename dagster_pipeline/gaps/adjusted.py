"""An effect with the units' past taken into account: what remains of it once the arms' customers were alike before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dagster_pipeline.gaps.effects import at_estimate, hull
from dagster_pipeline.gaps.evidence import EvidenceReader, ExperimentDesign
from dagster_pipeline.gaps.measurements import histogram
from dagster_pipeline.statistics.cuped import Products, adjusted_arms, calibrated, common_mean
from dagster_pipeline.statistics.effects import effect
from dagster_pipeline.statistics.evidence import (
    Cells,
    EffectKind,
    Estimate,
    FloatArray,
    Metric,
    MetricKind,
    Moments,
    Region,
)
from dagster_pipeline.statistics.intervals import difference, relative_difference
from dagster_pipeline.statistics.levels import design_effect
from dagster_pipeline.statistics.quantiles import quantile
from dagster_pipeline.statistics.regions import QuantileArm, quantile_interval_region

MODEL = "pre_period_products"
COVARIATES = ("requests", "hired_within_7d", "quoted_within_30m")
"""What is known of a unit's past, as the model names it; an effect is adjusted for all of them together."""


@dataclass(frozen=True)
class AdjustedEffect:
    """The effect of CUPED with its interval; ``variance_ratio`` is the share of the plain one's variance that is left."""

    value: float
    ci_lower: float
    ci_upper: float
    variance_ratio: float


def between_plain_and_adjusted(
    reader: EvidenceReader,
    design: ExperimentDesign,
    metric: Metric,
    treatment: str,
    found: Estimate,
    confidence: float,
) -> Region | None:
    """The region between the plain effect and the one adjusted for what the units' customers did before (GAPS.md §1).

    Limits come from both intervals. None where no past is known of the units, or the adjusted effect does not exist.
    """
    if found.value is None:
        return None
    arms = (treatment, design.control)
    if metric.kind is MetricKind.QUANTILE:
        adjusted = _quantile_region(reader, metric, arms, design.clustered, confidence)
    else:
        adjusted = _region(adjusted_effect(reader, metric, arms, confidence))
    return None if adjusted is None else hull(at_estimate(found), [adjusted])


def adjusted_effect(
    reader: EvidenceReader, metric: Metric, arms: tuple[str, str], confidence: float
) -> AdjustedEffect | None:
    """The effect of treatment against control (``arms``) on a share, mean or ratio, covariates at their common mean.

    One slope for both arms, pooled within them. The interval is the delta method's on the residuals. None where the
    effect does not exist, or nothing is known of the units' past.
    """
    products = _products(reader, metric, arms)
    levels = adjusted_arms(*products) if products else None
    if levels is None or levels.treatment.variance is None or levels.control.variance is None:
        return None
    t, c = levels.treatment, levels.control
    value = effect(t.value, c.value, metric)
    relative = metric.effect is EffectKind.RELATIVE
    if value is None or (relative and min(t.value, c.value) <= 0):
        return None  # the log scale has no place for it
    interval = (relative_difference if relative else difference)(
        t.value, levels.treatment.variance, c.value, levels.control.variance, confidence
    )
    scale = 1.0 if relative else metric.scale
    return AdjustedEffect(value, interval.lower * scale, interval.upper * scale, levels.variance_ratio)


def _region(found: AdjustedEffect | None) -> Region | None:
    return Region(found.value, found.value, found.ci_lower, found.ci_upper) if found else None


def _quantile_region(
    reader: EvidenceReader, metric: Metric, arms: tuple[str, str], clustered: bool, confidence: float
) -> Region | None:
    """The effect on a quantile of histograms calibrated to the common mean, bin edges outward."""
    products = _products(reader, metric, arms)
    if products is None or metric.quantile is None:
        return None
    centre = common_mean(*products)
    ends: tuple[dict[str, QuantileArm], dict[str, QuantileArm]] = ({}, {})
    for arm, own in zip(arms, products, strict=True):
        bins = [row for row in _rows(reader, metric, arm) if row["low"] is not None]
        if not bins:
            return None
        cells = calibrated(_histogram(bins), np.array([_covariates(row) for row in bins]), own, centre)
        deff = design_effect(own.moments, clustered)
        for side, value in zip(ends, quantile(cells, metric.quantile), strict=True):
            side[arm] = QuantileArm(value, cells, deff)
    found = quantile_interval_region(ends[0], ends[1], metric, *arms, confidence)
    return None if found.lower is None or found.upper is None else found


def _products(
    reader: EvidenceReader, metric: Metric, arms: tuple[str, str]
) -> tuple[Products, Products] | None:
    found = [row for arm in arms for row in _rows(reader, metric, arm) if row["low"] is None]
    if len(found) != len(arms) or any(row["units"] < 2 for row in found):
        return None
    t, c = map(_of_arm, found)
    return t, c


def _rows(reader: EvidenceReader, metric: Metric, arm: str) -> list[Mapping[str, Any]]:
    return [row for row in reader.rows(MODEL) if (row["metric"], row["variant"]) == (metric.name, arm)]


def _of_arm(row: Mapping[str, Any]) -> Products:
    moments = Moments(*(row[column] for column in ("units", "n", "y", "d", "yy", "dd", "yd")))
    p = len(COVARIATES)
    xx = np.empty((p, p))
    for i, one in enumerate(COVARIATES):
        for j, other in enumerate(COVARIATES[i:], start=i):
            xx[i, j] = xx[j, i] = row[f"x__{one}__{other}"]
    return Products(moments, _covariates(row), xx, _covariates(row, "y"), _covariates(row, "d"))


def _covariates(row: Mapping[str, Any], side: str = "x") -> FloatArray:
    return np.array([row[f"{side}__{name}"] for name in COVARIATES], dtype=np.float64)


def _histogram(bins: list[Mapping[str, Any]]) -> Cells:
    low, high, count = (np.array([row[name] for row in bins], dtype=float) for name in ("low", "high", "n"))
    return histogram(low, high, np.ones(len(bins)), count)
