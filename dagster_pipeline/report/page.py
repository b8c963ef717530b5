"""Everything the page, the summary and the terminal show, put together once."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.balance_view import BalanceView, UnitJoinRow, balance_view, unit_join_rows
from dagster_pipeline.report.calibration_view import CalibrationView, calibration_view
from dagster_pipeline.report.decision_view import DecisionView, decision_views, open_gaps_by_severity
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.gap_view import GapView, gap_views
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.prospects_view import ProspectsView, prospects_views
from dagster_pipeline.report.scenario_view import ScenariosView, scenarios_views
from dagster_pipeline.report.table_views import (
    ChecksView,
    MetricsView,
    absences,
    checks_view,
    metrics_views,
)
from dagster_pipeline.report.triage_view import TriageView, triage_view
from dagster_pipeline.report.words import GLOSSARY, METHOD


@dataclass(frozen=True)
class Page:
    """One run, in words and written figures only; nothing here needs escaping but for its medium."""

    title: str
    run_id: str
    as_of: str
    evaluated_at: str
    decisions: tuple[DecisionView, ...]
    prospects: tuple[ProspectsView, ...]
    scenarios: tuple[ScenariosView, ...]
    gaps: tuple[GapView, ...]
    notes: tuple[GapView, ...]
    resolved: tuple[GapView, ...]
    gaps_by_severity: str
    no_gaps: str
    metrics: tuple[MetricsView, ...]
    balance: BalanceView
    unit_joins: tuple[UnitJoinRow, ...]
    checks: ChecksView
    absences: tuple[str, ...]
    triage: TriageView
    track_record: CalibrationView | None = None
    method: tuple[str, ...] = METHOD
    glossary: tuple[tuple[str, str], ...] = GLOSSARY


def page(report: RunReport) -> Page:
    """Gaps of severity info are ``notes``: they are told, but not put beside those that matter."""
    decisions = decision_views(report)
    unresolved = gap_views(report, report.unresolved)
    first = decisions[0]
    return Page(
        title=first.question or f"{first.verdict.word}: {first.experiment}",
        run_id=visible(report.run_id),
        as_of=fmt.moment(report.as_of),
        evaluated_at=fmt.moment(report.evaluated_at),
        decisions=decisions,
        prospects=prospects_views(report),
        scenarios=scenarios_views(report),
        gaps=tuple(gap for gap in unresolved if not gap.is_info),
        notes=tuple(gap for gap in unresolved if gap.is_info),
        resolved=gap_views(report, report.resolved),
        gaps_by_severity=open_gaps_by_severity(report.unresolved),
        no_gaps=_no_gaps(report),
        metrics=metrics_views(report),
        balance=balance_view(report.sources),
        unit_joins=unit_join_rows(report.unit_joins),
        checks=checks_view(report),
        absences=absences(report),
        triage=triage_view(report),
        track_record=calibration_view(report),
    )


def _no_gaps(report: RunReport) -> str:
    """What an empty register means: finding nothing without looking is no good news."""
    if not report.checks:
        return "No gap is registered, but no check ran either."
    return "No open gap matters to the decision." if report.unresolved else "No gap was found."
