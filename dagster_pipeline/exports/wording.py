"""How gaps, demands and checks are put into one line for machines that show it to people; every value made harmless."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.exports.reading import JudgedVerdict, StoredCheck, StoredCriterion, StoredRun
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.lifecycle import waiver_end, waiver_in_force
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.runbooks import runbook_name
from dagster_pipeline.report.words import SEVERITY, STATUS, kind_title, place

LONGEST = 1_000
_SHORT = 120
_TWO_SIGNS = re.compile("#(?=#)")


class Level(StrEnum):
    """How loudly a CI system is told; SARIF's own words."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_LEVEL = {
    Severity.BLOCKER: Level.ERROR,
    Severity.HIGH: Level.ERROR,
    Severity.MEDIUM: Level.WARNING,
    Severity.LOW: Level.NOTE,
    Severity.INFO: Level.NOTE,
}


def level(gap: Gap) -> Level:
    """By severity alone: a waiver does not make a gap smaller."""
    return _LEVEL[gap.severity]


def gap_title(gap: Gap) -> str:
    """What and where: "Variant unknown: quotes.variant"."""
    return visible(f"{kind_title(gap.kind)}: {place(gap)}", _SHORT)


def gap_line(gap: Gap, at: datetime) -> str:
    """One gap in full: id, kind, severity, where, what, who, where to read on."""
    state = f"{SEVERITY[gap.severity].word.lower()}, {STATUS[gap.status]}"
    owner = f" Owner: {visible(gap.owner, _SHORT)}." if gap.owner else " No owner."
    waiver = f" {waiver_line(gap, at)}" if gap.status is GapStatus.ACCEPTED else ""
    said = " ".join(_sentence(text) for text in (gap.description, gap.severity_reason) if text.strip())
    page = runbook_name(gap.kind)
    runbook = f" Runbook: {page}." if page else ""
    return f"{gap.gap_id} ({gap.kind}, {state}) {place(gap)}: {said}{owner}{waiver}{runbook}"


def is_waived(gap: Gap, run: StoredRun) -> bool:
    """Whether the gap's risk is accepted for everything that is shown: a waiver for one experiment does not cover another."""
    waiver = gap.life.waiver
    if waiver is None or not waiver_in_force(gap, run.at):
        return False
    return waiver.scope is None or all(found.stored.experiment == waiver.scope for found in run.verdicts)


def waiver_line(gap: Gap, at: datetime) -> str:
    """Who accepts the risk, until when and why; or why the waiver no longer holds."""
    waiver = gap.life.waiver
    if waiver is None or not waiver_in_force(gap, at):
        return f"Not waived: {visible(waiver_end(gap, at) or 'it is not accepted')}"
    scope = f" for {visible(waiver.scope, _SHORT)}" if waiver.scope else ""
    return (
        f"Waived{scope} until {waiver.expires_at:%Y-%m-%d %H:%M} UTC: {_sentence(waiver.why)} "
        f"Owner: {visible(waiver.owner, _SHORT)}, approved by {visible(waiver.approver, _SHORT)}."
    )


def about(found: JudgedVerdict) -> str:
    """The experiment a verdict is about."""
    return visible(found.stored.experiment or "no experiment", _SHORT)


def demand(criterion: StoredCriterion) -> str:
    """A demand by its name, which stays the same from run to run: "guardrail refund_rate (treatment)"."""
    variant = f" ({visible(criterion.variant, _SHORT)})" if criterion.variant else ""
    return f"{criterion.kind} {visible(criterion.metric, _SHORT)}{variant}"


def figures(criterion: StoredCriterion) -> str:
    """All of the demand's figures, raw as in verdict.json."""
    return ", ".join(f"{name} {figure(criterion, name)}" for name in criterion.figures)


def figure(criterion: StoredCriterion, name: str) -> str:
    """One figure, raw as in verdict.json; what is null is said to be so."""
    value = criterion.figures[name]
    return "none" if value is None else format(value, ".6g")


def check_name(check: StoredCheck) -> str:
    """A check by its name, which stays the same from run to run: the expectation and the column it is about."""
    column = f" on {visible(check.column, _SHORT)}" if check.column else ""
    return f"{visible(check.expectation, _SHORT)}{column}"


def check_line(check: StoredCheck) -> str:
    """What was asked of a table and what was found."""
    return visible(
        f"{check_name(check)} of {visible(check.table, _SHORT)}: observed {_shown(check.observed)}, "
        f"allowed {_shown(check.threshold)}",
        LONGEST,
    )


def gap_of(check: StoredCheck, run: StoredRun) -> str:
    """The gap a check is evidence of, in full."""
    gap = run.gap(check.gap_id)
    return gap_line(gap, run.at) if gap else "No gap is registered for it."


def counted(run: StoredRun) -> str:
    """How many gaps there are by severity: "14 open gaps: 1 blocker, 2 high"."""
    gaps = run.unresolved
    parts = [
        f"{size} {severity.value}"
        for severity in Severity
        if (size := sum(gap.severity is severity for gap in gaps))
    ]
    noun = "open gap" if len(gaps) == 1 else "open gaps"
    return f"{len(gaps)} {noun}{': ' if parts else ''}{', '.join(parts)}"


def calm(text: str) -> str:
    """A line of a job's log without "##", which starts a command even inside a line: Azure's, and GitHub's older ones."""
    return _TWO_SIGNS.sub("# ", text)


def _shown(value: float | str | bool | None) -> str:
    return "nothing" if value is None else visible(value, _SHORT)


def _sentence(text: str) -> str:
    """The text, ended with a full stop."""
    said = visible(text, LONGEST)
    return said if said.endswith((".", "!", "?", "…")) else f"{said}."
