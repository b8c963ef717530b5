"""The decision, and the record of it."""

import dagster as dg

from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.defs.register import Registered
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import Decision
from dagster_pipeline.gate.inputs import decision_inputs
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.register import store
from dagster_pipeline.report.escape import markdown_text


@dg.asset(group_name=GROUPS["gate"], kinds={"python"})
def launch_gate(
    context: dg.AssetExecutionContext,
    gap_assessment: RunAssessment,
    gap_register: Registered,
    plumbline: PlumblineRun,
) -> list[Decision]:
    """GO, PARTIAL or HOLD for each experiment, with reasons."""
    tell(Step.DECIDE)
    at = plumbline.started_at
    inputs = decision_inputs(gap_assessment, gap_register.merged.gaps, plumbline.config.as_of, at)
    decisions = [decide(one) for one in inputs]
    context.add_output_metadata(
        {
            "verdicts": ", ".join(f"{d.experiment or 'no experiment'}: {d.verdict.value}" for d in decisions),
            "reasons": dg.MetadataValue.md("\n\n".join(map(_reasons, decisions))),
        }
    )
    return decisions


def _reasons(decision: Decision) -> str:
    """The verdict's reasons as a list; ids and names of the user's are text, never markup."""
    title = f"**{markdown_text(decision.experiment or 'no experiment', 200)}**"
    return "\n".join([title, "", *(f"- {markdown_text(reason, 600)}" for reason in decision.reasons)])


@dg.asset(group_name=GROUPS["gate"], kinds={"python"})
def published_warehouse(
    gap_register: Registered, launch_gate: list[Decision], plumbline: PlumblineRun
) -> None:
    """The build with the run's history becomes the warehouse everybody reads, whole or not at all."""
    record = store.RunRecord(
        run_id=plumbline.run_id,
        as_of=plumbline.config.as_of,
        evaluated_at=plumbline.started_at,
        gaps=gap_register.merged.gaps,
        events=gap_register.merged.events,
        checks=gap_register.checks,
        verdicts={d.experiment or "": d.verdict.value for d in launch_gate},
    )
    with plumbline.session.connection() as connection:
        store.prepare(connection)
        store.append_run(connection, record)
    plumbline.session.publish()
