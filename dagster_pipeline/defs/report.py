"""The files of a run; and, last, whether the pipeline itself is whole."""

import dagster as dg

from dagster_pipeline.alerts.dispatch import alert_faults
from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.defs.register import Registered
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.defs.run_history import RunHistory
from dagster_pipeline.defs.run_marks import mark_run
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.register.trends import RegisterPast, read_past
from dagster_pipeline.report.assemble import RunFacts, assemble
from dagster_pipeline.report.files import write_outputs
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.stored_run import StoredRun
from dagster_pipeline.report.summary import render_summary
from dagster_pipeline.transform.results import WarehouseBuild


@dg.asset(group_name=GROUPS["report"], kinds={"python"})
def report(
    context: dg.AssetExecutionContext,
    warehouse_build: WarehouseBuild,
    measurements: Measurements,
    gap_assessment: RunAssessment,
    gap_register: Registered,
    published_warehouse: RunHistory,
    plumbline: PlumblineRun,
) -> RunReport:
    """register.json, verdict.json, metrics.json, decision.json, the one-page report and its siblings, written atomically."""
    tell(Step.REPORT)
    facts = RunFacts(
        run_id=plumbline.run_id,
        evaluated_at=plumbline.started_at,
        config=plumbline.config,
        build=warehouse_build,
        measurements=measurements,
        assessment=gap_assessment,
        dossiers=published_warehouse.decided.dossiers,
        log=published_warehouse.log,
        events=gap_register.merged.events,
        alert_faults=alert_faults(plumbline.warehouse_path, plumbline.config.alerts),
        track_record=published_warehouse.track_record,
        past=_past(plumbline),
    )
    found = assemble(
        facts, gap_register.merged.gaps, gap_register.checks, published_warehouse.decided.decisions
    )
    known = len(gap_register.journal) if gap_register.journal_fault is None else None
    paths = write_outputs(
        found, plumbline.output_folder, StoredRun(found, published_warehouse.decided.inputs, known)
    )
    context.add_output_metadata(
        {
            "summary": dg.MetadataValue.md(render_summary(found)),
            "page": dg.MetadataValue.path(str(plumbline.output_folder / "report" / "index.html")),
            "verdict": dg.MetadataValue.path(str(paths[-1])),
            "files": len(paths),
        }
        | mark_run(context, found, plumbline)
    )
    return found


def _past(run: PlumblineRun) -> RegisterPast:
    """The register's history with this run in it, from the warehouse it has just published."""
    with run.engine.read_published(run.warehouse_path) as session:
        return read_past(session)


@dg.asset(group_name=GROUPS["report"], deps=["report"], kinds={"python"})
def pipeline_health(context: dg.AssetExecutionContext, warehouse_build: WarehouseBuild) -> None:
    """Fails the run where our own models broke: the register is written by then, and nobody takes the run for whole."""
    broken = [node.name for node in warehouse_build.result.broken]
    error = warehouse_build.result.error
    if broken or error:
        raise dg.Failure(
            description="Models of Plumbline failed or broke an invariant; the register has them as not evaluated.",
            metadata={"broken": broken, "error": error or ""},
        )
    context.add_output_metadata({"models_built": len(warehouse_build.result.built)})
