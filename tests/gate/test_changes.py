"""What single change would turn a verdict, and what is never promised."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gate_cases import EXPERIMENT, HIRES, a_gap, hires, inputs, segment, shaken, tickets, ttfq, waived

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gate.changes import changes
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import Verdict


def found(given):
    return changes(given, decide(given))


def opening(number=1, **changed):
    """A gap whose own region is the joint region of the hire rate."""
    return a_gap(number, **({"opens": (HIRES,), "explains": ((HIRES, "treatment"),)} | changed))


def held(*gaps, **changed):
    return replace(shaken(Severity.HIGH), gaps=gaps, **changed)


def test_a_go_needs_no_change():
    assert found(inputs()) == ()


def test_the_one_gap_that_leaves_the_answer_open_would_turn_it_if_repaired():
    (change,) = found(held(opening()))
    assert (change.kind, change.what, change.verdict) == ("gap", ("gap-000000000001",), Verdict.GO)
    assert change.sentence == (
        "If missing_variant (gap-000000000001) is repaired and the estimates stay as they are, the verdict would be GO."
    )


def test_where_another_gap_leaves_the_same_metric_open_no_single_repair_is_promised():
    (change,) = found(held(opening(), opening(2, explains=())))
    assert (change.kind, change.verdict) == ("all_gaps", Verdict.GO)
    assert change.what == ("gap-000000000001", "gap-000000000002")


def test_a_gap_whose_region_is_not_the_whole_of_what_is_open_is_not_promised_either():
    assert [c.kind for c in found(held(opening(explains=())))] == []


def test_gaps_of_one_loss_are_repaired_together():
    (change,) = found(held(opening(loss="orphans"), opening(2, loss="orphans")))
    assert (change.kind, change.verdict, len(change.what)) == ("gap", Verdict.GO, 2)
    assert "which show one loss, are repaired" in change.sentence


def test_a_waived_gap_is_no_change_to_make():
    assert all(
        waived(opening()).gap_id not in c.what
        for c in found(held(waived(opening()), opening(2, explains=())))
    )


@pytest.mark.parametrize("outcome", [Outcome.MISSING, Outcome.STALE, Outcome.ERRORED, Outcome.FAILED])
def test_nothing_is_promised_of_an_answer_that_failed_or_was_not_judged(outcome):
    given = held(opening(), answers=(ttfq(), hires(outcome=outcome), tickets()))
    assert found(given) == ()


def test_the_requests_without_an_arm_are_counted_no_more_once_they_have_one():
    (change,) = found(inputs(residual_variant=0.2, gaps=(a_gap(severity=Severity.LOW),)))
    assert (change.kind, change.verdict) == ("gap", Verdict.GO)


def test_a_segment_without_which_everything_holds_is_named():
    given = inputs(
        answers=(ttfq(), hires(outcome=Outcome.FAILED), tickets()),
        without=(segment("category=Moving"), segment("category=Cleaning", joint=False)),
    )
    (change,) = found(given)
    assert (change.kind, change.what, change.verdict) == ("segment", ("category=Moving",), Verdict.PARTIAL)
    assert "Without category=Moving every demand of the brief holds" in change.sentence


def test_no_segment_helps_a_launch_that_is_not_ready_or_could_not_be_judged():
    rest = (segment("category=Moving"),)
    for given in (
        inputs(unready=("No dry run.",), answers=(hires(outcome=Outcome.FAILED),), without=rest),
        inputs(answers=(hires(outcome=Outcome.MISSING),), without=rest),
        inputs(experiment=None, without=rest),
    ):
        assert "segment" not in {c.kind for c in found(given)}


def test_readiness_is_a_change_of_its_own():
    (change,) = found(inputs(unready=("No dry run.",)))
    assert (change.kind, change.verdict) == ("readiness", Verdict.GO)
    assert found(inputs(unready=("No dry run.",), answers=(hires(outcome=Outcome.FAILED),))) == ()


def test_what_a_change_promises_is_what_the_decision_would_be():
    given = held(opening(), a_gap(2, Severity.LOW))
    (change,) = found(given)
    repaired = replace(given, gaps=given.gaps[1:], answers=(ttfq(), hires(joint_passes=True), tickets()))
    assert decide(repaired).verdict is change.verdict
    assert given.experiment == EXPERIMENT
