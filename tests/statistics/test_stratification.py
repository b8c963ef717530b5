"""Post-stratified effects: held to the formula on single units, and to what they are for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.statistics.evidence import Better, EffectKind, Metric, MetricKind, Moments
from dagster_pipeline.statistics.stratification import Stratum, post_stratified

MEAN = Metric("m", MetricKind.MEAN, Better.HIGHER, EffectKind.ABSOLUTE)
PERCENT = Metric("p", MetricKind.MEAN, Better.HIGHER, EffectKind.ABSOLUTE, scale=100)
RELATIVE = Metric("r", MetricKind.MEAN, Better.LOWER, EffectKind.RELATIVE)
RATIO = Metric("q", MetricKind.RATIO, Better.LOWER, EffectKind.ABSOLUTE)
VALUES = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def moments(y, d=None) -> Moments:
    """Sums where every unit is one request."""
    y = np.asarray(y, dtype=float)
    d = np.ones(len(y)) if d is None else np.asarray(d, dtype=float)
    return Moments(len(y), len(y), y.sum(), d.sum(), y @ y, d @ d, y @ d)


def stratum(treatment, control) -> Stratum:
    return Stratum(moments(treatment), moments(control))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=5))
def test_it_is_the_weighted_sum_of_the_strata_differences(world):
    total = sum(len(t) + len(c) for t, c in world)
    by_hand = sum((len(t) + len(c)) / total * (np.mean(t) - np.mean(c)) for t, c in world)
    strata = [stratum(t, c) for t, c in world]
    assert post_stratified(strata, MEAN).value == pytest.approx(by_hand, abs=1e-12)
    assert post_stratified(strata, PERCENT).value == pytest.approx(100 * by_hand, abs=1e-9)


def test_it_is_the_saturated_regression_of_statsmodels_averaged_over_the_common_mix():
    rng = np.random.default_rng(31)
    group, arm = rng.integers(0, 3, 900), rng.integers(0, 2, 900)
    y = rng.normal(group + arm * (1 + group), 1.0)
    cells = np.column_stack([(group == g) & (arm == a) for g in range(3) for a in (0, 1)]).astype(float)
    fitted = sm.OLS(y, cells).fit()
    shares = [np.mean(group == g) for g in range(3)]
    contrast = np.array([share * sign for share in shares for sign in (-1, 1)])
    found = post_stratified(
        [stratum(y[(group == g) & (arm == 1)], y[(group == g) & (arm == 0)]) for g in range(3)], MEAN
    )
    assert found.value == pytest.approx(float(contrast @ fitted.params))
    error = math.sqrt(found.treatment_variance + found.control_variance)
    robust = sm.OLS(y, cells).fit(cov_type="HC2")  # each cell's own variance, as here
    assert error == pytest.approx(math.sqrt(contrast @ robust.cov_params() @ contrast), rel=1e-6)


def test_a_difference_that_is_only_the_mix_vanishes():
    """Plumbing hires at 40% and painting at 10% in both arms; the treatment merely got more plumbing."""
    plumbing = stratum([1] * 240 + [0] * 360, [1] * 160 + [0] * 240)
    painting = stratum([1] * 40 + [0] * 360, [1] * 60 + [0] * 540)
    found = post_stratified([plumbing, painting], MEAN)
    naive = 280 / 1_000 - 220 / 1_000
    assert naive == pytest.approx(0.06)
    assert found.value == pytest.approx(0)


def test_a_relative_effect_is_of_the_standardised_levels():
    found = post_stratified([stratum([2, 2], [1]), stratum([6], [4, 4, 4])], RELATIVE)
    assert (found.treatment, found.control) == (
        pytest.approx(3 / 7 * 2 + 4 / 7 * 6),
        pytest.approx(3 / 7 * 1 + 4 / 7 * 4),
    )
    assert found.value == pytest.approx(found.treatment / found.control - 1)


def test_a_ratio_standardises_both_sums():
    first = Stratum(moments([1, 0], [2, 2]), moments([1], [4]))
    second = Stratum(moments([3], [5]), moments([0, 1, 1], [1, 1, 2]))
    found = post_stratified([first, second], RATIO)
    treatment = (3 / 7 * 0.5 + 4 / 7 * 3) / (3 / 7 * 2 + 4 / 7 * 5)
    control = (3 / 7 * 1 + 4 / 7 * 2 / 3) / (3 / 7 * 4 + 4 / 7 * 4 / 3)
    assert found.value == pytest.approx(treatment - control)


def test_its_variance_is_that_of_the_estimate_over_many_worlds():
    rng, sizes, values, variances = np.random.default_rng(32), (200, 100), [], []
    for _ in range(1_500):
        strata = [
            stratum(rng.random(n) < level + 0.1, rng.random(2 * n) < level)
            for n, level in zip(sizes, (0.2, 0.6), strict=True)
        ]
        found = post_stratified(strata, MEAN)
        values.append(found.value)
        variances.append(found.treatment_variance + found.control_variance)
    assert np.mean(values) == pytest.approx(0.1, abs=0.004)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.1)


def test_a_stratum_of_one_arm_compares_nothing_and_is_said():
    alone = Stratum(moments([5, 5]), moments([]))
    found = post_stratified([alone, stratum([1, 1], [0, 0])], MEAN)
    assert found.value == pytest.approx(1)
    assert found.covered == pytest.approx(4 / 6)
    assert post_stratified([alone], MEAN).value is None
    assert post_stratified([], MEAN).covered == 0


def test_a_quantile_has_no_sums_and_a_single_unit_no_spread():
    quantile = Metric("t", MetricKind.QUANTILE, Better.LOWER, EffectKind.RELATIVE, quantile=0.5)
    assert post_stratified([stratum([1, 2], [3, 4])], quantile).value is None
    single = post_stratified([stratum([1], [3, 4])], MEAN)
    assert (single.value, single.treatment_variance) == (pytest.approx(-2.5), None)
    assert post_stratified([Stratum(moments([1], [0]), moments([1], [1]))], RATIO).value is None
