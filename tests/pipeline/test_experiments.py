"""Several experiments, arms and randomization units in one configuration, each with figures and a verdict of its own."""

from __future__ import annotations

import json

import pytest
from line import assert_metrics_equal_recomputation

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def both(lines):
    return lines("experiments")


@pytest.mark.parametrize("experiment", ["quoting_v2", "ranking"])
def test_each_experiments_metrics_are_those_of_the_raw_files(both, experiment):
    assert_metrics_equal_recomputation(both, experiment)


def test_every_arm_has_its_levels_and_every_treatment_its_effects(both):
    arms = {(row["experiment"], row["variant"]) for row in both.metrics["levels"]} - {
        ("quoting_v2", "unknown"),
        ("ranking", "unknown"),
    }
    assert arms == {
        ("quoting_v2", "control"), ("quoting_v2", "fast"), ("quoting_v2", "faster"), ("ranking", "old"), ("ranking", "new"),
    }  # fmt: skip
    treatments = {(row["experiment"], row["variant"]) for row in both.metrics["effects"]}
    assert treatments == {("quoting_v2", "fast"), ("quoting_v2", "faster"), ("ranking", "new")}


def test_each_experiment_has_a_verdict_file_and_the_first_leads(both):
    verdicts = {path.stem: json.loads(path.read_text()) for path in both.output.glob("verdicts/*.json")}
    assert set(verdicts) == {"quoting_v2", "ranking"}
    assert {name: verdict["experiment"] for name, verdict in verdicts.items()} == {
        name: name for name in verdicts
    }
    assert both.verdict == verdicts["quoting_v2"]
    asked = {(c["metric"], c["variant"]) for c in verdicts["quoting_v2"]["criteria"]}
    assert {variant for _, variant in asked} == {"fast", "faster"}
    assert [(c["metric"], c["variant"]) for c in verdicts["ranking"]["criteria"]] == [("hire_rate_7d", "new")]


def test_requests_without_an_arm_are_counted_for_each_experiment(both):
    found = {
        gap["experiment"]: gap["rows_affected"]
        for gap in both.gaps
        if (gap["kind"], gap["table"]) == ("missing_variant", "requests")
    }
    by_customer = "created_at >= '2026-10-01' and created_at < '2026-10-29' and customer_id"
    by_session = "created_at >= '2026-10-08' and created_at < '2026-10-22' and session_id"
    assert found == {
        experiment: both.number(
            f"select count(*) from requests where {unit} not in "
            f"(select entity_id from assignments where experiment_id = '{experiment}')"
        )
        for experiment, unit in {"quoting_v2": by_customer, "ranking": by_session}.items()
    }
    assert found["quoting_v2"] == both.planted["missing_variant.requests"]


def test_a_clustered_interval_is_that_of_the_units_not_of_the_requests(both):
    """Requests of one customer share an arm: their share's variance is the delta method's over customers."""
    sums = both.ask(
        """
        with assigned as (
            select entity_id, variant from assignments where experiment_id = 'ranking'
            qualify row_number() over (partition by entity_id order by assigned_at) = 1
                and count(distinct lower(trim(variant))) filter (true)
                    over (partition by entity_id, assigned_at) = 1
        ),
        units as (
            select lower(trim(variant)) as arm, session_id, count(*)::double as n,
                count(*) filter (request_id in (select request_id from quotes))::double as y
            from requests join assigned on entity_id = session_id
            where created_at >= '2026-10-08' and created_at < '2026-10-22' group by 1, 2
        )
        select count(*), sum(n), sum(y), sum(y * y), sum(n * n), sum(y * n) from units where arm = 'new'
        """
    )
    units, n, y, yy, nn, yn = sums[0]
    share = y / n
    variance = (units / (units - 1)) * (yy - 2 * share * yn + share**2 * nn) / n**2
    level = next(
        row for row in both.metrics["levels"]
        if (row["experiment"], row["metric"], row["variant"]) == ("ranking", "quoted", "new")
    )  # fmt: skip
    width = level["ci_upper"] - level["ci_lower"]
    assert width == pytest.approx(2 * 1.6448536 * variance**0.5, rel=0.05)
