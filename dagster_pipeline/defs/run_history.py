"""What a run adds to the warehouse besides its gaps: its decisions in the log, the briefs it was held to, a dry run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.defs.register import Registered
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.defs.track_record import append_track_record, track_record
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gate.brief_version import BriefStatus, brief_document, brief_status
from dagster_pipeline.gate.decision import Decision, to_json
from dagster_pipeline.gate.dossier import Acts, Decided
from dagster_pipeline.gate.dry_run import dry_run_faults
from dagster_pipeline.register.alert_quality import CoverageSeen
from dagster_pipeline.register.brief_history import BriefSeen, append_briefs
from dagster_pipeline.register.coverage import coverage
from dagster_pipeline.register.decision_log import LogEntry, append_decisions, read_log
from dagster_pipeline.register.decision_record import (
    DataSnapshot,
    SourceSnapshot,
    decision_record,
    file_digest,
)
from dagster_pipeline.register.dry_runs import DryRun, append_dry_runs
from dagster_pipeline.register.store import SqlSession
from dagster_pipeline.register.track_record import TrackRecord
from dagster_pipeline.register.trends import append_coverage
from dagster_pipeline.report.assemble import source_facts
from dagster_pipeline.transform.results import WarehouseBuild


@dataclass(frozen=True)
class RunResults:
    """What the assets before it came to."""

    build: WarehouseBuild
    measurements: Measurements
    assessment: RunAssessment
    registered: Registered
    decisions: Sequence[Decision]
    acts: Acts


@dataclass(frozen=True)
class RunHistory:
    """The whole decision log as of this run, oldest first, the dry runs this run was (none but with --readiness), what it
    decided, and how right the register was so far."""

    log: tuple[LogEntry, ...]
    dry_runs: tuple[DryRun, ...] = ()
    decided: Decided = field(default_factory=Decided)
    track_record: TrackRecord | None = None


def append_history(session: SqlSession, run: PlumblineRun, results: RunResults) -> RunHistory:
    """Append the run's decisions, its briefs and, of a readiness run, its dry runs; needs ``store.prepare``."""
    acts = results.acts
    statuses = _brief_statuses(run.config, acts)
    snapshot = _snapshot(run, results)
    records = []
    for decision in results.decisions:
        status = statuses.get(decision.experiment or "")
        brief = brief_document(status) if status else None
        records.append(decision_record(to_json(decision), brief, snapshot, acts.journal, acts.fault))
    append_decisions(session, run.run_id, run.started_at, records, acts.journal)
    append_briefs(session, [_seen(run, results, name, status) for name, status in statuses.items()])
    dry_runs = _dry_runs(run, results, statuses) if run.is_readiness else ()
    append_dry_runs(session, dry_runs)
    watched = coverage(run.config, results.registered.checks)
    append_coverage(session, CoverageSeen(run.run_id, run.started_at, watched))
    merged, log = results.registered.merged, read_log(session)
    versions = {name: status.version for name, status in statuses.items()}
    append_track_record(session, run, results.assessment, results.measurements, merged, versions)
    track = track_record(session, merged, acts, log, run.started_at)
    return RunHistory(log, dry_runs, track_record=track)


def _brief_statuses(config: PlumblineConfig, acts: Acts) -> dict[str, BriefStatus]:
    return {
        brief.experiment: brief_status(brief, config.metrics, acts.journal, acts.history)
        for brief in config.briefs
        if brief.experiment is not None
    }


def _snapshot(run: PlumblineRun, results: RunResults) -> DataSnapshot:
    facts = source_facts(results.build, results.measurements)
    origins = {name: source.from_ for name, source in run.config.sources.items() if source.is_file}
    sources = [
        SourceSnapshot(
            name=found.name,
            status=found.status.value,
            rows=found.rows_total,
            rows_used=found.canonical_rows,
            newest=found.newest,
            is_late=found.late,
            digest=file_digest(origins.get(found.name)),
        )
        for found in facts
    ]
    return DataSnapshot(
        run_id=run.run_id,
        as_of=run.config.as_of,
        evaluated_at=run.started_at,
        configuration=hashlib.sha256(run.config.file.read_bytes()).hexdigest(),
        sources=tuple(sources),
        gaps=results.registered.merged.gaps,
    )


def _seen(run: PlumblineRun, results: RunResults, experiment: str, status: BriefStatus) -> BriefSeen:
    saw = saw_data(results, experiment)
    return BriefSeen(run.run_id, run.started_at, experiment, status.version, status.content, saw)


def saw_data(results: RunResults, experiment: str) -> bool:
    """Whether the run read a request of the experiment's cohort, by its unit joins or by any level of a metric."""
    joins = results.measurements.tables.get("unit_joins", ())
    if any(row["n_requests"] for row in joins if row["experiment_id"] == experiment):
        return True
    own = [found for found in results.assessment.experiments if found.experiment == experiment]
    return any(row.level.n for found in own for row in found.levels)


def _dry_runs(run: PlumblineRun, results: RunResults, statuses: dict[str, BriefStatus]) -> tuple[DryRun, ...]:
    briefs = [brief for brief in run.config.briefs if brief.experiment is not None]
    return tuple(_dry_run(run, results, brief, statuses[brief.experiment or ""].version) for brief in briefs)


def _dry_run(run: PlumblineRun, results: RunResults, brief: Brief, version: str) -> DryRun:
    checks = results.registered.checks
    watched = coverage(run.config, checks, (brief,))
    gaps = results.registered.merged.gaps
    faults = dry_run_faults(brief.experiment, results.build, checks, gaps, watched, brief.readiness.coverage)
    return DryRun(
        run_id=run.run_id,
        at=run.started_at,
        experiment=brief.experiment or "",
        brief_version=version,
        is_green=not faults,
        reasons=faults,
        critical_fields=watched.critical_fields,
        monitored_fields=watched.monitored_fields,
        as_of=run.config.as_of,
    )
