"""What nobody should have to look for: a run that failed, and a gap that has become a blocker.

The asset ``alerts`` tells the channels what a run found. A run that broke has no such asset, so its failure is told here;
a new blocker is told there, so here it is put on record, where its source is looked at, also where no channel is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_pipeline.alerts.channels import Delivery, tell_failure
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.defs.metadata import source_key
from dagster_pipeline.defs.resources import PARTITION_TAG, config_path
from dagster_pipeline.defs.run_marks import NEW_BLOCKERS
from dagster_pipeline.defs.schedules import daily_job, line_job

GAP_REGISTER = dg.AssetKey("gap_register")


@dg.run_failure_sensor(
    name="run_failure_sensor",
    monitored_jobs=[line_job, daily_job],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the alert channels that a run failed. docs/alerts.md",
)
def run_failure_sensor(context: dg.RunFailureSensorContext) -> dg.SkipReason:
    """Tell every channel which run failed and at what; a configuration that can't be read fails the tick, which is tried again."""
    alerts = load_config(Path(config_path())).alerts
    if not alerts.channels:
        return dg.SkipReason("No channel is named under alerts, so that nobody was told.")
    told = tell_failure(alerts, failure_text(context))
    for delivery in told:
        if not delivery.told:
            context.log.error(f"{delivery.channel} was not told of the failed run: {delivery.detail}.")
    return dg.SkipReason(_told(told))


def failure_text(context: dg.RunFailureSensorContext) -> str:
    """Which run failed, for which day, and where it broke: one line each."""
    run = context.dagster_run
    day = run.tags.get(PARTITION_TAG)
    head = f"Run {run.run_id} of {run.job_name}{f' for {day}' if day else ''} failed."
    causes = [f"{event.step_key}: {_cause(event)}" for event in context.get_step_failure_events()]
    return "\n".join([head, *(causes or [context.failure_event.message or "It ended without a word."])])


def _cause(event: dg.DagsterEvent) -> str:
    """The first line of the error at the bottom of it."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    text = (error.message if error else event.message) or ""
    return next(iter(text.strip().splitlines()), "no reason given")


def _told(told: Sequence[Delivery]) -> str:
    return f"{sum(found.told for found in told)} of {len(told)} channels were told."


@dg.asset_sensor(
    asset_key=dg.AssetKey("report"),
    name="new_blocker_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Puts every gap that has become a blocker on record at its source, and at the register. docs/dagster.md",
)
def new_blocker_sensor(
    context: dg.SensorEvaluationContext, asset_event: dg.EventLogEntry
) -> dg.SensorResult | dg.SkipReason:
    """One observation for each new blocker of the last report; it launches nothing."""
    found = _new_blockers(asset_event)
    for one in found:
        context.log.error(f"New blocker: {one['what']} ({one['gap_id']}).")
    if not found:
        return dg.SkipReason("The last run found no new blocker.")
    return dg.SensorResult(asset_events=list(_observations(found, asset_event.run_id)))


def _new_blockers(event: dg.EventLogEntry) -> list[Mapping[str, Any]]:
    """What the run put down; none of a run that has no metadata of the kind, as of a dry run of an older version."""
    made = event.asset_materialization
    value = made.metadata.get(NEW_BLOCKERS) if made else None
    return list(getattr(value, "data", None) or [])


def _observations(found: Sequence[Mapping[str, Any]], run_id: str) -> Iterator[dg.AssetObservation]:
    for one in found:
        metadata = {"new_blocker": one["what"], "gap": one["gap_id"], "run": run_id}
        yield dg.AssetObservation(GAP_REGISTER, metadata=metadata)
        if one["table"] in source_specs():
            yield dg.AssetObservation(source_key(one["table"]), metadata=metadata)
