"""The figures that stand in for an estimate: each from other sums than the estimate, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gaps.adjusted import adjusted_effect
from dagster_pipeline.gaps.evidence import EvidenceReader, ExperimentDesign, is_of_pros
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.stratified import stratified_estimate
from dagster_pipeline.statistics.bounds.dilution import crossover_factor
from dagster_pipeline.statistics.difference_in_differences import (
    CELLS,
    Clusters,
    difference_in_differences,
)
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Cells,
    EffectKind,
    Estimate,
    FloatArray,
    Metric,
    MetricKind,
    Moments,
)
from dagster_pipeline.statistics.intervals import ratio_of_sums
from dagster_pipeline.statistics.levels import design_effect, estimate
from dagster_pipeline.statistics.proxy import (
    LEAST_EARLY,
    Block,
    MeasuredLevel,
    StandInEffect,
    level_effect,
    proxied_effect,
    uplift,
)
from dagster_pipeline.statistics.quantiles import quantile
from dagster_pipeline.statistics.survival import kaplan_meier

NOT_BUILT = "the sums it needs were not built in this run"
NO_EARLY_LEVEL = "nobody in an arm was hired within 3 days"
NO_HISTORY = (
    f"fewer than two weeks of an arm hold {LEAST_EARLY} hires within 3 days, so the uplift has no range"
)
LEVEL_IS_ZERO = "a relative effect needs levels above zero"
NOT_OBSERVED_THAT_LONG = "nobody in an arm was hired, or none of it has been seen for that long"
NO_MESSAGES = (
    "no request of an arm has a message, or messages are not mapped (sources.messages: request_id, sent_at)"
)
NOTHING_TOUCHED = "plumbline.yml does not say which requests the launch could reach (experiments[].touched)"
SEVERAL_TREATMENTS = "several treatments can not be told apart without the arms"
NO_SUMS_OF_QUANTILES = "a quantile has no sums to adjust"
NO_PAST = "nothing is known of what the units did before, or the effect does not exist without it"
NO_SUMS_OF_PROS = "the metric is of pros, whom the launch did not reach by category"
WEIGHTED_BY_ARM = "its rows are logged as a sample that differs by arm"
NOTHING_TO_COMPARE = (
    "touched and untouched requests are not both there on at least two days before and two in the window"
)
NOT_MEASURED_BY = (
    "the metric is not measured by {column} (brief.segments), or a value of it is in one arm only"
)
RATIO_NOT_DILUTED = "a ratio of levels is not diluted by one factor"
NO_ESTIMATE = "there is no estimate to correct"
ALL_CROSSED = "as many units crossed over as stayed"

_HALF_AN_HOUR = 1800
_HOURS = {"hire_rate_7d": 168, "hire_rate_3d": 72}


@dataclass(frozen=True)
class StandIn:
    """A figure as `Contingency` has it, levels in the metric's unit; ``reason`` where there is none."""

    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    treatment_level: float | None = None
    control_level: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Ground:
    """What the stand-ins of one experiment are computed from.

    ``available`` are the metrics that were computed, ``rows`` those of contingency_sums, None where it was not built;
    ``estimate_of`` gives the plain estimate of a metric, treatment and effect.
    """

    experiment: Experiment
    design: ExperimentDesign
    reader: EvidenceReader
    confidence: float
    available: Collection[str]
    rows: Sequence[Mapping[str, Any]] | None
    estimate_of: Callable[[MetricDefinition, str, str], Estimate]

    def has(self, definition: MetricDefinition) -> bool:
        """Whether the metric was computed."""
        return definition.name in self.available

    def of(self, quantity: str, **values: object) -> list[Mapping[str, Any]]:
        """The experiment's rows of one quantity with these values."""
        wanted = {"experiment_id": self.design.id, "quantity": quantity, **values}
        return [row for row in self.rows or () if all(row[key] == value for key, value in wanted.items())]


@dataclass(frozen=True)
class Asked:
    """One metric in one effect, of one treatment; ``gaps`` are those the figure stands in for."""

    definition: MetricDefinition
    metric: Metric
    treatment: str
    gaps: tuple[FoundGap, ...]


def three_day_proxy(ground: Ground, asked: Asked) -> StandIn:
    """Hired within 7 days from hired within 3, by the uplift of weeks that are old enough for both."""
    rows = ground.of("hires_by_week")
    factor = uplift(Block(row["d"], row["y"]) for row in rows)
    levels = [_early_level(ground, arm) for arm in (asked.treatment, ground.design.control)]
    if factor is None:
        return StandIn(reason=NO_HISTORY)
    if levels[0] is None or levels[1] is None:
        return StandIn(reason=NO_EARLY_LEVEL)
    return _shown(proxied_effect(levels[0], levels[1], factor, asked.metric, ground.confidence), asked.metric)


def _early_level(ground: Ground, arm: str) -> MeasuredLevel | None:
    moments = ground.reader.moments("hire_rate_3d", arm)
    if moments.y <= 0 or moments.units < 2:
        return None
    found = ratio_of_sums(moments)
    return None if found.variance is None else MeasuredLevel(found.value, found.variance)


def survival(ground: Ground, asked: Asked) -> StandIn:
    """The share hired by Kaplan–Meier: every request counts for as long as it has been seen."""
    levels = [_survived(ground, asked.metric, arm) for arm in (asked.treatment, ground.design.control)]
    if levels[0] is None or levels[1] is None:
        return StandIn(reason=NOT_OBSERVED_THAT_LONG)
    return _shown(level_effect(levels[0], levels[1], asked.metric, ground.confidence), asked.metric)


def _survived(ground: Ground, metric: Metric, arm: str) -> MeasuredLevel | None:
    rows, at = ground.of("hire_hours", variant=arm), _HOURS[metric.name]
    hours = np.array([row["low"] for row in rows])
    if not len(hours) or hours.max() < at:
        return None
    hired = np.array([row["y"] for row in rows])
    seen = np.array([row["n_requests"] for row in rows]) - hired
    point = kaplan_meier(
        np.concatenate([hours, hours]),
        np.repeat([1.0, 0.0], len(hours)),
        np.concatenate([hired, seen]),
        float(at),
    )
    if not 0 < point.error < math.inf:
        return None
    clusters = design_effect(ground.reader.moments(metric.name, arm), ground.design.clustered)
    return MeasuredLevel(1 - point.survival, point.error**2 * clusters)


def first_message(ground: Ground, asked: Asked) -> StandIn:
    """Time to the first message in place of time to the first quote."""
    arms = (asked.treatment, ground.design.control)
    times = {arm: _message_times(ground, arm) for arm in arms}
    if any(not np.isfinite(cells.high).any() for cells in times.values()):
        return StandIn(reason=NO_MESSAGES)
    of_arm = _message_quantile if asked.metric.kind is MetricKind.QUANTILE else _message_share
    t, c = (of_arm(ground, asked.metric, arm, times[arm]) for arm in arms)
    is_quantile = asked.metric.kind is MetricKind.QUANTILE
    clustered = ground.design.clustered and is_quantile  # shares come shrunk by their clusters already
    exact = (t.level, c.level) if is_quantile else None
    found = estimate(t.evidence, c.evidence, asked.metric, ground.confidence, clustered, exact)
    treatment, control = (
        asked.metric.scale * arm.level if math.isfinite(arm.level) else None for arm in (t, c)
    )
    return StandIn(found.value, found.ci_lower, found.ci_upper, treatment, control, found.reason)


@dataclass(frozen=True)
class _MessageArm:
    level: float
    evidence: ArmEvidence


def _message_quantile(ground: Ground, metric: Metric, arm: str, times: Cells) -> _MessageArm:
    """The middle of the quantile's bin, within 0.25% of it."""
    middle = sum(quantile(times, metric.quantile or 0.5)) / 2
    return _MessageArm(middle, ArmEvidence(_message_units(ground, arm), times))


def _message_share(ground: Ground, metric: Metric, arm: str, times: Cells) -> _MessageArm:
    """The share within half an hour, which no bin straddles; its sums are shrunk by the clusters' design effect."""
    del metric
    factor = design_effect(_message_units(ground, arm), ground.design.clustered)
    n, k = times.total / factor, float(times.count[times.high <= _HALF_AN_HOUR].sum()) / factor
    return _MessageArm(k / n, ArmEvidence(Moments(times.total, times.total, k, n, k, n, k), times))


def _message_times(ground: Ground, arm: str) -> Cells:
    rows = ground.of("first_message", variant=arm)
    low, high = (_or_infinite(row[end] for row in rows) for end in ("low", "high"))
    counts = np.array([row["n_requests"] for row in rows], dtype=np.int64)
    return Cells(low, high, np.ones(len(rows)), counts)


def _or_infinite(values: Any) -> FloatArray:
    return np.array([math.inf if value is None else value for value in values], dtype=np.float64)


def _message_units(ground: Ground, arm: str) -> Moments:
    """The arm's units: of them only how many requests each has is known, so clusters count as alike within."""
    rows = ground.of("first_message_units", variant=arm)
    units, n, squares = (sum(row[key] for row in rows) for key in ("d", "n_requests", "y"))
    return Moments(int(units), n, 0.0, float(n), 0.0, float(squares), 0.0)


def touched_against_untouched(ground: Ground, asked: Asked) -> StandIn:
    """Difference in differences: what changed where the launch reached, less what changed elsewhere."""
    reason = _why_not_compared(ground, asked)
    if reason:
        return StandIn(reason=reason)
    clusterings = [
        _clusters(ground.of(f"changes_by_{name}", metric=asked.metric.name), stratum)
        for name, stratum in (("day", "is_after"), ("group_of_values", "is_touched"))
    ]
    exposed = ground.design.split[asked.treatment]
    found = difference_in_differences(clusterings, asked.metric, exposed, ground.confidence)
    if found is None:
        return StandIn(reason=NOTHING_TO_COMPARE)
    scale = asked.metric.scale
    return StandIn(found.value, found.lower, found.upper, scale * found.treatment, scale * found.control)


def _why_not_compared(ground: Ground, asked: Asked) -> str | None:
    sampled = {source for source, rates in ground.experiment.sampling.items() if min(rates.values()) < 1}
    sources = {name.partition(".")[0] for need in asked.definition.needs for name in need.split("|")} - {
        "quote_events"
    }
    checks = (
        (not ground.experiment.touched, NOTHING_TOUCHED),
        (asked.metric.kind is MetricKind.QUANTILE, NO_SUMS_OF_QUANTILES),
        (is_of_pros(asked.metric), NO_SUMS_OF_PROS),
        (len(ground.design.treatments) > 1, SEVERAL_TREATMENTS),
        (bool(sampled & sources), WEIGHTED_BY_ARM),
    )
    return next((reason for applies, reason in checks if applies), None)


def _clusters(rows: Sequence[Mapping[str, Any]], stratum: str) -> Clusters:
    """One row per cluster; a day of the window's start is two, before and after."""
    names = list(dict.fromkeys((row["cluster_name"], row[stratum]) for row in rows))
    place = {name: number for number, name in enumerate(names)}
    y, d = np.zeros((len(names), len(CELLS))), np.zeros((len(names), len(CELLS)))
    for row in rows:
        at = place[row["cluster_name"], row[stratum]], CELLS.index((row["is_touched"], row["is_after"]))
        y[at] += row["y"]
        d[at] += row["d"]
    return Clusters(y, d, np.array([int(side) for _, side in names], dtype=np.int64))


def post_stratified(ground: Ground, asked: Asked) -> StandIn:
    """The effect with both arms weighted to the same mix of the column that differs between them."""
    column = asked.gaps[0].column or ""
    found = stratified_estimate(
        ground.reader, ground.design, asked.metric, asked.treatment, column, ground.confidence
    )
    if found is None:
        return StandIn(reason=NOT_MEASURED_BY.format(column=column))
    return StandIn(found.value, found.ci_lower, found.ci_upper, reason=found.reason)


def adjusted_for_the_past(ground: Ground, asked: Asked) -> StandIn:
    """The effect by CUPED: what remains of it once the arms' customers were alike before."""
    if asked.metric.kind is MetricKind.QUANTILE:
        return StandIn(reason=NO_SUMS_OF_QUANTILES)
    arms = (asked.treatment, ground.design.control)
    found = adjusted_effect(ground.reader, asked.metric, arms, ground.confidence)
    if found is None:
        return StandIn(reason=NO_PAST)
    return StandIn(found.value, found.ci_lower, found.ci_upper)


def undiluted(ground: Ground, asked: Asked) -> StandIn:
    """The effect on those who stayed in their arm: intention to treat divided by one less the crossover."""
    shares = asked.gaps[0].by_variant
    factor = crossover_factor(shares.get(asked.treatment, 0.0), shares.get(ground.design.control, 0.0))
    if asked.metric.effect is EffectKind.RELATIVE:
        return StandIn(reason=RATIO_NOT_DILUTED)
    if not ground.has(asked.definition):
        return StandIn(reason=NO_ESTIMATE)
    found = ground.estimate_of(asked.definition, asked.treatment, asked.metric.effect.value)
    if found.value is None:
        return StandIn(reason=found.reason)
    if factor <= 0:
        return StandIn(reason=ALL_CROSSED)
    lower, upper = (None if end is None else end / factor for end in (found.ci_lower, found.ci_upper))
    return StandIn(found.value / factor, lower, upper)


def _shown(found: StandInEffect | None, metric: Metric) -> StandIn:
    if found is None:
        return StandIn(reason=LEVEL_IS_ZERO)
    treatment, control = metric.scale * found.treatment, metric.scale * found.control
    return StandIn(found.value, found.range.lower, found.range.upper, treatment, control)
