"""Is a log a sample of what happened? Held to its error rate, and to what was declared."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dagster_pipeline.statistics.sampled_logging import contradiction, undersampled, undersampled_arms


@pytest.mark.parametrize("true_rate", [0.9, 0.93, 0.99, 1.0])
def test_of_a_thousand_logs_that_hold_enough_none_or_one_is_called_a_sample(true_rate):
    """Two arms share 0.001: even at a true rate of exactly 0.9 a thousand logs give one alarm on average."""
    rng = np.random.default_rng(51)
    called = 0
    for _ in range(1000):
        n = rng.integers(0, 5_000, 2)
        pairs = {arm: (int(m), int(k)) for arm, m, k in zip("ab", n, rng.binomial(n, true_rate), strict=True)}
        called += bool(undersampled_arms(pairs))
    assert called <= (3 if true_rate == 0.9 else 0)


@pytest.mark.parametrize(("n", "rate"), [(50, 0.1), (300, 0.75), (2_000, 0.85), (1_000_000, 0.89)])
def test_a_sample_is_found(n, rate):
    assert undersampled(n, round(n * rate))


@pytest.mark.parametrize(
    ("n", "logged"), [(0, 0), (2, 0), (10, 8), (100, 89), (1000, 900), (10**9, 9 * 10**8)]
)
def test_too_few_pairs_or_enough_of_them_logged_is_no_sample(n, logged):
    assert not undersampled(n, logged)


def test_the_limit_of_significance_is_the_exact_binomial():
    n = 400
    most = max(k for k in range(n) if undersampled(n, k))
    assert stats.binom.cdf(most, n, 0.9) < 0.001 <= stats.binom.cdf(most + 1, n, 0.9)


def test_arms_share_the_level():
    """p = 0.0008: enough alone, not as one of two."""
    n, logged = 400, 339
    assert 0.0005 < stats.binom.cdf(logged, n, 0.9) < 0.001
    assert undersampled_arms({"a": (n, logged)}) == {"a"}
    assert undersampled_arms({"a": (n, logged), "b": (n, n)}) == frozenset()


def test_a_declared_rate_is_contradicted_by_far_and_significant_only():
    assert contradiction(10_000, 1_020, 0.1) is None  # chance
    assert contradiction(100_000_000, 10_050_000, 0.1) is None  # certain, and too little to move a weight
    assert contradiction(10_000, 2_000, 0.1) < 1e-9
    assert contradiction(10_000, 500, 0.1) < 1e-9
    assert contradiction(0, 0, 0.1) is None


def test_a_few_lost_events_do_not_contradict_that_everything_is_logged():
    assert contradiction(10_000, 9_500, 1.0) is None
    assert contradiction(10_000, 8_000, 1.0) < 1e-9


def test_more_logged_than_happened_is_an_error():
    for test in (undersampled, lambda n, k: contradiction(n, k, 0.5)):
        with pytest.raises(ValueError, match="logged must lie"):
            test(5, 6)
