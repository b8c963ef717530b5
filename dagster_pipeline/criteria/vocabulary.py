"""Severity of a gap (GAPS.md §5) and the outcomes of a criterion."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """From the decision's point of view, worst first."""

    BLOCKER = "blocker"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for info up to 4 for blocker."""
        return ["info", "low", "medium", "high", "blocker"].index(self.value)


class Outcome(StrEnum):
    """The answer to one criterion or guardrail."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"
    STALE = "stale"
    ERRORED = "errored"
    WAIVED = "waived"
