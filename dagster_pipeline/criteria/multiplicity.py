"""Which of several candidates pass on their own, with the multiplicity of looking at many held.

Holm's procedure (1979, Scand J Stat 6:65-70): with r candidates left, each is tested one-sided at α/r;
those that pass leave, and the rest get their share of α again, until none passes. The chance that any
candidate passes without merit stays at most α, whatever the candidates have to do with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

METHOD = "Holm"


def one_sided_alpha(confidence: float) -> float:
    """The one-sided error of a two-sided interval: 5% at a confidence of 0.90."""
    return (1 - confidence) / 2


def confidence_at(level: float) -> float:
    """The two-sided confidence whose interval ends at a one-sided ``level``."""
    return 1 - 2 * level


def holm(
    candidates: Iterable[str], passes: Callable[[str, float], bool], confidence: float
) -> tuple[str, ...]:
    """The candidates that pass, sorted.

    ``passes(candidate, confidence)`` makes every test of one candidate with intervals at the given two-sided
    confidence. A test that looks at no interval is not touched by the correction.
    """
    left, passed = sorted(set(candidates)), set[str]()
    alpha = one_sided_alpha(confidence)
    while left:
        stricter = confidence_at(alpha / len(left))
        now = {candidate for candidate in left if passes(candidate, stricter)}
        if not now:
            break
        passed |= now
        left = [candidate for candidate in left if candidate not in now]
    return tuple(sorted(passed))
