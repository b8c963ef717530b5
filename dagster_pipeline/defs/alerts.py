"""Who is told of what changed: after the report, and never a reason for a run to fail."""

from dataclasses import replace

import dagster as dg

from dagster_pipeline.alerts.dispatch import Deliveries, alerts_document, dispatch, written
from dagster_pipeline.alerts.reading import read_news
from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.report.digest import run_digest
from dagster_pipeline.report.documents import json_text
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.writing import write_atomically

ALERTS_FILE = "alerts.json"


@dg.asset(group_name=GROUPS["alerts"], kinds={"python"})
def alerts(context: dg.AssetExecutionContext, report: RunReport, plumbline: PlumblineRun) -> Deliveries:
    """One message per channel with what changed, kept until it is delivered; a failing channel is shown, and fails nothing."""
    found = _safely_told(report, plumbline)
    for fault in found.faults:
        context.log.error(fault)
    context.add_output_metadata(
        {
            "channels": len(found.channels),
            "not_told": sum(not one.told for one in found.channels),
            "events_told": sum(one.events for one in found.channels),
            "deliveries": written(found.channels) or "no channel is configured",
            "faults": "\n".join(found.faults) or "none",
        }
    )
    return found


def _safely_told(report: RunReport, run: PlumblineRun) -> Deliveries:
    """A fault of ours here is no reason to lose a run whose files are written."""
    try:
        found = _told(report, run)
    except Exception as error:
        reason = str(error) if isinstance(error, PlumblineError) else type(error).__name__
        found = Deliveries(report.run_id, fault=f"Nobody could be told: {reason}")
    try:
        write_atomically(run.output_folder / ALERTS_FILE, json_text(alerts_document(found)))
    except PlumblineError as error:
        found = replace(found, fault=str(error))
    return found


def _told(report: RunReport, run: PlumblineRun) -> Deliveries:
    """A dry run or a look back tells nobody; what it changed in the register, if anything, is told by the next run."""
    settings = run.config.alerts
    if not settings.channels or run.decides_nothing:
        return Deliveries(report.run_id)
    with run.engine.read_published(run.warehouse_path) as session:
        news = read_news(session, report, run_digest(report) if settings.digest else None)
    return dispatch(news, settings, run.warehouse_path)
