"""What a launch changed where it reached, less what changed where it did not: an effect without anybody's arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.evidence import EffectKind, FloatArray, IntArray, Metric
from dagster_pipeline.statistics.lazy_scipy import scipy_stats

CELLS = ((False, False), (False, True), (True, False), (True, True))
"""The four cells (touched, after), in the order of a `Clusters` column."""
_SIGNS = np.array([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Clusters:
    """Sums of clusters that are taken as independent: arrays of one row per cluster and one column per cell of `CELLS`.

    ``stratum`` numbers the groups clusters were drawn from (days: before or after; places: touched or not): each
    stratum's own number of clusters says how surely its spread is known.
    """

    y: FloatArray
    d: FloatArray
    stratum: IntArray


@dataclass(frozen=True)
class DifferenceInDifferences:
    """An effect (raw) with its interval; ``treatment`` and ``control`` the unscaled levels of the touched, with and without.

    ``control`` is the level had they changed as the others did, ``treatment`` that of those who were treated.
    """

    value: float
    lower: float
    upper: float
    treatment: float
    control: float


def difference_in_differences(
    clusterings: Sequence[Clusters], metric: Metric, exposed: float, confidence: float
) -> DifferenceInDifferences | None:
    """The effect on the treated, of whom there is a share ``exposed`` among the touched in the window.

    With m the levels Σy/Σd of the four cells, the touched would have come to c = m(touched, before) + m(others, after)
    − m(others, before); the treated came to c + (m(touched, after) − c)/exposed. The interval is the widest of the
    clusterings that have two clusters or more in each stratum: linearised sums by cluster, Bessel's factor and Student's
    t by stratum, the fewest clusters deciding its degrees of freedom. None where a cell is empty, the counterfactual
    level of a relative effect is not above 0, or no clustering has enough clusters.
    Sources: Angrist & Pischke 2009, ch. 5.2; Cameron & Miller 2015, J Hum Resour 50:317-372.
    """
    usable = [
        c for c in clusterings if len(c.stratum) and np.bincount(c.stratum)[np.unique(c.stratum)].min() >= 2
    ]
    if not usable or (usable[0].d.sum(axis=0) <= 0).any():
        return None
    levels = usable[0].y.sum(axis=0) / usable[0].d.sum(axis=0)
    counterfactual = float(levels[2] + levels[1] - levels[0])
    relative = metric.effect is EffectKind.RELATIVE
    if relative and counterfactual <= 0:
        return None
    change = (float(levels[3]) - counterfactual) / exposed
    unit = 1 / counterfactual if relative else metric.scale
    slopes = _slopes(levels, counterfactual, relative) * (1 if relative else metric.scale) / exposed
    half = max(_half_width(clusters, levels, slopes, confidence) for clusters in usable)
    value = change * unit
    return DifferenceInDifferences(value, value - half, value + half, counterfactual + change, counterfactual)


def clustered_variance(clusters: Clusters, levels: FloatArray, slopes: FloatArray) -> float:
    """Variance of Σ slope·level over the cells: squares of the clusters' linearised sums, strata apart.

    A clustering's strata are (nearly) independent of one another, so their variances add, each with G/(G−1) of its own.
    """
    influence = ((clusters.y - levels * clusters.d) / clusters.d.sum(axis=0)) @ slopes
    parts = [influence[clusters.stratum == s] for s in np.unique(clusters.stratum)]
    return math.fsum(float((p**2).sum()) * len(p) / (len(p) - 1) for p in parts)


def _slopes(levels: FloatArray, counterfactual: float, relative: bool) -> FloatArray:
    """∂/∂m of m11 − c, or of m11/c − 1, in the order of `CELLS`."""
    if not relative:
        return np.append(_SIGNS, 1.0)
    return np.append(_SIGNS * levels[3] / counterfactual**2, 1 / counterfactual)


def _half_width(clusters: Clusters, levels: FloatArray, slopes: FloatArray, confidence: float) -> float:
    fewest = int(np.bincount(clusters.stratum)[np.unique(clusters.stratum)].min())
    t = float(scipy_stats().t.ppf((1 + confidence) / 2, fewest - 1))
    return t * math.sqrt(clustered_variance(clusters, levels, slopes))
