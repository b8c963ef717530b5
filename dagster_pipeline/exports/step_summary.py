"""A run as the Markdown a CI system shows on the page of a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.exports.reading import JudgedVerdict, StoredCriterion, StoredRun
from dagster_pipeline.exports.wording import (
    LONGEST,
    about,
    check_line,
    counted,
    demand,
    figure,
    gap_line,
    gap_title,
    is_waived,
)
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.gate.verdict_file import GO
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.report.markdown import bullets, table
from dagster_pipeline.report.words import OUTCOME, SEVERITY, STATUS

ROOM = 900_000
"""Bytes a summary takes at most; GitHub reads 1 MiB a step."""


def step_summary(run: StoredRun, room: int = ROOM) -> str:
    """Verdicts, demands, gaps and checks that did not pass; a run with a fault is its fault.

    Gaps that do not fit into ``room`` (bytes) are counted: register.json has them.
    """
    if run.fault is not None:
        return (
            f"## ✕ Plumbline: not evaluated\n\n{markdown_text(run.fault, LONGEST)}\n\nThis blocks a launch.\n"
        )
    parts = [line for found in run.verdicts for line in _verdict(found)]
    parts += list(_checks(run))
    head = "\n".join(parts)
    return f"{head}\n{_gaps(run, room - len(head.encode('utf-8')))}"


def _verdict(found: JudgedVerdict) -> Iterator[str]:
    allowed = found.answer.exit_code == GO
    sign, said = ("✓", "launch allowed") if allowed else ("✕", "launch blocked")
    yield f"## {sign} {found.stored.verdict.value} for {markdown_text(about(found))}: {said}"
    yield from bullets("", found.answer.lines)
    if found.criteria:
        yield ""
        header = ("Demand", "Result", "Threshold", "Estimate", "Interval", "Gaps allow")
        yield from table(header, map(_demand, found.criteria))
    yield ""


def _demand(criterion: StoredCriterion) -> Sequence[str]:
    mark = OUTCOME[criterion.outcome]
    shown = {name: figure(criterion, name) for name in criterion.figures}
    return (
        demand(criterion),
        f"{mark.sign} {mark.word}",
        shown["threshold"],
        shown["estimate"],
        f"{shown['ci_lower']} to {shown['ci_upper']}",
        f"{shown['lower']} to {shown['upper']}",
    )


def _checks(run: StoredRun) -> Iterator[str]:
    size = {status: sum(check.status is status for check in run.checks) for status in CheckStatus}
    yield "### Checks"
    yield ""
    yield (
        f"{size[CheckStatus.PASSED]:,} passed, {size[CheckStatus.FAILED]:,} failed, "
        f"{size[CheckStatus.ERROR]:,} could not run."
    )
    for status in (CheckStatus.ERROR, CheckStatus.FAILED):
        title = "Could not run:" if status is CheckStatus.ERROR else "Failed:"
        yield from bullets(title, [check_line(check) for check in run.checks if check.status is status])
    yield ""


def _gaps(run: StoredRun, room: int) -> str:
    """The gaps as a table, worst first, as many as there is room for."""
    header = ("Severity", "Gap", "What", "Affected → left", "Status", "Owner")
    lines = ["### Gaps", "", f"{counted(run)}.", ""]
    shown = list(table(header, (_gap(gap, run) for gap in run.unresolved))) if run.unresolved else []
    left = room - sum(len(line.encode("utf-8")) + 1 for line in lines)
    kept = 0
    for line in shown:
        left -= len(line.encode("utf-8")) + 1
        if left < 0:
            break
        kept += 1
    lines += shown[:kept]
    if kept < len(shown):
        lines += [
            "",
            f"**{len(shown) - max(kept, 2):,} more gaps do not fit here:** register.json has them all.",
        ]
    return "\n".join(lines) + "\n"


def _gap(gap: Gap, run: StoredRun) -> Sequence[str]:
    mark = SEVERITY[gap.severity]
    return (
        f"{mark.sign} {mark.word}",
        gap_title(gap),
        gap_line(gap, run.at),
        f"{fmt.share(gap.share_affected)} → {fmt.share(gap.share_residual)}",
        "waived" if is_waived(gap, run) else STATUS[gap.status],
        gap.owner or fmt.ABSENT,
    )
