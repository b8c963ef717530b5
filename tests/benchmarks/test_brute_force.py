"""The brute-force region is what it says: it equals plain enumeration on tiny worlds, and reads raw rows by the definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import yaml

from benchmarks.compiled_line import config_of, warehouse
from benchmarks.truth.brute_deal import Question, Values, highest_mean, highest_quantile, highest_share
from benchmarks.truth.brute_force import METRICS, BruteForce, sharp_region, width_ratio
from benchmarks.truth.brute_ratio import RatioArm, RatioItem, RatioQuestion, highest_ratio, improved_ratio
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.story import write_config
from dagster_pipeline.demo.world import WorldSpec, generate, generate_in_memory
from tests.independent.recompute import recompute

WORLDS = range(100)
SPEC = WorldSpec(requests=400, seed=11)


# --- the solvers against enumeration


def dealt(question):
    """Every division of the unlabelled that leaves nobody's arm empty, as two lists of (low, high, need)."""
    one, other, rest = (
        list(zip(v.low, v.high, v.need, strict=True)) for v in (question.one, question.other, question.rest)
    )
    for k in range(question.first, question.last + 1):
        for taken in itertools.combinations(range(len(rest)), k):
            left = [item for i, item in enumerate(rest) if i not in taken]
            yield one + [rest[i] for i in taken], other + left


def enumerated(question, level, with_rows):
    """The largest effect over every division, every value at either end, and every place of every row."""
    best = None
    for one, other in dealt(question):
        if not one or not other:
            continue
        everybody = range(len(one) + len(other))
        for values in itertools.product(*({low, high} for low, high, _ in one + other)):
            for places in itertools.combinations_with_replacement((*everybody, None), question.rows):
                seen = [
                    with_rows(value, places.count(i), need)
                    for i, (value, (_, _, need)) in enumerate(zip(values, one + other, strict=True))
                ]
                found = effect(level(seen[: len(one)]), level(seen[len(one) :]), question.relative)
                best = found if best is None else max(best, found)
    return best


def effect(one, other, relative):
    if not relative:
        return one - other
    if other == 0 or math.isinf(one):
        return math.inf
    return one / other - 1


def mean(values):
    return sum(values) / len(values)


def median(values):
    return sorted(values)[math.ceil(len(values) / 2) - 1]


def drawn(seed, values, relative=False):
    """A tiny question: arms of one to three, up to four unlabelled, any number of them or a few; sometimes rows."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(0, 5))
    groups = []
    for size in (*rng.integers(1, 4, 2), m):
        ends = np.sort(rng.choice(values, (size, 2)), axis=1).astype(float)
        ends[rng.random(size) < 0.7, 1] = np.nan
        low, high = ends[:, 0], np.where(np.isnan(ends[:, 1]), ends[:, 0], ends[:, 1])
        groups.append(Values(low, high, np.where(high > 0, 0, rng.integers(1, 3, size))))
    first = int(rng.choice([0, m, rng.integers(0, m + 1)]))
    last = int(rng.choice([first, m]))
    return Question(*groups, first, last, int(rng.integers(0, 3)), relative)


def assert_alike(found, wanted, seed):
    assert (found is None) == (wanted is None), seed
    assert found is None or found == pytest.approx(wanted, rel=1e-12, abs=1e-12), seed


def test_a_share_is_pushed_as_far_as_enumeration_goes():
    for seed in WORLDS:
        question = drawn(seed, [0, 1])
        wanted = enumerated(question, mean, lambda y, rows, need: float(y == 1 or 0 < need <= rows))
        assert_alike(highest_share(question), wanted, seed)


def test_a_mean_is_pushed_as_far_as_enumeration_goes():
    for seed in WORLDS:
        question = drawn(seed, [0, 1, 2, 5], relative=seed % 2 == 0)
        wanted = enumerated(question, mean, lambda y, rows, _: y + rows)
        assert_alike(highest_mean(question), wanted, seed)


def test_a_quantile_is_pushed_as_far_as_enumeration_goes():
    for seed in WORLDS:
        question = drawn(seed, [3, 5, 8, 40, math.inf], relative=True)
        wanted = enumerated(question, median, lambda y, rows, _: 0.0 if rows else y)
        assert_alike(highest_quantile(question, 0.5), wanted, seed)


@pytest.mark.parametrize("success", [0, 1])
def test_everybody_alike_leaves_no_room_but_the_arms_sizes(success):
    same = [
        Values(np.full(n, float(success)), np.full(n, float(success)), np.full(n, 1 - success))
        for n in (3, 2, 4)
    ]
    assert highest_share(Question(*same, 0, 4)) == 0


def test_an_arm_that_stays_empty_has_no_effect():
    nobody, somebody = Values(*np.zeros((3, 0))), Values(np.ones(2), np.ones(2), np.zeros(2))
    for solve in (highest_share, highest_mean, lambda q: highest_quantile(q, 0.5)):
        assert solve(Question(nobody, somebody, nobody, 0, 0)) is None


OPEN_ROWS = [((0, 0), (1, 1)), ((0, 0), (0, 1)), ((0, 1), (1, 1)), ((0, 0), (0, 1), (1, 1))]


def drawn_ratio(seed, is_open, certainly_open=()):
    """Two arms with a denominator and up to four unlabelled requests, each with an open row in ``is_open`` of cases."""
    rng = np.random.default_rng(seed)

    def item():
        d = int(rng.integers(0, 4))
        rows = [OPEN_ROWS[rng.integers(len(OPEN_ROWS))]] if rng.random() < is_open else []
        return RatioItem(float(rng.integers(0, d + 1)), float(d), tuple(rows))

    arms = [[RatioItem(1.0, 2.0), *(item() for _ in range(rng.integers(0, 3)))] for _ in range(2)]
    rest = (*certainly_open, *(item() for _ in range(rng.integers(0, 4))))
    first = int(rng.integers(0, len(rest) + 1))
    last = int(rng.integers(first, len(rest) + 1))
    return arms, RatioQuestion(*map(RatioArm.of, arms), rest, first, last, bool(seed % 2))


def enumerated_ratios(arms, question):
    for k in range(question.first, question.last + 1):
        for taken in itertools.combinations(range(len(question.rest)), k):
            left = [item for i, item in enumerate(question.rest) if i not in taken]
            one, other = arms[0] + [question.rest[i] for i in taken], arms[1] + left
            for a, b in itertools.product(ratios(one), ratios(other)):
                if not question.relative or b > 0:
                    yield effect(a, b, question.relative)
                elif a > 0:
                    yield math.inf


def ratios(items):
    """Every ratio the requests can have, whatever their open rows are."""
    y, d = sum(item.y for item in items), sum(item.d for item in items)
    rows = [option for item in items for option in item.options]
    return {
        (y + sum(v for v, _ in some)) / (d + sum(w for _, w in some)) for some in itertools.product(*rows)
    }


def test_a_ratio_is_pushed_as_far_as_enumeration_goes():
    for seed in WORLDS:
        arms, question = drawn_ratio(seed, is_open=0.35)
        wanted = max(enumerated_ratios(arms, question), default=None)
        assert_alike(highest_ratio(question), wanted, seed)


def test_what_is_found_by_improvement_can_be_had_and_is_rarely_short_of_the_best():
    one, short = RatioItem(0.0, 1.0, (OPEN_ROWS[0],)), 0
    for seed in range(0, 80, 2):  # differences: a ratio's best may be infinite
        arms, question = drawn_ratio(seed, is_open=0.5, certainly_open=[one])
        possible = list(enumerated_ratios(arms, question))
        found = improved_ratio(question)
        assert min(abs(found - value) for value in possible) < 1e-9, seed
        short += found < max(possible) - 1e-9
    assert short <= 4


# --- the tables


@pytest.fixture(scope="module")
def made():
    with warehouse() as connection:
        tables = generate_in_memory(connection, SPEC, schema="pristine")
        yield connection, list(tables.relations)


@pytest.fixture(scope="module")
def clean(made):
    """Metric → its effect in the clean world: both ends of its region."""
    connection, names = made
    brute = BruteForce.of(connection, config_of(SPEC, {name: f"pristine.{name}" for name in names}))
    found = {metric: brute.region(metric) for metric in METRICS}
    assert all(lower == pytest.approx(upper, abs=1e-12) for lower, upper in found.values())
    return {metric: lower for metric, (lower, _) in found.items()}


@pytest.fixture
def world(made):
    """A clean world, to be changed at will."""
    connection, names = made
    connection.execute("create schema if not exists raw")
    for name in names:
        connection.execute(f"create or replace table raw.{name} as from pristine.{name}")
    return connection, config_of(SPEC, {name: f"raw.{name}" for name in names})


COHORT = "created_at >= '2026-10-01' and created_at < '2026-10-29'"
HIRED_IN_TIME = f"""
    select request_id, min(hire_id) as hire_id, any_value(a.variant) as variant
    from raw.hires as h inner join raw.requests as r using (request_id)
    inner join raw.assignments as a on a.entity_id = request_id
    where {COHORT} and hired_at <= created_at + interval 7 day
    group by request_id having count(*) = 1 and count(distinct h.hire_id) = 1
        and request_id in (select request_id from raw.hires group by request_id having count(*) = 1)
"""


def one_hire(connection, variant):
    """Request and hire of a cohort request of the arm with one hire, in time."""
    return connection.execute(
        f"select request_id, hire_id from ({HIRED_IN_TIME}) where variant = '{variant}' order by 1"
    ).fetchone()


def sizes(connection):
    sql = f"select variant, count(*) from raw.requests inner join raw.assignments on entity_id = request_id where {COHORT} group by 1"
    found = dict(connection.execute(sql).fetchall())
    return found["treatment"], found["control"]


def test_a_clean_world_is_a_point_and_that_of_an_independent_recomputation(tmp_path):
    made = generate(SPEC, tmp_path)
    config = write_config(tmp_path, made)
    with warehouse() as connection:
        brute = BruteForce.of(connection, load_config(config, {}))
        regions = {metric: brute.region(metric) for metric in METRICS}
    effects = recompute(tmp_path, yaml.safe_load(config.read_text()))["effects"]
    assert len(regions) == 9
    for metric, (lower, upper) in regions.items():
        assert lower == pytest.approx(effects[metric, "treatment"], abs=1e-12), metric
        assert upper == pytest.approx(lower, abs=1e-12), metric


def assert_points(world, effects):
    brute = BruteForce.of(*world)
    for metric in METRICS:
        assert brute.region(metric) == pytest.approx((effects[metric], effects[metric]), abs=1e-12), metric


def test_a_hire_without_a_time_may_be_none_in_time(world, clean):
    connection, _ = world
    before, (n, _) = clean["hire_rate_7d"], sizes(connection)
    _, hire = one_hire(connection, "treatment")
    connection.execute(f"update raw.hires set hired_at = null where hire_id = '{hire}'")
    assert sharp_region(*world, "hire_rate_7d") == (pytest.approx(before - 1 / n), pytest.approx(before))


def test_a_hire_that_names_no_request_may_be_either_arms(world, clean):
    connection, _ = world
    before, (n_t, n_c) = clean["hire_rate_7d"], sizes(connection)
    _, hire = one_hire(connection, "control")
    connection.execute(f"update raw.hires set request_id = null where hire_id = '{hire}'")
    without = before + 1 / n_c
    assert sharp_region(*world, "hire_rate_7d") == (pytest.approx(before), pytest.approx(without + 1 / n_t))


def test_rows_that_differ_in_what_no_metric_reads_leave_nothing_open(world, clean):
    connection, _ = world
    for table, change in (("hires", "amount * 2 + 1 as amount"), ("quotes", "price * 2 + 1 as price")):
        connection.execute(
            f"insert into raw.{table} select * replace ({change}) from raw.{table} using sample 20 rows"
        )
    assert_points(world, clean)


def test_a_hire_whose_two_rows_name_two_requests_may_be_either_ones(world, clean):
    connection, _ = world
    before, (n, _) = clean["hire_rate_7d"], sizes(connection)
    _, hire = one_hire(connection, "treatment")
    outside = "(select min(request_id) from raw.requests where created_at < '2026-10-01')"
    connection.execute(
        f"insert into raw.hires select * replace ({outside} as request_id) from raw.hires where hire_id = '{hire}'"
    )
    assert sharp_region(*world, "hire_rate_7d") == (pytest.approx(before - 1 / n), pytest.approx(before))


def test_copies_and_second_assignments_leave_nothing_open(world, clean):
    connection, _ = world
    for table in ("requests", "quotes", "hires", "spam_flags", "support_tickets"):
        connection.execute(f"insert into raw.{table} select * from raw.{table} using sample 30 rows")
    connection.execute(
        "insert into raw.quotes select * replace (quote_id || 'r' as quote_id) from raw.quotes using sample 30 rows"
    )
    later = "'control' as variant, assigned_at + interval 1 hour as assigned_at"
    connection.execute(
        f"insert into raw.assignments select * replace ({later}) from raw.assignments using sample 30 rows"
    )
    assert_points(world, clean)


@pytest.mark.parametrize("keeps_assignment", [True, False])
def test_a_lost_request_keeps_its_counts_and_loses_its_times(world, clean, keeps_assignment):
    connection, _ = world
    before, (n_t, n_c) = clean["hire_rate_7d"], sizes(connection)
    request, _ = one_hire(connection, "treatment")
    connection.execute(f"delete from raw.requests where request_id = '{request}'")
    if not keeps_assignment:
        connection.execute(f"delete from raw.assignments where entity_id = '{request}'")
    lower, upper = sharp_region(*world, "hire_rate_7d")
    assert upper == pytest.approx(before)
    if keeps_assignment:
        assert lower == pytest.approx(before - 1 / n_t)
    else:
        hired_t, hired_c = hired(connection)
        assert lower == pytest.approx(hired_t / (n_t - 1) - (hired_c + 1) / (n_c + 1))


def hired(connection):
    sql = f"""
        select count(distinct request_id) filter (variant = 'treatment'), count(distinct request_id) filter (variant = 'control')
        from raw.hires inner join raw.requests as r using (request_id) inner join raw.assignments as a on entity_id = request_id
        where {COHORT} and hired_at <= created_at + interval 7 day
    """
    return connection.execute(sql).fetchone()


def test_a_lost_request_that_no_hire_names_was_not_hired(world):
    connection, _ = world
    connection.execute(
        f"delete from raw.requests where request_id in (select request_id from raw.requests where {COHORT} "
        "and request_id not in (select request_id from raw.hires) order by 1 limit 20)"
    )
    lower, upper = sharp_region(*world, "hire_rate_7d")
    assert lower == pytest.approx(upper)


def test_a_late_source_leaves_open_who_is_still_young(world):
    connection, _ = world
    connection.execute("delete from raw.hires where hired_at > timestamp '2026-11-06' - interval 4 day")
    lower, upper = sharp_region(*world, "hire_rate_7d")
    (cutoff,) = connection.execute("select max(hired_at) from raw.hires").fetchone()
    sql = f"""
        select count(*) filter (variant = 'treatment'), count(*) filter (variant = 'control')
        from raw.requests as r inner join raw.assignments as a on entity_id = request_id
        where {COHORT} and created_at + interval 7 day > ? and request_id not in (select request_id from raw.hires)
    """
    open_t, open_c = connection.execute(sql, [cutoff]).fetchone()
    n_t, n_c = sizes(connection)
    assert upper - lower == pytest.approx(open_t / n_t + open_c / n_c)
    assert sharp_region(*world, "refund_rate") == (None, None)


def test_known_arm_totals_narrow_the_region(world):
    connection, config = world
    connection.execute("delete from raw.assignments where hash(entity_id) % 5 = 0")
    for table in ("quotes", "quote_events"):
        connection.execute(f"update raw.{table} set variant = null")
    by_design = BruteForce.of(connection, config)
    (treated, control) = connection.execute(
        f"select count(*) filter (variant = 'treatment'), count(*) filter (variant = 'control') from pristine.assignments "
        f"inner join pristine.requests on entity_id = request_id where {COHORT}"
    ).fetchone()
    known = BruteForce.of(connection, config, arm_totals={1: treated, 0: control})
    for metric in set(METRICS) - {"ttfq_p90"}:  # whose upper end may be infinite either way
        (lower, upper), (outer_lower, outer_upper) = known.region(metric), by_design.region(metric)
        assert lower < upper, metric
        assert outer_lower <= lower, metric
        assert outer_upper >= upper, metric


@pytest.mark.parametrize(
    "faults",
    [
        Faults(nulls={"quotes.quoted_at": 0.06, "hires.hired_at": 0.1, "hires.outcome": 0.1}),
        Faults(nulls={"hires.request_id": 0.1, "quotes.request_id": 0.05, "support_tickets.request_id": 0.1}),
        Faults(missing_assignment=0.08, late_assignment=0.03, shifted_events=0.05),
        Faults(
            orphans={"quotes": 0.03},
            early_quotes=0.03,
            conflicts={"hires": 0.1},
            dangling={"spam_flags": 0.2},
        ),
    ],
    ids=["values", "keys", "arms", "parents"],
)
def test_the_region_holds_the_clean_twins_effect(clean, faults):
    with warehouse() as other:
        tables = generate_in_memory(other, SPEC, faults)
        brute = BruteForce.of(other, config_of(SPEC, tables.relations))
    for metric in METRICS:
        true, (lower, upper) = clean[metric], brute.region(metric)
        assert (-math.inf if lower is None else lower) <= true + 1e-12, metric
        assert (math.inf if upper is None else upper) >= true - 1e-12, metric


def test_a_width_is_measured_against_the_sharp_one():
    assert width_ratio((-1.0, 2.0), (0.0, 2.0)) == 1.5
    assert width_ratio((1.0, 1.0), (1.0, 1.0)) == 1
    assert width_ratio((None, None), (None, None)) == 1
    assert width_ratio((0.0, 1.0), (1.0, 1.0)) == math.inf
    assert width_ratio((None, None), (0.0, 1.0)) == math.inf
    assert width_ratio((0.0, 1.0), (None, None)) is None
