"""CUPED: covariates from before the experiment take out variance, and pre-exposure imbalance with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.evidence import Cells, FloatArray, Moments
from dagster_pipeline.statistics.intervals import RatioOfSums
from dagster_pipeline.statistics.levels import point_level
from dagster_pipeline.statistics.stratification import whole_counts

_LEAST_SPREAD = 1e-9  # of the largest direction's: a covariate that follows from the others adjusts nothing


@dataclass(frozen=True)
class Cuped:
    """``theta`` is the slope of the outcome on the covariate; ``variance_ratio`` what is left, 1 − ρ²."""

    theta: float
    variance_ratio: float

    def adjusted(self, mean: float, covariate_mean: float, overall_covariate_mean: float) -> float:
        """An arm's mean with its covariate moved to the overall one."""
        return mean - self.theta * (covariate_mean - overall_covariate_mean)


def cuped(moments: Moments) -> Cuped:
    """Slope and variance left, from the outcome's (``y``) and the covariate's (``d``) sums over units.

    Source: Deng et al. 2013, WSDM. A covariate without spread adjusts nothing.
    """
    u = moments.units
    cov = moments.yd - moments.y * moments.d / u
    var_x = moments.dd - moments.d**2 / u
    var_y = moments.yy - moments.y**2 / u
    if var_x <= 0 or var_y <= 0:
        return Cuped(0.0, 1.0)
    return Cuped(cov / var_x, max(0.0, 1 - cov * cov / (var_x * var_y)))


@dataclass(frozen=True)
class Products:
    """One arm's unit totals against p covariates of its units: sums over the units.

    ``x`` (p,) holds Σx, ``xx`` (p, p) Σx·xᵀ, ``yx`` and ``dx`` (p,) Σy·x and Σd·x. The covariates should be centred
    near their mean: squares of far-off values lose digits. A unit without a covariate counts with its mean.
    """

    moments: Moments
    x: FloatArray
    xx: FloatArray
    yx: FloatArray
    dx: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Σx / units."""
        return self.x / self.moments.units

    @property
    def spread(self) -> FloatArray:
        """Σ(x − x̄)(x − x̄)ᵀ, (p, p)."""
        return np.asarray(self.xx - np.outer(self.x, self.x) / self.moments.units, dtype=np.float64)


@dataclass(frozen=True)
class AdjustedArms:
    """Two arms' unscaled levels with their covariates moved to the mean of both.

    ``theta`` (p,) is the slope; ``variance_ratio`` the share of the difference's variance that the covariates leave.
    """

    treatment: RatioOfSums
    control: RatioOfSums
    theta: FloatArray
    variance_ratio: float


def common_mean(treatment: Products, control: Products) -> FloatArray:
    """The covariates' mean over the units of both arms, (p,)."""
    units = treatment.moments.units + control.moments.units
    return np.asarray((treatment.x + control.x) / units, dtype=np.float64)


def adjusted_arms(treatment: Products, control: Products) -> AdjustedArms | None:
    """Levels R_a − θᵀ(x̄_a − x̄) with one slope θ, pooled within the arms: analysis of covariance, from sums.

    A level R = Σy/Σd that is a ratio over units goes in by its linearisation (y − R·d)/d̄, whose mean over units is R; a
    mean over units is its own. The variances are of the residuals around the arm's level with θ held fixed. None where
    an arm has fewer than two units or no denominator. Source: Deng et al. 2013, WSDM, and 2018, KDD (ratios).
    """
    arms = (treatment, control)
    if any(arm.moments.units < 2 or arm.moments.d <= 0 for arm in arms):
        return None
    theta = _solved(treatment.spread + control.spread, _slopes(treatment) + _slopes(control))
    centre = common_mean(treatment, control)
    levels = [_adjusted(arm, theta, centre) for arm in arms]
    plain = [_adjusted(arm, np.zeros_like(theta), centre) for arm in arms]
    left, whole = (sum(found.variance or 0.0 for found in side) for side in (levels, plain))
    return AdjustedArms(levels[0], levels[1], theta, left / whole if whole > 0 else 1.0)


def calibrated(cells: Cells, x: FloatArray, arm: Products, centre: FloatArray) -> Cells:
    """An arm's histogram with its units weighted so that the weighted mean of their covariates is ``centre``.

    ``x`` (bins, p) is Σx over the requests of each bin. A unit weighs 1 + (centre − x̄)ᵀ S⁻¹ (x − x̄), S the arm's
    covariance: the weights' mean is 1, and every share of the weighted histogram is a regression estimate. A bin whose
    weight comes out negative holds nobody. Source: Deville & Särndal 1992, JASA 87:376-382.
    """
    pull = _solved(arm.spread / arm.moments.units, centre - arm.mean)
    weights = np.maximum(0.0, cells.count * (1 - arm.mean @ pull) + x @ pull)
    return Cells(cells.low, cells.high, cells.d, whole_counts(cells.low, weights))


def _slopes(arm: Products) -> FloatArray:
    """Σ(x − x̄)·z of the linearised outcome z = (y − R·d)/d̄, (p,); the mean of z is 0."""
    level = arm.moments.y / arm.moments.d
    return np.asarray((arm.yx - level * arm.dx) * arm.moments.units / arm.moments.d, dtype=np.float64)


def _adjusted(arm: Products, theta: FloatArray, centre: FloatArray) -> RatioOfSums:
    m, level = arm.moments, point_level(arm.moments) or 0.0
    squares = (m.yy - 2 * level * m.yd + level**2 * m.dd) * (m.units / m.d) ** 2
    left = max(0.0, squares - 2 * float(theta @ _slopes(arm)) + float(theta @ arm.spread @ theta))
    return RatioOfSums(level - float(theta @ (arm.mean - centre)), left / (m.units * (m.units - 1)))


def _solved(spread: FloatArray, right: FloatArray) -> FloatArray:
    """The least solution of spread·θ = right; covariates without spread, or that follow from others, take no part."""
    scale = np.sqrt(np.maximum(np.diag(spread), 0.0))
    held = np.where(scale > 0, scale, 1.0)
    inverse = np.linalg.pinv(spread / np.outer(held, held), rcond=_LEAST_SPREAD, hermitian=True)
    return np.asarray(np.where(scale > 0, inverse @ (right / held) / held, 0.0), dtype=np.float64)
