"""Ratio, drift, defect-rate and survival tests: held to scipy and to their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dagster_pipeline.statistics.cuped import cuped
from dagster_pipeline.statistics.differential import differential
from dagster_pipeline.statistics.drift import ks_of_counts, psi, psi_critical
from dagster_pipeline.statistics.evidence import Moments
from dagster_pipeline.statistics.imbens_manski import critical_value, imbens_manski
from dagster_pipeline.statistics.seeds import stable_generator
from dagster_pipeline.statistics.srm import min_detectable_loss, srm, srm_sequential
from dagster_pipeline.statistics.survival import kaplan_meier

HALVES = {"treatment": 0.5, "control": 0.5}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(20, 5_000), min_size=2, max_size=4))
def test_ratio_test_is_scipys_chi_square(counts):
    arms = [f"arm{i}" for i in range(len(counts))]
    found = srm(dict(zip(arms, counts, strict=True)), dict.fromkeys(arms, 1 / len(arms)))
    expected = stats.chisquare(counts)
    assert (found.chi2, found.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert found.units == sum(counts)


def test_ratio_test_needs_both_significance_and_a_deviation_that_matters():
    assert srm({"treatment": 600, "control": 400}, HALVES).fired
    assert not srm({"treatment": 502, "control": 498}, HALVES).fired
    huge = srm({"treatment": 50_040_000, "control": 49_960_000}, HALVES)
    assert huge.p < 1e-6
    assert not huge.fired  # 0.04 points off in a hundred million: significant, and too small to matter


def test_ratio_test_keeps_quiet_on_a_handful_and_on_nobody():
    assert srm({"treatment": 8, "control": 0}, HALVES).p is None
    nobody = srm({}, HALVES)
    assert (nobody.p, nobody.fired, nobody.deviation) == (None, False, 0.0)


def test_one_unit_in_an_arm_of_zero_weight_refutes_the_design_and_an_unknown_arm_is_an_error():
    split = {"treatment": 0.5, "control": 0.5, "ghost": 0.0}
    assert srm({"treatment": 500, "control": 500}, split).df == 1
    haunted = srm({"treatment": 500, "control": 500, "ghost": 3}, split)
    assert haunted.fired
    assert haunted.unexpected == 3
    with pytest.raises(ValueError, match="without a design share"):
        srm({"other": 3}, HALVES)


def test_sequential_ratio_test_may_be_looked_at_daily():
    rng, fired = np.random.default_rng(7), 0
    for _ in range(300):
        days = rng.binomial(1_000, 0.5, size=28)
        fired += srm_sequential([(int(d), 1_000 - int(d)) for d in days], [0.5, 0.5])[-1] < 0.05
    assert fired / 300 <= 0.05
    broken = srm_sequential([(530, 470)] * 28, [0.5, 0.5])
    assert broken[-1] < 0.001
    assert list(broken) == sorted(broken, reverse=True)


def test_a_loss_below_the_blind_spot_is_found_less_often_than_promised():
    spot = min_detectable_loss(20_000)
    rng = np.random.default_rng(8)

    def power(loss: float) -> float:
        t = rng.binomial(10_000, 1 - loss, size=400)
        return float(np.mean([srm({"treatment": int(n), "control": 10_000}, HALVES).p < 0.001 for n in t]))

    assert power(spot.one_arm_loss * 1.3) > 0.9
    assert power(spot.one_arm_loss * 0.5) < 0.9


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 40), st.integers(1, 200), st.integers(0, 40), st.integers(1, 200))
def test_defect_rates_are_compared_by_the_plain_chi_square(a, more_a, b, more_b):
    found = differential({"treatment": (a, a + more_a), "control": (b, b + more_b)})
    if a + b == 0:
        assert found.p is None
        assert not found.differential
        return
    expected = stats.chi2_contingency([[a, more_a], [b, more_b]], correction=False)
    assert (found.chi2, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_more_defects_than_rows_is_an_error():
    with pytest.raises(ValueError, match="defective rows"):
        differential({"treatment": (5, 4), "control": (0, 4)})


def test_psi_exceeds_its_critical_value_as_rarely_as_it_says():
    rng, shares, limit = np.random.default_rng(9), [0.4, 0.3, 0.2, 0.1], psi_critical(4, 5_000, 2_000, 0.05)
    draws = [psi(rng.multinomial(5_000, shares), rng.multinomial(2_000, shares)) for _ in range(800)]
    assert 0.03 <= np.mean(np.array(draws) > limit) <= 0.07


def test_psi_is_nought_for_equal_shares_and_finite_for_an_empty_bin():
    assert psi([10, 20], [1, 2]) == pytest.approx(0)
    assert math.isfinite(psi([10, 0], [5, 5]))
    with pytest.raises(ValueError, match="same bins"):
        psi([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="at least one"):
        psi([0, 0], [1, 2])


def test_ks_of_bins_has_the_gap_of_the_raw_values():
    rng = np.random.default_rng(10)
    x, y = rng.integers(0, 20, 500), rng.integers(0, 20, 400) // 2
    found = ks_of_counts(np.bincount(x, minlength=20), np.bincount(y, minlength=20))
    assert found.statistic == pytest.approx(stats.ks_2samp(x, y).statistic)
    assert found.p < 1e-6


def test_survival_without_censoring_is_the_plain_share():
    times = np.array([1.0, 2.0, 2.0, 5.0])
    found = kaplan_meier(times, np.ones(4), np.ones(4), 2.0)
    assert found.survival == pytest.approx(0.25)
    assert found.error == pytest.approx(math.sqrt(0.25 * 0.75 / 4))
    gone = kaplan_meier(times, np.ones(4), np.ones(4), 9.0)
    assert gone.survival == 0
    assert math.isnan(gone.error)


def test_a_covariate_takes_out_what_it_explains():
    rng = np.random.default_rng(11)
    x = rng.normal(0, 1, 4_000)
    y = 2 * x + rng.normal(0, 1, 4_000)
    n = len(x)
    found = cuped(Moments(n, n, y.sum(), x.sum(), (y * y).sum(), (x * x).sum(), (x * y).sum()))
    assert found.theta == pytest.approx(2, abs=0.1)
    assert found.variance_ratio == pytest.approx(0.2, abs=0.03)
    assert found.adjusted(1.0, 0.1, 0.0) == pytest.approx(1.0 - 0.1 * found.theta)
    assert cuped(Moments(3, 3, 6, 3, 14, 3, 6)).variance_ratio == 1


def test_display_interval_runs_from_the_two_sided_to_the_one_sided_limit():
    assert critical_value(0.0, 0.90) == pytest.approx(1.6449, abs=1e-4)
    assert critical_value(50.0, 0.90) == pytest.approx(1.2816, abs=1e-4)
    point = imbens_manski(0.1, 0.1, 0.0, 0.0, 0.90)
    assert (point.lower, point.upper) == (0.1, 0.1)
    with pytest.raises(ValueError, match="negative"):
        critical_value(-1, 0.90)


def test_random_streams_are_seeded_by_what_is_drawn():
    first, again, other = (stable_generator("a", 1), stable_generator("a", 1), stable_generator("a", 2))
    draws = [generator.random() for generator in (first, again, other)]
    assert draws[0] == draws[1] != draws[2]
