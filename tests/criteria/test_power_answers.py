"""What a sample can tell of each form of rule, and how too little data is told from no effect."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from brief_rules import Criterion, Guardrail, hires, tickets, ttfq
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.config.brief import Stage
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.criteria.aims import aim_of, scale_of
from dagster_pipeline.criteria.evaluate import base_outcome
from dagster_pipeline.criteria.power import Pace, PowerQuestion, Reading, power_answer, power_document
from dagster_pipeline.criteria.rules import criterion_rule, guardrail_rule
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.statistics.evidence import Better, Estimate, Region
from dagster_pipeline.statistics.intervals import newcombe

ABSOLUTE, RELATIVE = scale_of("absolute"), scale_of("relative")


def share_rule(**limits):
    return criterion_rule(Criterion("hire_rate_7d", **limits), Better.HIGHER)


def spam(**limits):
    return guardrail_rule(Guardrail("spam_flags_per_1000_quotes", **limits), Better.LOWER)


def measured(p_t: float, p_c: float, n: int) -> Estimate:
    """Two shares by the project's own interval."""
    ends = newcombe(round(p_t * n), n, round(p_c * n), n, 0.90)
    return Estimate(p_t - p_c, ends.lower, ends.upper)


def ask(rule, estimate: Estimate, *, effect="absolute", n=10_000, **more) -> PowerQuestion:
    return PowerQuestion(
        rule=rule,
        definition=metric_definitions()[rule.metric],
        effect=effect,
        variant="treatment",
        estimate=estimate,
        region=more.pop("region", Region(estimate.value, estimate.value)),
        n_treatment=n,
        n_control=n,
        **more,
    )


def reading(rule, estimate: Estimate, **more) -> Reading:
    return power_answer(ask(rule, estimate, **more), 0.90).reading


# --- what a rule needs told apart --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "bound", "hope"),
    [
        (share_rule(min_delta=-0.005, min_bound=-0.010), -0.010, -0.005),
        (share_rule(min_delta=0.005, min_bound=0.0), 0.0, 0.005),
        (share_rule(min_delta=-0.005, min_bound=-0.002), -0.002, 0.0),
        (share_rule(min_bound=-0.010), -0.010, 0.0),
        (share_rule(min_bound=0.0), 0.0, None),
        (share_rule(min_delta=0.005), 0.0, 0.005),
        (share_rule(min_delta=-0.005), -0.005, 0.0),
        (share_rule(min_delta=0.0), 0.0, None),
        (ttfq(), -0.05, -0.10),
        (tickets(), 0.10, 0.0),
        (spam(max_increase=0.05, max_bound=0.08), 0.08, 0.0),
        (spam(max_bound=0.08), 0.08, 0.0),
        (spam(max_decrease=0.20), -0.20, 0.0),
        (spam(max_increase=0.10, max_decrease=0.05), -0.05, 0.0),
        (spam(max_increase=0.0), 0.0, None),
    ],
)
def test_every_form_of_rule_has_its_bound_and_its_hope(rule, bound, hope):
    aim = aim_of(rule, ABSOLUTE)
    assert (aim.bound, aim.hope) == (bound, hope)


def test_the_needed_effect_of_the_shipped_brief():
    """Half a point between the hoped −0.5 and the bound −1.0; 5 points between a tenth faster and a twentieth."""
    estimate = measured(0.12, 0.12, 10_000)
    assert power_answer(ask(hires(), estimate), 0.90).needed_effect == pytest.approx(0.005)
    faster = Estimate(-0.12, -0.16, -0.08)
    answer = power_answer(ask(ttfq(), faster, effect="relative"), 0.90)
    assert answer.needed_effect == pytest.approx(0.05)
    assert aim_of(ttfq(), RELATIVE).needed(RELATIVE) == pytest.approx(math.log(0.95 / 0.90))


# --- figures -----------------------------------------------------------------------------------------


def test_the_detectable_effect_and_the_needed_sample_follow_from_the_interval():
    """12.0% against 12.5% with 10,000 each: SE 0.463 pp, so 1.15 pp can be told; 0.5 pp takes 5.3 times as many."""
    estimate = measured(0.125, 0.120, 10_000)
    assert (round(100 * estimate.ci_lower, 2), round(100 * estimate.ci_upper, 2)) == (-0.26, 1.26)
    answer = power_answer(
        ask(share_rule(min_delta=0.005, min_bound=0.0), estimate, pace=Pace(20_000, 10.0)), 0.90
    )
    assert answer.standard_error == pytest.approx(0.00463, abs=2e-5)
    assert answer.minimum_detectable == pytest.approx(2.486475 * answer.standard_error)
    times = (answer.minimum_detectable / 0.005) ** 2
    assert answer.needed_sample.treatment == math.ceil(times * 10_000)
    assert answer.more_days == pytest.approx((times - 1) * 10)
    assert answer.reading is Reading.NOT_ENOUGH_DATA


def test_a_relative_effect_is_found_on_the_log_scale_and_said_raw():
    """SE 0.04 on the log scale: beyond +10% an interval's limit clears in four of five cases at 1.10·exp(−0.0995)."""
    z = 1.6448536
    estimate = Estimate(0.0, math.exp(-z * 0.04) - 1, math.exp(z * 0.04) - 1)
    answer = power_answer(ask(tickets(), estimate, effect="relative"), 0.90)
    assert answer.standard_error == pytest.approx(0.04)
    assert answer.minimum_detectable == pytest.approx(1.10 * (1 - math.exp(-2.486475 * 0.04)))


def test_a_stage_sees_what_comes_in_during_its_dwell_time():
    """20,000 in 10 days: 2 days at 10% bring 400 against 3,600; at 100% there is nobody left to compare with."""
    stages = [Stage(percent=p, dwell=timedelta(days=2)) for p in (10, 50, 100)]
    question = ask(hires(), measured(0.12, 0.12, 10_000), pace=Pace(20_000, 10.0))
    first, half, full = power_answer(question, 0.90, stages).stages
    assert (first.n_treatment, first.n_control) == (400, 3_600)
    now = power_answer(question, 0.90).minimum_detectable
    assert first.minimum_detectable == pytest.approx(now * math.sqrt((1 / 400 + 1 / 3_600) / (2 / 10_000)))
    assert half.minimum_detectable < first.minimum_detectable
    assert (full.n_control, full.minimum_detectable) == (0, None)


def test_without_a_pace_a_stage_has_no_figures():
    (stage,) = power_answer(
        ask(hires(), measured(0.12, 0.12, 10_000)), 0.90, [Stage(percent=10, dwell=timedelta(days=1))]
    ).stages
    assert (stage.n_treatment, stage.n_control, stage.minimum_detectable) == (None, None, None)


# --- too little data, no effect, enough --------------------------------------------------------------

BETTER_BY_TWO = share_rule(min_delta=0.02, min_bound=0.01)


@pytest.mark.parametrize(
    ("rule", "estimate", "expected"),
    [
        (BETTER_BY_TWO, Estimate(0.025, 0.015, 0.035), Reading.ENOUGH),
        (BETTER_BY_TWO, Estimate(-0.03, -0.04, -0.02), Reading.ENOUGH),  # harm, and plainly so
        (BETTER_BY_TWO, Estimate(0.015, 0.011, 0.019), Reading.ENOUGH),  # there, but less than was asked
        (BETTER_BY_TWO, Estimate(0.001, -0.005, 0.007), Reading.NO_EFFECT),
        (BETTER_BY_TWO, Estimate(0.004, 0.001, 0.007), Reading.NO_EFFECT),  # there, and too small to matter
        (BETTER_BY_TWO, Estimate(0.001, -0.030, 0.032), Reading.NOT_ENOUGH_DATA),
        (BETTER_BY_TWO, Estimate(0.021, 0.001, 0.041), Reading.NOT_ENOUGH_DATA),
        (BETTER_BY_TWO, Estimate(0.015, 0.009, 0.021), Reading.CLOSE_CALL),
        (share_rule(min_delta=0.02), Estimate(0.03, 0.021, 0.039), Reading.ENOUGH),
        (share_rule(min_delta=0.02), Estimate(0.021, -0.01, 0.052), Reading.NOT_ENOUGH_DATA),
        (share_rule(min_delta=0.02), Estimate(0.0, -0.01, 0.01), Reading.NO_EFFECT),
        (share_rule(min_bound=0.0), Estimate(0.005, -0.002, 0.012), Reading.NOT_ENOUGH_DATA),
        (hires(), Estimate(0.0, -0.003, 0.003), Reading.ENOUGH),  # nothing lost, which is what was asked
        (hires(), Estimate(0.0, -0.02, 0.02), Reading.NOT_ENOUGH_DATA),
        (hires(), Estimate(-0.02, -0.025, -0.015), Reading.ENOUGH),
        (hires(), Estimate(0.0, None, 0.02), Reading.NOT_ENOUGH_DATA),  # an end without limit shows nothing
    ],
)
def test_too_little_data_no_effect_and_enough_are_told_apart(rule, estimate, expected):
    assert reading(rule, estimate) is expected


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.02, -0.02, 0.06), Reading.ENOUGH),
        (Estimate(0.20, 0.13, 0.27), Reading.ENOUGH),
        (Estimate(0.02, -0.15, 0.23), Reading.NOT_ENOUGH_DATA),
        (Estimate(0.09, 0.06, 0.12), Reading.CLOSE_CALL),
    ],
)
def test_a_guardrail_is_read_the_same_way(estimate, expected):
    assert reading(tickets(), estimate, effect="relative") is expected


@pytest.mark.parametrize(
    "estimate",
    [Estimate(None, reason="infinite"), Estimate(0.01)],
    ids=["no estimate", "no interval"],
)
def test_what_was_not_evaluated_is_neither_no_effect_nor_too_little_data(estimate):
    answer = power_answer(ask(hires(), estimate), 0.90)
    assert answer.reading is Reading.NOT_EVALUATED
    assert (answer.minimum_detectable, answer.needed_sample, answer.standard_error) == (None, None, None)
    assert "neither that there is no effect nor" in answer.sentence
    assert (estimate.reason or "its interval does not exist") in answer.sentence


def test_of_two_guarded_sides_either_may_decide():
    both = spam(max_increase=0.10, max_decrease=0.10)
    assert reading(both, Estimate(0.0, -0.05, 0.05), effect="relative") is Reading.ENOUGH
    assert reading(both, Estimate(0.0, -0.12, 0.05), effect="relative") is not Reading.ENOUGH
    assert reading(both, Estimate(0.0, -0.05, 0.12), effect="relative") is not Reading.ENOUGH


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([hires(), BETTER_BY_TWO, share_rule(min_bound=0.0), share_rule(min_bound=0.01)]),
    st.floats(-0.05, 0.05),
    st.floats(1e-4, 0.05),
)
def test_a_rule_with_a_bound_that_passes_had_enough_data_and_one_without_effect_never_passes(
    rule, value, half
):
    estimate = Estimate(value, value - half, value + half)
    found, outcome = reading(rule, estimate), base_outcome(rule, estimate)
    if outcome is Outcome.PASSED:
        assert found is Reading.ENOUGH
    if found in (Reading.NO_EFFECT, Reading.NOT_EVALUATED):
        assert outcome is not Outcome.PASSED


@settings(max_examples=100, deadline=None)
@given(st.floats(-0.02, 0.02), st.floats(0.001, 0.02))
def test_too_little_data_means_that_the_needed_sample_is_not_there(value, half):
    answer = power_answer(ask(hires(), Estimate(value, value - half, value + half)), 0.90)
    if answer.reading is Reading.NOT_ENOUGH_DATA:
        assert answer.minimum_detectable > answer.needed_effect
        assert answer.needed_sample.treatment > answer.n_treatment
    if answer.reading is Reading.CLOSE_CALL:
        assert answer.needed_sample.treatment <= answer.n_treatment


# --- a region is not narrowed by sampling ------------------------------------------------------------


def test_where_the_gaps_leave_more_room_than_the_effect_the_answer_says_that_more_data_will_not_help():
    wide = ask(
        hires(),
        measured(0.12, 0.12, 10_000),
        region=Region(-0.009, 0.018),
        repairs=("missing variant in requests",),
    )
    answer = power_answer(wide, 0.90)
    assert answer.more_data_helps is False
    assert "more data will not help; repair of missing variant in requests will" in answer.sentence
    narrow = power_answer(replace(wide, region=Region(-0.001, 0.001)), 0.90)
    assert narrow.more_data_helps is True
    assert "will not help" not in narrow.sentence


def test_a_region_without_limit_is_beyond_any_sample():
    answer = power_answer(ask(hires(), measured(0.12, 0.12, 10_000), region=Region(None, 0.01)), 0.90)
    assert answer.more_data_helps is False
    assert answer.region_width is None
    assert "leave it without a limit" in answer.sentence


# --- in words and as a document ----------------------------------------------------------------------


def test_the_sentence_on_too_little_data_says_what_it_takes():
    question = ask(
        share_rule(min_delta=0.005, min_bound=0.0), measured(0.125, 0.12, 10_000), pace=Pace(20_000, 10.0)
    )
    sentence = power_answer(question, 0.90).sentence
    assert "not enough data, which is not the same as no effect" in sentence
    assert "10,000 and 10,000 requests tell 1.15 pp from the bound in four of five cases" in sentence
    assert "the rule needs 0.5 pp, which takes about 53,200 and 53,200 requests" in sentence
    assert "44 more days at the present pace" in sentence


def test_a_rule_that_names_no_effect_has_no_needed_sample():
    answer = power_answer(ask(share_rule(min_bound=0.0), measured(0.12, 0.12, 10_000)), 0.90)
    assert (answer.needed_effect, answer.needed_sample, answer.more_days) == (None, None, None)
    assert "names no effect beyond its bound" in answer.sentence


@pytest.mark.parametrize(
    "estimate",
    [
        measured(0.12, 0.12, 10_000),
        Estimate(None, reason="infinite"),
        Estimate(-1.0, -1.0, -1.0),
        Estimate(0.0, None, 0.4),
    ],
)
@pytest.mark.parametrize("effect", ["absolute", "relative"])
def test_the_document_is_plain_json(estimate, effect):
    stages = [Stage(percent=5, dwell=timedelta(days=1)), Stage(percent=100, dwell=timedelta(days=1))]
    rule = share_rule(min_bound=-0.2)
    answer = power_answer(ask(rule, estimate, effect=effect, pace=Pace(20_000, 10.0)), 0.90, stages)
    document = power_document(answer)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["reading"] in {found.value for found in Reading}
    assert len(document["stages"]) == 2


def test_arms_without_units_tell_nothing_and_raise_nothing():
    answer = power_answer(ask(hires(), Estimate(None, reason="no requests"), n=0), 0.90)
    assert answer.reading is Reading.NOT_EVALUATED
    assert answer.minimum_detectable is None
