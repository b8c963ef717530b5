"""What people's word on gaps does to the answers, and what it never does."""

from dataclasses import replace
from datetime import timedelta

import pytest
from gate_cases import EXPERIMENT, HIRES, NOW, TTFQ, a_gap, hires, inputs, tickets, ttfq, waived
from hypothesis import assume, given
from hypothesis import strategies as st

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gaps.model import Gap, GapStatus, GapWaiver, Life
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import Verdict, to_json
from dagster_pipeline.gate.settled import settled, waived_until, with_gaps

ANSWER = (HIRES, "treatment")
SHAKEN = hires(joint_passes=False)
BLIND = hires(outcome=Outcome.MISSING, joint_passes=None, estimate=None)


def opening(number=1, **changes):
    """A gap that leaves the hires open and would turn them by itself."""
    return a_gap(number, **({"opens": (HIRES,), "turns": (ANSWER,), "flips": True} | changes))


def hiding(number=1, **changes):
    """A gap that makes the hires unknown."""
    return a_gap(number, severity=Severity.BLOCKER, **({"opens": (HIRES,), "hides": (ANSWER,)} | changes))


def said_resolved(gap):
    return replace(gap, status="resolved", resolved_by="Ben Ito")


def decided(*gaps, answer=SHAKEN, **changes):
    return decide(settled(inputs(answers=(ttfq(), answer, tickets()), gaps=gaps, **changes)))


def outcome_of(decision, metric=HIRES):
    (found,) = [item for item in to_json(decision)["criteria"] if item["metric"] == metric]
    return found["outcome"]


def test_nothing_changes_while_nobody_says_anything():
    asked = inputs(answers=(ttfq(), SHAKEN, tickets()), gaps=(opening(),))
    assert settled(asked) == asked


def test_an_accepted_gap_turns_the_hold_and_its_answer_is_waived_with_all_its_figures():
    assert decided(opening()).verdict is Verdict.HOLD
    decision = decided(waived(opening()))
    assert decision.verdict is Verdict.GO
    assert outcome_of(decision) == "waived"
    assert outcome_of(decision, TTFQ) == "passed"
    (answer,) = [answer for answer in decision.criteria if answer.metric == HIRES]
    assert (answer.estimate, answer.lower, answer.upper) == (SHAKEN.estimate, SHAKEN.lower, SHAKEN.upper)
    assert [waiver.gap_id for waiver in decision.waivers] == [opening().gap_id]


def test_an_expired_waiver_waives_nothing():
    decision = decided(waived(opening(), NOW))
    assert (decision.verdict, outcome_of(decision)) == (Verdict.HOLD, "passed")


def test_the_gaps_that_are_left_still_count():
    decision = decided(waived(opening()), opening(2))
    assert decision.verdict is Verdict.HOLD


def test_one_gap_left_that_turns_nothing_by_itself_leaves_the_go():
    harmless = opening(2, turns=(), flips=False, severity=Severity.LOW)
    assert decided(waived(opening()), harmless).verdict is Verdict.GO


def test_of_two_gaps_left_nobody_knows_what_they_do_together_so_the_answer_stays():
    left = [opening(number, turns=(), flips=False, severity=Severity.LOW) for number in (2, 3)]
    assert decided(waived(opening()), *left).verdict is Verdict.HOLD
    (said,) = [r for r in decided(waived(opening()), *left).reasons if "settled by word" in r]
    assert "could be" in said or "at its worst" in said
    one_loss = [replace(gap, loss="the same rows") for gap in left]
    assert decided(waived(opening()), *one_loss).verdict is Verdict.GO


def test_accepting_a_gap_that_opens_something_else_changes_nothing():
    other = waived(a_gap(2, opens=(TTFQ,)))
    assert decided(opening(), other).verdict is Verdict.HOLD


def test_a_demand_that_fails_is_not_made_to_pass_by_any_word():
    failed = hires(outcome=Outcome.FAILED, joint_passes=False)
    for gap in (waived(opening()), said_resolved(opening())):
        decision = decided(gap, answer=failed)
        assert (decision.verdict, outcome_of(decision)) == (Verdict.HOLD, "failed")


@pytest.mark.parametrize("outcome", [Outcome.MISSING, Outcome.STALE, Outcome.ERRORED])
def test_what_could_not_be_judged_is_waived_only_by_accepting_the_gap_that_hides_it(outcome):
    blind = replace(BLIND, outcome=outcome)
    assert outcome_of(decided(waived(hiding()), answer=blind)) == "waived"
    assert outcome_of(decided(waived(opening()), answer=blind)) == outcome.value
    assert outcome_of(decided(waived(hiding()), hiding(2), answer=blind)) == outcome.value
    assert decided(waived(hiding()), answer=blind).verdict is Verdict.GO


def test_without_a_figure_a_gap_said_to_be_resolved_makes_no_go():
    decision = decided(said_resolved(hiding()), answer=BLIND)
    assert (decision.verdict, outcome_of(decision)) == (Verdict.HOLD, "missing")


def test_where_every_demand_is_waived_without_a_figure_nothing_was_judged():
    asked = inputs(answers=(BLIND,), gaps=(waived(hiding()),))
    assert decide(settled(asked)).verdict is Verdict.HOLD


def test_a_gap_said_to_be_resolved_no_longer_blocks_and_the_verdict_says_on_whose_word():
    decision = decided(said_resolved(opening()))
    assert (decision.verdict, outcome_of(decision)) == (Verdict.GO, "passed")
    assert any("on the word of Ben Ito" in reason for reason in decision.reasons)


def a_register_gap(gap, **changes):
    fields = {"kind": gap.kind, "experiment": None, "table": "hires", "column": None, "segment": None}
    rows = {"rows_total": 100, "rows_affected": 6, "share_affected": 0.06, "share_residual": 0.06}
    state = {"status": GapStatus.OPEN, "severity": gap.severity, "severity_reason": ""}
    return replace(Gap(gap_id=gap.gap_id, description="", **fields, **rows, **state), **changes)


def accepted(gap, expires_at=NOW + timedelta(days=3), scope=None, share=0.06):
    waiver = GapWaiver("Ada", "Ben", "why", scope, NOW - timedelta(days=1), expires_at, share, 0.1)
    return a_register_gap(gap, status=GapStatus.ACCEPTED, life=Life(waiver=waiver))


def test_a_run_is_decided_again_with_its_gaps_as_people_left_them():
    run = inputs(answers=(ttfq(), SHAKEN, tickets()), gaps=(opening(),))
    later = NOW + timedelta(hours=1)
    assert decide(with_gaps(run, [a_register_gap(opening())], later)).verdict is Verdict.HOLD
    decision = decide(with_gaps(run, [accepted(opening())], later))
    assert (decision.verdict, decision.evaluated_at) == (Verdict.GO, later)
    word = a_register_gap(opening(), status=GapStatus.RESOLVED, life=Life(resolved_by="Ben"))
    assert decide(with_gaps(run, [word], later)).verdict is Verdict.GO
    after = NOW + timedelta(days=3)
    assert decide(with_gaps(run, [accepted(opening())], after)).verdict is Verdict.HOLD


@pytest.mark.parametrize(
    "gaps",
    [
        [accepted(opening(), scope="another")],
        [accepted(opening(), share=0.01)],
        [],
        [a_register_gap(opening(), status=GapStatus.RESOLVED)],
        [a_register_gap(opening(), status=GapStatus.ACCEPTED)],
    ],
    ids=["of another experiment", "outgrown", "not there", "gone by nobody's word", "without a waiver"],
)
def test_what_is_no_waiver_of_this_gap_for_this_decision_waives_nothing(gaps):
    run = inputs(answers=(ttfq(), SHAKEN, tickets()), gaps=(opening(),))
    assert decide(with_gaps(run, gaps, NOW)).verdict is Verdict.HOLD


def test_a_waiver_for_this_experiment_counts():
    waiver = accepted(opening(), scope=EXPERIMENT)
    assert waived_until(waiver, EXPERIMENT, NOW) == waiver.life.waiver.expires_at


def test_where_approvers_are_named_only_their_word_resolves_a_gap_in_the_decision():
    run = inputs(answers=(ttfq(), SHAKEN, tickets()), gaps=(opening(),))
    word = a_register_gap(opening(), status=GapStatus.RESOLVED, life=Life(resolved_by="Ben  ito"))
    assert decide(with_gaps(run, [word], NOW, ["Ada Chen"])).verdict is Verdict.HOLD
    assert decide(with_gaps(run, [word], NOW, ["Ada Chen", "Ben Ito"])).verdict is Verdict.GO


def a_drawn_gap(number, opens, turns, hides, severity):
    """Where the answer is shaken, every gap that opens it is medium at least (GAPS.md §5)."""
    if not opens:
        return a_gap(number, severity=severity)
    worst = max(severity, Severity.MEDIUM, key=lambda found: found.rank)
    moved = {"turns": (ANSWER,) if turns else (), "hides": (ANSWER,) if hides else (), "flips": turns}
    return a_gap(number, opens=(HIRES,), severity=worst, **moved)


GAPS = st.builds(
    a_drawn_gap, st.integers(1, 9), st.booleans(), st.booleans(), st.booleans(), st.sampled_from(Severity)
)


@given(
    st.lists(GAPS, max_size=4, unique_by=lambda gap: gap.gap_id),
    st.sampled_from([SHAKEN, BLIND, hires()]),
    st.data(),
)
def test_taking_a_word_back_never_moves_the_verdict_toward_go(gaps, answer, data):
    assume(answer is not SHAKEN or any(gap.opens for gap in gaps))
    words = [data.draw(st.sampled_from([gap, waived(gap), said_resolved(gap)])) for gap in gaps]
    with_words = decided(*words, answer=answer)
    for place, gap in enumerate(gaps):
        taken_back = [*words[:place], gap, *words[place + 1 :]]
        assert decided(*taken_back, answer=answer).verdict.rank <= with_words.verdict.rank
