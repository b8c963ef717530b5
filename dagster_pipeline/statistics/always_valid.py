"""Intervals that stay valid however often one looks: asymptotic confidence sequences.

Whoever looks at an ordinary 90% interval every day and acts on the first that excludes zero is wrong far more often than
one time in ten. A confidence sequence covers the truth at all looks together: with n units seen and the usual standard
error se,

    estimate ± se · √( (v + 1)/v · ln((v + 1)/α²) ),   v = ρ²·n,   α = 1 − confidence.

It is where Robbins' normal mixture martingale, exp(v·z²/(2(v + 1)))/√(v + 1) at z standard errors, reaches 1/α: by
Ville's inequality its chance of ever doing so is at most α. ρ² is chosen so that the interval is narrowest at a sample
size stated beforehand; it is valid at every other.

Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", Annals of Statistics 52(6), 2024 (arXiv 2103.06476), the normal mixture boundary; Robbins 1970, Ann Math Stat
41:1397-1409, for the mixture. Asymptotic: few units promise nothing, which is why `is_settled` asks for some first.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from dagster_pipeline.statistics.effects import effect
from dagster_pipeline.statistics.evidence import EffectKind, Estimate, FloatArray, Metric, MetricKind, Moments
from dagster_pipeline.statistics.intervals import Interval, RatioOfSums, ratio_of_sums

MIN_UNITS = 100
"""Units an arm needs before its first look."""
MIN_EVENTS = 10.0
"""What an arm's sums must rest on: (Σy)²/Σy², which for a share is its successes; of a share its failures too."""

TOO_FEW = "too few units for a first look"
NO_LEVEL = "a level is not above zero"

_Numbers = TypeVar("_Numbers", float, FloatArray)


def tuned_variance(confidence: float) -> float:
    """v = ρ²·n at the sample size where the interval is to be narrowest: the solution of v = ln(v + 1) − 2·ln α.

    It is −W₋₁(−α²/e) − 1 with the lower branch of Lambert's function. Raises ValueError unless 0 < confidence < 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence}")
    floor = -2 * math.log(1 - confidence)
    found, before = floor, -1.0
    while abs(found - before) > 1e-12 * max(1.0, found):  # contracts: the slope is 1/(v + 1)
        before, found = found, math.log(found + 1) + floor
    return found


def multiplier(units: _Numbers, confidence: float, planned: float) -> _Numbers:
    """How many standard errors the interval reaches to either side once ``units`` are seen: 1.645 would be one look at 90%.

    ``planned`` is the sample size it is tuned to, stated before any outcome is seen. Raises ValueError unless both are
    above zero.
    """
    if planned <= 0 or np.any(np.asarray(units) <= 0):
        raise ValueError("units and the planned sample size must be above zero")
    v = tuned_variance(confidence) * units / planned
    return np.sqrt((v + 1) / v * np.log((v + 1) / (1 - confidence) ** 2))  # type: ignore[no-any-return]


def mean_interval(arm: Moments, confidence: float, planned: float, inflation: float = 1.0) -> Interval | None:
    """Always-valid interval of Σy/Σd of one arm; None before `is_settled`. ``inflation`` multiplies the variance."""
    if not is_settled(arm):
        return None
    found = _inflated(ratio_of_sums(arm), inflation)
    half = multiplier(float(arm.units), confidence, planned) * math.sqrt(found.variance or 0.0)
    return Interval(found.value - half, found.value + half)


def effect_interval(
    arms: tuple[Moments, Moments],
    metric: Metric,
    confidence: float,
    planned: float,
    inflation: tuple[float, float] = (1.0, 1.0),
) -> Estimate:
    """Always-valid interval of the effect of treatment against control, raw, from the sums of all units so far.

    ``arms`` and ``inflation`` (of the variances) are of treatment and control; ``planned`` counts the units of both. The
    ends are None, with a reason, before the first look that `is_settled`. Relative effects are taken on the log scale.
    Raises ValueError for a quantile, whose sums say nothing.
    """
    if metric.kind is MetricKind.QUANTILE:
        raise ValueError("a quantile has no sums to accumulate")
    treatment, control = arms
    if not all(is_settled(arm, metric.kind) for arm in arms):
        return Estimate(_value(arms, metric), reason=TOO_FEW)
    t, c = (_inflated(ratio_of_sums(arm), by) for arm, by in zip(arms, inflation, strict=True))
    reach = multiplier(float(treatment.units + control.units), confidence, planned)
    value = effect(t.value, c.value, metric)
    if metric.effect is EffectKind.ABSOLUTE:
        half = metric.scale * reach * math.sqrt((t.variance or 0.0) + (c.variance or 0.0))
        difference = metric.scale * (t.value - c.value)
        return Estimate(value, difference - half, difference + half)
    if t.value <= 0 or c.value <= 0:
        return Estimate(value, reason=NO_LEVEL)
    half = reach * math.hypot(math.sqrt(t.variance or 0.0) / t.value, math.sqrt(c.variance or 0.0) / c.value)
    ratio = t.value / c.value
    return Estimate(value, ratio * math.exp(-half) - 1, ratio * math.exp(half) - 1)


def is_settled(arm: Moments, kind: MetricKind = MetricKind.MEAN) -> bool:
    """Whether an arm has enough behind it for an asymptotic interval: units, and what their sums rest on.

    A variance estimated from a handful of events is as likely far too small, and an interval built on it is no promise.
    """
    failures = (arm.d - arm.y, arm.dd - 2 * arm.yd + arm.yy)
    sides = [(arm.y, arm.yy), *([failures] if kind is MetricKind.SHARE else [])]
    rests_on = [total * total / squares if squares > 0 else 0.0 for total, squares in sides]
    return arm.units >= MIN_UNITS and arm.d > 0 and min(rests_on) >= MIN_EVENTS


def accumulated(days: list[Moments]) -> list[Moments]:
    """The sums up to and with each day, from those of each day alone."""
    found, total = [], Moments(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for day in days:
        total = Moments(
            total.units + day.units,
            total.n + day.n,
            *(getattr(total, name) + getattr(day, name) for name in ("y", "d", "yy", "dd", "yd")),
        )
        found.append(total)
    return found


def _value(arms: tuple[Moments, Moments], metric: Metric) -> float | None:
    levels = [arm.y / arm.d if arm.d > 0 else None for arm in arms]
    return effect(levels[0], levels[1], metric)


def _inflated(found: RatioOfSums, by: float) -> RatioOfSums:
    return RatioOfSums(found.value, None if found.variance is None else found.variance * by)
