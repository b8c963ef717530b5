"""δ* is the share of a gap's region that flips a rule, and every later word on severity follows from it."""

from __future__ import annotations

import pytest
from brief_rules import Criterion, Guardrail, hires, tickets, ttfq
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dagster_pipeline.criteria.delta_star import break_even, delta_star, flip, most_pressing
from dagster_pipeline.criteria.evaluate import base_outcome, joint_outcome
from dagster_pipeline.criteria.rules import criterion_rule, guardrail_rule
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.statistics.evidence import Better, Estimate, Region

GOOD = Estimate(0.005, -0.001, 0.011)


def test_it_is_the_distance_to_the_threshold_as_a_share_of_the_distance_to_the_worse_end():
    found = flip(hires(), GOOD, Region(-0.02, 0.03, -0.031, 0.041))
    assert found.share == pytest.approx((-0.001 + 0.010) / (-0.001 + 0.031))
    assert found.flips
    far = flip(hires(), GOOD, Region(0.004, 0.006, -0.004, 0.012))
    assert far.share == pytest.approx(3.0)
    assert far.moves
    assert not far.flips


def test_a_lower_is_better_metric_is_threatened_from_above():
    found = flip(ttfq(), Estimate(-0.18, -0.25, -0.12), Region(-0.3, -0.08, -0.4, -0.02))
    assert found.share == pytest.approx((0.12 - 0.05) / (0.12 - 0.02))


def test_a_guardrail_counts_the_regions_end_and_its_bound_whichever_gives_way_first():
    estimate = Estimate(0.02, -0.05, 0.09)
    assert delta_star(tickets(), estimate, Region(0.0, 0.06, -0.1, 0.15)) == pytest.approx(0.08 / 0.04)
    bounded = guardrail_rule(Guardrail("m", max_increase=0.10, max_bound=0.12), Better.LOWER)
    assert delta_star(bounded, estimate, Region(0.0, 0.06, -0.1, 0.15)) == pytest.approx(0.03 / 0.06)


def test_a_gap_that_can_only_help_or_leaves_a_point_has_none():
    assert delta_star(hires(), GOOD, Region(0.006, 0.02, 0.0, 0.03)) is None
    point = flip(hires(), GOOD, Region(0.005, 0.005, -0.0011, 0.0111))  # another method's limit, no bias
    assert point.share is None
    assert not point.moves


def test_an_end_without_a_limit_is_unidentified_only_where_it_threatens():
    assert flip(hires(), GOOD, Region(None, 0.02, None, 0.03)).unidentified
    assert not flip(hires(), GOOD, Region(0.004, None, -0.002, None)).unidentified
    assert flip(hires(), Estimate(None, reason="no requests"), Region(0.0, 0.1, 0.0, 0.1)).unidentified


def test_where_the_rule_fails_it_is_the_share_of_the_best_case_that_would_make_it_pass():
    bad = Estimate(-0.009, -0.015, -0.003)
    found = flip(hires(), bad, Region(-0.02, 0.011, -0.026, 0.017))
    needed = max(0.004 / 0.020, 0.005 / 0.020)
    assert found.share == pytest.approx(needed)
    assert found.base is Outcome.FAILED
    assert flip(hires(), bad, Region(-0.02, -0.010, -0.03, -0.004)).share is None
    assert flip(hires(), bad, Region(-0.02, None, -0.03, None)).unidentified


def test_the_most_pressing_is_the_unidentified_then_the_smallest():
    near = flip(hires(), GOOD, Region(-0.02, 0.03, -0.031, 0.041))
    far = flip(hires(), GOOD, Region(0.004, 0.006, -0.004, 0.012))
    open_end = flip(hires(), GOOD, Region(None, 0.02, None, 0.03))
    still = flip(hires(), GOOD, Region(0.006, 0.02, 0.0, 0.03))
    assert most_pressing([far, near, still]) is near
    assert most_pressing([far, open_end, near]) is open_end
    assert most_pressing([still]) is None


def test_break_even_share_scales_the_residual_share():
    assert break_even(0.06, 0.71) == pytest.approx(0.0426)
    assert break_even(0.06, None) is None


numbers = st.floats(-0.3, 0.3)


@settings(max_examples=300, deadline=None)
@given(
    numbers,
    st.floats(0, 0.1),
    numbers,
    numbers,
    st.floats(0, 0.1),
    st.sampled_from(list(Better)),
    st.booleans(),
)
def test_a_share_of_at_most_one_is_exactly_a_joint_failure(value, half, a, b, error, better, guarded):
    """δ* ≤ 1 and a failing joint rule are one statement: the gate and the register can't disagree."""
    rule = (
        guardrail_rule(Guardrail("m", max_increase=0.05, max_decrease=0.05, max_bound=0.1), better)
        if guarded
        else criterion_rule(Criterion("m", min_improvement=-0.1, min_bound=-0.15), better)
    )
    estimate = Estimate(value, value - half, value + half)
    lower, upper = min(a, b, value), max(a, b, value)
    region = Region(lower, upper, lower - half - error, upper + half + error)
    assume(base_outcome(rule, estimate) is Outcome.PASSED)
    found = flip(rule, estimate, region)
    if joint_outcome(rule, region) is Outcome.FAILED:
        # A region whose end is the estimate fails by its sampling error alone: that is not the gap's doing.
        assert found.flips or min(value - lower, upper - value) <= 1e-12
    else:
        assert found.share is None or found.share >= 1 - 1e-9


@settings(max_examples=150, deadline=None)
@given(st.floats(0.0, 0.05), st.floats(0.0, 0.2), st.floats(0.0, 0.2))
def test_a_wider_region_never_has_a_larger_share(shift, more, half):
    estimate = Estimate(0.1, 0.1 - half / 4, 0.1 + half / 4)
    rule = criterion_rule(Criterion("m", min_bound=-0.05), Better.HIGHER)
    small = Region(0.1 - shift, 0.1, 0.1 - shift - half / 4, 0.1)
    large = Region(0.1 - shift - more, 0.1, 0.1 - shift - more - half / 4, 0.1)
    first, second = (delta_star(rule, estimate, region) for region in (small, large))
    if first is not None:
        assert second <= first + 1e-9


def test_the_linear_break_even_share_is_near_the_exact_one():
    """Outcomes missing in both arms of 20,000: at 0.949268% the gate limit meets the threshold exactly."""

    def limits(missing: float) -> Region:
        low, high = 0.125 * (1 - missing), 0.12 * (1 - missing) + missing
        error = 1.6448536 * ((low * (1 - low) + high * (1 - high)) / 20_000) ** 0.5
        return Region(low - high, 1.0, low - high - error, 1.0)

    rule = criterion_rule(Criterion("hire_rate_7d", min_bound=-0.010), Better.HIGHER)
    estimate = Estimate(0.005, limits(0.0).gate_lower, 0.011)
    for residual in (0.01, 0.02, 0.06):
        found = break_even(residual, delta_star(rule, estimate, limits(residual)))
        assert found == pytest.approx(0.00949268, rel=0.05)
