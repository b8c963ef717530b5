"""From a run's results to the one value every renderer takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.desk import ExperimentAssessment
from dagster_pipeline.gaps.effects import EffectOf, LevelOf
from dagster_pipeline.gaps.measurements import Measurements, SourceFact
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.gate.decision import Decision, to_json
from dagster_pipeline.gate.dossier import Dossier, dossier_document
from dagster_pipeline.register.alert_quality import AlertQuality, alert_quality
from dagster_pipeline.register.checkpoint import recent
from dagster_pipeline.register.coverage import coverage
from dagster_pipeline.register.decision_log import LogEntry
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.register.history import GapEvent
from dagster_pipeline.register.track_record import TrackRecord
from dagster_pipeline.register.trends import RegisterPast
from dagster_pipeline.report.model import (
    EffectRow,
    ExperimentScenarios,
    LevelRow,
    MetricTables,
    RunReport,
    SourceFacts,
    SourceStatus,
    UnitJoins,
)
from dagster_pipeline.statistics.evidence import EffectKind
from dagster_pipeline.transform.results import WarehouseBuild


@dataclass(frozen=True)
class RunFacts:
    """What a run knows besides its gaps and decisions."""

    run_id: str
    evaluated_at: datetime
    config: PlumblineConfig
    build: WarehouseBuild
    measurements: Measurements
    assessment: RunAssessment
    dossiers: Sequence[Dossier] = ()
    log: Sequence[LogEntry] = ()
    events: Sequence[GapEvent] = ()
    alert_faults: Sequence[str] = ()
    track_record: TrackRecord | None = None
    past: RegisterPast | None = None


def assemble(
    facts: RunFacts, gaps: Sequence[Gap], checks: Sequence[RegisteredCheck], decisions: Sequence[Decision]
) -> RunReport:
    """The report of a run."""
    return RunReport(
        run_id=facts.run_id,
        as_of=facts.config.as_of,
        evaluated_at=facts.evaluated_at,
        gaps=tuple(gaps),
        checks=tuple(checks),
        coverage=coverage(facts.config, checks),
        verdicts=tuple(to_json(decision) for decision in decisions),
        metrics=_metrics(facts.assessment),
        scenarios=tuple(_scenarios(found) for found in facts.assessment.experiments),
        sources=source_facts(facts.build, facts.measurements),
        unit_joins=unit_joins(facts.config, facts.measurements),
        experiments=facts.config.experiments,
        briefs=facts.config.briefs,
        absent=tuple(_absent(facts)),
        definitions=facts.config.metrics,
        dossiers=tuple(dossier_document(found) for found in facts.dossiers),
        log=tuple(facts.log),
        events=tuple(facts.events),
        triage=facts.config.triage,
        alert_faults=tuple(facts.alert_faults),
        track_record=facts.track_record,
        quality=_quality(facts),
        trends=facts.past.trends if facts.past else (),
        recent=recent(facts.past.events, facts.evaluated_at) if facts.past else (),
    )


def _quality(facts: RunFacts) -> AlertQuality | None:
    past = facts.past
    if past is None:
        return None
    return alert_quality(past.events, past.severities, past.coverages, facts.evaluated_at)


def _metrics(assessment: RunAssessment) -> MetricTables:
    levels = [_level(e, row) for e in assessment.experiments for row in e.levels]
    effects = [_effect(e, row) for e in assessment.experiments for row in e.effects]
    return MetricTables(
        levels=tuple(row for row in levels if row.segment is None),
        effects=tuple(row for row in effects if row.segment is None),
        segment_levels=tuple(row for row in levels if row.segment is not None),
        segment_effects=tuple(row for row in effects if row.segment is not None),
    )


def _scenarios(found: ExperimentAssessment) -> ExperimentScenarios:
    return ExperimentScenarios(found.experiment, found.scenarios, found.contingencies)


def _level(found: ExperimentAssessment, row: LevelOf) -> LevelRow:
    level = row.level
    return LevelRow(
        found.experiment or "",
        row.metric,
        row.variant,
        level.n,
        level.value,
        level.reason,
        level.ci_lower,
        level.ci_upper,
        row.segment,
    )


def _effect(found: ExperimentAssessment, row: EffectOf) -> EffectRow:
    return EffectRow(
        experiment=found.experiment or "",
        metric=row.metric,
        variant=row.variant,
        effect=EffectKind(row.effect),
        estimate=row.estimate.value,
        ci_lower=row.estimate.ci_lower,
        ci_upper=row.estimate.ci_upper,
        lower=row.region.lower,
        upper=row.region.upper,
        reason=row.estimate.reason or row.region.reason,
        segment=row.segment,
    )


def source_facts(build: WarehouseBuild, measurements: Measurements) -> tuple[SourceFacts, ...]:
    """The row balance of every source of the catalogue, as far as it was measured."""
    return tuple(
        _source(
            found.name,
            SourceStatus(found.status.value),
            measurements.sources.get(found.name),
            found.remark,
        )
        for found in build.inspections.values()
    )


def unit_joins(config: PlumblineConfig, measurements: Measurements) -> tuple[UnitJoins, ...]:
    """How the cohort requests of each experiment found their unit; () where that was not measured."""
    if "unit_joins" not in measurements.tables:
        return ()
    rows = measurements.tables["unit_joins"]
    return tuple(
        _unit_joins(experiment.id, experiment.unit, [r for r in rows if r["experiment_id"] == experiment.id])
        for experiment in config.experiments
    )


def _unit_joins(experiment: str, unit: str, rows: Sequence[Mapping[str, Any]]) -> UnitJoins:
    return UnitJoins(
        experiment,
        unit,
        requests=sum(row["n_requests"] for row in rows),
        with_key=sum(row["n_with_key"] for row in rows),
        assigned=sum(row["n_assigned"] for row in rows),
        by_source={row["variant_source"]: row["n_requests"] for row in rows},
    )


def _source(name: str, status: SourceStatus, fact: SourceFact | None, note: str) -> SourceFacts:
    if fact is None or status not in (SourceStatus.OK, SourceStatus.EMPTY):
        return SourceFacts(name, status, note=note)
    return SourceFacts(
        name=name,
        status=status,
        rows_total=fact.rows_in,
        filtered=fact.rows_filtered,
        quarantined=fact.rows_quarantined,
        duplicates_removed=fact.rows_duplicate,
        conflicts_removed=fact.rows_conflicting,
        canonical_rows=fact.rows_kept,
        newest=fact.newest_at.replace(tzinfo=UTC) if fact.newest_at else None,
        late=fact.is_stale,
        note=note,
    )


def _absent(facts: RunFacts) -> Iterator[str]:
    for name, why in facts.build.mapping.absent_metrics.items():
        yield f"{facts.config.metrics[name].label} is not computed: it {why}."
    if not facts.config.experiments:
        yield "No experiment is configured, so there are no arms to compare."
    if not facts.config.briefs:
        yield "There is no brief, so there is nothing to decide."
