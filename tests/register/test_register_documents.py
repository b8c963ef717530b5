"""Gaps and checks as JSON values."""

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.register.documents import (
    from_iso_z,
    gap_document,
    gap_from_document,
    iso_z,
    link_checks,
    plain,
)
from dagster_pipeline.statistics.vocabulary import Direction

IMPACT = Impact(
    "hire_rate_7d", "treatment", "absolute", 0.01, None, -0.02, 0.03, -0.02, 0.03,
    Direction.EITHER, Direction.NONE, True, 0.71, "unidentified", 0.043,
)  # fmt: skip


def a_gap(kind="missing_values", table="quotes", column="price", **fields):
    defaults = {
        "gap_id": f"gap-{kind}-{column}", "experiment": None, "segment": None, "description": "d",
        "status": GapStatus.ACKNOWLEDGED, "severity": Severity.HIGH, "severity_reason": "r",
        "rows_total": 10, "rows_affected": 1, "share_affected": 0.1, "share_residual": None,
        "by_variant": {"control": 0.1}, "metrics": (IMPACT,), "owner": "ops",
        "first_seen": datetime(2026, 11, 6, tzinfo=UTC), "last_seen": None,
    }  # fmt: skip
    return Gap(kind=kind, table=table, column=column, **(defaults | fields))


def a_check(status=CheckStatus.FAILED, table="quotes", column="price", gap_kind="missing_values"):
    return CheckResult("s", "e", table, column, status, 0.1, 0.005, 1, 10, gap_kind)


def test_a_gap_survives_the_way_to_json_and_back():
    gap = a_gap()
    assert gap_from_document(json.loads(json.dumps(gap_document(gap)))) == gap


def test_numbers_of_every_library_become_plain_and_non_finite_ones_null():
    odd = a_gap(
        rows_total=np.int64(7), share_affected=np.float32(0.5), share_residual=float("nan"),
        differential=np.bool_(True), by_variant={"control": np.float64("inf")},
    )  # fmt: skip
    document = json.loads(json.dumps(gap_document(odd), allow_nan=False))
    assert (document["rows_total"], document["share_affected"], document["share_residual"]) == (7, 0.5, None)
    assert document["differential"] is True
    assert document["by_variant"] == {"control": None}


def test_full_precision_is_kept():
    assert plain(0.1 + 0.2) == 0.1 + 0.2
    assert plain(np.float64(1) / 3) == 1 / 3


def test_a_broken_character_cannot_break_the_file():
    json.dumps(plain("a\ud800b"), ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 6, 1, 2, 3, 456000, tzinfo=UTC), "2026-11-06T01:02:03.456000Z"),
        (datetime(2026, 11, 6, 1, tzinfo=timezone(timedelta(hours=2))), "2026-11-05T23:00:00Z"),
        (datetime(2026, 11, 6), "2026-11-06T00:00:00Z"),  # noqa: DTZ001
    ],
)
def test_moments_are_written_in_utc(moment, text):
    assert iso_z(moment) == text
    assert iso_z(from_iso_z(text)) == text


def test_a_failed_check_points_to_the_gap_it_found():
    gaps = [a_gap(column="price"), a_gap(column="pro_id"), a_gap("duplicate_rows", column=None)]
    checks = [
        a_check(column="pro_id"),
        a_check(column="is_duplicate", gap_kind="duplicate_rows"),
        a_check(column="variant"),
        a_check(table="hires"),
    ]
    found = [item.gap_id for item in link_checks(checks, gaps)]
    assert found == ["gap-missing_values-pro_id", "gap-duplicate_rows-None", None, None]


def test_a_check_that_raised_points_to_not_evaluated_and_never_to_a_finding():
    gaps = [a_gap(), a_gap("not_evaluated")]
    (item,) = link_checks([a_check(CheckStatus.ERROR)], gaps)
    assert item.gap_id == "gap-not_evaluated-price"
    assert link_checks([a_check(CheckStatus.ERROR)], gaps[:1])[0].gap_id is None


def test_no_check_points_to_a_resolved_gap():
    assert link_checks([a_check()], [a_gap(status=GapStatus.RESOLVED)])[0].gap_id is None
