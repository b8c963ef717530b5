"""What ties the keys of plumbline.yml together: names that the file or Plumbline must know elsewhere.

Every check works on what the file says rather than on validated types: one mistake never hides another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dagster_pipeline.config.brief import EMPTY_BRIEF
from dagster_pipeline.config.catalogue import SourceSpec, source_specs
from dagster_pipeline.config.own_metrics import is_own_name
from dagster_pipeline.config.problems import KeyPath, Refusal, choices, dotted, shown
from dagster_pipeline.config.scalars import identifier
from dagster_pipeline.config.segments import NEEDS
from dagster_pipeline.config.types import NO_THRESHOLD, ONE_ORIGIN

Finding = tuple[KeyPath, str]
MANDATORY = {"requests": ("request_id", "created_at")}


def source_findings(sources: dict[str, Any]) -> Iterator[Finding]:
    """Unknown sources and columns, and mandatory ones left out."""
    specs = source_specs()
    for name, source in sources.items():
        at: KeyPath = ("sources", name)
        if name not in specs:
            yield at, f"unknown source{choices(name, list(specs))}"
        if isinstance(source, dict) and (source.get("from") is None) == (source.get("query") is None):
            yield at, ONE_ORIGIN
        if name in specs and isinstance(source, dict) and isinstance(source.get("columns"), dict):
            yield from _column_findings(specs[name], source["columns"], (*at, "columns"))
            yield from _format_findings(specs[name], source, (*at, "formats"))
    for name in MANDATORY:
        if sources.get(name) is None:
            yield ("sources", name), "is required: every metric is counted per request"


def _column_findings(spec: SourceSpec, columns: dict[str, Any], at: KeyPath) -> Iterator[Finding]:
    for column in columns:
        if column not in spec.column_names:
            yield (*at, column), f"unknown column of {spec.name}{choices(column, spec.column_names)}"
    for column in MANDATORY.get(spec.name, ()):
        if column not in columns:
            yield (*at, column), f"is required: map {column} to the column of your table that holds it"
    if not columns:
        yield at, f"maps nothing; map at least one of {', '.join(spec.column_names)}"


def _format_findings(spec: SourceSpec, source: dict[str, Any], at: KeyPath) -> Iterator[Finding]:
    """Formats of columns that hold no time, or that are not mapped."""
    times = [column.name for column in spec.columns if column.data_type == "timestamp"]
    formats = source.get("formats")
    for column in formats if isinstance(formats, dict) else ():
        if column not in times:
            yield (*at, column), f"must be a column of {spec.name} that holds a time{choices(column, times)}"
        elif column not in source["columns"]:
            yield (*at, column), f"has a format but no column: map {column} under columns"


def experiment_findings(experiments: list[Any]) -> Iterator[Finding]:
    """Ids given twice, sampled sources and touched columns that are not known."""
    first: dict[str, int] = {}
    for index, experiment in enumerate(experiments):
        if not isinstance(experiment, dict):
            continue
        name = _id(experiment.get("id"))
        if name is not None and first.setdefault(name, index) != index:
            taken = dotted(("experiments", first[name], "id"))
            yield ("experiments", index, "id"), f"must be unique; {shown(name)} is already {taken}"
        sampling = experiment.get("sampling")
        for source in sampling if isinstance(sampling, dict) else ():
            if source not in source_specs():
                allowed = choices(source, list(source_specs()))
                yield ("experiments", index, "sampling", source), f"unknown source{allowed}"
        touched = experiment.get("touched")
        if isinstance(touched, dict):
            yield from _touched_findings(touched, ("experiments", index, "touched"))


def _touched_findings(touched: dict[str, Any], at: KeyPath) -> Iterator[Finding]:
    attributes = [column.name for column in source_specs()["requests"].of_role("attribute")]
    for name in touched:
        if name not in attributes:
            yield (*at, name), f"must be a column of requests{choices(name, attributes)}"


def brief_findings(brief: dict[str, Any], at: KeyPath, experiments: list[Any]) -> Iterator[Finding]:
    """A brief that asks for nothing, or whose experiment or segments are not known."""
    if not brief.get("criteria") and not brief.get("guardrails"):
        yield at, EMPTY_BRIEF
    ids = experiment_ids(experiments)
    given = brief.get("experiment")
    if given is None and len(experiments) != 1:
        known = f"name one of {', '.join(ids)}" if ids else "declare it under experiments"
        yield (*at, "experiment"), f"is required unless there is exactly one experiment; {known}"
    elif _id(given) is not None and _id(given) not in ids and len(ids) == len(experiments):
        allowed = choices(given, ids) if ids else "; none is declared under experiments"
        yield (*at, "experiment"), f"must be the id of an experiment, not {shown(given)}{allowed}"
    yield from _segment_findings(brief.get("segments"), (*at, "segments"))
    yield from _cohort_findings(brief.get("cohort"), (*at, "cohort"))


def _segment_findings(segments: object, at: KeyPath) -> Iterator[Finding]:
    attributes = [column.name for column in source_specs()["requests"].of_role("attribute")]
    known = [*attributes, *NEEDS]
    for index, given in enumerate(segments if isinstance(segments, list) else [segments]):
        path = (*at, index) if isinstance(segments, list) else at
        if isinstance(given, str) and given.strip() and given not in known:
            yield path, f"must be columns of requests, not {shown(given)}{choices(given, known)}"
        top = given.get("top") if isinstance(given, dict) else None
        if isinstance(top, str) and top.strip() and top not in attributes:
            yield (*path, "top"), f"must be a column of requests, not {shown(top)}{choices(top, attributes)}"


def _cohort_findings(cohort: object, at: KeyPath) -> Iterator[Finding]:
    attributes = [column.name for column in source_specs()["requests"].of_role("attribute")]
    for name, values in cohort.items() if isinstance(cohort, dict) else ():
        if name not in attributes:
            yield (*at, name), f"must be a column of requests{choices(name, attributes)}"
        elif values in ([], ()):
            yield (*at, name), "names no value, so that no request could be in the cohort"


def brief_metric_findings(brief: dict[str, Any], at: KeyPath, metrics: Sequence[str]) -> Iterator[Finding]:
    """Metrics named outside the rules, in value.per_day and rollout.rollback, that are none of ``metrics``."""
    value = brief.get("value")
    per_day = value.get("per_day") if isinstance(value, dict) else None
    for name in per_day if isinstance(per_day, dict) else ():
        if name not in metrics:
            yield (*at, "value", "per_day", name), f"must be a metric{choices(name, metrics)}"
    rollout = brief.get("rollout")
    triggers = rollout.get("rollback") if isinstance(rollout, dict) else None
    for index, trigger in enumerate(triggers if isinstance(triggers, list) else ()):
        name = trigger.get("metric") if isinstance(trigger, dict) else None
        if isinstance(name, str) and name.strip() and name not in metrics:
            path = (*at, "rollout", "rollback", index, "metric")
            yield path, f"must be a metric, not {shown(name)}{choices(name, metrics)}"


def repeated_brief_findings(briefs: list[tuple[KeyPath, str]]) -> Iterator[Finding]:
    """Two briefs about one experiment. ``briefs`` pairs each brief's key with its experiment."""
    first: dict[str, KeyPath] = {}
    for at, experiment in briefs:
        if first.setdefault(experiment, at) != at:
            message = f"is a second brief for {shown(experiment)}; {dotted(first[experiment])} is the first"
            yield (*at, "experiment"), message


def threshold_findings(overrides: dict[str, Any], names: tuple[str, ...]) -> Iterator[Finding]:
    """Tables that are no source and columns that are none of its."""
    specs = source_specs()
    for table, limits in overrides.items():
        if table not in specs:
            yield (
                ("thresholds", table),
                f"is neither a threshold nor a source{choices(table, [*names, *specs])}",
            )
            continue
        known = [*names, *specs[table].column_names]
        for key in limits if isinstance(limits, dict) else ():
            if key not in known:
                message = f"is neither a threshold nor a column of {table}{choices(key, known)}"
                yield ("thresholds", table, key), message
            if key in specs[table].column_names and isinstance(limits[key], dict):
                for name in [name for name in limits[key] if name not in names]:
                    yield ("thresholds", table, key, name), f"{NO_THRESHOLD}{choices(name, names)}"


def parity_findings(parity: list[Any], experiments: list[Any]) -> Iterator[Finding]:
    """Ids that are taken, experiments that are not known, and arms of no experiment."""
    ids = experiment_ids(experiments)
    first: dict[str, int] = {}
    for index, given in enumerate(parity):
        if not isinstance(given, dict):
            continue
        at: KeyPath = ("parity", index)
        name = _id(given.get("id"))
        if name in source_specs():
            yield (*at, "id"), f"must be no source's name, as {shown(name)} is: gaps are filed under it"
        elif name is not None and is_own_name(name):
            yield (*at, "id"), f"must not be like {shown(name)}: gaps of metrics are filed under such names"
        elif name is not None and first.setdefault(name, index) != index:
            taken = dotted(("parity", first[name], "id"))
            yield (*at, "id"), f"must be unique; {shown(name)} is already {taken}"
        experiment = given.get("experiment")
        if _id(experiment) is not None and _id(experiment) not in ids:
            allowed = choices(experiment, ids) if ids else "; none is declared under experiments"
            yield (*at, "experiment"), f"must be the id of an experiment, not {shown(experiment)}{allowed}"
        if experiment is None and given.get("by") is not None and len(experiments) != 1:
            known = f"name one of {', '.join(ids)}" if ids else "declare it under experiments"
            yield (*at, "experiment"), f"is required to say whose arms by holds; {known}"


def own_metric_findings(metrics: list[Any]) -> Iterator[Finding]:
    """Names given twice."""
    first: dict[str, int] = {}
    for index, given in enumerate(metrics):
        name = given.get("name") if isinstance(given, dict) else None
        if isinstance(name, str) and first.setdefault(name.strip(), index) != index:
            taken = dotted(("metrics", first[name.strip()], "name"))
            yield ("metrics", index, "name"), f"must be unique; {shown(name)} is already {taken}"


def experiment_ids(experiments: list[Any]) -> list[str]:
    """The readable ids of the declared experiments, without repetition."""
    ids = [_id(experiment.get("id")) for experiment in experiments if isinstance(experiment, dict)]
    return list(dict.fromkeys(name for name in ids if name is not None))


def _id(value: object) -> str | None:
    try:
        return identifier(value)
    except Refusal:
        return None
