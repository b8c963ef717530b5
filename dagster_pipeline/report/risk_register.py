"""The risk register in words: risk-register.md, and the same rows for machines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.criteria.figures import money as money_words
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.register.documents import iso_z, plain
from dagster_pipeline.register.lifecycle import waiver_end
from dagster_pipeline.register.risk import Decided, Money, Risk, risks
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.decision_view import decision_metrics
from dagster_pipeline.report.demands import metric_label
from dagster_pipeline.report.escape import markdown_text, visible
from dagster_pipeline.report.markdown import table
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.words import SEVERITY, STATUS, Mark, kind_title, place, plural

NO_OWNER = "nobody"
"""How an owner that nobody named is shown."""

NO_RISK = "No open gap matters to the decision."
_SENTENCE = 600
_READING = (
    "Likelihood is read off δ*, the share of a gap's own worst case that it takes to change the answer: up to 25% very likely, "
    "up to 100% likely, up to 200% possible, above that unlikely. It is no probability. Where there is no δ*, nothing can be "
    "said, and that is no good news."
)


@dataclass(frozen=True)
class RiskRow:
    """One risk in words and written figures; nothing here needs escaping but for its medium."""

    gap_id: str
    severity: Mark
    title: str
    place: str
    risk: str
    likelihood: str
    headroom: str
    impact: str
    money: str
    mitigation: str
    residual_risk: str
    status: str
    owner: str
    has_owner: bool
    due: str
    is_late: bool
    age: str
    level: str


def run_risks(report: RunReport) -> tuple[Risk, ...]:
    """The risk register of a run, as of its decision."""
    decided = decided_of(report.decisions, report.dossiers)
    return risks(report.gaps, decided, report.triage, report.evaluated_at)


def decided_of(verdicts: Iterable[Mapping[str, Any]], dossiers: Iterable[Mapping[str, Any]]) -> Decided:
    """What hangs on the gaps, from documents of verdict.json and decision.json."""
    metrics = {document["experiment"]: decision_metrics(document) for document in verdicts}
    return Decided(metrics, _money(dossiers))


def risk_rows(
    found: Iterable[Risk], definitions: Mapping[str, MetricDefinition], at: datetime
) -> tuple[RiskRow, ...]:
    """The risks in words, in their order."""
    return tuple(_row(risk, definitions, at) for risk in found)


def risk_register_markdown(rows: Sequence[RiskRow], at: datetime, origin: str, nothing: str = NO_RISK) -> str:
    """The whole file; every value is escaped. ``origin`` says what it is of, ``nothing`` what an empty one means."""
    late = sum(row.is_late for row in rows)
    head = f"{plural(len(rows), 'open gap')} above info, {late:,} late · as of {fmt.moment(at)} · {markdown_text(origin)}"
    body = list(table(*_columns(rows))) if rows else [nothing]
    return "\n".join(["# Risk register", "", head, "", *body, "", _READING]) + "\n"


def run_risk_register(report: RunReport) -> str:
    """risk-register.md of a run."""
    rows = risk_rows(run_risks(report), report.definitions, report.evaluated_at)
    return risk_register_markdown(rows, report.evaluated_at, f"run {report.run_id}", nothing_open(report))


def nothing_open(report: RunReport) -> str:
    """What an empty risk register means: finding nothing without looking is no good news."""
    return NO_RISK if report.checks else "No risk is registered, but no check ran either."


def risk_documents(found: Iterable[Risk]) -> list[dict[str, Any]]:
    """The risks for machines: figures unrounded, times in UTC, spans in hours."""
    return [{key: plain(value) for key, value in _document(risk).items()} for risk in found]


def deadline(gap: Gap, due: datetime | None, at: datetime) -> str:
    """When a gap is to be dealt with, or since when it should have been."""
    if gap.status is GapStatus.ACCEPTED:
        ended = waiver_end(gap, at)
        return visible(ended).rstrip(".") if ended else f"waived until {fmt.moment(due)}"
    if due is None:
        return "nothing is agreed"
    return due_words(due, at)


def due_words(due: datetime, at: datetime) -> str:
    """A date, and how far it is away."""
    return f"{fmt.moment(due)}, {f'late by {fmt.span(at - due)}' if due < at else f'in {fmt.span(due - at)}'}"


def standing(gap: Gap) -> str:
    """A gap's state, with what must be known of it."""
    unmeasured = gap.life.unmeasured_since
    return (
        f"{STATUS[gap.status]}, not measured since {fmt.day(unmeasured)}"
        if unmeasured
        else STATUS[gap.status]
    )


def escalation(level: int, contacts: Sequence[str]) -> str:
    """How far a gap is escalated and to whom; "" where it is not."""
    if not level:
        return ""
    return f"level {level}: {', '.join(map(visible, contacts)) or 'nobody is named (triage.escalation)'}"


def _row(risk: Risk, definitions: Mapping[str, MetricDefinition], at: datetime) -> RiskRow:
    gap = risk.gap
    return RiskRow(
        gap_id=visible(gap.gap_id),
        severity=SEVERITY[gap.severity],
        title=kind_title(gap.kind),
        place=place(gap),
        risk=visible(f"{gap.description} {gap.severity_reason}", _SENTENCE),
        likelihood=risk.likelihood.value,
        headroom="not known" if risk.delta_star is None else fmt.headroom(risk.delta_star),
        impact=_impact(risk.deciding, definitions),
        money=_at_risk(risk.money),
        mitigation=visible(gap.mitigation, _SENTENCE),
        residual_risk=visible(gap.residual_risk, _SENTENCE),
        status=standing(gap),
        owner=visible(gap.owner or NO_OWNER),
        has_owner=bool(gap.owner),
        due=deadline(gap, risk.due_at, at),
        is_late=risk.is_late,
        age="not known" if risk.age is None else fmt.span(risk.age),
        level=escalation(risk.level, risk.contacts),
    )


def _impact(impact: Impact | None, definitions: Mapping[str, MetricDefinition]) -> str:
    if impact is None:
        return "on no metric of a decision"
    unit = fmt.unit_of(definitions.get(impact.metric))
    ends = [fmt.effect(end, impact.effect, unit) for end in (impact.lower, impact.upper)]
    now = fmt.effect(impact.mitigated, impact.effect, unit)
    label = f"{metric_label(impact.metric, definitions)} ({visible(impact.variant)})"
    shown = "no estimate" if now == fmt.ABSENT else f"{now} after repair"
    return f"{label}: {shown}, could be {fmt.between(*ends)}"


def _at_risk(money: Money | None) -> str:
    if money is None:
        return ""
    return "no limit" if money.amount is None else visible(money_words(money.amount, money.currency))


def _money(dossiers: Iterable[Mapping[str, Any]]) -> dict[str, Money]:
    """By gap the most that any treatment puts at risk; one without limit outweighs every figure."""
    found: dict[str, Money] = {}
    for dossier in dossiers:
        value = dossier.get("value") or {}
        for treatment in value.get("treatments", ()):
            for risk in treatment.get("gaps", ()):
                now = Money(risk["at_risk"], str(value["currency"]))
                before = found.get(risk["gap_id"], now)
                found[risk["gap_id"]] = max(before, now, key=_size)
    return found


def _size(money: Money) -> float:
    return math.inf if money.amount is None else money.amount


def _columns(rows: Sequence[RiskRow]) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    """The table's header and cells; money only where the brief says what anything is worth."""
    has_money = any(row.money for row in rows)
    header = ("Risk", "Likelihood", "Impact", *(("Money at risk",) if has_money else ()))
    header += ("Mitigation", "What remains", "Owner", "Due", "Age", "Escalated")
    return header, (_cells(row, has_money) for row in rows)


def _cells(row: RiskRow, has_money: bool) -> tuple[str, ...]:
    return (
        f"{row.severity.word}: {row.title}, {row.place} ({row.status}). {row.risk}",
        f"{row.likelihood} (δ*: {row.headroom})",
        row.impact,
        *((row.money or fmt.ABSENT,) if has_money else ()),
        row.mitigation or fmt.ABSENT,
        row.residual_risk or fmt.ABSENT,
        row.owner,
        row.due,
        row.age,
        row.level or fmt.ABSENT,
    )


def _document(risk: Risk) -> dict[str, Any]:
    gap, deciding = risk.gap, risk.deciding
    return {
        "gap_id": gap.gap_id,
        "kind": gap.kind,
        "experiment": gap.experiment,
        "table": gap.table,
        "column": gap.column,
        "severity": gap.severity.value,
        "status": gap.status.value,
        "risk": f"{gap.description} {gap.severity_reason}",
        "likelihood": risk.likelihood.value,
        "delta_star": risk.delta_star,
        "impact": None if deciding is None else _impact_document(deciding),
        "money_at_risk": risk.money and {"amount": risk.money.amount, "currency": risk.money.currency},
        "mitigation": gap.mitigation,
        "residual_risk": gap.residual_risk,
        "owner": gap.owner,
        "due_at": iso_z(risk.due_at),
        "is_late": risk.is_late,
        "age_hours": None if risk.age is None else risk.age / timedelta(hours=1),
        "level": risk.level,
        "escalated_to": list(risk.contacts),
    }


def _impact_document(impact: Impact) -> dict[str, Any]:
    return {
        "metric": impact.metric,
        "variant": impact.variant,
        "effect": impact.effect,
        "estimate": impact.mitigated,
        "lower": impact.lower,
        "upper": impact.upper,
        "flips_decision": impact.flips_decision,
        "reason": impact.reason,
    }
