"""Missing partitions of sources and of arms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from small_worlds import CONTROL, EXPERIMENT, TREATMENT, UNKNOWN, experiment, fact, measure, row

from dagster_pipeline.gaps.partitions import found_partitions

START = date(2026, 9, 28)
DAYS = 39
COHORT = range(3, 31)
EXPERIMENTS = (experiment(),)


def day(i: int) -> date:
    return START + timedelta(days=i)


def daily(arms: dict[str | None, np.ndarray], source="quotes", name=EXPERIMENT) -> list[dict]:
    """The model's rows: arm → rows of each day; days without rows have none."""
    return [
        {"source_name": source, "experiment_id": name, "variant": arm, "day": day(i), "n_rows": int(n)}
        for arm, counts in arms.items()
        for i, n in enumerate(counts)
        if n
    ]


def traffic(rng=None, level=1000.0) -> dict[str | None, np.ndarray]:
    """Two arms within the window, rows of no cohort around it."""
    week = np.array([1.16, 1.12, 1.07, 1.02, 0.92, 0.82, 0.89])[np.arange(DAYS) % 7]
    within = np.isin(np.arange(DAYS), COHORT)
    means = {CONTROL: 0.47 * within, TREATMENT: 0.47 * within, UNKNOWN: 0.06 * within, None: 1.0 * ~within}
    rows = {arm: level * week * share for arm, share in means.items()}
    return {arm: rng.poisson(mean) if rng else mean.round().astype(int) for arm, mean in rows.items()}


def measured(rows, sources=("quotes",), total=39_000, newest=None):
    whole = [row("missing_partition", source, total=total, affected=None, is_gap=None) for source in sources]
    facts = [fact(source, newest or datetime(2026, 11, 5, 18, tzinfo=UTC)) for source in sources]
    return replace(measure({}, rows=whole, facts=facts), tables={"daily_rows": tuple(rows)})


def found(rows, experiments=EXPERIMENTS, **kwargs):
    return list(found_partitions(measured(rows, **kwargs), experiments))


def test_a_day_that_every_arm_misses_is_the_tables():
    arms = traffic()
    for counts in arms.values():
        counts[14] = 0
    (gap,) = found(daily(arms))
    assert (gap.kind, gap.experiment, gap.source, gap.column) == ("missing_partition", None, "quotes", None)
    assert (gap.rows_total, gap.rows_affected, gap.rows_residual) == (39_000, None, None)
    assert "2026-10-12: 0 rows where at least about 1,160 were expected" in gap.note
    assert set(gap.units) == {"all"}
    assert gap.units["all"] == pytest.approx(1160, abs=2)
    assert not gap.differential


def test_a_day_that_one_arm_misses_is_that_arms_though_half_of_the_tables_rows_are_gone():
    arms = traffic()
    arms[TREATMENT][14] = 0
    (gap,) = found(daily(arms))
    assert "2026-10-12 in arm treatment: 0 rows where at least about 4" in gap.note
    assert gap.note.count("2026-10-12") == 1
    assert gap.units == {TREATMENT: 545}
    assert gap.differential


def test_a_day_outside_the_window_is_the_tables():
    arms = traffic()
    arms[None][34] = 0
    (gap,) = found(daily(arms))
    assert gap.note.startswith("2026-11-01: 0 rows")
    assert set(gap.units) == {"all"}


def test_days_in_a_row_are_told_together_and_many_are_cut_short():
    arms = traffic()
    for counts in arms.values():
        counts[[10, 11, 12]] = 0
    (gap,) = found(daily(arms))
    assert gap.note.startswith("2026-10-08 to 2026-10-10: 0 rows")
    scattered = traffic()
    for counts in scattered.values():
        counts[[4, 8, 12, 16, 20, 24]] = 0
    (many,) = found(daily(scattered))
    assert many.note.endswith("; and 1 more")
    assert many.note.count("rows where") == 5


def test_each_source_has_its_own_gap_and_those_without_times_of_their_own_none():
    holed = traffic()
    for counts in holed.values():
        counts[14] = 0
    rows = [*daily(holed), *daily(holed, "hires"), *daily(traffic(), "messages")]
    assert [g.source for g in found(rows, sources=("quotes", "hires", "messages"))] == ["hires", "quotes"]
    assert found(rows, sources=()) == []


def test_experiments_that_hold_the_same_rows_do_not_count_them_twice():
    other = experiment("ranking", split={"old": 0.5, "new": 0.5}, control="old")
    arms = traffic()
    for counts in arms.values():
        counts[14] = 0
    renamed = {{CONTROL: "old", TREATMENT: "new"}.get(arm, arm): n.copy() for arm, n in arms.items()}
    rows = [*daily(arms), *daily(renamed, name="ranking")]
    (gap,) = found(rows, (*EXPERIMENTS, other))
    assert "about 1,160" in gap.note
    assert set(gap.units) == {"all"}
    renamed["new"][14], renamed["old"][14] = 0, 1090
    arms[CONTROL][14] = arms[TREATMENT][14] = 545
    (of_arm,) = found([*daily(arms), *daily(renamed, name="ranking")], (*EXPERIMENTS, other))
    assert "in arm new of ranking" in of_arm.note


def test_without_experiments_the_whole_table_is_looked_at():
    arms = {None: sum(traffic().values())}
    arms[None][14] = 0
    (gap,) = found(daily(arms, name=""), ())
    assert set(gap.units) == {"all"}


def test_rows_dated_after_the_clock_do_not_make_the_cut_last_day_a_missing_one():
    arms = traffic()
    arms[None] = np.r_[arms[None][:38], 90, 0, 400, 400]  # cut at 2 in the morning; then a time zone misread
    assert found(daily(arms), newest=datetime(2026, 11, 5, 2, tzinfo=UTC)) == []


def test_of_a_thousand_clean_tables_no_more_than_one_alarms():
    """A table is its own series and one of each arm: the stated level is 0.001 for all of them together."""
    rng = np.random.default_rng(61)
    names = [f"table {i}" for i in range(1000)]
    rows = [r for name in names for r in daily(traffic(rng, float(rng.choice([30, 300, 3000]))), name)]
    assert len(found(rows, sources=names)) <= 1
