"""Base × joint × open gaps → verdict, and every way in which it fails closed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from gate_cases import (
    HIRES,
    NOW,
    TICKETS,
    TTFQ,
    a_gap,
    hires,
    inputs,
    segment,
    shaken,
    tickets,
    ttfq,
    waived,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import DecisionInputs, Harm, Verdict

UNEVALUATED = (Outcome.MISSING, Outcome.STALE, Outcome.ERRORED)


def verdict(given: DecisionInputs) -> Verdict:
    return decide(given).verdict


def said(given: DecisionInputs) -> str:
    return " ".join(decide(given).reasons)


# --- the table of DESIGN.md §6 -----------------------------------------------------------------


def expected_verdict(outcome, joint, severity, stale, waiver, standing):
    """The table of DESIGN.md §6, written from its words."""
    unevaluated = (Outcome.MISSING, Outcome.STALE, Outcome.ERRORED)
    if stale or outcome in unevaluated or (outcome is Outcome.WAIVED and waiver != "in force"):
        return Verdict.HOLD
    if waiver == "expired" and severity is not None:
        return Verdict.HOLD
    worst = None if waiver == "in force" else severity
    on_segments = Verdict.PARTIAL if standing else Verdict.HOLD
    if outcome is Outcome.FAILED:
        return on_segments
    if outcome is Outcome.WAIVED or joint is True:
        return Verdict.GO
    if worst in (Severity.BLOCKER, Severity.HIGH):
        return on_segments
    return Verdict.PARTIAL if worst is Severity.MEDIUM else Verdict.HOLD


def test_the_decision_table():
    """Base outcome × joint outcome × worst severity × staleness × waiver × whether a segment stands on its own."""
    cells = itertools.product(
        Outcome,
        [True, False, None],
        [None, *Severity],
        [False, True],
        [None, "in force", "expired"],
        [True, False],
    )
    for outcome, joint, severity, stale, waiver, standing in cells:
        if waiver is not None and severity is None:
            continue  # there is nothing to waive
        expiry = NOW + timedelta(days=1 if waiver == "in force" else -1)
        gap = None if severity is None else a_gap(1, severity)
        others = (ttfq(outcome=Outcome.STALE) if stale else ttfq(), tickets())
        given = inputs(
            answers=(*others, hires(outcome=outcome, joint_passes=joint)),
            gaps=() if gap is None else (waived(gap, expiry) if waiver else gap, a_gap(2, Severity.INFO)),
            segments=(segment(joint=standing), segment("category=Moving", base=False)),
        )

        decision = decide(given)

        cell = (outcome, joint, severity, stale, waiver, standing)
        assert decision.verdict is expected_verdict(*cell), cell
        assert decision.reasons[0].startswith(f"{decision.verdict}: "), cell
        by_stage = severity is Severity.MEDIUM and outcome is Outcome.PASSED
        if decision.verdict is Verdict.PARTIAL:
            assert (decision.stage, decision.segments) == (
                (10, ()) if by_stage else (None, ("category=Cleaning",))
            )
        else:
            assert (decision.stage, decision.segments) == (None, ())


# --- a full launch needs more than the demands --------------------------------------------------

HARM = Harm("category=Moving", "treatment", -0.021, 0.18)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0999, Verdict.GO), (0.10, Verdict.PARTIAL), (0.5, Verdict.PARTIAL)]
)
def test_too_many_requests_without_an_arm_cap_the_launch(share, expected):
    gap = a_gap(severity=Severity.LOW)
    decision = decide(inputs(residual_variant=share, gaps=(gap,)))
    assert decision.verdict is expected
    if expected is Verdict.PARTIAL:
        assert (decision.stage, decision.blocked_by) == (10, (gap.gap_id,))
        assert f"{share:.1%} of the requests have no arm" in said(inputs(residual_variant=share))


def test_who_accepts_the_requests_without_an_arm_accepts_how_many_they_are():
    assert verdict(inputs(residual_variant=0.2, gaps=(waived(a_gap(severity=Severity.LOW)),))) is Verdict.GO
    expired = waived(a_gap(severity=Severity.LOW), NOW - timedelta(days=1))
    assert verdict(inputs(residual_variant=0.2, gaps=(expired,))) is Verdict.HOLD


def test_a_segment_proven_to_be_harmed_leaves_the_others_that_stand_on_their_own():
    standing = (segment("category=Moving"), segment("category=Cleaning"))
    decision = decide(inputs(harmed=(HARM,), segments=standing))
    assert (decision.verdict, decision.segments, decision.stage) == (
        Verdict.PARTIAL,
        ("category=Cleaning",),
        None,
    )
    assert any(
        "hires fall by at least 2.10 pp and support tickets rise by at least 18%" in r
        for r in decision.reasons
    )
    assert verdict(inputs(harmed=(HARM,), segments=(segment("category=Moving"),))) is Verdict.HOLD


def test_harm_and_requests_without_an_arm_limit_both_where_and_how_far():
    decision = decide(inputs(harmed=(HARM,), residual_variant=0.2, segments=(segment(),)))
    assert (decision.verdict, decision.segments, decision.stage) == (
        Verdict.PARTIAL,
        ("category=Cleaning",),
        10,
    )


def test_a_harmed_segment_is_no_launch_by_stage_either():
    assert verdict(shaken(Severity.MEDIUM, harmed=(HARM,))) is Verdict.HOLD
    decision = decide(shaken(Severity.MEDIUM, harmed=(HARM,), segments=(segment(),)))
    assert (decision.verdict, decision.segments, decision.stage) == (
        Verdict.PARTIAL,
        ("category=Cleaning",),
        10,
    )


def test_a_launch_that_is_not_ready_is_held_whatever_the_figures_say():
    decision = decide(
        inputs(unready=("No green dry run exists 21 days before the launch.",), segments=(segment(),))
    )
    assert decision.verdict is Verdict.HOLD
    assert decision.reasons[:2] == (
        "HOLD: the launch is not ready.",
        "No green dry run exists 21 days before the launch.",
    )


def test_a_rehearsal_decides_nothing():
    decision = decide(inputs(rehearsal="this was a rehearsal on staging data"))
    assert decision.verdict is Verdict.HOLD
    assert decision.reasons[0] == "HOLD: this was a rehearsal on staging data."


def test_a_medium_gap_caps_the_rollout_at_the_stage_named():
    decision = decide(shaken(Severity.MEDIUM, stage_cap=25))
    assert (decision.verdict, decision.stage) == (Verdict.PARTIAL, 25)
    assert "25%" in decision.reasons[0]


@pytest.mark.parametrize("cap", [0, 100, -5])
def test_a_cap_that_caps_nothing_is_refused(cap):
    with pytest.raises(ValueError, match="stage_cap"):
        inputs(stage_cap=cap)


def test_open_gaps_that_can_not_turn_the_answer_do_not_block():
    given = inputs(gaps=(a_gap(severity=Severity.HIGH), a_gap(2, Severity.BLOCKER)))
    decision = decide(given)
    assert decision.verdict is Verdict.GO
    assert decision.blocked_by == ()


def test_a_gap_that_flips_alone_blocks_even_where_the_joint_answer_claims_to_pass():
    decision = decide(inputs(gaps=(a_gap(flips=True),)))
    assert decision.verdict is Verdict.HOLD
    assert decision.blocked_by == ("gap-000000000001",)


def test_segments_are_only_named_where_the_gaps_at_their_worst_leave_them_passing():
    found = decide(shaken(Severity.HIGH, segments=(segment(joint=False), segment("geo=Berlin"))))
    assert (found.verdict, found.segments) == (Verdict.PARTIAL, ("geo=Berlin",))
    assert "geo=Berlin" in found.reasons[0]
    assert any("Holm" in reason for reason in found.reasons)


def test_the_worst_severity_decides_whatever_the_order_of_the_gaps():
    gaps = (a_gap(1, Severity.MEDIUM), a_gap(2, Severity.HIGH), a_gap(3, Severity.LOW))
    for order in itertools.permutations(gaps):
        decision = decide(replace(shaken(Severity.MEDIUM), gaps=order))
        assert decision.verdict is Verdict.HOLD
        assert decision.blocked_by == ("gap-000000000002",)


def test_a_resolved_gap_counts_for_nothing():
    gaps = (a_gap(1, Severity.MEDIUM), a_gap(2, Severity.BLOCKER, status="resolved", flips=True))
    assert verdict(replace(shaken(Severity.MEDIUM), gaps=gaps)) is Verdict.PARTIAL


def test_an_acknowledged_gap_is_still_open():
    assert verdict(replace(shaken(Severity.HIGH), gaps=(a_gap(status="acknowledged"),))) is Verdict.HOLD


# --- fails closed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"experiment": None}, "no experiment"),
        ({"is_known_experiment": False}, "not known"),
        ({"has_brief": False}, "no brief"),
        ({"has_criteria": False}, "demands nothing"),
        ({"answers": ()}, "no demand"),
    ],
)
def test_without_ground_to_decide_on_it_is_a_hold_that_says_so(change, word):
    decision = decide(inputs(segments=(segment(),), **change))
    assert decision.verdict is Verdict.HOLD
    assert word in decision.reasons[0]


@pytest.mark.parametrize("outcome", UNEVALUATED)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_demand_that_could_not_be_judged_is_a_hold_whatever_the_others_say(outcome, position):
    answers = list(inputs().answers)
    answers[position] = replace(answers[position], outcome=outcome)
    decision = decide(
        inputs(answers=tuple(answers), segments=(segment(),), gaps=(a_gap(severity=Severity.MEDIUM),))
    )
    assert decision.verdict is Verdict.HOLD
    assert decision.segments == ()
    assert decision.reasons[0] == "HOLD: 1 of 3 demands of the brief could not be judged."
    assert decision.criteria[position].outcome is outcome


@pytest.mark.parametrize("estimate", [None, float("nan"), float("inf")])
@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.FAILED])
def test_an_answer_without_a_figure_is_missing(estimate, outcome):
    decision = decide(inputs(answers=(ttfq(), hires(estimate=estimate, outcome=outcome))))
    assert decision.verdict is Verdict.HOLD
    assert decision.criteria[1].outcome is Outcome.MISSING


def test_an_unknown_joint_answer_is_not_a_pass():
    assert verdict(inputs(answers=(hires(joint_passes=None),))) is Verdict.HOLD


def test_a_blocker_that_something_could_not_be_evaluated_holds_the_launch_though_all_figures_pass():
    gap = a_gap(kind="not_evaluated", severity=Severity.BLOCKER, description="rows vanished in int_quotes")
    decision = decide(inputs(gaps=(gap,), segments=(segment(),)))
    assert decision.verdict is Verdict.HOLD
    assert decision.blocked_by == (gap.gap_id,)
    assert "rows vanished in int_quotes" in " ".join(decision.reasons)


def test_an_unmapped_source_no_metric_of_the_brief_needs_does_not_hold_the_launch():
    assert verdict(inputs(gaps=(a_gap(kind="not_evaluated", severity=Severity.INFO),))) is Verdict.GO


def test_a_joint_answer_that_fails_without_a_gap_to_explain_it_is_a_hold():
    decision = decide(shaken(Severity.LOW))
    assert decision.verdict is Verdict.HOLD
    assert "in doubt" in decision.reasons[-1]


# --- waivers -----------------------------------------------------------------------------------


def test_a_waived_gap_does_not_block_but_stays_listed():
    gap = waived(a_gap(flips=True, severity=Severity.BLOCKER))
    decision = decide(inputs(gaps=(gap,)))
    assert decision.verdict is Verdict.GO
    assert decision.blocked_by == ()
    assert [(w.gap_id, w.expires_at) for w in decision.waivers] == [(gap.gap_id, gap.waiver_expires_at)]
    assert any("waived until 2026-11-20" in reason for reason in decision.reasons)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(microseconds=1), timedelta(days=400)])
def test_an_expired_waiver_blocks(age):
    gap = waived(a_gap(severity=Severity.LOW), NOW - age)
    decision = decide(inputs(gaps=(gap,), segments=(segment(),)))
    assert decision.verdict is Verdict.HOLD
    assert decision.blocked_by == (gap.gap_id,)
    assert decision.waivers == ()
    assert any("expired" in reason for reason in decision.reasons)


def test_a_waiver_without_an_expiry_is_no_waiver():
    gap = waived(a_gap(flips=True), None)
    decision = decide(inputs(gaps=(gap,)))
    assert (decision.verdict, decision.waivers) == (Verdict.HOLD, ())


def test_a_naive_expiry_is_read_as_utc():
    gap = waived(a_gap(flips=True), (NOW + timedelta(hours=1)).replace(tzinfo=None))
    assert verdict(inputs(gaps=(gap,))) is Verdict.GO


def test_a_waived_answer_does_not_fail_the_brief_and_stays_listed():
    gap = waived(a_gap())
    decision = decide(inputs(answers=(ttfq(), hires(outcome=Outcome.WAIVED, estimate=None)), gaps=(gap,)))
    assert decision.verdict is Verdict.GO
    assert decision.criteria[1].outcome is Outcome.WAIVED
    assert "1 more waived" in decision.reasons[0]


def test_an_answer_waived_by_nothing_is_not_waived():
    decision = decide(
        inputs(answers=(ttfq(), hires(outcome=Outcome.WAIVED)), gaps=(waived(a_gap(metrics=(TTFQ,))),))
    )
    assert decision.verdict is Verdict.HOLD
    assert decision.criteria[1].outcome is Outcome.MISSING


def test_where_every_demand_is_waived_nothing_was_judged():
    decision = decide(inputs(answers=(hires(outcome=Outcome.WAIVED),), gaps=(waived(a_gap()),)))
    assert decision.verdict is Verdict.HOLD
    assert "waived" in decision.reasons[0]


# --- several treatments ------------------------------------------------------------------------


def of_arms(**by_arm):
    return tuple(
        replace(answer, variant=arm, **changes)
        for arm, changes in by_arm.items()
        for answer in (ttfq(), hires())
    )


def test_every_treatment_counts_and_the_one_that_passes_alone_is_named():
    answers = (*of_arms(fast={}), ttfq(variant="cheap"), hires(variant="cheap", outcome=Outcome.FAILED))
    decision = decide(inputs(answers=answers, passing_treatments=("fast",)))
    assert decision.verdict is Verdict.HOLD
    assert "On its own, fast would meet every demand (Holm over the treatments)." in decision.reasons
    assert not any("On its own" in reason for reason in decide(inputs(answers=answers)).reasons)
    assert any("(cheap)" in reason for reason in decision.reasons)


def test_all_treatments_passing_is_a_go():
    assert verdict(inputs(answers=of_arms(fast={}, cheap={}))) is Verdict.GO


def test_a_treatment_left_out_of_one_demand_is_not_a_pass():
    decision = decide(inputs(answers=(*of_arms(fast={}), ttfq(variant="cheap"))))
    assert decision.verdict is Verdict.HOLD
    assert f"cheap was not held to the criterion on {HIRES}." in decision.reasons


# --- sentences ---------------------------------------------------------------------------------


def test_a_shaken_demand_is_told_with_both_limits():
    answer = hires(joint_passes=False, joint_figure=-0.0131, joint_threshold=-0.010)
    given = replace(shaken(Severity.HIGH), answers=(answer,))
    assert decide(given).reasons[1] == (
        "Hired within 7 days: estimate +0.42 pp passes −0.50 pp, but with the open gaps it could be as low "
        "as −1.31 pp, below −1.00 pp."
    )


def test_a_shaken_demand_without_more_to_go_by_is_held_to_its_own_limit():
    given = replace(shaken(Severity.HIGH), answers=(ttfq(joint_passes=False, upper=-0.021),))
    assert (
        "estimate −17.9% passes, but with the open gaps it could be as high as −2.1%, above −10.0%."
        in said(given)
    )


def test_a_region_without_a_limit_is_said_to_be_so():
    given = replace(shaken(Severity.BLOCKER), answers=(hires(joint_passes=False, lower=None, upper=None),))
    assert "nothing limits what the open gaps could hide" in said(given)


def test_no_sentence_claims_that_a_figure_violates_a_limit_it_keeps():
    given = replace(shaken(Severity.HIGH), answers=(hires(joint_passes=False, lower=-0.001),))
    assert "not with every open gap at its worst (from −0.10 pp to +1.00 pp)" in said(given)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (hires(estimate=-0.0062), "Hired within 7 days: estimate −0.62 pp is below −0.50 pp."),
        (hires(estimate=-0.00501), "Hired within 7 days: estimate −0.501 pp is below −0.500 pp."),
        (
            hires(threshold=-0.01, ci_lower=-0.0131),
            "Hired within 7 days: estimate +0.42 pp, but its interval reaches down to −1.31 pp, "
            "below −1.00 pp.",
        ),
        (ttfq(estimate=-0.05), "Time to first quote, median: estimate −5.0% is above −10.0%."),
        (tickets(estimate=0.12), "Support tickets per 100 requests: estimate +12.0% is above +10.0%."),
        (
            tickets(threshold=-0.10, estimate=-0.2),
            "Support tickets per 100 requests: estimate −20.0% is below −10.0%.",
        ),
        (
            replace(hires(), metric="gmv_per_request", threshold=0.0, estimate=-1234.567),
            "Hire amounts per request: estimate −1,234.57 is below 0.00.",
        ),
        (
            ttfq(effect="absolute", threshold=-60.0, estimate=12.0),
            "Time to first quote, median: estimate +12.00 s is above −60.00 s.",
        ),
        (
            replace(hires(), metric="brand_new", threshold=0.5, estimate=0.25),
            "brand new: estimate +0.25 is below +0.50.",
        ),
    ],
)
def test_a_failure_is_told_in_the_unit_of_its_metric(answer, sentence):
    assert decide(inputs(answers=(replace(answer, outcome=Outcome.FAILED),))).reasons[1] == sentence


def test_every_reason_is_a_sentence():
    cases = [
        inputs(),
        inputs(experiment=None),
        inputs(gaps=(waived(a_gap()), waived(a_gap(2), NOW))),
        shaken(Severity.HIGH, segments=(segment(),)),
        shaken(Severity.MEDIUM),
        shaken(Severity.INFO),
        inputs(answers=(hires(outcome=Outcome.FAILED, threshold=None), ttfq(outcome=Outcome.STALE))),
    ]
    for case in cases:
        reasons = decide(case).reasons
        assert reasons
        for reason in reasons:
            assert reason.endswith(".")
            assert "None" not in reason
            assert "nan" not in reason


# --- worse inputs never help -------------------------------------------------------------------

_outcomes = st.sampled_from(list(Outcome))
_severities = st.sampled_from(list(Severity))


@st.composite
def _answers(draw):
    return tuple(
        replace(
            make(), outcome=draw(_outcomes), joint_passes=draw(st.sampled_from([True, True, False, None]))
        )
        for make in draw(st.lists(st.sampled_from([ttfq, hires, tickets]), max_size=3, unique=True))
    )


@st.composite
def _gaps(draw):
    found = []
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["missing_variant", "not_evaluated"]))
        gap = a_gap(
            number, draw(_severities), kind=kind, flips=draw(st.booleans()), metrics=(TTFQ, HIRES, TICKETS)
        )
        found.append(
            waived(gap, NOW + timedelta(days=draw(st.sampled_from([-1, 1])))) if draw(st.booleans()) else gap
        )
    return tuple(found)


_harms = st.sampled_from([(), (), (replace(HARM, segment="a=1"),)])


@st.composite
def _inputs(draw):
    often = st.sampled_from([True] * 9 + [False])
    segments = st.builds(segment, st.sampled_from(["a=1", "a=2"]), st.booleans(), st.booleans())
    return inputs(
        has_brief=draw(often), has_criteria=draw(often), is_known_experiment=draw(often),
        answers=draw(_answers()), gaps=draw(_gaps()), segments=tuple(draw(st.lists(segments, max_size=2))),
        residual_variant=draw(st.sampled_from([0.0, 0.0, 0.05, 0.3])), harmed=draw(_harms),
        unready=draw(st.sampled_from([(), (), (), ("There was no dry run.",)])),
        rehearsal=draw(st.sampled_from([None, None, None, "this was a rehearsal"])),
    )  # fmt: skip


def _put(items, index, item):
    return (*items[:index], item, *items[index + 1 :])


def _worse(given):
    """Every way to make one input worse by one step."""
    for key in ("has_brief", "has_criteria", "is_known_experiment"):
        yield replace(given, **{key: False})
    yield replace(given, experiment=None)
    yield replace(given, residual_variant=given.residual_variant + 0.1)
    yield replace(given, harmed=(*given.harmed, replace(HARM, segment="a=2")))
    yield replace(given, unready=("The contract watches too little.",))
    yield replace(given, rehearsal="nothing is decided here")
    for key, worsen in (("answers", _worse_answers), ("gaps", _worse_gaps), ("segments", _worse_segments)):
        items = getattr(given, key)
        for index, item in enumerate(items):
            for worse in worsen(item):
                yield replace(given, **{key: _put(items, index, worse)})
    for number, severity in enumerate(Severity):
        yield replace(given, gaps=(*given.gaps, a_gap(90 + number, severity, flips=number % 2 == 0)))
    for index in range(len(given.segments)):
        yield replace(given, segments=given.segments[:index] + given.segments[index + 1 :])


def _worse_answers(answer):
    for outcome in (*UNEVALUATED, *([Outcome.FAILED] if answer.outcome is Outcome.PASSED else [])):
        yield replace(answer, outcome=outcome)
    for joint in (False, None):
        if answer.joint_passes is not False:
            yield replace(answer, joint_passes=joint)
    yield replace(answer, estimate=None)


def _worse_gaps(gap):
    yield replace(gap, flips=True)
    if gap.is_waived and gap.waiver_expires_at > NOW:  # one that expired blocks more than none at all
        yield replace(gap, is_waived=False)
    yield replace(gap, waiver_expires_at=NOW)
    for severity in Severity:
        if severity.rank > gap.severity.rank:
            yield replace(gap, severity=severity)


def _worse_segments(answer):
    yield replace(answer, passes_base=False)
    yield replace(answer, passes_joint=False)


def _is_explained(given):
    """A joint answer that fails has an open gap of medium or worse behind it (GAPS.md §5)."""
    passes = [a for a in given.answers if a.outcome is Outcome.PASSED]
    is_shaken = any(a.joint_passes is not True for a in passes) or any(g.flips for g in given.gaps)
    return not is_shaken or any(
        not g.is_waived and g.severity.rank >= Severity.MEDIUM.rank for g in given.gaps
    )


@settings(max_examples=200, deadline=None)
@given(_inputs())
def test_making_any_input_worse_never_moves_the_verdict_toward_go(given_inputs):
    assume(_is_explained(given_inputs))
    before = verdict(given_inputs)
    for worse in _worse(given_inputs):
        assert verdict(worse).rank <= before.rank, worse


@settings(max_examples=200, deadline=None)
@given(_inputs())
def test_a_go_has_every_ground_it_needs(given_inputs):
    decision = decide(given_inputs)
    if decision.verdict is not Verdict.GO:
        return
    assert given_inputs.has_brief
    assert given_inputs.has_criteria
    assert given_inputs.is_known_experiment
    assert any(answer.outcome is Outcome.PASSED for answer in decision.criteria)
    assert {answer.outcome for answer in decision.criteria} <= {Outcome.PASSED, Outcome.WAIVED}
    assert all(a.joint_passes for a in decision.criteria if a.outcome is Outcome.PASSED)
    assert (decision.blocked_by, decision.segments, decision.stage) == ((), (), None)


@settings(max_examples=200, deadline=None)
@given(_inputs())
def test_a_partial_always_says_what_it_allows(given_inputs):
    decision = decide(given_inputs)
    if decision.verdict is Verdict.PARTIAL:
        assert decision.segments or decision.stage is not None
    else:
        assert (decision.segments, decision.stage) == ((), None)
