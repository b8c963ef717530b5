"""Coverage: which fields a decision hangs on, and which of them a check watches."""

import pytest

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.register.coverage import Coverage, coverage
from dagster_pipeline.register.documents import RegisteredCheck

CONFIG = """
version: 1
warehouse: {engine: duckdb, path: warehouse.duckdb}
sources:
  requests: {from: requests.parquet, columns: {request_id: id, created_at: at, geo: geo}}
  hires: {from: hires.parquet, columns: {hire_id: id, request_id: request, hired_at: at, amount: amount}}
  assignments: {from: assignments.parquet, columns: {entity_id: e, experiment_id: x, variant: v, assigned_at: at}}
experiments:
  - {id: a, unit: request, control: c, split: {c: 0.5, t: 0.5}, window: {start: 2026-10-01, end: 2026-10-29}}
  - {id: b, unit: request, control: c, split: {c: 0.5, t: 0.5}, window: {start: 2026-10-01, end: 2026-10-29}}
brief:
  - {experiment: a, criteria: [{metric: hire_rate_7d, min_delta: 0}]}
  - {experiment: b, criteria: [{metric: gmv_per_request, min_delta: 0}]}
"""
ARMS = {"requests.request_id", "requests.created_at", "assignments.entity_id", "assignments.variant"}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    file = tmp_path_factory.mktemp("coverage") / "plumbline.yml"
    file.write_text(CONFIG, encoding="utf-8")
    return load_config(file)


def checks(*fields, status=CheckStatus.PASSED, of=None):
    for field in fields:
        table, column = field.split(".")
        result = CheckResult(
            table, "not_null", table, of or column, status, None, None, None, None, "missing_values",
            gap_column=column if of else None,
        )  # fmt: skip
        yield RegisteredCheck(result)


def test_critical_are_the_fields_of_the_brief_s_metrics_and_of_the_arms(config):
    hires, amounts = config.briefs
    one = coverage(config, checks(*ARMS), [hires])
    assert (one.critical_fields - one.monitored_fields, one.monitored_fields) == (2, 4)
    watched = coverage(config, checks(*ARMS, "hires.request_id", "hires.hired_at", "hires.amount"), [hires])
    assert watched == Coverage(6, 6)
    both = coverage(config, checks("hires.amount"))
    assert both.monitored_fields == 1, "over all briefs the amounts are critical too"
    assert coverage(config, checks("hires.amount"), [amounts]).monitored_fields == 1


def test_a_field_is_watched_through_the_flag_a_check_reads(config):
    assert coverage(config, checks("hires.hired_at", of="is_late"), config.briefs[:1]).monitored_fields == 1


def test_a_check_that_failed_watches_and_one_that_could_not_run_does_not(config):
    failed = coverage(config, checks("hires.hired_at", status=CheckStatus.FAILED))
    errored = coverage(config, checks("hires.hired_at", status=CheckStatus.ERROR))
    assert (failed.monitored_fields, errored.monitored_fields) == (1, 0)


def test_fields_that_are_not_critical_or_not_mapped_do_not_count(config):
    assert coverage(config, checks("requests.geo", "quotes.price", "hires.pro_id")).monitored_fields == 0


def test_without_critical_fields_no_share_is_watched():
    assert Coverage(0, 0).share is None
    assert Coverage(4, 3).share == 0.75
