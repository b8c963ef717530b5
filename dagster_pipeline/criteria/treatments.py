"""Which of several treatments pass on their own, with the multiplicity of choosing among them held (Holm).

A launch of all treatments needs no correction: each must pass, and a test of "all" errs no more than one of them. Picking
those that happen to pass does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dagster_pipeline.criteria.multiplicity import holm


def passing_treatments(
    treatments: Iterable[str], passes: Callable[[str, float], bool], confidence: float
) -> tuple[str, ...]:
    """The treatments that pass, sorted.

    ``passes(treatment, confidence)`` evaluates the whole brief on one treatment, base and joint, with intervals at the
    given two-sided confidence. A rule that sets no limit on an interval is not touched by the correction.
    """
    return holm(treatments, passes, confidence)
