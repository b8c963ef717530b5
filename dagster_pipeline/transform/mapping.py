"""The one variable dbt gets: plumbline.yml as the inspected sources bear it out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.own_metrics import own_name
from dagster_pipeline.config.parity import SIDES, Parity, SideName, inspection_name
from dagster_pipeline.config.segments import NEEDS, Segment, TopValues, name_of, needs_of
from dagster_pipeline.config.types import Experiment, PlumblineConfig
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.transform.own_metrics import metric_fault, own_tables, own_variables

EVERYONE = "all"
"""The one arm of a run without experiments."""

_NO_START = "1970-01-01 00:00:00"
_NO_END = "2200-01-01 00:00:00"


@dataclass(frozen=True)
class Finding:
    """A gap known before any row is read: a source or column that is not what the mapping says."""

    kind: str
    source: str
    column: str | None
    note: str
    expected: bool  # left out of plumbline.yml on purpose, rather than broken


@dataclass(frozen=True)
class WarehouseMapping:
    """What the models build from, and what could not be mapped."""

    variables: dict[str, Any]
    findings: tuple[Finding, ...]
    metrics: tuple[MetricDefinition, ...]
    absent_metrics: Mapping[str, str]
    segments: tuple[str, ...]

    def column_is_mapped(self, source: str, column: str) -> bool:
        """Whether the column is mapped and there."""
        found = self.variables["sources"].get(source)
        return bool(found and found["columns"].get(column))


def build_mapping(config: PlumblineConfig, inspections: Mapping[str, SourceInspection]) -> WarehouseMapping:
    """The mapping of this run: only what is there is mapped, and what is not becomes a finding."""
    sources = {
        name: _source(config, found)
        for name, found in inspections.items()
        if name in config.sources and _is_usable(found)
    }
    absent = dict(_absent_metrics(config, inspections, sources))
    metrics = tuple(m for name, m in config.metrics.items() if name not in absent)
    findings = tuple(_findings(config, inspections))
    segments = _segments(config, sources)
    variables = {
        "as_of": _instant(config.as_of),
        "sources": sources,
        "experiments": [_experiment(e, config.brief(e.id)) for e in config.experiments] or [_everyone()],
        "everyone": not config.experiments,
        "metrics": [_metric(m, sources) for m in metrics],
        "own_tables": own_tables(config, [m.name for m in metrics], inspections),
        "segments": [name_of(segment) for segment in segments],
        "computed_segments": [found for segment in segments if (found := _computed(segment))],
        "parity": [
            _parity(config, parity, inspections)
            for parity in config.parity
            if not _parity_fault(parity, inspections)
        ],
        "findings": [
            {"kind": f.kind, "source": f.source, "column": f.column, "note": f.note} for f in findings
        ],
    }
    return WarehouseMapping(variables, findings, metrics, absent, tuple(map(name_of, segments)))


def sources_of(metric: MetricDefinition, sources: Mapping[str, Any]) -> tuple[str, ...]:
    """The mapped sources a metric is computed from, the first mapped one where either would do."""
    found = [next((n for n in need if _has(n, sources)), need[0]) for need in _alternatives(metric)]
    return tuple(dict.fromkeys(name.partition(".")[0] for name in found))


def columns_of(metric: MetricDefinition) -> frozenset[str]:
    """Every "source.column" the metric may be computed from."""
    return frozenset(name for need in _alternatives(metric) for name in need)


def _alternatives(metric: MetricDefinition) -> list[list[str]]:
    return [need.split("|") for need in metric.needs]


def _has_any(need: str, sources: Mapping[str, Any]) -> bool:
    return any(_has(name, sources) for name in need.split("|"))


def _has(name: str, sources: Mapping[str, Any]) -> bool:
    source, _, column = name.partition(".")
    found = sources.get(source)
    return found is not None and found["has_rows"] and (not column or column in found["columns"])


def _unmet(metric: MetricDefinition, sources: Mapping[str, Any]) -> str:
    """Why the metric does not exist in this run, "" where it does."""
    missing = [" or ".join(need) for need in _alternatives(metric) if not any(_has(n, sources) for n in need)]
    if not _has("requests.created_at", sources):
        missing.insert(0, "requests.created_at")
    return f"needs {', '.join(missing)}" if missing else ""


def _absent_metrics(
    config: PlumblineConfig, inspections: Mapping[str, SourceInspection], sources: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """The metrics that do not exist in this run, each with the reason."""
    own = {metric.name: metric for metric in config.own_metrics}
    for name, metric in config.metrics.items():
        fault = metric_fault(own[name], inspections) if name in own else ""
        if fault:
            yield name, f"could not be evaluated ({fault})"
        elif unmet := _unmet(metric, sources):
            yield name, unmet


def _is_usable(found: SourceInspection) -> bool:
    return found.relation_sql is not None and found.status in (SourceStatus.OK, SourceStatus.EMPTY)


def _source(config: PlumblineConfig, found: SourceInspection) -> dict[str, Any]:
    source = config.sources[found.name]
    return {
        "relation": found.relation_sql,
        "columns": {
            logical: {"name": physical, "type": found.physical_columns[physical]} | _formats(found, logical)
            for logical, physical in found.columns.items()
            if not type_problem(found, logical)
        },
        "timezone": source.timezone,
        "where": source.where,
        "freshness_seconds": source.freshness.total_seconds() if source.freshness else None,
        "has_rows": found.status is SourceStatus.OK,
    }


def _formats(found: SourceInspection, logical: str) -> dict[str, Any]:
    reading = found.readings.get(logical)
    if reading is None or not reading.formats:
        return {}
    return {"formats": list(reading.formats), "formats_rule": reading.rule.value}


def _experiment(experiment: Experiment, brief: Brief | None = None) -> dict[str, Any]:
    window = experiment.window
    return {
        "id": experiment.id,
        "unit": experiment.unit,
        "control": experiment.control,
        "arms": list(experiment.split),
        "written_arms": list(experiment.written_arms),
        "sampling": {source: dict(rates) for source, rates in experiment.sampling.items()},
        "start": _instant(window.start) if window else _NO_START,
        "end": _instant(window.end) if window else _NO_END,
    } | (_touched(experiment) | _narrowed(brief))


def _touched(experiment: Experiment) -> dict[str, Any]:
    """What the launch touched, held against as long a time before the window as the window is."""
    window = experiment.window
    if not experiment.touched or window is None:
        return {}
    values = {column: list(values) for column, values in experiment.touched.items()}
    return {"touched": values, "compared_from": _instant(window.start - (window.end - window.start))}


def _narrowed(brief: Brief | None) -> dict[str, Any]:
    """The values that requests of the cohort have, by column, where the brief is not about all of them."""
    if brief is None or not brief.cohort:
        return {}
    return {"cohort": {column: list(values) for column, values in brief.cohort.items()}}


def _everyone() -> dict[str, Any]:
    return {"id": "", "unit": "request", "arms": [EVERYONE], "start": _NO_START, "end": _NO_END}


def _metric(metric: MetricDefinition, sources: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": metric.name,
        "kind": str(metric.kind),
        "unit": str(metric.unit),
        "y": metric.y,
        "d": metric.d,
        "horizon": metric.horizon,
        "quantile": metric.quantile,
        "sources": list(sources_of(metric, sources)) or ["requests"],
    } | (own_variables(metric) if metric.is_own else {})


def _parity(
    config: PlumblineConfig, parity: Parity, inspections: Mapping[str, SourceInspection]
) -> dict[str, Any]:
    """A parity whose two sides can be read, as the model that compares them is told."""
    told_of = [config.experiment(parity.experiment)] if parity.experiment else config.experiments
    everyone = [] if parity.by is not None or parity.experiment else [_everyone()]
    experiments = [_experiment(e) for e in told_of if e is not None] or everyone
    return {
        "id": parity.id,
        "type": parity.type,
        "tolerance": parity.tolerance,
        "relative_tolerance": parity.relative_tolerance,
        "unmatched": parity.unmatched,
        "arms_from": "by" if parity.by is not None else "request" if parity.request_column else None,
        "experiments": [{"id": e["id"], "arms": e["arms"]} for e in experiments],
        "column": parity.left.value,
        **{side: _side(config, parity, side, inspections) for side in SIDES},
    }


def _side(
    config: PlumblineConfig, parity: Parity, name: SideName, inspections: Mapping[str, SourceInspection]
) -> dict[str, Any]:
    """A side with its columns by role; a type that is not known yet is looked up when the relation is there."""
    side, found = parity.side(name), inspections[inspection_name(parity.id, name)]
    return {
        "relation": found.relation_sql,
        "label": _label(config, parity, name),
        "where": side.where,
        "timezone": side.timezone,
        "keys": len(side.key),
        "columns": {
            role: {"name": column, "type": found.physical_columns.get(column)}
            for role, column in found.columns.items()
        },
    }


def _label(config: PlumblineConfig, parity: Parity, name: SideName) -> str:
    """What a person calls the side: its file or relation as they wrote it."""
    if parity.side(name).query is not None:
        return "query"
    return config.written.get(inspection_name(parity.id, name)) or parity.side(name).from_ or ""


def _parity_fault(parity: Parity, inspections: Mapping[str, SourceInspection]) -> str:
    """Why the two sides can not be compared, "" where they can."""
    faults = ((side, _side_fault(parity, side, inspections)) for side in SIDES)
    return "; ".join(f"{side}: {fault}" for side, fault in faults if fault)


def _side_fault(parity: Parity, name: SideName, inspections: Mapping[str, SourceInspection]) -> str:
    found = inspections.get(inspection_name(parity.id, name))
    if found is None:
        return "was not inspected"
    if found.status is not SourceStatus.OK:
        return found.row_error or found.status.value
    named = parity.columns(name)
    absent = (f"there is no column {named[role]!r} ({role})" for role in found.absent_columns)
    near = dict.fromkeys(column for like in found.near_matches.values() for column in like)
    hint = f"; the relation has {', '.join(near)}" if near else ""
    return ", ".join(absent) + hint


def _segments(config: PlumblineConfig, sources: Mapping[str, Any]) -> tuple[Segment, ...]:
    """The segments of all briefs that can be told from what is mapped, one of each name."""
    wanted = [segment for brief in config.briefs for segment in brief.segment_list] or ["category"]
    by_name: dict[str, Segment] = {name_of(segment): segment for segment in wanted}
    return tuple(s for s in by_name.values() if all(_has_any(need, sources) for need in needs_of(s)))


def _computed(segment: Segment) -> dict[str, Any] | None:
    """What the models need to compute a segment; None for a column of requests, which is there."""
    if isinstance(segment, TopValues):
        return {"name": segment.name, "kind": "top", "column": segment.top, "n": segment.n}
    return {"name": segment, "kind": segment} if segment in NEEDS else None


def _findings(config: PlumblineConfig, inspections: Mapping[str, SourceInspection]) -> Iterator[Finding]:
    for name in source_specs():
        found = inspections[name]
        if found.status is SourceStatus.UNMAPPED:
            yield Finding("not_evaluated", name, None, "not in plumbline.yml", expected=True)
        elif found.status is not SourceStatus.OK:
            yield Finding("not_evaluated", name, None, found.row_error or found.status.value, expected=False)
        if _is_usable(found):
            yield from _column_findings(config, found)
    for parity in config.parity:
        if fault := _parity_fault(parity, inspections):
            yield Finding("not_evaluated", parity.id, None, fault, expected=False)
    for metric in config.own_metrics:
        if fault := metric_fault(metric, inspections):
            yield Finding("not_evaluated", own_name(metric.name), None, fault, expected=False)


def _column_findings(config: PlumblineConfig, found: SourceInspection) -> Iterator[Finding]:
    mapped = config.sources[found.name].columns
    for logical in found.absent_columns:
        near = found.near_matches.get(logical) or []
        hint = f"; the source has {', '.join(near)}" if near else ""
        note = f"mapped to {mapped[logical]!r}, which the source does not have{hint}"
        yield Finding("schema_change", found.name, logical, note, expected=False)
    for logical in found.columns:
        if problem := type_problem(found, logical):
            yield Finding("schema_change", found.name, logical, problem, expected=False)
    for logical, note in found.refusals.items():
        yield Finding("invalid_values", found.name, logical, note, expected=False)
    needed = {name for metric in config.metrics.values() for name in columns_of(metric)}
    for column in source_specs()[found.name].columns:
        if column.name not in mapped and f"{found.name}.{column.name}" in needed:
            yield Finding(
                "not_evaluated", found.name, column.name, "column not mapped in plumbline.yml", expected=True
            )


def type_problem(found: SourceInspection, logical: str) -> str:
    """Why a column that is there can't be used, "" where it can: what no value can be read of is as good as absent."""
    spec, physical = source_specs()[found.name].column(logical), found.columns[logical]
    kind = found.physical_columns[physical]
    if spec is None or _is_readable(spec.data_type, kind):
        return ""
    return f"mapped to {physical!r}, a {kind}, which can not be read as a {spec.data_type}"


_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "HUGEINT",
    "UHUGEINT",
    "UBIGINT",
    "UINTEGER",
    "USMALLINT",
    "UTINYINT",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "REAL",
    "NUMERIC",
)
_TEXTS = ("VARCHAR", "TEXT", "STRING", "CHAR")
_TIMES = ("TIMESTAMP", "DATE", "DATETIME")


def _is_readable(data_type: str, physical_type: str) -> bool:
    """Whether values of a physical type can be read as a logical one at all."""
    kind = physical_type.upper()
    number = kind.startswith(_NUMBERS) and kind != "INTERVAL" and "[" not in kind
    text = kind.startswith(_TEXTS) and "[" not in kind
    if data_type == "text":
        return "[" not in kind and not kind.startswith(("STRUCT", "MAP", "BLOB"))
    if data_type == "double":
        return number or text
    return number or text or (kind.startswith(_TIMES) and "[" not in kind)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
