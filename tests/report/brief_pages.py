"""Pages of a brief with everything in it, of one of attacks, and of one with nothing but its rules."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sample_report import HOSTILE

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gate.brief_version import Signature, brief_status
from dagster_pipeline.register.brief_history import BriefSeen
from dagster_pipeline.report.brief_page import LastRun, brief_page
from dagster_pipeline.report.meeting_page import meeting_page, pre_reads

AT = datetime(2026, 11, 6, 9, 30, tzinfo=UTC)
METRICS = metric_definitions()
RULES = {
    "criteria": [
        {"metric": "ttfq_median", "min_improvement": 0.10, "min_bound": 0.05},
        {"metric": "hire_rate_7d", "min_delta": -0.005, "min_bound": -0.010},
    ],
    "guardrails": [{"metric": "support_tickets_per_100_requests", "max_increase": 0.10}],
}
BARE = {"experiment": "quoting_v2", **RULES}
FULL = {
    **BARE,
    "question": "Expand the new quoting workflow now, by cohort, or hold?",
    "context": "Quotes arrive slowly at peak hours.",
    "cohort": {"geo": ["us", "ca"]},
    "segments": "category",
    "options": [
        {"name": "Expand", "benefit": "Faster", "cost": "Two engineers", "risk": "Hires fall", "effort": "2 weeks",
         "rice": {"reach": 1000, "impact": 2, "confidence": 0.8, "effort": 2}},
        {"name": "Wait", "description": "Another month"},
        {"name": "Hold", "rice": {"reach": 1000, "impact": 1, "confidence": 0.9, "effort": 1}},
    ],
    "value": {
        "currency": "EUR", "per_day": {"hire_rate_7d": 2_000_000, "ttfq_median": -50_000},
        "incident": {"cost": 500_000, "probability": 0.01}, "infrastructure_per_day": 300,
    },
    "rollout": {
        "stages": [{"percent": 1, "dwell": "2d"}, {"percent": 10, "dwell": "36h"}],
        "rollback": [{"metric": "hire_rate_3d", "max_fall": 0.01}],
    },
    "launch_date": "2026-12-01",
    "signature": "required",
    "owners": {"responsible": "Ada", "accountable": "Vera (VP)", "missing_variant": "Experimentation", "hires": "Finance"},
    "actions": [{"what": "Tell the pros", "owner": "Ada", "due": "2026-11-20"}],
    "review_date": "2027-01-15",
}  # fmt: skip
EXPERIMENT = Experiment.model_validate(
    {
        "id": "quoting_v2", "control": "control", "split": {"control": 0.5, "treatment": 0.5},
        "window": {"start": "2026-10-01", "end": "2026-10-29"},
    }
)  # fmt: skip


def a_brief(**changes) -> Brief:
    return Brief.model_validate(FULL | changes)


def a_status(brief: Brief, *seen: BriefSeen):
    return brief_status(brief, METRICS, (), seen)


def a_page(brief: Brief | None = None, status=None, last: LastRun | None = None):
    brief = brief or a_brief()
    return brief_page(brief, EXPERIMENT, METRICS, status or a_status(brief), last)


def a_meeting(
    brief: Brief | None = None, last: LastRun | None = None, minutes: int = 30, output: Path = Path("out")
):
    brief = brief or a_brief()
    return meeting_page(brief, METRICS, a_status(brief), last, pre_reads(output, None), minutes)


def hostile_pages():
    """Both pages with an attack in every text that people write."""
    brief = Brief.model_validate(
        {
            **RULES, "experiment": HOSTILE[0].replace("/", "|"), "question": HOSTILE[3], "context": HOSTILE[5],
            "cohort": {text: list(HOSTILE) for text in HOSTILE}, "segments": [HOSTILE[0], HOSTILE[2]],
            "options": [dict.fromkeys(("name", "description", "benefit", "cost", "risk", "effort"), t) for t in HOSTILE],
            "value": {"currency": HOSTILE[2], "per_day": dict.fromkeys(HOSTILE, 1)},
            "rollout": {"rollback": [{"metric": HOSTILE[0], "max_fall": 1}]},
            "owners": dict(zip(HOSTILE, reversed(HOSTILE), strict=True)) | {"accountable": HOSTILE[0]},
            "actions": [{"what": text, "owner": text, "due": "2026-11-20"} for text in HOSTILE],
        }
    )  # fmt: skip
    status = a_status(Brief.model_validate(BARE))
    signatures = tuple(Signature(text, AT, status.version, text) for text in HOSTILE)
    changed = {"signatures": signatures, "last_signature": signatures[-1], "changes_after_data": HOSTILE}
    status = type(status)(**(status.__dict__ | changed | {"changed_after_data": True, "first_data_at": AT}))
    last = LastRun("HOLD", AT, HOSTILE[0], HOSTILE[3])
    return (
        brief_page(brief, EXPERIMENT, METRICS, status, last),
        meeting_page(brief, METRICS, status, last, pre_reads(Path(HOSTILE[0]), Path(HOSTILE[3])), 30),
    )
