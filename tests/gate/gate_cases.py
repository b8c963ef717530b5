"""Decision inputs to start from: a launch that is a plain GO, changed by each test where it matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gate.decision import Answer, DecisionInputs, OpenGap, SegmentAnswer

NOW = datetime(2026, 11, 6, 6, 12, 41, 123456, tzinfo=UTC)
AS_OF = datetime(2026, 11, 6, tzinfo=UTC)
EXPERIMENT = "quoting_v2"
HIRES = "hire_rate_7d"
TTFQ = "ttfq_median"
TICKETS = "support_tickets_per_100_requests"


def hires(**changes):
    """Higher is better, absolute, share."""
    answer = Answer(
        HIRES, "treatment", "criterion", Outcome.PASSED, True, threshold=-0.005, estimate=0.0042,
        ci_lower=-0.0013, ci_upper=0.0097, lower=-0.002, upper=0.01, delta_star=1.6,
    )  # fmt: skip
    return replace(answer, **changes)


def ttfq(**changes):
    """Lower is better, relative, quantile."""
    answer = Answer(
        TTFQ, "treatment", "criterion", Outcome.PASSED, True, threshold=-0.10, estimate=-0.179,
        ci_lower=-0.204, ci_upper=-0.153, lower=-0.21, upper=-0.142, delta_star=None,
    )  # fmt: skip
    return replace(answer, **changes)


def tickets(**changes):
    """A guardrail against an increase."""
    answer = Answer(
        TICKETS, "treatment", "guardrail", Outcome.PASSED, True, threshold=0.10, estimate=0.031,
        ci_lower=-0.044, ci_upper=0.106, lower=0.018, upper=0.052, delta_star=None,
    )  # fmt: skip
    return replace(answer, **changes)


def a_gap(number=1, severity=Severity.HIGH, **changes):
    gap = OpenGap(
        gap_id=f"gap-{number:012x}", kind="missing_variant", severity=severity, status="open", flips=False,
        metrics=(HIRES,), description="18% of quotes miss the variant",
    )  # fmt: skip
    return replace(gap, **changes)


def waived(gap, expires_at=NOW + timedelta(days=14)):
    return replace(gap, is_waived=True, waiver_expires_at=expires_at, status="accepted")


def segment(name="category=Cleaning", base=True, joint=True):
    return SegmentAnswer(name, base, joint)


def inputs(**changes):
    given = DecisionInputs(
        experiment=EXPERIMENT, has_brief=True, has_criteria=True, is_known_experiment=True,
        answers=(ttfq(), hires(), tickets()), gaps=(), segments=(), as_of=AS_OF, evaluated_at=NOW,
    )  # fmt: skip
    return replace(given, **changes)


def shaken(severity, **changes):
    """The estimates pass, the joint answer does not, and one gap of this severity is open."""
    return inputs(
        answers=(ttfq(), hires(joint_passes=False), tickets()), gaps=(a_gap(severity=severity),), **changes
    )
