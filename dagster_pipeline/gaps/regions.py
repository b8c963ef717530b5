"""What one gap leaves open and what undoing its repair would give: the estimate without it, and its own region.

One function per gap kind, found by name; a new kind adds one here only when its bound is a new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.own_metrics import own_name
from dagster_pipeline.gaps.adjusted import between_plain_and_adjusted
from dagster_pipeline.gaps.defined import definition_of
from dagster_pipeline.gaps.effects import (
    LOST_WITHOUT_TRACE,
    MAY_BE_IN_COHORT,
    ROWS_MAY_FOLLOW,
    at_estimate,
    hides_members,
    hull,
    is_closed,
    is_of_outcomes,
)
from dagster_pipeline.gaps.evidence import REPAIRED, EvidenceReader, ExperimentDesign
from dagster_pipeline.gaps.opened import (
    UnknownRows,
    can_count,
    counted_in,
    with_missing,
    with_traceless,
    with_undecided,
    with_unknown_rows,
)
from dagster_pipeline.gaps.own_metrics import is_anywhere, why_unlimited
from dagster_pipeline.gaps.places import (
    COHORT_INCOMPLETE,
    CONTRADICTED,
    HIGHEST_READING,
    NO_UPPER_LIMIT,
    NOT_ADJUSTED,
    NOT_COMPUTED,
    NOT_STRATIFIED,
    SAMPLED,
    Opened,
    Question,
    lost_units,
    rows_gone,
    units_gone,
)
from dagster_pipeline.gaps.pros import is_bounded_by_pros, pro_opening, pro_region
from dagster_pipeline.gaps.rehires import why_open
from dagster_pipeline.gaps.stratified import between_plain_and_stratified
from dagster_pipeline.statistics.effects import effect
from dagster_pipeline.statistics.evidence import (
    EffectKind,
    Estimate,
    Metric,
    MetricEvidence,
    MetricKind,
    Moments,
    Region,
)
from dagster_pipeline.statistics.levels import design_effect, point_level
from dagster_pipeline.statistics.regions import (
    QuantileArm,
    interval_region,
    joint_region,
    label_region,
    quantile_interval_region,
)


class GapRegions:
    """Answers questions about one experiment's gaps."""

    def __init__(self, reader: EvidenceReader, design: ExperimentDesign, confidence: float) -> None:
        self._reader = reader
        self._design = design
        self._confidence = confidence
        self._answers: dict[tuple[object, ...], Opened] = {}
        self._kinds: dict[str, Callable[[Question], Opened]] = {
            "missing_variant": self._missing_variant,
            "duplicate_rows": self._duplicate_rows,
            "stale_source": self._stale_source,
            "missing_values": self._missing_values,
            "invalid_values": self._missing_values,
            "conflicting_keys": self._conflicting_keys,
            "orphan_rows": self._orphan_rows,
            "sample_ratio_mismatch": self._ratio_mismatch,
            "multiple_exposures": self._nothing,
            "sampled_logging": self._sampled_logging,
            "timestamp_disorder": self._timestamp_disorder,
            "source_conflict": self._source_conflict,
            "late_assignment": self._late_assignment,
            "missing_partition": self._missing_partition,
            "distribution_drift": self._distribution_drift,
            "pre_exposure_imbalance": self._pre_exposure_imbalance,
        }

    def open(self, question: Question) -> Opened:
        """What the gap does to the metric. A kind without a bound leaves the metric unidentified, never untouched."""
        if question.key not in self._answers:
            answer = self._kinds.get(question.kind)
            if is_bounded_by_pros(question.metric, question.kind):
                answer = self._share_of_pros
            elif definition_of(question.metric).is_own:
                answer = self._own(question, definition_of(question.metric)) or answer
            found = answer(question) if answer else Opened(None, Region(None, None, reason=NOT_COMPUTED))
            self._answers[question.key] = self._with_members(question, found)
        return self._answers[question.key]

    def _with_members(self, q: Question, found: Opened) -> Opened:
        """The same with the requests of which the gap leaves open whether they are of the brief's cohort."""
        reason = why_open(definition_of(q.metric), q.kind, q.source, q.residual)
        if reason is not None:
            return Opened(q.estimate.value, Region(None, None, reason=reason))
        if not self._reader.undecided or not hides_members(q.kind, q.source, q.column, self._design):
            return found
        if not is_of_outcomes(q.metric):
            return replace(found, region=Region(None, None, reason=MAY_BE_IN_COHORT))
        observed = self._reader.observed(q.metric, unlabelled=False)
        members = self._region(q, with_undecided(observed, self._reader.undecided))
        return replace(found, region=hull(found.region, [members]))

    def _own(self, q: Question, definition: MetricDefinition) -> Callable[[Question], Opened] | None:
        """How an own metric is answered for, None where as any other."""
        reason = why_unlimited(definition, q.kind, q.source, q.column, q.residual)
        if reason is not None:
            return lambda q: Opened(q.estimate.value, Region(None, None, reason=reason))
        if q.source == own_name(definition.name):
            return self._own_rows
        if is_anywhere(definition, q.kind, q.source, q.column) and q.residual:
            return self._anywhere
        return None

    def _anywhere(self, q: Question) -> Opened:
        """Every open request anywhere: what one gap leaves open lies within what all of them do."""
        evidence = self._reader.joint(q.metric)
        return Opened(q.estimate.value, _around(self._region(q, evidence), q.estimate))

    def _own_rows(self, q: Question) -> Opened:
        """Rows of an own metric's table, and requests whose outcome is not known; what undoing a repair gives is not measured."""
        rows = q.unknown_rows
        observed = self._reader.observed(q.metric, unlabelled=False)
        if rows is not None:
            region = self._region(q, with_unknown_rows(observed, rows))
            return Opened(q.estimate.value, _around(region, q.estimate))
        if q.kind == "duplicate_rows":
            return Opened(None, at_estimate(q.estimate))
        unknown = {arm: self._without_outcome(q.metric, arm) for arm in observed.arms}
        return Opened(q.estimate.value, self._region(q, with_missing(observed, unknown)))

    def _without_outcome(self, metric: Metric, arm: str) -> int:
        """The arm's requests that are in no level, the immature among them."""
        everyone = self._reader.moments(metric.name, arm, "immature_low").n
        return everyone - self._reader.moments(metric.name, arm).n

    def _share_of_pros(self, q: Question) -> Opened:
        """Pros have bounds of their own: whom a gap concerns is counted pro by pro."""
        if (q.kind, q.source) == ("stale_source", "requests"):
            return self._stale_source(q)
        if q.kind == "sample_ratio_mismatch":
            return Opened(q.estimate.value, Region(None, None, reason=LOST_WITHOUT_TRACE))
        opening = pro_opening(q.kind, q.source, q.column, q.residual, sum(q.units.values()))
        region = pro_region(self._reader, q.metric, self._arms(q), opening, self._confidence)
        return Opened(self._effect(q, opening.undone), region or at_estimate(q.estimate))

    def _missing_variant(self, q: Question) -> Opened:
        exact = {
            arm: v for arm in self._arms(q) if (v := self._reader.quantile(q.metric.name, arm)) is not None
        }
        region = label_region(self._reader.observed(q.metric), q.treatment, self._confidence, exact=exact)
        return Opened(self._effect(q, "variant_from_quotes"), region)

    def _duplicate_rows(self, q: Question) -> Opened:
        return Opened(self._undone(q, f"duplicate_rows.{q.source}"), at_estimate(q.estimate))

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
        if q.column == "variant" and q.kind == "invalid_values":
            return self._missing_variant(q) if q.residual else self._nothing(q)
        if q.source == "requests":
            return Opened(q.estimate.value, self._without_requests(q))
        field = f"{q.source}.{q.column}"
        if field in HIGHEST_READING:
            undone = (
                self._undone(q, f"missing_values.{field}")
                if (q.kind, field) == ("missing_values", "quotes.quoted_at")
                else q.estimate.value
            )
            return Opened(undone, self._interval(q, REPAIRED, HIGHEST_READING[field]))
        if field == "hires.amount":
            return Opened(
                q.estimate.value,
                Region(None, None, reason=NO_UPPER_LIMIT) if q.residual else at_estimate(q.estimate),
            )
        return Opened(q.estimate.value, self._rows_of_unknown_requests(q))

    def _without_requests(self, q: Question) -> Region:
        """Request rows that can't be used: those with an id are known by it, the others are only so many."""
        if q.column == "request_id":
            observed = self._reader.observed(q.metric, unlabelled=False)
            return self._region(q, with_traceless(observed, q.residual))
        return self._region(q, self._reader.with_lost(q.metric, q.source))

    def _conflicting_keys(self, q: Question) -> Opened:
        if q.source == "support_tickets":
            return Opened(q.estimate.value, self._rows_of_unknown_requests(q, counted=True))
        if q.source not in ("requests", "quotes", "hires"):
            return Opened(q.estimate.value, at_estimate(q.estimate))
        return Opened(
            q.estimate.value, self._interval(q, f"conflict_low.{q.source}", f"conflict_high.{q.source}")
        )

    def _nothing(self, q: Question) -> Opened:
        """The repair leaves nothing open: by intention to treat a unit stays in the arm it was given first."""
        return Opened(q.estimate.value, at_estimate(q.estimate))

    def _sampled_logging(self, q: Question) -> Opened:
        """Counts are weighted by the declared rate; what needs the first of a request's rows needs every one of them."""
        definition = definition_of(q.metric)
        is_sum = q.metric.kind in (MetricKind.MEAN, MetricKind.RATIO) and definition.follows == "more"
        is_weighted = q.source != "quote_events" and is_sum
        # A pro's later quotes, and whether there is any quote at all, are looked for in the quotes alone.
        needs_rows = definition.unit == "pro" or re.search(r"\bn_quotes\b", definition.y) is not None
        is_whole = q.share is not None and not q.residual and not (q.source == "quotes" and needs_rows)
        if is_weighted or is_whole:
            return self._nothing(q)
        return Opened(q.estimate.value, Region(None, None, reason=SAMPLED))

    def _timestamp_disorder(self, q: Question) -> Opened:
        """Quotes that stay before their request may have been the first; a hire before it may be no hire in time."""
        if q.source == "hires":
            return Opened(
                q.estimate.value, _around(self._interval(q, "early_low.hires", REPAIRED), q.estimate)
            )
        early = self._interval(q, REPAIRED, "early_high.quotes")
        if q.source == "quote_events":
            return Opened(q.estimate.value, hull(early, [self._source_conflict(q).region]))
        return Opened(self._undone(q, "timestamp_disorder.quotes"), early)

    def _source_conflict(self, q: Question) -> Opened:
        """Every quote that two sources date differently at either time; undone, the transactional table is believed."""
        if q.source not in ("quotes", "quote_events"):
            return self._contradicted(q)
        region = self._interval(q, "disputed_low.quotes", "disputed_high.quotes")
        return Opened(self._undone(q, "source_conflict.quotes"), _around(region, q.estimate))

    def _contradicted(self, q: Question) -> Opened:
        """Two relations that differ on a share λ of the keys: of a share metric any of those requests may be wrong.

        [p − λ, p + λ] in each arm (all conflicts adverse); of other metrics a wrong value has no limit. Source:
        Horowitz & Manski 1995, corrupted sampling.
        """
        arms = self._arms(q)
        levels = [point_level(self._reader.moments(q.metric.name, arm)) for arm in arms]
        wrong = [max(q.by_variant.get(arm, 0.0), q.share or 0.0) for arm in arms]
        is_share = q.metric.kind is MetricKind.SHARE and q.metric.effect is EffectKind.ABSOLUTE
        if (
            q.share is None
            or not is_share
            or q.estimate.value is None
            or levels[0] is None
            or levels[1] is None
        ):
            return Opened(q.estimate.value, Region(None, None, reason=CONTRADICTED))
        t, c = (
            (max(0.0, p - w), min(1.0, p + w)) for p, w in zip(levels, wrong, strict=True) if p is not None
        )
        lower, upper = t[0] - c[1], t[1] - c[0]
        found, value = q.estimate, q.estimate.value
        region = Region(
            lower,
            upper,
            None if found.ci_lower is None else lower + found.ci_lower - value,
            None if found.ci_upper is None else upper + found.ci_upper - value,
        )
        return Opened(value, _around(region, found))

    def _late_assignment(self, q: Question) -> Opened:
        """The label bound on the requests whose arm came after their outcome."""
        evidence = self._reader.late(q.metric)
        if evidence.unlabelled is None or evidence.unlabelled.moments.n == 0:
            return self._nothing(q)
        region = label_region(evidence, q.treatment, self._confidence)
        return Opened(q.estimate.value, _around(region, q.estimate))

    def _missing_partition(self, q: Question) -> Opened:
        """Days of which rows are gone: as many rows as their neighbours lead to expect, of any request of either arm.

        Requests that both arms lack are no part of the cohort any more: the effect is the other days' (the estimand is
        named in the description). What one arm alone lacks are units of it with an outcome nobody has seen.
        """
        observed = self._reader.observed(q.metric, unlabelled=False)
        if q.source == "requests":
            gone = units_gone(q.units, self._design)
            if gone and q.metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
                return Opened(q.estimate.value, Region(None, None, reason=LOST_WITHOUT_TRACE))
            return Opened(q.estimate.value, self._region(q, with_missing(observed, gone)))
        if q.source == "assignments":
            return self._nothing(q)  # their requests are there, without an arm: that is a gap of its own
        if not can_count(definition_of(q.metric), q.source):
            return Opened(q.estimate.value, Region(None, None, reason=NO_UPPER_LIMIT))
        rows = UnknownRows(q.source, rows_gone(q.units))
        return Opened(
            q.estimate.value, _around(self._region(q, with_unknown_rows(observed, rows)), q.estimate)
        )

    def _distribution_drift(self, q: Question) -> Opened:
        """Both arms drifting alike moves no effect; arms that differ beforehand: between the plain and the stratified effect."""
        if not q.about_arms:
            return self._nothing(q)
        region = between_plain_and_stratified(
            self._reader, self._design, q.metric, q.treatment, q.column or "", q.estimate, self._confidence
        )
        return _from_plain(q.estimate, region, NOT_STRATIFIED)

    def _pre_exposure_imbalance(self, q: Question) -> Opened:
        """The published estimate stays the plain one, by the design's estimand; the past would have it elsewhere."""
        region = between_plain_and_adjusted(
            self._reader, self._design, q.metric, q.treatment, q.estimate, self._confidence
        )
        return _from_plain(q.estimate, region, NOT_ADJUSTED)

    def _orphan_rows(self, q: Question) -> Opened:
        """Requests whose rows are gone: those with an arm join it, the others any; times are unknown, counts are not.

        Each table's orphans show a part of one loss, and are bounded with all of it. Those never assigned may be no
        loss at all: their rows misspelt, and any request's, or of a request outside the cohort.
        """
        if q.source == "spam_flags":
            return Opened(q.estimate.value, self._rows_of_unknown_requests(q))
        strays = self._strays(q.metric)
        definition = definition_of(q.metric)
        if not all(can_count(definition, rows.source, rows.told) for rows in strays):
            return Opened(q.estimate.value, Region(None, None, reason=NO_UPPER_LIMIT))
        region = self._region(q, self._reader.with_lost(q.metric, "any"))
        if self._reader.strays:
            there = self._reader.with_lost(q.metric, "any", strays_are_lost=False)
            for rows in strays:
                there = with_unknown_rows(there, rows)
            region = _around(hull(region, [self._region(q, there)]), q.estimate)
        return Opened(q.estimate.value, region)

    def _strays(self, metric: Metric) -> tuple[UnknownRows, ...]:
        return counted_in(definition_of(metric), self._reader.strays)

    def _ratio_mismatch(self, q: Question) -> Opened:
        """The short arm lost units that left no trace: their outcomes are missing (one arm is assumed to have lost them)."""
        if q.metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
            return Opened(q.estimate.value, Region(None, None, reason=LOST_WITHOUT_TRACE))
        observed = self._reader.observed(q.metric, unlabelled=False)
        return Opened(
            q.estimate.value, self._region(q, with_missing(observed, lost_units(q.units, self._design.split)))
        )

    def _rows_of_unknown_requests(self, q: Question, *, counted: bool = False) -> Region:
        """Child rows that may belong to any request: all of them to one arm, or all to the other (the orphan bound)."""
        if q.residual and not can_count(definition_of(q.metric), q.source, q.told):
            return Region(None, None, reason=NO_UPPER_LIMIT)
        rows = UnknownRows(q.source, q.residual, counted, q.told)
        observed = self._reader.observed(q.metric, unlabelled=False)
        return _around(self._region(q, with_unknown_rows(observed, rows)), q.estimate)

    def _region(self, q: Question, evidence: MetricEvidence) -> Region:
        """The region of the evidence, the estimate itself where nothing in it is open."""
        if is_closed(evidence, self._reader.observed(q.metric, unlabelled=False)):
            return at_estimate(q.estimate)
        return joint_region(evidence, q.treatment, self._confidence)

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
            if q.metric.kind is MetricKind.RATIO:
                moments = [
                    {a: _outward(moments[0][a], moments[1][a], up) for a in moments[0]} for up in (0, 1)
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

    def _undone(self, q: Question, reading: str) -> float | None:
        """The effect with a repair undone; the estimate where the repair does not concern the metric."""
        is_quantile = q.metric.kind is MetricKind.QUANTILE
        if is_quantile and not any(
            self._reader.has_reading(q.metric.name, a, reading) for a in self._arms(q)
        ):
            return q.estimate.value
        return self._effect(q, reading)

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


def _around(region: Region, found: Estimate) -> Region:
    """The region with the estimate on its edge exactly where rounding put it beside."""
    if found.value is None or region.lower is None or region.upper is None:
        return region
    return replace(region, lower=min(region.lower, found.value), upper=max(region.upper, found.value))


def _outward(one: Moments, other: Moments, high: int) -> Moments:
    """A ratio's least sum over its most, or the reverse: of what is open any part may belong, not all of it or none."""
    if one.d == other.d:
        return (one, other)[high]
    by_y = sorted((one, other), key=lambda m: m.y)
    by_d = sorted((one, other), key=lambda m: m.d)
    d = by_d[not high]
    return replace(by_y[high], d=d.d, dd=d.dd)


def _from_plain(plain: Estimate, region: Region | None, without: str) -> Opened:
    """The region from the plain effect to an adjusted one, its farther end the best guess; unidentified without one."""
    if region is None or plain.value is None:
        return Opened(plain.value, Region(None, None, reason=without))
    around = _around(region, plain)
    ends = [end for end in (around.lower, around.upper) if end is not None]
    value = plain.value
    return Opened(value, around, max(ends, key=lambda end: abs(end - value), default=None))


def _faster(one: QuantileArm, other: QuantileArm) -> QuantileArm:
    return one if one.value <= other.value else other


def _slower(one: QuantileArm, other: QuantileArm) -> QuantileArm:
    return other if one.value <= other.value else one
