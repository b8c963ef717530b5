"""Plain stand-ins for the brief's criteria and guardrails, and a few rules built from them."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.criteria.rules import Rule, criterion_rule, guardrail_rule
from dagster_pipeline.statistics.evidence import Better


@dataclass(frozen=True)
class Criterion:
    metric: str
    min_improvement: float | None = None
    min_delta: float | None = None
    min_bound: float | None = None


@dataclass(frozen=True)
class Guardrail:
    metric: str
    max_increase: float | None = None
    max_decrease: float | None = None
    max_bound: float | None = None


@dataclass(frozen=True)
class Policy:
    blocker_at: float = 0.25
    high_at: float = 1.0
    medium_at: float = 2.0


def ttfq() -> Rule:
    """The median must fall by a tenth, and by a twentieth at the interval's end."""
    return criterion_rule(Criterion("ttfq_median", min_improvement=0.10, min_bound=0.05), Better.LOWER)


def hires() -> Rule:
    """The hire rate may lose half a point, and one at the interval's end."""
    return criterion_rule(Criterion("hire_rate_7d", min_delta=-0.005, min_bound=-0.010), Better.HIGHER)


def tickets() -> Rule:
    """Support tickets may rise by a tenth."""
    return guardrail_rule(Guardrail("support_tickets_per_100_requests", max_increase=0.10), Better.LOWER)
