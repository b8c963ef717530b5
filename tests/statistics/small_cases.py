"""Small random cases, the same in every run, and what it means for a bound to be the range of what is possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from random import Random

CASES = 300


def cases(what: str, count: int = CASES) -> Iterator[Random]:
    """A random stream per case, seeded by what is tested and the case's number."""
    for number in range(count):
        yield Random(f"{what} {number}")  # noqa: S311 - the same cases in every run


def near(found: float, expected: float, within: float = 1e-9) -> bool:
    """Equal up to rounding, infinities included."""
    return found == expected or math.isclose(found, expected, rel_tol=within, abs_tol=within)


def is_range_of(found, possible: Iterable[float]) -> bool:
    """Whether the bounds are the least and the greatest of what is possible: never short of it, never beyond."""
    reached = list(possible)
    return near(found.lower, min(reached)) and near(found.upper, max(reached))
