"""Outcomes that had no time to happen yet: the bias of counting them as "did not happen"."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Curve = Callable[[float], float]  # the share of requests that had the event within a time


def naive_share(curve: Curve, ages: Sequence[float], horizon: float) -> float:
    """What a share within the horizon looks like when requests of these ages count as they stand."""
    return math.fsum(curve(min(horizon, age)) for age in ages) / len(ages)


def censoring_bias(
    treatment: Curve, control: Curve, ages_t: Sequence[float], ages_c: Sequence[float], horizon: float
) -> float:
    """Bias of Δ: −mean[F_T(h) − F_T(min(h, age))] + the same of C.

    Toward zero only where the two curves are proportional and the arms equally old; a younger arm is
    deflated.
    """
    return (naive_share(treatment, ages_t, horizon) - treatment(horizon)) - (
        naive_share(control, ages_c, horizon) - control(horizon)
    )


def only_shrinks(ages_alike: bool, curves_proportional: bool) -> bool:
    """Whether censoring can do nothing but move the effect toward zero."""
    return ages_alike and curves_proportional
