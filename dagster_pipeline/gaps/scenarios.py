"""What the brief's answers would be if the gaps went one way: the region's two ends, and two stories that are no ends.

Best and worst are the ends of the joint region: nothing that fits the data lies outside. The skew scenarios give every
request without an arm to the treatment, or to the control. They are shown because people ask for them, and are not
bounds: all of an arm's unknown requests come with their outcomes as they fell, while the worst case hands the good ones
to one arm and the bad ones to the other (GAPS.md §2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dagster_pipeline.criteria.evaluate import base_outcome, best_value, joint_outcome
from dagster_pipeline.criteria.rules import Rule, Side
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.effects import EffectCalculator
from dagster_pipeline.gaps.evidence import is_of_pros, statistic_of
from dagster_pipeline.gaps.opened import joined
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Estimate,
    MetricEvidence,
    MetricKind,
    Moments,
    Region,
)
from dagster_pipeline.statistics.levels import estimate
from dagster_pipeline.statistics.quantiles import quantile

OF_PROS = "a pro was drawn for no arm, so there is none to move"


@dataclass(frozen=True)
class End:
    """One end of the joint region, the limit the gate would look at there, and the rule's answer; raw.

    ``value`` and ``limit`` are None where nothing limits that side, with the ``reason``.
    """

    value: float | None
    limit: float | None
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True)
class Played:
    """An estimate with its two-sided interval, raw, and the rule's answer to it; value None with the ``reason``."""

    value: float | None
    ci_lower: float | None
    ci_upper: float | None
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True)
class Skew:
    """The effect with all requests without an arm in one of the two. Scenarios, not bounds."""

    all_in_treatment: Played
    all_in_control: Played


@dataclass(frozen=True)
class ScenarioRow:
    """One rule of the brief on one treatment.

    ``unlabelled`` are the requests without an arm that the metric counts; with none there is no ``skew``. ``is_open``
    says whether the gaps leave the effect anywhere but at its estimate.
    """

    rule: Rule
    variant: str
    effect: str
    best: End
    base: Played
    worst: End
    is_open: bool
    unlabelled: int
    skew: Skew | None


def scenario_rows(demands: Iterable[Demand], calculator: EffectCalculator) -> tuple[ScenarioRow, ...]:
    """Every rule × treatment in the brief's order; a metric that was not computed has no figures, with the reason."""
    return tuple(_row(demand, calculator) for demand in demands)


def _row(demand: Demand, calculator: EffectCalculator) -> ScenarioRow:
    rule, found, region = demand.rule, demand.estimate, demand.region
    evidence = _evidence(demand, calculator)
    rest = evidence.unlabelled if evidence else None
    unlabelled = rest.moments.n if rest else 0
    return ScenarioRow(
        rule=rule,
        variant=demand.treatment,
        effect=demand.effect,
        best=_best(rule, found, region),
        base=_played(rule, found),
        worst=_worst(rule, found, region),
        is_open=(region.lower, region.upper) != (found.value, found.value),
        unlabelled=unlabelled,
        skew=_skew(demand, calculator, evidence) if evidence and unlabelled else None,
    )


def _evidence(demand: Demand, calculator: EffectCalculator) -> MetricEvidence | None:
    """The repaired reading, with the requests without an arm beside the arms."""
    if demand.found is None:
        return None
    return calculator.reader.observed(statistic_of(demand.definition, demand.effect))


def _played(rule: Rule, found: Estimate) -> Played:
    return Played(found.value, found.ci_lower, found.ci_upper, base_outcome(rule, found), found.reason)


def _worst(rule: Rule, found: Estimate, region: Region) -> End:
    """The end on the rule's side. The region holds the estimate, so what fails there fails here."""
    below = rule.shown.side is Side.LOWER
    base = base_outcome(rule, found)
    return End(
        region.lower if below else region.upper,
        region.gate_lower if below else region.gate_upper,
        joint_outcome(rule, region) if base is Outcome.PASSED else base,
        region.reason,
    )


def _best(rule: Rule, found: Estimate, region: Region) -> End:
    """The other end; its answer is taken with the sampling error on the rule's side, as everywhere."""
    below = rule.shown.side is Side.LOWER
    return End(
        region.upper if below else region.lower,
        region.gate_upper if below else region.gate_lower,
        _best_outcome(rule, found, region),
        region.reason,
    )


def _best_outcome(rule: Rule, found: Estimate, region: Region) -> Outcome:
    base = base_outcome(rule, found)
    if base is not Outcome.FAILED:
        return base
    values = [(condition, best_value(condition, region)) for condition in rule.conditions]
    if any(value is None for _, value in values):
        return Outcome.MISSING
    held = all(condition.holds(value) for condition, value in values if value is not None)
    return Outcome.PASSED if held else Outcome.FAILED


def _skew(demand: Demand, calculator: EffectCalculator, evidence: MetricEvidence) -> Skew:
    if is_of_pros(evidence.metric):
        nowhere = Played(None, None, None, Outcome.MISSING, OF_PROS)
        return Skew(nowhere, nowhere)
    arms: Sequence[str] = (demand.treatment, evidence.control)
    played = [_played(demand.rule, skewed_estimate(calculator, evidence, demand.treatment, a)) for a in arms]
    return Skew(*played)


def skewed_estimate(
    calculator: EffectCalculator, evidence: MetricEvidence, treatment: str, receiver: str
) -> Estimate:
    """The effect of ``treatment`` with every unlabelled request given to the arm ``receiver``.

    A quantile is read from the histogram of the two groups together: the middle of its bin, at most 0.25% off.
    """
    assert evidence.unlabelled is not None, "a skew needs requests to move"  # noqa: S101
    arms = dict(evidence.arms)
    arms[receiver] = _together(arms[receiver], evidence.unlabelled)
    t, c = arms[treatment], arms[evidence.control]
    exact = None
    if evidence.metric.kind is MetricKind.QUANTILE:
        read = {
            arm: calculator.reader.quantile(evidence.metric.name, arm)
            for arm in (treatment, evidence.control)
        }
        read[receiver] = _quantile_of(arms[receiver], evidence.metric.quantile or 0.5)
        exact = (read[treatment], read[evidence.control])
    return estimate(t, c, evidence.metric, calculator.confidence, evidence.clustered, exact)


def _together(arm: ArmEvidence, rest: ArmEvidence) -> ArmEvidence:
    one, other = arm.moments, rest.moments
    moments = Moments(
        one.units + other.units,
        one.n + other.n,
        one.y + other.y,
        one.d + other.d,
        one.yy + other.yy,
        one.dd + other.dd,
        one.yd + other.yd,
    )
    return replace(arm, moments=moments, cells=joined(arm.cells, rest.cells))


def _quantile_of(arm: ArmEvidence, q: float) -> float | None:
    if arm.cells.total == 0:
        return None
    low, high = quantile(arm.cells, q)
    return low if low == high else (low + high) / 2
