"""A brief with everything in it, to be changed by each test where it matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.gate.brief_version import brief_content, brief_version
from dagster_pipeline.register.brief_history import BriefSeen

EXPERIMENT = "quoting_v2"
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)

FULL = {
    "experiment": EXPERIMENT,
    "question": "Expand the new quoting workflow now, by cohort, or hold?",
    "context": "Pros answer from their phones since August.",
    "cohort": {"geo": ["us", "ca"]},
    "segments": "category",
    "criteria": [
        {"metric": "ttfq_median", "min_improvement": 0.10, "min_bound": 0.05},
        {"metric": "hire_rate_7d", "min_delta": -0.005, "min_bound": -0.010},
    ],
    "guardrails": [{"metric": "support_tickets_per_100_requests", "max_increase": 0.10}],
    "options": [
        {
            "name": "Expand",
            "benefit": "Faster quotes",
            "cost": "Two engineers",
            "risk": "Hires fall",
            "effort": "2 weeks",
            "rice": {"reach": 1000, "impact": 2, "confidence": 0.8, "effort": 2},
        },
        {"name": "Hold", "rice": {"reach": 1000, "impact": 1, "confidence": 0.9, "effort": 1}},
    ],
    "value": {
        "per_day": {"hire_rate_7d": 2_000_000, "gmv_per_request": 500},
        "incident": {"cost": 500_000, "probability": 0.01},
        "infrastructure_per_day": 300,
    },
    "rollout": {
        "stages": [{"percent": 1, "dwell": "2d"}, {"percent": 10, "dwell": "7d"}, {"percent": 100, "dwell": "14d"}],
        "rollback": [{"metric": "hire_rate_3d", "max_fall": 0.01}],
        "webhook_variable": "KILL_SWITCH_URL",
    },
    "launch_date": "2026-12-01",
    "readiness": {"lead": "28d", "coverage": 0.9},
    "signature": "required",
    "owners": {
        "responsible": "Ada", "accountable": "Vera (VP)", "consulted": "Legal", "informed": "Sales",
        "missing_variant": "Experimentation", "hires": "Finance data",
    },
    "actions": [{"what": "Tell the pros", "owner": "Ada", "due": "2026-11-20"}],
    "review_date": "2027-01-15",
}  # fmt: skip


def a_brief(**changes) -> Brief:
    """The full brief with some keys changed; None takes one out."""
    given = {key: value for key, value in (FULL | changes).items() if value is not None}
    return Brief.model_validate(given)


def seen(brief: Brief, *, days: float = 0, saw_data: bool = True, run_id: str = "run-1") -> BriefSeen:
    """A run held to a brief, some days after the first noon."""
    definitions = metric_definitions()
    return BriefSeen(
        run_id=run_id,
        at=NOON + timedelta(days=days),
        experiment=str(brief.experiment),
        version=brief_version(brief, definitions),
        document=brief_content(brief, definitions),
        saw_data=saw_data,
    )
