"""Sources are inspected, dbt builds; a model that fails never stops what comes after."""

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, build_dbt_asset_specs

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.defs.freshness import source_freshness
from dagster_pipeline.defs.groups import GROUPS, group_of_layer
from dagster_pipeline.defs.metadata import (
    COLUMN_LINEAGE,
    COLUMN_SCHEMA,
    column_lineage,
    column_schema,
    source_columns,
    source_key,
)
from dagster_pipeline.defs.resources import PlumblineRun, config_path
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.report.files import begin_run
from dagster_pipeline.transform.build import build_warehouse
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner
from dagster_pipeline.transform.lineage import Parents, built_columns, column_parents, source_roots
from dagster_pipeline.transform.results import NodeResult, NodeStatus, WarehouseBuild

WAREHOUSE_BUILD = dg.AssetKey("warehouse_build")
_WITH_LINEAGE = frozenset(map(group_of_layer, ("staging", "intermediate", "canonical")))


class _Translator(DagsterDbtTranslator):
    """Groups are the rooms, in flow order."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return group_of_layer(str(dbt_resource_props["fqn"][1]))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey(dbt_resource_props["name"])

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The model's own words; its SQL is in the project, and would hide them here."""
        return str(dbt_resource_props["description"]).strip()

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without the declared columns: Dagster would show them in the place of those a run built, which say more."""
        declared = super().get_metadata(dbt_resource_props)
        return {name: value for name, value in declared.items() if name != COLUMN_SCHEMA}


@cache
def manifest() -> dict[str, Any]:
    """The parsed dbt project as a dictionary; parsed once, without any mapping."""
    state = Path(os.environ.get("PLUMBLINE_STATE") or Path(config_path()).resolve().parent / ".plumbline")
    parsed = DbtProjectRunner(Path("warehouse.duckdb"), state / "dbt").manifest()
    found: dict[str, Any] = parsed.writable_manifest().to_dict()
    return found


@cache
def model_specs() -> tuple[dg.AssetSpec, ...]:
    """One asset per dbt model."""
    specs = build_dbt_asset_specs(
        manifest=manifest(), dagster_dbt_translator=_Translator(), select="resource_type:model"
    )
    return tuple(specs)


@cache
def _column_descriptions() -> dict[str, dict[str, str]]:
    models = [n for n in manifest()["nodes"].values() if n["resource_type"] == "model"]
    return {n["name"]: {c: v["description"] for c, v in n["columns"].items()} for n in models}


def _out(spec: dg.AssetSpec) -> dg.AssetOut:
    """A model that fails is skipped, and its dependencies are told apart from its definition: an out can't carry them."""
    return dg.AssetOut.from_spec(spec.replace_attributes(deps=[]), is_required=False)


source_tables = [
    dg.AssetSpec(
        source_key(name),
        group_name=GROUPS["sources"],
        description=f"The raw rows of {name}, as plumbline.yml maps them. Plumbline reads them and never writes.",
        kinds={"table"},
        freshness_policy=source_freshness(name),
    )
    for name in source_specs()
]
"""The tables everything starts from: made by others, so observed rather than materialized."""


def _parents(spec: dg.AssetSpec) -> set[dg.AssetKey]:
    """Staging reads its source; what reads no model starts from what the inspection found."""
    inspected = dg.AssetKey("source_inspection")
    found = {dep.asset_key for dep in spec.deps} or {inspected}
    source = spec.key.path[-1].removeprefix("stg_")
    return found | ({source_key(source)} if f"stg_{source}" == spec.key.path[-1] else set())


def _upstream() -> dict[str, set[dg.AssetKey]]:
    """What each output is made from. The build as a whole waits for the last models, and needs none of them."""
    edges = {spec.key.path[-1]: _parents(spec) for spec in model_specs()}
    gaps = {spec.key for spec in model_specs() if spec.group_name == GROUPS["measured_gaps"]}
    edges["warehouse_build"] = {dg.AssetKey("source_inspection")} | gaps
    return edges


@dg.asset(group_name=GROUPS["sources"], deps=source_tables, kinds={"python"})
def source_inspection(
    context: dg.AssetExecutionContext, plumbline: PlumblineRun
) -> dict[str, SourceInspection]:
    """What each source is like before anything reads it in full: there or not, its columns and types."""
    tell(Step.INSPECT)
    begin_run(plumbline.output_folder, plumbline.run_id)
    found = plumbline.engine.inspect(plumbline.config, plumbline.session.build_path)
    for inspection in found.values():
        if inspection.name in source_specs():
            context.log_event(_observed(inspection))
    lines = [
        f"| {markdown_text(i.name, 100)} | {i.status.value} | {markdown_text(i.remark or '', 300)} |"
        for i in found.values()
    ]
    table = "\n".join(["| source | status | note |", "|---|---|---|", *lines])
    context.add_output_metadata({"sources": dg.MetadataValue.md(table)})
    return found


def _observed(inspection: SourceInspection) -> dg.AssetObservation:
    metadata: dict[str, Any] = {"status": inspection.status.value}
    if inspection.remark:
        metadata["note"] = inspection.remark
    if inspection.absent_columns:
        metadata["absent_columns"] = list(inspection.absent_columns)
    if inspection.physical_columns:
        metadata["columns"] = source_columns(inspection)
    return dg.AssetObservation(source_key(inspection.name), metadata=metadata)


@dg.multi_asset(
    name="dbt_build",
    outs={spec.key.path[-1]: _out(spec) for spec in model_specs()}
    | {
        "warehouse_build": dg.AssetOut(
            key=WAREHOUSE_BUILD,
            group_name=GROUPS["checks"],
            description="What dbt built and what it could not; everything later depends on this, never on a single model.",
            dagster_type=dg.Any,
            kinds={"dbt"},
        )
    },
    internal_asset_deps=_upstream(),
    deps=source_tables,
    can_subset=False,
)
def dbt_build(
    context: dg.AssetExecutionContext, source_inspection: dict[str, SourceInspection], plumbline: PlumblineRun
) -> Iterator[dg.Output]:  # type: ignore[type-arg]
    """Build every model; a model that fails is not materialized and what needs it is registered as not evaluated."""
    build = build_warehouse(
        plumbline.config, source_inspection, plumbline.dbt, lambda name, i, n: tell(Step.BUILD, name, i / n)
    )
    # An instance that ends with the run keeps nothing for anybody to look at.
    shown = {} if context.instance.is_ephemeral else _column_metadata(context, build, plumbline)
    for node in build.result.nodes:
        if node.resource_type == "model" and node.status is NodeStatus.SUCCESS:
            metadata = {"seconds": node.seconds} | shown.get(node.name, {})
            yield dg.Output(None, output_name=node.name, metadata=metadata)
    for node in build.result.broken:
        context.log.error(f"{node.name}: {node.message}")
    yield dg.Output(build, output_name="warehouse_build", metadata=_build_metadata(build))


def _column_metadata(
    context: dg.AssetExecutionContext, build: WarehouseBuild, plumbline: PlumblineRun
) -> dict[str, dict[str, Any]]:
    """Columns as built and where each comes from, by model."""
    with plumbline.session.connection() as connection:
        columns = built_columns(connection)
    nodes = [n for n in build.result.nodes if n.resource_type == "model" and n.name in columns]
    parents = dict(_parents_of_columns(context, nodes, columns, plumbline.engine.name))
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        roots = {column: source_roots(parents, node.name, column) for column in columns[node.name]}
        descriptions = _column_descriptions().get(node.name, {})
        found[node.name] = {COLUMN_SCHEMA: column_schema(columns[node.name], descriptions, roots)}
        if node.name in parents:
            source = build.inspections.get(node.name.removeprefix("stg_"))
            found[node.name][COLUMN_LINEAGE] = column_lineage(node.name, parents[node.name], source)
    return found


def _parents_of_columns(
    context: dg.AssetExecutionContext,
    nodes: Iterable[NodeResult],
    columns: Mapping[str, Mapping[str, str]],
    dialect: str,
) -> Iterator[tuple[str, dict[str, Parents]]]:
    """Of each model up to the canonical ones; what comes after are aggregates, whose SQL is long and whose lineage is all."""
    groups = {spec.key.path[-1]: spec.group_name for spec in model_specs()}
    names = {relation: list(found) for relation, found in columns.items()}
    for node in nodes:
        if groups.get(node.name) in _WITH_LINEAGE:
            try:
                yield node.name, column_parents(node.sql, names, dialect)
            except (
                Exception
            ) as error:  # a query of the user's may be beyond the parser, and lineage decides nothing
                context.log.info(f"No column lineage for {node.name}: {error}")


def _build_metadata(build: WarehouseBuild) -> dict[str, Any]:
    unread = [i.name for i in build.inspections.values() if i.status is not SourceStatus.OK]
    return {
        "models_built": len(build.result.built),
        "nodes_broken": [node.name for node in build.result.broken],
        "sources_not_read": unread,
        "metrics_absent": dict(build.mapping.absent_metrics),
    }


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            name="invariants",
            asset=spec.key,
            description="Our own promises of this model: grain and keys.",
            additional_deps=[WAREHOUSE_BUILD],
        )
        for spec in model_specs()
    ],
    ins={"warehouse_build": dg.AssetIn()},
    can_subset=True,
)
def invariants(
    context: dg.AssetCheckExecutionContext, warehouse_build: WarehouseBuild
) -> Iterator[dg.AssetCheckResult]:
    """dbt's tests of our own models. A failure is our bug, never the data's; it does not block the register."""
    wanted = {key.asset_key.to_user_string() for key in context.selected_asset_check_keys}
    built = warehouse_build.result.built
    for name in sorted(wanted):
        tests = [n for n in warehouse_build.result.nodes if (n.attached_node or "").endswith(f".{name}")]
        broken = [t.name for t in tests if t.status is not NodeStatus.SUCCESS]
        yield dg.AssetCheckResult(
            check_name="invariants",
            asset_key=name,
            passed=name in built and not broken,
            severity=dg.AssetCheckSeverity.ERROR,
            description=_invariants_in_words(name, name in built, len(tests), broken),
            metadata={"tests": len(tests), "broken": broken},
        )


def _invariants_in_words(name: str, is_built: bool, tests: int, broken: list[str]) -> str:
    if broken:
        return f"{name} breaks {', '.join(broken)}."
    if not is_built:
        return f"{name} was not built in this run."
    return (
        f"Built; {tests} of {tests} tests hold."
        if tests
        else "Built; it makes no promise beyond its columns."
    )
