"""Regions of a share of pros, against completions of random small worlds that went through the compiled models.

What the truth may be is written down here once more, from the definition in docs/metrics.md: a completion says of every
quote whose it is, when and on which request, and of every request which arm it has. No completion may lie outside.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from benchmarks.compiled_line import warehouse
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.gaps.evidence import REPAIRED, EvidenceReader, ExperimentDesign, statistic_of
from dagster_pipeline.gaps.measurements import read_measurements
from dagster_pipeline.gaps.pros import ProOpening, pro_opening, pro_region
from dagster_pipeline.statistics.bounds.open_units import share_ends
from dagster_pipeline.statistics.evidence import Moments
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner, vars_argument

START = datetime(2026, 10, 1)  # noqa: DTZ001
LAST_DAY, HORIZON = 40, 7.0  # the clock stands at LAST_DAY; times are days after START
PROS = tuple(f"p{n}" for n in range(9))
ARMS = ("control", "treatment")
DEFINITION = metric_definitions()["pro_return_rate_7d"]
METRIC = statistic_of(DEFINITION)
DESIGN = ExperimentDesign("x", "control", dict.fromkeys(ARMS, 0.5), clustered=False)
COLUMNS = {
    "requests": ("request_id", "created_at"),
    "quotes": ("quote_id", "request_id", "pro_id", "quoted_at"),
    "assignments": ("entity_id", "variant", "assigned_at"),
}
MAPPING = {
    "as_of": "2026-11-10 00:00:00",
    "sources": {
        name: {
            "relation": f"raw.{name}",
            "columns": {
                c: {"name": c, "type": "TIMESTAMP" if c.endswith("_at") else "VARCHAR"} for c in columns
            },
            "timezone": "UTC",
            "freshness_seconds": 86_400.0 if name == "quotes" else None,
            "has_rows": True,
        }
        for name, columns in COLUMNS.items()
    },
    "experiments": [
        {
            "id": "x",
            "unit": "request",
            "arms": list(ARMS),
            "start": "2026-10-01 00:00:00",
            "end": "2026-12-01 00:00:00",
        }
    ],
    "metrics": [
        {
            "name": METRIC.name,
            "kind": "share",
            "unit": "pro",
            "y": DEFINITION.y,
            "horizon": DEFINITION.horizon,
            "sources": ["quotes"],
        }
    ],
}


@dataclass(frozen=True)
class Quote:
    """One row; ``cause`` says why it is not known to the last, rows of one key contradict each other."""

    pro: str | None
    request: str | None
    day: float | None
    key: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class World:
    """Requests by their arm (None unknown; ``lost`` ones have no row), and quotes."""

    arms: dict[str, str | None]
    quotes: tuple[Quote, ...]
    lost: dict[str, str | None] = field(default_factory=dict)
    late: frozenset[str] = frozenset()


def moment(day: float | None) -> datetime | None:
    return None if day is None else START + timedelta(days=day)


def level(quotes, arms, arm, last_start):
    """The share of the arm's pros who return, by the definition; None without pros."""
    values = []
    for pro in {q.pro for q in quotes}:
        own = [q for q in quotes if q.pro == pro]
        here = [q.day for q in own if arms.get(q.request) == arm]
        if here and min(here) <= last_start:
            first = min(here)
            values.append(any(first < q.day <= first + HORIZON for q in own))
    return sum(values) / len(values) if values else None


def effect(quotes, arms, last_start):
    c, t = (level(quotes, arms, arm, last_start) for arm in ARMS)
    return None if c is None or t is None else t - c


def cutoff_of(world: World) -> float:
    """The clock, or the newest quote where it lies more than a day back."""
    newest = max((q.day for q in world.quotes if q.day is not None), default=0.0)
    return newest if newest < LAST_DAY - 1 else LAST_DAY


def any_world(rng: random.Random, *, only: str | None = None) -> World:
    """A random world; ``only`` names the one cause that may be open in it."""

    def happens(cause, share):
        return rng.random() < {None: share / 4, cause: share}.get(only, 0)

    arms = {f"r{n}": None if happens("unlabelled", 0.3) else rng.choice(ARMS) for n in range(6)}
    lost = {f"gone{n}": rng.choice((None, *ARMS)) for n in range(2) if happens("lost", 0.7)}
    late = frozenset(r for r, arm in arms.items() if arm and happens("late", 0.2))
    latest = {None: rng.choice((20, 20, 32)), "immature": rng.choice((20, 32, LAST_DAY))}.get(only, 20)
    quotes = []
    for number in range(rng.randint(14, 22)):
        day = (
            rng.choice([0.5 * n for n in range(2, 2 * latest)])
            if rng.random() < 0.5
            else rng.randint(1, latest)
        )
        request = rng.choice([*arms, *arms, *lost, "before"])
        quote = Quote(rng.choice(PROS), request, float(day), f"q{number}")
        if happens("undated", 0.15):
            quote = replace(quote, day=None, cause="undated")
        elif happens("nobody", 0.1):
            quote = replace(quote, pro=None, cause="nobody")
        elif happens("keyless", 0.1):
            quote = replace(quote, request=None, cause="keyless")
        elif happens("keyless", 0.1):
            quote = replace(quote, key=None, cause="keyless")
        quotes.append(quote)
        if quote.cause is None and happens("contested", 0.15):
            other = replace(
                quote, pro=rng.choice(PROS), day=float(rng.randint(1, latest)), cause="other reading"
            )
            if (other.pro, other.day) != (quote.pro, quote.day):
                quotes[-1] = replace(quote, cause="contested")
                quotes.append(other)
    # Each request has a quote of a pro of its own before it is assigned, where it is assigned too late.
    quotes += [Quote(f"first of {r}", r, 1.0, f"early {r}") for r in sorted(late)]
    return World(arms, tuple(quotes), lost, late)


def one_of(rows: list[Quote], rng: random.Random, causes: set[str], requests: list[str]) -> Quote | None:
    """A quote as it may have been; of rows that contradict each other the latest is kept, and any may be the true one."""
    quote = max(rows, key=lambda q: (q.day is not None, q.day, q.pro or ""))
    if len(rows) > 1 and "contested" in causes:
        quote = rng.choice(rows)
    if quote.cause in ("undated", "nobody", "keyless") and quote.cause not in causes:
        return None
    if quote.cause == "undated":
        if rng.random() < 0.2:  # it was sent after the clock
            return None
        quote = replace(quote, day=rng.choice([0.5 * n for n in range(1, 2 * LAST_DAY + 1)]))
    if quote.pro is None:
        quote = replace(quote, pro=rng.choice((*PROS, "somebody new")))
    return quote if quote.request else replace(quote, request=rng.choice((*requests, "before")))


def completion(world: World, rng: random.Random, causes: set[str], *, full: bool):
    """One way it may have been: quotes with all their fields, and the arms; causes that are closed stay as repaired."""
    arms = {
        r: (rng.choice(ARMS) if arm is None and "unlabelled" in causes else arm)
        for r, arm in world.arms.items()
    }
    if "late" in causes:
        arms |= {r: rng.choice(ARMS) for r in sorted(world.late)}
    if "lost" in causes:
        arms |= {r: rng.choice((arm or rng.choice(ARMS), None)) for r, arm in world.lost.items()}
    readings = {}
    for quote in world.quotes:
        readings.setdefault(quote.key or id(quote), []).append(quote)
    quotes = [q for rows in readings.values() if (q := one_of(rows, rng, causes, list(arms)))]
    if full:  # what follows after the cutoff, on requests of no arm
        soon = cutoff_of(world) + 0.001
        quotes += [
            Quote(pro, "before", soon) for pro in sorted({q.pro for q in quotes}) if rng.random() < 0.5
        ]
    return quotes, arms


def holds(region, effects):
    return all(region.lower - 1e-9 <= e <= region.upper + 1e-9 for e in effects if e is not None)


class Compiler(DbtProjectRunner):
    """The runner of a run, stopped before it executes anything."""

    def queries(self) -> list[tuple[str, str]]:
        """The models that pros need, as (relation, query), in the order of their dependencies."""
        variables = ["--vars", vars_argument({"plumbline": MAPPING})]
        manifest = self.manifest()
        result = self._invoke(
            [
                "compile",
                "--select",
                "+pro_statistics",
                "--exclude",
                "resource_type:test",
                "resource_type:unit_test",
                *variables,
            ],
            manifest=manifest,
        )
        assert result.success, result.exception
        return [(r.node.relation_name, r.node.compiled_code) for r in result.result.results]


class Line:
    """The compiled models that pros need, on one world after another."""

    def __init__(self, connection, folder):
        self._connection, self._queries = connection, Compiler(folder / "warehouse.duckdb", folder).queries()
        for schema in {"raw"} | {relation.rpartition(".")[0] for relation, _ in self._queries}:
            connection.execute(f"create schema if not exists {schema}")

    def reader(self, world: World) -> EvidenceReader:
        assigned = [(r, a, moment(20.0 if r in world.late else 0.0)) for r, a in world.arms.items() if a]
        assigned += [(r, a, moment(0.0)) for r, a in world.lost.items() if a]
        rows = {
            "requests": [(r, moment(0.0)) for r in world.arms] + [("before", moment(-30.0))],
            "quotes": [(q.key, q.request, q.pro, moment(q.day)) for q in world.quotes],
            "assignments": assigned,
        }
        for name, columns in COLUMNS.items():
            types = ", ".join(f"{c} {'timestamp' if c.endswith('_at') else 'varchar'}" for c in columns)
            self._connection.execute(f"create or replace table raw.{name} ({types})")
            marks = ", ".join("?" * len(columns))
            if rows[name]:
                self._connection.executemany(f"insert into raw.{name} values ({marks})", rows[name])
        for relation, query in self._queries:
            self._connection.execute(f"create or replace table {relation} as {query}")
        return EvidenceReader(read_measurements(self._connection, frozenset({"pro_statistics"}), ()), DESIGN)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    with warehouse() as connection:
        yield Line(connection, tmp_path_factory.mktemp("pros"))


def repaired_effect(reader):
    levels = [reader.moments(METRIC.name, arm) for arm in ARMS]
    if any(m.n == 0 for m in levels):
        return None
    return levels[1].y / levels[1].n - levels[0].y / levels[0].n


def region_of(reader, cause, rows=0):
    return pro_region(reader, METRIC, ("treatment", "control"), ProOpening(cause, rows=rows), 0.9)


EVERY = {"unlabelled", "lost", "late", "undated", "nobody", "keyless", "contested"}


@pytest.mark.parametrize("seed", range(8))
def test_whatever_was_true_of_everything_that_is_open_lies_in_the_joint_region(line, seed):
    rng = random.Random(seed)  # noqa: S311
    world = any_world(rng)
    reader = line.reader(world)
    region = region_of(reader, "joint", sum(q.pro is None for q in world.quotes))
    point = repaired_effect(reader)
    # Pros whose first quote lies after the cutoff are none of the cohort.
    found = [effect(*completion(world, rng, EVERY, full=True), cutoff_of(world)) for _ in range(400)]
    if region is None:
        assert all(e is None or e == pytest.approx(point) for e in found)
    elif region.lower is None:
        assert all(e is None for e in found) or any(
            reader.moments(METRIC.name, a, "joint_low").n == 0 for a in ARMS
        )
    else:
        assert holds(region, found)


@pytest.mark.parametrize(
    "cause", ["unlabelled", "lost", "late", "undated", "keyless", "contested", "immature"]
)
def test_one_cause_alone_opens_what_it_may_and_the_rest_stays_repaired(line, cause):
    rng = random.Random(cause)  # noqa: S311
    opened = 0
    for _ in range(4):
        world = any_world(rng, only=cause)
        reader = line.reader(world)
        last_start = cutoff_of(world) if cause == "immature" else cutoff_of(world) - HORIZON
        repaired = effect(*completion(world, rng, set(), full=False), cutoff_of(world) - HORIZON)
        assert repaired_effect(reader) == (None if repaired is None else pytest.approx(repaired))
        found = [
            effect(*completion(world, rng, {cause}, full=cause == "immature"), last_start) for _ in range(200)
        ]
        region = region_of(reader, cause)
        if region is None:
            assert all(e is None or e == pytest.approx(repaired) for e in found)
        elif region.lower is not None:
            opened += 1
            assert holds(region, found)
            if cause == "immature":
                assert (region.lower, region.upper) == pytest.approx((min(found), max(found)))
    assert opened


@pytest.mark.parametrize("seed", range(30))
def test_units_changed_in_any_way_move_a_share_no_further_than_its_ends(seed):
    """Every way to turn, drop or add that many pros, enumerated."""
    rng = random.Random(seed)  # noqa: S311
    n, unknown = rng.randint(0, 4), rng.randint(1, 3)
    s = rng.randint(0, n)
    shares = set()
    for dropped_1 in range(min(s, unknown) + 1):
        for dropped_0 in range(min(n - s, unknown - dropped_1) + 1):
            changed = unknown
            for added_1 in range(changed + 1):
                for added_0 in range(changed - added_1 + 1):
                    total = n - dropped_1 - dropped_0 + added_1 + added_0
                    if total and max(dropped_1 + dropped_0, added_1 + added_0) <= unknown:
                        shares.add((s - dropped_1 + added_1) / total)
    arm = Moments(n, n, float(s), float(n), float(s), float(n), float(s))
    low, high = share_ends(arm, arm, unknown)
    assert low.y / low.n <= min(shares)
    assert high.y / high.n >= max(shares)
    assert share_ends(arm, arm, 0) == (arm, arm)


@pytest.mark.parametrize(
    ("place", "opening"),
    [
        (("missing_variant", "requests", None), ProOpening("unlabelled", "variant_from_quotes")),
        (("stale_source", "quotes", None), ProOpening("immature", "immature_low")),
        (("orphan_rows", "hires", None), ProOpening("lost")),
        (("missing_values", "requests", "created_at"), ProOpening("lost")),
        (("missing_values", "quotes", "quoted_at"), ProOpening("undated", "missing_values.quotes.quoted_at")),
        (("invalid_values", "quotes", "quoted_at"), ProOpening("undated")),
        (("missing_values", "quotes", "request_id"), ProOpening("keyless")),
        (("missing_values", "quotes", "pro_id"), ProOpening(REPAIRED, rows=5)),
        (("duplicate_rows", "quotes", None), ProOpening(REPAIRED, "duplicate_rows.quotes")),
        (("conflicting_keys", "quotes", None), ProOpening("contested")),
        (("late_assignment", "assignments", "assigned_at"), ProOpening("late")),
        (("timestamp_disorder", "hires", "hired_at"), ProOpening(REPAIRED)),
        (("a_kind_without_a_bound", "quotes", None), ProOpening(None)),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_each_gap_opens_the_pros_of_its_own_rows(place, opening):
    assert pro_opening(*place, residual=5) == opening
