"""The exact interval of a share against published figures and its own definition."""

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.statistics.binomial import exact_interval


@pytest.mark.parametrize(
    ("held", "n", "confidence", "expected"),
    [
        # Nothing seen in n: 1 - (α/2)^(1/n).
        (0, 10, 0.95, (0.0, 0.3085)),
        (10, 10, 0.95, (0.6915, 1.0)),
        # As R's binom.test gives it.
        (8, 10, 0.95, (0.4439, 0.9748)),
        (0, 0, 0.90, (0.0, 1.0)),
    ],
)
def test_known_limits(held, n, confidence, expected):
    assert exact_interval(held, n, confidence) == pytest.approx(expected, abs=5e-5)


def chance(counts, n, share):
    """How likely any of the counts is among n cases of that share, term by term."""
    return sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in counts)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_at_its_limits_what_was_seen_is_just_as_rare_as_the_confidence_says(case):
    held, n = case
    lower, upper = exact_interval(held, n, 0.90)
    assert lower <= held / n <= upper
    if held:
        assert chance(range(held, n + 1), n, lower) == pytest.approx(0.05, rel=1e-6)
    if held < n:
        assert chance(range(held + 1), n, upper) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(("held", "n", "confidence"), [(-1, 3, 0.9), (4, 3, 0.9), (1, 3, 0.0), (1, 3, 1.0)])
def test_counts_that_cannot_be_are_refused(held, n, confidence):
    with pytest.raises(ValueError, match="no interval"):
        exact_interval(held, n, confidence)
