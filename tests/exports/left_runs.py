"""Output folders as a run leaves them: small, with real documents and a real record."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus, GapWaiver, Life
from dagster_pipeline.register.documents import gap_document, iso_z

AS_OF = datetime(2026, 11, 6, tzinfo=UTC)
EVALUATED = AS_OF + timedelta(hours=6)
NOW = AS_OF + timedelta(hours=7)
EXPERIMENT = "quoting_v2"

HOSTILE = (
    "<script>alert(1)</script> ]]> &amp; <!-- --> '\"",
    "line\n::error::forged\r\n##vso[task.setvariable variable=verdict]GO",
    "##[add-mask]GO ###[group]x %0A%25 ; ] , : %AZP25",
    "\x00\x07\x1b[31mred\x1b[0m \u202eevil\u200b \ufffe \U000e0001",
    "| a | b |\n|--|--| `code` **bold** [link](javascript:alert(1)) @everyone {0} {{ 7 }}",
    "=cmd|'/C calc'!A0",
    "x" * 5_000,
    "../../etc/passwd?%2e%2e#:~\\",
)


def a_waiver(**changes):
    fields = {
        "owner": "Ada Chen", "approver": "Bo Lindt", "why": "The backfill lands on Monday", "scope": None,
        "granted_at": AS_OF - timedelta(days=1), "expires_at": NOW + timedelta(days=7), "share": 0.06, "tolerance": 0.1,
    }  # fmt: skip
    return GapWaiver(**(fields | changes))


def a_gap(number=1, severity=Severity.HIGH, **changes):
    fields = {
        "gap_id": f"gap-{number:012x}", "kind": "missing_variant", "experiment": None, "table": "quotes",
        "column": "variant", "segment": None, "description": f"Thing {number} is wrong", "status": GapStatus.OPEN,
        "severity": severity, "severity_reason": "It can turn the answer", "rows_total": 1_000, "rows_affected": 180,
        "share_affected": 0.18, "share_residual": 0.06, "first_seen": AS_OF, "last_seen": AS_OF,
    }  # fmt: skip
    return Gap(**(fields | changes))


def accepted(number=1, waiver=None, **changes):
    life = Life(opened_at=AS_OF, openings=1, waiver=waiver or a_waiver())
    return a_gap(number, status=GapStatus.ACCEPTED, life=life, **changes)


def a_check(status="passed", gap_id=None, **changes):
    fields = {
        "suite": "quotes", "expectation": "expect_column_values_to_not_be_null", "table": "quotes",
        "column": "variant", "status": status, "observed": 0.18, "threshold": 0.005, "gap_id": gap_id,
    }  # fmt: skip
    return fields | changes


def a_criterion(outcome="passed", metric="hire_rate_7d", **changes):
    fields = {
        "metric": metric, "variant": "treatment", "kind": "criterion", "outcome": outcome, "threshold": -0.005,
        "estimate": 0.0042, "ci_lower": -0.0013, "ci_upper": 0.0097, "lower": None, "upper": 0.01, "delta_star": 0.7,
    }  # fmt: skip
    return fields | changes


def a_verdict(verdict="HOLD", experiment=EXPERIMENT, **changes):
    fields = {
        "schema_version": 1, "experiment": experiment, "verdict": verdict, "segments": [], "stage": None,
        "criteria": [a_criterion()], "blocked_by": [], "waivers": [], "reasons": [f"{verdict}: because."],
        "as_of": iso_z(AS_OF), "evaluated_at": iso_z(EVALUATED),
    }  # fmt: skip
    return fields | changes


def leave(folder: Path, gaps=(), checks=(), verdicts=None, *, recorded=True, register=None) -> Path:
    """Writes what a run leaves; ``register`` are keys of register.json to be otherwise."""
    verdicts = verdicts or [a_verdict()]
    whole = {
        "schema_version": 1, "run_id": "run-7", "as_of": iso_z(AS_OF), "gaps": [gap_document(gap) for gap in gaps],
        "checks": list(checks), "coverage": {"critical_fields": 1, "monitored_fields": 1},
    }  # fmt: skip
    files = {"register.json": whole | (register or {}), "verdict.json": verdicts[0]}
    if len(verdicts) > 1:
        files |= {f"verdicts/{number}.json": verdict for number, verdict in enumerate(verdicts)}
    digests = {}
    for name, document in files.items():
        text = json.dumps(document)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        digests[name] = hashlib.sha256(text.encode("utf-8")).hexdigest()
    if recorded:
        record = {"schema_version": 1, "state": "finished", "run_id": "run-7", "files": digests}
        (folder / ".run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def every_outcome(folder: Path) -> Path:
    """One of everything there is to say, blocked by the first gap."""
    gaps = (
        a_gap(1, Severity.BLOCKER, kind="stale_source", table="hires", column=None),
        a_gap(2),
        accepted(3, severity=Severity.MEDIUM, kind="orphan_rows", column=None, owner="Supply"),
        a_gap(4, Severity.LOW, kind="missing_values", column="quoted_at"),
        a_gap(5, Severity.INFO, kind="not_evaluated", table="dashboards", column=None),
        a_gap(6, Severity.INFO, status=GapStatus.RESOLVED, kind="conflicting_keys"),
        a_gap(7, kind="sample_ratio_mismatch", experiment=EXPERIMENT, table=None, column=None),
    )
    checks = (
        a_check(),
        a_check("failed", gaps[1].gap_id, column="pro_id"),
        a_check("failed", gaps[2].gap_id, suite="hires", table="hires"),
        a_check("failed", None, suite="hires", table="hires", column=None),
        a_check(
            "error", gaps[4].gap_id, suite="dashboards", table="dashboards", observed=None, threshold=None
        ),
    )
    outcomes = ("passed", "failed", "missing", "stale", "errored", "waived")
    verdict = a_verdict(
        criteria=[a_criterion(outcome, f"metric_{outcome}") for outcome in outcomes],
        blocked_by=[gaps[0].gap_id],
        waivers=[{"gap_id": gaps[2].gap_id, "expires_at": iso_z(gaps[2].life.waiver.expires_at)}],
    )
    return leave(folder, gaps, checks, [verdict])


def hostile(folder: Path) -> Path:
    """Every text that may come from a warehouse or a configuration is an attack."""
    severities = list(Severity) * 2
    gaps = [
        a_gap(
            number, severity, table=text, column=text, segment=text, experiment=text, description=text,
            severity_reason=text, mitigation=text, owner=text, residual_risk=text, contingency=text,
        )
        for number, (text, severity) in enumerate(zip(HOSTILE, severities, strict=False), start=1)
    ]  # fmt: skip
    gaps.append(accepted(99, a_waiver(owner=HOSTILE[0], approver=HOSTILE[1], why=HOSTILE[2]), column="price"))
    checks = [
        a_check("failed" if number % 2 else "error", None, suite=text, expectation=text, table=text, column=text,
                observed=text, threshold=text)
        for number, text in enumerate(HOSTILE)
    ]  # fmt: skip
    verdicts = [
        a_verdict(experiment=text, reasons=[text], segments=[text],
                  criteria=[a_criterion("failed", text, variant=text)])
        for text in HOSTILE
    ]  # fmt: skip
    return leave(folder, gaps, checks, verdicts, register={"run_id": HOSTILE[3]})
