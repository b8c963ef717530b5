"""register.csv: one row per gap, figures unrounded, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.register.documents import gap_document
from dagster_pipeline.report.escape import csv_text
from dagster_pipeline.report.runbooks import runbook_name

_PLAIN = (
    "gap_id",
    "severity",
    "status",
    "kind",
    "experiment",
    "table",
    "column",
    "segment",
    "description",
    "severity_reason",
    "rows_total",
    "rows_affected",
    "share_affected",
    "share_residual",
)
_WORST = (
    "metric",
    "variant",
    "effect",
    "direction",
    "expected_direction",
    "bias_lower",
    "bias_upper",
    "flips_decision",
    "delta_star",
)
_WORDS = ("mitigation", "residual_risk", "contingency", "owner", "first_seen", "last_seen")


def register_csv(gaps: Sequence[Gap]) -> str:
    """Gives the whole file; the impact columns are those of the impact nearest to changing the decision."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerow([*_PLAIN, "by_variant", "differential", "metrics", *_WORST, *_WORDS, "runbook"])
    for gap in gaps:
        writer.writerow([_cell(value) for value in _row(gap_document(gap))])
    return out.getvalue()


def _row(gap: Mapping[str, Any]) -> list[Any]:
    impacts: Sequence[Mapping[str, Any]] = gap["metrics"]
    worst = min(impacts, key=_distance) if impacts else {}
    arms = "; ".join(f"{variant}={share}" for variant, share in gap["by_variant"].items())
    metrics = "; ".join(dict.fromkeys(impact["metric"] for impact in impacts))
    return [
        *(gap[name] for name in _PLAIN),
        arms,
        gap["differential"],
        metrics,
        *(worst.get(name) for name in _WORST),
        *(gap[name] for name in _WORDS),
        runbook_name(gap["kind"]),
    ]


def _distance(impact: Mapping[str, Any]) -> float:
    return float("inf") if impact["delta_star"] is None else float(impact["delta_star"])


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return csv_text(value) if isinstance(value, str) else value
