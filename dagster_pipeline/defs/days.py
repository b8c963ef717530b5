"""What the line said: of each day, and last; a day looked back at, or a dry run, is no news of today."""

from collections.abc import Iterator

import dagster as dg

from dagster_pipeline.defs.freshness import verdict_freshness
from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.defs.metadata import unresolved
from dagster_pipeline.defs.partitions import DAYS
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.defs.run_marks import verdicts
from dagster_pipeline.report.decision_view import open_gaps_by_severity
from dagster_pipeline.report.model import RunReport


@dg.asset(
    group_name=GROUPS["report"],
    partitions_def=DAYS,
    deps=["pipeline_health"],
    kinds={"python"},
)
def daily_verdict(context: dg.AssetExecutionContext, report: RunReport, plumbline: PlumblineRun) -> None:
    """A day the line was run for: its verdicts and open gaps. A day without one was never looked at whole."""
    context.add_output_metadata(
        {
            "day": plumbline.day,
            "verdicts": verdicts(report),
            "decides": plumbline.decides_nothing or "yes",
            "open": open_gaps_by_severity(unresolved(report.gaps)),
            "files": dg.MetadataValue.path(str(plumbline.output_folder)),
        }
    )


@dg.asset(
    group_name=GROUPS["report"],
    output_required=False,
    freshness_policy=verdict_freshness(),
    kinds={"python"},
)
def standing_verdict(
    context: dg.AssetExecutionContext, report: RunReport, plumbline: PlumblineRun
) -> Iterator[dg.Output[None]]:
    """The verdict the gate reads. A look back or a dry run leaves it as it was, so that its age is the true one."""
    if plumbline.decides_nothing:
        context.log.info(f"The standing verdict stays: {plumbline.decides_nothing}.")
        return
    metadata = {"verdicts": verdicts(report), "as_of": report.as_of.isoformat()}
    yield dg.Output(None, metadata=metadata)
