"""The open gaps as a risk register: how likely each is to change the answer, what it would cost, and who is to act by when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dagster_pipeline.config.triage import Triage
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.register.lifecycle import age, due_at, level_at, waiver_end


class Likelihood(StrEnum):
    """How likely a gap alone changes the answer, as far as δ* says; δ* is no probability (docs/risk-register.md)."""

    VERY_LIKELY = "very likely"
    LIKELY = "likely"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"
    UNKNOWN = "cannot be said"


LIKELIHOOD_AT_MOST = ((0.25, Likelihood.VERY_LIKELY), (1.0, Likelihood.LIKELY), (2.0, Likelihood.POSSIBLE))
"""The policy: up to this δ* it is this likely; above the last one unlikely. The limits are those of the severities."""


@dataclass(frozen=True)
class Money:
    """What a gap puts at risk, in the brief's currency; ``amount`` None has no limit, or is not known."""

    amount: float | None
    currency: str


@dataclass(frozen=True)
class Decided:
    """What the decisions hang on: experiment → the metrics of its criteria and guardrails; and what gaps put at risk."""

    metrics: Mapping[str | None, frozenset[str]]
    money: Mapping[str, Money]

    def of(self, gap: Gap) -> frozenset[str]:
        """The metrics of the decisions that the gap is about; of all of them where it is about no one experiment."""
        if gap.experiment is not None:
            return self.metrics.get(gap.experiment, frozenset())
        return frozenset().union(*self.metrics.values())


@dataclass(frozen=True)
class Risk:
    """One open gap as a risk.

    ``deciding`` is its impact on the metric of the decision that gives way first, None where no metric of it is touched.
    ``due_at`` is by the SLA of its severity, or when its waiver ends; ``level`` how far it is escalated as of now, and
    ``contacts`` whom that calls.
    """

    gap: Gap
    likelihood: Likelihood
    delta_star: float | None
    deciding: Impact | None
    money: Money | None
    age: timedelta | None
    due_at: datetime | None
    is_late: bool
    level: int
    contacts: tuple[str, ...] = ()


def risks(gaps: Iterable[Gap], decided: Decided, triage: Triage, at: datetime) -> tuple[Risk, ...]:
    """The unresolved gaps above info, worst first: by severity, then by δ* (none known comes first), then by money."""
    found = [_risk(gap, decided, triage, at) for gap in gaps if is_risk(gap)]
    return tuple(sorted(found, key=_order))


def is_risk(gap: Gap) -> bool:
    """Whether a gap stands in the risk register: it is there, and it matters."""
    return gap.status is not GapStatus.RESOLVED and gap.severity is not Severity.INFO


def likelihood(delta_star: float | None) -> Likelihood:
    """How likely that is by the policy; without a δ* nothing can be said, so it is never called unlikely."""
    if delta_star is None or math.isnan(delta_star):
        return Likelihood.UNKNOWN
    return next((name for limit, name in LIKELIHOOD_AT_MOST if delta_star <= limit), Likelihood.UNLIKELY)


def smallest_delta_star(impacts: Iterable[Impact]) -> float | None:
    """How little of a gap's worst case changes the answer; None where it is not known, or a metric is left without a limit."""
    found = list(impacts)
    if any(map(_is_unlimited, found)):
        return None
    known = [impact.delta_star for impact in found if impact.delta_star is not None]
    return min(known, default=None)


def deciding_impact(gap: Gap, metrics: frozenset[str]) -> Impact | None:
    """The impact on the metric of the decision that gives way first: one without a limit, else that of the smallest δ*."""
    own = [impact for impact in gap.metrics if impact.metric in metrics]
    return min(own, key=_pressing, default=None)


def is_late(gap: Gap, due: datetime | None, at: datetime) -> bool:
    """Whether a gap should have been dealt with before ``at``, or is accepted by a waiver that no longer holds."""
    if gap.status is GapStatus.ACCEPTED:
        return waiver_end(gap, at) is not None
    return gap.status is not GapStatus.RESOLVED and due is not None and due < at


def _risk(gap: Gap, decided: Decided, triage: Triage, at: datetime) -> Risk:
    deciding = deciding_impact(gap, decided.of(gap))
    star = smallest_delta_star([deciding] if deciding else [])
    due = due_at(gap, triage.sla)
    level = level_at(gap, triage.escalation, at)
    return Risk(
        gap=gap,
        likelihood=likelihood(star),
        delta_star=star,
        deciding=deciding,
        money=decided.money.get(gap.gap_id),
        age=age(gap, at),
        due_at=due,
        is_late=is_late(gap, due, at),
        level=level,
        contacts=triage.escalation.contacts(level),
    )


def _is_unlimited(impact: Impact) -> bool:
    """It flips the decision and has no δ*: the data leave the metric without a limit."""
    return impact.flips_decision and impact.delta_star is None


def _pressing(impact: Impact) -> tuple[bool, bool, float]:
    return not _is_unlimited(impact), impact.delta_star is None, impact.delta_star or 0.0


def _order(risk: Risk) -> tuple[int, bool, float, float, str]:
    gap, star = risk.gap, risk.delta_star
    amount = risk.money.amount if risk.money and risk.money.amount is not None else 0.0
    return -gap.severity.rank, star is not None, star or 0.0, -amount, gap.gap_id
