"""register.json, verdict.json and metrics.json, in the shapes and key order of DESIGN.md §7."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from dagster_pipeline.register.documents import Json, check_document, gap_document, iso_z, plain
from dagster_pipeline.report.model import EffectRow, LevelRow, RunReport, VerdictDocument

SCHEMA_VERSION = 1
_VERDICT_KEYS = (
    "schema_version",
    "experiment",
    "verdict",
    "segments",
    "stage",
    "criteria",
    "blocked_by",
    "waivers",
    "reasons",
    "as_of",
    "evaluated_at",
)


@cache
def schema(
    name: Literal["register", "verdict", "metrics", "scenarios", "decision", "track_record", "alerts"],
) -> Json:
    """The JSON Schema (draft 2020-12) of one of the files a run leaves behind."""
    text = files(__package__).joinpath("schemas", f"{name}.schema.json").read_text(encoding="utf-8")
    found: Json = json.loads(text)
    return found


def json_text(document: Any) -> str:
    """Indented JSON with a final newline; ValueError rather than a NaN or an infinity."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def register_document(report: RunReport) -> Json:
    """What register.json holds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": plain(report.run_id),
        "as_of": iso_z(report.as_of),
        "gaps": [gap_document(gap) for gap in report.gaps],
        "checks": [check_document(check) for check in report.checks],
        "coverage": {
            "critical_fields": report.coverage.critical_fields,
            "monitored_fields": report.coverage.monitored_fields,
        },
    }


def verdict_document(verdict: VerdictDocument) -> Json:
    """What verdict.json holds: the gate's decision, cleaned of what JSON can't hold."""
    ordered = {key: plain(verdict[key]) for key in _VERDICT_KEYS}
    return ordered | {key: plain(value) for key, value in verdict.items() if key not in ordered}


def metrics_document(report: RunReport) -> Json:
    """What metrics.json holds."""
    tables = report.metrics
    return {
        "levels": [_level(row) for row in tables.levels],
        "effects": [_effect(row) for row in tables.effects],
        "segment_levels": [_level(row) for row in tables.segment_levels],
        "segment_effects": [_effect(row) for row in tables.segment_effects],
    }


def _place(row: LevelRow | EffectRow) -> Json:
    segment = {} if row.segment is None else {"segment": row.segment}
    return {"experiment": row.experiment or None, **segment, "metric": row.metric, "variant": row.variant}


def _level(row: LevelRow) -> Json:
    value = plain(row.value)
    document = {
        **_place(row),
        "n": row.n,
        "value": value,
        "reason": row.reason if value is not None or row.reason else "not available",
        "ci_lower": row.ci_lower,
        "ci_upper": row.ci_upper,
    }
    return {key: plain(item) for key, item in document.items()}


def _effect(row: EffectRow) -> Json:
    document = {
        **_place(row),
        "effect": str(row.effect),
        "estimate": row.estimate,
        "ci_lower": row.ci_lower,
        "ci_upper": row.ci_upper,
        "lower": row.lower,
        "upper": row.upper,
    }
    if row.reason is not None:
        document["reason"] = row.reason
    return {key: plain(item) for key, item in document.items()}
