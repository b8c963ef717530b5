"""One job for the whole line, and its daily schedule."""

import dagster as dg

line_job = dg.define_asset_job(
    "plumbline",
    selection=dg.AssetSelection.all(include_sources=False),
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
