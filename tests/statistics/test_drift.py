"""Drift tests: held to scipy and to their definitions, quiet on equal distributions, awake on moved ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dagster_pipeline.statistics.drift import (
    MIN_EXPECTED,
    grouped_categories,
    grouped_in_order,
    homogeneity,
    psi,
    psi_critical,
    summed,
)

CATEGORIES = np.array([0.24, 0.16, 0.13, 0.11, 0.09, 0.07, 0.06, 0.05, 0.04, 0.025, 0.015, 0.01])
MANY = 1 / np.arange(1, 151) ** 1.1
COUNTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=30).filter(
    lambda pairs: all(sum(side) for side in zip(*pairs, strict=True))
)


def compared(reference, current):
    return homogeneity(reference, current, grouped_categories(reference, current))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(20, 900), st.integers(20, 900)), min_size=2, max_size=8))
def test_it_is_the_weaker_of_pearsons_and_the_likelihood_ratio_test(pairs):
    first, second = zip(*pairs, strict=True)
    found = homogeneity(first, second, tuple((n,) for n in range(len(pairs))))
    tests = [stats.chi2_contingency([first, second], correction=False, lambda_=name) for name in (1, 0)]
    assert found.p == pytest.approx(max(test.pvalue for test in tests), rel=1e-9)
    assert found.psi == pytest.approx(psi(first, second))
    assert found.critical(0.01) == pytest.approx(psi_critical(len(pairs), sum(first), sum(second), 0.01))


@settings(max_examples=200, deadline=None)
@given(COUNTS, st.sampled_from([grouped_categories, grouped_in_order]))
def test_bins_are_grouped_each_once_and_none_too_small(pairs, group):
    first, second = zip(*pairs, strict=True)
    grouping = group(first, second)
    places = [place for groups in grouping for place in groups]
    assert sorted(places) == [place for place, pair in enumerate(pairs) if sum(pair)]
    share = min(sum(first), sum(second)) / (sum(first) + sum(second))
    expected = [
        share * (a + b) for a, b in zip(summed(first, grouping), summed(second, grouping), strict=True)
    ]
    assert len(grouping) == 1 or min(expected) >= MIN_EXPECTED - 1e-9


@settings(max_examples=100, deadline=None)
@given(COUNTS)
def test_ordered_bins_are_grouped_with_their_neighbours_into_about_ten(pairs):
    first, second = zip(*pairs, strict=True)
    grouping = grouped_in_order(first, second)
    assert [place for groups in grouping for place in groups] == [
        p for p, pair in enumerate(pairs) if sum(pair)
    ]
    assert len(grouping) <= 10


def test_the_grouping_sees_no_difference_between_the_samples():
    """Groups that depended on which side holds what would be chosen by the difference they are to test."""
    found = grouped_categories([40, 3, 2, 30], [30, 2, 3, 40])
    assert found == ((0,), (3,), (1, 2))
    assert found == grouped_categories([40, 2, 3, 30], [30, 3, 2, 40])
    assert found == grouped_categories([30, 2, 3, 40], [40, 3, 2, 30])


def test_a_single_group_and_an_empty_side_compare_nothing():
    assert compared([4, 3], [2, 5]) is None
    assert compared([0, 0], [50, 50]) is None
    assert grouped_categories([0, 0], [0, 0]) == ()
    assert grouped_in_order([0, 0], [0, 0]) == ()
    assert grouped_in_order([1, 0], [2, 0]) == ((0,),)


@pytest.mark.parametrize(
    ("shares", "rows"),
    [(CATEGORIES, (3_000, 3_000)), (CATEGORIES, (100, 3_000)), (MANY, (400, 2_600)), (MANY, (1_500, 1_500))],
    ids=["twelve-equal", "twelve-lopsided", "many-lopsided", "many-equal"],
)
def test_it_alarms_no_more_often_than_it_says(shares, rows):
    """1,000 clean tables at 1%: 10 alarms are expected at most, 21 leave a chance of 1 in 1,000."""
    rng, shares = np.random.default_rng(17), shares / shares.sum()
    found = [compared(*(rng.multinomial(n, shares) for n in rows)) for _ in range(1_000)]
    assert sum(f.p < 0.01 for f in found) <= stats.binom.isf(1e-3, 1_000, 0.01)


def test_psi_alone_would_alarm_many_times_too_often_where_bins_are_small():
    """Why the decision is not PSI's own; if this fails, `homogeneity` can be simplified."""
    rng, shares = np.random.default_rng(18), CATEGORIES / CATEGORIES.sum()
    found = [compared(rng.multinomial(100, shares), rng.multinomial(3_000, shares)) for _ in range(2_000)]
    assert np.mean([f.psi > f.critical(0.001) for f in found]) > 0.004
    assert np.mean([f.p < 0.001 for f in found]) < 0.003


def test_clusters_taken_off_keep_the_level_and_left_in_do_not():
    """Every customer asks four times for the same: 300 rows are worth 75."""
    rng, shares = np.random.default_rng(19), CATEGORIES / CATEGORIES.sum()
    draws = [(4.0 * rng.multinomial(300, shares), 4.0 * rng.multinomial(500, shares)) for _ in range(500)]
    naive = sum(compared(a, b).p < 0.01 for a, b in draws)
    effective = sum(compared(a / 4, b / 4).p < 0.01 for a, b in draws)
    assert naive > 100
    assert effective <= stats.binom.isf(1e-3, 500, 0.01)


def test_a_moved_share_is_found_and_its_size_told():
    moved = compared([1_200, 8_800], [1_830, 8_170])
    assert moved.p < 1e-20
    assert moved.deviation == pytest.approx(0.063)
    assert moved.psi > moved.critical(0.001)


def test_a_value_that_is_new_is_found_with_a_finite_psi():
    found = compared([1_000, 0], [900, 100])
    assert math.isfinite(found.psi)
    assert found.p < 1e-20
