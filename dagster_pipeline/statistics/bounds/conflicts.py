"""Two sources that disagree on an outcome: which is right, request by request, is not known."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.statistics.bounds.pair import Bounds


@dataclass(frozen=True)
class TwoReadings:
    """An arm's successes: by both sources, and by one alone."""

    n: int
    both: int
    only_a: int
    only_b: int


def conflict_bounds(treatment: TwoReadings, control: TwoReadings) -> Bounds:
    """Δ with every conflict adverse, and every conflict favourable: the region."""
    t, c = (_span(arm) for arm in (treatment, control))
    return Bounds(t.lower - c.upper, t.upper - c.lower)


def conflict_scenarios(treatment: TwoReadings, control: TwoReadings) -> Bounds:
    """Δ by either source throughout, the smaller first: a scenario, not a bound."""
    a, b = (
        (treatment.both + t_only) / treatment.n - (control.both + c_only) / control.n
        for t_only, c_only in ((treatment.only_a, control.only_a), (treatment.only_b, control.only_b))
    )
    return Bounds(min(a, b), max(a, b))


def reading(treatment: TwoReadings, control: TwoReadings, source_a: bool) -> float:
    """Δ if one source is right throughout."""
    t, c = (arm.both + (arm.only_a if source_a else arm.only_b) for arm in (treatment, control))
    return t / treatment.n - c / control.n


def _span(arm: TwoReadings) -> Bounds:
    return Bounds(arm.both / arm.n, (arm.both + arm.only_a + arm.only_b) / arm.n)
