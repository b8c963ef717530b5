"""One build of the warehouse: inspect, map, run dbt; again without a source that turned out unreadable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dagster_pipeline.config.own_metrics import own_name
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

    A file can look whole from its header and break in the middle: only reading it shows that. The sides of a parity and
    the tables of own metrics are read too, but are no sources: of them only what was found is left.
    """
    mapping = build_mapping(config, inspections)
    result = runner.build(mapping.variables, on_node)
    faults = _unreadable_sources(result) | _unreadable_sides(config, result) | _failed_metrics(config, result)
    while faults:
        inspections = {name: _unreadable(found, faults.get(name)) for name, found in inspections.items()}
        mapping = build_mapping(config, inspections)
        result = runner.build(mapping.variables, on_node)
        # Where the one that was named is not the one that breaks, none is read.
        faults = (
            {} if faults.keys() >= _own_tables(config) else _failed_metrics(config, result, all_of_them=True)
        )
    no_sources = {*_sides(config), *(own_name(metric.name) for metric in config.own_metrics)}
    sources = {name: found for name, found in inspections.items() if name not in no_sources}
    return WarehouseBuild(mapping, sources, result)


def _unreadable(found: SourceInspection, fault: str | None) -> SourceInspection:
    if fault is None:
        return found
    return replace(found, status=SourceStatus.UNREADABLE, relation_sql=None, row_error=fault)


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


def _failed_metrics(
    config: PlumblineConfig, result: BuildResult, *, all_of_them: bool = False
) -> dict[str, str]:
    """The own metrics whose table broke while it was read: those whose file or expression is named, all where none is."""
    causes = [n for n in result.nodes if n.status is NodeStatus.ERROR and n.name == "int_own_metrics"]
    if not causes:
        return {}
    message, read = causes[0].message, [metric for metric in config.own_metrics if metric.is_of_table]
    named = [m for m in read if any(text and text in message for text in (m.from_, m.y, m.d))]
    failed = read if all_of_them or not named else named
    return {own_name(metric.name): f"could not be computed: {causes[0].cause}" for metric in failed}


def _own_tables(config: PlumblineConfig) -> set[str]:
    return {own_name(metric.name) for metric in config.own_metrics if metric.is_of_table}


def _sides(config: PlumblineConfig) -> dict[str, str | None]:
    """Where each side is read from by the name of its inspection, None where it is a query."""
    return {
        inspection_name(parity.id, name): parity.side(name).from_
        for parity in config.parity
        for name in SIDES
    }
