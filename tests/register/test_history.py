"""What becomes of a gap from run to run."""

from dataclasses import replace
from datetime import UTC, datetime

import lives
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import FIRST, SECOND, THIRD, an_act, nothing_found, run

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import GapStatus
from dagster_pipeline.register.acts import ActKind
from dagster_pipeline.register.history import Evaluation, EventKind

EVERYTHING = nothing_found()


def a_gap(*place, **fields):
    """A gap as measured; with an experiment its id is another one."""
    found = lives.a_gap(*place, **{key: value for key, value in fields.items() if key != "experiment"})
    experiment = fields.get("experiment")
    return replace(
        found,
        gap_id=gap_id(found.kind, experiment, found.table, found.column),
        experiment=experiment,
        by_variant={"control": 0.12, "treatment": 0.13},
    )


def kinds_of(merged):
    return [event.event for event in merged.events]


def test_a_new_gap_is_opened_and_dated():
    merged = run([], [a_gap()], FIRST)
    (gap,) = merged.gaps
    assert (gap.first_seen, gap.last_seen, gap.status) == (FIRST, FIRST, GapStatus.OPEN)
    (event,) = merged.events
    assert (event.event, event.before, event.after) == (EventKind.OPENED, None, "high")


def test_a_gap_seen_again_keeps_its_first_date_and_says_nothing_new():
    merged = run(run([], [a_gap()], FIRST).gaps, [a_gap()], SECOND)
    assert (merged.gaps[0].first_seen, merged.gaps[0].last_seen) == (FIRST, SECOND)
    assert merged.events == ()


def test_a_changed_severity_is_an_event_with_both_severities():
    merged = run(run([], [a_gap()], FIRST).gaps, [a_gap(severity=Severity.LOW)], SECOND)
    (event,) = merged.events
    assert (event.event, event.before, event.after) == (EventKind.SEVERITY_CHANGED, "high", "low")


def test_a_gap_no_longer_found_is_resolved_in_this_run_and_gone_from_the_next():
    resolved = run(run([], [a_gap()], FIRST).gaps, [], SECOND)
    (gap,) = resolved.gaps
    assert gap.status is GapStatus.RESOLVED
    assert (gap.rows_affected, gap.share_residual, gap.severity) == (0, 0.0, Severity.INFO)
    assert "It was high" in gap.severity_reason
    assert (gap.first_seen, gap.last_seen) == (FIRST, FIRST)
    assert kinds_of(resolved) == [EventKind.RESOLVED]
    later = run(resolved.gaps, [], THIRD)
    assert (later.gaps, later.events) == ((), ())


def test_a_gap_that_comes_back_is_reopened_under_its_old_id_and_date():
    resolved = run(run([], [a_gap()], FIRST).gaps, [], SECOND).gaps
    merged = run(resolved, [a_gap(severity=Severity.MEDIUM)], THIRD)
    (gap,) = merged.gaps
    assert gap.gap_id == a_gap().gap_id
    assert (gap.status, gap.first_seen, gap.last_seen) == (GapStatus.OPEN, FIRST, THIRD)
    assert kinds_of(merged) == [EventKind.REOPENED]


@pytest.mark.parametrize(
    "evaluation",
    [
        Evaluation(frozenset({"orphan_rows"})),
        Evaluation(frozenset({"missing_values"}), unread=frozenset({"quotes"})),
        Evaluation(frozenset({"missing_values"}), experiments=frozenset({"other"})),
    ],
    ids=["its model failed", "its table could not be read", "its experiment was not analysed"],
)
def test_a_gap_whose_check_could_not_run_stays_open_and_says_so_once(evaluation):
    before = run([], [a_gap(experiment="quoting_v2")], FIRST).gaps
    merged = run(before, [], SECOND, evaluation)
    again = run(merged.gaps, [], THIRD, evaluation)
    for gap in (*merged.gaps, *again.gaps):
        assert (gap.status, gap.last_seen, gap.severity) == (GapStatus.OPEN, FIRST, Severity.HIGH)
        assert gap.severity_reason.count("Not measured in this run") == 1
        assert "2026-11-06" in gap.severity_reason
    assert kinds_of(merged) == kinds_of(again) == []


def test_not_evaluated_itself_is_resolved_once_its_table_is_read_again():
    before = run([], [a_gap("not_evaluated", "hires", None)], FIRST).gaps
    unread = Evaluation(EVERYTHING.kinds, unread=frozenset({"hires"}))
    assert run(before, [], SECOND, unread).gaps[0].status is GapStatus.OPEN
    assert run(before, [], SECOND).gaps[0].status is GapStatus.RESOLVED


def test_an_acknowledged_gap_stays_so_and_keeps_whom_it_was_assigned_to():
    acts = [an_act(ActKind.ACKNOWLEDGE), an_act(ActKind.ASSIGN, owner="ops")]
    (gap,) = run(run([], [a_gap()], FIRST).gaps, [a_gap()], SECOND, acts=acts).gaps
    assert (gap.status, gap.owner) == (GapStatus.ACKNOWLEDGED, "ops")
    (still,) = run([gap], [a_gap(owner="data platform")], THIRD).gaps
    assert still.owner == "ops"


def test_an_owner_of_the_configuration_goes_before_the_one_it_named_earlier():
    (before,) = run([], [a_gap(owner="ops")], FIRST).gaps
    (renamed,) = run([before], [a_gap(owner="data platform")], SECOND).gaps
    assert renamed.owner == "data platform"


def test_a_gap_measured_twice_in_one_run_is_refused_by_name():
    with pytest.raises(PlumblineError, match=r"missing_values, table quotes, column price"):
        run([], [a_gap(), a_gap(severity=Severity.LOW)], FIRST)


def test_the_register_lists_the_worst_first_and_the_resolved_last():
    gone = run([], [a_gap("orphan_rows", column=None, severity=Severity.BLOCKER)], FIRST).gaps
    measured = [
        a_gap(column="price", severity=Severity.LOW),
        a_gap(column="pro_id", severity=Severity.BLOCKER),
        replace(a_gap(column="quoted_at", severity=Severity.LOW), share_residual=0.5),
    ]
    merged = run(gone, measured, SECOND)
    assert [gap.column for gap in merged.gaps] == ["pro_id", "quoted_at", "price", None]


columns = st.sampled_from(["a", "b", "c", "d"])
days = st.lists(
    st.tuples(st.sets(columns), st.booleans(), st.sampled_from(list(Severity))), min_size=1, max_size=6
)


@given(days)
def test_however_runs_follow_one_another_the_events_tell_the_state(days):
    """Replaying opened, resolved and reopened from the log alone gives the gaps that are open now."""
    prior, open_now, first_seen = {}, set(), {}
    for day, (found, complete, severity) in enumerate(days, start=1):
        at = datetime(2026, 11, day, tzinfo=UTC)
        evaluation = EVERYTHING if complete else Evaluation(frozenset())
        merged = run(prior.values(), [a_gap(column=c, severity=severity) for c in found], at, evaluation)
        prior |= {gap.gap_id: gap for gap in merged.gaps}
        for event in merged.events:
            if event.event in (EventKind.OPENED, EventKind.REOPENED):
                assert event.gap_id not in open_now
                open_now.add(event.gap_id)
                first_seen.setdefault(event.gap_id, at)
            elif event.event is EventKind.RESOLVED:
                open_now.remove(event.gap_id)
        unresolved = {gap.gap_id for gap in merged.gaps if gap.status is not GapStatus.RESOLVED}
        assert unresolved == open_now
        assert all(prior[gap_id].first_seen == at for gap_id, at in first_seen.items())
        assert {a_gap(column=c).gap_id for c in found} <= open_now
