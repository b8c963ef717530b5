"""Worlds whose truth is known: what is kept of both arms is what happens, and what is broken is what is said to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import duckdb
import numpy as np
import pytest

from benchmarks.compiled_line import warehouse
from benchmarks.truth.draws import draw
from benchmarks.truth.events import unfold, work_out
from benchmarks.truth.injectors import MECHANISMS, PLACES, Injected, Injection, inject, mechanisms_of
from benchmarks.truth.injectors.bench import Bench
from benchmarks.truth.injectors.choice import Stake, pick
from benchmarks.truth.outcomes import outcomes_of
from benchmarks.truth.simulator import Truth, TruthSpec, lay_out
from dagster_pipeline.demo.marketplace import DAY
from dagster_pipeline.demo.spec import TABLES, WorldSpec, microseconds
from dagster_pipeline.demo.world import generate_in_memory
from dagster_pipeline.errors import PlumblineError

SPEC = TruthSpec(seed=3, requests=1_500, days_before=14, heterogeneity=0.5)
OUTCOMES = (
    "first_quote_seconds", "n_quotes", "n_quotes_24h", "first_hire_seconds", "n_hires", "amount", "n_refunded",
    "n_tickets", "n_flags",
)  # fmt: skip


class World:
    """One world that is broken and mended again; the tables as they were stay in the schema ``clean``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.truth: Truth = lay_out(connection, SPEC)
        connection.execute("create schema clean")
        for table in TABLES:
            connection.execute(f"create table clean.{table} as from raw.{table}")

    def mend(self, order: str = "") -> None:
        for table in TABLES:
            self.connection.execute(f"create or replace table raw.{table} as from clean.{table} {order}")

    def inject(self, *injections: Injection, seed: int = 7, order: str = "") -> Injected:
        self.mend(order)
        return inject(self.connection, self.truth, injections, seed)

    def one(self, sql: str):
        return self.connection.execute(sql).fetchone()[0]

    def gone(self, table: str) -> int:
        """Rows of the clean table that are no longer there."""
        return self.one(f"select count(*) from (from clean.{table} except all from raw.{table})")

    def new(self, table: str) -> int:
        """Rows that were not in the clean table."""
        return self.one(f"select count(*) from (from raw.{table} except all from clean.{table})")

    def changes(self) -> dict[str, tuple[int, int]]:
        """By table what is gone and what is new; tables left alone are left out."""
        return {
            t: (self.gone(t), self.new(t))
            for t in TABLES
            if self.content(f"raw.{t}") != self.content(f"clean.{t}")
        }

    def content(self, relation: str) -> tuple:
        return self.connection.execute(f"select count(*), sum(hash(t)) from {relation} as t").fetchone()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with warehouse() as connection:
        yield World(connection)


def everything(rate: float) -> list[Injection]:
    return [Injection(kind, place, rate) for kind, places in PLACES.items() for place in places]


# The simulator


def test_a_world_has_the_tables_of_the_demo(world):
    world.mend()
    with warehouse() as connection:
        generate_in_memory(connection, WorldSpec(requests=50))
        for table in TABLES:
            described = f"select column_name, column_type from (describe raw.{table})"
            assert world.connection.execute(described).fetchall() == connection.execute(described).fetchall()


def test_the_same_spec_gives_the_same_world_and_another_seed_another(world):
    world.mend()
    with warehouse() as connection:
        again = lay_out(connection, SPEC)
        assert again.effects == world.truth.effects
        for table in TABLES:
            content = connection.execute(f"select count(*), sum(hash(t)) from raw.{table} as t").fetchone()
            assert content == world.content(f"raw.{table}")
    other = draw(replace(SPEC, seed=4)).demand
    assert not np.array_equal(other.created, world.truth.draws.demand.created)


@pytest.mark.parametrize("column", OUTCOMES)
def test_what_happens_is_the_potential_outcome_of_the_own_arm(world, column):
    differing = world.one(
        f"select count(*) from truth.requests where {column} is distinct from "
        f"case when variant = 'treatment' then t_{column} else c_{column} end"
    )
    assert differing == 0
    assert world.one(f"select count(*) from truth.requests where {column} > 0") > 0


FROM_THE_TABLES = {
    "first_quote_seconds": "(epoch_us(min(quoted_at)) - epoch_us(any_value(created_at))) / 1e6 from raw.quotes",
    "n_quotes": "count(*) from raw.quotes",
    "n_quotes_24h": "count(*) filter (quoted_at <= created_at + interval 24 hour) from raw.quotes",
    "first_hire_seconds": "(epoch_us(min(hired_at)) - epoch_us(any_value(created_at))) / 1e6 from raw.hires",
    "n_hires": "count(*) from raw.hires",
    "amount": "sum(amount) from raw.hires",
    "n_refunded": "count(*) filter (outcome <> 'completed') from raw.hires",
    "n_tickets": "count(*) from raw.support_tickets",
    "n_flags": "count(*) from raw.spam_flags inner join raw.quotes using (quote_id)",
}


@pytest.mark.parametrize("column", OUTCOMES)
def test_the_truth_about_a_request_is_what_the_raw_tables_say_of_it(world, column):
    world.mend()
    counted = FROM_THE_TABLES[column].replace(" from raw.", " as told from raw.")
    none = "null" if column.endswith("seconds") else "0"
    known = column
    if column == "first_hire_seconds":  # of a hire after the clock the truth knows, the tables don't
        clock = microseconds(SPEC.world.as_of)
        known = f"case when epoch_us(created_at) + {column} * 1e6 <= {clock} then {column} end"
    differing = world.one(
        f"with told as (select request_id, {counted} inner join raw.requests using (request_id) group by request_id) "
        f"select count(*) from (select *, {known} as known from truth.requests) left join told using (request_id) "
        f"where is_cohort and not coalesce(abs(known - coalesce(told, {none})) < 1e-6, known is null and told is null)"
    )
    assert differing == 0


def test_the_effects_are_those_of_the_whole_cohort_under_either_arm(world):
    shares = ("t_first_hire_seconds <= 604800", "c_first_hire_seconds <= 604800")
    hired = [
        world.one(f"select avg(coalesce({s}, false)::int) from truth.requests where is_cohort")
        for s in shares
    ]
    assert world.truth.effects["hire_rate_7d"] == pytest.approx(hired[0] - hired[1], abs=1e-12)
    waits = [
        world.one(f"select quantile_disc(coalesce({arm}_first_quote_seconds, 1e12), 0.5) from truth.requests where is_cohort")
        for arm in "tc"
    ]  # fmt: skip
    assert world.truth.effects["ttfq_median"] == pytest.approx(waits[0] / waits[1] - 1, abs=1e-12)
    flags = [
        world.one(f"select sum({arm}_n_flags) / sum({arm}_n_quotes) from truth.requests where is_cohort")
        for arm in "tc"
    ]
    expected = flags[0] / flags[1] - 1
    assert world.truth.effects["spam_flags_per_1000_quotes"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("effect", "heterogeneity"), [(-0.02, 0.0), (0.0, 1.0), (0.03, 1.0)])
def test_the_hire_effect_is_exact_in_expectation(effect, heterogeneity):
    spec = TruthSpec(seed=8, requests=1_500, hire_effect=effect, heterogeneity=heterogeneity)
    draws = draw(spec)
    workflows = work_out(spec, draws)
    # The chance to hire is the share of an even grid of the uniform numbers that decide on it.
    grid = (np.arange(25) + 0.5) / 25
    rates = []
    for treated in (False, True):
        hired = 0
        for number in grid:
            minds = replace(draws.minds, decides=np.full(spec.requests, number))
            events = unfold(spec, replace(draws, minds=minds), workflows, np.full(spec.requests, treated))
            buyers = events.request[events.hired_quote]
            in_time = events.hired - draws.demand.created[buyers] <= 7 * DAY
            hired += len(np.unique(buyers[in_time & draws.in_cohort[buyers]]))
        rates.append(hired / len(grid) / draws.in_cohort.sum())
    # A request's grid is off by 1/50 at most, which is chance among 1,000 requests.
    assert rates[0] == pytest.approx(spec.hire_rate, abs=1.5e-3)
    assert rates[1] - rates[0] == pytest.approx(effect, abs=1.5e-3)


def test_the_effects_of_many_requests_are_those_asked_for():
    spec = TruthSpec(
        seed=5, requests=40_000, hire_effect=-0.01, speedup=0.2, quote_effect=0.1, ticket_effect=0.2, spam_effect=-0.1
    )  # fmt: skip
    draws = draw(spec)
    workflows = work_out(spec, draws)
    as_of = microseconds(spec.world.as_of)
    arms = [
        outcomes_of(unfold(spec, draws, workflows, np.full(spec.requests, t)), draws.demand.created, as_of)
        for t in (False, True)
    ]
    truth = Truth(spec, "raw", {}, draws, *arms)
    assert truth.effects["hire_rate_7d"] == pytest.approx(-0.01, abs=0.002)
    assert truth.levels["hire_rate_7d"][0] == pytest.approx(spec.hire_rate, abs=0.006)
    assert truth.effects["ttfq_median"] < -0.2  # sooner, and one more to be first among
    assert truth.effects["quotes_per_request"] / truth.levels["quotes_per_request"][0] == pytest.approx(
        0.1, abs=0.01
    )
    assert truth.effects["support_tickets_per_100_requests"] == pytest.approx(0.2, abs=0.045)
    assert truth.effects["spam_flags_per_1000_quotes"] == pytest.approx(-0.1, abs=0.03)


def test_effects_differ_by_category_where_they_are_asked_to(world):
    big = ("house_cleaning", "handyman", "moving")
    faster = [world.truth.effects_in(category)["ttfq_median"] for category in big]
    assert faster[1] - max(faster[0], faster[2]) > 0.1
    assert world.truth.effects["hire_rate_7d"] == pytest.approx(SPEC.hire_effect, abs=0.012)


def test_an_arm_that_ramps_up_has_few_units_first_and_half_of_them_in_all():
    demand = draw(TruthSpec(seed=2, requests=20_000, ramp="arm")).demand
    arm = demand.arm[demand.arm >= 0]
    fifth = len(arm) // 5
    assert arm[:fifth].mean() < 0.25
    assert arm[-fifth:].mean() > 0.75
    assert arm.mean() == pytest.approx(0.5, abs=0.02)


def test_traffic_that_ramps_up_brings_both_arms_alike():
    spec = TruthSpec(seed=2, requests=20_000, ramp="traffic")
    demand = draw(spec).demand
    week = (demand.created - microseconds(spec.world.start)) // (7 * DAY)
    inside = demand.arm >= 0
    assert (inside & (week == 0)).sum() < 0.6 * (inside & (week == 3)).sum()
    assert demand.arm[inside & (week == 0)].mean() == pytest.approx(0.5, abs=0.04)


def test_a_customer_meets_one_arm_where_customers_are_randomised():
    demand = draw(TruthSpec(seed=2, unit="customer", ramp="arm")).demand
    inside = demand.arm >= 0
    pairs = np.unique(np.c_[demand.customer, demand.arm][inside], axis=0)
    assert len(pairs) == len(np.unique(demand.customer[inside]))


# The injectors


def test_a_clean_world_has_no_defect_and_a_rate_of_0_leaves_it_clean(world):
    injected = world.inject(*everything(0.0))
    assert (injected.planted, injected.uncounted) == ({}, {})
    assert not any(injected.residual.values())
    assert set(injected.altered) == {0}
    assert world.changes() == {}


IN_PLACE = [
    *(Injection("missing_values", place, 0.02) for place in PLACES["missing_values"]),
    Injection("missing_variant", "quotes.variant", 0.02),
    *(Injection("orphan_rows", place, 0.02) for place in ("quotes", "hires", "spam_flags")),
    *(Injection("invalid_values", place, 0.02) for place in PLACES["invalid_values"]),
    *(Injection("timestamp_disorder", place, 0.02) for place in PLACES["timestamp_disorder"]),
    Injection("source_conflict", "quotes", 0.02),
    Injection("late_assignment", "assignments", 0.02),
    Injection("distribution_drift", "requests.category", 0.02),
    Injection("stale_dashboard", "dashboards", 0.02),
]


def where_of(injection: Injection) -> tuple[str, str, str | None]:
    table, _, column = injection.place.partition("/")[0].partition(".")
    column = {
        "late_assignment": "assigned_at",
        "source_conflict": "quoted_at",
        "stale_dashboard": "value",
    }.get(injection.kind, column)
    if injection.kind == "timestamp_disorder":
        column = {"quotes": "quoted_at", "quote_events": "event_at"}[table]
    return injection.kind, table, column or None


@pytest.fixture(scope="module")
def in_place(world) -> tuple[Injected, dict[str, tuple[int, int]]]:
    """All that changes values, in one world, and by table what is gone and what is new."""
    return world.inject(*IN_PLACE), world.changes()


def test_what_changes_in_place_is_counted_and_no_other_row_is_touched(in_place):
    injected, changes = in_place
    assert all(injected.altered)
    by_place = {
        str(i).removesuffix(" 0.02 at_random"): n for i, n in zip(IN_PLACE, injected.altered, strict=True)
    }
    expected: dict[tuple, int] = {}
    changed = dict.fromkeys(TABLES, 0)
    for injection, altered in zip(IN_PLACE, injected.altered, strict=True):
        expected[where_of(injection)] = expected.get(where_of(injection), 0) + altered
        changed[injection.place.partition("/")[0].partition(".")[0]] += altered
    early, hours = by_place["timestamp_disorder quotes"], by_place["timestamp_disorder quote_events"]
    seconds, unlogged = (
        by_place["source_conflict quotes"],
        by_place["missing_values quotes.quoted_at/unlogged"],
    )
    # An early quote's event is as early; an hour's shift is a conflict besides; a shifted event leaves the quote alone.
    expected["timestamp_disorder", "quote_events", "event_at"] = early + hours
    expected["source_conflict", "quotes", "quoted_at"] = seconds + hours
    changed["quotes"] -= seconds
    changed["quote_events"] = early + hours + seconds
    assert {**injected.planted, **injected.uncounted} == expected
    gone = {**changed, "quote_events": changed["quote_events"] + unlogged}
    assert changes == {table: (gone[table], count) for table, count in changed.items() if count}


def test_what_no_repair_reaches_is_told_apart(in_place):
    left, planted = in_place[0].residual, in_place[0].planted
    assert (
        0 < left["missing_values", "quotes", "quoted_at"] < planted["missing_values", "quotes", "quoted_at"]
    )
    assert left["missing_values", "hires", "hired_at"] == planted["missing_values", "hires", "hired_at"]
    assert 0 < left["invalid_values", "hires", "outcome"] < planted["invalid_values", "hires", "outcome"]
    assert left["invalid_values", "quotes", "variant"] == 0
    # Units whose assignment names no arm of the experiment.
    assert left["missing_variant", "requests", None] == left["invalid_values", "assignments", "variant"] > 0


def test_what_comes_is_counted_and_nothing_goes(world):
    copies = [Injection("duplicate_rows", place, 0.06) for place in PLACES["duplicate_rows"]]
    conflicts = [Injection("conflicting_keys", place, 0.06) for place in PLACES["conflicting_keys"]]
    arms = [Injection("multiple_exposures", "assignments", 0.06)]
    past = [Injection("pre_exposure_imbalance", "requests", 0.06)]
    injected = world.inject(*copies, *conflicts, *arms, *past)
    requests, quotes, resent, hires, quotes_too, hires_too, hired_later, units, before = injected.altered
    assert injected.planted == {
        ("duplicate_rows", "requests", None): requests,
        ("duplicate_rows", "quotes", None): quotes + resent,
        ("duplicate_rows", "hires", None): hires,
        ("conflicting_keys", "quotes", None): quotes_too,
        ("conflicting_keys", "hires", None): hires_too + hired_later,
        ("multiple_exposures", "assignments", None): units,
    }
    assert world.changes() == {
        "requests": (0, requests),
        "quotes": (0, quotes + resent + quotes_too),
        "hires": (0, hires + hires_too + hired_later + before),
        "assignments": (0, units),
    }


@pytest.mark.parametrize("keeps", [True, False])
def test_lost_requests_leave_their_children_and_maybe_their_assignments(world, keeps):
    injected = world.inject(
        Injection("orphan_rows", "requests/assigned" if keeps else "requests/unassigned", 0.06)
    )
    changes = world.changes()
    assert changes.pop("requests") == (injected.altered[0], 0)
    lost = world.one(
        "select count(*) from truth.requests where is_cohort and request_id not in (from (select request_id from raw.requests))"
    )
    assert changes == ({} if keeps else {"assignments": (lost, 0)})
    assert injected.planted["orphan_rows", "quotes", None] == world.one(
        "select count(*) from clean.quotes anti join raw.requests using (request_id)"
    )
    assert injected.planted.get(("orphan_rows", "assignments", None), 0) == (lost if keeps else 0)


def test_a_source_that_ends_early_ends_later_than_its_freshness_allows(world):
    injected = world.inject(Injection("stale_source", "hires", 0.06))
    late = world.one(
        f"select make_timestamp({microseconds(SPEC.world.as_of)}) - max(hired_at) from raw.hires"
    )
    assert late.total_seconds() / 3600 >= 36 + 0.06 * 28 * 24
    assert world.changes() == {"hires": (injected.altered[0], 0)}


def test_lost_units_are_of_the_treatment_and_leave_nothing_behind(world):
    injected = world.inject(Injection("sample_ratio_mismatch", "requests", 0.18))
    lost = "clean.assignments anti join raw.assignments using (entity_id)"
    assert world.one(f"select count(*) from {lost} where variant = 'treatment'") == injected.altered[0]
    assert world.gone("requests") == world.gone("assignments") == injected.altered[0] > 0
    assert injected.planted == {}


def test_a_request_without_arm_is_without_it_everywhere(world):
    injected = world.inject(Injection("missing_variant", "requests", 0.06))
    unlabelled = "clean.assignments anti join raw.assignments using (entity_id)"
    carrying = (
        "(select request_id from raw.quotes where variant is not null union all "
        "select request_id from raw.quote_events where variant is not null)"
    )
    assert world.one(f"select count(*) from {unlabelled} where entity_id in {carrying}") == 0
    assert injected.planted["missing_variant", "requests", None] == injected.altered[0]
    assert injected.residual["missing_variant", "requests", None] == injected.altered[0]


def test_a_request_whose_quotes_carry_its_arm_can_be_recovered(world):
    injected = world.inject(Injection("missing_variant", "requests/recoverable", 0.06))
    assert injected.planted == {("missing_variant", "requests", None): injected.altered[0]}
    assert injected.residual["missing_variant", "requests", None] == 0
    assert world.changes() == {"assignments": (injected.altered[0], 0)}


def test_declared_sampling_is_written_into_the_configuration(world):
    injected = world.inject(Injection("sampled_logging", "quote_events/declared", 0.18, "one_arm"))
    config: dict = {"experiments": [{}]}
    injected.edit_config(config)
    assert config == {"experiments": [{"sampling": {"quote_events": {"treatment": 0.82}}}]}
    assert world.changes() == {"quote_events": (injected.altered[0], 0)}


@pytest.mark.parametrize(("rate", "days"), [(0.005, 1), (0.18, 5)])
def test_lost_days_lie_inside_the_window_side_by_side(world, rate, days):
    injected = world.inject(Injection("missing_partition", "quotes", rate))
    found = world.connection.execute(
        "select distinct quoted_at::date as day from (from clean.quotes except from raw.quotes) order by day"
    ).fetchall()
    assert len(found) == days
    assert (found[-1][0] - found[0][0]).days == days - 1
    assert injected.uncounted["missing_partition", "quotes", None] == world.gone("quotes")


def test_columns_and_sources_that_are_gone_are_gone(world):
    injected = world.inject(
        Injection("schema_change", "hires.hired_at", 0.06),
        Injection("schema_change", "quotes.price/absent", 0.06),
        Injection("not_evaluated", "messages", 0.06),
        Injection("missing_values", "hires.hired_at", 0.06),  # of what is gone nothing is counted
    )
    assert set(injected.uncounted) == {
        ("schema_change", "hires", "hired_at"), ("schema_change", "quotes", "price"), ("not_evaluated", "messages", None),
    }  # fmt: skip
    assert (
        world.one(
            "select count(*) from information_schema.tables where table_schema = 'raw' and table_name = 'messages'"
        )
        == 0
    )
    columns = {
        row[0] for row in world.connection.execute("select column_name from (describe raw.hires)").fetchall()
    }
    assert "hired_at_v2" in columns
    assert "hired_at" not in columns


def test_readings_that_differ_in_a_lost_column_only_are_copies(world):
    injected = world.inject(
        Injection("schema_change", "hires.hired_at/absent", 0.06),
        Injection("conflicting_keys", "hires/hired_at", 0.06),
    )
    assert injected.planted == {("duplicate_rows", "hires", None): injected.altered[1]}


# Who is hit


def test_the_same_rows_are_hit_whatever_their_order(world):
    injections = [
        Injection("missing_values", "hires.hired_at", 0.18),
        Injection("missing_variant", "requests", 0.06, "favours_treatment"),
    ]
    first = world.inject(*injections)
    content = [world.content(f"raw.{table}") for table in TABLES]
    again = world.inject(*injections, order="order by random()")
    assert [world.content(f"raw.{table}") for table in TABLES] == content
    assert (again.planted, again.altered) == (first.planted, first.altered)


def test_another_seed_hits_other_rows(world):
    hit(world, "at_random", seed=7)
    world.connection.execute("create or replace table truth.before as from truth.picked")
    hit(world, "at_random", seed=8)
    assert world.one("select count(*) from truth.before inner join truth.picked using (key)") < 100


def hit(
    world: World,
    mechanism: str,
    stake: Stake = Stake.LABEL,
    table: str = "requests",
    count: int = 200,
    seed: int = 7,
) -> Mapping:
    """The picked rows' shares: of the treatment, hired, of the largest category, and such as help the treatment."""
    world.mend()
    world.connection.execute("create or replace table truth.touched (source varchar, key varchar)")
    bench = Bench(world.connection, world.truth, seed)
    assert pick(bench, Injection("missing_variant", "requests", 0.0, mechanism), table, count, stake) == count
    key = {"requests": "known.request_id", "hires": "hire_id"}[table]
    joined = "truth.requests as known" + (
        " inner join clean.hires using (request_id)" if table == "hires" else ""
    )
    row = world.connection.execute(
        "select avg((variant = 'treatment')::int), avg(coalesce(first_hire_seconds <= 604800, false)::int), "
        "avg((category = 'house_cleaning')::int), "
        "avg(((variant = 'treatment') <> coalesce(first_hire_seconds <= 604800, false))::int), count(variant) "
        f"from {joined} inner join truth.picked on key = {key}"
    ).fetchone()
    return dict(zip(("treated", "hired", "cleaning", "helping", "cohort"), row, strict=True))


def test_at_random_hits_all_alike_and_one_arm_the_treatment_alone(world):
    plain = hit(world, "at_random")
    assert plain["cohort"] < 200  # requests outside the window too
    assert 0.3 < plain["treated"] < 0.7
    assert hit(world, "one_arm")["treated"] == 1.0
    assert hit(world, "segment")["cleaning"] == 1.0


def test_outcome_dependent_loss_favours_the_arm_it_is_named_for(world):
    # Half of the cohort are failures of the treatment or successes of the control; at odds of five they are most.
    assert hit(world, "favours_treatment")["helping"] > 0.7
    assert hit(world, "favours_control")["helping"] < 0.3


@pytest.mark.parametrize(("mechanism", "helping"), [("adversarial_up", 1.0), ("adversarial_down", 0.0)])
def test_the_adversary_hits_only_rows_at_the_edge_and_both_arms_in_turn(world, mechanism, helping):
    found = hit(world, mechanism, count=80)
    assert found["helping"] == helping
    assert found["treated"] == 0.5


def test_the_truth_lies_at_the_edge_where_the_adversary_takes_labels(world):
    """GAPS.md §2 with the treatment's number of the unlabelled known: a is as small as it can be."""
    world.inject(Injection("missing_variant", "requests", 0.06, "adversarial_up"))
    lost = "from truth.requests where is_cohort and request_id not in (select entity_id from raw.assignments)"
    hired = "coalesce(first_hire_seconds <= 604800, false)"
    k = world.one(f"select count(*) {lost} and variant = 'treatment'")
    failures = world.one(f"select count(*) {lost} and not {hired}")
    truly = world.one(f"select count(*) {lost} and variant = 'treatment' and {hired}")
    assert k > 0
    assert truly == max(0, k - failures)


def test_hires_whose_loss_helps_are_the_controls_that_came_in_time(world):
    found = hit(world, "adversarial_up", Stake.GOOD, "hires", count=30)
    late = world.one(
        "select count(*) from clean.hires inner join truth.requests using (request_id) where variant = 'treatment' and epoch_us(hired_at) - epoch_us(truth.requests.created_at) > 604800000000"
    )
    # In turn a hire of the control that came in time and one of the treatment that came too late, while there are any.
    assert found["treated"] * 30 == min(15, late)


@pytest.mark.parametrize(
    ("kind", "place", "mechanism", "rate", "named"),
    [
        ("missing_value", "hires.hired_at", "at_random", 0.1, "missing_values"),
        ("missing_values", "hires.colour", "at_random", 0.1, "hires.hired_at"),
        ("missing_values", "hires.hired_at", "by_hand", 0.1, "favours_control"),
        ("stale_source", "hires", "one_arm", 0.1, "at_random"),
        ("missing_values", "hires.hired_at", "at_random", 1.1, "no share"),
    ],
)
def test_what_cannot_be_planted_is_refused_by_name(world, kind, place, mechanism, rate, named):
    with pytest.raises(PlumblineError, match=named):
        world.inject(Injection(kind, place, rate, mechanism))


def test_every_place_says_which_mechanisms_make_a_difference():
    offered = {mechanisms_of(kind, place) for kind, places in PLACES.items() for place in places}
    assert all(set(mechanisms) <= set(MECHANISMS) for mechanisms in offered)
    assert MECHANISMS in offered
