"""The severity table of GAPS.md §5, row by row, and the words that go with it."""

from __future__ import annotations

import pytest
from brief_rules import Policy, hires, tickets, ttfq
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.criteria.delta_star import Flip
from dagster_pipeline.criteria.multiplicity import confidence_at, one_sided_alpha
from dagster_pipeline.criteria.segments import passing_segments
from dagster_pipeline.criteria.severity import Stakes, severity, severity_without_brief
from dagster_pipeline.criteria.vocabulary import Outcome, Severity

PASSED, FAILED = Outcome.PASSED, Outcome.FAILED


def _stakes(share: float | None, joint: float | None = None, **more) -> Stakes:
    found = Flip(hires(), more.pop("base", PASSED), share, unidentified=more.pop("unidentified", False))
    return Stakes((found,), (Flip(hires(), PASSED, joint),), more.pop("base_passes", True), **more)


@pytest.mark.parametrize(
    ("share", "joint", "expected"),
    [
        (0.0, 0.0, Severity.BLOCKER),
        (0.25, 0.25, Severity.BLOCKER),
        (0.26, 0.26, Severity.HIGH),
        (1.0, 1.0, Severity.HIGH),
        (1.01, 1.01, Severity.MEDIUM),
        (2.0, 2.0, Severity.MEDIUM),
        (2.1, 1.5, Severity.LOW),
        (2.1, 1.0, Severity.MEDIUM),
        (2.1, None, Severity.LOW),
        (None, 0.5, Severity.INFO),
    ],
)
def test_severity_follows_from_delta_star(share, joint, expected):
    assert severity(_stakes(share, joint), Policy()).severity is expected


def test_an_unidentified_metric_of_the_brief_is_a_blocker():
    found = severity(_stakes(None, unidentified=True), Policy())
    assert found.severity is Severity.BLOCKER
    assert found.flips_decision
    assert "hire_rate_7d" in found.reason


def test_an_unexplained_ratio_mismatch_that_can_flip_is_a_blocker_and_one_that_cannot_is_not():
    assert severity(_stakes(0.9, unexplained_mismatch=True), Policy()).severity is Severity.BLOCKER
    assert severity(_stakes(1.5, unexplained_mismatch=True), Policy()).severity is Severity.MEDIUM


def test_below_its_threshold_a_gap_is_information_unless_it_alone_can_flip_a_rule():
    assert severity(_stakes(1.5, 0.5, below_threshold=True), Policy()).severity is Severity.INFO
    assert severity(_stakes(0.8, below_threshold=True), Policy()).severity is Severity.HIGH


def test_the_smallest_share_over_the_rules_counts():
    flips = (Flip(ttfq(), PASSED, 3.0), Flip(tickets(), PASSED, 0.5), Flip(hires(), PASSED, None))
    found = severity(Stakes(flips, (), base_passes=True), Policy())
    assert (found.severity, found.delta_star) == (Severity.HIGH, 0.5)
    assert "50% of the worst case would flip GO to HOLD (support_tickets_per_100_requests)" in found.reason


def test_the_policy_is_the_briefs():
    strict = Policy(blocker_at=0.5, high_at=2.0, medium_at=4.0)
    assert severity(_stakes(0.4), strict).severity is Severity.BLOCKER
    assert severity(_stakes(1.5), strict).severity is Severity.HIGH


def test_when_the_base_fails_a_flip_may_hide_a_go():
    hidden = severity(_stakes(0.4, base=FAILED, base_passes=False), Policy())
    assert hidden.severity is Severity.HIGH
    assert hidden.flips_decision
    assert "may hide a GO" in hidden.reason
    elsewhere = severity(_stakes(0.4, base=FAILED, base_passes=False, failing_elsewhere=1), Policy())
    assert not elsewhere.flips_decision
    lost_anyway = severity(_stakes(0.4, base_passes=False), Policy())
    assert not lost_anyway.flips_decision
    assert "already fails" in lost_anyway.reason


def test_reasons_are_sentences_with_their_figures():
    assert (
        severity(_stakes(0.71), Policy()).reason
        == "71% of the worst case would flip GO to HOLD (hire_rate_7d)."
    )
    assert "2.4 times the worst case" in severity(_stakes(2.4), Policy()).reason
    assert severity(_stakes(2.4, 0.9), Policy()).reason.startswith("Together with the other open gaps")
    for share in (None, 0.0001, 0.3, 1.5, 9.0):
        reason = severity(_stakes(share), Policy()).reason
        assert reason.endswith(".")
        assert not reason[0].islower()
        assert " 0%" not in reason


@pytest.mark.parametrize(
    ("share", "threshold", "expected"),
    [
        (0.005, 0.005, Severity.INFO),
        (0.006, 0.005, Severity.MEDIUM),
        (0.05, 0.005, Severity.MEDIUM),
        (0.051, 0.005, Severity.HIGH),
        (0.0, 0.0, Severity.INFO),
        (0.001, 0.0, Severity.HIGH),
    ],
)
def test_without_a_brief_the_contract_threshold_decides(share, threshold, expected):
    assert severity_without_brief(share, threshold).severity is expected


def test_without_a_brief_or_rows_a_broken_contract_is_medium():
    assert severity_without_brief(None, None, breached=True).severity is Severity.MEDIUM
    assert severity_without_brief(None, 0.01).severity is Severity.INFO


shares = st.one_of(st.none(), st.floats(0, 5))


@settings(max_examples=150, deadline=None)
@given(shares, shares, st.floats(0, 5), st.booleans(), st.booleans(), st.booleans())
def test_a_gap_that_flips_sooner_is_never_less_severe(share, joint, sooner, mismatch, below, passes):
    before = severity(
        _stakes(share, joint, unexplained_mismatch=mismatch, below_threshold=below, base_passes=passes),
        Policy(),
    )
    less = sooner if share is None else min(share, sooner)
    after = severity(
        _stakes(less, joint, unexplained_mismatch=mismatch, below_threshold=below, base_passes=passes),
        Policy(),
    )
    assert after.severity.rank >= before.severity.rank


def _passes_at(p_values: dict[str, float]):
    return lambda segment, confidence: p_values[segment] <= one_sided_alpha(confidence) + 1e-12


def test_segments_pass_by_holms_procedure():
    p_values = {"a": 0.010, "b": 0.016, "c": 0.049, "d": 0.30}
    assert passing_segments(p_values, _passes_at(p_values), 0.90) == ("a", "b")
    assert passing_segments(["c"], _passes_at(p_values), 0.90) == ("c",)
    assert passing_segments([], _passes_at(p_values), 0.90) == ()
    assert confidence_at(one_sided_alpha(0.90)) == pytest.approx(0.90)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=8))
def test_segments_are_those_of_the_textbook_step_down(values):
    p_values = {f"s{i}": value for i, value in enumerate(values)}
    expected, ordered = [], sorted(p_values, key=lambda name: p_values[name])
    for place, name in enumerate(ordered):
        if p_values[name] > 0.05 / (len(ordered) - place) + 1e-12:
            break
        expected.append(name)
    assert passing_segments(p_values, _passes_at(p_values), 0.90) == tuple(sorted(expected))
