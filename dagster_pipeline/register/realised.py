"""What an effect turned out to be after the launch, and how it stands to what was forecast when the launch was decided."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.register.decision_log import DECISION, LogEntry, entry_document
from dagster_pipeline.register.documents import from_iso_z, iso_z
from dagster_pipeline.register.journal import REALISED, Entry, append_entry

_LAUNCHES = ("GO", "PARTIAL")


@dataclass(frozen=True)
class Realised:
    """An effect as somebody measured it after the launch: raw, T − C or T / C − 1 as the brief's rule has it.

    ``on`` is when it was measured, ``at`` when it was put on record; ``source`` says where the figure is from.
    """

    experiment: str
    metric: str
    variant: str
    value: float
    source: str
    by: str
    on: datetime
    at: datetime


@dataclass(frozen=True)
class Forecast:
    """What the decision that launched said of the effect: ``decided_at`` in UTC, figures None where it had none."""

    run_id: str
    decided_at: datetime
    verdict: str
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Comparison:
    """A realised effect beside its forecast; ``reason`` says why there is none.

    ``error`` is realised − estimate. ``in_interval`` and ``in_region`` are None where the forecast had no such limits.
    """

    realised: Realised
    forecast: Forecast | None
    in_interval: bool | None = None
    in_region: bool | None = None
    error: float | None = None
    reason: str | None = None


def record_realised(journal: Path, effect: Realised) -> Entry:
    """Append a realised effect to the journal. Raises PlumblineError where it says nothing, else what ``append_entry`` raises."""
    if not math.isfinite(effect.value):
        raise PlumblineError("A realised effect is a finite number.")
    if not effect.source.strip():
        raise PlumblineError("The source says nothing: name where the figure is from.")
    if effect.on > effect.at:
        raise PlumblineError(f"An effect can't have been measured in the future ({effect.on:%Y-%m-%d}).")
    content = {
        "metric": effect.metric,
        "variant": effect.variant,
        "value": effect.value,
        "source": effect.source.strip(),
        "on": iso_z(effect.on),
    }
    return append_entry(
        journal, kind=REALISED, by=effect.by, experiment=effect.experiment, content=content, at=effect.at
    )


def realised_effects(journal: Iterable[Entry]) -> tuple[Realised, ...]:
    """The realised effects of a journal, in its order; one that can't be read is left out, so it confirms nothing."""
    found = []
    for entry in journal:
        if entry.kind == REALISED:
            try:
                found.append(_realised(entry))
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
    return tuple(found)


def _realised(entry: Entry) -> Realised:
    content = entry.content
    on = from_iso_z(content["on"])
    value = float(content["value"])
    if entry.experiment is None or on is None or not math.isfinite(value):
        raise ValueError("a realised effect needs an experiment, a date and a number")
    return Realised(
        experiment=entry.experiment,
        metric=str(content["metric"]),
        variant=str(content["variant"]),
        value=value,
        source=str(content["source"]),
        by=entry.by,
        on=on,
        at=entry.at,
    )


def compared(effects: Iterable[Realised], log: Sequence[LogEntry]) -> tuple[Comparison, ...]:
    """Each effect beside the last GO or PARTIAL on its experiment that was decided before it was measured."""
    return tuple(_comparison(effect, log) for effect in effects)


def _comparison(effect: Realised, log: Sequence[LogEntry]) -> Comparison:
    launch = _launch(effect, log)
    if launch is None:
        return Comparison(
            effect, None, reason="No GO or PARTIAL was decided on the experiment before that date."
        )
    entry, verdict = launch
    answer = _answer(verdict, effect)
    if answer is None:
        return Comparison(
            effect, None, reason="The decision that launched has no rule on this metric and variant."
        )
    figures = [_number(answer.get(key)) for key in ("estimate", "ci_lower", "ci_upper", "lower", "upper")]
    forecast = Forecast(entry.run_id, entry.at, str(verdict["verdict"]), *figures)
    return Comparison(
        effect,
        forecast,
        in_interval=_between(effect.value, forecast.ci_lower, forecast.ci_upper),
        in_region=_between(effect.value, forecast.lower, forecast.upper),
        error=None if forecast.estimate is None else effect.value - forecast.estimate,
    )


def _launch(effect: Realised, log: Sequence[LogEntry]) -> tuple[LogEntry, dict[str, Any]] | None:
    for entry in reversed(log):
        if entry.kind != DECISION or entry.experiment != effect.experiment or entry.at >= effect.on:
            continue
        verdict = _verdict(entry)
        if verdict.get("verdict") in _LAUNCHES:
            return entry, verdict
    return None


def _verdict(entry: LogEntry) -> dict[str, Any]:
    """The verdict of an entry; an empty one where it can't be read, which launched nothing."""
    try:
        found = entry_document(entry).get("verdict")
    except NotEvaluatedError:
        return {}
    return found if isinstance(found, dict) else {}


def _answer(verdict: dict[str, Any], effect: Realised) -> dict[str, Any] | None:
    answers = verdict.get("criteria")
    for answer in answers if isinstance(answers, list) else ():
        if isinstance(answer, dict) and (answer.get("metric"), answer.get("variant")) == (
            effect.metric,
            effect.variant,
        ):
            return answer
    return None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _between(value: float, lower: float | None, upper: float | None) -> bool | None:
    """Whether a value lies within limits of which one may be missing; None where both are."""
    if lower is None and upper is None:
        return None
    return (lower is None or value >= lower) and (upper is None or value <= upper)
