"""The sentences of a decision: plain words with the figures in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gate.decision import Answer, OpenGap, SegmentAnswer, Waiver

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
    subject, limit, side = _subject(answer, name_arm), answer.threshold, _side(answer)
    end = answer.ci_upper if _fails_above(answer) else answer.ci_lower
    if limit is None:
        return f"{subject}: estimate {_written(answer, answer.estimate)[0]} does not pass."
    if _violates(answer, answer.estimate, limit):
        estimate, bound = _written(answer, answer.estimate, limit)
        return f"{subject}: estimate {estimate} is {side} {bound}."
    if _violates(answer, end, limit):
        estimate, reach, bound = _written(answer, answer.estimate, end, limit)
        direction = "up" if _fails_above(answer) else "down"
        return f"{subject}: estimate {estimate}, but its interval reaches {direction} to {reach}, {side} {bound}."
    estimate, bound = _written(answer, answer.estimate, limit)
    return f"{subject}: estimate {estimate} does not pass (limit {bound})."


def shaken(answer: Answer, *, name_arm: bool) -> str:
    """How the open gaps could turn a demand that the estimate meets."""
    subject = _subject(answer, name_arm)
    figure, limit = _worst(answer)
    passed = f"estimate {_written(answer, answer.estimate)[0]} passes"
    if limit is None or figure is None:
        return f"{subject}: {passed}, but nothing limits what the open gaps could hide."
    if not _violates(answer, figure, limit):
        low, high = (_written(answer, end)[0] if end is not None else "no limit" for end in _ends(answer))
        return f"{subject}: {passed}, but not with every open gap at its worst (from {low} to {high})."
    estimate, worst, bound = _written(answer, answer.estimate, figure, limit)
    passed = f"estimate {estimate} passes{_passed_limit(answer, limit)}"
    extreme = "high" if _fails_above(answer) else "low"
    side = _side(answer)
    return f"{subject}: {passed}, but with the open gaps it could be as {extreme} as {worst}, {side} {bound}."


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


def of_segments(segments: Sequence[SegmentAnswer]) -> str:
    """How segments were judged; the method is said because many looks need stricter levels."""
    return f"Each of the {counted(len(segments), 'segment')} was judged at a level that holds over all of them (Holm)."


def moment(value: datetime) -> str:
    """Date and minute in UTC; a naive moment is read as UTC."""
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M} UTC"


def _subject(answer: Answer, name_arm: bool) -> str:
    definition = _definition(answer)
    label = definition.label.removesuffix("(s)").strip() if definition else answer.metric.replace("_", " ")
    return f"{label} ({answer.variant})" if name_arm and answer.variant else label


def _definition(answer: Answer) -> MetricDefinition | None:
    return metric_definitions().get(answer.metric)


def _fails_above(answer: Answer) -> bool:
    """Whether too high a raw effect is what fails: a guardrail's limit says so by its sign."""
    if answer.kind == "guardrail" and answer.threshold:
        return answer.threshold > 0
    definition = _definition(answer)
    return definition is not None and definition.better == "lower"


def _side(answer: Answer) -> str:
    return "above" if _fails_above(answer) else "below"


def _violates(answer: Answer, figure: float | None, limit: float) -> bool:
    if figure is None:
        return False
    return figure > limit if _fails_above(answer) else figure < limit


def _ends(answer: Answer) -> tuple[float | None, float | None]:
    return answer.lower, answer.upper


def _worst(answer: Answer) -> tuple[float | None, float | None]:
    """The figure the gaps could bring about and the limit it is held to, as exactly as they are known."""
    if answer.joint_threshold is not None and answer.joint_figure is not None:
        return answer.joint_figure, answer.joint_threshold
    return (answer.upper if _fails_above(answer) else answer.lower), answer.threshold


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
    definition = _definition(answer)
    if _is_relative(answer):
        return f"{sign}{abs(value) * 100:,.{decimals}f}%"
    is_share = definition is not None and definition.kind in ("share", "ratio") and definition.scale == 1
    if is_share:
        return f"{sign}{abs(value) * 100:,.{decimals}f} pp"
    unit = " s" if definition is not None and definition.kind == "quantile" else ""
    return f"{sign}{abs(value):,.{decimals}f}{unit}"
