"""Readiness: a green dry run early enough, and enough of the critical fields watched, or the launch waits."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.config.brief import Brief, Criterion, Readiness
from dagster_pipeline.gate.readiness import readiness, readiness_document
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.dry_runs import DryRun

LAUNCH = datetime(2026, 11, 30, tzinfo=UTC)
BY = LAUNCH - timedelta(days=21)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
ENOUGH = Coverage(10, 8)
CRITERION = Criterion(metric="hire_rate_7d", min_delta=-0.005)


def a_brief(**fields):
    return Brief(
        **{"experiment": "quoting_v2", "criteria": (CRITERION,), "launch_date": LAUNCH, **fields},
    )


def a_dry_run(at=BY, is_green=True, **fields):
    reasons = () if is_green else ("The source quotes is missing.",)
    found = DryRun("run-1", at, "quoting_v2", "3f" * 32, is_green, reasons, 10, 9, at)
    return replace(found, **fields)


def test_a_green_dry_run_exactly_on_its_last_day_is_in_time():
    found = readiness(a_brief(), [a_dry_run(BY)], ENOUGH, NOW)
    assert (found.is_ready, found.failures, found.required_by) == (True, (), BY)
    assert found.latest_green == a_dry_run(BY)


def test_a_green_dry_run_too_late_holds_the_launch_and_says_what_it_allows():
    late = a_dry_run(BY + timedelta(minutes=1))
    found = readiness(a_brief(), [late], ENOUGH, NOW)
    assert found.is_ready is False
    assert found.failures == (
        "The launch on 2026-11-30 needs a green dry run by 2026-11-09 00:00 UTC, 21 days before it; the first is of "
        "2026-11-09 00:01 UTC. It allows a launch from 2026-11-30 00:01 UTC on.",
    )


@pytest.mark.parametrize(
    "dry_runs",
    [
        [],
        [a_dry_run(is_green=False)],
        [a_dry_run(experiment="another")],
        [a_dry_run(NOW + timedelta(hours=1))],
    ],
    ids=["none", "not green", "of another experiment", "from the future"],
)
def test_without_a_green_dry_run_of_this_experiment_the_launch_waits(dry_runs):
    assert readiness(a_brief(), dry_runs, ENOUGH, NOW).is_ready is False


def test_why_the_last_dry_run_was_not_green_is_said():
    found = readiness(a_brief(), [a_dry_run(is_green=False)], ENOUGH, BY - timedelta(days=-1))
    assert "1 dry run and none is green" in found.failures[0]
    assert found.failures[1] == "Dry run of 2026-11-09 00:00 UTC: The source quotes is missing."


def test_before_the_last_day_a_dry_run_can_still_be_done_and_after_it_the_launch_must_move():
    early = readiness(a_brief(), [], ENOUGH, BY - timedelta(days=1)).failures
    late = readiness(a_brief(), [], ENOUGH, BY + timedelta(days=1)).failures
    assert early[0].endswith("there is none: do `plumbline run --readiness` on staging data.")
    assert late[0].endswith("on staging data and move the launch to 21 days after it.")


def test_the_lead_is_the_brief_s():
    brief = a_brief(readiness=Readiness(lead=timedelta(days=2)))
    assert readiness(brief, [a_dry_run(LAUNCH - timedelta(days=2))], ENOUGH, LAUNCH).is_ready is True
    assert readiness(brief, [a_dry_run(LAUNCH - timedelta(days=1))], ENOUGH, LAUNCH).is_ready is False


@pytest.mark.parametrize(
    ("coverage", "is_ready"), [(Coverage(10, 8), True), (Coverage(10, 7), False), (Coverage(0, 0), False)]
)
def test_too_few_fields_watched_hold_the_launch(coverage, is_ready):
    found = readiness(a_brief(), [a_dry_run()], coverage, NOW)
    assert found.is_ready is is_ready
    assert len(found.failures) == (0 if is_ready else 1)


def test_both_faults_are_told():
    assert len(readiness(a_brief(), [], Coverage(10, 7), NOW).failures) == 2


def test_without_a_launch_date_nobody_asks_and_the_coverage_is_only_shown():
    found = readiness(a_brief(launch_date=None), [], Coverage(10, 7), NOW)
    assert (found.is_ready, found.failures, found.coverage) == (None, (), 0.7)


def test_a_dry_run_of_another_version_counts_and_is_named():
    found = readiness(a_brief(), [a_dry_run()], ENOUGH, NOW, "00" * 32)
    assert found.is_ready is True
    assert found.notes == ("The green dry run of 2026-11-09 00:00 UTC was of another version of the brief.",)
    assert readiness(a_brief(), [a_dry_run()], ENOUGH, NOW, "3f" * 32).notes == ()


def test_a_later_dry_run_that_was_not_green_is_named():
    found = readiness(a_brief(), [a_dry_run(NOW, is_green=False), a_dry_run()], ENOUGH, NOW)
    assert found.is_ready is True
    assert "A later dry run, of 2026-11-20 00:00 UTC, was not green" in found.notes[0]


def test_the_document_is_plain_json_with_days():
    document = readiness_document(readiness(a_brief(), [a_dry_run()], ENOUGH, NOW))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["lead_days"], document["required_by"]) == (21.0, "2026-11-09T00:00:00Z")
    assert document["latest_green"]["run_id"] == "run-1"
    empty = readiness_document(readiness(a_brief(launch_date=None), [], Coverage(0, 0), NOW))
    assert (empty["coverage"], empty["latest_green"], empty["is_ready"]) == (None, None, None)


MOMENTS = st.integers(0, 90 * 24).map(
    lambda hours: datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=hours)
)
DRY_RUNS = st.lists(st.builds(a_dry_run, at=MOMENTS, is_green=st.booleans()), max_size=4)


@settings(max_examples=40, deadline=None)
@given(dry_runs=DRY_RUNS, evaluated_at=MOMENTS, monitored=st.integers(0, 10), data=st.data())
def test_making_a_dry_run_worse_or_watching_less_never_makes_a_launch_ready(
    dry_runs, evaluated_at, monitored, data
):
    def is_ready(found, watched):
        return readiness(a_brief(), found, Coverage(10, watched), evaluated_at).is_ready

    before = is_ready(dry_runs, monitored)
    less = data.draw(st.integers(0, monitored))
    fewer = [found for found in dry_runs if data.draw(st.booleans())]
    worse = [replace(found, is_green=found.is_green and data.draw(st.booleans())) for found in fewer]
    later = [replace(found, at=found.at + timedelta(days=data.draw(st.integers(0, 30)))) for found in worse]
    assert before or not is_ready(later, less)
