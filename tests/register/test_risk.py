"""The open gaps as risks: how likely, how late, in which order; and the checkpoint made of the same."""

from dataclasses import replace
from datetime import timedelta

import pytest
from lives import DAY, FIRST, a_gap, a_waiver

from dagster_pipeline.config.triage import Agreed, Escalation, Triage
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import GapStatus, Impact, Life
from dagster_pipeline.register.checkpoint import Blocked, checkpoint, recent
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.process import ActionState
from dagster_pipeline.register.risk import (
    Decided,
    Likelihood,
    Money,
    deciding_impact,
    likelihood,
    risks,
    smallest_delta_star,
)
from dagster_pipeline.statistics.vocabulary import Direction

HOUR = timedelta(hours=1)
TRIAGE = Triage(
    sla=Agreed(blocker=24 * HOUR, high=72 * HOUR), escalation=Escalation(level_1=("lead",), level_2=("vp",))
)
DECIDED = Decided({"exp": frozenset({"hire_rate_7d", "ttfq_median"})}, {})


def an_impact(metric="hire_rate_7d", delta_star=0.7, flips=False):
    return Impact(metric, "treatment", "absolute", 0.01, 0.02, -0.01, 0.03, -0.02, 0.02,
                  Direction.EITHER, Direction.NONE, flips, delta_star)  # fmt: skip


def opened(hours_ago=0, at=FIRST, **fields):
    return a_gap(life=Life(opened_at=at - hours_ago * HOUR, openings=1), **fields)


def only(gap, at=FIRST, decided=DECIDED):
    (found,) = risks([gap], decided, TRIAGE, at)
    return found


@pytest.mark.parametrize(
    ("delta_star", "name"),
    [
        (-0.1, "very likely"), (0.25, "very likely"), (0.2501, "likely"), (1.0, "likely"), (1.001, "possible"),
        (2.0, "possible"), (2.001, "unlikely"), (None, "cannot be said"), (float("nan"), "cannot be said"),
    ],
)  # fmt: skip
def test_likelihood_follows_delta_star_with_its_limits_included(delta_star, name):
    assert likelihood(delta_star).value == name


def test_the_metric_that_gives_way_first_decides_and_others_of_the_warehouse_do_not():
    gap = opened(metrics=(an_impact("gmv", 0.1), an_impact(delta_star=1.5), an_impact("ttfq_median", 0.9)))
    found = only(gap)
    assert (found.deciding.metric, found.delta_star) == ("ttfq_median", 0.9)
    assert found.likelihood is Likelihood.LIKELY


def test_a_metric_left_without_a_limit_goes_before_every_figure_and_is_never_called_unlikely():
    unlimited = an_impact("ttfq_median", None, flips=True)
    assert (
        deciding_impact(opened(metrics=(an_impact(delta_star=0.1), unlimited)), DECIDED.of(opened()))
        is unlimited
    )
    found = only(opened(metrics=(an_impact(delta_star=9.0), unlimited)))
    assert (found.delta_star, found.likelihood) == (None, Likelihood.UNKNOWN)
    assert smallest_delta_star([an_impact(delta_star=9.0), unlimited]) is None
    assert smallest_delta_star([an_impact(delta_star=9.0), an_impact(delta_star=None)]) == 9.0


def test_of_a_gap_on_no_metric_of_a_decision_nothing_can_be_said():
    found = only(opened(metrics=(an_impact("gmv"),)))
    assert (found.deciding, found.likelihood) == (None, Likelihood.UNKNOWN)


def test_a_gap_of_one_experiment_is_weighed_against_its_decision_only():
    decided = Decided({"a": frozenset({"x"}), "b": frozenset({"y"})}, {})
    assert decided.of(replace(a_gap(), experiment="a")) == {"x"}
    assert decided.of(replace(a_gap(), experiment="gone")) == frozenset()
    assert decided.of(a_gap()) == {"x", "y"}


def test_information_and_what_is_resolved_are_no_risks():
    gaps = [opened(severity=Severity.INFO), replace(opened(), status=GapStatus.RESOLVED)]
    assert risks(gaps, DECIDED, TRIAGE, FIRST) == ()


def test_the_worst_comes_first_by_severity_then_delta_star_then_money():
    def one(column, severity, delta_star):
        return opened(column=column, severity=severity, metrics=(an_impact(delta_star=delta_star),))

    blocker, unknown = one("a", Severity.BLOCKER, 0.2), one("b", Severity.HIGH, None)
    near, rich, poor = (one(name, Severity.HIGH, star) for name, star in (("c", 0.5), ("d", 0.6), ("e", 0.6)))
    decided = replace(DECIDED, money={rich.gap_id: Money(9.0, "USD"), poor.gap_id: Money(1.0, "USD")})
    found = risks([poor, rich, near, unknown, blocker], decided, TRIAGE, FIRST)
    assert [risk.gap.column for risk in found] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(("hours", "late"), [(71, False), (72, False), (72.01, True)])
def test_a_gap_is_late_once_what_is_agreed_for_its_severity_is_over(hours, late):
    found = only(opened(hours))
    assert found.due_at == FIRST + (72 - hours) * HOUR
    assert (found.is_late, found.age) == (late, hours * HOUR)


def test_an_accepted_gap_is_late_when_its_waiver_ended_and_not_by_its_age():
    life = Life(opened_at=FIRST - 90 * DAY, openings=1, waiver=a_waiver())
    gap = replace(a_gap(), status=GapStatus.ACCEPTED, life=life)
    assert not only(gap, FIRST + 4 * DAY).is_late
    assert only(gap, FIRST + 6 * DAY).is_late
    assert only(replace(gap, share_residual=0.12), FIRST).is_late, "granted at 6%, it is 12% now"


def test_an_old_blocker_names_whom_to_tell():
    assert only(opened(97, severity=Severity.BLOCKER)).contacts == ("lead", "vp")


# --- the checkpoint ------------------------------------------------------------------------------


def an_event(hours, gap_id="gap", run_id="run", kind=EventKind.OPENED):
    return GapEvent(run_id, FIRST + hours * HOUR, gap_id, kind, None, "high")


def test_recent_is_a_day_and_all_that_the_run_wrote_down():
    old, older_of_run, new = an_event(-25), an_event(-90, run_id="now"), an_event(-23)
    assert recent([old, older_of_run, new], FIRST, "now") == (older_of_run, new)
    assert recent([an_event(-24)], FIRST) == ()


def test_every_gap_with_a_date_is_late_or_due_or_neither_and_never_both():
    gaps = [opened(hours, column=str(hours)) for hours in range(0, 120, 6)]
    found = checkpoint(gaps, (), (), TRIAGE, FIRST)
    late, due = ({one.gap.column for one in part} for part in (found.late, found.due))
    assert late == {str(hours) for hours in range(78, 120, 6)}
    assert due == {str(hours) for hours in range(48, 78, 6)}
    assert [one.due_at for one in found.due] == sorted(one.due_at for one in found.due)


def an_action(what, due, **fields):
    return ActionState("exp", what, "Ada", due, FIRST - 9 * DAY, **fields)


def test_actions_are_late_or_due_until_somebody_closes_them():
    actions = [
        an_action("late", "2026-11-05T23:59:59Z"),
        an_action("today", "2026-11-06T12:00:00Z"),
        an_action("later", "2026-11-08T00:00:00Z"),
        an_action("done", "2026-11-01T00:00:00Z", closed_at=FIRST, closed_by="Bo"),
        an_action("some day", None),
        an_action("unreadable", "soon"),
    ]
    found = checkpoint((), (), (), TRIAGE, FIRST, actions=actions)
    assert [(one.what, one.is_late) for one in found.promises] == [("late", True), ("today", False)]


def test_what_no_run_can_look_at_is_told():
    gap = replace(opened(), life=Life(opened_at=FIRST, unmeasured_since=FIRST))
    assert checkpoint([gap, opened(column="x")], (), (), TRIAGE, FIRST).unmeasured == (gap,)


def test_changes_come_worst_first_and_keep_their_order():
    high, low = opened(column="h"), opened(column="l", severity=Severity.LOW)
    events = [
        an_event(1, low.gap_id),
        an_event(2, "gone"),
        an_event(3, high.gap_id),
        an_event(4, high.gap_id),
    ]
    found = checkpoint([low, high], events, (Blocked(None, "HOLD", is_blocked=True),), TRIAGE, FIRST)
    assert [one.event.at for one in found.changed] == [FIRST + n * HOUR for n in (3, 4, 1, 2)]
    assert found.changed[-1].gap is None
