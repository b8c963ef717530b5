"""A share whose units are open one by one: some may be either, some may be in the arm or not, some are not known at all."""

from __future__ import annotations

from dagster_pipeline.statistics.evidence import Moments


def share_ends(low: Moments, high: Moments, unknown: int) -> tuple[Moments, Moments]:
    """An arm at its least and at its greatest share, with ``unknown`` more units changed in any way.

    ``low`` and ``high`` hold the arm's units at the least and the most each can be, and units that may be in the arm
    only at the end they push: (s + a)/(n + a) grows and s/(n + b) falls with every one. A unit changed in any way does
    most by turning: (s + 1)/n ≥ (s + 1)/(n + 1), and ≥ s/(n − 1) as long as one has not succeeded; so ``unknown`` of
    them give min(n, s + unknown)/n and max(0, s − unknown)/n, and an arm without any unit [0, 1]. Where an arm may be
    empty at one end it is taken at the other.
    """
    low, high = (low if low.n else high), (high if high.n else low)
    if unknown == 0:
        return low, high
    if high.n == 0:
        return _of(unknown, 0), _of(unknown, unknown)
    return _of(low.n, max(0, round(low.y) - unknown)), _of(high.n, min(high.n, round(high.y) + unknown))


def _of(n: int, successes: int) -> Moments:
    n_units, y = float(n), float(successes)
    return Moments(units=n, n=n, y=y, d=n_units, yy=y, dd=n_units, yd=y)
