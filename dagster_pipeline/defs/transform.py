"""Sources are inspected, dbt builds; a model that fails never stops what comes after."""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, build_dbt_asset_specs

from dagster_pipeline.defs.resources import PlumblineRun, config_path
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.report.files import begin_run
from dagster_pipeline.transform.build import build_warehouse
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner
from dagster_pipeline.transform.results import NodeStatus, WarehouseBuild

WAREHOUSE_BUILD = dg.AssetKey("warehouse_build")


class _Translator(DagsterDbtTranslator):
    """Groups are the rooms, in flow order."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return str(dbt_resource_props["fqn"][1])

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey(dbt_resource_props["name"])


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


def _out(spec: dg.AssetSpec) -> dg.AssetOut:
    """A model that fails is skipped, and its dependencies are told apart from its definition: an out can't carry them."""
    return dg.AssetOut.from_spec(spec.replace_attributes(deps=[]), is_required=False)


def _upstream() -> dict[str, set[dg.AssetKey]]:
    """What each output is made from; models without parents are made from the inspected sources."""
    inspected = dg.AssetKey("source_inspection")
    edges = {spec.key.path[-1]: {dep.asset_key for dep in spec.deps} or {inspected} for spec in model_specs()}
    edges["warehouse_build"] = {inspected} | {spec.key for spec in model_specs() if spec.group_name == "gaps"}
    return edges


@dg.asset(group_name="sources")
def source_inspection(
    context: dg.AssetExecutionContext, plumbline: PlumblineRun
) -> dict[str, SourceInspection]:
    """What each source is like before anything reads it in full: there or not, its columns and types."""
    tell(Step.INSPECT)
    begin_run(plumbline.output_folder, plumbline.run_id)
    found = plumbline.engine.inspect(plumbline.config, plumbline.session.build_path)
    lines = [f"| {i.name} | {i.status.value} | {i.row_error or ''} |" for i in found.values()]
    table = "\n".join(["| source | status | note |", "|---|---|---|", *lines])
    context.add_output_metadata({"sources": dg.MetadataValue.md(table)})
    return found


@dg.multi_asset(
    name="dbt_build",
    outs={spec.key.path[-1]: _out(spec) for spec in model_specs()}
    | {
        "warehouse_build": dg.AssetOut(
            key=WAREHOUSE_BUILD,
            group_name="checks",
            description="What dbt built and what it could not; everything later depends on this, never on a single model.",
            dagster_type=dg.Any,
        )
    },
    internal_asset_deps=_upstream(),
    can_subset=False,
)
def dbt_build(
    context: dg.AssetExecutionContext, source_inspection: dict[str, SourceInspection], plumbline: PlumblineRun
) -> Iterator[dg.Output]:  # type: ignore[type-arg]
    """Build every model; a model that fails is not materialized and what needs it is registered as not evaluated."""
    build = build_warehouse(
        plumbline.config, source_inspection, plumbline.dbt, lambda name, i, n: tell(Step.BUILD, name, i / n)
    )
    for node in build.result.nodes:
        if node.resource_type == "model" and node.status is NodeStatus.SUCCESS:
            yield dg.Output(None, output_name=node.name, metadata={"seconds": node.seconds})
    for node in build.result.broken:
        context.log.error(f"{node.name}: {node.message}")
    yield dg.Output(build, output_name="warehouse_build", metadata=_build_metadata(build))


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
            metadata={"tests": len(tests), "broken": broken},
        )
