"""The brief's thresholds become raw conditions, whichever way the metric improves."""

from __future__ import annotations

import pytest
from brief_rules import Criterion, Guardrail, hires, tickets, ttfq
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.config.brief import Criterion as ConfigCriterion
from dagster_pipeline.config.brief import Guardrail as ConfigGuardrail
from dagster_pipeline.criteria.evaluate import base_outcome, gate_limit, joint_outcome, threshold
from dagster_pipeline.criteria.rules import (
    Condition,
    Quantity,
    Side,
    criterion_rule,
    guardrail_rule,
)
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.statistics.evidence import Better, Estimate, Region

ESTIMATE, LIMIT = Quantity.ESTIMATE, Quantity.LIMIT


def test_a_lower_is_better_criterion_asks_for_a_raw_effect_below_zero():
    assert ttfq().conditions == (Condition(ESTIMATE, Side.UPPER, -0.10), Condition(LIMIT, Side.UPPER, -0.05))


def test_a_higher_is_better_criterion_keeps_its_signs():
    assert hires().conditions == (
        Condition(ESTIMATE, Side.LOWER, -0.005),
        Condition(LIMIT, Side.LOWER, -0.010),
    )


def test_a_guardrail_is_raw_and_its_bound_guards_the_limited_sides():
    both = guardrail_rule(Guardrail("m", max_increase=0.1, max_decrease=0.2, max_bound=0.3), Better.HIGHER)
    assert {(found.quantity, found.side, found.threshold) for found in both.conditions} == {
        (ESTIMATE, Side.UPPER, 0.1),
        (ESTIMATE, Side.LOWER, -0.2),
        (LIMIT, Side.UPPER, 0.3),
        (LIMIT, Side.LOWER, -0.3),
    }


@pytest.mark.parametrize(
    ("better", "side", "limit"), [(Better.LOWER, Side.UPPER, 0.3), (Better.HIGHER, Side.LOWER, -0.3)]
)
def test_a_bound_alone_guards_the_side_that_is_worse(better, side, limit):
    assert guardrail_rule(Guardrail("m", max_bound=0.3), better).conditions == (
        Condition(LIMIT, side, limit),
    )


def test_rules_take_the_configurations_own_types():
    from_config = criterion_rule(
        ConfigCriterion(metric="ttfq_median", min_improvement=0.10, min_bound=0.05), Better.LOWER
    )
    assert from_config == ttfq()
    assert (
        guardrail_rule(
            ConfigGuardrail(metric="support_tickets_per_100_requests", max_increase=0.10), Better.LOWER
        )
        == tickets()
    )


def test_a_rule_without_a_limit_is_an_error_and_never_a_pass():
    with pytest.raises(ValueError, match="sets no limit"):
        criterion_rule(Criterion("m"), Better.HIGHER)
    with pytest.raises(ValueError, match="sets no limit"):
        guardrail_rule(Guardrail("m"), Better.HIGHER)


@pytest.mark.parametrize(
    ("value", "ci_upper", "outcome"),
    [
        (-0.18, -0.12, Outcome.PASSED),
        (-0.10, -0.05, Outcome.PASSED),
        (-0.09, -0.06, Outcome.FAILED),
        (-0.18, -0.04, Outcome.FAILED),
        (0.18, 0.12, Outcome.FAILED),
        (None, None, Outcome.MISSING),
        (-0.18, None, Outcome.MISSING),
    ],
)
def test_base_holds_the_estimate_and_its_limit_to_their_thresholds(value, ci_upper, outcome):
    assert base_outcome(ttfq(), Estimate(value, -0.5, ci_upper)) is outcome


def test_nothing_measured_is_missing():
    assert base_outcome(ttfq(), None) is Outcome.MISSING
    assert joint_outcome(ttfq(), None) is Outcome.MISSING


def test_thresholds_are_inclusive_up_to_rounding():
    rule = criterion_rule(Criterion("m", min_improvement=0.1), Better.HIGHER)
    assert base_outcome(rule, Estimate(0.3 - 0.2)) is Outcome.PASSED  # 0.09999999999999998
    assert base_outcome(rule, Estimate(0.0999999)) is Outcome.FAILED


def test_jointly_a_criterion_is_held_to_its_bound_at_the_regions_worse_end():
    fine, short = Region(-0.02, 0.03, -0.009, 0.04), Region(-0.02, 0.03, -0.011, 0.04)
    assert joint_outcome(hires(), fine) is Outcome.PASSED
    assert joint_outcome(hires(), short) is Outcome.FAILED
    assert joint_outcome(hires(), Region(None, 0.03, None, 0.04, "unbounded")) is Outcome.MISSING
    assert joint_outcome(hires(), Region(-0.001, None, -0.002, None, "unbounded")) is Outcome.PASSED


def test_jointly_a_criterion_without_a_bound_is_held_to_its_estimates_threshold():
    rule = criterion_rule(Criterion("m", min_delta=0.0), Better.HIGHER)
    assert joint_outcome(rule, Region(0.001, 0.1, -0.5, 0.6)) is Outcome.PASSED
    assert joint_outcome(rule, Region(-0.001, 0.1, -0.5, 0.6)) is Outcome.FAILED


def test_jointly_a_guardrail_is_held_to_the_regions_worse_end_and_to_its_bound():
    assert joint_outcome(tickets(), Region(-0.1, 0.09, -0.2, 0.5)) is Outcome.PASSED
    assert joint_outcome(tickets(), Region(-0.1, 0.11, -0.2, 0.5)) is Outcome.FAILED
    bounded = guardrail_rule(Guardrail("m", max_increase=0.10, max_bound=0.20), Better.LOWER)
    assert joint_outcome(bounded, Region(-0.1, 0.09, -0.2, 0.5)) is Outcome.FAILED


def test_gate_limit_is_the_raw_number_held_to_the_bound():
    estimate, region = Estimate(-0.18, -0.25, -0.12), Region(-0.3, -0.1, -0.4, -0.04)
    assert gate_limit(ttfq(), estimate) == -0.12
    assert gate_limit(ttfq(), region=region) == -0.04
    assert gate_limit(tickets(), region=region) == -0.1
    assert gate_limit(ttfq()) is None


def test_the_threshold_shown_is_the_one_that_fails_else_the_estimates():
    assert threshold(ttfq(), Estimate(-0.18, -0.25, -0.12)) == -0.10
    assert threshold(ttfq(), Estimate(-0.18, -0.25, -0.04)) == -0.05
    assert threshold(ttfq(), None) == -0.10
    bound_only = criterion_rule(Criterion("m", min_bound=0.0), Better.HIGHER)
    assert threshold(bound_only, Estimate(0.1, 0.05, 0.2)) == 0.0


effects = st.floats(-0.5, 0.5)


@settings(max_examples=150, deadline=None)
@given(effects, effects, effects, st.floats(0, 0.3), st.sampled_from(list(Better)), st.booleans())
def test_a_worse_figure_never_turns_a_failure_into_a_pass(value, low, high, worse, better, jointly):
    rules = [
        criterion_rule(Criterion("m", min_improvement=0.02, min_bound=-0.01), better),
        guardrail_rule(Guardrail("m", max_bound=0.1), better),
    ]
    step = -worse if better is Better.HIGHER else worse
    low, high = min(low, high), max(low, high)
    for rule in rules:
        if jointly:
            before = joint_outcome(rule, Region(low, high, low - 0.01, high + 0.01))
            after = joint_outcome(
                rule,
                Region(
                    low + min(step, 0),
                    high + max(step, 0),
                    low - 0.01 + min(step, 0),
                    high + 0.01 + max(step, 0),
                ),
            )
        else:
            before = base_outcome(rule, Estimate(value, low, high))
            after = base_outcome(rule, Estimate(value + step, low + step, high + step))
        assert not (before is Outcome.FAILED and after is Outcome.PASSED)
