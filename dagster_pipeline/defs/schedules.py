"""One job for the whole line, and its daily schedule."""

import dagster as dg

line_job = dg.define_asset_job(
    "plumbline",
    # Checks of the sources are named apart: a source is no asset of the job, as nothing here makes it.
    selection=dg.AssetSelection.all(include_sources=False) | dg.AssetSelection.all_asset_checks(),
    description="The whole line: inspect, build, check, bound, decide, report.",
    executor_def=dg.in_process_executor,
)

daily = dg.ScheduleDefinition(
    name="daily",
    job=line_job,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    description="Every morning; switch it on in the UI.",
)
