"""Measured gaps become gaps with direction, size and severity."""

import dagster as dg

from dagster_pipeline.checks.result import CheckResult
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.gaps.assess import RunAssessment, assess
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.measurements import Measurements, read_measurements
from dagster_pipeline.gaps.unevaluated import unevaluated_gaps
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.transform.results import WarehouseBuild


@dg.asset(group_name="decision")
def measurements(warehouse_build: WarehouseBuild, plumbline: PlumblineRun) -> Measurements:
    """The aggregates Python reads, and no more: what was not built in this run is left out, never read from an older one."""
    models = [f"gap_{kind}" for kind in gap_kinds()]
    with plumbline.session.connection() as connection:
        return read_measurements(connection, warehouse_build.result.built, models)


@dg.asset(group_name="decision")
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
    extra = unevaluated_gaps(plumbline.config, warehouse_build, check_results, found)
    context.add_output_metadata({"gaps": len(found.gaps) + len(extra)})
    return found.with_gaps(extra)
