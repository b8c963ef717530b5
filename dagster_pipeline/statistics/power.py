"""What effect a sample can tell, and what sample an effect needs.

The test is the one the gate makes: the limit of a two-sided interval must clear a threshold, which is a one-sided test at
α = (1 − confidence)/2. An effect that lies (z_{1−α} + z_power)·SE beyond the threshold clears it with the stated power.
Source: Chow, Shao & Wang 2008, Sample Size Calculations in Clinical Research, 2nd ed., ch. 3 (means) and 4 (shares,
unpooled variances); for log ratios the same with the delta method's variances.

Effects are on the scale on which the interval is symmetric: the difference of two shares or means, or the logarithm of the
ratio of two means or quantiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dagster_pipeline.statistics.normal import cdf, two_sided_z
from dagster_pipeline.statistics.normal import quantile as normal_quantile

POWER = 0.80
"""The customary power: of five true effects of the size asked for, four pass."""


@dataclass(frozen=True)
class Arms:
    """Units in the two arms that are compared."""

    treatment: int
    control: int

    @property
    def can_compare(self) -> bool:
        """Whether both arms have units at all."""
        return self.treatment > 0 and self.control > 0

    @property
    def variance_factor(self) -> float:
        """1/n_T + 1/n_C. Raises ValueError where an arm is empty."""
        if not self.can_compare:
            raise ValueError(f"both arms need units, got {self.treatment} and {self.control}")
        return 1 / self.treatment + 1 / self.control


@dataclass(frozen=True)
class Spread:
    """Variance of one unit in each arm, on the effect's scale; SE² = treatment/n_T + control/n_C."""

    treatment: float
    control: float


def share_spread(treatment: float, control: float) -> Spread:
    """For the difference of two shares: p(1 − p) in each arm."""
    return Spread(treatment * (1 - treatment), control * (1 - control))


def log_mean_spread(treatment: float, var_treatment: float, control: float, var_control: float) -> Spread:
    """For the log ratio of two positive means: variance ÷ mean², by the delta method."""
    return Spread(var_treatment / treatment**2, var_control / control**2)


def log_quantile_spread(
    q: float, treatment: float, density_treatment: float, control: float, density_control: float
) -> Spread:
    """For the log ratio of two positive q-quantiles x with density f(x): q(1 − q) ÷ (f·x)².

    Source: the order statistic's asymptotic variance, Serfling 1980, Approximation Theorems, 2.3.3.
    """
    ends = (density_treatment * treatment, density_control * control)
    return Spread(*(q * (1 - q) / end**2 for end in ends))


def pooled_spread(standard_error: float, arms: Arms) -> Spread:
    """The common variance of one unit that a present standard error implies, taken alike in both arms.

    From it follows SE ∝ √(1/n_T + 1/n_C).
    """
    variance = standard_error**2 / arms.variance_factor
    return Spread(variance, variance)


def standard_error(spread: Spread, arms: Arms) -> float:
    """SE of the effect with these units. Raises ValueError where an arm is empty."""
    if not arms.can_compare:
        raise ValueError(f"both arms need units, got {arms.treatment} and {arms.control}")
    return math.sqrt(spread.treatment / arms.treatment + spread.control / arms.control)


def minimum_detectable(standard_error: float, confidence: float, power: float = POWER) -> float:
    """(z_{1−α} + z_power)·SE: how far from the threshold an effect must lie to clear it with this power."""
    return (two_sided_z(confidence) + normal_quantile(power)) * standard_error


def power_at(distance: float, standard_error: float, confidence: float) -> float:
    """Chance that the interval's limit clears the threshold where the truth lies ``distance`` beyond it."""
    return cdf(distance / standard_error - two_sided_z(confidence))


def needed_sample(
    spread: Spread,
    distance: float,
    confidence: float,
    power: float = POWER,
    control_per_treatment: float = 1.0,
) -> Arms:
    """The least units in each arm with which an effect ``distance`` beyond the threshold clears it with this power.

    ``control_per_treatment`` is how many units the control gets for each of the treatment's. Raises ValueError unless
    it and ``distance`` are positive: no sample tells an effect from itself.
    """
    if distance <= 0 or control_per_treatment <= 0:
        raise ValueError(f"distance and allocation must be positive, got {distance}, {control_per_treatment}")
    factor = minimum_detectable(1.0, confidence, power) / distance
    treatment = factor**2 * (spread.treatment + spread.control / control_per_treatment)
    return Arms(_units(treatment), _units(treatment * control_per_treatment))


def _units(exact: float) -> int:
    """Rounded up, but not for what rounding in the last digits adds."""
    return max(1, math.ceil(exact * (1 - 1e-12)))
