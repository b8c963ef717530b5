"""Gaps, acts and runs for tests about the life of a gap."""

from datetime import UTC, datetime, timedelta

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import Gap, GapStatus, GapWaiver
from dagster_pipeline.register.acts import ActKind, GapAct
from dagster_pipeline.register.history import Evaluation, merge

FIRST = datetime(2026, 11, 6, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND, THIRD = FIRST + DAY, FIRST + 2 * DAY
KINDS = frozenset({"missing_values", "orphan_rows", "stale_source"})


def a_gap(kind="missing_values", table="quotes", column="price", severity=Severity.HIGH, **fields):
    shown = {"owner": "Ada Chen", "share_residual": 0.06} | fields
    return Gap(
        gap_id=gap_id(kind, None, table, column),
        kind=kind,
        experiment=None,
        table=table,
        column=column,
        segment=None,
        description="12% of prices are null",
        status=GapStatus.OPEN,
        severity=severity,
        severity_reason="71% of the worst case would flip GO to HOLD",
        rows_total=1000,
        rows_affected=124,
        share_affected=shown.pop("share_affected", 0.124),
        **shown,
    )


def a_waiver(**fields):
    given = {
        "owner": "Ada Chen",
        "approver": "Ben Ito",
        "why": "the backfill lands on Monday",
        "scope": None,
        "granted_at": FIRST,
        "expires_at": FIRST + 5 * DAY,
        "share": 0.06,
        "tolerance": 0.1,
    }
    return GapWaiver(**(given | fields))


def an_act(kind, gap=None, at=FIRST, **fields):
    given = {"digest": f"{kind}-{at}"} | fields
    if kind is ActKind.ASSIGN:
        given.setdefault("owner", "ops")
    if kind is ActKind.ACCEPT:
        given.setdefault("waiver", a_waiver())
    identity = gap_id("missing_values", None, "quotes", "price") if gap is None else gap
    return GapAct(kind, identity, "Ben", at, "looked at it this morning", **given)


def nothing_found(unread=()):
    return Evaluation(KINDS, unread=frozenset(unread))


def run(prior, measured, at, evaluation=None, **people):
    return merge(prior, measured, evaluation or nothing_found(), run_id=f"run-{at:%d}", at=at, **people)
