"""Did the arms differ before the experiment began? A randomization test of a covariate's means, from sums."""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_UNITS = 30  # per arm; a handful of units differ for no reason


@dataclass(frozen=True)
class Covariate:
    """One arm's sums of a covariate x over its n randomization units: Σx, Σx², Σx³."""

    n: int
    x: float
    xx: float
    xxx: float

    @property
    def mean(self) -> float:
        """Σx / n."""
        return self.x / self.n


@dataclass(frozen=True)
class Imbalance:
    """The arms' means and the two-sided ``p`` of their difference; ``z`` as observed, without the skew's correction."""

    treatment: float
    control: float
    z: float
    p: float


def imbalance(treatment: Covariate, control: Covariate) -> Imbalance | None:
    """Tests that a covariate from before the experiment has one mean in both arms; None where it can't be told.

    Which arm a unit drew can't have moved what it did before. Under that null the covariates are fixed and the arms are
    drawn at random: the difference of means has variance S²·N/(n_T·n_C) with S² of all units together (Neyman 1923;
    Imbens & Rubin 2015, ch. 6). Welch's test takes each arm's own variance, and alarms in 4 of 100 clean tables where
    a rare outcome happens to be absent from a small arm. The difference is as skew as the covariate where the arms are
    of unequal size; the first Cornish–Fisher term moves the limit outward for that, never inward.
    None with fewer than 30 units in an arm, or where all units are alike.
    """
    if min(treatment.n, control.n) < MIN_UNITS:
        return None
    n = treatment.n + control.n
    mean = (treatment.x + control.x) / n
    square = (treatment.xx + control.xx) / n - mean**2
    if square <= 1e-12 * max(1.0, mean**2):
        return None
    cube = (treatment.xxx + control.xxx) / n - 3 * mean * square - mean**3
    spread = math.sqrt(square * n / (n - 1) * n / (treatment.n * control.n))
    z = (treatment.mean - control.mean) / spread
    asymmetry = abs(treatment.n - control.n) / math.sqrt(n * treatment.n * control.n)
    skew = asymmetry * abs(cube) / square**1.5
    return Imbalance(treatment.mean, control.mean, z, math.erfc(_unskewed(abs(z), skew) / math.sqrt(2)))


def _unskewed(z: float, skew: float) -> float:
    """The normal limit whose Cornish–Fisher limit w + skew·(w² − 1)/6 is z; z itself where that is less."""
    if skew <= 0 or z <= 1:
        return z
    a = skew / 6
    return (math.sqrt(1 + 4 * a * (z + a)) - 1) / (2 * a)
