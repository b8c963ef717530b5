"""Columns that moved, from the counts the warehouse gives: found, told in words, and quiet on clean tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from dagster_pipeline.gaps.drifts import found_drifts
from tests.gaps.small_worlds import CONTROL, TREATMENT, experiment, measure

CATEGORIES = np.array([0.24, 0.16, 0.13, 0.11, 0.09, 0.07, 0.06, 0.05, 0.04, 0.025, 0.015, 0.01])
GEOS = 1 / np.arange(2, 22) ** 0.7
PRICES = np.exp(-(((np.arange(40) - 20) / 8) ** 2))  # bins of an amount, a bell on the log scale
SHARES = {
    ("requests", "category"): CATEGORIES / CATEGORIES.sum(),
    ("requests", "geo"): GEOS / GEOS.sum(),
    ("quotes", "price"): PRICES / PRICES.sum(),
    ("hires", "amount"): PRICES / PRICES.sum(),
}
ONE = (experiment(),)


def rows_of(column, counts, period="window", variant=None, owner=ONE[0].id, clustered=1.0):
    """Rows of column_distributions; amounts come in numbered bins, categories as v0, v1, …"""
    source, name = column
    amount = name in ("price", "amount")
    return [
        {
            "experiment_id": owner, "source_name": source, "column_name": name, "period": period, "variant": variant,
            "bin": str(n) if amount else f"v{n}", "bin_index": n if amount else None, "n_rows": int(count),
            "rows_per_cluster": clustered,
        }
        for n, count in enumerate(counts)
        if count
    ]  # fmt: skip


def drifts(rows, experiments=ONE):
    measured = replace(measure({}), tables={"column_distributions": tuple(rows)})
    return list(found_drifts(measured, experiments))


def arms_of(control, treatment, column=("requests", "category")):
    return [*rows_of(column, control, variant=CONTROL), *rows_of(column, treatment, variant=TREATMENT)]


def periods_of(before, window, column=("requests", "category"), **fields):
    return [*rows_of(column, before, "baseline", **fields), *rows_of(column, window, **fields)]


def test_arms_of_another_mix_are_a_gap_of_the_experiment_that_names_what_moved():
    (gap,) = drifts(arms_of([1_200, 4_500, 4_300], [1_830, 4_200, 3_970]))
    assert (gap.kind, gap.experiment, gap.source, gap.column) == (
        "distribution_drift", ONE[0].id, "requests", "category",
    )  # fmt: skip
    assert (gap.rows_total, gap.rows_affected, gap.rows_residual) == (None, None, None)
    assert gap.note.startswith("treatment against control: PSI 0.03")
    assert gap.note.endswith("category=v0 12.0% → 18.3%")


def test_a_baseline_of_another_mix_is_a_gap_of_no_experiment():
    (gap,) = drifts(periods_of([400, 600], [6_000, 4_000]))
    assert (gap.experiment, gap.source, gap.column) == (None, "requests", "category")
    assert "quoting_v2's window against the time before it: PSI 0.162" in gap.note
    assert gap.note.endswith("category=v0 40.0% → 60.0%")


def test_both_at_once_are_two_gaps():
    both = [*arms_of([1_200, 4_500, 4_300], [1_830, 4_200, 3_970]), *periods_of([400, 600], [6_000, 4_000])]
    assert [gap.experiment for gap in drifts(both)] == [ONE[0].id, None]


def test_a_small_move_of_a_large_table_is_no_drift():
    assert drifts(periods_of([400_000, 600_000], [420_000, 580_000])) == []  # sure, and PSI 0.002
    assert drifts(arms_of([5_000_000, 5_000_000], [5_009_000, 4_991_000])) == []  # sure, and 0.09 points


def test_too_short_a_baseline_says_nothing():
    assert drifts(periods_of([90, 9], [1_000, 9_000])) == []
    assert len(drifts(periods_of([91, 9], [1_000, 9_000]))) == 1


def test_rows_that_come_in_clusters_count_for_less():
    """200 quotes of 20 requests are 20 prices, not 200."""
    moved = ([120, 80], [2_000, 8_000])
    assert len(drifts(periods_of(*moved))) == 1
    assert drifts(periods_of(*moved, clustered=10.0)) == []


def test_an_amount_is_compared_by_its_ordered_bins_and_tells_its_median():
    before = np.bincount(np.full(400, 92) + np.arange(400) % 9, minlength=120)
    window = np.bincount(np.full(4_000, 100) + np.arange(4_000) % 9, minlength=120)
    (gap,) = drifts(periods_of(before, window, ("quotes", "price")))
    assert (gap.source, gap.column) == ("quotes", "price")
    assert gap.note.endswith("the median of price went from about 125 to about 186")


def test_an_amount_that_moves_by_a_little_everywhere_is_found_by_its_distribution_function():
    before = np.bincount(np.arange(6_000) % 60, minlength=80)
    window = np.bincount(np.arange(6_000) % 60 + 7, minlength=80)
    (gap,) = drifts(periods_of(before, window, ("hires", "amount")))
    assert "largest distance of the distribution functions 0.12" in gap.note


def test_amounts_at_zero_are_a_bin_of_their_own():
    at_zero = {"bin": "-1000000", "bin_index": -1_000_000}
    before = rows_of(("quotes", "price"), [500], "baseline")
    window = [row | at_zero for row in rows_of(("quotes", "price"), [500])]
    assert drifts(before + window)[0].note.endswith("the median of price went from about 1.03 to about 0")


def test_arms_nobody_declared_and_experiments_nobody_configured_are_left_out():
    rows = rows_of(("requests", "category"), [10, 990], variant="unknown")
    assert drifts([*rows, *rows_of(("requests", "category"), [990, 10], variant=CONTROL)]) == []
    assert drifts(arms_of([1_200, 4_500, 4_300], [1_830, 4_200, 3_970]), (experiment("another"),)) == []
    assert drifts([]) == []


def test_every_treatment_that_differs_is_told_in_one_gap():
    three = experiment(split={CONTROL: 0.4, "b": 0.3, "c": 0.3})
    rows = [
        *rows_of(("requests", "geo"), [500, 500], variant=CONTROL),
        *rows_of(("requests", "geo"), [700, 300], variant="b"),
        *rows_of(("requests", "geo"), [300, 700], variant="c"),
    ]
    (gap,) = drifts(rows, (three,))
    assert gap.note.index("b against control") < gap.note.index("c against control")


def test_of_several_experiments_the_furthest_baseline_is_told():
    experiments = (experiment("near"), experiment("far"))
    rows = [
        *periods_of([400, 600], [6_000, 4_000], owner="near"),
        *periods_of([100, 900], [6_000, 4_000], owner="far"),
    ]
    (gap,) = drifts(rows, experiments)
    assert gap.experiment is None
    assert gap.note.startswith("far's window")


def test_a_value_of_any_length_and_content_stays_one_short_line():
    rows = [
        row | {"bin": "<b>\n" + "x" * 500} if row["bin"] == "v0" else row
        for row in arms_of([10, 990], [500, 500])
    ]
    (gap,) = drifts(rows)
    assert "\n" not in gap.note
    assert len(gap.note) < 250


def clean_tables(rng):
    """A clean run's counts: 3,000 requests after a baseline of 300, two arms, quotes and hires."""
    rows = []
    for (source, name), shares in SHARES.items():
        sizes = {"requests": (300, 3_000), "quotes": (1_000, 10_000), "hires": (110, 360)}[source]
        rows += periods_of(*(rng.multinomial(n, shares) for n in sizes), (source, name))
        if source == "requests":
            treated = int(rng.binomial(3_000, 0.5))
            rows += arms_of(
                rng.multinomial(3_000 - treated, shares), rng.multinomial(treated, shares), (source, name)
            )
    return rows


def test_clean_tables_stay_silent():
    """1,000 clean runs at 0.1%: one alarm at most is expected, more than 5 would be by chance once in 1,600."""
    rng = np.random.default_rng(41)
    alarms = sum(bool(drifts(clean_tables(rng))) for _ in range(1_000))
    assert alarms <= stats.binom.isf(1e-3, 1_000, 0.001)


@pytest.mark.parametrize(("share", "least"), [(0.02, 12), (0.06, 20), (0.18, 20)])
def test_planted_moves_between_arms_of_a_usual_experiment_are_found(share, least):
    """Of 20 experiments of 40,000 requests, one kind of job grows by so many points in the treatment."""
    shares = CATEGORIES / CATEGORIES.sum()
    moved = (1 - share) * shares
    moved[4] += share
    rng = np.random.default_rng(42)
    tables = [(rng.multinomial(20_000, shares), rng.multinomial(20_000, moved)) for _ in range(20)]
    assert sum(bool(drifts(arms_of(*table))) for table in tables) >= least
