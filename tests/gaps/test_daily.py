"""Daily sums as the warehouse gives them: every calendar day, and units whose days are alike."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from dagster_pipeline.config.types import Window
from dagster_pipeline.gaps.daily import DayLevel, daily_sums, day_levels
from dagster_pipeline.gaps.measurements import Cohort, Measurements
from dagster_pipeline.statistics.evidence import Moments

WINDOW = Window(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 5, tzinfo=UTC))
LATE = datetime(2026, 11, 6, tzinfo=UTC)


def row(day, n=100, y=12.0, n_open=0, variant="treatment", experiment="x", **sums):
    found = {"experiment_id": experiment, "variant": variant, "metric": "m", "day": date(2026, 10, day), "units": n,
             "n": n, "n_open": n_open, "y": y, "d": n, "yy": y, "dd": n, "yd": y}  # fmt: skip
    return found | sums


def measured(*rows, moments=None):
    return Measurements(moments or {}, {}, {}, {}, (), {}, frozenset(), {"daily_effects": rows})


def experiment(unit="request"):
    return SimpleNamespace(id="x", unit=unit)


def test_an_experiments_days_come_in_order_and_another_ones_not_at_all():
    found = daily_sums(
        measured(row(2), row(1), row(1, experiment="y"), row(1, variant="control")), experiment()
    )
    assert [one.day.day for one in found.of("m", "treatment")] == [1, 2]
    assert len(found.of("m", "control")) == 1
    assert found.of("other", "control") == ()
    assert found.factor("m", "treatment") == 1.0


def test_where_the_model_was_not_built_there_is_no_day():
    nothing = Measurements({}, {}, {}, {}, (), {}, frozenset({"daily_effects"}), {})
    assert daily_sums(nothing, experiment()).days == {}


def test_units_that_come_back_alike_widen_the_variance():
    """Two customers on two days each, one always with 2 and one always with 0: as units they vary twice as much as the days."""
    days = [row(day, n=2, y=2.0, units=2, d=2.0, yy=4.0, dd=2.0, yd=2.0) for day in (1, 2)]
    whole = Moments(units=2, n=4, y=4.0, d=4.0, yy=16.0, dd=8.0, yd=8.0)
    moments = {("repaired", Cohort("x", None, "m", "treatment")): whole}
    assert daily_sums(measured(*days, moments=moments), experiment("customer")).factor("m", "treatment") == pytest.approx(2.0)  # fmt: skip
    assert daily_sums(measured(*days, moments=moments), experiment("request")).factor("m", "treatment") == 1.0
    assert daily_sums(measured(*days), experiment("customer")).factor("m", "treatment") == 1.0


def levels(*rows, window=WINDOW, as_of=LATE, scale=1.0):
    return day_levels(daily_sums(measured(*rows), experiment()).of("m", "treatment"), scale, window, as_of)


def test_a_missing_day_is_a_day_of_no_requests_up_to_the_windows_end():
    assert levels(row(1), row(3)) == (
        DayLevel(date(2026, 10, 1), 100, 0, 0.12),
        DayLevel(date(2026, 10, 2), 0, 0, None),
        DayLevel(date(2026, 10, 3), 100, 0, 0.12),
        DayLevel(date(2026, 10, 4), 0, 0, None),
    )


def test_the_clock_ends_it_earlier_and_the_day_it_stands_in_is_not_over():
    found = levels(row(1), row(2), as_of=datetime(2026, 10, 2, 12, tzinfo=UTC))
    assert [(one.day.day, one.is_over) for one in found] == [(1, True), (2, False)]
    assert [one.is_over for one in levels(row(1), row(2), as_of=datetime(2026, 10, 3, tzinfo=UTC))] == [
        True,
        True,
    ]


def test_levels_are_in_the_metrics_own_unit_and_without_a_window_end_with_the_last_row():
    found = levels(row(1), row(2, n=0, y=0.0, n_open=7), window=None, scale=100.0)
    assert [(one.n, one.n_open, one.value) for one in found] == [(100, 0, 12.0), (0, 7, None)]
    assert levels(window=None) == ()
