"""Which segments pass on their own, with the multiplicity of looking at many held (Holm)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dagster_pipeline.criteria.multiplicity import holm


def passing_segments(
    segments: Iterable[str], passes: Callable[[str, float], bool], confidence: float
) -> tuple[str, ...]:
    """The segments that pass, sorted.

    ``passes(segment, confidence)`` evaluates the whole brief in one segment, base and joint, with
    intervals at the given two-sided confidence. A rule that sets no limit on an interval is not touched
    by the correction.
    """
    return holm(segments, passes, confidence)
