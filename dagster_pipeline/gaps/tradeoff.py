"""What a treatment gains in speed against what it does to hires, by segment, and how far its arms share their pros."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.gaps.effects import EffectOf, LevelOf
from dagster_pipeline.gaps.evidence import ExperimentDesign
from dagster_pipeline.statistics.evidence import Estimate, Region

SPEED = "ttfq_median"
HIRES = "hire_rate_7d"
NO_SPEED = "no time to something was measured: neither ttfq_median nor a quantile among the brief's criteria"
NO_HIRES = "hire_rate_7d was not measured"
NO_OVERLAP = "How many pros serve both arms was not measured."
NO_PROS = "How many pros serve both arms is not known: no quote on a request of either arm names its pro."
APART = "No pro quoted in both arms: as far as the quotes tell, the arms share nobody's capacity."
SHARED = (
    "Arms are drawn for requests, not for pros: what a shared pro does for one arm changes what is left for the other. "
    "The effect assumes that this changes nothing; where it does, the difference may be over- or understated, and which of "
    "the two is not known."
)


@dataclass(frozen=True)
class Figure:
    """One effect, raw, with its interval and region; ``n`` counts the requests of both arms that the estimate rests on."""

    estimate: Estimate
    region: Region
    n: int


@dataclass(frozen=True)
class Words:
    """In which effect a metric is given, and which way it improves; None where it was not measured."""

    effect: str | None = None
    better: str | None = None

    @classmethod
    def of(cls, definition: MetricDefinition | None) -> Words:
        """The words of a metric."""
        return cls(definition.effect, definition.better) if definition else cls()


@dataclass(frozen=True)
class TradeoffPoint:
    """Speed against hires in one segment ("column=value", None for the cohort); None where a metric was not measured."""

    segment: str | None
    speed: Figure | None
    hire: Figure | None


@dataclass(frozen=True)
class Interference:
    """Pros with quotes on requests of both arms, among those with any quote on either; None where it was not measured.

    ``sentence`` says what that means for the effect. ``quotes`` are those that name their pro, ``unnamed`` the others.
    """

    pros: int | None
    pros_in_both: int | None
    quotes: int | None
    quotes_of_both: int | None
    unnamed: int | None
    sentence: str

    @property
    def share_of_pros(self) -> float | None:
        """The share of pros who serve both arms."""
        return _share(self.pros_in_both, self.pros)

    @property
    def share_of_quotes(self) -> float | None:
        """The share of quotes that those pros gave."""
        return _share(self.quotes_of_both, self.quotes)


@dataclass(frozen=True)
class Tradeoff:
    """One treatment: speed against hires, overall and by segment. ``reason`` says why a metric is missing."""

    experiment: str
    treatment: str
    speed_metric: str | None
    hire_metric: str | None
    points: tuple[TradeoffPoint, ...]
    interference: Interference
    reason: str | None = None
    speed_words: Words = Words()
    hire_words: Words = Words()


def tradeoffs(
    design: ExperimentDesign,
    brief: Brief | None,
    effects: Sequence[EffectOf],
    levels: Sequence[LevelOf],
    segments: Sequence[str],
    overlap: Iterable[Mapping[str, Any]],
    available: Mapping[str, MetricDefinition],
) -> tuple[Tradeoff, ...]:
    """One trade-off per treatment, over the cohort and the given segments.

    ``overlap`` holds the rows of pro_overlap, ``available`` the metrics of the run. Speed is ttfq_median, else the first
    quantile among the brief's criteria.
    """
    speed, hire = _speed(brief, available), HIRES if HIRES in available else None
    figures = _Figures(design, effects, levels)
    shared = {row["variant"]: row for row in overlap if row["experiment_id"] == design.id}
    reason = "; ".join(why for found, why in ((speed, NO_SPEED), (hire, NO_HIRES)) if found is None)
    return tuple(
        Tradeoff(
            design.id,
            treatment,
            speed,
            hire,
            tuple(
                TradeoffPoint(s, figures.of(speed, treatment, s), figures.of(hire, treatment, s))
                for s in (None, *segments)
            ),
            interference(shared.get(treatment)),
            reason or None,
            Words.of(available.get(speed or "")),
            Words.of(available.get(hire or "")),
        )
        for treatment in design.treatments
    )


def interference(row: Mapping[str, Any] | None) -> Interference:
    """The overlap of one treatment with its control, from its row of pro_overlap (None where that was not built)."""
    if row is None:
        return Interference(None, None, None, None, None, NO_OVERLAP)
    pros, both = int(row["n_pros"]), int(row["n_pros_in_both"])
    quotes, theirs, unnamed = (
        int(row[name]) for name in ("n_quotes", "n_quotes_of_both", "n_quotes_without_pro")
    )
    return Interference(pros, both, quotes, theirs, unnamed, _sentence(pros, both, quotes, theirs, unnamed))


def tradeoff_document(found: Tradeoff) -> dict[str, Any]:
    """The trade-off as plain JSON values, effects raw, with the words that say which way is better."""
    shared = found.interference
    return {
        "experiment": found.experiment,
        "treatment": found.treatment,
        "speed_metric": found.speed_metric,
        "hire_metric": found.hire_metric,
        "speed_effect": found.speed_words.effect,
        "speed_better": found.speed_words.better,
        "hire_effect": found.hire_words.effect,
        "hire_better": found.hire_words.better,
        "reason": found.reason,
        "points": [
            {"segment": p.segment, "speed": _figure(p.speed), "hire": _figure(p.hire)} for p in found.points
        ],
        "interference": {
            "pros": shared.pros,
            "pros_in_both": shared.pros_in_both,
            "share_of_pros": shared.share_of_pros,
            "quotes": shared.quotes,
            "quotes_of_both": shared.quotes_of_both,
            "share_of_quotes": shared.share_of_quotes,
            "quotes_without_pro": shared.unnamed,
            "sentence": shared.sentence,
        },
    }


class _Figures:
    """Effects and the size of their samples, by metric, treatment and segment."""

    def __init__(
        self, design: ExperimentDesign, effects: Iterable[EffectOf], levels: Iterable[LevelOf]
    ) -> None:
        self._control = design.control
        self._effects = {(e.metric, e.variant, e.segment): e for e in effects}
        self._sizes = {(one.metric, one.variant, one.segment): one.level.n for one in levels}

    def of(self, metric: str | None, treatment: str, segment: str | None) -> Figure | None:
        """The effect with the requests of both arms it rests on, None where it was not measured."""
        found = self._effects.get((metric, treatment, segment)) if metric else None
        if found is None:
            return None
        n = sum(self._sizes.get((found.metric, arm, segment), 0) for arm in (treatment, self._control))
        return Figure(found.estimate, found.region, n)


def _speed(brief: Brief | None, available: Mapping[str, MetricDefinition]) -> str | None:
    asked = [c.metric for c in brief.criteria] if brief else []
    quantiles = [name for name in asked if name in available and available[name].kind == "quantile"]
    return next((name for name in (SPEED, *quantiles) if name in available), None)


def _sentence(pros: int, both: int, quotes: int, theirs: int, unnamed: int) -> str:
    rest = f" {unnamed:,} quotes name no pro and are not counted here." if unnamed else ""
    if pros == 0:
        return NO_PROS + rest
    if both == 0:
        return APART + rest
    found = (
        f"{both:,} of the {pros:,} pros with a quote on a request of either arm ({both / pros:.0%}) quoted in both, and gave "
        f"{theirs / quotes:.0%} of the quotes."
    )
    return f"{found} {SHARED}{rest}"


def _share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else part / whole


def _figure(found: Figure | None) -> dict[str, Any] | None:
    if found is None:
        return None
    ends = {
        "estimate": found.estimate.value,
        "ci_lower": found.estimate.ci_lower,
        "ci_upper": found.estimate.ci_upper,
        "lower": found.region.lower,
        "upper": found.region.upper,
    }
    plain = {name: value if value is None or math.isfinite(value) else None for name, value in ends.items()}
    return {**plain, "n": found.n, "reason": found.estimate.reason or found.region.reason}
