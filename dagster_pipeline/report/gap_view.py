"""The gap register, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.register.history import register_order
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.decision_view import decision_metrics
from dagster_pipeline.report.demands import metric_label
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.runbooks import runbook_name
from dagster_pipeline.report.words import DIRECTION, SEVERITY, STATUS, Mark, kind_title, place
from dagster_pipeline.statistics.vocabulary import Direction

if TYPE_CHECKING:
    from dagster_pipeline.report.model import RunReport

_MOST_BIASES = 6


@dataclass(frozen=True)
class ArmShare:
    """The share affected in one arm; ``width`` in per cent of the worst arm's."""

    variant: str
    share: str
    width: float


@dataclass(frozen=True)
class BiasView:
    """What the gap does to one metric of the decision; ``note`` says what the figures can't."""

    label: str
    variant: str
    mark: Mark
    size: str
    headroom: str
    flips: bool
    note: str


@dataclass(frozen=True)
class GapView:
    """One row of the register; all figures written out. ``deciding`` is the bias that changes the answer first.

    ``runbook`` is the page of its kind, beside the report's page; "" where there is none.
    """

    gap_id: str
    severity: Mark
    title: str
    place: str
    experiment: str
    description: str
    severity_reason: str
    status: str
    is_info: bool
    affected: str
    rows: str
    residual: str
    arms: tuple[ArmShare, ...]
    differential: bool
    biases: tuple[BiasView, ...]
    deciding: BiasView | None
    headroom: str
    mitigation: str
    residual_risk: str
    contingency: str
    owner: str
    first_seen: str
    runbook: str


def gap_views(report: RunReport, gaps: Sequence[Gap]) -> tuple[GapView, ...]:
    """The gaps as rows, worst first."""
    return tuple(_gap(gap, report) for gap in sorted(gaps, key=register_order))


def _gap(gap: Gap, report: RunReport) -> GapView:
    deciding = _deciding(gap, report)
    return GapView(
        gap_id=visible(gap.gap_id),
        severity=SEVERITY[gap.severity],
        title=kind_title(gap.kind),
        place=place(gap),
        experiment=visible(gap.experiment or ""),
        description=visible(gap.description),
        severity_reason=visible(gap.severity_reason),
        status="" if gap.status is GapStatus.OPEN else STATUS[gap.status],
        is_info=gap.severity is Severity.INFO,
        affected=fmt.share(gap.share_affected),
        rows=_rows(gap),
        residual=fmt.share(gap.share_residual),
        arms=_arms(gap.by_variant),
        differential=gap.differential,
        biases=tuple(_bias(impact, report) for impact in deciding[:_MOST_BIASES]),
        deciding=_bias(_first_to_flip(deciding), report) if deciding else None,
        headroom=_headroom(deciding),
        mitigation=visible(gap.mitigation),
        residual_risk=visible(gap.residual_risk),
        contingency=visible(gap.contingency),
        owner=visible(gap.owner or ""),
        first_seen=fmt.day(gap.first_seen),
        runbook=runbook_name(gap.kind),
    )


def _rows(gap: Gap) -> str:
    if gap.rows_affected is None:
        return ""
    return f"{fmt.count(gap.rows_affected)} of {fmt.count(gap.rows_total)}"


def _arms(by_variant: Mapping[str, float]) -> tuple[ArmShare, ...]:
    worst = max((abs(share or 0.0) for share in by_variant.values()), default=0.0) or 1.0
    return tuple(
        ArmShare(visible(variant), fmt.share(share), round(100 * abs(share or 0.0) / worst, 1))
        for variant, share in by_variant.items()
    )


def _deciding(gap: Gap, report: RunReport) -> list[Impact]:
    """Impacts on the decision's metrics; without any decision, those that have a direction at all."""
    metrics: frozenset[str] = frozenset()
    for document in report.decisions:
        if gap.experiment is None or document["experiment"] == gap.experiment:
            metrics |= decision_metrics(document)
    if metrics:
        return [impact for impact in gap.metrics if impact.metric in metrics]
    return [impact for impact in gap.metrics if impact.direction is not Direction.NONE]


def _first_to_flip(impacts: Sequence[Impact]) -> Impact:
    """The impact with the smallest δ*, the first where none has one."""
    known = [impact for impact in impacts if impact.delta_star is not None]
    return min(known, key=lambda impact: impact.delta_star or 0.0, default=impacts[0])


def _headroom(impacts: Sequence[Impact]) -> str:
    known = [impact.delta_star for impact in impacts if impact.delta_star is not None]
    if known:
        return fmt.headroom(min(known))
    if any(impact.reason for impact in impacts):
        return "not known"
    return fmt.headroom(None) if impacts else fmt.ABSENT


def _bias(impact: Impact, report: RunReport) -> BiasView:
    unit = fmt.unit_of(report.definitions.get(impact.metric))
    ends = [fmt.difference(end, impact.effect, unit) for end in (impact.bias_lower, impact.bias_upper)]
    unknown = impact.bias_lower is None and impact.bias_upper is None
    return BiasView(
        label=metric_label(impact.metric, report.definitions),
        variant=visible(impact.variant),
        mark=DIRECTION[impact.direction],
        size="size not known" if unknown else fmt.between(*ends),
        headroom=fmt.headroom(impact.delta_star),
        flips=impact.flips_decision,
        note=_note(impact),
    )


def _note(impact: Impact) -> str:
    if impact.reason:
        return visible(impact.reason)
    unsure = impact.direction in (Direction.EITHER, Direction.TOWARD_ZERO)
    if unsure and impact.expected_direction in (Direction.INFLATES, Direction.DEFLATES):
        return f"most likely {DIRECTION[impact.expected_direction].word}"
    return ""
