"""The sufficient statistics that cross from the warehouse into Python, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class MetricKind(StrEnum):
    """How a metric's level follows from its per-request values."""

    SHARE = "share"  # y in {0, 1}, d = 1
    MEAN = "mean"  # sum y / sum d, d = 1 per request
    RATIO = "ratio"  # sum y / sum d, d varies by request
    QUANTILE = "quantile"  # the q-quantile of y, a request without an event counts as +inf


class EffectKind(StrEnum):
    """Absolute: T − C. Relative: T / C − 1."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


class Better(StrEnum):
    """Which way the metric improves."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True)
class Metric:
    """What the statistics need to know of a metric.

    ``scale`` multiplies the level (100 for "per 100 requests"); ``quantile`` is set for quantiles;
    ``support`` is the range of one request's value, None for an end without a limit.
    """

    name: str
    kind: MetricKind
    better: Better
    effect: EffectKind
    scale: float = 1.0
    quantile: float | None = None
    support: tuple[float | None, float | None] = (0.0, None)


@dataclass(frozen=True)
class Moments:
    """Sums over the randomization units of one arm, for one metric (unscaled).

    ``y`` is the numerator's and ``d`` the denominator's total over the arm's requests; ``yy``, ``dd``
    and ``yd`` are sums over units of the squares and products of the unit totals, so that a unit that
    is the request gives the ordinary variance and any other unit the clustered one.
    """

    units: int
    n: int
    y: float
    d: float
    yy: float
    dd: float
    yd: float


@dataclass(frozen=True)
class Cells:
    """Requests grouped by what is known of their value: arrays of one length.

    A cell's ``count`` requests have a value somewhere in [``low``, ``high``]: equal for an observed value,
    apart for a histogram bin (edges outward) or an outcome not yet seen; ``high`` may be inf.
    ``d`` is the denominator of one request (1 but for ratios).
    """

    low: FloatArray
    high: FloatArray
    d: FloatArray
    count: IntArray

    @property
    def total(self) -> int:
        """Requests in all cells."""
        return int(self.count.sum())


@dataclass(frozen=True)
class Level:
    """A metric in one arm, in the metric's unit; ``reason`` says why ``value`` is None."""

    n: int
    value: float | None
    reason: str | None = None
    ci_lower: float | None = None
    ci_upper: float | None = None


@dataclass(frozen=True)
class Estimate:
    """An effect and its two-sided interval, raw (T − C or T/C − 1)."""

    value: float | None
    ci_lower: float | None = None
    ci_upper: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Region:
    """Identification region of an effect, raw; with the limits that add sampling error (GAPS.md §4).

    ``gate_lower`` = lower − z·σ_lower and ``gate_upper`` = upper + z·σ_upper. None means unidentified or
    unbounded, and ``reason`` says which.
    """

    lower: float | None
    upper: float | None
    gate_lower: float | None = None
    gate_upper: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ArmEvidence:
    """All that is known of one metric in one arm (or among the unlabelled)."""

    moments: Moments
    cells: Cells
    missing: int = 0  # requests whose outcome is wholly unknown (Horowitz–Manski)


@dataclass(frozen=True)
class MetricEvidence:
    """One metric, one experiment: every arm and the unlabelled requests.

    ``split`` is the design share of every declared arm. ``arms`` holds declared arms only.
    """

    metric: Metric
    control: str
    split: Mapping[str, float]
    arms: Mapping[str, ArmEvidence]
    unlabelled: ArmEvidence | None = None
    clustered: bool = False
    notes: tuple[str, ...] = field(default=())
