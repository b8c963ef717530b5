"""Measured gaps become gaps with direction, size and severity."""

import dagster as dg

from dagster_pipeline.checks.result import CheckResult
from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.defs.metadata import gaps_table
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.gaps.assess import RunAssessment, assess
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.measurements import Measurements, read_measurements
from dagster_pipeline.gaps.unevaluated import with_unevaluated
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.report.assemble import source_facts, unit_joins
from dagster_pipeline.report.summary import balance_markdown, joins_markdown
from dagster_pipeline.transform.results import WarehouseBuild


@dg.asset(group_name=GROUPS["gaps"], kinds={"python"})
def measurements(
    context: dg.AssetExecutionContext, warehouse_build: WarehouseBuild, plumbline: PlumblineRun
) -> Measurements:
    """The aggregates Python reads, and no more: what was not built in this run is left out, never read from an older one."""
    models = [f"gap_{kind}" for kind in gap_kinds()]
    with plumbline.session.connection() as connection:
        found = read_measurements(connection, warehouse_build.result.built, models)
    joins = unit_joins(plumbline.config, found)
    context.add_output_metadata(
        {
            "row_balance": dg.MetadataValue.md(balance_markdown(source_facts(warehouse_build, found))),
            "not_measured": sorted(found.unread),
        }
        | ({"unit_joins": dg.MetadataValue.md(joins_markdown(joins))} if joins else {})
    )
    return found


@dg.asset(group_name=GROUPS["gaps"], kinds={"python"})
def gap_assessment(
    context: dg.AssetExecutionContext,
    warehouse_build: WarehouseBuild,
    measurements: Measurements,
    check_results: list[CheckResult],
    plumbline: PlumblineRun,
) -> RunAssessment:
    """Every gap with its bounds, direction and severity; every metric with its interval and region."""
    tell(Step.ASSESS)
    found = assess(plumbline.config, warehouse_build.mapping, measurements)
    whole = with_unevaluated(plumbline.config, warehouse_build, check_results, measurements, found)
    context.add_output_metadata({"gaps": len(whole.gaps), "found": gaps_table(whole.gaps)})
    return whole
