"""What a run leaves in Dagster itself, beside its files: tags it is found by, the trend of its gaps, its new blockers."""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.defs.metadata import unresolved
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.look_backs import GapOnDay, gaps_by_day
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.trend_plot import Line, svg_data_uri, trend_plot
from dagster_pipeline.report.words import kind_title, place

NEW_BLOCKERS = "new_blockers"
"""Metadata of the report: gaps that became blockers in this run, each as the sensor tells it."""
MOST_LINES = 8
"""Gaps drawn in a trend; more can't be told from each other."""
_MAY_MAKE_A_BLOCKER = (EventKind.OPENED, EventKind.SEVERITY_CHANGED, EventKind.REOPENED)


def mark_run(context: dg.AssetExecutionContext, report: RunReport, run: PlumblineRun) -> dict[str, Any]:
    """Tags the run, and gives the metadata of its report that only an instance outliving the run has readers for."""
    context.instance.add_run_tags(context.run.run_id, run_tags(report, run))
    if context.instance.is_ephemeral:
        return {}
    looks_back = {"looks_back_at": run.day} if run.is_look_back else {}
    blockers = {NEW_BLOCKERS: new_blockers(report.gaps, report.events)}
    return looks_back | blockers | trend_metadata(report.gaps, run)


def new_blockers(gaps: Iterable[Gap], events: Iterable[GapEvent]) -> list[dict[str, Any]]:
    """The gaps that are blockers since these events: opened as one, found again as one, or grown into one."""
    changed = {found.gap_id for found in events if found.event in _MAY_MAKE_A_BLOCKER}
    return [
        {"gap_id": gap.gap_id, "table": gap.table, "what": f"{kind_title(gap.kind)} in {place(gap)}"}
        for gap in unresolved(gaps)
        if gap.severity is Severity.BLOCKER and gap.gap_id in changed
    ]


def verdicts(report: RunReport) -> str:
    """The verdicts of a run in the order of its decisions, the first one's leading: "HOLD", or "HOLD, GO"."""
    return ", ".join(str(found["verdict"]) for found in report.decisions)


def run_tags(report: RunReport, run: PlumblineRun) -> dict[str, str]:
    """What a run is found by in Dagster's list of runs."""
    return {
        "plumbline/run_id": run.run_id,
        "plumbline/as_of": f"{run.config.as_of:%Y-%m-%dT%H:%M:%SZ}",
        "plumbline/engine": run.config.warehouse.engine,
        "plumbline/verdict": verdicts(report),
        "plumbline/kind": "readiness" if run.is_readiness else "look back" if run.is_look_back else "run",
    }


def trend_metadata(gaps: Sequence[Gap], run: PlumblineRun) -> dict[str, Any]:
    """How large each open gap above info was day by day, as a picture; nothing before there are two days to compare."""
    shown = [gap for gap in unresolved(gaps) if gap.severity is not Severity.INFO][:MOST_LINES]
    with run.engine.read_published(run.warehouse_path) as connection:
        known = gaps_by_day(connection)
    lines = tuple(_line(gap, known) for gap in shown)
    picture = trend_plot(lines)
    if picture is None:
        return {}
    text = f"![Share of rows that no repair mends, by day]({svg_data_uri(picture)})"
    return {"trend": dg.MetadataValue.md(f"{text}\n\n{_legend(lines)}")}


def _line(gap: Gap, known: Sequence[GapOnDay]) -> Line:
    own = [(found.as_of, found.share) for found in known if found.gap_id == gap.gap_id]
    return Line(f"{kind_title(gap.kind)} in {place(gap)}", gap.severity.value, tuple(own))


def _legend(lines: Sequence[Line]) -> str:
    rows = [f"| {line.number(lines)} | {markdown_text(line.name, 120)} | {line.severity} |" for line in lines]
    return "\n".join(["| line | gap | severity |", "|---|---|---|", *rows])
