"""Sample ratio mismatch: do the arms hold the shares of randomization units the design gave them?

Units, not quotes or requests: what a treatment may change is a metric, not evidence of broken
randomisation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dagster_pipeline.statistics.lazy_scipy import chi2_sf
from dagster_pipeline.statistics.normal import quantile

MIN_DEVIATION = 0.001  # a significant deviation below a tenth of a point cannot move a decision
MIN_EXPECTED = 5.0  # below this in any arm the χ² approximation says nothing


@dataclass(frozen=True)
class SrmResult:
    """χ² test of the arm counts. ``deviation`` is the largest abs(n_a/N − π_a); ``p`` is None if untestable.

    ``unexpected`` counts units in arms whose design share is zero: one is enough to refute the design.
    """

    units: int
    chi2: float | None
    df: int
    p: float | None
    deviation: float
    unexpected: int
    fired: bool


def srm(counts: Mapping[str, int], split: Mapping[str, float], alpha: float = 0.001) -> SrmResult:
    """Tests counts of units by arm against the design's shares.

    It fires where p < ``alpha`` and the deviation reaches 0.001. Arms of zero weight do not count in the
    degrees of freedom. Raises ValueError for an arm the design does not know.
    """
    if unknown := set(counts) - set(split):
        raise ValueError(f"arms without a design share: {sorted(unknown)}")
    units = sum(counts.values())
    weighted = {arm: share for arm, share in split.items() if share > 0}
    unexpected = sum(count for arm, count in counts.items() if arm not in weighted)
    deviation = (
        max((abs(counts.get(arm, 0) / units - share) for arm, share in split.items()), default=0.0)
        if units
        else 0.0
    )
    chi2, p = _chi2(counts, weighted)
    if unexpected:
        p = 0.0
    fired = p is not None and p < alpha and deviation >= MIN_DEVIATION
    return SrmResult(units, chi2, len(weighted) - 1, p, deviation, unexpected, fired)


def _chi2(counts: Mapping[str, int], weights: Mapping[str, float]) -> tuple[float | None, float | None]:
    total, weight = sum(counts.get(arm, 0) for arm in weights), sum(weights.values())
    expected = {arm: total * share / weight for arm, share in weights.items()}
    if len(weights) < 2 or min(expected.values()) < MIN_EXPECTED:
        return None, None
    chi2 = math.fsum((counts.get(arm, 0) - mean) ** 2 / mean for arm, mean in expected.items())
    return chi2, chi2_sf(chi2, len(weights) - 1)


def srm_sequential(
    rows: Sequence[Sequence[int]], split: Sequence[float], concentration: float = 10_000.0
) -> tuple[float, ...]:
    """Always-valid p-values after each row of new counts (one per day): looking daily costs nothing.

    Dirichlet-multinomial Bayes factor against the design, p = running minimum of 1 / factor. Source:
    Lindon & Malek 2020, arXiv 2011.03567.
    """
    prior = [concentration * share for share in split]
    seen = [0.0] * len(split)
    log_factor, p, result = 0.0, 1.0, []
    for row in rows:
        log_factor += _log_predictive(row, prior, seen) - _log_multinomial(row, split)
        seen = [total + new for total, new in zip(seen, row, strict=True)]
        p = min(p, math.exp(-max(log_factor, -700.0)) if log_factor > 0 else 1.0)
        result.append(p)
    return tuple(result)


def _log_predictive(row: Sequence[int], prior: Sequence[float], seen: Sequence[float]) -> float:
    """Log Dirichlet-multinomial mass of a row after what was seen, without the multinomial coefficient."""
    alpha = [a + n for a, n in zip(prior, seen, strict=True) if a > 0]
    new = [n for a, n in zip(prior, row, strict=True) if a > 0]
    total = math.lgamma(sum(alpha)) - math.lgamma(sum(alpha) + sum(new))
    return total + math.fsum(math.lgamma(a + n) - math.lgamma(a) for a, n in zip(alpha, new, strict=True))


def _log_multinomial(row: Sequence[int], split: Sequence[float]) -> float:
    return math.fsum(n * math.log(share) for n, share in zip(row, split, strict=True) if share > 0)


@dataclass(frozen=True)
class BlindSpot:
    """What a ratio test of this size would miss: a deviation of the share, and a loss of one arm's units."""

    share_deviation: float
    one_arm_loss: float


def min_detectable_loss(n: int, alpha: float = 0.001, power: float = 0.9, share: float = 0.5) -> BlindSpot:
    """The smallest deviation, and loss of units by one arm, that the test finds with the given power.

    Normal approximation; ``share`` is the design's for the arm that loses.
    """
    z = quantile(1 - alpha / 2) + quantile(power)
    deviation = z * math.sqrt(share * (1 - share) / n)
    left = share - deviation
    return BlindSpot(deviation, 1.0 if left <= 0 else 1 - left * (1 - share) / (share * (1 - left)))
