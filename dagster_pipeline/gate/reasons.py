"""The sentences of a decision: plain words with the figures in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gate.decision import Answer, Harm, OpenGap, Waiver

_MINUS = "−"
_MOST_DECIMALS = 8
_UNEVALUATED = {
    Outcome.MISSING: "there is no figure to judge it by",
    Outcome.STALE: "its data are out of date",
    Outcome.ERRORED: "it could not be computed",
}


def listed(names: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def counted(size: int, noun: str) -> str:
    """``1 demand``, ``3 demands``."""
    return f"{size:,} {noun if size == 1 else noun + 's'}"


def unevaluated(answer: Answer, *, name_arm: bool) -> str:
    """Why a demand could not be judged."""
    return f"{_subject(answer, name_arm)}: {_UNEVALUATED[answer.outcome]}."


def failing(answer: Answer, *, name_arm: bool) -> str:
    """How a demand is missed: by the estimate, or by its interval."""
    subject, limit = _subject(answer, name_arm), answer.threshold
    if limit is None:
        return f"{subject}: estimate {_written(answer, answer.estimate)[0]} does not pass."
    above = _fails_above(answer, limit)
    side, direction = ("above", "up") if above else ("below", "down")
    end = answer.ci_upper if above else answer.ci_lower
    estimate, reach, bound = _written(answer, answer.estimate, end, limit)
    if _violates(above, answer.estimate, limit):
        return f"{subject}: estimate {estimate} is {side} {bound}."
    if _violates(above, end, limit):
        reaches = f"its interval reaches {direction} to {reach}, {side} {bound}"
        return f"{subject}: estimate {estimate}, but {reaches}."
    return f"{subject}: estimate {estimate} does not pass (limit {bound})."


def shaken(answer: Answer, *, name_arm: bool) -> str:
    """How the open gaps could turn a demand that the estimate meets."""
    start = f"{_subject(answer, name_arm)}: estimate {_written(answer, answer.estimate)[0]} passes"
    limit = answer.threshold if answer.joint_threshold is None else answer.joint_threshold
    above = _fails_above(answer, limit)
    end = answer.upper if above else answer.lower
    figure = end if answer.joint_figure is None else answer.joint_figure
    if figure is None or limit is None:
        return f"{start}, but nothing limits what the open gaps could hide."
    gaps = "the gaps, also those settled by word," if answer.counts_settled else "the open gaps"
    if not _violates(above, figure, limit):
        low, high = _written(answer, answer.lower, answer.upper)
        every = "gap, also those settled by word," if answer.counts_settled else "open gap"
        return f"{start}, but not with every {every} at its worst (from {low} to {high})."
    worst, bound = _written(answer, figure, limit)
    extreme, side = ("high", "above") if above else ("low", "below")
    passed = _passed_limit(answer, limit)
    return f"{start}{passed}, but with {gaps} it could be as {extreme} as {worst}, {side} {bound}."


def of_gap(gap: OpenGap) -> str:
    """A gap by its id, what it is, and how bad."""
    description = " ".join(gap.description.split()).rstrip(".") or "no description"
    hides = "; its worst case alone turns the verdict" if gap.flips else ""
    return f"Open gap {gap.gap_id} ({gap.kind}, {gap.severity.value}{hides}): {description}."


def of_waiver(waiver: Waiver) -> str:
    """A waiver in force."""
    return f"Gap {waiver.gap_id} is waived until {moment(waiver.expires_at)} and does not block."


def of_expired(waiver: Waiver) -> str:
    """A waiver that no longer counts."""
    return f"The waiver of gap {waiver.gap_id} expired on {moment(waiver.expires_at)}."


def of_word(gap: OpenGap) -> str:
    """A gap that somebody says is resolved, which no run has measured since."""
    return (
        f"Gap {gap.gap_id} ({gap.kind}) counts as resolved on the word of {gap.resolved_by or 'somebody'}; no run has "
        f"measured it since."
    )


def of_treatments(names: Sequence[str]) -> str:
    """Treatments that would pass without the others; picking among several needs stricter levels."""
    own = "its" if len(names) == 1 else "their"
    return f"On {own} own, {listed(names)} would meet every demand (Holm over the treatments)."


def unlabelled(share: float, most: float) -> str:
    """That too many requests have no arm, whatever they may hide."""
    return f"{share:.1%} of the requests have no arm after repair; a full launch needs less than {most:.0%}."


def harm(found: Harm, *, name_arm: bool) -> str:
    """What is proven of a harmed segment."""
    arm = f" ({found.variant})" if name_arm else ""
    hires, tickets = f"{abs(found.hires) * 100:.2f} pp", f"{found.tickets:.0%}"
    return (
        f"{found.segment}{arm} is proven to be harmed: hires fall by at least {hires} and support tickets rise by "
        f"at least {tickets}, at levels that hold over all segments looked at (Holm)."
    )


def of_segments() -> str:
    """How segments were judged; the method is said because many looks need stricter levels."""
    return "Each segment was judged at a level that holds over all the segments looked at (Holm)."


def moment(value: datetime) -> str:
    """Date and minute in UTC; a naive moment is read as UTC."""
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M} UTC"


def _subject(answer: Answer, name_arm: bool) -> str:
    definition = _definition(answer)
    label = definition.label.removesuffix("(s)").strip() if definition else answer.metric.replace("_", " ")
    return f"{label} ({answer.variant})" if name_arm and answer.variant else label


def _definition(answer: Answer) -> MetricDefinition | None:
    return answer.definition or metric_definitions().get(answer.metric)


def _fails_above(answer: Answer, limit: float | None) -> bool:
    """Whether too high a raw effect is what fails: a guardrail's limit says so by its sign."""
    if answer.kind == "guardrail" and limit:
        return limit > 0
    definition = _definition(answer)
    return definition is not None and definition.better == "lower"


def _violates(above: bool, figure: float | None, limit: float) -> bool:
    if figure is None:
        return False
    return figure > limit if above else figure < limit


def _passed_limit(answer: Answer, joint_limit: float) -> str:
    if answer.threshold is None or answer.threshold == joint_limit:
        return ""
    return f" {_written(answer, answer.threshold)[0]}"


def _written(answer: Answer, *values: float | None) -> list[str]:
    """Figures in the metric's unit, with as many decimals as it takes to tell different ones apart."""
    known = {value for value in values if value is not None}
    decimals = 1 if _is_relative(answer) else 2
    while True:
        texts = {value: _figure(answer, value, decimals) for value in known}
        if len(set(texts.values())) == len(known) or decimals >= _MOST_DECIMALS:
            return ["not known" if value is None else texts[value] for value in values]
        decimals += 1


def _is_relative(answer: Answer) -> bool:
    definition = _definition(answer)
    return (answer.effect or (definition.effect if definition else "absolute")) == "relative"


def _figure(answer: Answer, value: float, decimals: int) -> str:
    """Relative effects in per cent, shares in percentage points, quantiles in seconds."""
    sign = _MINUS if value < 0 else "+" if value > 0 else ""
    if not math.isfinite(value):
        return f"{sign}∞"
    definition = _definition(answer)
    if _is_relative(answer):
        return f"{sign}{abs(value) * 100:,.{decimals}f}%"
    is_share = definition is not None and definition.kind in ("share", "ratio") and definition.scale == 1
    if is_share:
        return f"{sign}{abs(value) * 100:,.{decimals}f} pp"
    is_wait = definition is not None and definition.kind == "quantile" and not definition.is_own
    unit = " s" if is_wait else ""
    return f"{sign}{abs(value):,.{decimals}f}{unit}"
