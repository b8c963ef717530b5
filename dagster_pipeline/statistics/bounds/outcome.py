"""Requests whose arm is known but whose outcome is not: Horowitz–Manski, Lee, double sampling."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.statistics.bounds.pair import Bounds


@dataclass(frozen=True)
class ObservedMean:
    """A mean seen on a share of an arm's units."""

    rate: float
    mean: float


def mean_bounds(treatment: ObservedMean, control: ObservedMean, support: Bounds) -> Bounds:
    """Δ of means with every missing value at the support's worst and best end.

    Horowitz & Manski 2000, JASA 95.
    """
    t, c = filled_mean(treatment, support), filled_mean(control, support)
    return Bounds(t.lower - c.upper, t.upper - c.lower)


def filled_mean(observed: ObservedMean, support: Bounds) -> Bounds:
    """One arm's mean with its missing values anywhere in the support."""
    seen, missing = observed.rate * observed.mean, 1 - observed.rate
    return Bounds(seen + missing * support.lower, seen + missing * support.upper)


@dataclass(frozen=True)
class ObservedShare:
    """An arm of n units of which ``observed`` have an outcome, ``successes`` a good one."""

    n: int
    observed: int
    successes: int


def share_bounds(treatment: ObservedShare, control: ObservedShare) -> Bounds:
    """Δ of shares: L = s_T/N_T − (s_C + M_C)/N_C, U = (s_T + M_T)/N_T − s_C/N_C."""
    t, c = filled_share(treatment), filled_share(control)
    return Bounds(t.lower - c.upper, t.upper - c.lower)


def filled_share(arm: ObservedShare) -> Bounds:
    """One arm's share with its missing outcomes all failures, and all successes."""
    return Bounds(arm.successes / arm.n, (arm.successes + arm.n - arm.observed) / arm.n)


def lee_trim(rate_t: float, rate_c: float) -> float:
    """Share to trim from the arm that responds more: 1 − rate_low/rate_high.

    Lee 2009, REStud 76:1071-1102.
    """
    return 1 - min(rate_t, rate_c) / max(rate_t, rate_c)


def lee_from_trimmed_means(
    lowest_kept: float, highest_kept: float, other_mean: float, treatment_trimmed: bool
) -> Bounds:
    """Δ among the always-observed, from the trimmed arm's means with its lowest or highest values kept."""
    if treatment_trimmed:
        return Bounds(lowest_kept - other_mean, highest_kept - other_mean)
    return Bounds(other_mean - highest_kept, other_mean - lowest_kept)


def lee_share(treatment: ObservedShare, control: ObservedShare) -> Bounds:
    """Lee's bounds for shares: another estimand (units observed either way), so for display only.

    The trimmed share p becomes [max(0, (p − t)/(1 − t)), min(1, p/(1 − t))].
    """
    rate_t, rate_c = treatment.observed / treatment.n, control.observed / control.n
    trim, over_t = lee_trim(rate_t, rate_c), rate_t > rate_c
    p_t, p_c = treatment.successes / treatment.observed, control.successes / control.observed
    trimmed = trimmed_share(p_t if over_t else p_c, trim)
    return lee_from_trimmed_means(
        trimmed.lower, trimmed.upper, p_c if over_t else p_t, treatment_trimmed=over_t
    )


def trimmed_share(p: float, trim: float) -> Bounds:
    """A share after ``trim`` of the units was taken from its top, and from its bottom."""
    return Bounds(max(0.0, (p - trim) / (1 - trim)), min(1.0, p / (1 - trim)))


@dataclass(frozen=True)
class DoubleSample:
    """An arm whose missing units were sampled again: response rate and mean of either round."""

    rate: float
    mean: float
    audit_rate: float
    audit_mean: float


def double_sampling(treatment: DoubleSample, control: DoubleSample, support: Bounds) -> Bounds:
    """Bounds after auditing a random sample of the missing.

    Coppock et al. 2017, Political Analysis 25:188-206.
    """
    t, c = (_audited(arm, support) for arm in (treatment, control))
    return Bounds(t.lower - c.upper, t.upper - c.lower)


def _audited(arm: DoubleSample, support: Bounds) -> Bounds:
    second = filled_mean(ObservedMean(arm.audit_rate, arm.audit_mean), support)
    seen, missing = arm.rate * arm.mean, 1 - arm.rate
    return Bounds(seen + missing * second.lower, seen + missing * second.upper)


def ignorability(worst: Bounds, missing_at_random: float, delta: float) -> Bounds:
    """The dial from trust to worst case: (1 − δ)·missing-at-random + δ·worst case, 0 ≤ δ ≤ 1."""
    if not 0 <= delta <= 1:
        raise ValueError(f"the dial runs from 0 to 1, got {delta}")
    return Bounds(*((1 - delta) * missing_at_random + delta * end for end in (worst.lower, worst.upper)))


def missing_at_random_point(worst: Bounds, at_delta: Bounds, delta: float) -> Bounds:
    """The missing-at-random effect that each end implies; the two agree where the bounds are linear in δ."""
    return Bounds(
        (at_delta.lower - delta * worst.lower) / (1 - delta),
        (at_delta.upper - delta * worst.upper) / (1 - delta),
    )
