"""The habits decide as people do: each does to the raw tables what its name says, and nothing more."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from benchmarks.compiled_line import config_of, warehouse
from benchmarks.truth.habits import GO, HOLD, Frame, Habit, judge, launch_value, least_slack, regret
from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.demo.world import WorldSpec, generate_in_memory

SPEC = WorldSpec(requests=1_500, seed=3, speedup=0.6, hire_effect=0.08, ticket_effect=-0.7, spam_effect=-0.7)
STORY = Brief(
    criteria=(
        Criterion(metric="ttfq_median", effect="relative", min_improvement=0.10, min_bound=0.05),
        Criterion(metric="hire_rate_7d", effect="absolute", min_delta=-0.005, min_bound=-0.010),
    ),
    guardrails=(
        Guardrail(metric="support_tickets_per_100_requests", effect="relative", max_increase=0.10),
        Guardrail(metric="spam_flags_per_1000_quotes", effect="relative", max_increase=0.05),
    ),
)


@pytest.fixture(scope="module")
def made():
    with warehouse() as connection:
        tables = generate_in_memory(connection, SPEC, schema="pristine")
        yield connection, list(tables.relations)


@pytest.fixture
def world(made):
    """A clean world whose launch is good by far, to be changed at will."""
    connection, names = made
    connection.execute("create schema if not exists raw")
    for name in names:
        connection.execute(f"create or replace table raw.{name} as from pristine.{name}")
    return connection, config_of(SPEC, {name: f"raw.{name}" for name in names})


def habits(world):
    return {habit.name: habit for habit in judge(*world)}


def test_on_clean_data_all_four_are_one(world):
    found = habits(world)
    assert {habit.verdict for habit in found.values()} == {GO}
    assert len({round(habit.margin, 9) for habit in found.values()}) == 1


def test_a_failed_check_holds_what_complete_cases_would_launch(world):
    connection, _ = world
    connection.execute("update raw.hires set outcome = null where hash(hire_id) % 20 = 0")
    found = habits(world)
    assert found["drop"].verdict == GO
    assert found["hold_on_failed_check"].verdict == HOLD
    assert "hires.outcome" in found["hold_on_failed_check"].reason


def test_a_share_of_nulls_within_its_contract_fails_no_check(world):
    connection, _ = world
    connection.execute(
        "update raw.quotes set pro_id = null where quote_id in (select quote_id from raw.quotes limit 5)"
    )
    assert habits(world)["hold_on_failed_check"].verdict == GO


TREATED = "request_id in (select entity_id from raw.assignments where variant = 'treatment')"


def test_to_ignore_is_to_take_a_null_for_no_event(world):
    connection, _ = world
    connection.execute(f"update raw.hires set hired_at = null where {TREATED}")
    found = habits(world)
    assert (found["ignore"].verdict, found["ignore"].reason.split()[0]) == (HOLD, "hire_rate_7d")


def test_to_ignore_is_to_count_copies(world):
    connection, _ = world
    for _ in range(9):
        connection.execute(
            f"insert into raw.support_tickets select * from pristine.support_tickets where {TREATED}"
        )
    found = habits(world)
    assert (found["ignore"].verdict, found["ignore"].reason.split()[0]) == (
        HOLD,
        "support_tickets_per_100_requests",
    )
    assert found["drop"].verdict == GO


def test_to_drop_is_to_leave_out_every_request_that_is_touched(world):
    connection, _ = world
    connection.execute(f"update raw.hires set hired_at = null where not {TREATED}")
    found = habits(world)
    assert found["ignore"].margin != found["drop"].margin
    connection.execute(
        "delete from raw.requests where request_id in (select request_id from raw.hires where hired_at is null)"
    )
    connection.execute("delete from raw.hires where hired_at is null")
    without = habits(world)
    assert without["drop"].margin == pytest.approx(found["drop"].margin)


def test_skew_takes_the_worse_of_both_scenarios_and_the_complete_cases(world):
    connection, _ = world
    connection.execute("delete from raw.assignments where hash(entity_id) % 5 = 0")
    for table in ("quotes", "quote_events"):
        connection.execute(f"update raw.{table} set variant = null")
    found = habits(world)
    assert found["skew"].margin <= found["drop"].margin


def test_skew_fills_unknown_outcomes_against_the_launch(world):
    connection, _ = world
    connection.execute("update raw.hires set hired_at = null where hash(hire_id) % 2 = 0")
    found = habits(world)
    assert found["drop"].verdict == GO
    assert (found["skew"].verdict, found["skew"].reason.split()[0]) == (HOLD, "hire_rate_7d")


def test_nobody_launches_on_a_column_that_is_not_there(world):
    connection, _ = world
    connection.execute("alter table raw.hires rename hired_at to moment")
    assert {(habit.verdict, habit.reason) for habit in judge(*world)} == {
        (HOLD, "hires.hired_at is not there")
    }


def frame(hired, requests):
    """Two arms of which so many were hired, and all was well besides."""
    arm = np.repeat([1, 0], requests)
    hire = np.concatenate(
        [np.where(np.arange(n) < k, 0.0, math.inf) for k, n in zip(hired, requests, strict=True)]
    )
    size = len(arm)
    nothing, one = np.zeros(size, dtype=bool), np.ones(size)
    return Frame(arm, np.where(arm == 1, 100.0, 200.0), hire, one, one, one, nothing, nothing, nothing)


def test_the_margin_is_zero_where_the_limit_meets_the_threshold():
    lower, _ = confint_proportions_2indep(60, 400, 50, 380, method="newcomb", compare="diff", alpha=0.10)
    brief = Brief(criteria=(Criterion(metric="hire_rate_7d", min_bound=float(lower)),))
    margin, reason = least_slack(frame((60, 50), (400, 380)), brief)
    assert margin == pytest.approx(0, abs=1e-12)
    assert reason == "hire_rate_7d min_bound"


def test_the_margin_counts_standard_errors_and_the_worst_condition_decides():
    margin, reason = least_slack(frame((60, 60), (400, 400)), STORY)
    error = math.sqrt(2 * 0.15 * 0.85 / 400)
    lower, _ = confint_proportions_2indep(60, 400, 60, 400, method="newcomb", compare="diff", alpha=0.10)
    assert margin == pytest.approx((lower + 0.010) / error)
    assert reason == "hire_rate_7d min_bound"


def test_a_shift_moves_every_threshold_by_standard_errors():
    habit = Habit("drop", 0.7, "hire_rate_7d min_bound")
    assert (habit.at(0.0), habit.at(0.69), habit.at(0.71)) == (GO, GO, HOLD)


TRUE = {
    "ttfq_median": -0.20,
    "hire_rate_7d": 0.004,
    "support_tickets_per_100_requests": 0.0,
    "spam_flags_per_1000_quotes": -0.05,
}


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({}, 1.0),  # no more tickets than before: a whole tolerance (10%) inside
        ({"hire_rate_7d": -0.005}, 0.5),  # half a point below, of one that is tolerated
        ({"hire_rate_7d": -0.020}, -1.0),
        ({"ttfq_median": -0.05}, 0.0),
        ({"spam_flags_per_1000_quotes": 0.10}, -1.0),
    ],
)
def test_a_launch_is_worth_its_worst_rules_room_in_tolerances(change, value):
    assert launch_value({**TRUE, **change}, STORY) == pytest.approx(value)


def test_regret_is_a_good_launch_held_or_a_bad_one_let_go():
    assert [regret(GO, 0.5), regret(HOLD, 0.5), regret(GO, -0.3), regret(HOLD, -0.3)] == [0, 0.5, 0.3, 0]
