"""The suites and the mapping of a configuration as a data contract of the Open Data Contract Standard (ODCS) 3.1.

One schema object per source, and one per canonical table that a suite is about. Nothing of the warehouse's data is read:
the same configuration and suites give the same bytes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import yaml

from dagster_pipeline.checks.suite_files import TEAM_KIND
from dagster_pipeline.checks.suites import Check, Suite
from dagster_pipeline.config.catalogue import ColumnSpec, source_specs
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.exports import odcs_rules as rules
from dagster_pipeline.exports.odcs_rules import Json
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.paths import bundled

API_VERSION = "v3.1.0"
INTERMEDIATE = "plumbline_intermediate"
LOGICAL_TYPES = {"text": "string", "timestamp": "timestamp", "double": "number"}
_TYPES_OF_MODELS = {
    "boolean": "boolean",
    "bigint": "integer",
    "integer": "integer",
    "date": "date",
} | LOGICAL_TYPES

_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9_-]+")
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_UNITS = (("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))


def contract_document(config: PlumblineConfig, suites: Sequence[Suite]) -> Json:
    """The contract of ``suites`` (as `load_suites` resolves them) under ``config``, as plain values in ODCS's order."""
    subjects = ", ".join(experiment.id for experiment in config.experiments) or "sources"
    document: Json = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": _id(f"plumbline-{subjects}"),
        "name": f"What {subjects} rests on",
        "version": "1.0.0",
        "status": "active",
    }
    questions = [brief.question for brief in config.briefs if brief.question]
    if questions:
        document["description"] = {"purpose": " ".join(questions)}
    document["schema"] = [_object(config, *place) for place in _places(config, suites)]
    if members := _members(config):
        document["team"] = {"members": members}
    if promises := _promises(config, suites):
        document["slaProperties"] = promises
    return document


def contract_text(document: Mapping[str, Any]) -> str:
    """The contract as YAML."""
    return yaml_text(document)


def yaml_text(document: Mapping[str, Any]) -> str:
    """Plain values as YAML in their order; where a character could steer a display, all but ASCII is escaped."""
    text = _dumped(document, allow_unicode=True)
    steers = any(unicodedata.category(char) in _INVISIBLE for char in text if char != "\n")
    return _dumped(document, allow_unicode=False) if steers else text


def _dumped(document: Mapping[str, Any], *, allow_unicode: bool) -> str:
    return yaml.dump(dict(document), Dumper=_DUMPER, sort_keys=False, allow_unicode=allow_unicode, width=110)


def object_name(schema: str, relation: str) -> str:
    """What a relation is called in the contract: a source by its name, another with its layer before it."""
    if schema == INTERMEDIATE:
        return relation.removeprefix("int_")
    return f"{schema.removeprefix('plumbline_')}_{relation}"


_Place = tuple[str, str, str, tuple[Suite, ...]]  # schema, relation, table, its suites


def _places(config: PlumblineConfig, suites: Sequence[Suite]) -> list[_Place]:
    """Every source in the order of the configuration, then what else the suites are about."""
    places = [(INTERMEDIATE, f"int_{source}", source) for source in config.sources]
    places += sorted({(s.file.schema, s.file.relation, s.file.table) for s in suites} - set(places))
    return [
        (schema, relation, table, tuple(s for s in suites if (s.file.schema, s.file.relation) == (schema, relation)))
        for schema, relation, table in places
    ]  # fmt: skip


def _object(
    config: PlumblineConfig, schema: str, relation: str, table: str, suites: tuple[Suite, ...]
) -> Json:
    name = object_name(schema, relation)
    source = config.sources.get(table) if schema == INTERMEDIATE else None
    written = (
        config.written.get(table, source.from_ or source.query or "") if source else f"{schema}.{relation}"
    )
    kind = "table" if source is None else "file" if source.is_file else "query" if source.query else "table"
    columns = _columns(config, table, is_source=source is not None, suites=suites)
    by_home: dict[str | None, list[Json]] = {}
    for suite in suites:
        for check in suite.checks:
            rule = _rule(suite, check, list(columns))
            by_home.setdefault(_home(check, columns), []).append(rule)
    found: Json = {"id": _id(name), "name": name, "physicalName": written, "physicalType": kind}
    if source is not None:
        found["businessName"] = table
    found["properties"] = [
        _property(config, (relation, table), column, spec, by_home.get(column, []))
        for column, spec in columns.items()
    ]
    if by_home.get(None):
        found["quality"] = by_home[None]
    placed = {"plumblineSchema": schema, "plumblineRelation": relation, "plumblineTable": table}
    return found | {"customProperties": _custom(placed)}


def _columns(
    config: PlumblineConfig, table: str, *, is_source: bool, suites: tuple[Suite, ...]
) -> dict[str, ColumnSpec | None]:
    """A source's mapped columns; of another relation those its rules name."""
    if is_source:
        return dict(mapped_columns(config, table))
    spec = source_specs().get(table)
    named = [check.entry.column for suite in suites for check in suite.checks if check.entry.column]
    return {name: spec.column(name) if spec else None for name in dict.fromkeys(named)}


def mapped_columns(config: PlumblineConfig, source: str) -> dict[str, ColumnSpec]:
    """The mapped columns of a source by their logical name, in the order of the catalogue."""
    spec = source_specs().get(source)
    mapped = config.sources[source].columns if source in config.sources else {}
    return {column.name: column for column in (spec.columns if spec else ()) if column.name in mapped}


def _home(check: Check, columns: Mapping[str, object]) -> str | None:
    """The property a rule stands at, None for the whole object."""
    for column in (check.entry.gap_column, check.entry.column):
        if column in columns:
            return column
    return None


def _property(
    config: PlumblineConfig,
    place: tuple[str, str],
    column: str,
    spec: ColumnSpec | None,
    quality: list[Json],
) -> Json:
    relation, table = place
    found: Json = {"id": _id(column), "name": column}
    source = config.sources.get(table)
    if source is not None and column in source.columns:
        found["physicalName"] = source.columns[column]
    kind = spec.data_type if spec is not None else model_types(relation).get(column, "text")
    found |= {"logicalType": _TYPES_OF_MODELS.get(kind, "string"), "physicalType": kind}
    never_null = any(rule.get("metric") == "nullValues" and rule.get("mustBe") == 0 for rule in quality)
    once = any(rule.get("metric") == "duplicateValues" and rule.get("mustBe") == 0 for rule in quality)
    found |= ({"required": True} if never_null else {}) | ({"unique": True} if once else {})
    if once or (spec is not None and spec.role == "key"):
        found |= {"primaryKey": True, "primaryKeyPosition": 1}
    return found | ({"quality": quality} if quality else {})


@cache
def model_types(relation: str) -> dict[str, str]:
    """The types of a relation's columns as its dbt model declares them."""
    files = sorted((bundled("dbt_project") / "models").glob(f"*/{relation}.yml"))
    models = yaml.safe_load(files[0].read_text("utf-8"))["models"] if files else []
    columns = [column for model in models if model.get("name") == relation for column in model["columns"]]
    return {str(column["name"]): str(column.get("data_type", "text")) for column in columns}


def _rule(suite: Suite, check: Check, columns: list[str]) -> Json:
    entry = check.entry
    kind = gap_kinds().get(entry.gap_kind)
    share = check.threshold if "mostly" in entry.kwargs and isinstance(check.threshold, float) else None
    library = rules.library_form(entry, share, columns)
    found: Json = {
        "id": _id(f"{suite.name}-{entry.position}"),
        "name": _id(f"{entry.gap_kind}-{entry.gap_column or suite.file.table}"),
        "dimension": rules.dimension_of(
            entry.type, kind.dimension if kind else "conformity", is_ours=entry.gap_kind != TEAM_KIND
        ),
    }
    if kind is not None and entry.gap_kind != TEAM_KIND:
        found["description"] = kind.meaning
    if library is not None:
        found |= {"type": "library"} | library
    else:
        found |= {"type": "custom", "engine": rules.ENGINE, "implementation": rules.plain_expectation(entry)}
    return found | {"customProperties": _custom(_ours(suite, check, share, is_library=library is not None))}


def _ours(suite: Suite, check: Check, share: float | None, *, is_library: bool) -> Json:
    """What only Plumbline knows of a rule."""
    entry = check.entry
    found: Json = {
        "gapKind": entry.gap_kind,
        "affects": list(entry.affects),
        "mitigation": entry.mitigation,
    }
    if (name := rules.threshold_name(entry)) is not None:
        found["threshold"] = name
    if share is not None and not is_library:
        found["thresholdShare"] = share
    if entry.gap_column != entry.column:
        found["gapColumn"] = entry.gap_column
    if entry.needs is not None:
        found["needs"] = list(entry.needs)
    found |= {"isRequired": entry.required, "suite": suite.name, "position": entry.position}
    return found | ({"expectation": rules.plain_expectation(entry)} if is_library else {})


def _custom(values: Mapping[str, Any]) -> list[Json]:
    return [{"property": name, "value": value} for name, value in values.items()]


def _members(config: PlumblineConfig) -> list[Json]:
    """Who owns what: the role is the gap kind, the source or the part in the decision."""
    owners: dict[str, str] = dict(config.triage.owners)
    for brief in config.briefs:
        owners |= brief.owners
    return [{"username": name, "role": role} for role, name in sorted(owners.items())]


def _promises(config: PlumblineConfig, suites: Sequence[Suite]) -> list[Json]:
    """The freshness of each source that has one, at the column its newest row is told by."""
    found = []
    for name, source in config.sources.items():
        if source.freshness is not None:
            value, unit = _in_units(source.freshness)
            element = f"{name}.{_clock(name, suites)}" if _clock(name, suites) else name
            found.append(
                {"id": _id(f"freshness-{name}"), "property": "freshness", "value": value, "unit": unit, "element": element}
            )  # fmt: skip
    return found


def _clock(source: str, suites: Sequence[Suite]) -> str | None:
    """The column of the source's freshness rule."""
    return next(
        (
            check.entry.column
            for suite in suites
            for check in suite.checks
            if suite.file.table == source and check.entry.type == rules.NEWEST and not suite.file.is_team
        ),
        None,
    )


def _in_units(promise: timedelta) -> tuple[int | float, str]:
    for unit, length in _UNITS:
        if promise % length == timedelta(0):
            return promise // length, unit
    return promise.total_seconds(), "s"


def _id(text: str) -> str:
    return _NOT_OF_AN_ID.sub("-", text).strip("-") or "unnamed"
