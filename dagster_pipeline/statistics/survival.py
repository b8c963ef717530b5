"""Time to an event that some requests have not had yet: Kaplan–Meier with Greenwood's error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dagster_pipeline.statistics.evidence import FloatArray


@dataclass(frozen=True)
class SurvivalPoint:
    """Share still without the event at a time, and its standard error (nan once nobody is left at risk)."""

    survival: float
    error: float


def kaplan_meier(times: FloatArray, had_event: FloatArray, counts: FloatArray, at: float) -> SurvivalPoint:
    """Product-limit estimate at time ``at``.

    ``times`` are grouped: ``counts`` requests had the event (``had_event`` 1) or were last seen without
    it (0). An event and a censoring at one time: the event comes first. Sources: Kaplan & Meier 1958;
    Greenwood 1926.
    """
    survival, greenwood = 1.0, 0.0
    for time in np.unique(times[(had_event > 0) & (times <= at)]):
        at_risk = float(counts[times >= time].sum())
        events = float(counts[(times == time) & (had_event > 0)].sum())
        survival *= 1 - events / at_risk
        greenwood += events / (at_risk * (at_risk - events)) if at_risk > events else math.inf
    error = survival * math.sqrt(greenwood) if math.isfinite(greenwood) else math.nan
    return SurvivalPoint(survival, error)
