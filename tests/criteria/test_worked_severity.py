"""δ*, the severity that follows and the words for it: worked figures, and δ* against a walk from the base to the worst."""

from __future__ import annotations

from random import Random

import pytest
from brief_rules import Criterion, Guardrail, Policy, hires, tickets, ttfq

from dagster_pipeline.criteria.delta_star import Flip, break_even, delta_star, flip, most_pressing
from dagster_pipeline.criteria.rules import Quantity, Rule, Side, criterion_rule, guardrail_rule
from dagster_pipeline.criteria.severity import Assessment, Stakes, severity, severity_without_brief
from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.statistics.evidence import Better, Estimate, Region

PASSED, FAILED, MISSING = Outcome.PASSED, Outcome.FAILED, Outcome.MISSING


def _value(condition, estimate: Estimate) -> float:
    if condition.quantity is Quantity.ESTIMATE:
        return estimate.value
    return estimate.ci_lower if condition.side is Side.LOWER else estimate.ci_upper


def _fails(condition, value: float) -> bool:
    beyond = condition.threshold - value if condition.side is Side.LOWER else value - condition.threshold
    return beyond > 1e-12


def _walk(rule: Rule, estimate: Estimate, region: Region, share: float) -> list[tuple]:
    """Every condition's figure a share of the way from the base to the region's worse end (or its better one)."""
    passes = not any(_fails(found, _value(found, estimate)) for found in rule.conditions)
    figures = []
    for condition in rule.tested_jointly if passes else rule.conditions:
        base, lower = _value(condition, estimate), (condition.side is Side.LOWER) == passes
        if not passes and not _fails(condition, base):
            continue  # it needs nothing to come right
        end, gate = (region.lower, region.gate_lower) if lower else (region.upper, region.gate_upper)
        if (end >= estimate.value) if lower else (end <= estimate.value):
            continue  # the region has nothing on that side of the estimate
        if condition.quantity is Quantity.LIMIT:
            end = gate if passes else end + (end - gate)
        figures.append((condition, base + share * (end - base)))
    return figures


def _rules() -> list[Rule]:
    return [
        criterion_rule(Criterion("a", min_improvement=-0.02, min_bound=-0.05), Better.HIGHER),
        criterion_rule(Criterion("b", min_delta=-0.02, min_bound=-0.05), Better.LOWER),
        criterion_rule(Criterion("c", min_delta=0.01), Better.HIGHER),
        guardrail_rule(Guardrail("d", max_increase=0.03, max_decrease=0.04, max_bound=0.08), Better.LOWER),
        guardrail_rule(Guardrail("e", max_increase=0.02), Better.LOWER),
    ]


def test_a_rule_holds_up_to_its_share_of_the_worst_case_and_fails_beyond_it():
    seen = {"flips": 0, "still": 0, "hides": 0}
    random = Random(5)  # noqa: S311 - the same cases in every run
    for _ in range(400):
        value, half = random.uniform(-0.08, 0.08), random.uniform(0.005, 0.04)
        estimate = Estimate(value, value - half, value + half)
        lower, upper = value - random.uniform(0.001, 0.08), value + random.uniform(0.001, 0.08)
        region = Region(lower, upper, lower - half * random.uniform(0.5, 1.3), upper + half)
        for rule in _rules():
            found = flip(rule, estimate, region)
            base = [_fails(condition, _value(condition, estimate)) for condition in rule.conditions]
            assert found.rule is rule
            assert found.base is (FAILED if any(base) else PASSED)
            if found.share is None:
                seen["still"] += 1
                far = [_fails(condition, value) for condition, value in _walk(rule, estimate, region, 1e6)]
                assert not any(far) if found.base is PASSED else any(far)
                continue
            before, after = (
                [
                    _fails(condition, value)
                    for condition, value in _walk(rule, estimate, region, found.share + step)
                ]
                for step in (-1e-6, 1e-6)
            )
            if found.base is PASSED:
                seen["flips"] += 1
                assert not any(before)
                assert any(after)
            else:
                seen["hides"] += 1
                assert any(before)
                assert not any(after)
            assert found.flips == (found.share <= 1)
            assert found.moves
            assert not found.unidentified
    assert min(seen.values()) > 10, seen


GOOD = Estimate(0.005, -0.001, 0.011)


def test_no_figure_to_start_from_and_an_open_end_are_not_identified():
    missing = flip(hires(), Estimate(None), Region(-0.1, 0.1, -0.2, 0.2))
    assert missing == Flip(hires(), MISSING, None, unidentified=True)
    assert (missing.moves, missing.flips) == (True, True)
    assert flip(hires(), GOOD, Region(None, 0.02, None, 0.03)) == Flip(
        hires(), PASSED, None, unidentified=True
    )
    bad = Estimate(-0.02, -0.03, -0.01)
    assert flip(hires(), bad, Region(-0.03, None, -0.04, None)) == Flip(
        hires(), FAILED, None, unidentified=True
    )
    assert flip(hires(), bad, Region(None, -0.02, None, -0.01)) == Flip(hires(), FAILED, None)
    settled = Flip(hires(), PASSED, None)
    assert (settled.moves, settled.flips) == (False, False)


def test_an_open_end_is_the_gaps_doing_whatever_the_other_conditions_say():
    both = guardrail_rule(Guardrail("m", max_increase=0.1, max_decrease=0.1), Better.LOWER)
    assert flip(both, Estimate(0.0, -0.1, 0.1), Region(-0.2, None, -0.3, None)).unidentified
    assert flip(both, Estimate(0.0, -0.1, 0.1), Region(None, 0.2, None, 0.3)).unidentified


def test_a_limit_without_an_estimate_beside_it_still_moves():
    rule = criterion_rule(Criterion("m", min_bound=-0.01), Better.HIGHER)
    found = flip(rule, Estimate(None, -0.001, 0.01), Region(-0.02, 0.02, -0.021, 0.03))
    assert found.share == pytest.approx(0.009 / 0.020)


def test_a_side_that_does_not_move_hides_nothing_of_the_one_that_does():
    both = guardrail_rule(Guardrail("m", max_increase=0.1, max_decrease=0.1), Better.LOWER)
    estimate = Estimate(0.0, -0.05, 0.05)
    assert flip(both, estimate, Region(-0.2, 0.0, -0.3, 0.05)).share == pytest.approx(0.5)
    assert flip(both, estimate, Region(0.0, 0.2, -0.05, 0.3)).share == pytest.approx(0.5)


def test_a_worse_end_with_less_sampling_error_than_the_interval_takes_nothing_away():
    found = flip(hires(), GOOD, Region(0.004, 0.02, -0.0005, 0.03))
    assert (found.base, found.share) == (PASSED, None)
    level = flip(hires(), GOOD, Region(0.004, 0.02, -0.001, 0.03))  # neither closer nor farther
    assert level.share is None


def test_an_end_that_misses_the_estimate_by_rounding_is_the_estimate():
    value = 3.0
    estimate = Estimate(value, 2.5, 3.5)
    rule = criterion_rule(Criterion("m", min_bound=2.0), Better.HIGHER)
    assert flip(rule, estimate, Region(value - 2e-12, value, 2.4, 3.6)).share is None
    assert flip(rule, estimate, Region(value - 3e-12, value, 2.4, 3.6)).share is None  # exactly at the slack
    assert flip(rule, estimate, Region(value - 4e-12, value, 2.4, 3.6)).share == pytest.approx(5.0)
    above = criterion_rule(Criterion("m", min_bound=-4.0), Better.LOWER)
    assert flip(above, estimate, Region(value, value + 2e-12, 2.4, 3.6)).share is None
    assert flip(above, estimate, Region(value, value + 4e-12, 2.4, 3.6)).share == pytest.approx(5.0)
    failing = criterion_rule(Criterion("m", min_bound=2.6), Better.HIGHER)
    assert flip(failing, estimate, Region(value, value + 2e-12, 2.4, 3.4)).share is None
    assert flip(failing, estimate, Region(value, value + 4e-12, 2.4, 3.4)).share == pytest.approx(0.1 / 0.1)
    small = criterion_rule(Criterion("m", min_bound=-0.01), Better.HIGHER)
    assert flip(small, Estimate(0.0, 0.0, 0.1), Region(-2e-12, 0.0, -0.005, 0.1)).share == pytest.approx(2.0)


def test_a_limit_that_holds_by_rounding_alone_gives_way_at_once():
    rule = criterion_rule(Criterion("m", min_bound=-0.01), Better.HIGHER)
    found = flip(rule, Estimate(0.0, -0.01 - 1e-14, 0.01), Region(-0.02, 0.0, -0.03, 0.01))
    assert (found.base, found.share) == (PASSED, 0.0)


def test_a_failing_condition_needs_the_better_end_and_one_that_holds_needs_nothing():
    rule = criterion_rule(Criterion("m", min_delta=0.0, min_bound=-0.10), Better.HIGHER)
    found = flip(rule, Estimate(-0.01, -0.02, 0.0), Region(-0.02, 0.03, -0.03, 0.04))
    assert found.share == pytest.approx(0.01 / 0.04)
    nearly = flip(rule, Estimate(-0.01, -0.02, 0.0), Region(-0.02, -0.01 + 5e-13, -0.03, 0.0))
    assert nearly.share is None
    limited = criterion_rule(Criterion("m", min_bound=0.0), Better.HIGHER)
    wide = flip(
        limited, Estimate(0.01, -0.01, 0.03), Region(0.0, 0.03, -0.02, 0.07)
    )  # 0.03 − 0.04: no better
    assert wide == Flip(limited, FAILED, None)
    no_gate = flip(limited, Estimate(0.01, -0.01, 0.03), Region(0.0, 0.03, -0.02, None))
    assert no_gate == Flip(limited, FAILED, None, unidentified=True)


def test_the_published_share_is_the_flips_and_the_break_even_follows():
    region = Region(-0.02, 0.03, -0.031, 0.041)
    assert delta_star(hires(), GOOD, region) == flip(hires(), GOOD, region).share == pytest.approx(0.3)
    assert break_even(0.06, 0.3) == pytest.approx(0.018)
    assert break_even(0.06, None) is None


def test_an_open_end_presses_more_than_any_share():
    none, small, large = (Flip(hires(), PASSED, share) for share in (None, 0.0, 0.9))
    opened = Flip(hires(), PASSED, None, unidentified=True)
    assert most_pressing([large, none, small]) is small
    assert most_pressing([small, opened, large]) is opened
    assert most_pressing([none]) is None
    assert most_pressing([]) is None


def _flip(
    share: float | None, rule: Rule | None = None, base: Outcome = PASSED, unidentified: bool = False
) -> Flip:
    return Flip(rule or hires(), base, share, unidentified)


def _assess(*flips: Flip, joint: tuple[Flip, ...] = (), passes: bool = True, **more) -> Assessment:
    return severity(Stakes(flips, joint, passes, **more), Policy())


JOINTLY = (_flip(3.0), _flip(1.0))
GO = "would flip GO to HOLD"
HIDDEN = "would turn a failing result into a passing one: it may hide a GO"
FAILS = {"passes": False}


@pytest.mark.parametrize(
    ("flips", "more", "expected", "reason"),
    [
        ([_flip(None)], {}, (Severity.INFO, None, False), "It cannot move any metric of the brief."),
        (
            [_flip(0.25)],
            {},
            (Severity.BLOCKER, 0.25, True),
            f"25% of the worst case {GO} (hire_rate_7d).",
        ),
        (
            [_flip(3.0), _flip(0.71, ttfq())],
            {},
            (Severity.HIGH, 0.71, True),
            f"71% of the worst case {GO} (ttfq_median).",
        ),
        ([_flip(1.0)], {}, (Severity.HIGH, 1.0, True), f"100% of the worst case {GO} (hire_rate_7d)."),
        (
            [_flip(2.0)],
            {},
            (Severity.MEDIUM, 2.0, False),
            "It would take 2 times the worst case to change the answer on hire_rate_7d.",
        ),
        (
            [_flip(2.0)],
            {"joint": JOINTLY},
            (Severity.MEDIUM, 2.0, False),
            "It would take 2 times the worst case to change the answer on hire_rate_7d.",
        ),
        (
            [_flip(2.4)],
            {"joint": JOINTLY},
            (Severity.MEDIUM, 2.4, False),
            "Together with the other open gaps it can flip the decision; alone it would take 2.4 times the worst case "
            "to change the answer on hire_rate_7d.",
        ),
        (
            [_flip(2.4)],
            {"joint": (_flip(1.1),), "unexplained_mismatch": True},
            (Severity.LOW, 2.4, False),
            "It would take 2.4 times the worst case to change the answer on hire_rate_7d.",
        ),
        (
            [_flip(1.2345)],
            {"unexplained_mismatch": True},
            (Severity.MEDIUM, 1.2345, False),
            "It would take 1.23 times the worst case to change the answer on hire_rate_7d.",
        ),
        (
            [_flip(0.5)],
            {"unexplained_mismatch": True},
            (Severity.BLOCKER, 0.5, True),
            f"The ratio of the arms is off without an explanation, and 50% of the worst case {GO} (hire_rate_7d).",
        ),
        (
            [_flip(1.4)],
            {"below_threshold": True},
            (Severity.INFO, 1.4, False),
            "Its share is below the contract threshold; it would take 1.4 times the worst case to change the answer "
            "on hire_rate_7d.",
        ),
        (
            [_flip(0.5)],
            {"below_threshold": True},
            (Severity.HIGH, 0.5, True),
            f"50% of the worst case {GO} (hire_rate_7d).",
        ),
        (
            [_flip(1.5, base=FAILED), _flip(1.6, ttfq(), FAILED)],
            {"below_threshold": True, **FAILS},
            (Severity.INFO, 1.5, False),
            "Its share is below the contract threshold; it would take 1.5 times the best case to change the answer on "
            "hire_rate_7d.",
        ),
        (
            [_flip(None, unidentified=True)],
            {},
            (Severity.BLOCKER, None, True),
            f"The data leave hire_rate_7d without a limit, and the worst case {GO}.",
        ),
        (
            [_flip(None, base=MISSING, unidentified=True)],
            FAILS,
            (Severity.BLOCKER, None, True),
            "Hire_rate_7d cannot be computed, and the brief depends on it.",
        ),
        (
            [_flip(None, base=FAILED, unidentified=True)],
            FAILS,
            (Severity.BLOCKER, None, True),
            f"The data leave hire_rate_7d without a limit, and the best case {HIDDEN}.",
        ),
        (
            [_flip(0.004, base=FAILED)],
            FAILS,
            (Severity.BLOCKER, 0.004, True),
            f"0.4% of the best case {HIDDEN} (hire_rate_7d).",
        ),
        (
            [_flip(0.5)],
            FAILS,
            (Severity.HIGH, 0.5, False),
            "50% of the worst case would fail this too, though the decision already fails without it (hire_rate_7d).",
        ),
        ([_flip(0.0)], {}, (Severity.BLOCKER, 0.0, True), f"0% of the worst case {GO} (hire_rate_7d)."),
        ([_flip(0.1)], {}, (Severity.BLOCKER, 0.1, True), f"10% of the worst case {GO} (hire_rate_7d)."),
        (
            [_flip(0.0987)],
            {},
            (Severity.BLOCKER, 0.0987, True),
            f"9.9% of the worst case {GO} (hire_rate_7d).",
        ),
        ([_flip(0.106)], {}, (Severity.BLOCKER, 0.106, True), f"11% of the worst case {GO} (hire_rate_7d)."),
        ([_flip(0.01)], {}, (Severity.BLOCKER, 0.01, True), f"1% of the worst case {GO} (hire_rate_7d)."),
    ],
)
def test_severity_and_its_sentence_follow_from_the_flips(flips, more, expected, reason):
    assert _assess(*flips, **more) == Assessment(expected[0], reason, expected[1], expected[2])


def test_a_decision_that_passes_is_flipped_by_any_rule_and_one_that_fails_by_all_that_fail():
    near, far = _flip(0.5), _flip(1.5)
    hidden, out_of_reach = _flip(0.5, base=FAILED), _flip(1.5, base=FAILED)
    assert _assess(near, far).flips_decision
    assert not _assess(far).flips_decision
    assert _assess(hidden, far, passes=False).flips_decision
    assert not _assess(hidden, out_of_reach, passes=False).flips_decision
    assert not _assess(hidden, passes=False, failing_elsewhere=1).flips_decision
    assert not _assess(
        near, passes=False
    ).flips_decision  # it fails for another reason, and this would not help


@pytest.mark.parametrize(
    ("share", "threshold", "breached", "expected", "reason"),
    [
        (None, None, False, Severity.INFO, "No contract is broken"),
        (None, 0.01, True, Severity.MEDIUM, "The contract is broken"),
        (0.5, None, True, Severity.MEDIUM, "The contract is broken"),
        (0.005, 0.005, True, Severity.INFO, "0.5% of rows, within the contract threshold of 0.5%"),
        (0.0, 0.005, False, Severity.INFO, "0% of rows, within the contract threshold of 0.5%"),
        (0.0123, 0.005, False, Severity.MEDIUM, "1.2% of rows, over the contract threshold of 0.5%"),
        (0.25, 0.025, False, Severity.MEDIUM, "25% of rows, over the contract threshold of 2.5%"),
        (0.104, 0.01, False, Severity.HIGH, "10% of rows, more than ten times the contract threshold of 1%"),
        (
            0.996,
            0.0004,
            False,
            Severity.HIGH,
            "100% of rows, more than ten times the contract threshold of 0.04%",
        ),
    ],
)
def test_without_a_brief_the_contract_speaks(share, threshold, breached, expected, reason):
    found = severity_without_brief(share, threshold, breached=breached)
    assert found == Assessment(expected, f"{reason}; no brief says what it decides.", None, False)
    assert found.flips_decision is False


def test_a_brief_is_silent_on_what_it_has_no_rule_for():
    assert severity(Stakes((), (), base_passes=True), Policy()).severity is Severity.INFO
    assert severity_without_brief(None, None) == severity_without_brief(None, None, breached=False)
    assert tickets().metric in severity(Stakes((_flip(0.3, tickets()),), (), True), Policy()).reason
