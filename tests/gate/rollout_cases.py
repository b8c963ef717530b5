"""A rollout section to start from: four stages, one guardrail that holds, one trigger that has not fired."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EXPERIMENT = "quoting_v2"
DAY = 86_400
TRIGGER = {
    "metric": "hire_rate_7d", "variant": "treatment", "days": ["2026-11-08", "2026-11-09"], "falls": [0.012, 0.015],
    "max_fall": 0.01, "reason": "hire_rate_7d of treatment fell by more than 0.01 from one day to the next",
}  # fmt: skip
GUARDRAIL = {
    "metric": "support_tickets_per_100_requests", "variant": "treatment", "kind": "guardrail", "effect": "relative",
    "state": "open", "crossed_on": None, "safe_on": None, "planned_units": 5600.0, "reason": None,
    "looks": [{"day": "2026-11-10", "units": 2800, "estimate": 0.03, "lower": -0.1, "upper": 0.16}],
}  # fmt: skip
WATCH = {
    "metric": "hire_rate_7d", "variant": "treatment", "max_fall": 0.01, "days": 2, "min_units": 100, "reason": None,
    "trigger": None, "moves": [{"day": "2026-11-09", "move": "unjudged", "fall": None, "why": "2026-11-09 is not over"}],
}  # fmt: skip
DOCUMENT = {
    "experiment": EXPERIMENT, "evaluated_at": "2026-11-20T06:00:00Z", "cap": 10, "starts": [], "rollbacks": [],
    "stages": [{"percent": p, "dwell_seconds": d * DAY} for p, d in ((1.0, 2), (10.0, 7), (50.0, 7), (100.0, 14))],
    "monitored": [GUARDRAIL], "rollback": [WATCH],
}  # fmt: skip


def document(**changes):
    """The section with some of its parts changed."""
    return copy.deepcopy(DOCUMENT) | copy.deepcopy(changes)


def watched(trigger):
    return {**WATCH, "trigger": trigger}


def guardrail(state, **changes):
    return {**GUARDRAIL, "state": state, **changes}


def entry(number, kind, content, days_ago=0.0, by="Ada", experiment=EXPERIMENT):
    """An entry of the journal, so many days before NOW."""
    at = NOW - timedelta(days=days_ago)
    return SimpleNamespace(number=number, kind=kind, content=content, at=at, by=by, experiment=experiment)


def started(number, percent, days_ago, **content):
    return entry(number, "stage_started", {"percent": percent, "forced": False, **content}, days_ago)


def forced(number, percent, days_ago, **content):
    return started(number, percent, days_ago, forced=True, reason="we know", **content)


def rolled_back(number, days_ago, days=("2026-11-01", "2026-11-02"), **content):
    found = {
        "metric": "hire_rate_7d",
        "variant": "treatment",
        "days": list(days),
        "reason": "it fell",
        **content,
    }
    return entry(number, "rolled_back", found, days_ago)
