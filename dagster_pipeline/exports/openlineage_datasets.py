"""The tables a run read and wrote as datasets of OpenLineage, each with its columns, its checks and its gaps.

Facets are those of the OpenLineage specification (https://openlineage.io/spec); ``plumbline_gaps`` is Plumbline's own,
its schema is ``exports/schemas/openlineage-facets-1-0-0.schema.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dagster_pipeline import __version__
from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.checks.suite_files import suite_files
from dagster_pipeline.config.types import PlumblineConfig, Source
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.exports.odcs import mapped_columns, model_types
from dagster_pipeline.exports.odcs_rules import NOT_NULL, ROW_COUNT
from dagster_pipeline.exports.reading import StoredCheck, StoredRun
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.documents import plain

PRODUCER = f"urn:plumbline:{__version__}"
SPEC = "https://openlineage.io/spec"
OWN_FACETS = "urn:plumbline:facets:1-0-0"
CANONICAL = "plumbline_canonical"
_UNREADABLE, _OFF_ARM = "_unreadable", "is_off_arm"
_NULLS = "missing_values"
_LOUD = frozenset({Severity.BLOCKER, Severity.HIGH})

Json = dict[str, Any]


@dataclass(frozen=True)
class Namespaces:
    """``job`` is where the job and the queries are named, ``relations`` where tables of the warehouse are."""

    job: str
    relations: str


def facet(schema: str, **content: Any) -> Json:
    """A facet: its content with who made it and where its schema is, ``schema`` being ``version/Name``."""
    name = schema.rpartition("/")[2]
    url = f"{SPEC}/facets/{schema}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url} | content


def gaps_facet(gaps: Iterable[Gap], name: str) -> Json:
    """Plumbline's own facet ``name``: gaps as they stand, whatever people have said of them."""
    content = [_gap(gap) for gap in gaps]
    return {"_producer": PRODUCER, "_schemaURL": f"{OWN_FACETS}#/$defs/{name}", "gaps": content}


def input_datasets(config: PlumblineConfig, names: Namespaces, run: StoredRun | None) -> list[Json]:
    """Every source of the configuration, with what ``run`` found in it (None: before it looked), and what else was checked."""
    found = [_source(config, name, names, run) for name in config.sources]
    canonical = _canonical()
    others: dict[str, list[StoredCheck]] = {}
    for check in run.checks if run else ():
        if check.table not in config.sources and check.suite not in canonical:
            others.setdefault(check.table, []).append(check)
    for table, checks in others.items():
        facets = {"dataQualityAssertions": _assertions(checks, {}, run)}
        found.append({"namespace": names.relations, "name": table, "inputFacets": facets})
    return found


def output_datasets(names: Namespaces, run: StoredRun) -> list[Json]:
    """The canonical tables that were checked."""
    return [
        _canonical_table(relation, names, checks, run)
        for relation in sorted(_canonical())
        if (checks := [check for check in run.checks if check.suite == relation])
    ]


def homeless_gaps(config: PlumblineConfig, run: StoredRun) -> list[Gap]:
    """The gaps that are about no source, such as those of our own models."""
    return [gap for gap in run.gaps if gap.table not in config.sources]


def dataset_name(source: Source, written: str | None, name: str, names: Namespaces) -> tuple[str, str]:
    """Namespace and name of a source after OpenLineage's naming: what it is read from, as plumbline.yml has it."""
    origin = written or source.from_ or name
    if source.query is not None:
        return names.job, name
    if not source.is_file:
        return names.relations, origin
    address = urlsplit(origin) if "://" in origin and "${" not in origin else None
    if address is not None and address.netloc:
        return f"{address.scheme}://{address.hostname or ''}", address.path.lstrip("/") or "/"
    return "file", origin


def _canonical() -> frozenset[str]:
    return frozenset(file.name for file in suite_files() if file.schema == CANONICAL)


def _source(config: PlumblineConfig, name: str, names: Namespaces, run: StoredRun | None) -> Json:
    source = config.sources[name]
    namespace, called = dataset_name(source, config.written.get(name), name, names)
    columns = {logical: source.columns[logical] for logical in mapped_columns(config, name)}
    kinds = mapped_columns(config, name)
    fields = [
        {"name": physical, "type": kinds[logical].data_type, "description": f"read as {name}.{logical}"}
        for logical, physical in columns.items()
    ]
    found: Json = {
        "namespace": namespace,
        "name": called,
        "facets": {
            "schema": facet("1-2-0/SchemaDatasetFacet", fields=fields),
            "dataSource": _data_source(namespace),
        },
    }
    if run is None:
        return found
    canonical = _canonical()
    checks = [check for check in run.checks if check.table == name and check.suite not in canonical]
    gaps = [gap for gap in run.gaps if gap.table == name]
    if gaps:
        found["facets"]["plumbline_gaps"] = gaps_facet(gaps, "PlumblineGapsDatasetFacet")
    facets: Json = {"dataQualityMetrics": _metrics(checks, gaps, columns)}
    if checks:
        facets["dataQualityAssertions"] = _assertions(checks, columns, run)
    return found | {"inputFacets": facets}


def _data_source(namespace: str) -> Json:
    known = {"uri": namespace} if "://" in namespace else {}
    return facet("1-0-1/DatasourceDatasetFacet", name=namespace, **known)


def _canonical_table(relation: str, names: Namespaces, checks: Sequence[StoredCheck], run: StoredRun) -> Json:
    types = model_types(relation)
    fields = [{"name": column, "type": kind} for column, kind in types.items()]
    facets = {
        "schema": facet("1-2-0/SchemaDatasetFacet", fields=fields),
        "dataSource": _data_source(names.relations),
        "dataQualityAssertions": _assertions(checks, {column: column for column in types}, run),
    }
    return {"namespace": names.relations, "name": f"{CANONICAL}.{relation}", "facets": facets}


def _metrics(checks: Sequence[StoredCheck], gaps: Sequence[Gap], columns: Mapping[str, str]) -> Json:
    """The rows looked at, and the nulls of each column where they were counted: by its gap, or as none by its check."""
    rows = next((check.observed for check in checks if check.expectation == ROW_COUNT), None)
    counted = {gap.column: gap.rows_affected for gap in gaps if _counts_nulls(gap)}
    none = {check.column for check in checks if check.expectation == NOT_NULL and _found_none(check)}
    nulls = {logical: counted.get(logical, 0 if logical in none else None) for logical in columns}
    per_column = {
        columns[logical]: {"nullCount": count} for logical, count in nulls.items() if count is not None
    }
    known = {"rowCount": int(rows)} if isinstance(rows, int | float) and not isinstance(rows, bool) else {}
    return facet("1-0-3/DataQualityMetricsInputDatasetFacet", **known, columnMetrics=per_column)


def _counts_nulls(gap: Gap) -> bool:
    """Whether the gap says how many values of its column are null in this run, and not in an earlier one."""
    is_now = gap.status is not GapStatus.RESOLVED and gap.life.unmeasured_since is None
    return gap.kind == _NULLS and gap.experiment is None and gap.segment is None and is_now


def _found_none(check: StoredCheck) -> bool:
    return check.status is CheckStatus.PASSED and check.observed == 0


def _assertions(checks: Sequence[StoredCheck], columns: Mapping[str, str], run: StoredRun | None) -> Json:
    items = [_assertion(check, columns, run.gap(check.gap_id) if run else None) for check in checks]
    return facet("1-1-0/DataQualityAssertionsDatasetFacet", assertions=items)


def _assertion(check: StoredCheck, columns: Mapping[str, str], gap: Gap | None) -> Json:
    """A check; one that could not be evaluated is no success, and says so."""
    passed = check.status is CheckStatus.PASSED
    found: Json = {"assertion": check.expectation, "success": passed}
    column = _column(check.column, columns)
    if column is not None:
        found["column"] = column
    found["name"] = f"{check.suite}.{check.expectation}" + (f".{check.column}" if check.column else "")
    if not passed:
        found["severity"] = "warn" if gap is not None and gap.severity not in _LOUD else "error"
    for key, value in {"expected": check.threshold, "actual": check.observed}.items():
        if value is not None:
            found[key] = str(plain(value))
    params = {"status": check.status.value} | ({"gap_id": check.gap_id} if check.gap_id else {})
    return found | {"params": params}


def _column(name: str | None, columns: Mapping[str, str]) -> str | None:
    """The column of the dataset that a check is about; one on a flag of ours is about the column flagged, or the whole table."""
    flagged = "variant" if name == _OFF_ARM else (name or "").removesuffix(_UNREADABLE)
    return columns.get(flagged)


def _gap(gap: Gap) -> Json:
    names = ("gap_id", "kind", "experiment", "table", "column", "segment", "description")
    figures = ("rows_total", "rows_affected", "share_affected", "share_residual", "owner", "severity_reason")
    document: Json = {name: plain(getattr(gap, name)) for name in (*names, *figures)}
    state = {"status": gap.status.value, "severity": gap.severity.value}
    return document | state | {"flips_decision": any(impact.flips_decision for impact in gap.metrics)}
