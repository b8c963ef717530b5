"""Whether a rollout stage may start: answered from the rollout section of decision.json and the journal alone.

Standard library only, so that the gate answers at once. It fails closed: what is missing or malformed never allows a
stage. The rules (docs/rollout.md):

- the stage is one the brief names, where it names any;
- every stage before it was started and ran for its dwell time without a break;
- no guardrail is proven broken at any daily look, and none is missing;
- no kill switch stands. One stands from the day it is pulled until somebody starts a stage with ``--force``, which
  answers for every trigger known by then; what a rollback ended has to be run again, and the stages below a forced one
  are taken on its word.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster_pipeline.register.journal import ROLLED_BACK, STAGE_STARTED, Entry

CROSSED, SAFE, OPEN, MISSING, UNMONITORED = "crossed", "safe", "open", "missing", "unmonitored"
"""What daily looks say of a rule: proven broken, proven kept, neither yet, nothing to look at, not looked at daily."""
STATES = (CROSSED, SAFE, OPEN, MISSING, UNMONITORED)

TriggerKey = tuple[str, str, tuple[str, ...]]
"""What tells one trigger from another: metric, arm, days."""

_CLOCK_SKEW = timedelta(seconds=10)
_NO_TIME = timedelta(0)


@dataclass(frozen=True)
class StageAnswer:
    """Whether a stage may start, and why not.

    ``started_at`` is its own last start since the last rollback. ``dwell_left`` is how long the stages before it still
    have to run, None where one of them has not been started. ``passed``, ``failed`` and ``missing`` name guardrails;
    ``notes`` say what was not looked at.
    """

    percent: float
    is_known: bool
    started_at: datetime | None
    dwell_left: timedelta | None
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    missing: tuple[str, ...]
    allowed: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


def stage_allowed(document: Mapping[str, Any], percent: float, now: datetime) -> tuple[bool, tuple[str, ...]]:
    """Whether a stage (per cent of the traffic) may start, and every reason why not.

    ``document`` is the rollout section of decision.json. Raises nothing: what can't be read is not allowed.
    """
    answer = stage_answer(document, percent, now)
    return answer.allowed, answer.reasons


def switched_off(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Why nothing may be launched at any stage: a kill switch that stands, a trigger that fired, a guardrail proven broken.

    Raises nothing: a document that can't be read is a reason too.
    """
    try:
        read = _read(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return (_unreadable(error),)
    crossed = (_named(one) for one in read.guardrails if one["state"] == CROSSED)
    return (*_switched_off(read), *(f"{name} is proven broken at a daily look." for name in crossed))


def stage_answer(document: Mapping[str, Any], percent: float, now: datetime) -> StageAnswer:
    """The same in full."""
    try:
        return _answer(_read(document), float(percent), _utc(now))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = _unreadable(error)
        return StageAnswer(
            percent, is_known=False, started_at=None, dwell_left=None, passed=(), failed=(), missing=(),
            allowed=False, reasons=(reason,),
        )  # fmt: skip


def _unreadable(error: Exception) -> str:
    kind = type(error).__name__
    return f"The rollout section of decision.json can't be read ({kind}: {error}); run `plumbline run` again."


def journal_facts(entries: Iterable[Entry], experiment: str | None) -> dict[str, Any]:
    """What the journal says of one experiment's rollout, as the document's ``starts`` and ``rollbacks``."""
    ours = [entry for entry in entries if entry.experiment == experiment]
    return {
        "starts": [_start_document(entry) for entry in ours if entry.kind == STAGE_STARTED],
        "rollbacks": [_rollback_document(entry) for entry in ours if entry.kind == ROLLED_BACK],
    }


def with_journal(document: Mapping[str, Any], entries: Iterable[Entry]) -> dict[str, Any]:
    """The document with the starts and rollbacks as the journal has them now, after the run that wrote it."""
    return {**document, **journal_facts(entries, document.get("experiment"))}


def unanswered_triggers(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The document's triggers that are still to be recorded: no rollback and no forced start speaks of them yet.

    While a rollback stands, a further fall of the same metric and arm is the same row of falls going on. Raises KeyError,
    TypeError, ValueError or AttributeError for a malformed document.
    """
    read = _read(document)
    standing = {one.key[:2] for one in _standing(read)}
    return [watch["trigger"] for watch, key in _unrecorded(read) if key[:2] not in standing]


def trigger_key(trigger: Mapping[str, Any]) -> TriggerKey:
    """What tells this trigger from any other."""
    return _text(trigger["metric"]), _text(trigger["variant"]), tuple(map(_text, trigger["days"]))


# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Start:
    number: int
    percent: float
    at: datetime
    is_forced: bool
    seen: int
    overrides: frozenset[TriggerKey]


@dataclass(frozen=True)
class _Rollback:
    number: int
    at: datetime
    key: TriggerKey
    reason: str


@dataclass(frozen=True)
class _Read:
    """A document whose every part is of the right kind."""

    stages: tuple[tuple[float, timedelta], ...]
    starts: tuple[_Start, ...]
    rollbacks: tuple[_Rollback, ...]
    guardrails: tuple[Mapping[str, Any], ...]
    watched: tuple[tuple[Mapping[str, Any], TriggerKey | None], ...]


def _read(document: Mapping[str, Any]) -> _Read:
    monitored = _items(document["monitored"])
    for one in monitored:
        if one["state"] not in STATES or one["kind"] not in ("criterion", "guardrail"):
            raise ValueError(f"{one['state']!r} of a {one['kind']!r} is no state of a rule")
    watched = _items(document["rollback"])
    stages = [(_percent(one["percent"]), timedelta(seconds=_number(one["dwell_seconds"]))) for one in _items(document["stages"])]  # fmt: skip
    return _Read(
        stages=tuple(sorted(stages)),
        starts=tuple(sorted(map(_start, _items(document["starts"])), key=lambda one: one.number)),
        rollbacks=tuple(sorted(map(_rollback, _items(document["rollbacks"])), key=lambda one: one.number)),
        guardrails=tuple(one for one in monitored if one["kind"] == "guardrail"),
        watched=tuple(
            (one, None if one["trigger"] is None else trigger_key(one["trigger"])) for one in watched
        ),
    )


def _start(one: Mapping[str, Any]) -> _Start:
    if not isinstance(one["forced"], bool):
        raise TypeError("forced must be true or false")
    return _Start(
        number=_integer(one["number"]),
        percent=_percent(one["percent"]),
        at=_moment(one["at"]),
        is_forced=one["forced"],
        seen=_integer(one["seen"]),
        overrides=frozenset(map(trigger_key, _items(one["overrides"]))),
    )


def _rollback(one: Mapping[str, Any]) -> _Rollback:
    return _Rollback(_integer(one["number"]), _moment(one["at"]), trigger_key(one), _text(one["reason"]))


def _start_document(entry: Entry) -> dict[str, Any]:
    content = entry.content
    return {
        "number": entry.number,
        "at": _written(entry.at),
        "by": entry.by,
        "percent": content.get("percent"),
        "forced": content.get("forced", False),
        "reason": content.get("reason"),
        # A forced start answers for what its author could have read: the journal up to there, and these triggers.
        "seen": content.get("seen", entry.number),
        "overrides": content.get("overrides", []),
    }


def _rollback_document(entry: Entry) -> dict[str, Any]:
    content = entry.content
    return {
        "number": entry.number,
        "at": _written(entry.at),
        "by": entry.by,
        # A rollback that says little, such as one written down by hand, stands all the same.
        "metric": str(content.get("metric") or ""),
        "variant": str(content.get("variant") or ""),
        "days": list(map(str, days)) if isinstance(days := content.get("days"), list | tuple) else [],
        "reason": str(content.get("reason") or "no reason is given"),
    }


def _items(value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) for one in value):
        raise TypeError("a list of mappings was expected")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text was expected")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError("a number of at least 0 was expected")
    return float(value)


def _percent(value: Any) -> float:
    if not 0 < _number(value) <= 100:
        raise ValueError("a stage is above 0 and at most 100 per cent")
    return float(value)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("a whole number was expected")
    return value


def _moment(value: Any) -> datetime:
    return _utc(datetime.fromisoformat(_text(value)))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _written(moment: datetime) -> str:
    return _utc(moment).isoformat().replace("+00:00", "Z")


# --- answering ---------------------------------------------------------------------------------


def _answer(read: _Read, percent: float, now: datetime) -> StageAnswer:
    _percent(percent)
    is_known = not read.stages or percent in [of for of, _ in read.stages]
    left, dwelling = _dwelling(read, percent, now)
    by_state = {
        state: tuple(_named(one) for one in read.guardrails if one["state"] == state) for state in STATES
    }
    reasons = [
        *([] if is_known else [_unknown(read, percent)]),
        *_switched_off(read),
        *(f"{name} is proven broken at a daily look." for name in by_state[CROSSED]),
        *(f"{name} could not be looked at{_why(one)}." for one, name in _missing(read)),
        *dwelling,
        *(f"The rollback trigger on {w['metric']} of {w['variant']} can't be judged: {w['reason']}." for w, _ in read.watched if w["reason"]),
    ]  # fmt: skip
    own = [start for start in _since_rollback(read) if start.percent == percent]
    return StageAnswer(
        percent=percent,
        is_known=is_known,
        started_at=own[-1].at if own else None,
        dwell_left=left,
        passed=by_state[SAFE] + by_state[OPEN],
        failed=by_state[CROSSED],
        missing=by_state[MISSING],
        allowed=not reasons,
        reasons=tuple(reasons),
        notes=tuple(
            f"{name} is not looked at daily; the verdict holds it." for name in by_state[UNMONITORED]
        ),
    )


def _named(one: Mapping[str, Any]) -> str:
    return f"The guardrail {one['metric']} of {one['variant']}"


def _missing(read: _Read) -> Iterator[tuple[Mapping[str, Any], str]]:
    return ((one, _named(one)) for one in read.guardrails if one["state"] == MISSING)


def _why(one: Mapping[str, Any]) -> str:
    return f": {one['reason']}" if one.get("reason") else ""


def _unknown(read: _Read, percent: float) -> str:
    return (
        f"{percent:g}% is no stage of the brief; there are: {', '.join(f'{of:g}%' for of, _ in read.stages)}."
    )


def _switched_off(read: _Read) -> Iterator[str]:
    """A kill switch that nobody answered with a forced start."""
    for one in _standing(read):
        yield f"Switched off on {one.at:%Y-%m-%d %H:%M} UTC (entry {one.number}): {one.reason}."
    for watch, _ in _unrecorded(read):
        yield f"A rollback trigger fired: {_text(watch['trigger']['reason'])}."


def _standing(read: _Read) -> list[_Rollback]:
    answered = max((min(start.seen, start.number) for start in read.starts if start.is_forced), default=0)
    return [one for one in read.rollbacks if one.number > answered]


def _unrecorded(read: _Read) -> list[tuple[Mapping[str, Any], TriggerKey]]:
    known = {one.key for one in read.rollbacks} | _overridden(read.starts)
    return [(watch, key) for watch, key in read.watched if key is not None and key not in known]


def _overridden(starts: Iterable[_Start]) -> frozenset[TriggerKey]:
    return frozenset(key for start in starts if start.is_forced for key in start.overrides)


def _since_rollback(read: _Read) -> list[_Start]:
    """The starts that still count: a rollback takes the traffic off."""
    last = max((one.number for one in read.rollbacks), default=0)
    return [start for start in read.starts if start.number > last]


def _dwelling(read: _Read, percent: float, now: datetime) -> tuple[timedelta | None, list[str]]:
    """How long the stages before still have to run (None: one was never started), and what to say of it."""
    starts = _since_rollback(read)
    vouched = next((start.percent for start in reversed(starts) if start.is_forced), 0.0)
    left, reasons = _NO_TIME, []
    is_startable = True
    for of, dwell in read.stages:
        if not vouched <= of < percent:
            continue
        ran = _longest_run(starts, of, now)
        if ran is None:
            is_startable = False
            reasons.append(f"The stage {of:g}% before it has not been started.")
        elif ran < dwell:
            left = max(left, dwell - ran)
            reasons.append(f"The stage {of:g}% has run for {_span(ran)} of {_span(dwell)}.")
    return (left if is_startable else None), reasons


def _longest_run(starts: Sequence[_Start], percent: float, now: datetime) -> timedelta | None:
    """The longest time a stage ran without a break, None where it never started; a start in the future is none."""
    longest, since = None, None
    for start in starts:
        if start.at > now + _CLOCK_SKEW:
            continue
        if start.percent == percent:
            since = since or start.at
        elif since is not None:
            longest, since = max(longest or _NO_TIME, start.at - since), None
    return longest if since is None else max(longest or _NO_TIME, now - since)


def _span(span: timedelta) -> str:
    """In days, hours and minutes, rounded down: what has run for almost long enough is not shown as long enough."""
    minutes = int(span / timedelta(minutes=1))
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return " ".join(f"{size} {unit}" for size, unit in parts if size) or "0 min"
