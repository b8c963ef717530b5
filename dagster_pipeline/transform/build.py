"""One build of the warehouse: inspect, map, run dbt; again without a source that turned out unreadable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner
from dagster_pipeline.transform.mapping import build_mapping
from dagster_pipeline.transform.results import BuildResult, NodeStatus, WarehouseBuild


def build_warehouse(
    config: PlumblineConfig,
    inspections: Mapping[str, SourceInspection],
    runner: DbtProjectRunner,
    on_node: Callable[[str, int, int], None] | None = None,
) -> WarehouseBuild:
    """Run dbt. A source whose content can't be read to its end is treated as unreadable and the rest is built without it.

    A file can look whole from its header and break in the middle: only reading it shows that.
    """
    mapping = build_mapping(config, inspections)
    result = runner.build(mapping.variables, on_node)
    unreadable = _unreadable_sources(result)
    if unreadable:
        inspections = {
            name: replace(
                found, status=SourceStatus.UNREADABLE, relation_sql=None, row_error=unreadable[name]
            )
            if name in unreadable
            else found
            for name, found in inspections.items()
        }
        mapping = build_mapping(config, inspections)
        result = runner.build(mapping.variables, on_node)
    return WarehouseBuild(mapping, inspections, result)


def _unreadable_sources(result: BuildResult) -> dict[str, str]:
    failed = [n for n in result.nodes if n.status is NodeStatus.ERROR and n.name.startswith("stg_")]
    return {n.name.removeprefix("stg_"): n.cause for n in failed}
