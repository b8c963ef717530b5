"""Gaps, events and reports to tell of, as small as a message needs them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dagster_pipeline.alerts.compose import News
from dagster_pipeline.config.triage import Alerts, Channel, Triage
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact, Life
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.statistics.vocabulary import Direction

NOW = datetime(2026, 11, 6, 6, tzinfo=UTC)
LINK = "https://reports.example.com/plumbline/"


def a_gap(number=1, severity=Severity.HIGH, **fields):
    defaults = {
        "gap_id": f"gap-{number:012x}", "kind": "stale_source", "experiment": None, "table": "hires",
        "column": None, "segment": None, "description": "The newest hire is 4 days behind.",
        "status": GapStatus.OPEN, "severity": severity, "severity_reason": "Over its threshold",
        "rows_total": 400, "rows_affected": 72, "share_affected": 0.18, "share_residual": 0.06,
        "owner": "Data platform", "first_seen": NOW, "last_seen": NOW, "life": Life(opened_at=NOW, openings=1),
    }  # fmt: skip
    return Gap(**(defaults | fields))


def biased(gap, delta_star=0.194):
    """The gap with what it does to the hire rate."""
    impact = Impact(
        "hire_rate_7d", "treatment", "absolute", 0.0042, 0.0031, -0.0656, 0.0754, -0.0712, 0.0698,
        Direction.EITHER, Direction.DEFLATES, flips_decision=True, delta_star=delta_star,
    )  # fmt: skip
    return replace(gap, metrics=(impact,))


def resolved(gap):
    """The gap after a run found it gone: nothing is left of what it was."""
    return replace(gap, status=GapStatus.RESOLVED, severity=Severity.INFO, metrics=())


def an_event(gap, event=EventKind.OPENED, run="run-1", before=None, after=None, **fields):
    if event is EventKind.OPENED:
        after = gap.severity.value
    return GapEvent(run, fields.pop("at", NOW), gap.gap_id, event, before, after, **fields)


def a_verdict(verdict="HOLD", experiment="quoting_v2"):
    return {
        "schema_version": 1,
        "experiment": experiment,
        "verdict": verdict,
        "criteria": [],
        "blocked_by": [],
    }


def a_report(run="run-1", verdict="HOLD", at=NOW, **fields):
    defaults = {
        "gaps": (), "checks": (), "coverage": Coverage(0, 0), "verdicts": (a_verdict(verdict),),
        "triage": Triage.model_validate(
            {"escalation": {"level_1": ["Ada Chen"], "level_2": ["Bo Lind"]}}
        ),
    }  # fmt: skip
    return RunReport(run_id=run, as_of=at, evaluated_at=at, **(defaults | fields))


def some_news(gaps=(), events=(), was=None, run="run-1", digest=None, **fields):
    """The news of a run on these gaps; resolved ones were what ``was`` says by id."""
    return News(a_report(run, **fields), {g.gap_id: g for g in gaps}, tuple(events), was or {}, digest)


def a_channel(name="ops", least="high", variable="ALERTS_OPS"):
    return Channel(name=name, url_variable=variable, least=least)


def some_alerts(*channels, **fields):
    return Alerts(channels=channels or (a_channel(),), link=LINK, **fields)


def later(days):
    return NOW + timedelta(days=days)
