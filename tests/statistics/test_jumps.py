"""Jumps of a share by day: a schema change is found on its date, what shares do by themselves is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from dagster_pipeline.statistics.jumps import first_jump

START = date(2026, 9, 28)  # a Monday


def day(i: int) -> date:
    return START + timedelta(days=i)


def counts(shares, rows: int = 1000) -> dict[date, tuple[int, int]]:
    """Exactly these shares, day after day."""
    return {day(i): (rows, round(rows * share)) for i, share in enumerate(shares)}


def drawn(rng: np.random.Generator, shares: np.ndarray, rows: int) -> dict[date, tuple[int, int]]:
    totals = rng.poisson(rows, len(shares)) + 1
    hits = rng.binomial(totals, np.clip(shares, 0, 1))
    return {day(i): (int(n), int(k)) for i, (n, k) in enumerate(zip(totals, hits, strict=True))}


def steady(before: float, after: float, at: int, days: int = 28) -> np.ndarray:
    return np.where(np.arange(days) < at, before, after)


def late(days: int, rate: float) -> np.ndarray:
    """Values that are filled in later: nearly all of the newest rows have none yet."""
    return np.maximum(0.003, 0.9 * np.exp(-np.arange(days)[::-1] / rate))


CLEAN: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "none": lambda _, n: np.zeros(n),
    "rare": lambda _, n: np.full(n, 0.003),
    "common": lambda _, n: np.full(n, 0.3),
    "varying by a third": lambda rng, n: rng.beta(11, 539, n),
    "more at weekends": lambda _, n: np.where(np.arange(n) % 7 >= 5, 0.1, 0.02),
    "rising slowly": lambda _, n: 0.003 * 1.2 ** np.arange(n),
    "filled in within days": lambda _, n: late(n, 2.0),
}


def test_of_a_thousand_clean_columns_none_alarms():
    """The stated level is 1e-6 a column where the share does not change."""
    rng, shapes = np.random.default_rng(41), list(CLEAN)
    alarmed = []
    for i in range(1000):
        shape, rows, days = (
            shapes[i % len(shapes)],
            int(rng.choice([100, 1000, 5000])),
            int(rng.integers(6, 45)),
        )
        if first_jump(drawn(rng, CLEAN[shape](rng, days), rows)):
            alarmed.append(shape)
    assert [shape for shape in alarmed if shape in ("none", "rare", "common", "more at weekends")] == []
    assert len(alarmed) <= 3


def test_a_schema_change_is_found_on_its_day_with_both_shares():
    jump = first_jump(counts(steady(0.003, 0.124, 14)))
    assert (jump.day, jump.until) == (day(14), None)
    assert (jump.before, jump.after) == pytest.approx((0.003, 0.124))
    assert jump.p < 1e-9


def test_a_change_is_found_nearly_always_and_on_its_day_or_the_next():
    rng, found = np.random.default_rng(42), 0
    for _ in range(200):
        at = int(rng.integers(3, 26))
        shares = steady(0.003, 0.124, at)
        shares[at] = 0.003 + rng.random() * 0.121  # deployed at some hour of that day
        jump = first_jump(drawn(rng, shares, 500))
        found += jump is not None and jump.day in (day(at), day(at + 1))
    assert found >= 180


def test_a_change_that_was_rolled_back_says_until_when():
    shares = steady(0.01, 0.5, 10)
    shares[15:] = 0.01
    jump = first_jump(counts(shares))
    assert (jump.day, jump.until) == (day(10), day(14))
    assert jump.after == pytest.approx(0.5)


def test_the_newest_day_alone_is_enough():
    assert first_jump(counts(steady(0.003, 0.2, 27))).day == day(27)


@pytest.mark.parametrize(
    ("before", "after"),
    [(0.1, 0.25), (0.001, 0.0105), (0.4, 0.99)],
    ids=["not three times", "not a percentage point", "already common"],
)
def test_a_small_rise_is_no_jump_however_many_rows_show_it(before, after):
    assert first_jump(counts(steady(before, after, 14), rows=1_000_000)) is None


def test_a_slow_rise_is_no_jump():
    assert first_jump(counts(np.linspace(0.0, 0.5, 28), rows=100_000)) is None


@pytest.mark.parametrize("rate", [0.7, 2.0])
def test_values_that_are_filled_in_later_are_no_jump(rate):
    assert first_jump(counts(late(28, rate), rows=10_000)) is None


def test_the_first_weekend_is_no_jump_and_a_change_that_outlasts_it_is_one():
    weekends = np.where(np.arange(28) % 7 >= 5, 0.1, 0.01)
    assert first_jump(counts(weekends)) is None
    assert first_jump(counts(steady(0.01, 0.1, 5))).day == day(5)


def test_three_days_have_to_come_before():
    assert first_jump(counts([0, 0, 0.5, 0.5])) is None
    assert first_jump(counts([0, 0, 0, 0.5])).day == day(3)


def test_chance_in_a_few_rows_is_no_jump():
    assert first_jump(counts(steady(0.0, 0.2, 14), rows=20)) is None  # 4 of 20 after 0 of 140: p = 3e-4


def test_days_without_rows_are_left_out_and_impossible_counts_are_an_error():
    gap = counts(steady(0.003, 0.124, 14)) | {day(13): (0, 0)}
    assert first_jump(gap).day == day(14)
    assert first_jump({}) is None
    with pytest.raises(ValueError, match="between 0 and"):
        first_jump({day(0): (5, 6)})
