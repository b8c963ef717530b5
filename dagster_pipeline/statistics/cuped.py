"""CUPED: a covariate from before the experiment takes out variance, and pre-exposure imbalance with it."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.statistics.evidence import Moments


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
