"""One experiment of a run being assessed: its metrics, its demands, and what each gap does to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.segments import is_drawn_before
from dagster_pipeline.config.types import Experiment, PlumblineConfig
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.contingencies import Contingency, contingencies
from dagster_pipeline.gaps.demands import Demand, demands_of
from dagster_pipeline.gaps.effects import (
    ROWS_MAY_FOLLOW,
    EffectCalculator,
    EffectOf,
    LevelOf,
    OpenGaps,
    every_effect,
    hides_members,
)
from dagster_pipeline.gaps.evidence import EvidenceReader, ExperimentDesign
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.harm import HarmedSegment, HarmFound, harm_found
from dagster_pipeline.gaps.impacts import ImpactScale, Weighed
from dagster_pipeline.gaps.kinds import touched_metrics
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.opened import UnknownRows, can_count, counted_in, rows_told
from dagster_pipeline.gaps.own_metrics import why_unlimited
from dagster_pipeline.gaps.places import (
    COHORT_INCOMPLETE,
    NO_UPPER_LIMIT,
    Place,
    lost_units,
    units_gone,
)
from dagster_pipeline.gaps.pros import names_its_pros
from dagster_pipeline.gaps.regions import GapRegions
from dagster_pipeline.gaps.rehires import why_open
from dagster_pipeline.gaps.rest import RestReader
from dagster_pipeline.gaps.scenarios import ScenarioRow, scenario_rows
from dagster_pipeline.gaps.stand_ins import Ground
from dagster_pipeline.gaps.standing import Standing
from dagster_pipeline.gaps.tradeoff import Tradeoff, tradeoffs
from dagster_pipeline.gaps.unjoined import before_the_join, unjoined_sentence
from dagster_pipeline.statistics.evidence import Estimate, Metric, Region
from dagster_pipeline.transform.mapping import EVERYONE, WarehouseMapping

DEFAULT_CONFIDENCE = 0.90
ABSENCES = frozenset({"schema_change", "not_evaluated"})


@dataclass(frozen=True)
class ExperimentAssessment:
    """One experiment's metrics and demands; ``experiment`` None for a run without experiments.

    ``passing_segments`` and ``passing_treatments`` pass the whole brief on their own, base and joint, with multiplicity held
    over the segments, or the treatments, looked at (Holm); without one of ``passing_without`` the others together pass.
    ``harmed`` are large segments proven to be harmed, ``unjudged_harm`` says where that can't be known, ``tradeoffs`` sets
    speed against hires by treatment.
    """

    experiment: str | None
    brief: Brief | None
    levels: tuple[LevelOf, ...]
    effects: tuple[EffectOf, ...]
    demands: tuple[Demand, ...]
    segments: tuple[str, ...]
    passing_segments: tuple[str, ...]
    scenarios: tuple[ScenarioRow, ...] = ()
    contingencies: tuple[Contingency, ...] = ()
    passing_treatments: tuple[str, ...] = ()
    passing_without: tuple[str, ...] = ()
    harmed: tuple[HarmedSegment, ...] = ()
    unjudged_harm: str | None = None
    tradeoffs: tuple[Tradeoff, ...] = ()


class Desk:
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
        self.design = _design(experiment, self.brief)
        self._measurements = measurements
        self._available = _available(mapping, measurements)
        self._absent = mapping.absent_metrics
        self._definitions = config.metrics
        self._parity = {parity.id: frozenset(parity.metrics) for parity in config.parity}
        self._confidence = self.brief.confidence if self.brief else DEFAULT_CONFIDENCE
        self._reader = EvidenceReader(measurements, self.design)
        regions = GapRegions(self._reader, self.design, self._confidence)
        self._thresholds = config.thresholds
        self._own = [gap for gap in found if gap.experiment in (None, self.design.id)]
        self._calculator = self._calculator_at(self._confidence, regions)
        self.effects = tuple(every_effect(self._calculator, self._available.values(), [None]))
        self.demands = demands_of(self.brief, self._calculator, self._available) if self.brief else ()
        self._scale = ImpactScale(regions, self.effects, self.demands)

    def weigh(self, gap: FoundGap, metrics: Iterable[MetricDefinition]) -> Weighed:
        """The gap's impacts here; none where it is about another experiment."""
        if gap.experiment not in (None, self.design.id):
            return Weighed((), ())
        return self._scale.weigh(self._place(gap), self._touched(gap, metrics), self.design.treatments)

    def unjoined_words(self, gap: FoundGap, now: Severity) -> str | None:
        """What severity the join saved a gap of missing variants from, in a sentence."""
        if gap.kind != "missing_variant" or gap.experiment != self.design.id or self.brief is None:
            return None
        before = before_the_join(self._reader, self.brief, self.demands, self._confidence)
        return unjoined_sentence(before, now) if before else None

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
        decided = self._decided(segments)
        harm = self._harm(by_segment, decided)
        standing = self._standing()
        return ExperimentAssessment(
            experiment=self.experiment.id if self.experiment else None,
            brief=self.brief,
            levels=tuple(levels),
            effects=(*self.effects, *by_segment),
            demands=self.demands,
            segments=segments,
            passing_segments=standing.segments(decided) if standing else (),
            scenarios=scenario_rows(self.demands, self._calculator),
            contingencies=self._contingencies(),
            passing_treatments=standing.treatments() if standing else (),
            passing_without=standing.without(decided, self._rest_reader) if standing else (),
            harmed=harm.harmed,
            unjudged_harm=harm.unjudged,
            tradeoffs=tradeoffs(
                self.design,
                self.brief,
                (*self.effects, *by_segment),
                levels,
                decided,
                self._reader.rows("pro_overlap"),
                self._available,
            )
            if self.experiment
            else (),
        )

    def _harm(self, effects: Sequence[EffectOf], segments: Sequence[str]) -> HarmFound:
        if self.brief is None:
            return HarmFound()
        return harm_found(self._calculator, self._available, self._absent, effects, segments)

    def _decided(self, segments: Sequence[str]) -> tuple[str, ...]:
        """Segments that something may be decided over: the brief's, or all where it names none; none that came after the arms."""
        unit = self.experiment.unit if self.experiment else "request"
        named = self.brief.segment_columns if self.brief else ()
        columns = {s: s.partition("=")[0] for s in segments}
        return tuple(
            s
            for s, column in columns.items()
            if is_drawn_before(column, unit) and (not named or column in named)
        )

    def _contingencies(self) -> tuple[Contingency, ...]:
        if self.experiment is None:
            return ()
        ground = Ground(
            experiment=self.experiment,
            design=self.design,
            reader=self._reader,
            confidence=self._confidence,
            available=self._available,
            rows=self._measurements.tables.get("contingency_sums"),
            estimate_of=lambda *of: self._calculator.effect(*of).estimate,
        )
        return contingencies(ground, self._own, self.brief, self._thresholds, self._definitions)

    def _standing(self) -> Standing | None:
        if self.brief is None:
            return None
        return Standing(
            self.brief, self.demands, self._calculator, self._calculator_of_regions, self._available
        )

    def _calculator_of_regions(self, confidence: float) -> EffectCalculator:
        """The regions of single gaps have sampling error too."""
        return self._calculator_at(confidence, GapRegions(self._reader, self.design, confidence))

    def _rest_reader(self) -> RestReader:
        return RestReader(self._measurements, self.design, self._available)

    def _calculator_at(self, confidence: float, regions: GapRegions) -> EffectCalculator:
        return EffectCalculator(
            self._reader, self.design, confidence, self._opened(self._own, regions), self._definitions
        )

    def _opened(self, gaps: Sequence[FoundGap], regions: GapRegions) -> OpenGaps:
        touching = {
            d.name: [self._place(g) for g in gaps if d in self._touched(g, [d])]
            for d in self._available.values()
        }

        def alone(metric: Metric, treatment: str, found: Estimate) -> Iterable[Region]:
            return (regions.open(p.asks(metric, treatment, found)).region for p in touching[metric.name])

        strays = self._reader.strays
        keyless = [g for g in gaps if (g.source, g.column) == ("requests", "request_id")]
        return OpenGaps(
            unlimited=dict(self._unlimited(gaps)),
            lost_units=_lost_units(gaps, self.design),
            traceless=sum(g.rows_residual or 0 for g in keyless if g.kind == "missing_values"),
            unknown_rows={
                name: _unknown_rows(self._available[name], places) for name, places in touching.items()
            },
            undecided=self._reader.undecided,
            stray_rows={d.name: counted_in(d, strays) for d in self._available.values()} if strays else {},
            alone=alone,
        )

    def _touched(self, gap: FoundGap, metrics: Iterable[MetricDefinition]) -> list[MetricDefinition]:
        """The metrics the gap moves here: late requests do no harm once the window is full.

        What is not there moves no metric that was computed without it; the others are in no joint region.
        """
        if gap.source in self._parity:
            return [m for m in metrics if m.name in self._parity[gap.source]]
        if hides_members(gap.kind, gap.source, gap.column, self.design):
            return list(metrics)
        if gap.kind in ABSENCES:
            metrics = [m for m in metrics if m.name not in self._available]
        if gap.kind == "stale_source" and gap.source == "requests" and not self._cohort_is_cut():
            return []
        return touched_metrics(gap.kind, gap.source, gap.column, metrics)

    def _unlimited(self, gaps: Iterable[FoundGap]) -> Iterable[tuple[str, str]]:
        """Metrics whose joint region has no limit at all, and why."""
        for gap in gaps:
            for definition in self._touched(gap, self._available.values()):
                reason = _no_limit(gap, self._place(gap), definition)
                if reason:
                    yield definition.name, reason
        for definition in self._available.values():
            strays = counted_in(definition, self._reader.strays)
            if not all(can_count(definition, rows.source, rows.told) for rows in strays):
                yield definition.name, NO_UPPER_LIMIT

    def _place(self, gap: FoundGap) -> Place:
        return _place(gap, self._measurements.tables)

    def _cohort_is_cut(self) -> bool:
        """Whether requests stopped arriving before the window ended."""
        fact = self._measurements.sources.get("requests")
        window = self.experiment.window if self.experiment else None
        if fact is None or fact.newest_at is None or window is None:
            return True
        return fact.newest_at < window.end.replace(tzinfo=None)


def _design(experiment: Experiment | None, brief: Brief | None) -> ExperimentDesign:
    if experiment is None:
        return ExperimentDesign("", EVERYONE, {EVERYONE: 1.0}, clustered=False)
    return ExperimentDesign(
        experiment.id,
        experiment.control,
        dict(experiment.split),
        experiment.unit != "request",
        narrowed_by=tuple(brief.cohort) if brief else (),
    )


def _available(mapping: WarehouseMapping, measurements: Measurements) -> dict[str, MetricDefinition]:
    """Metrics that were computed in this run."""
    needed = {"metric_statistics", "metric_quantiles", "metric_cells", "lost_request_cells"}
    if needed & measurements.unread:
        return {}
    without_pros = "pro_statistics" in measurements.unread
    return {d.name: d for d in mapping.metrics if not (without_pros and d.unit == "pro")}


def _place(gap: FoundGap, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Place:
    return Place(
        gap.kind,
        gap.source,
        gap.column,
        gap.rows_residual or 0,
        gap.share_residual,
        gap.units,
        gap.by_variant,
        gap.experiment is not None,
        rows_told(tables, gap.source) if gap.column == "request_id" else None,
    )


def _lost_units(gaps: Iterable[FoundGap], design: ExperimentDesign) -> dict[str, int]:
    """Units lost without a trace, by arm: those a ratio mismatch shows, and requests of days that one arm alone lacks."""
    lost: Counter[str] = Counter()
    for gap in gaps:
        if gap.kind == "sample_ratio_mismatch" and gap.segment is None:
            lost.update(lost_units(gap.units, design.split))
        elif gap.kind == "missing_partition" and gap.source == "requests":
            lost.update(units_gone(gap.units, design))
    return dict(lost)


def _unknown_rows(metric: MetricDefinition, places: Iterable[Place]) -> tuple[UnknownRows, ...]:
    """Rows that may be anybody's; what a pro can be named for is in the pros' own readings."""
    of_pros = metric.unit == "pro"
    open_places = [p for p in places if not (of_pros and names_its_pros(p.source, p.column))]
    return tuple(rows for place in open_places if (rows := place.unknown_rows) is not None)


def _no_limit(gap: FoundGap, place: Place, definition: MetricDefinition) -> str | None:
    """Why the gap alone leaves the metric without a limit, None where it does not."""
    reason = why_open(definition, gap.kind, gap.source, place.residual)
    if reason is not None:
        return reason
    if gap.kind == "stale_source":
        if gap.source == "requests":
            return COHORT_INCOMPLETE
        return ROWS_MAY_FOLLOW if definition.kind in ("mean", "ratio") else None
    reason = why_unlimited(definition, gap.kind, gap.source, gap.column, place.residual)
    if reason is not None:
        return reason
    is_amount = (gap.source, gap.column) == ("hires", "amount")
    rows = place.unknown_rows
    is_lost_amount = rows is not None and rows.count > 0 and not can_count(definition, rows.source, rows.told)
    return NO_UPPER_LIMIT if (gap.rows_residual and is_amount) or is_lost_amount else None
