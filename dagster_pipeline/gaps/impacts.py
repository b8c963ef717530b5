"""What one gap does to each metric it touches: unmitigated and mitigated, its region, which way it leans, δ*."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.criteria.delta_star import Flip, break_even, flip
from dagster_pipeline.criteria.evaluate import gate_limit
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.demands import Demand
from dagster_pipeline.gaps.effects import EffectOf
from dagster_pipeline.gaps.evidence import statistic_of
from dagster_pipeline.gaps.model import Impact
from dagster_pipeline.gaps.places import Place
from dagster_pipeline.gaps.regions import GapRegions
from dagster_pipeline.statistics.direction import bias_interval, direction, epsilon, expected_direction
from dagster_pipeline.statistics.evidence import Estimate

_ABSENT = Estimate(None, reason="the metric was not computed")


@dataclass(frozen=True)
class Weighed:
    """The impacts of one gap in one experiment, and what its region can do to each rule of the brief."""

    impacts: tuple[Impact, ...]
    flips: tuple[Flip, ...]


class ImpactScale:
    """Weighs gaps of one experiment against its effects and its brief's demands."""

    def __init__(self, regions: GapRegions, effects: Iterable[EffectOf], demands: Sequence[Demand]) -> None:
        self._regions = regions
        self._effects = {(e.metric, e.variant): e for e in effects if e.segment is None}
        self._demands = demands

    def weigh(self, place: Place, touched: Iterable[MetricDefinition], treatments: Sequence[str]) -> Weighed:
        """Every touched metric × treatment in its default effect; rules of the brief in their own."""
        impacts: list[Impact] = []
        flips: list[Flip] = []
        for definition in touched:
            for treatment in treatments:
                own = [
                    d for d in self._demands if d.rule.metric == definition.name and d.treatment == treatment
                ]
                found = [self._flip(place, demand) for demand in own if _answers_for(place.kind, demand)]
                flips += found
                impacts.append(self._impact(place, definition, treatment, own, found))
        return Weighed(tuple(impacts), tuple(flips))

    def _flip(self, place: Place, demand: Demand) -> Flip:
        metric = statistic_of(demand.definition, demand.effect)
        opened = self._regions.open(place.asks(metric, demand.treatment, demand.estimate))
        return flip(demand.rule, demand.estimate, opened.region)

    def _impact(
        self,
        place: Place,
        definition: MetricDefinition,
        treatment: str,
        demands: Sequence[Demand],
        flips: Sequence[Flip],
    ) -> Impact:
        estimate = self._estimate(definition, treatment)
        metric = statistic_of(definition)
        opened = self._regions.open(place.asks(metric, treatment, estimate))
        region = opened.region
        # A distance in percentage points says nothing of a bias in per cent.
        negligible = min((_negligible(d) for d in demands if d.effect == metric.effect), default=0.0)
        best = estimate.value if opened.adjusted is None else opened.adjusted
        bias_lower, bias_upper = bias_interval(opened.unmitigated, region.lower, region.upper)
        shares = [found.share for found in flips if found.share is not None]
        star = min(shares, default=None)
        share = place.share_residual
        return Impact(
            metric=definition.name,
            variant=treatment,
            effect=metric.effect.value,
            unmitigated=opened.unmitigated,
            mitigated=estimate.value,
            lower=region.lower,
            upper=region.upper,
            bias_lower=bias_lower,
            bias_upper=bias_upper,
            direction=direction(opened.unmitigated, region.lower, region.upper, metric.better, negligible),
            expected_direction=expected_direction(
                opened.unmitigated, best, metric.better, negligible, (region.lower, region.upper)
            ),
            flips_decision=any(found.flips for found in flips),
            delta_star=star,
            reason=region.reason,
            break_even_share=break_even(share, star) if share is not None else None,
        )

    def _estimate(self, definition: MetricDefinition, treatment: str) -> Estimate:
        found = self._effects.get((definition.name, treatment))
        return found.estimate if found else _ABSENT


_TAKES_AWAY = frozenset({"schema_change", "not_evaluated", "stale_source"})


def _answers_for(kind: str, demand: Demand) -> bool:
    """Whether the gap may be held responsible: for a missing estimate only what can take it away is."""
    return demand.base is not Outcome.MISSING or kind in _TAKES_AWAY


def _negligible(demand: Demand) -> float:
    """ε of GAPS.md §3: a tenth of the distance between the interval's limit and the threshold."""
    limit = gate_limit(demand.rule, demand.estimate)
    return epsilon(limit, demand.rule.tested_jointly[0].threshold)
