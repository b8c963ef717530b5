"""The decision taken again from what a run left, after somebody accepted, resolved or reopened a gap: no run is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from dagster_pipeline.gate.changes import change_documents, changes
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import Decision, DecisionInputs, to_json
from dagster_pipeline.gate.settled import with_gaps
from dagster_pipeline.register.acts import GapAct
from dagster_pipeline.register.history import fold_acts, register_order
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.stored_run import StoredRun


def decide_again(run: StoredRun, acts: Sequence[GapAct], at: datetime) -> RunReport:
    """The run's report with what people did until ``at``: its gaps, its verdicts and what would change them.

    What was measured stays as it was measured, and so do ``as_of`` and ``evaluated_at``: a word makes no old run a new one.
    An act that is not allowed on the gap as it stands changes nothing. Where the team names who approves waivers, a gap said to
    be resolved counts only on the word of one of them: nobody gets around an approval by another name for it.
    """
    report = run.report
    folded, told = fold_acts({gap.gap_id: gap for gap in report.gaps}, acts, report.run_id)
    gaps = tuple(sorted(folded.values(), key=register_order))
    approvers = report.triage.waivers.approvers
    asked = [with_gaps(inputs, gaps, at, approvers) for inputs in run.inputs]
    decided = [(inputs, decide(inputs)) for inputs in asked]
    dated = [replace(found, evaluated_at=report.evaluated_at) for _, found in decided]
    return replace(
        report,
        gaps=gaps,
        verdicts=tuple(map(to_json, dated)),
        dossiers=_dossiers(report, decided),
        recent=(*report.recent, *told),
    )


def _dossiers(
    report: RunReport, decided: Sequence[tuple[DecisionInputs, Decision]]
) -> tuple[dict[str, object], ...]:
    """Each decision's dossier with what would turn the new verdict; the rest of it does not hang on people's word."""
    turns = {inputs.experiment: change_documents(changes(inputs, found)) for inputs, found in decided}
    return tuple(
        dict(dossier) | ({"changes": turns[dossier["experiment"]]} if dossier["experiment"] in turns else {})
        for dossier in report.dossiers
    )
