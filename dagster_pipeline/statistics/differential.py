"""Does a defect hit the arms alike? One whose rate differs between them is likely to move the effect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dagster_pipeline.statistics.lazy_scipy import chi2_sf

ALPHA = 0.001


@dataclass(frozen=True)
class DifferentialResult:
    """χ² test of equal defect rates; ``p`` is None where there is nothing to compare."""

    chi2: float | None
    p: float | None

    @property
    def differential(self) -> bool:
        """Whether the rates differ (p < 0.001)."""
        return self.p is not None and self.p < ALPHA


def differential(defects: Mapping[str, tuple[int, int]]) -> DifferentialResult:
    """Tests equal defect rates over arms: arm → (defective rows, all rows). No continuity correction.

    Raises ValueError where a count exceeds its total.
    """
    arms = {arm: pair for arm, pair in defects.items() if pair[1] > 0}
    if any(not 0 <= bad <= total for bad, total in arms.values()):
        raise ValueError(f"defective rows must lie between 0 and the arm's rows, got {dict(defects)}")
    bad, rows = sum(pair[0] for pair in arms.values()), sum(pair[1] for pair in arms.values())
    if len(arms) < 2 or bad in (0, rows):
        return DifferentialResult(None, None)
    rate = bad / rows
    chi2 = math.fsum((b - n * rate) ** 2 / (n * rate * (1 - rate)) for b, n in arms.values())
    return DifferentialResult(chi2, chi2_sf(chi2, len(arms) - 1))
