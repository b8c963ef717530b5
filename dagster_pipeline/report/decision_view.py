"""The verdict and its criteria, ready to be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.model import Gap, Impact
from dagster_pipeline.register.documents import from_iso_z
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.chart import Chart, Span, chart
from dagster_pipeline.report.demands import Demand, demand_of, metric_label
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.model import RunReport, VerdictDocument
from dagster_pipeline.report.words import (
    OUTCOME,
    VERDICT,
    VERDICT_MEANING,
    Mark,
    kind_title,
    place,
    plural,
    rows_affected,
)

if TYPE_CHECKING:
    from dagster_pipeline.config.brief import Brief
    from dagster_pipeline.config.types import Experiment

_UNKNOWN = (Outcome.MISSING, Outcome.STALE, Outcome.ERRORED)
_SENTENCE = 600  # longest reason shown, in characters


@dataclass(frozen=True)
class CriterionView:
    """One criterion or guardrail for one treatment; all figures written out."""

    label: str
    variant: str
    kind: str
    demand: str
    outcome: Mark
    estimate: str
    interval: str
    region: str
    headroom: str
    chart: Chart | None
    chart_text: str


@dataclass(frozen=True)
class GapLink:
    """A gap that blocks, by its id and name."""

    gap_id: str
    name: str


@dataclass(frozen=True)
class DecisionView:
    """One experiment's verdict with everything that led to it; ``facts`` are label and figure."""

    experiment: str
    question: str
    verdict: Mark
    meaning: str
    headline: str
    reasons: tuple[str, ...]
    limits: str
    facts: tuple[tuple[str, str], ...]
    criteria: tuple[CriterionView, ...]
    changes: tuple[str, ...]
    break_evens: tuple[str, ...]
    blocked_by: tuple[GapLink, ...]
    waivers: tuple[str, ...]
    no_criteria: str


def decision_views(report: RunReport) -> tuple[DecisionView, ...]:
    """One view per verdict, in the report's order."""
    return tuple(_decision(document, report) for document in report.decisions)


def decision_metrics(document: VerdictDocument) -> frozenset[str]:
    """The metrics a decision hangs on."""
    return frozenset(str(criterion["metric"]) for criterion in document["criteria"])


def _decision(document: VerdictDocument, report: RunReport) -> DecisionView:
    brief = next((b for b in report.briefs if b.experiment == document["experiment"]), None)
    experiment = next((e for e in report.experiments if e.id == document["experiment"]), None)
    criteria = _criteria(document, brief, report)
    reasons = [visible(reason, _SENTENCE) for reason in document["reasons"]]
    verdict = str(document["verdict"])
    return DecisionView(
        experiment=visible(document["experiment"] or "No experiment"),
        question=visible(brief.question or "") if brief else "",
        verdict=VERDICT[verdict],
        meaning=VERDICT_MEANING[verdict],
        headline=_without_verdict(reasons[0], verdict) if reasons else VERDICT_MEANING[verdict],
        reasons=tuple(reasons[1:]),
        limits=_limits(document),
        facts=_facts(criteria, experiment, report, document),
        criteria=criteria,
        changes=_changes(document, criteria, report),
        break_evens=_break_evens(document, report),
        blocked_by=_blocked_by(document, report),
        waivers=tuple(_waiver(waiver, report) for waiver in document["waivers"]),
        no_criteria="No criterion could be held against the data."
        if brief
        else "There is no brief for this, so nothing was demanded and nothing can pass.",
    )


def _without_verdict(sentence: str, verdict: str) -> str:
    """The banner says the verdict already: "HOLD: hires are late" reads "Hires are late"."""
    rest = sentence.removeprefix(f"{verdict}: ")
    return rest[:1].upper() + rest[1:]


def _limits(document: VerdictDocument) -> str:
    """What a PARTIAL allows."""
    parts = []
    if document["segments"]:
        parts.append("only where " + " or ".join(visible(segment) for segment in document["segments"]))
    if document["stage"]:
        parts.append(f"no further than stage “{visible(document['stage'])}”")
    return ", ".join(parts)


def _facts(
    criteria: Sequence[CriterionView],
    experiment: Experiment | None,
    report: RunReport,
    document: VerdictDocument,
) -> tuple[tuple[str, str], ...]:
    facts = []
    if criteria:
        passed = sum(item.outcome is OUTCOME[Outcome.PASSED] for item in criteria)
        facts.append(("Criteria and guardrails passed", f"{passed} of {len(criteria)}"))
    about = [gap for gap in report.unresolved if _is_about(gap, document)]
    blocking = len(document["blocked_by"])
    facts.append(("Open gaps", fmt.count(len(about)) + (f", {blocking} blocking" if blocking else "")))
    if experiment is not None and experiment.window is not None:
        days = f"{fmt.day(experiment.window.start)} to {fmt.day(experiment.window.end)}"
        facts.append(("Experiment window", days))
    if experiment is not None:
        arms = ", ".join(f"{visible(arm)} {fmt.tidy(fmt.share(s))}" for arm, s in experiment.split.items())
        facts.append(("Split", arms))
    return tuple(facts)


def _is_about(gap: Gap, document: VerdictDocument) -> bool:
    return gap.experiment is None or gap.experiment == document["experiment"]


def _criteria(document: VerdictDocument, brief: Brief | None, report: RunReport) -> tuple[CriterionView, ...]:
    """Pairs every answer with what it answers: the second on a metric with the brief's second."""
    seen: Counter[tuple[str, ...]] = Counter()
    views = []
    for item in document["criteria"]:
        key = (str(item["kind"]), str(item["metric"]), str(item["variant"]))
        views.append(_criterion(item, demand_of(item, brief, report.definitions, seen[key]), report))
        seen[key] += 1
    return tuple(views)


def _criterion(item: Mapping[str, Any], demand: Demand, report: RunReport) -> CriterionView:
    def written(value: float | None) -> str:
        return fmt.effect(value, demand.effect, demand.unit)

    estimate = item["estimate"]
    outcome = Outcome(item["outcome"])
    interval = _range(item["ci_lower"], item["ci_upper"], written, "not available")
    region = _range(
        item["lower"], item["upper"], written, "no limits" if estimate is not None else "not available"
    )
    label = metric_label(demand.metric, report.definitions)
    return CriterionView(
        label=label,
        variant=visible(item["variant"] or fmt.ABSENT),
        kind=demand.kind,
        demand=demand.sentence or "no limit given",
        outcome=OUTCOME[outcome],
        estimate=written(estimate),
        interval=interval,
        region=region,
        headroom=_headroom(item["delta_star"], outcome),
        chart=_chart(item, demand, written),
        chart_text=(
            f"{label}: estimate {written(estimate)}, interval {interval}, range the gaps allow {region}; "
            f"{demand.sentence or 'no limit given'}"
        ),
    )


def _headroom(delta_star: float | None, outcome: Outcome) -> str:
    """What could not be evaluated is not thereby out of danger."""
    return "not known" if delta_star is None and outcome in _UNKNOWN else fmt.headroom(delta_star)


def _range(lower: float | None, upper: float | None, written: Any, nothing: str) -> str:
    if lower is None and upper is None:
        return nothing
    return fmt.between(written(lower), written(upper))


def _chart(item: Mapping[str, Any], demand: Demand, written: Any) -> Chart | None:
    estimate = item["estimate"]
    has_interval = (item["ci_lower"], item["ci_upper"]) != (None, None)
    interval = Span(item["ci_lower"], item["ci_upper"], has_interval)
    region = Span(item["lower"], item["upper"], estimate is not None)
    labels = [fmt.tidy(written(limit.value)) for limit in demand.limits]
    return chart(estimate, interval, region, demand.limits, labels)


def _blocked_by(document: VerdictDocument, report: RunReport) -> tuple[GapLink, ...]:
    names = {gap.gap_id: f"{kind_title(gap.kind)} · {place(gap)}" for gap in report.gaps}
    return tuple(
        GapLink(visible(gap_id), names.get(gap_id, visible(gap_id))) for gap_id in document["blocked_by"]
    )


def _waiver(waiver: Mapping[str, Any], report: RunReport) -> str:
    gap = next((gap for gap in report.gaps if gap.gap_id == waiver["gap_id"]), None)
    name = f"{kind_title(gap.kind)} in {place(gap)}" if gap else visible(waiver["gap_id"])
    return f"{name}: accepted until {fmt.moment(from_iso_z(waiver['expires_at']))}"


def _changes(
    document: VerdictDocument, criteria: Sequence[CriterionView], report: RunReport
) -> tuple[str, ...]:
    """What would have to be different for another answer, most direct first."""
    threats = _threats(document, report)
    near = [pair for pair in threats if _delta_star(pair[1]) <= 1]
    subject = _survivor(document)
    sentences = [_failing(item) for item in criteria if item.outcome.tone == "bad"]
    sentences += [_flip(gap, threat, report, subject) for gap, threat in near]
    sentences += _jointly(document["criteria"], criteria)
    if threats and not near:
        gap, threat = threats[0]
        sentences.append(
            f"No single gap can change the answer. The closest is {_name(gap)}: it would take "
            f"{fmt.headroom(threat.delta_star)}."
        )
    return tuple(sentences)


def _threats(document: VerdictDocument, report: RunReport) -> list[tuple[Gap, Impact]]:
    """The open gaps that can move a rule, each with its most pressing impact, the most pressing gap first."""
    metrics = decision_metrics(document)
    about = [gap for gap in report.unresolved if _is_about(gap, document)]
    threats = [(gap, threat) for gap in about if (threat := _threat(gap.metrics, metrics)) is not None]
    return sorted(threats, key=lambda pair: _delta_star(pair[1]))


def _break_evens(document: VerdictDocument, report: RunReport) -> tuple[str, ...]:
    """Of each kind that alone changes the answer, how much of it the answer survives; rather of requests than of what
    hangs on them.
    """
    near = [(gap, i) for gap, i in _threats(document, report) if 0 < _delta_star(i) <= 1]
    near.sort(key=lambda pair: (_delta_star(pair[1]), pair[0].table != "requests"))
    said: dict[str, str] = {}
    for gap, impact in near:
        if impact.break_even_share is not None:
            said.setdefault(gap.kind, _break_even(gap, impact, _survivor(document)))
    return tuple(said.values())


def _break_even(gap: Gap, impact: Impact, survivor: str) -> str:
    """Words such as: GO survives up to 4.3% of requests without a variant; you have 6%."""
    most, now = (fmt.tidy(fmt.share(share)) for share in (impact.break_even_share, gap.share_residual))
    return f"{survivor} survives up to {most} of {rows_affected(gap)}; you have {now}."


def _survivor(document: VerdictDocument) -> str:
    """What a gap endangers: a GO where the estimates pass the brief, else the answer they give."""
    passes = all(item["outcome"] in (Outcome.PASSED, Outcome.WAIVED) for item in document["criteria"])
    return "GO" if passes else "The answer"


def _delta_star(impact: Impact) -> float:
    return float("inf") if impact.delta_star is None else impact.delta_star


def _threat(impacts: Iterable[Impact], metrics: frozenset[str]) -> Impact | None:
    able = [item for item in impacts if item.metric in metrics and item.delta_star is not None]
    return min(able, key=_delta_star, default=None)


def _failing(item: CriterionView) -> str:
    subject = f"{item.label} ({item.variant})"
    if item.outcome is OUTCOME[Outcome.FAILED]:
        measured = f"measured {item.estimate}, interval {item.interval}, gaps allow {item.region}"
        return f"{subject} {item.demand}; {measured}."
    return (
        f"{subject} could not be judged ({item.outcome.word.lower()}); until it is, the answer cannot be GO."
    )


def _flip(gap: Gap, impact: Impact, report: RunReport, survivor: str) -> str:
    label = metric_label(impact.metric, report.definitions)
    start = f"{_name(gap)}: {fmt.headroom(impact.delta_star)} would change the answer on {label}"
    if impact.delta_star is not None and impact.delta_star <= 0:
        start = f"{_name(gap)}: it already changes the answer on {label}"
    stands = ""
    if impact.break_even_share is not None:
        stands = f" {_break_even(gap, impact, survivor)}"
    repair = f" Repair: {visible(gap.mitigation).rstrip('.')}." if gap.mitigation else ""
    return f"{start}.{stands}{repair}"


def _jointly(items: Sequence[Mapping[str, Any]], criteria: Sequence[CriterionView]) -> list[str]:
    return [
        f"All open gaps together: {fmt.headroom(item['delta_star'])} would change the answer on {view.label} "
        f"({view.variant})."
        for item, view in zip(items, criteria, strict=True)
        if item["delta_star"] is not None and 0 < item["delta_star"] <= 1 and view.outcome.tone == "good"
    ]


def _name(gap: Gap) -> str:
    return f"{kind_title(gap.kind)} in {place(gap)}"


def open_gaps_by_severity(gaps: Iterable[Gap]) -> str:
    """How many gaps of each severity, worst first: "1 blocker, 2 high"."""
    counts: dict[str, int] = {}
    for gap in sorted(gaps, key=lambda gap: -gap.severity.rank):
        counts[gap.severity.value] = counts.get(gap.severity.value, 0) + 1
    return ", ".join(f"{size:,} {word}" for word, size in counts.items()) or plural(0, "gap")
