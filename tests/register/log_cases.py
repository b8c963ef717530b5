"""A decision, its brief and people's acts to start from; each test changes what it is about."""

from datetime import UTC, datetime, timedelta

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.decision_record import DataSnapshot, SourceSnapshot, decision_record
from dagster_pipeline.register.journal import append_entry

AT = datetime(2026, 11, 6, 6, 12, 41, 123456, tzinfo=UTC)
AS_OF = datetime(2026, 11, 6, tzinfo=UTC)
EXPERIMENT = "quoting_v2"
VERSION = "3f" * 32

BRIEF = {
    "version": VERSION,
    "signatures": [{"by": "Ada Chen", "at": "2026-11-02T09:00:00Z", "note": None}],
    "content": {
        "brief": {
            "experiment": EXPERIMENT,
            "question": "Expand the new quoting workflow now, by cohort, or hold?",
            "context": "Pros answer too late.",
            "options": [
                {
                    "name": "Expand now",
                    "benefit": "faster quotes",
                    "rice": {"reach": 10, "impact": 2, "confidence": 0.5, "effort": 4},
                },
                {"name": "By cohort", "risk": "two workflows"},
                {"name": "Hold"},
            ],
            "guardrails": [
                {
                    "metric": "support_tickets_per_100_requests",
                    "effect": "relative",
                    "max_increase": 0.1,
                }
            ],
            "rollout": {
                "stages": [{"percent": 1.0, "dwell": "3d"}, {"percent": 10.0, "dwell": "7d"}],
                "rollback": [{"metric": "hire_rate_7d", "max_fall": 0.01, "days": 2}],
            },
            "actions": [
                {"what": "Replay the lost events", "owner": "Data platform", "due": "2026-11-13T00:00:00Z"}
            ],
            "review_date": "2026-12-01T00:00:00Z",
        },
        "metrics": {},
    },
}


def a_verdict(verdict="HOLD", **fields):
    guardrail = {
        "metric": "support_tickets_per_100_requests", "variant": "treatment", "kind": "guardrail",
        "outcome": "passed", "threshold": 0.1, "estimate": 0.031, "ci_lower": -0.044, "ci_upper": 0.106,
        "lower": 0.018, "upper": 0.052, "delta_star": None,
    }  # fmt: skip
    return {
        "schema_version": 1, "experiment": EXPERIMENT, "verdict": verdict, "segments": [], "stage": None,
        "criteria": [guardrail], "blocked_by": [], "waivers": [],
        "reasons": [f"{verdict}: 18% of quotes miss the variant."],
        "as_of": "2026-11-06T00:00:00Z", "evaluated_at": "2026-11-06T06:12:41Z", **fields,
    }  # fmt: skip


def a_gap(severity=Severity.HIGH, status=GapStatus.OPEN, kind="missing_variant", **fields):
    identity = gap_id(kind, fields.get("experiment"), "quotes", "variant", None)
    return Gap(
        gap_id=identity, kind=kind, experiment=fields.pop("experiment", None), table="quotes",
        column="variant", segment=None, description="18% of quotes", status=status, severity=severity,
        severity_reason="", rows_total=100, rows_affected=18, share_affected=0.18, share_residual=0.06,
    )  # fmt: skip


def a_snapshot(run_id="run-1", at=AT, gaps=()):
    sources = (
        SourceSnapshot("quotes", "ok", 1_000, 990, AS_OF - timedelta(hours=30), True, "ab" * 32),
        SourceSnapshot("messages", "missing"),
    )
    return DataSnapshot(run_id, AS_OF, at, "cd" * 32, sources, tuple(gaps))


def a_record(verdict=None, journal=(), fault=None, brief=BRIEF, **snapshot):
    return decision_record(verdict or a_verdict(), brief, a_snapshot(**snapshot), journal, fault)


def objects(journal, text="The guardrail is too wide.", by="Bo Lind"):
    """An objection in a journal's file."""
    return append_entry(
        journal,
        kind="dissent",
        by=by,
        experiment=EXPERIMENT,
        content={"text": text},
        at=AT - timedelta(days=1),
    )
