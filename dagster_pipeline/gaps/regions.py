"""What one gap leaves open and what undoing its repair would give: the estimate without it, and its own region.

One function per gap kind, found by name; a new kind adds one here only when its bound is a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dagster_pipeline.gaps.effects import LOST_WITHOUT_TRACE, ROWS_MAY_FOLLOW, at_estimate, with_missing
from dagster_pipeline.gaps.evidence import REPAIRED, EvidenceReader, ExperimentDesign
from dagster_pipeline.statistics.effects import effect
from dagster_pipeline.statistics.evidence import Estimate, Metric, MetricKind, Moments, Region
from dagster_pipeline.statistics.levels import design_effect, point_level
from dagster_pipeline.statistics.regions import (
    QuantileArm,
    interval_region,
    joint_region,
    label_region,
    quantile_interval_region,
)

NO_UPPER_LIMIT = "unbounded: an amount that is not known has no upper limit"
COHORT_INCOMPLETE = "unidentified: requests stopped arriving before the window ended"
NOT_COMPUTED = "unidentified: what it is computed from is not there"
_LOST_ABOVE = 2.576
"""Standard errors above the expected loss that a ratio mismatch allows for (GAPS.md §2, lost units)."""


@dataclass(frozen=True)
class Question:
    """One gap × metric × treatment: which rows it is about and how many no repair reaches."""

    kind: str
    source: str
    column: str | None
    residual: int
    metric: Metric
    treatment: str
    estimate: Estimate
    units: dict[str, int]


@dataclass(frozen=True)
class Opened:
    """The estimate with the gap's repair undone (raw, None where it can't be told), and the region with this gap alone open."""

    unmitigated: float | None
    region: Region


class GapRegions:
    """Answers questions about one experiment's gaps."""

    def __init__(self, reader: EvidenceReader, design: ExperimentDesign, confidence: float) -> None:
        self._reader = reader
        self._design = design
        self._confidence = confidence
        self._kinds: dict[str, Callable[[Question], Opened]] = {
            "missing_variant": self._missing_variant,
            "duplicate_rows": self._duplicate_rows,
            "stale_source": self._stale_source,
            "missing_values": self._missing_values,
            "invalid_values": self._missing_values,
            "conflicting_keys": self._conflicting_keys,
            "orphan_rows": self._orphan_rows,
            "sample_ratio_mismatch": self._ratio_mismatch,
        }

    def open(self, question: Question) -> Opened:
        """What the gap does to the metric. A kind without a bound leaves the metric unidentified, never untouched."""
        answer = self._kinds.get(question.kind)
        return answer(question) if answer else Opened(None, Region(None, None, reason=NOT_COMPUTED))

    def _missing_variant(self, q: Question) -> Opened:
        exact = {
            arm: v for arm in self._arms(q) if (v := self._reader.quantile(q.metric.name, arm)) is not None
        }
        region = label_region(self._reader.observed(q.metric), q.treatment, self._confidence, exact=exact)
        return Opened(self._effect(q, "variant_from_quotes"), region)

    def _duplicate_rows(self, q: Question) -> Opened:
        undone = self._effect(q, f"duplicate_rows.{q.source}")
        return Opened(q.estimate.value if undone is None else undone, at_estimate(q.estimate))

    def _stale_source(self, q: Question) -> Opened:
        if q.source == "requests":
            return Opened(q.estimate.value, Region(None, None, reason=COHORT_INCOMPLETE))
        if q.metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
            return Opened(self._effect(q, "immature_low"), Region(None, None, reason=ROWS_MAY_FOLLOW))
        # A quantile's lowest filling is its fastest one: as things stand, nothing has come for the immature.
        unmitigated = self._effect(
            q, "immature_high" if q.metric.kind is MetricKind.QUANTILE else "immature_low"
        )
        return Opened(unmitigated, self._interval(q, "immature_low", "immature_high"))

    def _missing_values(self, q: Question) -> Opened:
        if q.source == "requests":
            return Opened(q.estimate.value, self._with_lost(q, q.residual))
        high = {
            "quotes.quoted_at": "undated_high.quotes",
            "hires.hired_at": "undated_high.hires",
            "hires.outcome": "unknown_outcome_high.hires",
        }.get(f"{q.source}.{q.column}")
        if high is not None:
            undone = (
                self._effect(q, f"missing_values.{q.source}.{q.column}")
                if q.kind == "missing_values"
                else None
            )
            return Opened(q.estimate.value if undone is None else undone, self._interval(q, REPAIRED, high))
        if (q.source, q.column) == ("hires", "amount"):
            return Opened(
                q.estimate.value,
                Region(None, None, reason=NO_UPPER_LIMIT) if q.residual else at_estimate(q.estimate),
            )
        return Opened(q.estimate.value, self._rows_of_unknown_requests(q))

    def _conflicting_keys(self, q: Question) -> Opened:
        if q.source not in ("requests", "quotes", "hires"):
            return Opened(q.estimate.value, at_estimate(q.estimate))
        return Opened(
            q.estimate.value, self._interval(q, f"conflict_low.{q.source}", f"conflict_high.{q.source}")
        )

    def _orphan_rows(self, q: Question) -> Opened:
        if q.source == "spam_flags":
            return Opened(q.estimate.value, self._rows_of_unknown_requests(q))
        return Opened(q.estimate.value, self._with_lost(q, 0))

    def _ratio_mismatch(self, q: Question) -> Opened:
        """The short arm lost units that left no trace: their outcomes are missing (one arm is assumed to have lost them)."""
        if q.metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
            return Opened(q.estimate.value, Region(None, None, reason=LOST_WITHOUT_TRACE))
        observed = self._reader.observed(q.metric, unlabelled=False)
        evidence = with_missing(observed, lost_units(q.units, self._design.split))
        return Opened(q.estimate.value, joint_region(evidence, q.treatment, self._confidence))

    def _with_lost(self, q: Question, without_trace: int) -> Region:
        """Requests whose rows are gone: those with an arm join it, the others any; times are unknown, counts are not."""
        evidence = self._reader.with_lost(q.metric, q.source)
        rest = evidence.unlabelled
        known = (rest.cells.total + rest.missing if rest else 0) + sum(
            arm.missing for arm in evidence.arms.values()
        )
        if (
            rest is not None
            and without_trace > known
            and q.metric.kind not in (MetricKind.MEAN, MetricKind.RATIO)
        ):
            evidence = replace(
                evidence, unlabelled=replace(rest, missing=rest.missing + without_trace - known)
            )
        if known == 0 and without_trace == 0:
            return at_estimate(q.estimate)
        return joint_region(evidence, q.treatment, self._confidence)

    def _rows_of_unknown_requests(self, q: Question) -> Region:
        """Child rows that may belong to any request: all of them to one arm, or all to the other (the orphan bound)."""
        if q.residual == 0:
            return at_estimate(q.estimate)
        if q.metric.kind is MetricKind.QUANTILE:
            return Region(None, None, reason="unidentified: the rows' requests are not known")
        low = {arm: self._reader.moments(q.metric.name, arm) for arm in self._arms(q)}
        high = {arm: _plus_rows(moments, q.residual, q.metric) for arm, moments in low.items()}
        return _around(
            interval_region(low, high, q.metric, q.treatment, self._design.control, self._confidence),
            q.estimate,
        )

    def _interval(self, q: Question, low: str, high: str) -> Region:
        """Every request between two readings of it."""
        control = self._design.control
        if q.metric.kind is MetricKind.QUANTILE:
            ends = [
                {arm: self._quantile_arm(q, arm, reading) for arm in self._arms(q)} for reading in (low, high)
            ]
            by_value = [{a: pick(ends[0][a], ends[1][a]) for a in ends[0]} for pick in (_faster, _slower)]
            region = quantile_interval_region(
                by_value[0], by_value[1], q.metric, q.treatment, control, self._confidence
            )
        else:
            moments = [
                {arm: self._reader.moments(q.metric.name, arm, r) for arm in self._arms(q)}
                for r in (low, high)
            ]
            region = interval_region(moments[0], moments[1], q.metric, q.treatment, control, self._confidence)
        return _around(region, q.estimate) if low == REPAIRED else region

    def _quantile_arm(self, q: Question, arm: str, reading: str) -> QuantileArm:
        value = self._reader.quantile(q.metric.name, arm, reading)
        if value is None:
            value = self._reader.quantile(q.metric.name, arm)
        moments = self._reader.moments(q.metric.name, arm)
        deff = design_effect(moments, self._design.clustered)
        return QuantileArm(np.inf if value is None else value, self._reader.cells(q.metric.name, arm), deff)

    def _effect(self, q: Question, reading: str) -> float | None:
        """The effect under another reading; None where that reading does not concern the metric."""
        levels = [self._level(q, arm, reading) for arm in self._arms(q)]
        return effect(levels[0], levels[1], q.metric)

    def _level(self, q: Question, arm: str, reading: str) -> float | None:
        if q.metric.kind is MetricKind.QUANTILE:
            value = self._reader.quantile(q.metric.name, arm, reading)
            return None if value is None or np.isinf(value) else value
        return point_level(self._reader.moments(q.metric.name, arm, reading))

    def _arms(self, q: Question) -> tuple[str, str]:
        return q.treatment, self._design.control


def lost_units(units: dict[str, int], split: dict[str, float]) -> dict[str, int]:
    """Units the short arms must have lost, arm → M = n_C·π/(1−π) − n_T + 2.576·√N (GAPS.md §2), against the fullest arm."""
    weighted = {arm: share for arm, share in split.items() if share > 0}
    fullest = max(weighted, key=lambda arm: units.get(arm, 0) / weighted[arm])
    scale = units.get(fullest, 0) / weighted[fullest]
    slack = _LOST_ABOVE * float(np.sqrt(sum(units.values())))
    return {
        arm: int(np.ceil(scale * share - units.get(arm, 0) + slack))
        for arm, share in weighted.items()
        if arm != fullest
    }


def _plus_rows(moments: Moments, rows: int, metric: Metric) -> Moments:
    """Moments with extra child rows: "at least one" gains a request for each, a count gains the row itself."""
    if metric.kind is MetricKind.SHARE:
        gained = min(moments.n - moments.y, rows)
        return replace(moments, y=moments.y + gained, yy=moments.yy + gained, yd=moments.yd + gained)
    return replace(moments, y=moments.y + rows, yy=moments.yy + rows, yd=moments.yd + rows)


def _around(region: Region, found: Estimate) -> Region:
    """The region with the estimate on its edge exactly where rounding put it beside."""
    if found.value is None or region.lower is None or region.upper is None:
        return region
    return replace(region, lower=min(region.lower, found.value), upper=max(region.upper, found.value))


def _faster(one: QuantileArm, other: QuantileArm) -> QuantileArm:
    return one if one.value <= other.value else other


def _slower(one: QuantileArm, other: QuantileArm) -> QuantileArm:
    return other if one.value <= other.value else one
