"""A rollback trigger: so many falls in a row, and a day nobody can judge is neither a fall nor calm."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from dagster_pipeline.config.brief import Rollback, Rollout
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.types import Experiment, Window
from dagster_pipeline.gaps.daily import DailySums, DayLevel, DaySums
from dagster_pipeline.gate.rollback import day_moves, triggered, watch_document, watches
from dagster_pipeline.statistics.evidence import Moments

FIRST = date(2026, 10, 1)
RULE = Rollback(metric="hire_rate_7d", max_fall=0.01, days=2)


def day(i, value, n=1_000, n_open=0, is_over=True):
    return DayLevel(FIRST + timedelta(days=i), n, n_open, value, is_over)


def levels(*values):
    """A day each; None is a day without requests, a DayLevel stands for itself."""
    return [
        v if isinstance(v, DayLevel) else DayLevel(FIRST + timedelta(days=i), 0, 0, None) if v is None else day(i, v)
        for i, v in enumerate(values)
    ]  # fmt: skip


def fired(*values, rule=RULE):
    found = triggered(rule, levels(*values), "treatment")
    return None if found is None else [one.day for one in found.days]


def moves(*values):
    return [one.move.value for one in day_moves(RULE, levels(*values))]


def test_two_falls_in_a_row_fire_and_say_when_and_how_far():
    found = triggered(RULE, levels(0.12, 0.105, 0.09), "treatment")
    assert found.days == (date(2026, 10, 2), date(2026, 10, 3))
    assert found.falls == pytest.approx((0.015, 0.015))
    assert found.reason == (
        "hire_rate_7d of treatment fell by more than 0.01 from one day to the next: "
        "0.015 on 2026-10-02, 0.015 on 2026-10-03"
    )


@pytest.mark.parametrize(
    "values",
    [
        (0.12, 0.105),  # one
        (0.12, 0.105, 0.105, 0.09),  # calm in between
        (0.12, 0.105, 0.20, 0.15),  # a rise in between
        (0.12, 0.11, 0.10),  # by no more than the limit
        (0.12, 0.111, 0.102, 0.093, 0.084),  # slowly
        (),
        (0.12,),
    ],
)
def test_anything_less_does_not(values):
    assert fired(*values) is None


def test_it_takes_as_many_days_as_the_brief_says():
    values = (0.12, 0.10, 0.08, 0.06)
    assert fired(*values, rule=RULE.model_copy(update={"days": 3})) == [2, 3, 4]
    assert fired(*values, rule=RULE.model_copy(update={"days": 4})) is None
    assert fired(*values, rule=RULE.model_copy(update={"days": 1})) == [4]


def test_the_latest_trigger_is_told():
    assert fired(0.12, 0.10, 0.08, 0.12, 0.12, 0.10, 0.08) == [6, 7]


def test_a_missing_day_is_unjudged_as_is_the_day_after_it():
    assert moves(0.12, None, 0.05) == ["unjudged", "unjudged"]
    assert fired(0.12, None, 0.05) is None


def test_unjudged_days_neither_end_a_row_of_falls_nor_add_to_it():
    assert fired(0.12, 0.10, None, 0.10, 0.08) == [2, 5]
    assert fired(0.12, 0.10, None, 0.10, 0.10, 0.08) is None  # a calm day ended it
    assert fired(0.12, 0.10, None, 0.02) is None  # only one fall was seen


@pytest.mark.parametrize(
    ("level", "why"),
    [
        (day(1, 0.05, n=99), "99 requests, fewer than 100"),
        (day(1, 0.05, n_open=1), "1 of 1,001 requests of 2026-10-02 are not mature"),
        (day(1, 0.05, is_over=False), "2026-10-02 is not over"),
        (day(1, None), "has no level"),
        (DayLevel(date(2026, 10, 2), 0, 0, None), "has no request"),
    ],
)
def test_a_day_that_can_not_be_judged_says_why(level, why):
    found = day_moves(RULE, levels(0.12, level, 0.05))
    assert [one.move.value for one in found] == ["unjudged", "unjudged"]
    assert all(why in one.why and one.fall is None for one in found)


def test_how_few_requests_are_too_few_is_the_briefs():
    small = [day(i, v, n=30) for i, v in enumerate((0.5, 0.3, 0.1))]
    assert triggered(RULE, small, "t") is None
    assert triggered(RULE.model_copy(update={"min_units": 30}), small, "t") is not None


# --- over an experiment ------------------------------------------------------------------------

EXPERIMENT = Experiment(
    id="x", control="c", split={"c": 0.5, "t": 0.25, "u": 0.25},
    window=Window(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 10, 6, tzinfo=UTC)),
)  # fmt: skip
LATE = datetime(2026, 11, 6, tzinfo=UTC)


def watched(sums, metric="hire_rate_7d", as_of=LATE):
    rollout = Rollout(rollback=(RULE.model_copy(update={"metric": metric}),))
    return list(watches(rollout, EXPERIMENT, sums, metric_definitions(), as_of))


def arm(*shares, n=1_000):
    return tuple(
        DaySums(FIRST + timedelta(days=i), Moments(n, n, p * n, n, p * n, n, p * n))
        for i, p in enumerate(shares)
    )


def test_every_treatment_is_watched_and_the_control_is_not():
    found = watched(DailySums({("hire_rate_7d", "c"): arm(0.12, 0.10, 0.08), ("hire_rate_7d", "t"): arm(0.12, 0.10, 0.08), ("hire_rate_7d", "u"): arm(0.12, 0.12)}))  # fmt: skip
    assert [(one.variant, one.trigger is not None) for one in found] == [("t", True), ("u", False)]
    assert [one.move.value for one in found[1].moves] == ["calm", "unjudged", "unjudged", "unjudged"]


def test_a_treatment_without_a_day_can_not_be_watched_and_neither_can_a_quantile():
    assert all(one.reason for one in watched(DailySums({})))
    assert all(one.reason for one in watched(DailySums({}), "ttfq_median"))
    assert all(one.reason for one in watched(DailySums({}), "no_such_metric"))


def test_it_is_written_down_with_every_days_move():
    document = watch_document(watched(DailySums({("hire_rate_7d", "t"): arm(0.12, 0.10, 0.08)}))[0])
    assert document["trigger"]["days"] == ["2026-10-02", "2026-10-03"]
    assert [one["move"] for one in document["moves"]] == ["fall", "fall", "unjudged", "unjudged"]
    assert (document["max_fall"], document["days"], document["min_units"]) == (0.01, 2, 100)
