"""A dry run is green only where everything was read, built, checked and watched, and nothing blocks."""

from dataclasses import replace

import pytest

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.gaps.model import GapStatus
from dagster_pipeline.gate.dry_run import dry_run_faults
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.transform.mapping import Finding, WarehouseMapping
from dagster_pipeline.transform.results import BuildResult, NodeResult, NodeStatus, WarehouseBuild
from tests.register.log_cases import a_gap

EXPERIMENT = "quoting_v2"


def a_build(status=SourceStatus.OK, findings=(), nodes=(), error=None):
    found = {
        "requests": SourceInspection("requests", SourceStatus.OK),
        "quotes": SourceInspection("quotes", status),
        "messages": SourceInspection("messages", SourceStatus.UNMAPPED),
    }
    mapping = WarehouseMapping({}, tuple(findings), (), {}, ())
    return WarehouseBuild(mapping, found, BuildResult(tuple(nodes), error))


def a_check(status=CheckStatus.PASSED):
    check = CheckResult(
        "quotes", "not_null", "quotes", "price", status, None, None, None, None, "missing_values"
    )
    return RegisteredCheck(check)


def faults(build=None, checks=None, gaps=(), coverage=Coverage(10, 8), required=0.8):  # noqa: B008  frozen
    checks = [a_check()] if checks is None else checks
    return dry_run_faults(EXPERIMENT, build or a_build(), checks, gaps, coverage, required)


def a_node(status):
    return NodeResult("model.quotes", "stg_quotes", "model", status, "Runtime Error", 0.1)


def test_a_run_that_read_built_checked_and_watched_everything_is_green():
    assert faults() == ()


def test_checks_that_fail_are_gaps_and_no_fault_of_the_contract():
    high = a_gap(Severity.HIGH)
    assert faults(checks=[a_check(CheckStatus.FAILED)], gaps=[high]) == ()


@pytest.mark.parametrize("status", [SourceStatus.MISSING, SourceStatus.UNREADABLE, SourceStatus.EMPTY])
def test_a_source_of_the_configuration_that_was_not_read_is_a_fault_told_once(status):
    finding = Finding("not_evaluated", "quotes", None, "it is not there", False)
    assert faults(a_build(status, [finding])) == (f"The source quotes is {status.value}.",)


def test_a_column_that_is_not_there_is_a_fault_and_one_left_out_on_purpose_is_none():
    broken = Finding("schema_change", "quotes", "price", "there is no such column", False)
    left_out = replace(broken, expected=True)
    assert faults(a_build(findings=[broken, left_out])) == (
        "quotes.price could not be read as configured (schema change).",
    )


@pytest.mark.parametrize("status", [NodeStatus.ERROR, NodeStatus.FAILED])
def test_a_model_that_broke_is_a_fault(status):
    assert "stg_quotes" in faults(a_build(nodes=[a_node(status)]))[0]


def test_a_build_that_ended_early_is_a_fault():
    assert faults(a_build(error="dbt could not start")) == ("The build ended early: dbt could not start.",)


def test_a_check_without_an_answer_and_no_check_at_all_are_faults():
    assert faults(checks=[a_check(), a_check(CheckStatus.ERROR)]) == (
        "1 of 2 checks could not be evaluated.",
    )
    assert faults(checks=[]) == ("No check ran.",)


@pytest.mark.parametrize(
    ("coverage", "count"), [(Coverage(10, 8), 0), (Coverage(10, 7), 1), (Coverage(0, 0), 1)]
)
def test_too_few_watched_fields_are_a_fault(coverage, count):
    assert len(faults(coverage=coverage)) == count


@pytest.mark.parametrize(
    ("gap", "count"),
    [
        (a_gap(Severity.BLOCKER), 1),
        (a_gap(Severity.BLOCKER, GapStatus.ACCEPTED), 1),
        (a_gap(Severity.BLOCKER, experiment=EXPERIMENT), 1),
        (a_gap(Severity.BLOCKER, experiment="another"), 0),
        (a_gap(Severity.BLOCKER, GapStatus.RESOLVED), 0),
        (a_gap(Severity.HIGH), 0),
    ],
    ids=["open", "accepted", "of this experiment", "of another", "resolved", "high"],
)
def test_a_blocker_of_this_launch_that_is_not_resolved_is_a_fault(gap, count):
    assert len(faults(gaps=[gap])) == count
