"""Gaps and checks as plain JSON values, in the shape and key order of register.json (DESIGN.md §7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import Any

from dagster_pipeline.checks.result import CheckResult
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus, GapWaiver, Impact, Life
from dagster_pipeline.statistics.vocabulary import Direction

Json = dict[str, Any]


@dataclass(frozen=True)
class RegisteredCheck:
    """A check result and the gap it is evidence of; None where it found nothing to register."""

    check: CheckResult
    gap_id: str | None = None


def iso_z(moment: datetime | None) -> str | None:
    """ISO-8601 in UTC with a Z; a naive moment is read as UTC."""
    if moment is None:
        return None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def from_iso_z(text: str | None) -> datetime | None:
    """Reads what ``iso_z`` wrote."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def plain(value: Any) -> Any:
    """Gives what JSON can hold: numpy scalars as Python's, NaN and infinity as null, no lone surrogates."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, datetime):
        return iso_z(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return _plain_number(value)


def _plain_number(value: Any) -> Any:
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) or hasattr(value, "__float__"):
        number = float(value)
        return number if math.isfinite(number) else None
    if hasattr(value, "item"):  # numpy.bool_ is neither bool nor number
        return plain(value.item())
    return plain(str(value))


def impact_document(impact: Impact) -> Json:
    """One impact; ``reason`` and ``break_even_share`` appear only where there is something to say."""
    document: Json = {
        "metric": impact.metric,
        "variant": impact.variant,
        "effect": str(impact.effect),
        "unmitigated": impact.unmitigated,
        "mitigated": impact.mitigated,
        "lower": impact.lower,
        "upper": impact.upper,
        "bias_lower": impact.bias_lower,
        "bias_upper": impact.bias_upper,
        "direction": impact.direction.value,
        "expected_direction": impact.expected_direction.value,
        "flips_decision": bool(impact.flips_decision),
        "delta_star": impact.delta_star,
    }
    if impact.reason is not None:
        document["reason"] = impact.reason
    if impact.break_even_share is not None:
        document["break_even_share"] = impact.break_even_share
    return document


def gap_document(gap: Gap) -> Json:
    """One gap in the shape of register.json."""
    document: Json = {
        "gap_id": gap.gap_id,
        "kind": gap.kind,
        "experiment": gap.experiment,
        "table": gap.table,
        "column": gap.column,
        "segment": gap.segment,
        "description": gap.description,
        "status": gap.status.value,
        "severity": gap.severity.value,
        "severity_reason": gap.severity_reason,
        "rows_total": gap.rows_total,
        "rows_affected": gap.rows_affected,
        "share_affected": gap.share_affected,
        "share_residual": gap.share_residual,
        "by_variant": gap.by_variant,
        "differential": bool(gap.differential),
        "metrics": [impact_document(impact) for impact in gap.metrics],
        "mitigation": gap.mitigation,
        "residual_risk": gap.residual_risk,
        "contingency": gap.contingency,
        "owner": gap.owner,
        "first_seen": gap.first_seen,
        "last_seen": gap.last_seen,
        "lifecycle": life_document(gap.life),
    }
    return {key: plain(value) for key, value in document.items()}


def life_document(life: Life) -> Json:
    """A gap's life in the shape of register.json."""
    return {
        "opened_at": iso_z(life.opened_at),
        "acknowledged_at": iso_z(life.acknowledged_at),
        "resolved_at": iso_z(life.resolved_at),
        "resolved_by": life.resolved_by,
        "openings": life.openings,
        "assigned_to": life.assigned_to,
        "waiver": waiver_document(life.waiver) if life.waiver else None,
        "is_false_positive": life.is_false_positive,
        "unmeasured_since": iso_z(life.unmeasured_since),
        "level": life.level,
    }


def life_from(document: Mapping[str, Any] | None) -> Life:
    """Reads back what ``life_document`` gave; an empty life for a gap of a time before there were any."""
    if document is None:
        return Life()
    moments = ("opened_at", "acknowledged_at", "resolved_at", "unmeasured_since")
    fields = dict(document) | {name: from_iso_z(document[name]) for name in moments}
    fields["waiver"] = waiver_from(fields["waiver"]) if fields["waiver"] else None
    return Life(**fields)


def waiver_document(waiver: GapWaiver) -> Json:
    """A waiver as plain JSON values."""
    return {
        "owner": waiver.owner,
        "approver": waiver.approver,
        "why": waiver.why,
        "scope": waiver.scope,
        "granted_at": iso_z(waiver.granted_at),
        "expires_at": iso_z(waiver.expires_at),
        "share": waiver.share,
        "tolerance": waiver.tolerance,
    }


def waiver_from(document: Mapping[str, Any]) -> GapWaiver:
    """Reads back what ``waiver_document`` gave. Raises KeyError, TypeError or ValueError for anything else."""
    granted, expires = from_iso_z(document["granted_at"]), from_iso_z(document["expires_at"])
    if granted is None or expires is None:
        raise ValueError("a waiver needs both its dates")
    share = document["share"]
    return GapWaiver(
        owner=str(document["owner"]),
        approver=str(document["approver"]),
        why=str(document["why"]),
        scope=None if document["scope"] is None else str(document["scope"]),
        granted_at=granted,
        expires_at=expires,
        share=None if share is None else float(share),
        tolerance=float(document["tolerance"]),
    )


def gap_from_document(document: Mapping[str, Any]) -> Gap:
    """Reads back what ``gap_document`` gave; KeyError or ValueError where it is something else."""
    fields = dict(document)
    fields["life"] = life_from(fields.pop("lifecycle", None))
    fields["status"] = GapStatus(fields["status"])
    fields["severity"] = Severity(fields["severity"])
    fields["metrics"] = tuple(_impact_from(impact) for impact in fields["metrics"])
    fields["first_seen"] = from_iso_z(fields["first_seen"])
    fields["last_seen"] = from_iso_z(fields["last_seen"])
    return Gap(**fields)


def _impact_from(document: Mapping[str, Any]) -> Impact:
    fields = dict(document)
    fields["direction"] = Direction(fields["direction"])
    fields["expected_direction"] = Direction(fields["expected_direction"])
    return Impact(**fields)


def check_document(registered: RegisteredCheck) -> Json:
    """One check in the shape of register.json."""
    check = registered.check
    return {
        "suite": plain(check.suite),
        "expectation": plain(check.expectation),
        "table": plain(check.table),
        "column": plain(check.column),
        "status": check.status.value,
        "observed": plain(check.observed),
        "threshold": plain(check.threshold),
        "gap_id": registered.gap_id,
    }


def link_checks(checks: Sequence[CheckResult], gaps: Sequence[Gap]) -> tuple[RegisteredCheck, ...]:
    """Ties every check to the gap of its kind on its table and column, or to one about the whole table."""
    return tuple(RegisteredCheck(check, _gap_of(check, gaps)) for check in checks)


def _gap_of(check: CheckResult, gaps: Sequence[Gap]) -> str | None:
    """A check that could not run is evidence of ``not_evaluated``, or of the column that is gone, not of what it looks for."""
    kinds = ("not_evaluated", "schema_change") if check.status.value == "error" else (check.gap_kind,)
    column = check.gap_column or check.column
    for kind, wanted in ((kind, wanted) for kind in kinds for wanted in (column, None)):
        found = [gap for gap in gaps if (gap.kind, gap.table, gap.column) == (kind, check.table, wanted)]
        unresolved = [gap.gap_id for gap in found if gap.status is not GapStatus.RESOLVED]
        if len(unresolved) == 1:
            return unresolved[0]
    return None
