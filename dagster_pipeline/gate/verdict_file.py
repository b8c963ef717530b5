"""The verdict of the last run held against a launch: what ``plumbline gate`` answers (DESIGN.md §8).

Standard library only, and nothing of ours that computes: the answer must come in well under a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.gate.decision import Verdict
from dagster_pipeline.gate.decision_file import Configured, check_version, launch_barriers
from dagster_pipeline.gate.reading import StoredVerdict, UnknownExperimentError, read_verdict
from dagster_pipeline.register.documents import iso_z
from dagster_pipeline.register.journal import GAP_ACTS, GAP_REOPENED

GO, BLOCKED, WRONG_USAGE, NOT_EVALUATED = 0, 1, 2, 3
MAX_AGE = timedelta(days=7)
# Two machines' clocks may differ by some seconds; more is a verdict from the future.
_CLOCK_SKEW = timedelta(seconds=10)
_LONGEST_LINE = 1000


@dataclass(frozen=True)
class GateResult:
    """The gate's answer: an exit code, and lines that say why, safe for any terminal.

    ``verdict`` and what follows are those of the file, None or empty where it could not be read.
    """

    exit_code: int
    lines: tuple[str, ...]
    experiment: str | None = None
    verdict: str | None = None
    segments: tuple[str, ...] = ()
    stage: int | None = None
    blocked_by: tuple[str, ...] = ()
    evaluated_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The answer for machines; ``allowed`` is true with exit code 0 only."""
        return {
            "exit_code": self.exit_code,
            "allowed": self.exit_code == GO,
            "experiment": self.experiment,
            "verdict": self.verdict,
            "segments": list(self.segments),
            "stage": self.stage,
            "blocked_by": list(self.blocked_by),
            "evaluated_at": iso_z(self.evaluated_at),
            "lines": list(self.lines),
        }


def check(
    path: Path,
    experiment: str | None = None,
    stage: int | None = None,
    segments: tuple[str, ...] = (),
    *,
    now: datetime | None = None,
    max_age: timedelta | None = None,
    configured: Mapping[str, Configured] | None = None,
) -> GateResult:
    """Whether the verdict in an output folder, or in one verdict's file, allows a launch.

    ``experiment`` None means the first; ``stage`` (per cent) and ``segments`` are how far and where the
    launch would go. ``configured`` is what plumbline.yml and its journal say of its experiments now, None
    where no configuration is at hand; ``max_age`` overrides the age its brief accepts, and without either it is 7 days.
    What can't be used raises nothing: it is an answer with exit code 2 (unknown experiment, wrong usage) or 3.
    """
    now = _utc(now or datetime.now(UTC))
    try:
        _check_usage(experiment, stage, max_age, configured)
        stored = read_verdict(path, experiment)
        _check_known(stored, configured)
        own = (configured or {}).get(stored.experiment or "")
        _check_age(stored, now, max_age or (own.max_age if own else MAX_AGE))
        check_version(stored.section, own)
    except UnknownExperimentError as error:
        # A configured experiment without a verdict is not unknown: no run has decided on it yet.
        is_configured = configured is not None and experiment in configured
        return refusal(NOT_EVALUATED if is_configured else WRONG_USAGE, str(error), experiment)
    except PlumblineError as error:
        return refusal(error.exit_code, str(error), experiment)
    return _answer(stored, stage, segments, now, own)


def refusal(exit_code: int, message: str, experiment: str | None = None) -> GateResult:
    """The answer where no verdict could be held against the launch."""
    said = "Wrong usage, so blocked" if exit_code == WRONG_USAGE else "Not evaluated, so blocked"
    lines = tuple(map(_printable, f"{said}: {message}".splitlines()))
    return GateResult(exit_code, lines, experiment)


def _check_usage(
    experiment: str | None,
    stage: int | None,
    max_age: timedelta | None,
    known: Mapping[str, Configured] | None,
) -> None:
    if stage is not None and not 1 <= stage <= 100:
        raise PlumblineError(f"--stage must be a rollout stage from 1 to 100 per cent, not {stage}.")
    if max_age is not None and max_age <= timedelta(0):
        raise PlumblineError("--max-age must be longer than zero.")
    if known is not None and experiment is not None and experiment not in known:
        names = ", ".join(map(repr, known)) or "none"
        raise PlumblineError(f"The experiment {experiment!r} is not configured; there are: {names}.")


def _check_known(stored: StoredVerdict, known: Mapping[str, Configured] | None) -> None:
    if known is not None and stored.experiment is not None and stored.experiment not in known:
        raise NotEvaluatedError(
            f"{stored.file} decides on the experiment {stored.experiment!r}, which is no longer configured; "
            f"run `plumbline run` again, or name the right --config or --output."
        )


def _check_age(stored: StoredVerdict, now: datetime, max_age: timedelta) -> None:
    age = now - stored.evaluated_at
    if age < -_CLOCK_SKEW:
        raise NotEvaluatedError(f"{stored.file} was evaluated in the future ({_shown(stored.evaluated_at)}).")
    if age > max_age:
        raise NotEvaluatedError(
            f"{stored.file} is stale: evaluated {_shown(stored.evaluated_at)}, more than {_span(max_age)} "
            f"ago; run `plumbline run` again."
        )


def _answer(
    stored: StoredVerdict,
    stage: int | None,
    segments: tuple[str, ...],
    now: datetime,
    configured: Configured | None,
) -> GateResult:
    barriers = [
        *_barriers(stored, stage, segments),
        *_expired_waivers(stored, now),
        *_withdrawn_waivers(stored, configured),
        *launch_barriers(stored.section, configured, stage, now),
    ]
    allowed = stored.verdict is not Verdict.HOLD and not barriers
    about = f"{stored.verdict} for {stored.experiment or 'no experiment'}"
    summary = f"{'Allowed' if allowed else 'Blocked'}: {about}, evaluated {_shown(stored.evaluated_at)}."
    return GateResult(
        exit_code=GO if allowed else BLOCKED,
        lines=tuple(map(_printable, (summary, *barriers, *stored.reasons))),
        experiment=stored.experiment,
        verdict=stored.verdict.value,
        segments=stored.segments,
        stage=stored.stage,
        blocked_by=stored.blocked_by,
        evaluated_at=stored.evaluated_at,
    )


def _barriers(stored: StoredVerdict, stage: int | None, segments: tuple[str, ...]) -> Iterator[str]:
    """How a launch goes beyond what a PARTIAL allows."""
    if stored.verdict is not Verdict.PARTIAL:
        return
    options = _options(stored)
    outside = [repr(segment) for segment in segments if segment not in stored.segments]
    if stored.segments and not segments:
        yield f"It allows only some segments: {options}."
    elif stored.segments and outside:
        yield f"It does not allow {', '.join(outside)}, only: {options}."
    if stored.stage is not None and stage is None:
        yield f"It allows no more than a rollout stage: {options}."
    elif stored.stage is not None and stage is not None and stage > stored.stage:
        yield f"It does not allow stage {stage}%, at most {stored.stage}%."


def _expired_waivers(stored: StoredVerdict, now: datetime) -> Iterator[str]:
    for waiver in stored.waivers:
        if waiver.expires_at <= now:
            when = _shown(waiver.expires_at)
            yield f"The waiver of gap {waiver.gap_id} expired on {when}; repair the gap or renew it."


def _withdrawn_waivers(stored: StoredVerdict, now: Configured | None) -> Iterator[str]:
    """What was accepted for the verdict and taken back since, maybe on another machine: the journal knows first."""
    said = {
        entry.content.get("gap_id"): entry for entry in (now.journal if now else ()) if entry.kind in GAP_ACTS
    }
    for waiver in stored.waivers:
        last = said.get(waiver.gap_id)
        if last is not None and last.kind == GAP_REOPENED:
            yield f"The waiver of gap {waiver.gap_id} was taken back on {_shown(last.at)}; run `plumbline run` again."


def _options(stored: StoredVerdict) -> str:
    segments: Sequence[str] = [f"--segment {segment!r}" for segment in stored.segments]
    return " ".join([*segments, *([f"--stage {stored.stage}"] if stored.stage is not None else [])])


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours / 24:.3g} days" if hours >= 48 else f"{hours:.3g} hours"


def _printable(text: str) -> str:
    """One line no terminal acts on: the file may have come from anywhere."""
    line = " ".join(text.split())
    shown = "".join(char if char.isprintable() else "�" for char in line)
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[: _LONGEST_LINE - 1]}…"
