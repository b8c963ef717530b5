"""The brief's rules at every daily look: proven broken, proven kept, or neither yet.

Pure. An ordinary interval looked at daily is wrong far more often than it says; these are always valid
(statistics/always_valid.py), so that a guardrail may be acted on at the first look that proves it broken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.types import Experiment
from dagster_pipeline.criteria.rules import Condition, Side
from dagster_pipeline.gaps.daily import DailySums
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.evidence import statistic_of
from dagster_pipeline.gate.stages import CROSSED, MISSING, OPEN, SAFE, UNMONITORED
from dagster_pipeline.statistics.always_valid import accumulated, effect_interval
from dagster_pipeline.statistics.evidence import Estimate, Moments
from dagster_pipeline.statistics.intervals import Interval

DAYS_WITHOUT_WINDOW = 28
"""What an experiment without a window is tuned to."""

_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Look:
    """What was known after one day: units of both arms, the effect (raw), its always-valid interval once there are enough."""

    day: date
    units: int
    estimate: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Monitored:
    """One rule on one treatment, looked at after every day.

    ``state`` is one of gate.stages.STATES: crossed where at any look the interval lay wholly beyond a threshold, safe
    where at one it lay wholly within all of them. ``planned`` is the sample size the interval is tuned to.
    """

    metric: str
    variant: str
    kind: str
    effect: str
    state: str
    looks: tuple[Look, ...] = ()
    crossed_on: date | None = None
    safe_on: date | None = None
    planned: float | None = None
    reason: str | None = None


def monitored(
    demands: Iterable[Demand], sums: DailySums, confidence: float, experiment: Experiment
) -> tuple[Monitored, ...]:
    """Every rule × treatment at every daily look, in the order of the demands; quantiles and shares of pros are not looked at."""
    return tuple(_monitored(demand, sums, confidence, experiment) for demand in demands)


def _monitored(demand: Demand, sums: DailySums, confidence: float, experiment: Experiment) -> Monitored:
    about = (demand.rule.metric, demand.treatment, demand.rule.kind.value, demand.effect)
    why = not_summed(demand.definition)
    if why:
        return Monitored(*about, state=UNMONITORED, reason=why)
    looks, planned = _looks(demand, sums, confidence, experiment)
    settled = [(look.day, look.interval) for look in looks if look.interval is not None]
    if not settled:
        return Monitored(*about, state=MISSING, looks=looks, planned=planned, reason=_nothing_seen(looks))
    crossed = next((day for day, found in settled if _is_beyond(demand.rule.conditions, found)), None)
    safe = next((day for day, found in settled if _is_within(demand.rule.conditions, found)), None)
    state = CROSSED if crossed else SAFE if safe else OPEN
    return Monitored(*about, state, looks, crossed, safe, planned)


def not_summed(definition: MetricDefinition | None) -> str | None:
    """Why a metric has no daily sums, None where it has."""
    if definition is None:
        return "there is no such metric"
    if definition.kind == "quantile":
        return "quantiles are not summed by day"
    return "shares of pros are not summed by day" if definition.unit == "pro" else None


def _nothing_seen(looks: Sequence[Look]) -> str:
    return "too few units for a first look" if looks else "no daily sums were built for both arms"


def planned_units(first_day: int, experiment: Experiment) -> float:
    """The sample size to tune to: as many units every day of the window as came in on the first.

    It is fixed at the first look and by counts alone, so that no outcome chooses the interval it is judged by.
    """
    window = experiment.window
    days = math.ceil((window.end - window.start) / _A_DAY) if window else DAYS_WITHOUT_WINDOW
    return float(first_day * max(days, 1))


def _looks(
    demand: Demand, sums: DailySums, confidence: float, experiment: Experiment
) -> tuple[tuple[Look, ...], float | None]:
    names = (demand.treatment, experiment.control)
    found = [{one.day: one.moments for one in sums.of(demand.rule.metric, arm)} for arm in names]
    days = sorted({day for of in found for day in of})
    nothing = Moments(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    treatment, control = (accumulated([of.get(day, nothing) for day in days]) for of in found)
    seen = [(d, (t, c)) for d, t, c in zip(days, treatment, control, strict=True) if t.units and c.units]
    if not seen:
        return (), None
    planned = planned_units(sum(arm.units for arm in seen[0][1]), experiment)
    metric = statistic_of(demand.definition, demand.effect)
    factors = tuple(sums.factor(demand.rule.metric, arm) for arm in names)
    return tuple(
        _look(day, arms, effect_interval(arms, metric, confidence, planned, (factors[0], factors[1])))
        for day, arms in seen
    ), planned


def _look(day: date, arms: tuple[Moments, Moments], found: Estimate) -> Look:
    ends = (found.ci_lower, found.ci_upper)
    interval = None if ends[0] is None or ends[1] is None else Interval(ends[0], ends[1])
    return Look(day, arms[0].units + arms[1].units, found.value, interval)


def _is_beyond(conditions: Iterable[Condition], found: Interval) -> bool:
    """Whether even the interval's better end breaks a condition."""
    return any(not c.holds(found.lower if c.side is Side.UPPER else found.upper) for c in conditions)


def _is_within(conditions: Iterable[Condition], found: Interval) -> bool:
    """Whether even the interval's worse end keeps every condition."""
    return all(c.holds(found.upper if c.side is Side.UPPER else found.lower) for c in conditions)


def monitored_document(one: Monitored) -> dict[str, Any]:
    """A rule and its looks as plain values."""
    return {
        "metric": one.metric,
        "variant": one.variant,
        "kind": one.kind,
        "effect": one.effect,
        "state": one.state,
        "crossed_on": _iso(one.crossed_on),
        "safe_on": _iso(one.safe_on),
        "planned_units": one.planned,
        "reason": one.reason,
        "looks": [_look_document(look) for look in one.looks],
    }


def _look_document(look: Look) -> dict[str, Any]:
    return {
        "day": _iso(look.day),
        "units": look.units,
        "estimate": look.estimate,
        "lower": look.interval and look.interval.lower,
        "upper": look.interval and look.interval.upper,
    }


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
