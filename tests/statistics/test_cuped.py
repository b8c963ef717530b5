"""The adjusted levels against analysis of covariance on rows, the calibrated histogram against weighted rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from dagster_pipeline.statistics.cuped import Products, adjusted_arms, calibrated, common_mean, cuped
from dagster_pipeline.statistics.evidence import Cells, Moments
from dagster_pipeline.statistics.intervals import ratio_of_sums
from dagster_pipeline.statistics.quantiles import quantile
from dagster_pipeline.statistics.stratification import whole_counts

SEEDS = range(8)


def world(seed, sizes=(140, 90), p=3):
    """Units of two arms: their covariates, of which the arms' means differ, and an outcome that depends on them."""
    rng = np.random.default_rng(seed)
    arm = np.repeat([1, 0], sizes)
    x = rng.normal(size=(sum(sizes), p)) + 0.4 * arm[:, None]
    requests = 1 + rng.poisson(1.5, sum(sizes))
    y = requests * (3 + 0.7 * arm + x @ np.arange(1.0, p + 1)) + rng.normal(size=sum(sizes))
    return arm == 1, x, y, requests.astype(float)


def products(y, d, x):
    moments = Moments(len(y), int(d.sum()), y.sum(), d.sum(), y @ y, d @ d, y @ d)
    return Products(moments, x.sum(axis=0), x.T @ x, x.T @ y, x.T @ d)


def arms_of(treated, x, y, d):
    return products(y[treated], d[treated], x[treated]), products(y[~treated], d[~treated], x[~treated])


def ancova(treated, x, outcome):
    """The coefficient of the arm, and those of the covariates, fitted to rows."""
    design = np.column_stack([np.ones(len(outcome)), treated, x])
    fitted = OLS(outcome, design).fit()
    return fitted.params[1], fitted.params[2:]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_adjusted_difference_of_means_is_the_arms_coefficient_in_an_analysis_of_covariance(seed):
    treated, x, y, _ = world(seed)
    found = adjusted_arms(*arms_of(treated, x, y, np.ones(len(y))))
    effect, slopes = ancova(treated, x, y)
    assert found.treatment.value - found.control.value == pytest.approx(effect, abs=1e-9)
    assert found.theta == pytest.approx(slopes, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_ratio_is_adjusted_by_its_linearisation(seed):
    treated, x, y, d = world(seed)
    linear = np.empty(len(y))
    for own in (treated, ~treated):
        level = y[own].sum() / d[own].sum()
        linear[own] = level + (y[own] - level * d[own]) / d[own].mean()
    found = adjusted_arms(*arms_of(treated, x, y, d))
    effect, slopes = ancova(treated, x, linear)
    assert found.treatment.value - found.control.value == pytest.approx(effect, abs=1e-9)
    assert found.theta == pytest.approx(slopes, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_variances_are_those_of_the_residuals_within_each_arm(seed):
    treated, x, y, _ = world(seed)
    found = adjusted_arms(*arms_of(treated, x, y, np.ones(len(y))))
    left = [(y - x @ found.theta)[own] for own in (treated, ~treated)]
    assert [found.treatment.variance, found.control.variance] == pytest.approx(
        [r.var(ddof=1) / len(r) for r in left]
    )
    plain = sum(y[own].var(ddof=1) / own.sum() for own in (treated, ~treated))
    assert found.variance_ratio == pytest.approx(sum(r.var(ddof=1) / len(r) for r in left) / plain)
    assert 0 < found.variance_ratio < 0.9


def test_one_covariate_leaves_what_the_plain_formula_says_it_leaves():
    treated, x, y, _ = world(3, p=1)
    arm = products(y[treated], np.ones(treated.sum()), x[treated])
    alone = cuped(Moments(arm.moments.units, arm.moments.n, arm.moments.y, arm.x[0], arm.moments.yy, arm.xx[0, 0], arm.yx[0]))  # fmt: skip
    found = adjusted_arms(arm, arm)
    assert found.theta[0] == pytest.approx(alone.theta)
    assert found.variance_ratio == pytest.approx(alone.variance_ratio)


def test_the_covariates_origin_does_not_matter():
    treated, x, y, d = world(5)
    here, there = (adjusted_arms(*arms_of(treated, x + shift, y, d)) for shift in (0.0, 7.0))
    assert here.treatment.value == pytest.approx(there.treatment.value)
    assert here.control.variance == pytest.approx(there.control.variance)


def test_arms_alike_beforehand_keep_their_levels():
    treated, x, y, d = world(6, sizes=(60, 60))
    x[~treated] = x[treated]
    t, c = arms_of(treated, x, y, d)
    found = adjusted_arms(t, c)
    assert found.treatment.value == pytest.approx(ratio_of_sums(t.moments).value)
    assert found.control.value == pytest.approx(ratio_of_sums(c.moments).value)


def test_a_covariate_without_spread_or_that_follows_from_another_adjusts_nothing():
    treated, x, y, d = world(7)
    doubled = np.column_stack([x, 2 * x[:, 0] - x[:, 1], np.ones(len(y))])
    known, more = (adjusted_arms(*arms_of(treated, columns, y, d)) for columns in (x, doubled))
    assert more.treatment.value == pytest.approx(known.treatment.value)
    assert more.variance_ratio == pytest.approx(known.variance_ratio)
    nothing = adjusted_arms(*arms_of(treated, np.ones((len(y), 2)), y, d))
    assert (nothing.variance_ratio, *nothing.theta) == (1, 0, 0)


def test_outcomes_that_do_not_vary_stay_as_they_are():
    treated, x, _, d = world(1)
    found = adjusted_arms(*arms_of(treated, x, np.zeros(len(d)), d))
    assert (found.treatment.value, found.treatment.variance, found.variance_ratio) == (0, 0, 1)


@pytest.mark.parametrize("few", [0, 1])
def test_an_arm_of_one_unit_or_without_a_denominator_is_not_adjusted(few):
    treated, x, y, d = world(2)
    whole, other = arms_of(treated, x, y, d)
    lone = products(y[:1], d[:1], x[:1]) if few else products(y[:9], np.zeros(9), x[:9])
    assert adjusted_arms(whole, lone) is None
    assert adjusted_arms(lone, other) is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("q", [0.5, 0.9])
def test_a_calibrated_quantile_is_the_weighted_rows(seed, q):
    treated, x, y, _ = world(seed)
    y[y > np.quantile(y, 0.95)] = np.inf
    t, c = arms_of(treated, x, np.zeros(len(y)), np.ones(len(y)))
    centre = common_mean(t, c)
    values, own = y[treated], x[treated]
    cells = Cells(values, values, np.ones(len(values)), np.full(len(values), 1000))
    # A thousand requests to every row leave the rounding to whole requests without effect.
    found = calibrated(cells, 1000 * own, t, centre)
    weights = 1 + (own - own.mean(axis=0)) @ np.linalg.solve(
        np.cov(own.T, bias=True), centre - own.mean(axis=0)
    )
    assert weights @ own / weights.sum() == pytest.approx(centre)
    weights = np.maximum(weights, 0)
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    assert quantile(found, q)[0] == values[order][np.searchsorted(below, q)]


def test_a_histogram_at_its_own_mean_stays_as_it_is():
    treated, x, y, _ = world(4)
    arm = products(np.zeros(treated.sum()), np.ones(treated.sum()), x[treated])
    cells = Cells(y[treated], y[treated] + 1, np.ones(treated.sum()), np.ones(treated.sum(), dtype=np.int64))
    found = calibrated(cells, x[treated], arm, arm.mean)
    assert (found.count == 1).all()
    assert (found.low == cells.low).all()
    assert (found.high == cells.high).all()


def test_whole_counts_keep_every_sum_within_half_a_request():
    rng = np.random.default_rng(9)
    values, weights = rng.permutation(400).astype(float), rng.random(400)
    counts = whole_counts(values, weights)
    assert counts.min() >= 0
    order = np.argsort(values)
    assert np.abs(np.cumsum(counts[order]) - np.cumsum(weights[order])).max() <= 0.5


def test_bins_of_one_request_lose_their_share_of_weight():
    """Each rounded on its own, 0.9 of a request would be a whole one, and no weight would ever tell."""
    assert whole_counts(np.arange(1_000.0), np.full(1_000, 0.9)).sum() == 900


def test_infinite_values_are_the_last_to_be_counted():
    assert list(whole_counts(np.array([math.inf, 1.0, 2.0]), np.array([0.6, 0.6, 0.6]))) == [1, 1, 0]
