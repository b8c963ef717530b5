"""Words of the bias calculus that cross rooms."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """What a gap does to the treatment's look, oriented by the metric's better side (GAPS.md §3)."""

    INFLATES = "inflates"
    DEFLATES = "deflates"
    TOWARD_ZERO = "toward_zero"
    EITHER = "either"
    NONE = "none"
