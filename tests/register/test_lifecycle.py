"""What people may do about a gap, what a waiver covers, when a gap is due, and how far it is escalated."""

from dataclasses import replace
from datetime import timedelta

import pytest
from lives import DAY, FIRST, SECOND, THIRD, a_gap, a_waiver, an_act, nothing_found, run

from dagster_pipeline.config.triage import Agreed, Escalation, WaiverPolicy
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.model import GapStatus
from dagster_pipeline.register.acts import ActKind
from dagster_pipeline.register.documents import gap_document, gap_from_document
from dagster_pipeline.register.history import EventKind
from dagster_pipeline.register.lifecycle import (
    age,
    apply_act,
    check_waiver,
    covers,
    due_at,
    level_at,
    waiver_end,
    waiver_in_force,
)

OPEN, ACKNOWLEDGED, ACCEPTED, RESOLVED = GapStatus


@pytest.fixture
def opened():
    (gap,) = run([], [a_gap()], FIRST).gaps
    return gap


def after(gap, *kinds, **fields):
    for kind in kinds:
        gap = apply_act(gap, an_act(kind, **fields))
    return gap


@pytest.mark.parametrize(
    ("acts", "status"),
    [
        ([ActKind.ACKNOWLEDGE], ACKNOWLEDGED),
        ([ActKind.ASSIGN], OPEN),
        ([ActKind.ACKNOWLEDGE, ActKind.ASSIGN], ACKNOWLEDGED),
        ([ActKind.ACCEPT], ACCEPTED),
        ([ActKind.ACCEPT, ActKind.ACCEPT], ACCEPTED),
        ([ActKind.RESOLVE], RESOLVED),
        ([ActKind.ACCEPT, ActKind.RESOLVE], RESOLVED),
        ([ActKind.FALSE_POSITIVE], RESOLVED),
        ([ActKind.RESOLVE, ActKind.REOPEN], OPEN),
        ([ActKind.FALSE_POSITIVE, ActKind.REOPEN], OPEN),
        ([ActKind.ACCEPT, ActKind.REOPEN], OPEN),
    ],
)
def test_what_people_do_leads_where_they_mean(opened, acts, status):
    assert after(opened, *acts).status is status


@pytest.mark.parametrize(
    ("acts", "refused"),
    [
        ([ActKind.ACKNOWLEDGE], ActKind.ACKNOWLEDGE),
        ([ActKind.ACCEPT], ActKind.ACKNOWLEDGE),
        ([], ActKind.REOPEN),
        ([ActKind.ACKNOWLEDGE], ActKind.REOPEN),
        *(([ActKind.RESOLVE], kind) for kind in ActKind if kind is not ActKind.REOPEN),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_gaps_id(opened, acts, refused):
    with pytest.raises(PlumblineError, match=opened.gap_id):
        after(opened, *acts, refused)


@pytest.mark.parametrize("kind", ActKind)
def test_every_act_needs_a_reason(opened, kind):
    with pytest.raises(PlumblineError, match="reason"):
        apply_act(opened, replace(an_act(kind), why="  "))


def test_a_gap_that_a_run_found_gone_is_only_reopened_by_a_run(opened):
    (gone,) = run([opened], [], SECOND).gaps
    with pytest.raises(PlumblineError, match="run reopens it"):
        after(gone, ActKind.REOPEN)


def test_a_reopened_gap_is_the_same_gap_with_its_owner_and_nothing_said_about_it_before(opened):
    gap = after(opened, ActKind.ASSIGN, ActKind.ACKNOWLEDGE, ActKind.FALSE_POSITIVE, ActKind.REOPEN)
    assert (gap.gap_id, gap.first_seen, gap.owner) == (opened.gap_id, FIRST, "ops")
    assert (gap.life.openings, gap.life.acknowledged_at, gap.life.is_false_positive) == (2, None, False)


def test_a_waiver_taken_at_six_per_cent_does_not_cover_twelve(opened):
    waiver = a_waiver(share=0.06, tolerance=0.1)
    assert covers(waiver, replace(opened, share_residual=0.06))
    assert covers(waiver, replace(opened, share_residual=0.066))
    assert not covers(waiver, replace(opened, share_residual=0.0661))
    assert not covers(waiver, replace(opened, share_residual=0.12))


def test_a_waiver_looks_at_what_the_repair_leaves_and_else_at_what_is_affected(opened):
    waiver = a_waiver(share=0.06)
    assert covers(waiver, replace(opened, share_affected=0.5, share_residual=0.06))
    assert not covers(waiver, replace(opened, share_affected=0.5, share_residual=None))


def test_what_could_not_be_counted_and_what_can_never_cover_each_other(opened):
    uncounted = replace(opened, share_affected=None, share_residual=None)
    assert covers(a_waiver(share=None), uncounted)
    assert not covers(a_waiver(share=None), opened)
    assert not covers(a_waiver(share=0.06), uncounted)


def test_a_waiver_can_not_be_granted_below_what_is_there_or_for_a_time_that_is_over(opened):
    with pytest.raises(PlumblineError, match="does not cover"):
        after(opened, ActKind.ACCEPT, waiver=a_waiver(share=0.01))
    with pytest.raises(PlumblineError, match="waives nothing"):
        after(opened, ActKind.ACCEPT, waiver=a_waiver(expires_at=FIRST))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"approver": " ADA  chen"}, "Nobody approves their own waiver"),
        ({"approver": "Eve"}, "may not approve"),
        ({"expires_at": FIRST + 8 * DAY}, "at most 7 days"),
        ({"tolerance": 2.0}, "between 0 and 1"),
    ],
)
def test_a_waiver_outside_the_teams_policy_is_refused(fields, says):
    policy = WaiverPolicy(longest=7 * DAY, approvers=("Ben Ito", "Ada Chen"))
    check_waiver(a_waiver(owner="Ada Chen", approver="ben ito"), policy)
    with pytest.raises(PlumblineError, match=says):
        check_waiver(a_waiver(**{"owner": "Ada Chen", "approver": "Ben Ito"} | fields), policy)


def test_an_accepted_gap_stays_so_until_its_waiver_expires_and_is_then_the_same_gap_open(opened):
    accepted = after(opened, ActKind.ACCEPT, waiver=a_waiver(expires_at=THIRD))
    merged = run([accepted], [a_gap()], SECOND)
    (gap,) = merged.gaps
    assert gap.status is ACCEPTED
    assert merged.events == ()
    again = run([gap], [a_gap()], THIRD)
    assert (again.gaps[0].status, again.gaps[0].gap_id) == (OPEN, opened.gap_id)
    (event,) = again.events
    assert (event.event, event.before, event.after) == (EventKind.REOPENED, "accepted", "open")
    assert "expired" in event.why


def test_an_accepted_gap_that_grew_beyond_its_waiver_is_reopened_and_says_so(opened):
    accepted = after(opened, ActKind.ACCEPT)
    grown = run([accepted], [a_gap(share_residual=0.12)], SECOND)
    assert grown.gaps[0].status is OPEN
    assert "granted at 0.06" in grown.events[0].why
    assert "0.12" in grown.events[0].why


def test_a_waiver_expires_also_while_nobody_can_look_at_the_gap(opened):
    accepted = after(opened, ActKind.ACCEPT, waiver=a_waiver(expires_at=SECOND))
    (gap,) = run([accepted], [], THIRD, nothing_found(unread={"quotes"})).gaps
    assert (gap.status, gap.life.unmeasured_since) == (OPEN, THIRD)
    assert "Not measured" in gap.severity_reason


def test_a_waiver_is_in_force_only_with_a_date_and_on_an_accepted_gap(opened):
    accepted = after(opened, ActKind.ACCEPT)
    assert waiver_in_force(accepted, SECOND)
    assert not waiver_in_force(replace(accepted, status=OPEN), SECOND)
    bare = replace(accepted, life=replace(accepted.life, waiver=None))
    assert not waiver_in_force(bare, SECOND)
    assert "without a waiver" in waiver_end(bare, SECOND)


def test_a_false_positive_that_is_found_again_is_reopened_and_says_why(opened):
    marked = after(opened, ActKind.FALSE_POSITIVE)
    merged = run([marked], [a_gap()], SECOND)
    assert merged.gaps[0].status is OPEN
    assert "false positive" in merged.events[0].why


def test_what_a_person_resolved_is_shown_once_more_and_then_rests(opened):
    merged = run([opened], [], SECOND, acts=[an_act(ActKind.RESOLVE)])
    assert [gap.status for gap in merged.gaps] == [RESOLVED]
    assert [(e.event, e.by) for e in merged.events] == [(EventKind.RESOLVED, "Ben")]
    assert run(merged.gaps, [], THIRD).gaps == ()


def test_an_act_that_came_too_late_or_is_about_no_gap_changes_nothing_and_is_not_lost(opened):
    late = [an_act(ActKind.RESOLVE), an_act(ActKind.ACKNOWLEDGE), replace(an_act(ActKind.ASSIGN), gap_id="gap-000000000000")]  # fmt: skip
    merged = run([opened], [], SECOND, acts=late)
    assert [gap.status for gap in merged.gaps] == [RESOLVED]
    assert len(merged.events) == 3
    assert "changed nothing" in merged.events[1].why
    assert "no such gap" in merged.events[2].why


def test_a_gap_is_due_by_its_severity_counted_from_when_it_was_last_opened(opened):
    sla = Agreed(high=3 * DAY)
    assert due_at(opened, sla) == FIRST + 3 * DAY
    again = apply_act(after(opened, ActKind.RESOLVE), replace(an_act(ActKind.REOPEN), at=THIRD))
    assert due_at(again, sla) == THIRD + 3 * DAY
    assert due_at(replace(opened, severity=Severity.INFO), sla) is None
    assert due_at(after(opened, ActKind.RESOLVE), sla) is None
    assert due_at(after(opened, ActKind.ACCEPT), sla) == a_waiver().expires_at


def test_age_is_counted_from_the_last_opening(opened):
    assert age(opened, THIRD) == 2 * DAY
    assert age(replace(opened, first_seen=None, life=replace(opened.life, opened_at=None)), THIRD) is None


BLOCKER = a_gap(severity=Severity.BLOCKER)
UNOWNED = a_gap(owner=None)


@pytest.mark.parametrize(
    ("gap", "hours", "level"),
    [
        (BLOCKER, 48, 0),
        (BLOCKER, 49, 1),
        (BLOCKER, 96, 1),
        (BLOCKER, 97, 2),
        (UNOWNED, 0, 0),
        (UNOWNED, 1, 1),
        (UNOWNED, 49, 2),
        (replace(UNOWNED, severity=Severity.MEDIUM), 500, 0),
        (a_gap(), 500, 0),
    ],
)
def test_what_blocks_too_long_or_belongs_to_nobody_is_escalated(gap, hours, level):
    (opened,) = run([], [gap], FIRST).gaps
    assert level_at(opened, Escalation(), FIRST + timedelta(hours=hours)) == level


def test_a_level_never_falls_while_the_gap_is_open_and_ends_with_it():
    (gap,) = run([], [UNOWNED], FIRST).gaps
    (raised,) = run([gap], [UNOWNED], SECOND).gaps
    assert raised.life.level == 1
    owned = run([raised], [a_gap(owner="ops")], THIRD)
    assert owned.gaps[0].life.level == 1
    assert owned.events == ()
    assert after(raised, ActKind.ACCEPT).life.level == 0
    assert run([raised], [], THIRD).gaps[0].life.level == 0


def test_an_escalation_says_whom_it_goes_to():
    policy = Escalation(level_1=("on call",), level_2=("head of data",))
    (gap,) = run([], [UNOWNED], FIRST, escalation=policy).gaps
    merged = run([gap], [UNOWNED], FIRST + 3 * DAY, escalation=policy)
    (event,) = merged.events
    assert (event.event, event.before, event.after) == (EventKind.ESCALATED, "0", "2")
    assert event.why == "To: on call, head of data"


def test_a_life_is_read_back_as_it_was_written(opened):
    for gap in (opened, after(opened, ActKind.ASSIGN, ActKind.ACCEPT), after(opened, ActKind.FALSE_POSITIVE)):
        assert gap_from_document(gap_document(gap)) == gap


def test_a_gap_of_a_time_without_lives_is_still_read(opened):
    document = gap_document(opened)
    del document["lifecycle"]
    (gap,) = run([gap_from_document(document)], [a_gap()], SECOND).gaps
    assert (gap.life.opened_at, gap.life.openings) == (FIRST, 1)
