"""What the decision is worth in money: launching now, in part, or holding; what a delay costs; what the open gaps put at risk.

Every figure comes with its range: ``ci_lower`` and ``ci_upper`` from the sampling interval at the brief's confidence,
``lower`` and ``upper`` from the region that the open gaps leave. Sums over metrics add the ends, which is at least as wide
as their joint range whatever the metrics have to do with each other. docs/value.md gives the definitions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from dagster_pipeline.config.brief import Rollout, Value
from dagster_pipeline.criteria.figures import money, money_range
from dagster_pipeline.criteria.worth import Amount, OptionName, Terms, cost_of_delay, expected_incident
from dagster_pipeline.statistics.evidence import Estimate, Region

NO_FIGURE = "no estimate"


@dataclass(frozen=True)
class MetricEffect:
    """One metric of one treatment, overall, in the effect ``value.per_day`` is written for (the metric's default)."""

    metric: str
    variant: str
    effect: str
    estimate: Estimate
    region: Region


@dataclass(frozen=True)
class GapRange:
    """What one open gap alone does to one metric of one treatment: the impact of register.json."""

    gap_id: str
    kind: str
    metric: str
    variant: str
    unmitigated: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Contribution:
    """What one metric brings a day at full traffic: ``per_unit`` × its effect."""

    metric: str
    effect: str | None
    per_unit: float
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    lower: float | None
    upper: float | None
    benefit: Amount


@dataclass(frozen=True)
class OptionValue:
    """One course over the horizon: days × (share × benefit − infrastructure) − incident.

    ``regret`` is the most that another course could have been worth more, over what the open gaps allow; None without
    limit or figure.
    """

    option: OptionName
    share: float
    incident: float
    infrastructure: float
    total: Amount
    regret: float | None


@dataclass(frozen=True)
class GapRisk:
    """The money one gap puts at risk: by how much the course that is best on the estimate may turn out not to be.

    ``worse`` and ``better`` are what GO is worth at the ends of the gap's own region, other metrics at their estimates;
    ``unmitigated`` what it would have seemed worth without this gap's repair. ``regret_worse`` and ``regret_better`` are
    lost if that end is true while one acts on the estimate; ``at_risk`` is the greater. None: not known, or no limit.
    """

    gap_id: str
    kind: str
    metrics: tuple[str, ...]
    unmitigated: float | None
    worse: float | None
    better: float | None
    regret_worse: float | None
    regret_better: float | None
    at_risk: float | None


@dataclass(frozen=True)
class TreatmentValue:
    """All figures of one treatment; ``best`` is the course worth most on the estimate, None where that is not known."""

    variant: str
    contributions: tuple[Contribution, ...]
    benefit_per_day: Amount
    options: tuple[OptionValue, ...]
    best: OptionName | None
    delay_per_week: Amount
    gaps: tuple[GapRisk, ...]
    sentence: str

    def option(self, name: OptionName) -> OptionValue:
        """One course by its name."""
        return next(found for found in self.options if found.option is name)


@dataclass(frozen=True)
class ValueAnswer:
    """What the decision is worth, with every input; shares of traffic are of one.

    ``incident_at_first_stage`` is the expected incident cost where an incident shows at the rollout's first stage; None
    without stages or without an incident in the brief.
    """

    currency: str
    horizon_days: float
    per_day: Mapping[str, float]
    infrastructure_per_day: float
    incident_cost: float | None
    incident_probability: float | None
    partial_share: float
    first_stage_share: float | None
    incident_at_first_stage: float | None
    treatments: tuple[TreatmentValue, ...]


# --- the answer --------------------------------------------------------------------------------------


def value_answer(
    value: Value,
    rollout: Rollout,
    treatments: Sequence[str],
    effects: Iterable[MetricEffect],
    gaps: Iterable[GapRange] = (),
) -> ValueAnswer:
    """The decision's worth by treatment; ``gaps`` are the open ones, of which those that touch ``per_day`` count.

    PARTIAL is the rollout's cap. A metric without an estimate makes the worth not known; it is never taken as 0.
    """
    found = {(effect.variant, effect.metric): effect for effect in effects}
    opened = tuple(gaps)
    terms = Terms(value, rollout.stage_cap / 100)
    first = rollout.stages[0].percent / 100 if rollout.stages else None
    incident = value.incident
    return ValueAnswer(
        currency=value.currency,
        horizon_days=terms.days,
        per_day=dict(value.per_day),
        infrastructure_per_day=value.infrastructure_per_day,
        incident_cost=incident.cost if incident else None,
        incident_probability=incident.probability if incident else None,
        partial_share=terms.partial_share,
        first_stage_share=first,
        incident_at_first_stage=expected_incident(incident, first) if incident and first else None,
        treatments=tuple(_treatment(terms, variant, found, opened) for variant in treatments),
    )


def _treatment(
    terms: Terms, variant: str, found: Mapping[tuple[str, str], MetricEffect], gaps: Sequence[GapRange]
) -> TreatmentValue:
    parts = tuple(
        _contribution(metric, per_unit, found.get((variant, metric)))
        for metric, per_unit in terms.value.per_day.items()
    )
    benefit = _sum(parts)
    best = None if benefit.expected is None else terms.best(benefit.expected)
    answer = TreatmentValue(
        variant=variant,
        contributions=parts,
        benefit_per_day=benefit,
        options=tuple(_option(terms, option, benefit) for option in OptionName),
        best=best,
        delay_per_week=benefit.through(lambda b: cost_of_delay(b, terms.value.infrastructure_per_day)),
        gaps=_risks(terms, parts, best, [gap for gap in gaps if gap.variant == variant]),
        sentence="",
    )
    return replace(answer, sentence=_sentence(terms, answer))


def _contribution(metric: str, per_unit: float, found: MetricEffect | None) -> Contribution:
    estimate = found.estimate if found else Estimate(None, reason="the metric was not computed")
    region = found.region if found else Region(None, None)
    return Contribution(
        metric=metric,
        effect=found.effect if found else None,
        per_unit=per_unit,
        estimate=estimate.value,
        ci_lower=estimate.ci_lower,
        ci_upper=estimate.ci_upper,
        lower=region.lower,
        upper=region.upper,
        benefit=_benefit(metric, per_unit, estimate, region),
    )


def _benefit(metric: str, per_unit: float, estimate: Estimate, region: Region) -> Amount:
    if estimate.value is None or not math.isfinite(estimate.value):
        return Amount(None, reason=f"{metric}: {estimate.reason or NO_FIGURE}")
    interval = _ends(per_unit, estimate.ci_lower, estimate.ci_upper)
    return Amount(per_unit * estimate.value, *interval, *_ends(per_unit, region.lower, region.upper))


def _ends(factor: float, lower: float | None, upper: float | None) -> tuple[float | None, float | None]:
    """Both ends times the factor, in order; what is worth nothing needs no limit."""
    if factor == 0:
        return 0.0, 0.0
    ends = [None if end is None else factor * end for end in (lower, upper)]
    return (ends[0], ends[1]) if factor > 0 else (ends[1], ends[0])


def _sum(parts: Sequence[Contribution]) -> Amount:
    """All benefits together; not known as soon as one is not."""
    reasons = [part.benefit.reason for part in parts if part.benefit.expected is None]
    if reasons:
        return Amount(None, reason="; ".join(filter(None, reasons)))
    benefits = [part.benefit for part in parts]
    return Amount(
        _total(found.expected for found in benefits),
        _total(found.ci_lower for found in benefits),
        _total(found.ci_upper for found in benefits),
        _total(found.lower for found in benefits),
        _total(found.upper for found in benefits),
    )


def _total(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else math.fsum(value for value in known if value is not None)


def _option(terms: Terms, option: OptionName, benefit: Amount) -> OptionValue:
    hold = Amount(0.0, 0.0, 0.0, 0.0, 0.0)
    total = hold if option is OptionName.HOLD else benefit.through(lambda b: terms.worth(option, b))
    truths = (benefit.expected, benefit.lower, benefit.upper)
    # Worth is linear in the benefit, so the most regret lies at an end.
    regrets = [None if truth is None else terms.regret(option, truth) for truth in truths]
    return OptionValue(
        option,
        terms.shares[option],
        terms.incident(option),
        terms.infrastructure(option),
        total,
        None if None in regrets else max(regret for regret in regrets if regret is not None),
    )


# --- the open gaps -----------------------------------------------------------------------------------


def _risks(
    terms: Terms, parts: Sequence[Contribution], best: OptionName | None, gaps: Sequence[GapRange]
) -> tuple[GapRisk, ...]:
    """One per gap, those without limit first, then by the money at risk."""
    counted = {part.metric for part in parts if part.per_unit}
    by_gap: dict[str, list[GapRange]] = {}
    for gap in gaps:
        if gap.metric in counted:
            by_gap.setdefault(gap.gap_id, []).append(gap)
    risks = [_risk(terms, parts, best, own) for own in by_gap.values()]
    return tuple(sorted(risks, key=lambda risk: (risk.at_risk is not None, -(risk.at_risk or 0.0))))


def _risk(
    terms: Terms, parts: Sequence[Contribution], best: OptionName | None, own: Sequence[GapRange]
) -> GapRisk:
    metrics = tuple(dict.fromkeys(gap.metric for gap in own))
    worse, better = _benefit_ends(parts, {m: _widest(gap for gap in own if gap.metric == m) for m in metrics})
    seen, _ = _benefit_ends(parts, {gap.metric: (gap.unmitigated, gap.unmitigated) for gap in own})

    def go(benefit: float | None) -> float | None:
        return None if benefit is None else terms.worth(OptionName.GO, benefit)

    regrets = [None if best is None or b is None else terms.regret(best, b) for b in (worse, better)]
    known = [regret for regret in regrets if regret is not None]
    return GapRisk(
        gap_id=own[0].gap_id,
        kind=own[0].kind,
        metrics=metrics,
        unmitigated=go(seen),
        worse=go(worse),
        better=go(better),
        regret_worse=regrets[0],
        regret_better=regrets[1],
        at_risk=max(known) if len(known) == len(regrets) else None,
    )


def _widest(ranges: Iterable[GapRange]) -> tuple[float | None, float | None]:
    """The range that holds them all: a gap of no one experiment has an impact for each that calls an arm so."""
    found = list(ranges)
    lowers, uppers = [gap.lower for gap in found], [gap.upper for gap in found]
    return (
        None if None in lowers else min(end for end in lowers if end is not None),
        None if None in uppers else max(end for end in uppers if end is not None),
    )


def _benefit_ends(
    parts: Sequence[Contribution], ranges: Mapping[str, tuple[float | None, float | None]]
) -> tuple[float | None, float | None]:
    """The benefit a day with some metrics at the ends of these ranges and the others at their estimates."""
    ends = [_ends(part.per_unit, *ranges.get(part.metric, (part.estimate, part.estimate))) for part in parts]
    return _total(low for low, _ in ends), _total(high for _, high in ends)


# --- in words ----------------------------------------------------------------------------------------


def _sentence(terms: Terms, answer: TreatmentValue) -> str:
    benefit = answer.benefit_per_day
    if benefit.expected is None:
        return f"{answer.variant}: the worth of a launch is not known ({benefit.reason})."
    currency = terms.value.currency
    go = answer.option(OptionName.GO).total
    has_interval = go.ci_lower is not None or go.ci_upper is not None
    interval = money_range(go.ci_lower, go.ci_upper, currency) if has_interval else "not known"
    region = money_range(go.lower, go.upper, currency)
    days = f"{terms.days:,.3g}"
    return " ".join(
        [
            f"{answer.variant}: launching now is worth {money(go.expected, currency)} over {days} days on the estimate,",
            f"{interval} within its interval, {region} with the open gaps.",
            _delay(answer.delay_per_week, currency),
            *_most_at_risk(answer, currency),
        ]
    )


def _delay(delay: Amount, currency: str) -> str:
    if not delay.expected:
        open_gaps = f", {money_range(delay.lower, delay.upper, currency)} with the open gaps"
        return f"A delay costs nothing on the estimate{'' if delay.upper == 0 else open_gaps}."
    return (
        f"A week's delay costs {money(delay.expected, currency)} "
        f"({money_range(delay.lower, delay.upper, currency)} with the open gaps)."
    )


def _most_at_risk(answer: TreatmentValue, currency: str) -> Iterable[str]:
    if not answer.gaps:
        return
    first = answer.gaps[0]
    if first.at_risk is None:
        yield f"What the gap {first.gap_id} ({first.kind}) puts at risk has no limit."
    elif first.at_risk > 0:
        yield f"The gap {first.gap_id} ({first.kind}) alone puts {money(first.at_risk, currency)} at risk."
    else:
        yield "No open gap alone could make another course worth more."


# --- as a document -----------------------------------------------------------------------------------


def value_document(answer: ValueAnswer) -> dict[str, Any]:
    """The section as plain JSON values; null where a figure is not known or has no limit."""
    return {
        "currency": answer.currency,
        "horizon_days": answer.horizon_days,
        "per_day": dict(answer.per_day),
        "infrastructure_per_day": answer.infrastructure_per_day,
        "incident_cost": answer.incident_cost,
        "incident_probability": answer.incident_probability,
        "partial_share": answer.partial_share,
        "first_stage_share": answer.first_stage_share,
        "incident_at_first_stage": answer.incident_at_first_stage,
        "treatments": [_treatment_document(found) for found in answer.treatments],
    }


def _treatment_document(found: TreatmentValue) -> dict[str, Any]:
    return {
        "variant": found.variant,
        "metrics": [_flat(part) | {"benefit": _flat(part.benefit)} for part in found.contributions],
        "benefit_per_day": _flat(found.benefit_per_day),
        "options": [_flat(option) | {"total": _flat(option.total)} for option in found.options],
        "best": found.best and found.best.value,
        "delay_per_week": _flat(found.delay_per_week),
        "gaps": [_flat(risk) for risk in found.gaps],
        "sentence": found.sentence,
    }


def _flat(record: object) -> dict[str, Any]:
    """The fields of one of these dataclasses; figures without an end become null."""
    return {name: _plain(value) for name, value in vars(record).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
