"""A team's own metrics go through the whole line: what is published of them is what enumerating the raw tables gives."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import duckdb
import pytest

from benchmarks.compiled_line import CompiledRun, Config, compiled_run
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.world import WorldSpec

T, C = "treatment", "control"
SPEC = WorldSpec(requests=600, seed=11)
FAST = "case when first_quote_seconds <= 300 then 1 else 0 end"
METRICS = [
    {"name": "fast_quotes", "kind": "share", "better": "higher", "effect": "absolute", "y": FAST, "horizon": "5m"},
    {"name": "bounced", "kind": "share", "better": "lower", "effect": "absolute", "y": "case when n_quotes = 0 then 1 else 0 end"},
    {"name": "one_quote", "kind": "share", "better": "lower", "effect": "absolute", "y": "case when n_quotes = 1 then 1 else 0 end"},
    {"name": "crashes", "kind": "mean", "scale": 100, "better": "lower", "effect": "relative", "from": "raw.crashes", "request_id": "req", "at": "crashed_at", "y": "count(*)"},
    {"name": "crashes_at_once", "kind": "mean", "better": "lower", "effect": "absolute", "from": "raw.crashes", "request_id": "req", "at": "crashed_at", "horizon": "1h", "y": "count(*)"},
    {"name": "latency_p95", "kind": "quantile", "quantile": 0.95, "better": "lower", "effect": "relative", "from": "raw.latency", "request_id": "request_id", "key": "id", "y": "max(ms)", "empty": None},
    {"name": "slow", "kind": "share", "better": "lower", "effect": "absolute", "from": "raw.latency", "request_id": "request_id", "key": "id", "y": "case when max(ms) > 700 then 1 else 0 end", "empty": None},
    {"name": "mean_latency", "kind": "ratio", "better": "lower", "effect": "relative", "from": "raw.latency", "request_id": "request_id", "key": "id", "y": "sum(ms)", "d": "count(*)"},
    {"name": "old_crashes", "kind": "mean", "better": "lower", "effect": "absolute", "from": "raw.crashes", "request_id": "req", "at": "crashed_at", "freshness": "60d", "y": "count(*)", "where": "crashed_at < '2026-10-20'"},
    {"name": "crashed_early", "kind": "share", "better": "lower", "effect": "absolute", "from": "raw.crashes", "request_id": "req", "at": "crashed_at", "freshness": "24h", "y": "1", "where": "crashed_at < '2026-10-20'"},
    {"name": "refused", "kind": "mean", "better": "lower", "effect": "relative", "from": "raw.latency", "request_id": "request_id", "y": "sum(no_such_column)"},
]  # fmt: skip


READ = ("requests", "quotes", "quote_events", "assignments")


def with_own_metrics(config: Config) -> None:
    """The own metrics and as few of the others as can be: each costs its share of the statements."""
    config["metrics"] = METRICS
    config["sources"] = {name: config["sources"][name] for name in READ}
    config["brief"] = {
        "criteria": [{"metric": "ttfq_median", "min_improvement": 0.1}],
        "guardrails": [{"metric": "refused", "max_increase": 0.1}],
    }


def add_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create table raw.crashes as select request_id as req, created_at + i * interval 50 minute as crashed_at "
        "from raw.requests, range(4) t(i) where hash(request_id || i) % 5 = 0"
    )
    connection.execute(
        "create table raw.latency as select request_id || '-' || i as id, request_id, "
        "(hash(request_id || i) % 1000)::double as ms from raw.requests, range(2) t(i)"
    )


def damage(connection: duckdb.DuckDBPyConnection) -> None:
    """Rows without a request, of none, without a time, too late; requests without a row; copies; quotes without a time."""
    add_tables(connection)
    order = "(select rowid from raw.{0} order by hash(rowid) limit {1} offset {2})"
    change = "update raw.{0} set {3} where rowid in " + order
    connection.execute(change.format("crashes", 6, 0, "req = null"))
    connection.execute(change.format("crashes", 4, 6, "req = 'nowhere ' || req"))
    connection.execute(change.format("crashes", 3, 10, "crashed_at = null"))
    connection.execute(
        "insert into raw.crashes select req, '2026-11-20' from raw.crashes where req is not null limit 30"
    )
    connection.execute("insert into raw.latency select * from raw.latency limit 5")
    connection.execute(
        "delete from raw.latency where request_id in (select request_id from raw.requests order by hash(request_id) limit 9)"
    )
    connection.execute(
        "update raw.latency set request_id = ' ' where id in (select min(id) from raw.latency)"
    )
    connection.execute(change.format("quotes", 25, 0, "quoted_at = null"))
    connection.execute(
        "delete from raw.quote_events where (request_id, pro_id) in "
        "(select (request_id, pro_id) from raw.quotes where quoted_at is null)"
    )


@dataclass(frozen=True)
class Request:
    arm: str
    quotes: tuple[float, ...]
    crashes: tuple[float, ...]
    ms: tuple[float, ...]


@pytest.fixture(scope="module")
def runs() -> Iterator[tuple[CompiledRun, CompiledRun]]:
    with ExitStack() as stack:
        yield tuple(  # type: ignore[misc]
            stack.enter_context(compiled_run(SPEC, Faults(), edit_config=with_own_metrics, tamper=tamper))
            for tamper in (add_tables, damage)
        )


def cohort(run: CompiledRun) -> list[Request]:
    """Every request of the cohort as the raw tables have it: seconds after it of quotes and crashes, and latencies."""
    asked = "select r.request_id, epoch({0} - r.created_at), r.created_at from raw.requests r join raw.{1} x on x.{2} = r.request_id"
    seconds: dict[str, dict[str, list[float]]] = {}
    for table, time, key in (("quotes", "quoted_at", "request_id"), ("crashes", "crashed_at", "req")):
        seconds[table] = defaultdict(list)
        for name, after, _ in run.ask(f"{asked.format(time, table, key)} where {time} <= '2026-11-06'"):
            seconds[table][name].append(after)
    latencies = defaultdict(list)
    for name, ms in run.ask("select distinct on (id) request_id, ms from raw.latency"):
        latencies[name].append(ms)
    window = "r.created_at >= '2026-10-01' and r.created_at < '2026-10-29'"
    arms = f"select r.request_id, a.variant from raw.requests r join raw.assignments a on a.entity_id = r.request_id where {window}"
    return [
        Request(arm, *(tuple(of[name]) for of in (seconds["quotes"], seconds["crashes"], latencies)))
        for name, arm in run.ask(arms)
    ]


VALUES: Mapping[str, Callable[[Request], float | None]] = {
    "fast_quotes": lambda r: float(any(s <= 300 for s in r.quotes)),
    "bounced": lambda r: float(not r.quotes),
    "one_quote": lambda r: float(len(r.quotes) == 1),
    "crashes": lambda r: float(len(r.crashes)),
    "crashes_at_once": lambda r: float(sum(0 <= s <= 3600 for s in r.crashes)),
    "latency_p95": lambda r: max(r.ms, default=None),
    "slow": lambda r: float(max(r.ms) > 700) if r.ms else None,
}


def p95(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def level(name: str, requests: list[Request], arm: str) -> float:
    own = [r for r in requests if r.arm == arm]
    if name == "mean_latency":
        every = [ms for r in own for ms in r.ms]
        return sum(every) / len(every)
    values = [v for r in own if (v := VALUES[name](r)) is not None]
    scale = 100 if name == "crashes" else 1
    return p95(values) if name == "latency_p95" else scale * sum(values) / len(values)


def effect(name: str, requests: list[Request]) -> float:
    t, c = level(name, requests, T), level(name, requests, C)
    return t / c - 1 if name in ("crashes", "latency_p95", "mean_latency") else t - c


def published(run: CompiledRun, name: str):
    return next(e for e in run.assessment.experiments[0].effects if e.metric == name and e.segment is None)


def alone(run: CompiledRun, kind: str, table: str, column: str | None, metric: str):
    return next(i for i in run.gap(kind, table, column).metrics if i.metric == metric)


COMPUTED = [m["name"] for m in METRICS if m["name"] not in ("refused", "crashed_early", "old_crashes")]


@pytest.mark.parametrize("name", COMPUTED)
def test_levels_and_effects_are_those_of_the_raw_tables_clean_or_not(runs, name):
    for run in runs:
        requests = cohort(run)
        levels = {
            x.variant: x.level.value
            for x in run.assessment.experiments[0].levels
            if x.metric == name and x.segment is None
        }
        assert levels[T] == pytest.approx(level(name, requests, T))
        assert levels[C] == pytest.approx(level(name, requests, C))
        assert published(run, name).estimate.value == pytest.approx(effect(name, requests))


@pytest.mark.parametrize("name", COMPUTED)
def test_with_nothing_open_the_region_is_the_estimate(runs, name):
    found = published(runs[0], name)
    assert found.region.lower == pytest.approx(found.estimate.value)
    assert found.region.upper == pytest.approx(found.estimate.value)


@pytest.mark.parametrize("name", COMPUTED)
def test_the_joint_region_holds_what_the_whole_tables_would_have_given(runs, name):
    truth, region = effect(name, cohort(runs[0])), published(runs[1], name).region
    low = -math.inf if region.lower is None else region.lower
    high = math.inf if region.upper is None else region.upper
    assert low <= truth <= high


def test_what_is_wrong_with_the_rows_of_an_own_table_is_counted(runs):
    found = {
        (g.kind, g.table, g.column): (g.rows_affected, g.rows_total)
        for g in runs[1].gaps
        if (g.table or "").startswith("metric:")
    }
    (rows,) = runs[1].ask("select count(*) from raw.crashes")[0]
    (latencies,) = runs[1].ask("select count(*) from raw.latency")[0]
    assert found["missing_values", "metric:crashes", "req"] == (6, rows)
    assert found["missing_values", "metric:crashes", "crashed_at"] == (3, rows)
    assert found["orphan_rows", "metric:crashes", None] == (4, rows)
    assert found["missing_values", "metric:latency_p95", "request_id"] == (1, latencies)
    assert found["missing_values", "metric:latency_p95", None] == (9, 600)
    assert found["duplicate_rows", "metric:slow", None][0] == 5
    assert not [place for place in found if place[1] in ("metric:fast_quotes", "metric:bounced")]


def test_counts_are_bounded_by_all_of_the_unplaced_rows_in_one_arm(runs):
    sums, sizes = Counter(), Counter()
    for request in cohort(runs[1]):
        sums[request.arm] += len(request.crashes)
        sizes[request.arm] += 1
    found = alone(runs[1], "missing_values", "metric:crashes", "req", "crashes")
    t, c = sums[T] / sizes[T], sums[C] / sizes[C]
    assert found.lower == pytest.approx(t / (c + 6 / sizes[C]) - 1)
    assert found.upper == pytest.approx((t + 6 / sizes[T]) / c - 1)


def test_a_share_with_outcomes_that_are_not_known_is_bounded_by_all_of_them_adverse(runs):
    slow, unknown, sizes = Counter(), Counter(), Counter()
    for request in cohort(runs[1]):
        value = VALUES["slow"](request)
        sizes[request.arm] += 1
        unknown[request.arm] += value is None
        slow[request.arm] += value or 0
    found = alone(runs[1], "missing_values", "metric:slow", None, "slow")
    assert found.lower == pytest.approx(slow[T] / sizes[T] - (slow[C] + unknown[C]) / sizes[C])
    assert found.upper == pytest.approx((slow[T] + unknown[T]) / sizes[T] - slow[C] / sizes[C])
    assert sum(unknown.values()) > 0


def test_a_quantile_with_outcomes_that_are_not_known_lies_between_two_order_statistics(runs):
    ends = {}
    ordered = sorted(cohort(runs[1]), key=lambda r: r.arm)
    for arm, own in groupby(ordered, key=lambda r: r.arm):
        values = [VALUES["latency_p95"](r) for r in own]
        ends[arm] = tuple(p95([fill if v is None else v for v in values]) for fill in (0.0, math.inf))
    found = alone(runs[1], "missing_values", "metric:latency_p95", None, "latency_p95")
    least, most = ends[T][0] / ends[C][1] - 1, ends[T][1] / ends[C][0] - 1
    assert least - 0.02 <= found.lower <= least + 1e-9
    assert most - 1e-9 <= found.upper <= most + 0.02


def test_an_expression_is_open_where_a_repair_leaves_its_columns_open(runs):
    undated = Counter(
        dict(runs[1].ask("select request_id, count(*) from raw.quotes where quoted_at is null group by 1"))
    )
    arms = dict(runs[1].ask("select entity_id, variant from raw.assignments"))
    sizes, ones, may_gain, may_lose = Counter(), Counter(), Counter(), Counter()
    dated = Counter(dict(runs[1].ask("select request_id, count(quoted_at) from raw.quotes group by 1")))
    in_window = (
        "select request_id from raw.requests where created_at >= '2026-10-01' and created_at < '2026-10-29'"
    )
    for (name,) in runs[1].ask(in_window):
        arm = arms[name]
        sizes[arm] += 1
        ones[arm] += dated[name] == 0
        may_lose[arm] += dated[name] == 0 and undated[name] > 0
    found = alone(runs[1], "missing_values", "quotes", "quoted_at", "bounced")
    share = {arm: (ones[arm] / sizes[arm], (ones[arm] - may_lose[arm]) / sizes[arm]) for arm in (T, C)}
    assert found.lower == pytest.approx(share[T][1] - share[C][0])
    assert found.upper == pytest.approx(share[T][0] - share[C][1])
    assert sum(may_lose.values()) > 0
    assert not may_gain


def test_a_table_that_ends_before_the_clock_is_out_of_date_where_it_is_said_how_fresh_it_must_be(runs):
    gap = runs[0].gap("stale_source", "metric:crashed_early", None)
    assert "behind the clock, allowed 24.0 h" in gap.description
    assert ("stale_source", "metric:old_crashes", None) not in runs[0].places()
    ((last,),) = runs[0].ask("select max(crashed_at) from raw.crashes where crashed_at < '2026-10-20'")
    in_window = "created_at >= '2026-10-01' and created_at < '2026-10-29'"
    ((told, young),) = runs[0].ask(
        f"select count(*) filter (created_at <= '{last}'), count(*) filter (created_at > '{last}') from raw.requests where {in_window}"
    )
    levels = [
        x.level.n
        for x in runs[0].assessment.experiments[0].levels
        if x.metric == "crashed_early" and x.segment is None
    ]
    assert sum(levels) == told
    region = published(runs[0], "crashed_early").region
    assert region.upper - region.lower == pytest.approx(2 * young / (told + young), rel=0.1)


def test_sums_with_rows_of_nobody_have_no_limit(runs):
    found = published(runs[1], "mean_latency").region
    assert found.lower is None
    assert "no request's door" in found.reason


def test_a_metric_the_warehouse_refuses_is_a_gap_and_its_rule_is_missing(runs):
    gap = runs[0].gap("not_evaluated", "metric:refused", None)
    assert "no_such_column" in gap.description
    assert gap.severity.value == "blocker"
    demands = [d for d in runs[0].assessment.experiments[0].demands if d.rule.metric == "refused"]
    assert [(d.base, d.joint) for d in demands] == [(Outcome.MISSING, Outcome.MISSING)]
    assert "refused" in runs[0].mapping.absent_metrics
    assert set(COMPUTED) <= {m.name for m in runs[0].mapping.metrics}


def test_the_line_keeps_its_promises(runs):
    assert runs[1].broken_invariants() == []
