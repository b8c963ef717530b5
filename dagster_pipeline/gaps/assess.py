"""From measurements to the run's gaps, metrics and demands: the room's one entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from dagster_pipeline.config.brief import Brief, SeverityPolicy
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.triage import owner_of
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.criteria.delta_star import Flip
from dagster_pipeline.criteria.severity import Assessment as Grade
from dagster_pipeline.criteria.severity import Stakes, severity, severity_without_brief
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.dashboards import found_dashboards
from dagster_pipeline.gaps.desk import ABSENCES, Desk, ExperimentAssessment
from dagster_pipeline.gaps.detected import detected_gaps, remarks_on
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.impacts import Weighed
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.transform.mapping import WarehouseMapping


@dataclass(frozen=True)
class RunAssessment:
    """All that the register, the gate and the report need of a run's measurements."""

    gaps: tuple[Gap, ...]
    experiments: tuple[ExperimentAssessment, ...]


def assess(config: PlumblineConfig, mapping: WarehouseMapping, measurements: Measurements) -> RunAssessment:
    """Bound every gap on every metric it touches, grade it, and evaluate the briefs."""
    found = detected_gaps(config, measurements)
    desks = [
        Desk(config, mapping, measurements, experiment, found) for experiment in config.experiments or (None,)
    ]
    experiments = tuple(desk.assessment() for desk in desks)
    shown = found_dashboards(
        measurements,
        {e.experiment: e.levels for e in experiments},
        config.as_of,
        _freshness(config),
        config.metrics,
    )
    remarks = remarks_on(measurements)
    return RunAssessment(
        gaps=tuple(_gap(config, gap, desks, mapping, remarks) for gap in (*found, *shown)),
        experiments=experiments,
    )


def _freshness(config: PlumblineConfig) -> timedelta | None:
    source = config.sources.get("dashboards")
    return source.freshness if source else None


def _gap(
    config: PlumblineConfig,
    gap: FoundGap,
    desks: Sequence[Desk],
    mapping: WarehouseMapping,
    remarks: Mapping[tuple[str, str, str | None], str],
) -> Gap:
    """One gap of the register, graded by the worst brief it touches."""
    kind = gap_kinds()[gap.kind]
    definitions = (
        mapping.metrics if config.parity_of(gap.source) else _touchable(gap, mapping, config.metrics)
    )
    remark = remarks.get((gap.kind, gap.source, gap.column))
    weighed = [(desk, desk.weigh(gap, definitions)) for desk in desks]
    threshold = config.thresholds.value(kind.threshold, gap.source, gap.column) if kind.threshold else None
    grade = _grade(gap, weighed, threshold, mapping)
    unjoined = [words for desk in desks if (words := desk.unjoined_words(gap, grade.severity))]
    return Gap(
        gap_id=gap_id(gap.kind, gap.experiment, gap.source, gap.column, gap.segment),
        kind=gap.kind,
        experiment=gap.experiment,
        table=gap.source,
        column=gap.column,
        segment=gap.segment,
        description=" ".join(filter(None, [_description(gap, kind.meaning), remark])),
        status=GapStatus.OPEN,
        severity=grade.severity,
        severity_reason=" ".join([grade.reason, *unjoined]),
        rows_total=gap.rows_total,
        rows_affected=gap.rows_affected,
        share_affected=gap.share_affected,
        share_residual=gap.share_residual,
        by_variant=dict(gap.by_variant),
        differential=gap.differential,
        metrics=tuple(impact for _, found in weighed for impact in found.impacts),
        mitigation=kind.mitigation,
        residual_risk=kind.residual_risk,
        contingency=kind.contingency,
        owner=_owner(config, gap),
    )


def _touchable(
    gap: FoundGap, mapping: WarehouseMapping, known: Mapping[str, MetricDefinition]
) -> tuple[MetricDefinition, ...]:
    """What a lost source or column takes away are the metrics that are not there; other gaps touch those that are."""
    if gap.kind in ABSENCES:
        return tuple(d for name, d in known.items() if name in mapping.absent_metrics)
    return mapping.metrics


def _grade(
    gap: FoundGap,
    weighed: Sequence[tuple[Desk, Weighed]],
    threshold: float | None,
    mapping: WarehouseMapping,
) -> Grade:
    grades = [
        _grade_under(desk, desk.brief, found, gap, threshold)
        for desk, found in weighed
        if desk.brief is not None and gap.experiment in (None, desk.design.id)
    ]
    if grades:
        return max(grades, key=lambda grade: grade.severity.rank)
    expected = any(
        f.expected and (f.kind, f.source, f.column) == (gap.kind, gap.source, gap.column)
        for f in mapping.findings
    )
    return severity_without_brief(
        gap.share_affected, threshold, breached=not expected and gap.rows_affected is None
    )


def _grade_under(desk: Desk, brief: Brief, found: Weighed, gap: FoundGap, threshold: float | None) -> Grade:
    metrics = {flip.rule.metric for flip in found.flips}
    joint: tuple[Flip, ...] = tuple(d.flip for d in desk.demands if d.rule.metric in metrics)
    share = gap.share_affected
    stakes = Stakes(
        flips=found.flips,
        joint=joint,
        base_passes=all(d.base is Outcome.PASSED for d in desk.demands),
        unexplained_mismatch=gap.kind == "sample_ratio_mismatch",
        below_threshold=share is not None and threshold is not None and share <= threshold,
        failing_elsewhere=sum(
            d.base is not Outcome.PASSED for d in desk.demands if d.rule.metric not in metrics
        ),
    )
    policy: SeverityPolicy = brief.policy
    return severity(stakes, policy)


def _description(gap: FoundGap, meaning: str) -> str:
    if gap.note:
        return f"{gap.note[0].upper()}{gap.note[1:]}."
    if gap.rows_affected is None or gap.rows_total is None:
        return meaning
    left = f"; {gap.rows_residual:,} are left after repair" if gap.rows_residual is not None else ""
    return f"{gap.rows_affected:,} of {gap.rows_total:,} rows{left}. {meaning}"


def _owner(config: PlumblineConfig, gap: FoundGap) -> str | None:
    """The owner a brief names for the kind, else for the source: its experiment's, else the first; else the triage's."""
    own = config.brief(gap.experiment) if gap.experiment else None
    briefs = [own] if own else config.briefs[:1]
    named = [*(brief.owners for brief in briefs), config.triage.owners]
    return next((found for owners in named if (found := owner_of(owners, gap.kind, gap.source))), None)
