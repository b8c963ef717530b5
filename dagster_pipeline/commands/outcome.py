"""``plumbline outcome``: what an effect turned out to be after the launch, and how it stands to the forecast."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_pipeline.commands.decisions import published_log
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.config.scalars import instant
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.register.journal import journal_path, read_journal
from dagster_pipeline.register.realised import (
    Comparison,
    Realised,
    compared,
    realised_effects,
    record_realised,
)
from dagster_pipeline.report.escape import visible

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig

_LONGEST = 600


@dataclass(frozen=True)
class Said:
    """A realised effect as it was given: raw; ``on`` is when it was measured, None for now."""

    experiment: str
    metric: str
    variant: str
    value: float
    source: str
    by: str
    on: str | None = None


def record_outcome(config_path: Path, said: Said) -> None:
    """Append a realised effect to the journal.

    Raises PlumblineError where the experiment, metric or variant is not configured, or a value can't be.
    """
    config = load_config(config_path)
    _expect_known(config, said.experiment, said.metric, said.variant)
    now = datetime.now(UTC)
    place = (said.experiment, said.metric, said.variant)
    effect = Realised(*place, said.value, said.source, said.by, _moment(said.on) or now, now)
    path = journal_path(config.file)
    entry = record_realised(path, effect)
    print(
        f"Recorded as entry {entry.number} of {visible(path.name)}: {visible(said.metric)} of {visible(said.variant)} "
        f"turned out to be {said.value:g}. `plumbline outcome show` holds it against the forecast."
    )


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else instant(text)
    except Refusal as refusal:
        raise PlumblineError(f"--on {text!r}: {refusal.requirement}.") from refusal


def _expect_known(config: PlumblineConfig, experiment: str, metric: str, variant: str) -> None:
    found = next((one for one in config.experiments if one.id == experiment), None)
    if found is None:
        raise _unknown("experiment", experiment, [one.id for one in config.experiments])
    if metric not in config.metrics:
        raise _unknown("metric", metric, sorted(config.metrics))
    treatments = [arm for arm in found.split if arm != found.control]
    if variant not in treatments:
        raise _unknown("treatment", variant, treatments)


def _unknown(what: str, name: str, known: list[str]) -> PlumblineError:
    return PlumblineError(f"The {what} {name!r} is not configured; there are: {', '.join(known) or 'none'}.")


def show_outcomes(config_path: Path, *, as_json: bool) -> None:
    """Print every realised effect beside its forecast, the latest first.

    Raises NotEvaluatedError where the journal or the decision log can't be read.
    """
    config = load_config(config_path)
    effects = realised_effects(read_journal(journal_path(config.file)))
    found = compared(effects, published_log(config)[0] if effects else ())
    if as_json:
        from dagster_pipeline.report.track_record_document import realised_document  # noqa: PLC0415

        print(json.dumps([realised_document(one) for one in found], indent=2, allow_nan=False))
        return
    for one in reversed(found):
        print(_line(one))
    if not found:
        print("No realised effect is on record; `plumbline outcome record` puts one there.")


def _line(found: Comparison) -> str:
    effect, forecast = found.realised, found.forecast
    told = (
        f"{visible(effect.experiment)}  {visible(effect.metric)} ({visible(effect.variant)}): realised {effect.value:g} "
        f"({visible(effect.source, _LONGEST)}, {effect.on:%Y-%m-%d}, {visible(effect.by)})"
    )
    if forecast is None:
        return f"{told}\n  {found.reason}"
    return (
        f"{told}\n  forecast {_number(forecast.estimate)} by the {forecast.verdict} of {forecast.decided_at:%Y-%m-%d}; "
        f"off by {_number(found.error)}; {_side(found.in_interval)} the interval "
        f"[{_number(forecast.ci_lower)}, {_number(forecast.ci_upper)}]; {_side(found.in_region)} the range the gaps "
        f"allowed [{_number(forecast.lower)}, {_number(forecast.upper)}]"
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _side(inside: bool | None) -> str:
    return "nothing known of" if inside is None else "inside" if inside else "outside"
