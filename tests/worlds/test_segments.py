"""Segments that are computed, and a cohort that is narrowed, against the same worked out in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import pytest

from benchmarks.compiled_line import compiled_run
from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.world import WorldSpec

pytestmark = pytest.mark.matrix

KEPT = ("moving", "plumbing", "roofing", "electrical", "painting")
START, END = datetime(2026, 10, 1), datetime(2026, 10, 29)  # noqa: DTZ001
INDIA = timedelta(hours=5, minutes=30)
WEEK = timedelta(days=7)


def narrowed(config):
    """Requests dated in local time, five categories, every computed segment."""
    config["sources"]["requests"]["timezone"] = "Asia/Kolkata"
    brief = config["brief"]
    brief["segments"] = [
        "customer_kind",
        "pro_kind",
        "peak_hour",
        {"top": "category", "n": 2},
        {"top": "geo", "n": 3},
    ]
    brief["cohort"] = {"category": list(KEPT)}


@pytest.fixture(scope="module")
def run():
    faults = Faults(nulls={"requests.category": 0.02, "requests.customer_id": 0.03})
    with compiled_run(WorldSpec(requests=2_000, seed=11), faults, edit_config=narrowed) as found:
        yield found


@pytest.fixture(scope="module")
def requests(run):
    """Every request with its time in UTC and its local hour."""
    rows = run.ask("select request_id, created_at, customer_id, category, geo from raw.requests")
    return [
        {"id": i, "at": at - INDIA, "hour": at.hour, "customer": who, "category": category, "geo": geo}
        for i, at, who, category, geo in rows
    ]


@pytest.fixture(scope="module")
def window(run, requests):
    """The requests of the window, each with the arm it is analysed in."""
    arms = dict(run.ask("select request_id, variant from plumbline_intermediate.int_request_variants"))
    return [r | {"arm": arms.get(r["id"])} for r in requests if START <= r["at"] < END]


@pytest.fixture(scope="module")
def cohort(window):
    return [r for r in window if r["category"] in KEPT]


def kinds_of_customers(requests):
    first = {}
    for r in sorted(requests, key=lambda r: r["at"]):
        first.setdefault(r["customer"], r["at"])
    return lambda r: (
        None if r["customer"] is None else "returning" if first[r["customer"]] < r["at"] else "new"
    )


def kinds_of_pros(run, requests):
    began, quoted = {}, defaultdict(list)
    made = {r["id"]: r["at"] for r in requests}
    for request, pro, at in run.ask("select request_id, pro_id, quoted_at from plumbline_canonical.quotes"):
        if at is None:
            continue
        began[pro] = min(at, began.get(pro, at))
        if request in made and at >= made[request]:
            quoted[request].append((at, pro))

    def kind(r):
        if r["id"] not in quoted:
            return "none"
        at, pro = min(quoted[r["id"]])
        return "returning" if began[pro] < at else "new"

    return kind


def peaks(cohort):
    hours = Counter(r["hour"] for r in cohort)
    held, peak = 0, set()
    for hour, n in sorted(hours.items(), key=lambda found: (-found[1], found[0])):
        if 2 * held < len(cohort):
            peak.add(hour)
        held += n
    return lambda r: "peak" if r["hour"] in peak else "off_peak"


def largest(cohort, column, n):
    sizes = Counter(r[column] for r in cohort if r[column] is not None)
    top = {value for value, _ in sorted(sizes.items(), key=lambda found: (-found[1], found[0]))[:n]}
    return lambda r: r[column] if r[column] is None or r[column] in top else "other"


def test_every_computed_segment_holds_the_requests_that_plain_python_puts_there(run, requests, cohort):
    kind_of = {
        "customer_kind": kinds_of_customers(requests),
        "pro_kind": kinds_of_pros(run, requests),
        "peak_hour": peaks(cohort),
        "category_top_2": largest(cohort, "category", 2),
        "geo_top_3": largest(cohort, "geo", 3),
    }
    held = run.ask("select request_id, first_hire_seconds from plumbline_metrics.experiment_requests")
    hired = {i for i, seconds in held if seconds is not None and seconds <= WEEK.total_seconds()}
    expected = Counter()
    for r in cohort:
        for name, kind in kind_of.items():
            segment = f"{name}={kind(r) if kind(r) is not None else '(none)'}"
            expected[segment, r["arm"], "n"] += 1
            expected[segment, r["arm"], "y"] += r["id"] in hired
    rows = run.ask(
        "select segment, variant, n, y from plumbline_metrics.metric_statistics "
        "where reading = 'repaired' and metric = 'hire_rate_7d' and segment is not null"
    )
    found = Counter({(s, arm, key): int(v) for s, arm, n, y in rows for key, v in (("n", n), ("y", y))})
    assert found == expected
    assert {segment.partition("=")[0] for segment, _, _ in found} == set(kind_of)
    assert len({segment for segment, _, _ in found}) >= 12


def test_the_cohort_is_the_one_the_brief_names_and_the_ratio_test_sees_every_unit(run, window, cohort):
    levels = [v for v in run.assessment.experiments[0].levels if v.metric == "quoted" and v.segment is None]
    assert sum(v.level.n for v in levels) == len(cohort) < len(window)
    (counts,) = run.ask("select n_in_window, n_in_cohort, n_undecided from plumbline_metrics.cohort_counts")
    undecided = sum(r["category"] is None for r in window)
    assert counts == (len(window), len(cohort), undecided)
    (units,) = run.ask("select sum(n_units) from plumbline_metrics.assignment_counts where segment is null")
    assert units == (len(window),)


def test_requests_that_may_be_of_the_cohort_open_what_they_could_change(run):
    """Those without a category: any outcome in any arm; a count has no limit."""
    effects = {e.metric: e for e in run.assessment.experiments[0].effects if e.segment is None}
    share, mean = effects["hire_rate_7d"], effects["gmv_per_request"]
    assert share.region.lower < share.estimate.value < share.region.upper
    assert mean.region.lower is None
    assert "may be of it" in mean.region.reason


def test_models_keep_their_promises_on_a_narrowed_cohort(run):
    assert run.broken_invariants() == []
