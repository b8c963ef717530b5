"""From measurements to the run's gaps, metrics and demands: the room's one entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.config.types import Brief, Experiment, PlumblineConfig, SeverityPolicy
from dagster_pipeline.criteria.delta_star import Flip
from dagster_pipeline.criteria.segments import passing_segments
from dagster_pipeline.criteria.severity import Assessment as Grade
from dagster_pipeline.criteria.severity import Stakes, severity, severity_without_brief
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.demands import Demand, demands_of
from dagster_pipeline.gaps.effects import (
    ROWS_MAY_FOLLOW,
    EffectCalculator,
    EffectOf,
    LevelOf,
    OpenGaps,
    every_effect,
)
from dagster_pipeline.gaps.evidence import EvidenceReader, ExperimentDesign, statistic_of
from dagster_pipeline.gaps.found import FoundGap, found_gaps
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.impacts import ImpactScale, Place, Weighed
from dagster_pipeline.gaps.kinds import gap_kinds, touched_metrics
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.gaps.regions import COHORT_INCOMPLETE, NO_UPPER_LIMIT, GapRegions, lost_units
from dagster_pipeline.statistics.evidence import MetricKind
from dagster_pipeline.transform.mapping import EVERYONE, WarehouseMapping

DEFAULT_CONFIDENCE = 0.90


@dataclass(frozen=True)
class ExperimentAssessment:
    """One experiment's metrics and demands; ``experiment`` None for a run without experiments.

    ``passing_segments`` pass the whole brief on their own, base and joint, with multiplicity held (Holm).
    """

    experiment: str | None
    brief: Brief | None
    levels: tuple[LevelOf, ...]
    effects: tuple[EffectOf, ...]
    demands: tuple[Demand, ...]
    segments: tuple[str, ...]
    passing_segments: tuple[str, ...]


@dataclass(frozen=True)
class RunAssessment:
    """All that the register, the gate and the report need of a run's measurements."""

    gaps: tuple[Gap, ...]
    experiments: tuple[ExperimentAssessment, ...]

    def with_gaps(self, more: Iterable[Gap]) -> RunAssessment:
        """The same with gaps found elsewhere added."""
        return replace(self, gaps=(*self.gaps, *more))


def assess(config: PlumblineConfig, mapping: WarehouseMapping, measurements: Measurements) -> RunAssessment:
    """Bound every gap on every metric it touches, grade it, and evaluate the briefs."""
    splits = {e.id: e.split for e in config.experiments}
    found = found_gaps(measurements.rows, splits)
    desks = [
        _Desk(config, mapping, measurements, experiment, found)
        for experiment in config.experiments or (None,)
    ]
    return RunAssessment(
        gaps=tuple(_gap(config, gap, desks, mapping) for gap in found),
        experiments=tuple(desk.assessment() for desk in desks),
    )


class _Desk:
    """One experiment being assessed."""

    def __init__(
        self,
        config: PlumblineConfig,
        mapping: WarehouseMapping,
        measurements: Measurements,
        experiment: Experiment | None,
        found: Sequence[FoundGap],
    ) -> None:
        self.experiment = experiment
        self.brief = config.brief(experiment.id) if experiment else None
        self.design = _design(experiment)
        self._measurements = measurements
        self._available = _available(mapping, measurements)
        self._confidence = self.brief.confidence if self.brief else DEFAULT_CONFIDENCE
        self._reader = EvidenceReader(measurements, self.design)
        regions = GapRegions(self._reader, self.design, self._confidence)
        own = [gap for gap in found if gap.experiment in (None, self.design.id)]
        self._calculator = self._calculate(own, regions)
        self.effects = tuple(every_effect(self._calculator, self._available.values(), [None]))
        self.demands = demands_of(self.brief, self._calculator, self._available) if self.brief else ()
        self._scale = ImpactScale(regions, self.effects, self.demands)

    def weigh(self, gap: FoundGap, metrics: Iterable[MetricDefinition]) -> Weighed:
        """The gap's impacts here; none where it is about another experiment."""
        if gap.experiment not in (None, self.design.id):
            return Weighed((), ())
        touched = touched_metrics(gap.kind, gap.source, gap.column, metrics)
        if gap.kind == "stale_source" and gap.source == "requests" and not self._cohort_is_cut():
            touched = []
        return self._scale.weigh(_place(gap), touched, self.design.treatments)

    def assessment(self) -> ExperimentAssessment:
        """Levels, effects and demands, overall and by segment."""
        segments = self._measurements.segments(self.design.id)
        levels = [
            level
            for definition in self._available.values()
            for segment in (None, *segments)
            for level in self._calculator.levels(definition, segment)
        ]
        by_segment = tuple(every_effect(self._calculator, self._available.values(), segments))
        return ExperimentAssessment(
            experiment=self.experiment.id if self.experiment else None,
            brief=self.brief,
            levels=tuple(levels),
            effects=(*self.effects, *by_segment),
            demands=self.demands,
            segments=segments,
            passing_segments=self._passing(segments),
        )

    def _passing(self, segments: Sequence[str]) -> tuple[str, ...]:
        brief = self.brief
        if brief is None or not brief.segment_columns:
            return ()
        wanted = [s for s in segments if s.partition("=")[0] in brief.segment_columns]

        def passes(segment: str, confidence: float) -> bool:
            stricter = replace(self._calculator, confidence=confidence)
            demands = demands_of(brief, stricter, self._available, segment)
            return bool(demands) and all(
                d.base is Outcome.PASSED and d.joint is Outcome.PASSED for d in demands
            )

        return passing_segments(wanted, passes, brief.confidence)

    def _calculate(self, gaps: Sequence[FoundGap], regions: GapRegions) -> EffectCalculator:
        plain = EffectCalculator(self._reader, self.design, self._confidence, OpenGaps())
        effects = every_effect(plain, self._available.values(), [None])
        scale = ImpactScale(regions, effects, ())
        mismatch = next((g for g in gaps if g.kind == "sample_ratio_mismatch" and g.segment is None), None)
        opened = OpenGaps(
            unlimited=dict(self._unlimited(gaps)),
            lost_units=lost_units(dict(mismatch.units), self.design.split) if mismatch else {},
            widening=self._widening(gaps, scale),
        )
        return replace(plain, opened=opened)

    def _widening(
        self, gaps: Iterable[FoundGap], scale: ImpactScale
    ) -> dict[tuple[str, str], tuple[float, float]]:
        """Rows of unknown requests share no request's cell, so what they may add is added to the joint region."""
        widths: dict[tuple[str, str], tuple[float, float]] = {}
        for gap in gaps:
            if not _has_unknown_requests(gap):
                continue
            for definition in touched_metrics(gap.kind, gap.source, gap.column, self._available.values()):
                for treatment in self.design.treatments:
                    down, up = scale.widening(_place(gap), definition, treatment)
                    before = widths.get((definition.name, treatment), (0.0, 0.0))
                    widths[definition.name, treatment] = (before[0] + down, before[1] + up)
        return widths

    def _unlimited(self, gaps: Iterable[FoundGap]) -> Iterable[tuple[str, str]]:
        """Metrics whose joint region has no limit at all, and why."""
        for gap in gaps:
            for definition in touched_metrics(gap.kind, gap.source, gap.column, self._available.values()):
                counts = statistic_of(definition).kind in (MetricKind.MEAN, MetricKind.RATIO)
                if gap.kind == "stale_source" and gap.source == "requests" and self._cohort_is_cut():
                    yield definition.name, COHORT_INCOMPLETE
                elif gap.kind == "stale_source" and gap.source != "requests" and counts:
                    yield definition.name, ROWS_MAY_FOLLOW
                elif (gap.source, gap.column) == ("hires", "amount") and gap.rows_residual:
                    yield definition.name, NO_UPPER_LIMIT

    def _cohort_is_cut(self) -> bool:
        """Whether requests stopped arriving before the window ended."""
        fact = self._measurements.sources.get("requests")
        window = self.experiment.window if self.experiment else None
        if fact is None or fact.newest_at is None or window is None:
            return True
        return fact.newest_at < window.end.replace(tzinfo=None)


def _design(experiment: Experiment | None) -> ExperimentDesign:
    if experiment is None:
        return ExperimentDesign("", EVERYONE, {EVERYONE: 1.0}, clustered=False)
    return ExperimentDesign(
        experiment.id, experiment.control, dict(experiment.split), experiment.unit != "request"
    )


def _available(mapping: WarehouseMapping, measurements: Measurements) -> dict[str, MetricDefinition]:
    """Metrics that were computed in this run."""
    needed = {"metric_statistics", "metric_quantiles", "metric_cells", "lost_request_cells"}
    if needed & measurements.unread:
        return {}
    return {definition.name: definition for definition in mapping.metrics}


def _place(gap: FoundGap) -> Place:
    return Place(gap.kind, gap.source, gap.column, gap.rows_residual or 0, gap.share_residual, gap.units)


def _has_unknown_requests(gap: FoundGap) -> bool:
    """Whether the gap's rows can't be laid at any request's door: a null key, or a flag on a quote that is nowhere."""
    if gap.kind in ("missing_values", "invalid_values"):
        known = {"quotes.quoted_at", "hires.hired_at", "hires.outcome", "hires.amount"}
        return gap.source != "requests" and f"{gap.source}.{gap.column}" not in known
    return gap.kind == "orphan_rows" and gap.source == "spam_flags"


def _gap(config: PlumblineConfig, gap: FoundGap, desks: Sequence[_Desk], mapping: WarehouseMapping) -> Gap:
    """One gap of the register, graded by the worst brief it touches."""
    kind = gap_kinds()[gap.kind]
    definitions = _touchable(gap, mapping)
    weighed = [(desk, desk.weigh(gap, definitions)) for desk in desks]
    threshold = config.thresholds.value(kind.threshold, gap.source, gap.column) if kind.threshold else None
    grade = _grade(gap, weighed, threshold, mapping)
    return Gap(
        gap_id=gap_id(gap.kind, gap.experiment, gap.source, gap.column, gap.segment),
        kind=gap.kind,
        experiment=gap.experiment,
        table=gap.source,
        column=gap.column,
        segment=gap.segment,
        description=_description(gap, kind.meaning),
        status=GapStatus.OPEN,
        severity=grade.severity,
        severity_reason=grade.reason,
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


def _touchable(gap: FoundGap, mapping: WarehouseMapping) -> tuple[MetricDefinition, ...]:
    """What a lost source or column takes away are the metrics that are not there; other gaps touch those that are."""
    if gap.kind in ("schema_change", "not_evaluated"):
        return tuple(d for name, d in metric_definitions().items() if name in mapping.absent_metrics)
    return mapping.metrics


def _grade(
    gap: FoundGap,
    weighed: Sequence[tuple[_Desk, Weighed]],
    threshold: float | None,
    mapping: WarehouseMapping,
) -> Grade:
    grades = [
        _grade_under(desk, desk.brief, found, gap, threshold)
        for desk, found in weighed
        if desk.brief is not None
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


def _grade_under(desk: _Desk, brief: Brief, found: Weighed, gap: FoundGap, threshold: float | None) -> Grade:
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
    """The owner the first brief names for the kind, else for the source."""
    owners: Mapping[str, str] = config.briefs[0].owners if config.briefs else {}
    return owners.get(gap.kind) or owners.get(gap.source)
