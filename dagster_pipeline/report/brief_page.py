"""The decision brief on one page: what is asked, what it takes, what hangs on it, and who signed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dagster_pipeline.config.brief import ROLES, Brief, Option, Value
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gate.brief_version import BriefStatus, short_version
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.demands import demand_of, metric_label
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.words import VERDICT, Mark, kind_title, listed
from dagster_pipeline.statistics.evidence import EffectKind

_PROSE = 1_200
_SENTENCE = 600
_SIGNED = Mark("Signed", "✓", "good")
_LATE = Mark("Changed after data were seen", "!", "bad")
_UNSIGNED = {"required": Mark("Not signed", "✕", "bad"), "optional": Mark("Not signed", "○", "fair")}


@dataclass(frozen=True)
class LastRun:
    """What the last run made of the brief: its verdict and when, and the version it was held to, as far as known.

    ``problem`` says why nothing of it can be used; ``verdict`` is None then.
    """

    verdict: str | None
    decided_at: datetime | None = None
    version: str | None = None
    reason: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class DemandRow:
    """One criterion or guardrail in words."""

    label: str
    kind: str
    sentence: str


@dataclass(frozen=True)
class OptionRow:
    """One course open to who decides; ``score`` and ``rank`` by RICE where it is given."""

    name: str
    description: str
    benefit: str
    cost: str
    risk: str
    effort: str
    score: str = ""
    rank: str = ""


@dataclass(frozen=True)
class BriefPage:
    """The brief in words and written figures only; nothing here needs escaping but for its medium."""

    title: str
    experiment: str
    version: str
    facts: tuple[tuple[str, str], ...]
    standing: Mark
    sentences: tuple[str, ...]
    verdict: Mark | None
    verdict_sentences: tuple[str, ...]
    context: str
    demands: tuple[DemandRow, ...]
    outcomes: tuple[tuple[Mark, str], ...]
    options: tuple[OptionRow, ...]
    has_scores: bool
    value: tuple[tuple[str, str], ...]
    rollout: tuple[str, ...]
    readiness: tuple[str, ...]
    owners: tuple[tuple[str, str], ...]
    actions: tuple[tuple[str, str, str], ...]
    signatures: tuple[tuple[str, str, str], ...]


def brief_page(
    brief: Brief,
    experiment: Experiment | None,
    definitions: Mapping[str, MetricDefinition],
    status: BriefStatus,
    last: LastRun | None,
) -> BriefPage:
    """Everything the brief's page shows; ``last`` is None where no run has decided yet."""
    return BriefPage(
        title=visible(brief.question or f"Decision on {brief.experiment}", _SENTENCE),
        experiment=visible(brief.experiment),
        version=short_version(status.version),
        facts=tuple(_facts(brief, experiment)),
        standing=standing(status),
        sentences=tuple(visible(sentence, _PROSE) for sentence in status.sentences),
        verdict=VERDICT.get(last.verdict or "") if last else None,
        verdict_sentences=verdict_sentences(last, status),
        context=visible(brief.context or "", _PROSE),
        demands=demand_rows(brief, definitions),
        outcomes=tuple(_outcomes(brief)),
        options=option_rows(brief),
        has_scores=any(option.rice for option in brief.options),
        value=tuple(_value(brief.value, definitions)) if brief.value else (),
        rollout=tuple(_rollout(brief, definitions)),
        readiness=tuple(_readiness(brief)),
        owners=tuple((owned_words(name), visible(owner)) for name, owner in brief.owners.items()),
        actions=tuple((visible(a.what, _SENTENCE), visible(a.owner), fmt.day(a.due)) for a in brief.actions),
        signatures=tuple(
            (visible(each.by), fmt.moment(each.at), visible(each.note or "", _SENTENCE))
            for each in status.signatures
        ),
    )


def standing(status: BriefStatus) -> Mark:
    """The brief's standing in one word; a change after data were seen outweighs a signature."""
    if status.changed_after_data:
        return _LATE
    return _SIGNED if status.is_signed else _UNSIGNED.get(status.policy, _UNSIGNED["required"])


def verdict_sentences(last: LastRun | None, status: BriefStatus) -> tuple[str, ...]:
    """The last verdict, its date, and whether it was decided on this version of the brief."""
    if last is None:
        return ("No run has decided on this brief yet.",)
    if last.problem is not None or last.verdict is None:
        return (f"The last run can not be used: {visible(last.problem or 'it has no verdict', _SENTENCE)}",)
    decided = f"{last.verdict}, decided {fmt.moment(last.decided_at)}"
    if last.version is None:
        said = f"{decided}; which version of the brief it was held to is not recorded."
    elif last.version == status.version:
        said = f"{decided} on this version of the brief."
    else:
        other = visible(short_version(last.version))
        said = f"{decided} on version {other} of the brief, not on this one: run again before anything is decided."
    return (said, *([visible(last.reason, _SENTENCE)] if last.reason else ()))


def demand_rows(brief: Brief, definitions: Mapping[str, MetricDefinition]) -> tuple[DemandRow, ...]:
    """What the treatment must reach and must not exceed, in the order of the brief."""
    rows, seen = [], Counter[tuple[str, str]]()
    rules = [("criterion", rule.metric) for rule in brief.criteria]
    for kind, metric in [*rules, *(("guardrail", rule.metric) for rule in brief.guardrails)]:
        demand = demand_of({"metric": metric, "kind": kind}, brief, definitions, seen[kind, metric])
        seen[kind, metric] += 1
        rows.append(DemandRow(metric_label(metric, definitions), kind, demand.sentence))
    return tuple(rows)


def option_rows(brief: Brief) -> tuple[OptionRow, ...]:
    """The brief's options, scored and ranked where it scores them; without any the three verdicts."""
    if not brief.options:
        return _verdicts_as_options(brief)
    scores = sorted((option.rice.score for option in brief.options if option.rice), reverse=True)
    return tuple(_option_row(option, scores) for option in brief.options)


def owned_words(name: str) -> str:
    """What somebody is named for: a role in the decision, or the repair of a gap kind or a source."""
    if name in ROLES:
        return f"{name.capitalize()} for the decision"
    return f"Source {name}" if name in source_specs() else kind_title(name)


def span(duration: timedelta) -> str:
    """A duration of the brief as people write it: 7 days, 36 h."""
    return fmt.tidy(fmt.duration(duration.total_seconds()))


def _facts(brief: Brief, experiment: Experiment | None) -> Iterator[tuple[str, str]]:
    if experiment is not None:
        arms = (
            f"{listed([visible(arm) for arm in experiment.treatments])} against {visible(experiment.control)}"
        )
        yield "Compared", f"{arms}, by {experiment.unit}"
        window = experiment.window
        if window is not None:
            yield "Requests from", f"{fmt.day(window.start)} to before {fmt.day(window.end)}"
    values = [f"{visible(name)}: {', '.join(map(visible, found))}" for name, found in brief.cohort.items()]
    yield "Cohort", "; ".join(values) or "all requests"
    yield "Confidence", f"{fmt.tidy(fmt.share(brief.confidence))}, two-sided"
    if brief.segment_columns:
        yield "Decided by segment of", listed([visible(name) for name in brief.segment_columns])
    if brief.launch_date is not None:
        yield "Launch", fmt.day(brief.launch_date)
    if brief.review_date is not None:
        yield "Review", fmt.day(brief.review_date)


def _outcomes(brief: Brief) -> Iterator[tuple[Mark, str]]:
    """What each verdict takes (DESIGN.md §6)."""
    yield (
        VERDICT["GO"],
        "every demand holds, and still does at the worst that the open data gaps allow.",
    )
    names = listed([visible(name) for name in brief.segment_columns])
    parts = f"segments of {names} that pass on their own; or " if names else ""
    cap = f"up to {brief.rollout.stage_cap}% of the traffic where only medium gaps could turn the answer."
    yield VERDICT["PARTIAL"], f"{parts}{cap}"
    yield (
        VERDICT["HOLD"],
        "a demand fails, a serious gap could turn the answer, or something is not evaluated.",
    )


def _option_row(option: Option, scores: list[float]) -> OptionRow:
    score = option.rice.score if option.rice else None
    return OptionRow(
        name=visible(option.name),
        description=visible(option.description or "", _SENTENCE),
        benefit=_words(option.benefit),
        cost=_words(option.cost),
        risk=_words(option.risk),
        effort=_words(option.effort),
        score="" if score is None else fmt.number(score),
        rank="" if score is None else str(scores.index(score) + 1),
    )


def _words(text: str | None) -> str:
    return visible(text, _SENTENCE) if text else fmt.ABSENT


def _verdicts_as_options(brief: Brief) -> tuple[OptionRow, ...]:
    """The three verdicts as courses, with what the brief says of cost and risk."""
    value, cap = brief.value, brief.rollout.stage_cap
    has_cost = value is not None and value.infrastructure_per_day > 0
    cost = f"{_money(value.infrastructure_per_day, value)} a day" if value and has_cost else fmt.ABSENT
    risk = _incident(value) if value and value.incident else fmt.ABSENT
    part = f"{risk}, for that part of the traffic" if value and value.incident else risk
    rows = (
        ("GO", "launch to all of the traffic", "the whole effect", cost, risk),
        ("PARTIAL", f"launch to the segments that pass, or up to {cap}%", "the effect on that part", cost, part),
        ("HOLD", "stay with the control", "nothing is exposed to what is open", "the effect forgone", fmt.ABSENT),
    )  # fmt: skip
    return tuple(OptionRow(*row, effort=fmt.ABSENT) for row in rows)


def _value(value: Value, definitions: Mapping[str, MetricDefinition]) -> Iterator[tuple[str, str]]:
    for metric, amount in value.per_day.items():
        definition = definitions.get(metric)
        unit = fmt.unit_of(definition)
        is_relative = definition is not None and definition.effect == "relative"
        per_cent = is_relative or unit is fmt.Unit.SHARE
        step = "+1%" if is_relative else "+1 pp" if per_cent else "+1 s" if unit is fmt.Unit.SECONDS else "+1"
        figure = _money(amount / 100 if per_cent else amount, value)
        yield f"{metric_label(metric, definitions)}, each {step}", f"{figure} a day at full traffic"
    if value.incident is not None:
        yield "A bad launch", _incident(value)
    if value.infrastructure_per_day:
        yield "Infrastructure", f"{_money(value.infrastructure_per_day, value)} a day"
    yield "Valued over", span(value.horizon)


def _incident(value: Value) -> str:
    if value.incident is None:
        return fmt.ABSENT
    likely = fmt.tidy(fmt.share(value.incident.probability))
    return f"{_money(value.incident.cost, value)} with probability {likely}"


def _money(amount: float, value: Value) -> str:
    return f"{fmt.MINUS if amount < 0 else ''}{visible(value.currency)} {fmt.tidy(fmt.number(abs(amount)))}"


def _rollout(brief: Brief, definitions: Mapping[str, MetricDefinition]) -> Iterator[str]:
    stages = brief.rollout.stages
    if stages:
        steps = [f"{stage.percent:g}% for at least {span(stage.dwell)}" for stage in stages]
        yield f"Stages: {', then '.join(steps)}."
    yield f"A PARTIAL goes no further than {brief.rollout.stage_cap}%."
    for trigger in brief.rollout.rollback:
        unit = fmt.unit_of(definitions.get(trigger.metric))
        fall = fmt.tidy(fmt.effect(trigger.max_fall, EffectKind.ABSOLUTE, unit)).lstrip("+")
        days = "a day" if trigger.days == 1 else f"{trigger.days} days running"
        yield (
            f"Switched off when “{metric_label(trigger.metric, definitions)}” falls by {fall} or more from one day to "
            f"the next, {days}."
        )
    if not brief.rollout.rollback:
        yield "Nothing switches it off by itself: the brief names no rollback."


def _readiness(brief: Brief) -> Iterator[str]:
    watched = fmt.tidy(fmt.share(brief.readiness.coverage))
    yield f"At least {watched} of the critical fields are watched by a check."
    if brief.launch_date is not None:
        latest = brief.launch_date - brief.readiness.lead
        lead = span(brief.readiness.lead)
        yield f"A green dry run no later than {fmt.day(latest)}, {lead} before the launch."
