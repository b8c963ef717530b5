"""A clean world is clean, realistic and always the same; every count here is taken from the written files."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path

import duckdb
import pytest

from dagster_pipeline.demo.marketplace import draw_marketplace
from dagster_pipeline.demo.spec import TABLES, TIME_COLUMNS
from dagster_pipeline.demo.world import World, WorldSpec, generate
from dagster_pipeline.errors import PlumblineError

KEYS = {
    "requests": "request_id",
    "quotes": "quote_id",
    "hires": "hire_id",
    "assignments": "entity_id",
    "quote_events": "request_id, pro_id",
    "support_tickets": "ticket_id",
    "spam_flags": "quote_id",
    "dashboards": "metric, variant",
}
CHILDREN = ("quotes", "quote_events", "hires", "messages", "support_tickets")


def rows(world: World, sql: str) -> list[tuple]:
    """The answer to a query in which every table name stands for its file."""
    return opened(world.folder).execute(sql).fetchall()


@cache
def opened(folder: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for file in folder.glob("*.parquet"):
        con.execute(f"create view {file.stem} as select * from '{file}'")
    return con


def one(world: World, sql: str):
    return rows(world, sql)[0][0]


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> World:
    return generate(WorldSpec(requests=12_000), tmp_path_factory.mktemp("clean"))


def test_the_same_spec_gives_the_same_files(tmp_path):
    spec = WorldSpec(requests=1_500, seed=11)
    first, second = generate(spec, tmp_path / "a"), generate(spec, tmp_path / "b")
    for table in TABLES:
        assert rows(first, f"select * from {table}") == rows(second, f"select * from {table}")


def test_another_seed_gives_another_world(tmp_path):
    worlds = [generate(WorldSpec(requests=300, seed=seed), tmp_path / str(seed)) for seed in (1, 2)]
    assert len({tuple(rows(world, "select created_at from requests")) for world in worlds}) == 2


def test_the_world_tells_the_rows_it_wrote(clean):
    assert clean.rows == {table: one(clean, f"select count(*) from {table}") for table in TABLES}
    assert clean.rows["requests"] == 12_000
    assert clean.planted == {}


@pytest.mark.parametrize("table", TABLES)
def test_a_clean_table_holds_no_null(clean, table):
    columns = [name for name, *_ in rows(clean, f"describe {table}")]
    nulls = " + ".join(f"count(*) filter ({column} is null)" for column in columns)
    assert one(clean, f"select {nulls} from {table}") == 0


@pytest.mark.parametrize(("table", "key"), KEYS.items())
def test_a_clean_key_is_unique(clean, table, key):
    assert one(clean, f"select count(*) - count(distinct ({key})) from {table}") == 0


@pytest.mark.parametrize("table", TABLES)
def test_a_clean_row_is_there_once(clean, table):
    assert one(clean, f"select count(*) from {table}") == one(
        clean, (f"select count(*) from (select distinct * from {table})")
    )


def test_no_two_quotes_share_request_and_pro(clean):
    assert one(clean, "select count(*) - count(distinct (request_id, pro_id)) from quotes") == 0


@pytest.mark.parametrize("child", CHILDREN)
def test_every_child_has_its_request(clean, child):
    assert one(clean, f"select count(*) from {child} anti join requests using (request_id)") == 0


def test_every_flag_has_its_quote_and_every_hire_its_quote(clean):
    assert one(clean, "select count(*) from spam_flags anti join quotes using (quote_id)") == 0
    assert one(clean, "select count(*) from hires anti join quotes using (request_id, pro_id)") == 0


@pytest.mark.parametrize(
    "disorder",
    [
        "quotes inner join requests using (request_id) where quoted_at <= created_at",
        "hires inner join quotes using (request_id, pro_id) where hired_at <= quoted_at",
        "messages inner join quotes using (request_id, pro_id) where sent_at < quoted_at",
        "support_tickets inner join requests using (request_id) where opened_at <= created_at",
        "spam_flags inner join quotes using (quote_id) where flagged_at <= quoted_at",
        "quotes inner join assignments on request_id = entity_id where assigned_at >= quoted_at",
    ],
)
def test_nothing_happens_before_its_cause(clean, disorder):
    assert one(clean, f"select count(*) from {disorder}") == 0


@pytest.mark.parametrize(("table", "column"), TIME_COLUMNS.items())
def test_nothing_is_dated_after_as_of(clean, table, column):
    assert one(clean, f"select max({column}) from {table}") <= clean.spec.as_of.replace(tzinfo=None)


@pytest.mark.parametrize(("table", "hours"), [("requests", 24), ("quotes", 24), ("hires", 36)])
def test_every_source_is_fresh(clean, table, hours):
    newest = one(clean, f"select max({TIME_COLUMNS[table]}) from {table}")
    assert clean.spec.as_of.replace(tzinfo=None) - newest < timedelta(hours=hours)


def test_the_event_log_agrees_with_the_quotes(clean):
    differing = (
        "quotes full join quote_events as e using (request_id, pro_id) where quoted_at is distinct "
        "from event_at or quotes.variant is distinct from e.variant"
    )
    assert one(clean, f"select count(*) from {differing}") == 0


def test_quotes_carry_the_variant_of_the_assignment_and_outside_the_window_the_control(clean):
    start, end = clean.spec.start.replace(tzinfo=None), clean.spec.end.replace(tzinfo=None)
    expected = f"""
        select count(*) from quotes as q inner join requests as r using (request_id)
        left join assignments as a on a.entity_id = r.request_id
        where q.variant <> coalesce(a.variant, 'control')
            or (a.variant is not null) <> (created_at >= '{start}' and created_at < '{end}')"""
    assert one(clean, expected) == 0


def test_traffic_runs_from_before_the_window_until_as_of(clean):
    days = rows(clean, "select created_at::date as day, count(*) from requests group by day order by day")
    assert len(days) == clean.spec.days_before + clean.spec.days + clean.spec.days_after
    average = clean.rows["requests"] / len(days)
    assert all(0.5 * average < count < 1.6 * average for _, count in days)


def test_traffic_follows_the_clock_and_the_week(clean):
    night = one(clean, "select avg((hour(created_at) < 6)::int) from requests")
    weekend = one(
        clean, "select avg((isodow(created_at) >= 6)::int) from requests where created_at < '2026-11-02'"
    )
    assert night < 0.06
    assert 0.20 < weekend < 2 / 7


def test_supply_and_demand_are_uneven(clean):
    busiest = one(
        clean,
        "select sum(n) from (select count(*) as n from quotes group by pro_id order by n desc limit 60)",
    )
    pros = one(clean, "select count(distinct pro_id) from quotes")
    assert busiest / clean.rows["quotes"] > 1.5 * 60 / pros
    assert one(clean, "select count(distinct category) from requests") == 12
    assert one(clean, "select count(distinct geo) from requests") == 20
    pace = rows(
        clean,
        (
            "select median(epoch(quoted_at) - epoch(created_at)) as s from quotes join requests using "
            "(request_id) group by category order by s"
        ),
    )
    assert pace[-1][0] > 2 * pace[0][0]


def test_the_split_is_a_fair_draw(clean):
    treated, n = rows(clean, "select count(*) filter (variant = 'treatment'), count(*) from assignments")[0]
    assert abs(treated - n / 2) < 3.3 * (n / 4) ** 0.5


def test_prices_are_positive_cents_and_timestamps_have_microseconds(clean):
    assert one(clean, "select count(*) from quotes where price <= 0 or price <> round(price, 2)") == 0
    assert one(clean, "select count(*) from hires where amount <= 0 or amount <> round(amount, 2)") == 0
    assert one(clean, "select avg((microsecond(quoted_at) % 1000 <> 0)::int) from quotes") > 0.99


def test_the_effects_of_the_spec_are_in_the_data(tmp_path):
    spec = WorldSpec(requests=40_000, speedup=0.5, hire_rate=0.10, hire_effect=0.06, ticket_effect=1.0)
    world = generate(spec, tmp_path)
    levels = {
        (metric, variant): value
        for metric, variant, value in rows(world, ("select metric, variant, value from dashboards"))
    }
    assert levels["hire_rate_7d", "control"] == pytest.approx(0.10, abs=0.01)
    assert levels["hire_rate_7d", "treatment"] == pytest.approx(0.16, abs=0.012)
    ratio = levels["ttfq_median", "treatment"] / levels["ttfq_median", "control"]
    assert ratio == pytest.approx(0.5, abs=0.05)
    tickets = (
        "select count(*) from support_tickets inner join assignments on request_id = entity_id where "
        "variant = "
    )
    assert one(world, tickets + "'treatment'") > 1.6 * one(world, tickets + "'control'")


@pytest.mark.parametrize(("unit", "column"), [("customer", "customer_id"), ("session", "session_id")])
def test_a_unit_larger_than_the_request_has_one_arm_for_all_its_requests(tmp_path, unit, column):
    world = generate(WorldSpec(requests=4_000, unit=unit), tmp_path)
    start, end = world.spec.start.replace(tzinfo=None), world.spec.end.replace(tzinfo=None)
    cohort = f"(select * from requests where created_at >= '{start}' and created_at < '{end}')"
    assert one(world, f"select count(*) from {cohort} anti join assignments on entity_id = {column}") == 0
    assert one(world, f"select count(*) from assignments anti join {cohort} on entity_id = {column}") == 0
    assert one(world, f"select max(n) from (select count(*) as n from {cohort} group by {column})") > 1
    mixed = (
        f"{cohort} as r join quotes as q using (request_id) join assignments as a on entity_id = r."
        f"{column} where q.variant <> a.variant"
    )
    assert one(world, f"select count(*) from {mixed}") == 0
    late = (
        f"quotes as q join {cohort} as r using (request_id) join assignments on entity_id = r.{column}"
        " where assigned_at >= quoted_at"
    )
    assert one(world, f"select count(*) from {late}") == 0


def test_a_world_can_have_three_arms_and_an_uneven_split(tmp_path):
    spec = WorldSpec(requests=6_000, arms=("off", "on", "on_plus"), split=(0.2, 0.5, 0.3))
    shares = dict(
        rows(
            generate(spec, tmp_path),
            ("select variant, count(*) / sum(count(*)) over () from assignments group by variant"),
        )
    )
    assert [shares[arm] for arm in spec.arms] == pytest.approx([0.2, 0.5, 0.3], abs=0.025)


def test_the_smallest_world_can_be_written(tmp_path):
    assert generate(WorldSpec(requests=1), tmp_path).rows["requests"] == 1


@pytest.mark.parametrize(
    "wrong",
    [{"requests": 0}, {"days": 0}, {"split": (0.5, 0.6)}, {"arms": ("control",)}, {"unit": "household"}],
)
def test_an_impossible_spec_is_refused(wrong):
    with pytest.raises(PlumblineError, match="demo world"):
        WorldSpec(**wrong)


def test_every_drawn_hire_follows_a_drawn_quote():
    market = draw_marketplace(WorldSpec(requests=500))
    assert int(market.hires.quote.max()) < len(market.quotes.request)
    assert (market.hires.hired > market.quotes.quoted[market.hires.quote]).all()
