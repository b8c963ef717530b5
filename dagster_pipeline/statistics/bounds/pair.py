"""The two ends of what the data allow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Identification bounds of a quantity: every value in [lower, upper], ends included, fits the data."""

    lower: float
    upper: float

    @property
    def width(self) -> float:
        """upper − lower; 0 where the quantity is point-identified."""
        return self.upper - self.lower
