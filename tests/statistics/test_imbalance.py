"""The imbalance test: held to the permutations it stands for, quiet however skew the covariate is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dagster_pipeline.statistics.imbalance import Covariate, imbalance


def sums(values) -> Covariate:
    x = np.asarray(values, dtype=float)
    return Covariate(len(x), x.sum(), (x**2).sum(), (x**3).sum())


def test_its_variance_and_skew_are_those_of_every_permutation():
    """30 and 34 units: the moments of the difference over 200,000 draws of the arms."""
    rng = np.random.default_rng(21)
    x = rng.gamma(0.5, 2.0, 64)
    order = rng.permuted(np.broadcast_to(x, (200_000, 64)), axis=1)
    differences = order[:, :30].mean(axis=1) - order[:, 30:].mean(axis=1)
    found = imbalance(sums(x[:30]), sums(x[30:]))
    assert found.z == pytest.approx((x[:30].mean() - x[30:].mean()) / differences.std(), rel=0.01)
    beyond = np.mean(np.abs(differences) >= abs(x[:30].mean() - x[30:].mean()))
    assert found.p == pytest.approx(beyond, abs=0.02)


def test_units_that_are_alike_or_too_few_tell_nothing():
    assert imbalance(sums([1.0] * 50), sums([1.0] * 60)) is None
    assert imbalance(sums([0.0] * 50), sums([0.0] * 60)) is None
    assert imbalance(sums(range(29)), sums(range(500))) is None
    assert imbalance(sums(range(30)), sums(range(500))) is not None


def test_arms_with_the_same_mean_have_a_p_of_one_and_order_is_only_a_sign():
    even = imbalance(sums([0, 1] * 40), sums([0, 1] * 90))
    assert (even.z, even.p) == (0, 1)
    there, back = (imbalance(*pair) for pair in ((sums(range(40)), sums(range(70))),
                                                 (sums(range(70)), sums(range(40)))))  # fmt: skip
    assert there.p == back.p
    assert there.z == -back.z
    assert (there.treatment, there.control) == (19.5, 34.5)


def test_a_far_tail_keeps_its_size():
    found = imbalance(sums([0, 1] * 5_000), sums([0, 0, 0, 1] * 2_500))
    assert 0 < found.p < 1e-200


def covariates(rng, kind, n):
    """Clean covariates of a kind; "guest" has one customer that all anonymous requests go by."""
    if kind == "rare":
        return (rng.random(n) < 0.05).astype(float)
    if kind == "log counts":
        return np.log1p(np.floor(rng.pareto(1.2, n)))
    if kind == "guest":
        return np.where(rng.random(n) < 0.01, np.log1p(10_000), np.log1p(rng.poisson(0.4, n)))
    return rng.beta(0.3, 2.0, n)


@pytest.mark.parametrize("kind", ["rare", "log counts", "guest", "shares"])
@pytest.mark.parametrize("split", [0.5, 0.1], ids=["halves", "a-tenth"])
def test_it_alarms_no_more_often_than_it_says(kind, split):
    """4,000 clean experiments of 400 units at 0.5%: 20 alarms at most are expected, 35 leave 1 chance in 1,000."""
    rng, alarms = np.random.default_rng(22), 0
    for _ in range(4_000):
        x, treated = covariates(rng, kind, 400), rng.random(400) < split
        found = imbalance(sums(x[treated]), sums(x[~treated]))
        alarms += found is not None and found.p < 0.005
    assert alarms <= stats.binom.isf(1e-3, 4_000, 0.005)


def test_welchs_test_would_alarm_where_a_rare_outcome_is_absent_from_a_small_arm():
    """Why it is not Welch's; if this fails, use scipy's."""
    rng = np.random.default_rng(23)
    few, many = rng.random((1_000, 32)) < 0.1, rng.random((1_000, 400)) < 0.1
    welch = stats.ttest_ind(few, many, axis=1, equal_var=False).pvalue < 1e-3
    ours = [imbalance(sums(a), sums(b)).p < 1e-3 for a, b in zip(few, many, strict=True)]
    assert welch.sum() > 10
    assert sum(ours) <= stats.binom.isf(1e-3, 1_000, 1e-3)


def test_an_arm_that_was_better_before_is_found():
    rng = np.random.default_rng(24)
    assert imbalance(sums(rng.random(3_000) < 0.17), sums(rng.random(3_000) < 0.12)).p < 1e-4
