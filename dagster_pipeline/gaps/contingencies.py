"""What stands in for an estimate that a gap has made unusable: a second look, never the estimate and never its region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.config.types import Thresholds
from dagster_pipeline.gaps import stand_ins
from dagster_pipeline.gaps.evidence import statistic_of
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.stand_ins import Asked, Ground, StandIn


class ContingencyName(StrEnum):
    """The stand-ins there are."""

    PROXY = "three_day_proxy"
    SURVIVAL = "kaplan_meier"
    FIRST_MESSAGE = "first_message"
    DIFFERENCES = "difference_in_differences"
    STRATIFIED = "post_stratification"
    ADJUSTED = "cuped"
    UNDILUTED = "effect_on_those_who_stayed"


@dataclass(frozen=True)
class Contingency:
    """One stand-in for one metric of one treatment; nothing of it enters a verdict.

    ``value`` is the effect in ``effect`` (raw, T − C or T/C − 1), ``treatment_level`` and ``control_level`` the levels it
    comes from, in the metric's unit. ``lower`` and ``upper`` are its range with sampling error, at the brief's confidence.
    ``applies_to`` are the ids of the open gaps it stands in for, ``because`` what they are, ``assumption`` what has to be
    true for it. Where it could not be computed ``value`` and its range are None and ``reason`` says why.
    """

    name: str
    metric: str
    variant: str
    effect: str
    value: float | None
    lower: float | None
    upper: float | None
    applies_to: tuple[str, ...]
    because: str
    assumption: str
    treatment_level: float | None = None
    control_level: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class _Plan:
    """One stand-in: the gaps that call for it, the metrics it can stand in for (None: every one), and how.

    ``one_by_one``: each gap has a figure of its own. ``needs_sums``: of contingency_sums.
    """

    name: ContingencyName
    is_called_for: Callable[[FoundGap, Thresholds], bool]
    metrics: frozenset[str] | None
    because: str
    assumption: str
    compute: Callable[[Ground, Asked], StandIn]
    one_by_one: bool = False
    needs_sums: bool = True


def contingencies(
    ground: Ground,
    gaps: Sequence[FoundGap],
    brief: Brief | None,
    thresholds: Thresholds,
    definitions: Mapping[str, MetricDefinition] | None = None,
) -> tuple[Contingency, ...]:
    """The stand-ins that the open gaps call for, for every metric of the brief (without one: every metric).

    None where no gap calls for any. What is called for and can't be computed is there with its reason. ``definitions`` are
    the metrics of the run, by default the built-in ones.
    """
    return tuple(_all(ground, gaps, _asked(brief, definitions or metric_definitions()), thresholds))


def _all(
    ground: Ground,
    gaps: Sequence[FoundGap],
    asked: Mapping[tuple[str, str], MetricDefinition],
    thresholds: Thresholds,
) -> Iterator[Contingency]:
    for plan in _PLANS:
        called = [gap for gap in gaps if plan.is_called_for(gap, thresholds)]
        groups = [[gap] for gap in called] if plan.one_by_one else [called]
        for group in groups:
            for (name, effect), definition in asked.items():
                concerned = tuple(gap for gap in group if _concerns(gap, definition, ground))
                if concerned and (plan.metrics is None or name in plan.metrics):
                    yield from _of(plan, ground, concerned, definition, effect)


def _of(
    plan: _Plan, ground: Ground, gaps: tuple[FoundGap, ...], definition: MetricDefinition, effect: str
) -> Iterator[Contingency]:
    metric = statistic_of(definition, effect)
    for treatment in ground.design.treatments:
        found = StandIn(reason=stand_ins.NOT_BUILT)
        if ground.rows is not None or not plan.needs_sums:
            found = plan.compute(ground, Asked(definition, metric, treatment, gaps))
        yield Contingency(
            name=plan.name.value,
            metric=metric.name,
            variant=treatment,
            effect=metric.effect.value,
            value=found.value,
            lower=found.lower,
            upper=found.upper,
            applies_to=tuple(gap_id(g.kind, g.experiment, g.source, g.column, g.segment) for g in gaps),
            because=f"{plan.because} ({', '.join(dict.fromkeys(map(_place, gaps)))})",
            assumption=plan.assumption,
            treatment_level=found.treatment_level,
            control_level=found.control_level,
            reason=found.reason,
        )


def _concerns(gap: FoundGap, definition: MetricDefinition, ground: Ground) -> bool:
    """Whether a metric wants a stand-in: quote times that are absent are not missed where others gave the metric."""
    is_absent = gap.kind in ("schema_change", "not_evaluated") and gap.source != "assignments"
    return not (is_absent and ground.has(definition))


def _place(gap: FoundGap) -> str:
    column = f".{gap.column}" if gap.column else ""
    return f"{gap.kind} of {gap.source}{column}"


def _asked(
    brief: Brief | None, known: Mapping[str, MetricDefinition]
) -> dict[tuple[str, str], MetricDefinition]:
    """Metrics by name and effect: the brief's, each once, or all in their default effects."""
    if brief is None:
        return {(name, definition.effect): definition for name, definition in known.items()}
    rules: list[Criterion | Guardrail] = [*brief.criteria, *brief.guardrails]
    return {(r.metric, r.effect or known[r.metric].effect): known[r.metric] for r in rules}


def _hires_are_stale(gap: FoundGap, thresholds: Thresholds) -> bool:
    del thresholds
    return (gap.kind, gap.source) == ("stale_source", "hires")


def _quote_times_are_unusable(gap: FoundGap, thresholds: Thresholds) -> bool:
    """Times that are not there, or of which more than the contract allows are wrong after every repair."""
    if gap.source not in ("quotes", "quote_events"):
        return False
    is_of_time = gap.column in (None, "quoted_at", "event_at")
    if gap.kind in ("schema_change", "not_evaluated"):
        return gap.source == "quotes" and is_of_time
    is_wrong = gap.kind in ("timestamp_disorder", "source_conflict") or (
        gap.kind in ("missing_values", "invalid_values") and gap.column in ("quoted_at", "event_at")
    )
    return is_wrong and _is_beyond_contract(gap, thresholds)


def _arms_are_unusable(gap: FoundGap, thresholds: Thresholds) -> bool:
    """No assignments, arms that lost units, or more requests without an arm than the contract allows."""
    if gap.kind in ("schema_change", "not_evaluated"):
        return gap.source == "assignments" and gap.column in (None, "entity_id", "variant")
    if gap.kind == "sample_ratio_mismatch":
        return gap.segment is None
    is_of_requests = (gap.kind, gap.source) == ("missing_variant", "requests")
    return is_of_requests and _is_beyond_contract(gap, thresholds)


def _arms_differ_in_mix(gap: FoundGap, thresholds: Thresholds) -> bool:
    del thresholds
    return gap.kind == "distribution_drift" and gap.experiment is not None


def _arms_differed_before(gap: FoundGap, thresholds: Thresholds) -> bool:
    del thresholds
    return gap.kind == "pre_exposure_imbalance"


def _units_met_both_arms(gap: FoundGap, thresholds: Thresholds) -> bool:
    limit = thresholds.multiple_exposure_share
    return gap.kind == "multiple_exposures" and (gap.share_affected or 0.0) > limit


def _is_beyond_contract(gap: FoundGap, thresholds: Thresholds) -> bool:
    """Whether more is left after repair than the contract allows; what can't be counted is."""
    name = gap_kinds()[gap.kind].threshold
    share = gap.share_residual
    return name is None or share is None or share > thresholds.value(name, gap.source, gap.column)


_PLANS = (
    _Plan(
        ContingencyName.PROXY,
        _hires_are_stale,
        frozenset({"hire_rate_7d"}),
        "the last requests have not been seen for 7 days",
        "Hires between day 3 and day 7 follow those of the first 3 days as in the weeks before; each arm's factor lies "
        "anywhere between the least and the most of these weeks.",
        stand_ins.three_day_proxy,
    ),
    _Plan(
        ContingencyName.SURVIVAL,
        _hires_are_stale,
        frozenset({"hire_rate_7d", "hire_rate_3d"}),
        "the last requests have not been seen for 7 days",
        "Requests whose hires are not in yet are hired, from their age on, at the pace of the older ones of their arm "
        "(censoring says nothing of the outcome).",
        stand_ins.survival,
    ),
    _Plan(
        ContingencyName.FIRST_MESSAGE,
        _quote_times_are_unusable,
        frozenset({"ttfq_median", "ttfq_p90", "quoted_within_30m"}),
        "the times of quotes can not be used",
        "Pros send a first message as often and as long after their quote in every arm.",
        stand_ins.first_message,
    ),
    _Plan(
        ContingencyName.DIFFERENCES,
        _arms_are_unusable,
        None,
        "the arms of requests can not be relied on",
        "Without the launch, requests it could reach would have changed as those it could not (parallel trends); of the "
        "former the design's share met the treatment, and the rest fared as before.",
        stand_ins.touched_against_untouched,
    ),
    _Plan(
        ContingencyName.STRATIFIED,
        _arms_differ_in_mix,
        None,
        "the arms differ in a mix that was settled before them",
        "Within one value of the column the arms are alike: the mix alone differs.",
        stand_ins.post_stratified,
        one_by_one=True,
        needs_sums=False,
    ),
    _Plan(
        ContingencyName.ADJUSTED,
        _arms_differed_before,
        None,
        "the arms' customers differed before the experiment",
        "What customers did before predicts the metric alike in every arm, and the arms differ in nothing else.",
        stand_ins.adjusted_for_the_past,
        needs_sums=False,
    ),
    _Plan(
        ContingencyName.UNDILUTED,
        _units_met_both_arms,
        None,
        "units met more than one arm",
        "The arm a unit was given moves it only through the treatment it met, and nobody does the opposite of what they "
        "were given; the effect is that on units that stayed.",
        stand_ins.undiluted,
        one_by_one=True,
        needs_sums=False,
    ),
)
