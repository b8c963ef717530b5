"""One build of the warehouse: inspect, map, run dbt; again without a source that turned out unreadable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dagster_pipeline.config.parity import SIDES, inspection_name
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

    A file can look whole from its header and break in the middle: only reading it shows that. The sides of a parity are
    read too, but are no sources: of them only what was found is left.
    """
    mapping = build_mapping(config, inspections)
    result = runner.build(mapping.variables, on_node)
    unreadable = _unreadable_sources(result) | _unreadable_sides(config, result)
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
    sides = _sides(config)
    sources = {name: found for name, found in inspections.items() if name not in sides}
    return WarehouseBuild(mapping, sources, result)


def _unreadable_sources(result: BuildResult) -> dict[str, str]:
    failed = [n for n in result.nodes if n.status is NodeStatus.ERROR and n.name.startswith("stg_")]
    return {n.name.removeprefix("stg_"): n.cause for n in failed}


def _unreadable_sides(config: PlumblineConfig, result: BuildResult) -> dict[str, str]:
    """The sides of the parities whose comparison broke: those whose file is named, all where none is.

    Then nothing else tells them apart, and to compare none of them is better than to lose what is built on all.
    """
    causes = [n for n in result.nodes if n.status is NodeStatus.ERROR and n.name == "parity_counts"]
    if not causes:
        return {}
    sides = _sides(config)
    named = [name for name, origin in sides.items() if origin and origin in causes[0].message]
    return dict.fromkeys(named or sides, f"could not be compared: {causes[0].cause}")


def _sides(config: PlumblineConfig) -> dict[str, str | None]:
    """Where each side is read from by the name of its inspection, None where it is a query."""
    return {
        inspection_name(parity.id, name): parity.side(name).from_
        for parity in config.parity
        for name in SIDES
    }
