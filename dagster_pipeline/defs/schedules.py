"""The jobs of the line: as plumbline.yml stands now, and for a day that is over; the daily schedule."""

import dagster as dg

from dagster_pipeline.defs.partitions import DAYS

ONE_AT_A_TIME = {"plumbline/warehouse": "build"}
"""Tag of every run that builds the warehouse; dagster.yaml lets one of them run at a time."""
WHOLE_AGAIN = {"dagster/retry_strategy": "ALL_STEPS"}
"""A run that is repeated begins at its beginning: its build of the warehouse is gone with it."""

_LINE = (
    # Checks of the sources are named apart: a source is no asset of the job, as nothing here makes it.
    dg.AssetSelection.all(include_sources=False) | dg.AssetSelection.all_asset_checks()
)
_DAYS_RECORD = dg.AssetSelection.assets("daily_verdict")


def on_new_data() -> dg.AutomationCondition:  # type: ignore[type-arg]
    """True from when a source was reported as changed until a run has looked at it, or failed to, but not during one.

    A run that failed is not asked for again before the data changes again.
    """
    condition = dg.AutomationCondition
    handled = condition.newly_updated() | condition.execution_failed().newly_true()
    changed = condition.any_deps_updated().since(handled)
    return condition.any_job_root_assets_match(changed & ~condition.in_progress())


line_job = dg.define_asset_job(
    "plumbline",
    selection=_LINE - _DAYS_RECORD,
    description="The whole line: inspect, build, check, bound, decide, report.",
    executor_def=dg.in_process_executor,
    tags=ONE_AT_A_TIME | WHOLE_AGAIN,
    automation_condition=on_new_data(),
)

daily_job = dg.define_asset_job(
    "plumbline_daily",
    selection=_LINE,
    description="The whole line for one day that is over: it sees what was dated by the end of it (UTC).",
    executor_def=dg.in_process_executor,
    tags=ONE_AT_A_TIME | WHOLE_AGAIN | {"dagster/max_retries": "1"},
)


@dg.schedule(
    name="daily",
    job=daily_job,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    description="Every morning, for the day before; switch it on in the UI.",
)
def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """The run of the last day that is over. A tick that is made up for asks for its own day, not for today's."""
    with dg.partition_loading_context(effective_dt=context.scheduled_execution_time):
        day = DAYS.get_last_partition_key()
    if day is None:
        return dg.SkipReason("The first experiment has not been running for a whole day.")
    return dg.RunRequest(run_key=day, partition_key=day, tags={"plumbline/day": day})
