"""Missing days: silent on tables as they are, found where a day was taken out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from dagster_pipeline.statistics.partitions import missing_days, thin_days

START = date(2026, 9, 28)  # a Monday
MILD = np.array([1.16, 1.12, 1.07, 1.02, 0.92, 0.82, 0.89])
HARD = np.array([1, 1, 1, 1, 1, 0.1, 0.1])  # an office's week

Shape = Callable[[int, int], np.ndarray]


def week(profile: np.ndarray, days: int, first: int) -> np.ndarray:
    return profile[(np.arange(days) + first) % 7]


def follow_ups(days: int, mean_delay: float = 4.0) -> np.ndarray:
    """Hires of four weeks of requests: they grow day by day, and trickle in after the window."""
    requests = (np.arange(days) < 28).astype(float)
    delay = np.exp(-np.arange(days) / mean_delay)
    return np.convolve(requests, delay / delay.sum())[:days]


# Rows expected by day: shape(days, weekday of the first one).
SHAPES: dict[str, Shape] = {
    "even": lambda n, _: np.full(n, 1000.0),
    "small": lambda n, _: np.full(n, 40.0),
    "tiny": lambda n, _: np.full(n, 4.0),
    "seasonal": lambda n, s: 1000 * week(MILD, n, s),
    "office week": lambda n, s: 1000 * week(HARD, n, s),
    "small office week": lambda n, s: 150 * week(HARD, n, s),
    "follow-ups": lambda n, s: 1000 * follow_ups(n) * week(MILD, n, s),
    "few follow-ups": lambda n, _: 80 * follow_ups(n),
    "launch": lambda n, _: 1000 * np.arange(1, n + 1) / n,
    "doubling": lambda n, _: 10 * 1.2 ** np.arange(n),
    "fading": lambda n, _: 2000 * 0.8 ** np.arange(n),
    "growing office week": lambda n, s: 1000 * week(HARD, n, s) * np.linspace(0.3, 1, n),
    "step up": lambda n, _: np.where(np.arange(n) < n // 2, 300.0, 1000.0),
    "step down": lambda n, _: np.where(np.arange(n) < n // 2, 1000.0, 300.0),
    "campaign": lambda n, _: np.where((np.arange(n) > n // 3) & (np.arange(n) < n // 2), 3000.0, 1000.0),
    "one busy day": lambda n, _: np.where(np.arange(n) == n // 2, 5000.0, 1000.0),
}


def draw(rng: np.random.Generator, shape: str, days: int, spread: float) -> tuple[int, np.ndarray]:
    """Weekday of the first day, and counts: Poisson around means that themselves vary by ``spread``; both ends cut."""
    first = int(rng.integers(0, 7))
    mean = SHAPES[shape](days, first)
    if spread:
        mean = mean * rng.gamma(1 / spread**2, spread**2, days)
    rows = rng.poisson(mean)
    rows[[0, -1]] = rng.binomial(rows[[0, -1]], rng.random(2))
    return first, rows


def by_day(first: int, rows: np.ndarray) -> dict[date, int]:
    return {START + timedelta(days=first + i): int(n) for i, n in enumerate(rows)}


def alarms(spread: float, tables: int = 1000) -> int:
    rng = np.random.default_rng(31)
    shapes = list(SHAPES)
    drawn = (draw(rng, shapes[i % len(shapes)], int(rng.integers(6, 60)), spread) for i in range(tables))
    return sum(bool(missing_days(by_day(*table))) for table in drawn)


@pytest.mark.parametrize(("spread", "allowed"), [(0.0, 1), (0.1, 1), (0.2, 10)])
def test_of_a_thousand_clean_tables_no_more_alarm_than_stated(spread, allowed):
    assert alarms(spread) <= allowed


@pytest.mark.parametrize("days", [12, 28, 39])
@pytest.mark.parametrize("shape", ["even", "seasonal", "office week", "campaign"])
def test_a_day_without_rows_is_found_and_no_other(shape, days):
    rng = np.random.default_rng(days)
    for _ in range(25):
        first, rows = draw(rng, shape, days, 0.05)
        gone = int(rng.integers(2, days - 2))
        rows[gone] = 0
        (found,) = missing_days(by_day(first, rows))
        assert (found.day, found.observed) == (START + timedelta(days=first + gone), 0)
        assert found.expected > 0


@pytest.mark.parametrize("shape", ["even", "seasonal", "office week"])
def test_a_day_with_a_third_of_its_rows_is_found_nearly_always(shape):
    rng, found = np.random.default_rng(5), 0
    for _ in range(100):
        first, rows = draw(rng, shape, 28, 0.0)
        gone = int(rng.integers(2, 26))
        rows[gone] = rng.binomial(rows[gone], 1 / 3)
        found += [d.day for d in missing_days(by_day(first, rows))] == [START + timedelta(days=first + gone)]
    assert found >= 78  # of an office's Saturdays a third is too few to tell


@pytest.mark.parametrize("length", [2, 3, 6])
def test_days_in_a_row_are_all_found(length):
    rng = np.random.default_rng(length)
    for _ in range(20):
        first, rows = draw(rng, "seasonal", 39, 0.05)
        gone = int(rng.integers(3, 36 - length))
        rows[gone : gone + length] = 0
        days = [START + timedelta(days=first + gone + i) for i in range(length)]
        assert [d.day for d in missing_days(by_day(first, rows))] == days


def test_a_hole_while_events_still_grow_is_found():
    rows = (300 * follow_ups(28)).astype(int)
    rows[6] = 0
    assert [d.day for d in missing_days(by_day(0, rows))] == [START + timedelta(days=6)]


def test_a_monday_is_held_against_mondays_not_against_the_weekend_before():
    rows = (1000 * week(HARD, 35, 0)).astype(int)
    rows[14] = 300  # far above a weekend day, far below a Monday
    (found,) = missing_days(by_day(0, rows))
    assert found.day == START + timedelta(days=14)
    assert found.expected == pytest.approx(1000)


def test_a_table_that_rests_at_weekends_misses_no_weekend_and_a_weekday_that_is_gone_is_found():
    rows = 1000 * (week(HARD, 42, 0) == 1)
    assert missing_days(by_day(0, rows)) == ()
    rows[16] = 0
    (found,) = missing_days(by_day(0, rows))
    assert found.day == START + timedelta(days=16)


def test_the_first_and_the_last_day_may_be_cut():
    rows = np.full(28, 1000)
    rows[[0, -1]] = 3
    assert thin_days(by_day(0, rows)) == ()


def test_a_day_is_as_missing_whether_it_holds_zero_or_is_not_there():
    rows = np.full(28, 500)
    rows[10] = 0
    counts = by_day(0, rows)
    left_out = {day: n for day, n in counts.items() if n}
    assert missing_days(counts) == missing_days(left_out)
    assert len(missing_days(counts)) == 1


def test_stray_dates_neither_alarm_nor_hide_a_missing_day():
    rows = np.full(28, 1000)
    rows[10] = 0
    strays = {date(1999, 1, 1): 2, date(2031, 5, 5): 1}
    assert [d.day for d in missing_days(by_day(0, rows) | strays)] == [START + timedelta(days=10)]


def test_what_was_expected_decides_how_few_can_be_told_from_chance():
    """Of an empty day p = q^(μ/(1/q − 1)) at q = 1/4.35: 7e-6 at a mean of 27, 2e-7 at 35; Poisson's is smaller by far."""
    for mean, found in ((27, 0), (35, 1)):
        rows = np.full(28, mean)
        rows[10] = 0
        (thin,) = thin_days(by_day(0, rows))
        assert thin.p == pytest.approx((1 / 4.35) ** (mean / 3.35))
        assert thin.p > np.exp(-mean)
        assert len(missing_days(by_day(0, rows))) == found


@pytest.mark.parametrize("size", [1, 3, 5])
def test_rows_that_come_in_clumps_alarm_no_more_often(size):
    """Each request has several quotes or messages, so a quiet day lacks them all: 1,000 tables of small counts."""
    rng = np.random.default_rng(size)
    found = 0
    for _ in range(1000):
        clumps = rng.poisson(rng.choice([8, 20, 40]), 30)
        rows = np.array([int(rng.poisson(size, n).sum()) if n else 0 for n in clumps])
        found += bool(missing_days(by_day(0, rows)))
    assert found <= 1


def test_a_table_whose_days_vary_widely_needs_more_than_a_thin_day():
    rng = np.random.default_rng(3)
    rows = rng.poisson(1000 * rng.gamma(4, 1 / 4, 40))  # a spread of one half
    rows[20] = 300
    assert missing_days(by_day(0, rows)) == ()


@pytest.mark.parametrize("rows", [[], [5], [5, 5], [0, 0, 0], [900, 0, 900]], ids=str)
def test_a_handful_of_days_says_nothing_or_only_that_a_day_is_empty(rows):
    found = missing_days(by_day(0, np.array(rows, dtype=int)))
    assert [d.observed for d in found] == ([0] if rows == [900, 0, 900] else [])
