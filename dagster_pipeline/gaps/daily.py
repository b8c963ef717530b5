"""One experiment's metrics day by day: what daily looks add up, and what a rollback trigger compares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from dagster_pipeline.config.types import Experiment, Window
from dagster_pipeline.gaps.evidence import REPAIRED
from dagster_pipeline.gaps.measurements import Cohort, Measurements
from dagster_pipeline.statistics.always_valid import accumulated
from dagster_pipeline.statistics.evidence import Moments
from dagster_pipeline.statistics.intervals import residual_sum

MODEL = "daily_effects"
_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DaySums:
    """The sums of one day's mature requests of an arm (UTC, by created_at); ``n_open`` are not mature yet."""

    day: date
    moments: Moments
    n_open: int = 0


@dataclass(frozen=True)
class DailySums:
    """An experiment's days, by (metric, arm), in order; a day without a request is not there.

    ``inflation`` is by how much the variance exceeds that of the days added up, because one unit's days are alike: 1
    where the request is the unit. Empty where the model was not built.
    """

    days: Mapping[tuple[str, str], tuple[DaySums, ...]]
    inflation: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def of(self, metric: str, arm: str) -> tuple[DaySums, ...]:
        """The days of a metric in an arm; none where it has none."""
        return self.days.get((metric, arm), ())

    def factor(self, metric: str, arm: str) -> float:
        """What to multiply the variance with."""
        return self.inflation.get((metric, arm), 1.0)


@dataclass(frozen=True)
class DayLevel:
    """A metric's level on one day, in its own unit. ``is_over`` says that the day lies wholly before the clock.

    ``n`` are its mature requests and ``n_open`` the others; a day without requests has neither and no value.
    """

    day: date
    n: int
    n_open: int
    value: float | None
    is_over: bool = True


def daily_sums(measurements: Measurements, experiment: Experiment) -> DailySums:
    """The days of one experiment as the warehouse summed them."""
    found: dict[tuple[str, str], list[DaySums]] = defaultdict(list)
    for row in measurements.tables.get(MODEL, ()):
        if row["experiment_id"] == experiment.id:
            found[row["metric"], row["variant"]].append(_day(row))
    days = {key: tuple(sorted(of, key=lambda one: one.day)) for key, of in found.items()}
    if experiment.unit == "request":
        return DailySums(days)
    whole = {key: measurements.moments.get((REPAIRED, Cohort(experiment.id, None, *key))) for key in days}
    return DailySums(days, {key: _inflation(of, whole[key]) for key, of in days.items()})


def day_levels(
    days: tuple[DaySums, ...], scale: float, window: Window | None, as_of: datetime
) -> tuple[DayLevel, ...]:
    """Every calendar day from the first with a request to the window's or the clock's end; a missing day is one of no requests.

    Without a window they end with the last day that has a request. None where no day has any.
    """
    if not days:
        return ()
    by_day = {one.day: one for one in days}
    last = days[-1].day
    if window is not None:
        end = min(window.end, as_of).astimezone(UTC) - timedelta(microseconds=1)
        last = max(last, end.date())
    span = (last - days[0].day).days
    return tuple(_level(days[0].day + i * _A_DAY, by_day, scale, as_of) for i in range(span + 1))


def _level(day: date, by_day: Mapping[date, DaySums], scale: float, as_of: datetime) -> DayLevel:
    is_over = datetime.combine(day + _A_DAY, time(), UTC) <= as_of
    found = by_day.get(day)
    if found is None:
        return DayLevel(day, 0, 0, None, is_over)
    sums = found.moments
    value = scale * sums.y / sums.d if sums.d > 0 else None
    return DayLevel(day, sums.n, found.n_open, value, is_over)


def _day(row: Mapping[str, Any]) -> DaySums:
    sums = Moments(*(row[name] or 0 for name in ("units", "n", "y", "d", "yy", "dd", "yd")))
    return DaySums(row["day"], sums, row["n_open"] or 0)


def _inflation(days: tuple[DaySums, ...], whole: Moments | None) -> float:
    """The variance of units over that of unit-days, both about the same level.

    Taken over the whole sample: early on, when few units have come back, it is too much rather than too little.
    """
    total = accumulated([one.moments for one in days])[-1]
    if whole is None or total.d <= 0:
        return 1.0
    level = total.y / total.d
    apart = residual_sum(total, level)
    return max(1.0, residual_sum(whole, level) / apart) if apart > 0 else 1.0
