"""A share that jumps from one day to the next: what a producer's changed schema leaves in a column's nulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

from dagster_pipeline.statistics.lazy_scipy import scipy_stats

ALPHA = 1e-6  # a series, divided among its days
LEAST_RATIO = 3.0
LEAST_OF_HIGHEST = 2.0  # a share that varies from day to day has days far above its mean
LEAST_RISE = 0.01
_TRAILING = 7
_LEAST_TRAILING = 3
_STEP = 0.5  # at most this part of the rise may lie before the day: a jump is a step, not a ramp
_STILL_RISING = 1.5


@dataclass(frozen=True)
class Jump:
    """A share that rose from ``before`` to ``after`` on ``day``; ``until`` is its last raised day, None if it still is.

    ``before`` is the share of the trailing days, ``after`` that of the raised ones.
    """

    day: date
    before: float
    after: float
    until: date | None
    p: float


@dataclass(frozen=True)
class _Day:
    day: date
    rows: int
    hits: int

    @property
    def share(self) -> float:
        return self.hits / self.rows

    @property
    def is_weekend(self) -> bool:
        return self.day.weekday() >= 5


def first_jump(counts: Mapping[date, tuple[int, int]]) -> Jump | None:
    """The first day whose share jumps above its own trailing days, day → (rows, rows counted); None without one.

    Trailing are the up to seven earlier days with rows, three at least. A jump is at least three times their
    share, twice their highest day and a percentage point above them, with Fisher's exact one-sided
    p below 1e-6 ÷ days: for a share that does not change the chance that any day alarms is below 1e-6.
    It has to be a step, so a slow rise is none; a rise that goes on to the newest day is of values
    that fill in late; and where no weekend was seen before, a jump has to outlast one. Raises
    ValueError where a count exceeds its rows.
    """
    days = [_Day(day, *counts[day]) for day in sorted(counts) if counts[day][0] > 0]
    if any(not 0 <= day.hits <= day.rows for day in days):
        raise ValueError("counted rows must lie between 0 and the day's rows")
    for i in range(_LEAST_TRAILING, len(days)):
        trailing, later = days[max(0, i - _TRAILING) : i], days[i:]
        if not _stands_out(trailing, later):
            continue
        p, raised = _p(trailing, later[0]), _raised(trailing, later)
        if p >= ALPHA / len(days) or _is_a_weekend(trailing, raised):
            continue
        lasts = len(raised) == len(later)
        if lasts and _still_rises(raised):
            return None
        return Jump(later[0].day, _pooled(trailing), _pooled(raised), None if lasts else raised[-1].day, p)
    return None


def _stands_out(trailing: Sequence[_Day], later: Sequence[_Day]) -> bool:
    """By its size, and by being a step: the day before is not half the way up."""
    before, earlier = _pooled(trailing), _pooled(trailing[:-1])
    shares, today = [day.share for day in trailing], later[0].share
    least = max(before + LEAST_RISE, LEAST_RATIO * before, LEAST_OF_HIGHEST * max(shares))
    # On the newest day nothing says yet whether the rise goes on: there the day before must not rise at all.
    was_rising = len(later) == 1 and shares[-1] > LEAST_RATIO * earlier and shares[-1] - earlier > LEAST_RISE
    return today >= least and shares[-1] - earlier <= _STEP * (today - earlier) and not was_rising


def _p(trailing: Sequence[_Day], today: _Day) -> float:
    rows, hits = sum(day.rows for day in trailing), sum(day.hits for day in trailing)
    law = scipy_stats().hypergeom
    return float(law.sf(today.hits - 1, rows + today.rows, hits + today.hits, today.rows))


def _raised(trailing: Sequence[_Day], later: Sequence[_Day]) -> list[_Day]:
    """The days from the jump on that stay above the middle between before and the jump."""
    middle = (_pooled(trailing) + later[0].share) / 2
    return list(takewhile(lambda day: day.share >= middle, later))


def _is_a_weekend(trailing: Sequence[_Day], raised: Sequence[_Day]) -> bool:
    """Whether it may be no more than what weekends are like, none of which was seen whole before."""
    return all(day.is_weekend for day in raised) and sum(day.is_weekend for day in trailing) < 2


def _still_rises(raised: Sequence[_Day]) -> bool:
    """Whether the newest days hold ever more: values that are filled in late, not a change."""
    half = len(raised) // 2
    return half > 0 and _pooled(raised[-half:]) >= _STILL_RISING * _pooled(raised[:half])


def _pooled(days: Sequence[_Day]) -> float:
    rows = sum(day.rows for day in days)
    return sum(day.hits for day in days) / rows if rows else 0.0
