"""Rollback triggers: a treatment's level that falls from day to day, on so many days in a row.

Pure. A day that can't be judged is said to be unjudged: it is no fall, and no calm that would end a row of falls.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from dagster_pipeline.config.brief import Rollback, Rollout
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gaps.daily import DailySums, DayLevel, day_levels
from dagster_pipeline.gate.looks import not_summed


class Move(StrEnum):
    """How a day's level compares with the day before."""

    FALL = "fall"
    CALM = "calm"
    UNJUDGED = "unjudged"


@dataclass(frozen=True)
class DayMove:
    """One day against the day before; ``why`` says what kept it from being judged."""

    day: date
    move: Move
    fall: float | None = None
    why: str | None = None


@dataclass(frozen=True)
class Trigger:
    """Falls on so many days in a row that the launch is to be switched off. ``falls`` are in the metric's unit."""

    metric: str
    variant: str
    days: tuple[date, ...]
    falls: tuple[float, ...]
    max_fall: float

    @property
    def reason(self) -> str:
        """In a sentence, without the full stop."""
        found = ", ".join(f"{fall:.4g} on {day}" for day, fall in zip(self.days, self.falls, strict=True))
        return f"{self.metric} of {self.variant} fell by more than {self.max_fall:g} from one day to the next: {found}"


@dataclass(frozen=True)
class Watch:
    """A rollback trigger on one treatment: every day's move, and the latest trigger. ``reason``: why it can't work at all."""

    rollback: Rollback
    variant: str
    moves: tuple[DayMove, ...]
    trigger: Trigger | None
    reason: str | None = None


def watches(
    rollout: Rollout,
    experiment: Experiment,
    sums: DailySums,
    definitions: Mapping[str, MetricDefinition],
    as_of: datetime,
) -> Iterator[Watch]:
    """Every rollback trigger on every treatment."""
    for rollback in rollout.rollback:
        definition = definitions.get(rollback.metric)
        why = not_summed(definition)
        for arm in experiment.treatments:
            days = sums.of(rollback.metric, arm)
            if why or not days or definition is None:
                yield Watch(rollback, arm, (), None, why or "no daily sums were built for it")
                continue
            levels = day_levels(days, definition.scale, experiment.window, as_of)
            moves = day_moves(rollback, levels)
            yield Watch(rollback, arm, moves, _latest(rollback, arm, moves))


def triggered(rollback: Rollback, levels: Sequence[DayLevel], variant: str) -> Trigger | None:
    """The latest trigger in a treatment's daily levels (every calendar day, in order), None where there is none."""
    return _latest(rollback, variant, day_moves(rollback, levels))


def day_moves(rollback: Rollback, levels: Sequence[DayLevel]) -> tuple[DayMove, ...]:
    """Every day but the first against the day before.

    A day is judged where both days are over, hold at least ``min_units`` mature requests and none that is not mature
    yet. Any other day is unjudged: no fall, and no calm that would end a row of falls.
    """
    return tuple(_move(rollback, before, now) for before, now in itertools.pairwise(levels))


def _move(rollback: Rollback, before: DayLevel, now: DayLevel) -> DayMove:
    why = _unjudged(rollback, before) or _unjudged(rollback, now)
    if why or before.value is None or now.value is None:
        return DayMove(now.day, Move.UNJUDGED, why=why)
    fall = before.value - now.value
    # Rounding in the last digits is no fall.
    fell = fall > rollback.max_fall + 1e-12 * max(1.0, abs(before.value))
    return DayMove(now.day, Move.FALL if fell else Move.CALM, fall)


def _unjudged(rollback: Rollback, level: DayLevel) -> str | None:
    if not level.is_over:
        return f"{level.day} is not over"
    if level.n + level.n_open == 0:
        return f"{level.day} has no request"
    if level.n_open:
        return f"{level.n_open:,} of {level.n + level.n_open:,} requests of {level.day} are not mature"
    if level.n < rollback.min_units:
        return f"{level.day} has {level.n:,} requests, fewer than {rollback.min_units:,}"
    return f"{level.day} has no level" if level.value is None else None


def _latest(rollback: Rollback, variant: str, moves: Iterable[DayMove]) -> Trigger | None:
    row: list[DayMove] = []
    found: Trigger | None = None
    for move in moves:
        if move.move is Move.FALL:
            row.append(move)
        elif move.move is Move.CALM:
            row.clear()
        if move.move is Move.FALL and len(row) >= rollback.days:
            last = row[-rollback.days :]
            days, falls = tuple(one.day for one in last), tuple(one.fall or 0.0 for one in last)
            found = Trigger(rollback.metric, variant, days, falls, rollback.max_fall)
    return found


def watch_document(one: Watch) -> dict[str, Any]:
    """A trigger's rule, every day's move and the latest trigger as plain values."""
    rollback = one.rollback
    return {
        "metric": rollback.metric,
        "variant": one.variant,
        "max_fall": rollback.max_fall,
        "days": rollback.days,
        "min_units": rollback.min_units,
        "reason": one.reason,
        "trigger": None if one.trigger is None else trigger_document(one.trigger),
        "moves": [
            {"day": m.day.isoformat(), "move": m.move.value, "fall": m.fall, "why": m.why} for m in one.moves
        ],
    }


def trigger_document(one: Trigger) -> dict[str, Any]:
    """A trigger as plain values; its days are ISO dates."""
    return {
        "metric": one.metric,
        "variant": one.variant,
        "days": [day.isoformat() for day in one.days],
        "falls": list(one.falls),
        "max_fall": one.max_fall,
        "reason": one.reason,
    }
