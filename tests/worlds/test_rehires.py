"""Customers who are hired by again: against plain Python, and without a region wherever a row is open."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from benchmarks.compiled_line import compiled_run
from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.world import WorldSpec
from dagster_pipeline.gaps.places import NO_UPPER_LIMIT
from dagster_pipeline.gaps.rehires import ANYBODYS_REHIRE, REHIRES

pytestmark = pytest.mark.matrix

START, END = datetime(2026, 10, 1), datetime(2026, 10, 29)  # noqa: DTZ001
WEEK, MONTH = timedelta(days=7), timedelta(days=30)
SPEC = WorldSpec(requests=2_000, seed=12)


def months_later(config):
    """The clock so late that every request has shown its rehires."""
    config["as_of"] = "2027-02-01T00:00:00Z"
    for source in config["sources"].values():
        source.pop("freshness", None)


def few_customers(connection):
    """A twentieth of the customers, so that many of them come back."""
    connection.execute(
        "update raw.requests set customer_id = 'c' || (hash(customer_id) % 150) where customer_id is not null"
    )


def of(run):
    (effect,) = [e for e in run.assessment.experiments[0].effects if (e.metric, e.segment) == (REHIRES, None)]
    return effect


def test_rehires_are_those_that_plain_python_counts_and_a_clean_world_leaves_nothing_open():
    with compiled_run(SPEC, edit_config=months_later, tamper=few_customers) as run:
        requests = {
            r: (at, who)
            for r, at, who in run.ask("select request_id, created_at, customer_id from raw.requests")
        }
        hires = [(r, at) for r, at in run.ask("select request_id, hired_at from raw.hires") if r in requests]
        arms = dict(run.ask("select request_id, variant from plumbline_intermediate.int_request_variants"))
        by_customer, first = defaultdict(list), {}
        for request, at in hires:
            by_customer[requests[request][1]].append((request, at))
            first[request] = min(at, first.get(request, at))
        expected = defaultdict(lambda: [0, 0])
        for request, at in first.items():
            made, who = requests[request]
            if START <= made < END and at - made <= WEEK:
                again = any(r != request and at < h <= at + MONTH for r, h in by_customer[who])
                expected[arms[request]][0] += again
                expected[arms[request]][1] += 1
        rows = run.ask(
            "select variant, y, d from plumbline_metrics.metric_statistics "
            f"where metric = '{REHIRES}' and reading = 'repaired' and segment is null"
        )
        found = {arm: [int(y), int(d)] for arm, y, d in rows}
        effect = of(run)
    assert found == dict(expected)
    assert all(0 < y < d for y, d in found.values())
    assert effect.region.lower == effect.region.upper == effect.estimate.value
    t, c = found["treatment"], found["control"]
    assert effect.estimate.value == pytest.approx(t[0] / t[1] - c[0] / c[1])


@pytest.mark.parametrize(
    "faults",
    [
        Faults(nulls={"requests.customer_id": 0.01}),
        Faults(nulls={"hires.hired_at": 0.01}),
        Faults(nulls={"hires.request_id": 0.01}),
        Faults(orphans={"hires": 0.01}),
    ],
    ids=["customers", "times", "requests", "orphans"],
)
def test_open_rows_leave_rehires_without_a_region(faults):
    with compiled_run(SPEC, faults, edit_config=months_later, tamper=few_customers) as run:
        effect = of(run)
        impacts = [
            i for g in run.gaps for i in g.metrics if i.metric == REHIRES and g.kind != "duplicate_rows"
        ]
    assert effect.estimate.value is not None
    assert (effect.region.lower, effect.region.upper) == (None, None)
    assert effect.region.reason in (ANYBODYS_REHIRE, NO_UPPER_LIMIT)
    assert impacts
    assert all(i.lower is None for i in impacts)


def test_while_requests_are_young_there_is_no_region():
    with compiled_run(SPEC) as run:
        effect = of(run)
    assert (effect.region.lower, effect.region.upper) == (None, None)
