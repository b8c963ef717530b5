"""The gap kinds as the models describe them, and which metrics each touches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.config.own_metrics import is_own_name, own_name
from dagster_pipeline.paths import bundled

_THRESHOLDS = {
    "missing_values": "null_share",
    "missing_variant": "missing_variant_share",
    "duplicate_rows": "duplicate_share",
    "conflicting_keys": "conflict_share",
    "orphan_rows": "orphan_share",
    "invalid_values": "invalid_share",
    "source_conflict": "source_conflict_share",
    "multiple_exposures": "multiple_exposure_share",
    "timestamp_disorder": "disorder_share",
    "late_assignment": "late_assignment_share",
}
_LABELS = frozenset(
    {
        "missing_variant",
        "sample_ratio_mismatch",
        "multiple_exposures",
        "late_assignment",
        "pre_exposure_imbalance",
    }
)
"""Kinds about which arm a request is in: they touch every metric."""
_TWO_SOURCES = frozenset({"source_conflict", "sampled_logging", "timestamp_disorder"})
_PAIRS = frozenset({"quotes", "quotes.quoted_at", "quotes.pro_id", "quote_events", "quote_events.event_at"})
_ASSIGNED = frozenset({"assignments", "assignments.entity_id", "assignments.variant"})
_ROWS = frozenset(
    {"duplicate_rows", "conflicting_keys", "stale_source", "missing_partition", "sampled_logging"}
)


@dataclass(frozen=True)
class GapKind:
    """One kind of gap, from its model's .yml."""

    name: str
    meaning: str
    dimension: str
    mitigation: str
    residual_risk: str
    contingency: str

    @property
    def threshold(self) -> str | None:
        """The contract threshold its share is held against, None where it has no share."""
        return _THRESHOLDS.get(self.name)


@cache
def gap_kinds() -> dict[str, GapKind]:
    """Every kind that has a model, by name."""
    folder = bundled("dbt_project") / "models" / "gaps"
    return {
        kind.name: kind
        for path in sorted(folder.glob("gap_*.yml"))
        for kind in [_kind(path.read_text("utf-8"))]
    }


def _kind(text: str) -> GapKind:
    model: dict[str, Any] = yaml.safe_load(text)["models"][0]
    meta = model["config"]["meta"]
    meaning = str(model["description"]).strip().splitlines()[1]
    name = str(model["name"]).removeprefix("gap_")
    return GapKind(
        name, meaning, meta["dimension"], meta["mitigation"], meta["residual_risk"], meta["contingency"]
    )


def touched_metrics(
    kind: str, source: str, column: str | None, metrics: Iterable[MetricDefinition]
) -> list[MetricDefinition]:
    """The metrics a gap of that kind in that place can move."""
    return [m for m in metrics if _touches(kind, source, column, m)]


def measured_from(kind: str, source: str, column: str | None) -> frozenset[str]:
    """The sources and "source.column" names without which a gap in that place can be neither found nor found to be gone."""
    names = {source} | ({f"{source}.{column}"} if column else set())
    if kind in _TWO_SOURCES and source in ("quotes", "quote_events"):
        return frozenset(names | _PAIRS)
    if kind == "stale_dashboard":
        return frozenset(names).union(*(_computed_from(m) for m in metric_definitions().values()))
    if kind in _LABELS or kind == "distribution_drift":
        return frozenset(names | {"requests", "requests.request_id", "requests.created_at"} | _ASSIGNED)
    if kind == "orphan_rows":
        parent, key = ("quotes", "quote_id") if source == "spam_flags" else ("requests", "request_id")
        own = "entity_id" if source == "assignments" else key
        return frozenset(names | {parent, f"{parent}.{key}", f"{source}.{own}"})
    if kind == "conflicting_keys":
        spec = source_specs().get(source)
        return frozenset(
            names | {f"{source}.{c.name}" for c in (spec.columns if spec else ()) if c.role == "key"}
        )
    return frozenset(names)


def _touches(kind: str, source: str, column: str | None, metric: MetricDefinition) -> bool:
    if is_own_name(source):
        return source == own_name(metric.name)
    needs = {name for need in metric.needs for name in need.split("|")}
    sources = {name.partition(".")[0] for name in needs if name != "quote_events.event_at"}
    if kind in _LABELS:
        return True
    if (kind, source) == ("sampled_logging", "quote_events"):
        return "quote_events.event_at" in needs
    if kind in _ROWS:
        return source == "requests" or source in sources
    touches = _OF_KIND.get(kind)
    return touches is not None and touches(source, column, needs, sources)


def _computed_from(metric: MetricDefinition) -> frozenset[str]:
    columns = {name for need in metric.needs for name in need.split("|")}
    return frozenset({"requests", "requests.request_id", "requests.created_at"} | columns) | {
        name.partition(".")[0] for name in columns
    }


def _orphans(source: str, column: str | None, needs: set[str], sources: set[str]) -> bool:
    return source != "spam_flags" or source in sources


def _invalid(source: str, column: str | None, needs: set[str], sources: set[str]) -> bool:
    """An arm that is none leaves its request without one, whatever the metric."""
    if column == "variant":
        return source in ("quotes", "quote_events", "assignments")
    return _misses(source, column, needs, sources)


def _drifts(source: str, column: str | None, needs: set[str], sources: set[str]) -> bool:
    return source == "requests"


def _misses(source: str, column: str | None, needs: set[str], sources: set[str]) -> bool:
    """A null key or time keeps the whole row out of every metric of its source; another null only its own metrics."""
    if source == "requests":
        return column in ("request_id", "created_at") or f"requests.{column}" in needs
    keeps_out = {
        "request_id",
        "quote_id",
        "hire_id",
        "ticket_id",
        "quoted_at",
        "hired_at",
        "opened_at",
        "flagged_at",
    }
    if source in sources and column in keeps_out:
        return True
    return f"{source}.{column}" in needs


def _is_timed_by(source: str, column: str | None, needs: set[str], sources: set[str]) -> bool:
    """Quote times come from two sources, and either may be out of order; the others' only from their own."""
    if source == "quote_events":
        return "quote_events.event_at" in needs
    return source in ("quotes", "hires") and f"{source}.{column}" in needs


def _is_computed_from(source: str, column: str | None, needs: set[str], sources: set[str]) -> bool:
    """A metric that is not there is missed for the want of every alternative alike."""
    if source == "requests":
        return column in (None, "request_id", "created_at") or f"requests.{column}" in needs
    if column is None:
        return any(name.startswith(f"{source}.") for name in needs)
    return f"{source}.{column}" in needs


_OF_KIND: dict[str, Callable[[str, str | None, set[str], set[str]], bool]] = {
    "orphan_rows": _orphans,
    "missing_values": _misses,
    "invalid_values": _invalid,
    "timestamp_disorder": _is_timed_by,
    "source_conflict": _is_timed_by,
    "distribution_drift": _drifts,
    "schema_change": _is_computed_from,
    "not_evaluated": _is_computed_from,
}
