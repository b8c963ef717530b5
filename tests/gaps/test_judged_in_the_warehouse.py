"""Drift, imbalance and dashboards through the models: the counts are those of the raw tables, and what is planted is found."""

from __future__ import annotations

import math

import pytest

from benchmarks.compiled_line import compiled_run
from dagster_pipeline.demo.faults import Drift, Faults
from dagster_pipeline.demo.world import WorldSpec
from dagster_pipeline.gaps.dashboards import found_dashboards
from dagster_pipeline.gaps.drifts import found_drifts
from dagster_pipeline.gaps.imbalance import found_imbalance

PLANTED = Faults(drifts=(Drift("category", "moving", 0.18, "treatment"),), imbalance=0.6, stale_dashboard=0.5)


def spec(seed: int) -> WorldSpec:
    return WorldSpec(requests=6_000, seed=seed, days_before=21)


def found(run):
    """{(kind, experiment, table, column)} of what this file is about."""
    tables, experiments = run.measurements, run.config.experiments
    levels = {e.experiment: e.levels for e in run.assessment.experiments}
    gaps = [
        *found_drifts(tables, experiments),
        *found_imbalance(tables, experiments),
        *found_dashboards(tables, levels, run.config.as_of),
    ]
    return {(gap.kind, gap.experiment, gap.source, gap.column): gap for gap in gaps}


@pytest.fixture(scope="module")
def planted():
    with compiled_run(spec(71), PLANTED) as run:
        yield run


def test_what_was_planted_is_found_and_nothing_else(planted):
    gaps = found(planted)
    assert set(gaps) == {
        ("distribution_drift", "quoting_v2", "requests", "category"),
        ("pre_exposure_imbalance", "quoting_v2", "requests", "customer_id"),
        ("stale_dashboard", None, "dashboards", "value"),
    }
    dashboard = gaps["stale_dashboard", None, "dashboards", "value"]
    assert dashboard.rows_affected == planted.world.planted["stale_dashboard.dashboards.value"]
    assert dashboard.rows_total == planted.world.rows["dashboards"]


@pytest.mark.parametrize("seed", [72, 73])
def test_a_clean_world_is_silent(seed):
    with compiled_run(spec(seed)) as run:
        assert found(run) == {}


def test_values_are_counted_by_arm_and_period_as_the_raw_tables_hold_them(planted):
    counted = planted.ask(
        "select period, variant, bin, n_rows from plumbline_metrics.column_distributions where column_name = 'category'"
    )
    raw = planted.ask(
        """
        select case when created_at < timestamp '2026-10-01' then 'baseline' else 'window' end as period,
            null as variant, category, count(*) from raw.requests where created_at < timestamp '2026-10-29' group by all
        union all
        select 'window', variant, category, count(*) from raw.requests
        inner join raw.assignments on entity_id = request_id where created_at < timestamp '2026-10-29' group by all
        """
    )
    assert sorted(map(str, counted)) == sorted(map(str, raw))


def test_amounts_are_counted_in_bins_that_hold_them(planted):
    rows = planted.ask(
        "select period, bin_index, n_rows from plumbline_metrics.column_distributions where column_name = 'amount'"
    )
    raw = planted.ask(
        "select created_at < timestamp '2026-10-01', amount from raw.hires inner join raw.requests using (request_id) "
        "where created_at < timestamp '2026-10-29'"
    )
    expected: dict[tuple[str, int], int] = {}
    for is_before, amount in raw:
        key = ("baseline" if is_before else "window", math.floor(20 * math.log(amount)))
        expected[key] = expected.get(key, 0) + 1
    assert {(period, number): n for period, number, n in rows} == expected


def test_customers_pasts_are_those_of_the_raw_tables(planted):
    sums = planted.ask("select covariate, variant, n_units, total from plumbline_metrics.pre_period_sums")
    raw = planted.ask(
        """
        with past as (
            select customer_id, count(*) as requests,
                avg(case when created_at <= timestamp '2026-09-24' then case when hired_at <= created_at + interval 7 day
                    then 1.0 else 0.0 end end) as hired
            from raw.requests left join (
                select request_id, min(hired_at) as hired_at from raw.hires group by request_id
            ) using (request_id)
            where created_at < timestamp '2026-10-01' group by customer_id
        ), units as (
            select variant, coalesce(requests, 0) as requests, hired from raw.assignments
            inner join raw.requests as made on entity_id = request_id and created_at < timestamp '2026-10-29'
            left join past on made.customer_id = past.customer_id
        )
        select 'requests', variant, count(*), sum(requests) from units group by all
        union all
        select 'hired_within_7d', variant, count(hired), sum(hired) from units group by all
        """
    )
    expected = {(covariate, variant): (n, pytest.approx(total)) for covariate, variant, n, total in raw}
    measured = {(covariate, variant): (n, total) for covariate, variant, n, total in sums}
    assert {key: measured[key] for key in expected} == expected
