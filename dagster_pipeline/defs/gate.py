"""The decision, and the record of it."""

from dataclasses import dataclass, replace

import dagster as dg

from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.defs.register import Registered
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.defs.run_history import RunHistory, RunResults, append_history
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import Decision, DecisionInputs
from dagster_pipeline.gate.dossier import Acts, Decided, Ground, Preparation, dossiers, preparations
from dagster_pipeline.gate.inputs import decision_inputs
from dagster_pipeline.gate.settled import settled
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.register import store
from dagster_pipeline.register.brief_history import read_brief_history
from dagster_pipeline.register.dry_runs import record_dry_runs
from dagster_pipeline.register.look_backs import LookBack, append_look_back
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.transform.results import WarehouseBuild


@dataclass(frozen=True)
class Prepared:
    """What people did so far, and how each launch was prepared."""

    acts: Acts
    by_experiment: dict[str, Preparation]


@dg.asset(group_name=GROUPS["gate"], kinds={"python"})
def launch_preparation(
    context: dg.AssetExecutionContext, gap_register: Registered, plumbline: PlumblineRun
) -> Prepared:
    """Who signed which brief, which briefs runs were held to before, and whether the contract was rehearsed in time."""
    acts = _acts(gap_register, plumbline)
    found = preparations(plumbline.config, acts, gap_register.checks, plumbline.started_at)
    context.add_output_metadata(
        {
            "journal_entries": len(acts.journal),
            "unready": dg.MetadataValue.md("\n\n".join(map(_unready, found.values())) or "no brief"),
        }
    )
    return Prepared(acts, found)


def _acts(registered: Registered, run: PlumblineRun) -> Acts:
    with run.session.connection() as connection:
        store.prepare(connection)
        return Acts(registered.journal, read_brief_history(connection), registered.journal_fault)


def _unready(found: Preparation) -> str:
    lines = [f"- {markdown_text(sentence, 600)}" for sentence in found.unready] or ["- nothing holds it back"]
    return "\n".join([f"**{markdown_text(found.experiment, 200)}**", "", *lines])


@dg.asset(group_name=GROUPS["gate"], kinds={"python"})
def launch_gate(
    context: dg.AssetExecutionContext,
    gap_assessment: RunAssessment,
    gap_register: Registered,
    launch_preparation: Prepared,
    plumbline: PlumblineRun,
) -> list[Decision]:
    """GO, PARTIAL or HOLD for each experiment, with reasons."""
    tell(Step.DECIDE)
    asked = _inputs(gap_assessment, gap_register, launch_preparation, plumbline)
    decisions = [decide(settled(one)) for one in asked]
    context.add_output_metadata(
        {
            "verdicts": ", ".join(f"{d.experiment or 'no experiment'}: {d.verdict.value}" for d in decisions),
            "reasons": dg.MetadataValue.md("\n\n".join(map(_reasons, decisions))),
        }
    )
    return decisions


def _inputs(
    assessment: RunAssessment, registered: Registered, prepared: Prepared, run: PlumblineRun
) -> tuple[DecisionInputs, ...]:
    return decision_inputs(
        assessment,
        registered.merged.gaps,
        run.config.as_of,
        run.started_at,
        prepared.by_experiment,
        run.decides_nothing,
    )


@dg.asset(group_name=GROUPS["gate"], kinds={"python"})
def decision_dossiers(
    context: dg.AssetExecutionContext,
    measurements: Measurements,
    gap_assessment: RunAssessment,
    gap_register: Registered,
    launch_preparation: Prepared,
    launch_gate: list[Decision],
    plumbline: PlumblineRun,
) -> Decided:
    """What belongs to each decision beside its verdict: brief, power, value, trade-off, rollout, what would change it."""
    ground = Ground(
        plumbline.config,
        gap_assessment,
        measurements,
        gap_register.merged.gaps,
        launch_preparation.acts,
        launch_preparation.by_experiment,
    )
    inputs = _inputs(gap_assessment, gap_register, launch_preparation, plumbline)
    found = dossiers(ground, zip(map(settled, inputs), launch_gate, strict=True))
    turns = [markdown_text(change.sentence, 600) for dossier in found for change in dossier.changes]
    context.add_output_metadata(
        {"changes": dg.MetadataValue.md("\n".join(f"- {turn}" for turn in turns) or "none")}
    )
    return Decided(tuple(launch_gate), found, inputs)


def _keep_look_back(registered: Registered, decided: Decided, run: PlumblineRun) -> RunHistory:
    """The warehouse stays today's: the build of an earlier day goes, what it measured is kept beside the history."""
    found = LookBack(
        run_id=run.run_id,
        as_of=run.config.as_of,
        at=run.started_at,
        gaps=registered.merged.gaps,
        checks_failed=sum(one.check.status is not CheckStatus.PASSED for one in registered.checks),
    )
    run.session.start_over()
    with run.session.connection() as connection:
        store.prepare(connection)
        append_look_back(connection, found)
    run.session.publish()
    return RunHistory((), decided=decided)


def _reasons(decision: Decision) -> str:
    """The verdict's reasons as a list; ids and names of the user's are text, never markup."""
    title = f"**{markdown_text(decision.experiment or 'no experiment', 200)}**"
    return "\n".join([title, "", *(f"- {markdown_text(reason, 600)}" for reason in decision.reasons)])


@dg.asset(group_name=GROUPS["gate"], kinds={"python"})
def published_warehouse(
    warehouse_build: WarehouseBuild,
    measurements: Measurements,
    gap_assessment: RunAssessment,
    gap_register: Registered,
    launch_preparation: Prepared,
    decision_dossiers: Decided,
    plumbline: PlumblineRun,
) -> RunHistory:
    """The build with the run's history becomes the warehouse everybody reads, whole or not at all."""
    if plumbline.is_look_back:
        return _keep_look_back(gap_register, decision_dossiers, plumbline)
    results = RunResults(
        warehouse_build,
        measurements,
        gap_assessment,
        gap_register,
        decision_dossiers.decisions,
        launch_preparation.acts,
    )
    record = store.RunRecord(
        run_id=plumbline.run_id,
        as_of=plumbline.config.as_of,
        evaluated_at=plumbline.started_at,
        gaps=gap_register.merged.gaps,
        events=gap_register.merged.events,
        checks=gap_register.checks,
        verdicts={d.experiment or "": d.verdict.value for d in decision_dossiers.decisions},
    )
    with plumbline.session.connection() as connection:
        store.prepare(connection)
        history = append_history(connection, plumbline, results)
        store.append_run(connection, record)
    plumbline.session.publish()
    record_dry_runs(plumbline.dry_run_journal, history.dry_runs)
    return replace(history, decided=decision_dossiers)
