"""Units that were assigned but whose rows are gone: how many an arm lost, and what that can hide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dagster_pipeline.statistics.bounds.label import DESIGN_BAND_Z
from dagster_pipeline.statistics.bounds.outcome import ObservedShare, lee_share, lee_trim, share_bounds
from dagster_pipeline.statistics.bounds.pair import Bounds


def lost_units(n_short: int, n_other: int, share_short: float, z: float = DESIGN_BAND_Z) -> int:
    """Units the shorter arm lost, if it alone lost any: n_other·π/(1−π) − n_short + z·√N, at least 0.

    z·√N is the room that chance leaves (GAPS.md §2); 0 gives the plain difference.
    """
    expected = n_other * share_short / (1 - share_short)
    room = z * math.sqrt(n_short + n_other)
    return max(0, math.ceil(expected - n_short + room - 1e-9))


@dataclass(frozen=True)
class LossBounds:
    """What a loss of ``lost`` treatment units can do to a share: sharp bounds, and Lee's for display."""

    lost: int
    region: Bounds
    lee_trim: float
    lee: Bounds


def loss_from_treatment(
    treatment: ObservedShare, control: ObservedShare, share: float, z: float = 0.0
) -> LossBounds:
    """Bounds of Δ when the treatment (design share ``share``) alone lost units, their outcomes unknown."""
    lost = lost_units(treatment.n, control.n, share, z)
    full = ObservedShare(treatment.n + lost, treatment.observed, treatment.successes)
    rates = full.observed / full.n, control.observed / control.n
    return LossBounds(lost, share_bounds(full, control), lee_trim(*rates), lee_share(full, control))
