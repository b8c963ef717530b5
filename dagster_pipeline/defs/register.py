"""The run's gaps enter the register: stable ids, history, in the warehouse."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import dagster as dg

from dagster_pipeline.checks.result import CheckResult
from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.defs.metadata import unresolved
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.engines.inspection import SourceStatus
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.register import store
from dagster_pipeline.register.acts import gap_acts
from dagster_pipeline.register.documents import RegisteredCheck, link_checks
from dagster_pipeline.register.history import Evaluation, Merged, merge
from dagster_pipeline.register.journal import Entry, read_journal
from dagster_pipeline.report.decision_view import open_gaps_by_severity
from dagster_pipeline.report.summary import register_markdown
from dagster_pipeline.transform.results import WarehouseBuild


@dataclass(frozen=True)
class Registered:
    """The register after a run, and the journal of what people did; ``journal_fault`` says why that could not be read."""

    merged: Merged
    checks: tuple[RegisteredCheck, ...]
    journal: tuple[Entry, ...] = ()
    journal_fault: str | None = None


@dg.asset(group_name=GROUPS["register"], kinds={"python"})
def gap_register(
    context: dg.AssetExecutionContext,
    gap_assessment: RunAssessment,
    measurements: Measurements,
    warehouse_build: WarehouseBuild,
    check_results: list[CheckResult],
    plumbline: PlumblineRun,
) -> Registered:
    """Gaps with their lives so far: what is new, what changed, what is gone."""
    tell(Step.REGISTER)
    with plumbline.session.connection() as connection:
        store.prepare(connection)
        prior = store.latest_gaps(connection)
        folded = store.folded_acts(connection)
    journal, fault = _journal_of(plumbline)
    acts = [act for act in gap_acts(journal) if act.digest not in folded]
    evaluation = _evaluation(warehouse_build, measurements, gap_assessment)
    merged = merge(
        () if plumbline.is_look_back else prior,
        gap_assessment.gaps,
        evaluation,
        run_id=plumbline.run_id,
        at=plumbline.started_at,
        acts=() if plumbline.is_look_back else acts,
        escalation=plumbline.config.triage.escalation,
    )
    if plumbline.is_look_back:  # an earlier day is seen as it was: nothing happened to a gap today
        merged = replace(merged, events=())
    by_event = Counter(event.event.value for event in merged.events)
    context.add_output_metadata(
        {
            "register": dg.MetadataValue.md(register_markdown(merged.gaps)),
            "open": open_gaps_by_severity(unresolved(merged.gaps)),
            "changed_in_this_run": _changes(by_event),
        }
        | ({"looks_back_at": plumbline.day} if plumbline.is_look_back else {})
    )
    return Registered(merged, link_checks(check_results, merged.gaps), journal, fault)


def _journal_of(run: PlumblineRun) -> tuple[tuple[Entry, ...], str | None]:
    """The people's journal; where it can't be read none of it, and why: nothing in it counts then."""
    try:
        return read_journal(run.journal_path), None
    except NotEvaluatedError as error:
        return (), str(error)


def _changes(by_event: Mapping[str, int]) -> str:
    return ", ".join(f"{size} {event.replace('_', ' ')}" for event, size in by_event.items()) or "nothing"


def _evaluation(build: WarehouseBuild, measurements: Measurements, assessment: RunAssessment) -> Evaluation:
    unread = {
        i.name for i in build.inspections.values() if i.status not in (SourceStatus.OK, SourceStatus.UNMAPPED)
    }
    absent = {f"{f.source}.{f.column}" for f in build.mapping.findings if f.kind == "schema_change"}
    uncompared = {
        f.source
        for f in build.mapping.findings
        if f.kind == "not_evaluated" and not f.expected and not f.column
    }
    return Evaluation(
        kinds=frozenset(kind for kind in gap_kinds() if f"gap_{kind}" not in measurements.unread),
        unread=frozenset(unread | absent | uncompared),
        experiments=frozenset(e.experiment for e in assessment.experiments if e.experiment),
    )
