"""Severity of a gap from the decision's point of view (GAPS.md §5), with the reason in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dagster_pipeline.criteria.delta_star import Flip, most_pressing
from dagster_pipeline.criteria.vocabulary import Outcome, Severity

_TEN_TIMES = 10.0


class PolicyLike(Protocol):
    """Where δ* divides the severities: ascending, as shares of the worst case."""

    @property
    def blocker_at(self) -> float:
        """At most this: blocker."""
        ...

    @property
    def high_at(self) -> float:
        """At most this: high."""
        ...

    @property
    def medium_at(self) -> float:
        """At most this: medium."""
        ...


@dataclass(frozen=True)
class Stakes:
    """What a gap can do to the brief.

    ``flips`` holds one entry per rule whose metric the gap touches; ``joint`` the same rules under the
    joint region of all open gaps. ``base_passes`` is the whole brief's outcome, ``failing_elsewhere`` how
    many rules fail that the gap does not touch. ``unexplained_mismatch`` is a sample ratio mismatch
    without a known cause; ``below_threshold`` a share of rows within its contract threshold.
    """

    flips: tuple[Flip, ...]
    joint: tuple[Flip, ...]
    base_passes: bool
    unexplained_mismatch: bool = False
    below_threshold: bool = False
    failing_elsewhere: int = 0


@dataclass(frozen=True)
class Assessment:
    """A severity, the sentence behind it, the smallest δ*, and whether the gap alone flips the decision."""

    severity: Severity
    reason: str
    delta_star: float | None
    flips_decision: bool


def severity(stakes: Stakes, policy: PolicyLike) -> Assessment:
    """The first that holds of blocker, high, medium, low; info where no metric of the brief can move.

    A share below its threshold is info too, unless the gap alone can flip a rule: what can flip a
    decision is never called information.
    """
    worst = most_pressing(stakes.flips)
    if worst is None:
        return Assessment(
            Severity.INFO, "It cannot move any metric of the brief.", None, flips_decision=False
        )
    flips, takes = _flips_decision(stakes), _what_it_takes(worst, stakes.base_passes)
    if stakes.below_threshold and not worst.flips:
        reason = f"Its share is below the contract threshold; {takes}."
        return Assessment(Severity.INFO, reason, worst.share, flips)
    found = _grade(worst, stakes, policy)
    return Assessment(found, _because(found, worst, takes, stakes, policy), worst.share, flips)


def severity_without_brief(
    share: float | None, threshold: float | None, breached: bool = False
) -> Assessment:
    """Severity when nothing is to be decided: over its threshold medium, over ten times high, else info.

    ``breached`` stands in where there are no rows to count (a lost column, a stale source): medium.
    """
    if share is None or threshold is None:
        found = Severity.MEDIUM if breached else Severity.INFO
        reason = "The contract is broken" if breached else "No contract is broken"
    elif share > threshold:
        found = Severity.HIGH if share > _TEN_TIMES * threshold else Severity.MEDIUM
        words = "more than ten times" if found is Severity.HIGH else "over"
        reason = f"{_percent(share)} of rows, {words} the contract threshold of {_percent(threshold)}"
    else:
        found = Severity.INFO
        reason = f"{_percent(share)} of rows, within the contract threshold of {_percent(threshold)}"
    return Assessment(found, f"{reason}; no brief says what it decides.", None, flips_decision=False)


def _flips_decision(stakes: Stakes) -> bool:
    """GO to not GO: any passing rule gives way. Not GO to GO: every failing rule comes right."""
    if stakes.base_passes:
        return any(found.flips for found in stakes.flips)
    failing = [found for found in stakes.flips if found.base is not Outcome.PASSED]
    return bool(failing) and stakes.failing_elsewhere == 0 and all(found.flips for found in failing)


def _grade(worst: Flip, stakes: Stakes, policy: PolicyLike) -> Severity:
    if worst.share is None or worst.share <= policy.blocker_at:
        return Severity.BLOCKER
    if worst.share <= policy.high_at:
        return Severity.BLOCKER if stakes.unexplained_mismatch else Severity.HIGH
    if worst.share <= policy.medium_at or any(found.flips for found in stakes.joint):
        return Severity.MEDIUM
    return Severity.LOW


def _because(found: Severity, worst: Flip, takes: str, stakes: Stakes, policy: PolicyLike) -> str:
    """The figures, what they mean, and the metric that gives way."""
    if stakes.unexplained_mismatch and worst.flips:
        return f"The ratio of the arms is off without an explanation, and {takes}."
    if found is Severity.MEDIUM and worst.share is not None and worst.share > policy.medium_at:
        return f"Together with the other open gaps it can flip the decision; alone {takes}."
    return f"{takes[0].upper()}{takes[1:]}."


def _what_it_takes(worst: Flip, base_passes: bool) -> str:
    """Words such as: 71% of the worst case would flip GO to HOLD (hire_rate_7d)."""
    metric, end = worst.rule.metric, "worst" if worst.base is Outcome.PASSED else "best"
    if worst.base is Outcome.MISSING:
        return f"{metric} cannot be computed, and the brief depends on it"
    if worst.share is None:
        return f"the data leave {metric} without a limit, and the {end} case {_meaning(worst, base_passes)}"
    if worst.share > 1:
        return f"it would take {worst.share:.3g} times the {end} case to change the answer on {metric}"
    return f"{_percent(worst.share)} of the {end} case {_meaning(worst, base_passes)} ({metric})"


def _meaning(worst: Flip, base_passes: bool) -> str:
    if worst.base is not Outcome.PASSED:
        return "would turn a failing result into a passing one: it may hide a GO"
    if base_passes:
        return "would flip GO to HOLD"
    return "would fail this too, though the decision already fails without it"


def _percent(share: float) -> str:
    """Two significant digits, and never "0%" for what is not nothing."""
    percent = 100 * share
    return f"{percent:.0f}%" if percent >= 10 or percent == 0 else f"{percent:.2g}%"
