"""Every planted count is the count anyone finds in the raw files by DESIGN.md §7's rules."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import pytest

from dagster_pipeline.demo.faults import (
    Drift,
    Faults,
    FileFault,
    HourShift,
    MissingPartition,
    NullJump,
    break_file,
)
from dagster_pipeline.demo.world import World, WorldSpec, generate, generate_in_memory
from dagster_pipeline.errors import PlumblineError

SPEC = WorldSpec(requests=6_000, seed=21)
COHORT = "created_at >= '2026-10-01' and created_at < '2026-10-29'"

MESSY = Faults(
    missing_quote_variant=0.18,
    missing_assignment=0.05,
    recovered_assignment=0.03,
    nulls={"quotes.price": 0.02, "hires.request_id": 0.02, "requests.geo": 0.01, "quotes.quote_id": 0.003},
    null_jump=NullJump("quotes.quoted_at", 0.003, 0.124, datetime(2026, 10, 20, tzinfo=UTC), unlogged=0.1),
    duplicates={"hires": 0.02, "quotes": 0.01, "requests": 0.01, "support_tickets": 0.05, "messages": 0.01},
    resent_quotes=0.015,
    conflicts={"quotes": 0.005, "hires": 0.01, "requests": 0.004},
    orphans={"quotes": 0.01},
    dangling={"messages": 0.01, "spam_flags": 0.02},
    multiple_exposures=0.02,
    stale={"hires": timedelta(days=4)},
    future={"quotes": 0.002, "hires": 0.01},
    early_quotes=0.01,
    shifted_events=0.02,
    invalid={"quotes.variant": 0.01, "hires.outcome": 0.02, "hires.amount": 0.01},
)


def ask(folder, sql: str):
    """The single answer to a query in which every table name stands for its file."""
    return opened(folder).execute(sql).fetchone()[0]


@cache
def opened(folder: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for file in folder.glob("*.parquet"):
        con.execute(f"create view {file.stem} as select * from '{file}'")
    return con


@pytest.fixture(scope="module")
def messy(tmp_path_factory) -> World:
    return generate(SPEC, tmp_path_factory.mktemp("messy"), MESSY)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> World:
    return generate(SPEC, tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def troubled(tmp_path_factory, clean) -> World:
    """A world with the other faults, beside the clean one of the same spec as schema ``clean``."""
    world = generate(SPEC, tmp_path_factory.mktemp("troubled"), TROUBLED)
    con = opened(world.folder)
    con.execute("create schema clean")
    for table, file in clean.files.items():
        con.execute(f"create view clean.{table} as select * from '{file}'")
    return world


def nulls(address: str) -> str:
    table, column = address.split(".")
    return f"select count(*) from {table} where {column} is null"


def copies(table: str) -> str:
    return f"select (select count(*) from {table}) - (select count(*) from (select distinct * from {table}))"


def conflicts(table: str, key: str) -> str:
    return (
        f"select count(*) - count(distinct {key}) from (select distinct * from {table}) where {key} "
        "is not null"
    )


def orphans(table: str, key: str = "request_id", parent: str = "requests") -> str:
    return (
        f"select count(*) from {table} where {key} is not null and {key} not in (select {key} from "
        f"{parent} where {key} is not null)"
    )


UNASSIGNED = (
    f"select distinct request_id from requests anti join assignments on entity_id = request_id where {COHORT}"
)
LABELS = "select request_id, variant from quotes union all select request_id, variant from quote_events"
FOUND_BY_HAND = {
    "missing_values.quotes.price": nulls("quotes.price"),
    "missing_values.quotes.quote_id": nulls("quotes.quote_id"),
    "missing_values.quotes.quoted_at": nulls("quotes.quoted_at"),
    "missing_values.quotes.quoted_at.residual": nulls("quotes.quoted_at")
    + " and (request_id, pro_id) not in (select (request_id, pro_id) from quote_events)",
    "missing_values.hires.request_id": nulls("hires.request_id"),
    "missing_values.requests.geo": nulls("requests.geo"),
    "missing_values.quote_events.variant": nulls("quote_events.variant"),
    "missing_variant.quotes.variant": nulls("quotes.variant"),
    "missing_variant.requests": f"select count(*) from ({UNASSIGNED})",
    "missing_variant.requests.residual": (
        f"select count(*) from ({UNASSIGNED}) where request_id not in (select request_id from ("
        f"{LABELS}) where variant is not null)"
    ),
    "duplicate_rows.hires": copies("hires"),
    "duplicate_rows.requests": copies("requests"),
    "duplicate_rows.messages": copies("messages"),
    "duplicate_rows.support_tickets": copies("support_tickets"),
    "duplicate_rows.quotes": (
        "select count(*) - count(distinct (request_id, pro_id, quoted_at)) - (select count(*) - "
        "count(distinct quote_id) from (select distinct * from quotes) where quote_id is not null) "
        "from quotes where quoted_at is not null"
    ),
    "conflicting_keys.quotes": conflicts("quotes", "quote_id"),
    "conflicting_keys.hires": conflicts("hires", "hire_id"),
    "conflicting_keys.requests": conflicts("requests", "request_id"),
    "orphan_rows.quotes": orphans("quotes"),
    "orphan_rows.quote_events": orphans("quote_events"),
    "orphan_rows.hires": orphans("hires"),
    "orphan_rows.messages": orphans("messages"),
    "orphan_rows.support_tickets": orphans("support_tickets"),
    "orphan_rows.spam_flags": orphans("spam_flags", "quote_id", "quotes"),
    "orphan_rows.assignments": (
        "select count(*) from assignments anti join requests on entity_id = request_id"
    ),
    "multiple_exposures.assignments": (
        "select count(*) from (select entity_id from assignments group by entity_id having "
        "count(distinct variant) > 1)"
    ),
    "timestamp_disorder.quotes.quoted_at": (
        "select count(distinct quote_id) from quotes join requests using (request_id) where "
        "quoted_at > '2026-11-06' or quoted_at < created_at"
    ),
    "timestamp_disorder.hires.hired_at": "select count(*) from hires where hired_at > '2026-11-06'",
    "timestamp_disorder.quote_events.event_at": (
        "select count(*) from quote_events join (select distinct request_id, created_at from requests) "
        "using (request_id) where event_at < created_at"
    ),
    "source_conflict.quotes.quoted_at": (
        "select count(distinct (request_id, pro_id)) from quotes join quote_events using "
        "(request_id, pro_id) where quoted_at <= '2026-11-06' and abs(epoch_us(quoted_at) - "
        "epoch_us(event_at)) > 1000000"
    ),
    "invalid_values.quotes.variant": (
        "select count(*) from quotes where variant not in ('control', 'treatment')"
    ),
    "invalid_values.hires.outcome": (
        "select count(*) from hires where outcome not in ('completed', 'refunded', 'disputed')"
    ),
    "invalid_values.hires.amount": "select count(*) from hires where amount < 0",
}
FOUND_BY_HAND |= {
    f"{name}.residual": FOUND_BY_HAND[name]
    for name in ("invalid_values.hires.outcome", "invalid_values.hires.amount")
}

TROUBLED = Faults(
    multiple_exposures=0.02,
    late_assignment=0.06,
    hour_shift=HourShift("treatment", 0.05, hours=-3),
    missing_partition=(
        MissingPartition("messages", (date(2026, 10, 8), date(2026, 10, 9))),
        MissingPartition("quotes", (date(2026, 10, 14),), arm="control"),
        MissingPartition("requests", (date(2026, 10, 20),)),
    ),
    sampled_logging=0.10,
    drifts=(Drift("geo", "omaha", 0.1), Drift("category", "dj", 0.04, arm="treatment")),
    stale_dashboard=0.4,
    miscased={"quotes.variant": 0.01, "quote_events.variant": 0.01, "hires.outcome": 0.03},
    undeclared={"assignments.variant": 0.02, "quotes.variant": 0.02, "hires.outcome": 0.02},
    unreadable={"quotes.price": 0.02, "hires.hired_at": 0.03},
    future={"assignments": 0.01, "spam_flags": 0.05},
)
KNOWN_ARMS = "('control', 'treatment')"
FOUND_IN_TROUBLE = {
    "multiple_exposures.assignments": FOUND_BY_HAND["multiple_exposures.assignments"].replace(
        "from assignments", f"from assignments where assigned_at <= '2026-11-06' and variant in {KNOWN_ARMS}"
    ),
    "late_assignment.assignments.assigned_at": (
        f"select count(*) from assignments as a join (select request_id, min(quoted_at) as first from quotes "
        f"join requests using (request_id) where {COHORT} group by 1) on request_id = entity_id "
        "where assigned_at > first and assigned_at = (select min(b.assigned_at) from assignments as b "
        "where b.entity_id = a.entity_id)"
    ),
    "timestamp_disorder.quote_events.event_at": (
        "select count(*) from quote_events join quotes using (request_id, pro_id) "
        "where quoted_at = event_at + interval 3 hour"
    ),
    "timestamp_disorder.assignments.assigned_at": "select count(*) from assignments where assigned_at > '2026-11-06'",
    "timestamp_disorder.spam_flags.flagged_at": "select count(*) from spam_flags where flagged_at > '2026-11-06'",
    "source_conflict.quotes.quoted_at": FOUND_BY_HAND["source_conflict.quotes.quoted_at"],
    "orphan_rows.spam_flags": orphans("spam_flags", "quote_id", "quotes"),
    **{
        f"orphan_rows.{child}": orphans(child)
        for child in ("quotes", "quote_events", "hires", "messages", "support_tickets")
    },
    "orphan_rows.assignments": FOUND_BY_HAND["orphan_rows.assignments"],
    "missing_variant.requests.residual": (
        f"select count(*) from requests where {COHORT} and request_id not in "
        f"(select entity_id from assignments where variant in {KNOWN_ARMS})"
    ),
    "stale_dashboard.dashboards.value": "select count(*) from dashboards join clean.dashboards as c using (metric, variant) where dashboards.value <> c.value",
    "distribution_drift.requests.geo": "select count(*) from requests join clean.requests as c using (request_id) where requests.geo <> c.geo",
    "distribution_drift.requests.category": "select count(*) from requests join clean.requests as c using (request_id) where requests.category <> c.category",
    "missing_partition.messages": "select count(*) from clean.messages where sent_at::date in ('2026-10-08', '2026-10-09')",
    "missing_partition.quotes": (
        "select count(*) from clean.quotes where quoted_at::date = '2026-10-14' and request_id in "
        "(select entity_id from clean.assignments where variant = 'control')"
    ),
    "missing_partition.requests": "select count(*) from clean.requests where created_at::date = '2026-10-20'",
    "sampled_logging.quote_events": "select (select count(*) from clean.quote_events) - (select count(*) from quote_events)",
    "invalid_values.quotes.variant": f"select count(*) from quotes where variant not in {KNOWN_ARMS}",
    "invalid_values.quotes.variant.residual": f"select count(*) from quotes where lower(trim(variant)) not in {KNOWN_ARMS}",
    "invalid_values.quote_events.variant": f"select count(*) from quote_events where variant not in {KNOWN_ARMS}",
    "invalid_values.assignments.variant": f"select count(*) from assignments where variant not in {KNOWN_ARMS}",
    "invalid_values.hires.outcome": FOUND_BY_HAND["invalid_values.hires.outcome"],
    "invalid_values.hires.outcome.residual": (
        "select count(*) from hires where lower(trim(outcome)) not in ('completed', 'refunded', 'disputed')"
    ),
    "invalid_values.quotes.price": "select count(*) from quotes where try_cast(price as double) is null",
    "invalid_values.hires.hired_at": "select count(*) from hires where try_cast(hired_at as timestamp) is null",
}
for name in ("quotes.price", "hires.hired_at"):
    FOUND_IN_TROUBLE[f"invalid_values.{name}.residual"] = FOUND_IN_TROUBLE[f"invalid_values.{name}"]
FOUND_IN_TROUBLE["invalid_values.assignments.variant.residual"] = FOUND_IN_TROUBLE[
    "invalid_values.assignments.variant"
]


@pytest.mark.parametrize(("name", "sql"), FOUND_BY_HAND.items(), ids=FOUND_BY_HAND)
def test_the_planted_count_is_what_the_raw_files_show(messy, name, sql):
    assert messy.planted[name] == ask(messy.folder, sql)


def test_no_fault_is_planted_that_no_count_here_would_find(messy):
    assert set(messy.planted) - set(FOUND_BY_HAND) == {"stale_source.hires"}


@pytest.mark.parametrize(("name", "sql"), FOUND_IN_TROUBLE.items(), ids=FOUND_IN_TROUBLE)
def test_the_other_faults_show_too_in_the_raw_files(troubled, name, sql):
    assert troubled.planted[name] == ask(troubled.folder, sql) > 0


def test_no_other_fault_is_planted_that_no_count_here_would_find(troubled):
    assert set(troubled.planted) == set(FOUND_IN_TROUBLE)


def test_the_dropped_rows_of_a_stale_source_are_those_newer_than_its_lag(messy, clean):
    gone = ask(clean.folder, "select count(*) from hires where hired_at > '2026-11-02'")
    assert messy.planted["stale_source.hires"] == gone > 0


def test_a_clean_world_shows_none_of_these_faults(clean):
    assert {name: ask(clean.folder, sql) for name, sql in FOUND_BY_HAND.items()} == dict.fromkeys(
        FOUND_BY_HAND, 0
    )


def test_shares_are_of_the_final_table_for_values(messy):
    assert messy.planted["missing_variant.quotes.variant"] == round(0.18 * messy.rows["quotes"])
    assert messy.planted["missing_values.quotes.price"] == round(0.02 * messy.rows["quotes"])
    assert messy.planted["invalid_values.hires.outcome"] == round(0.02 * messy.rows["hires"])


def test_a_null_jump_has_its_two_rates_on_its_two_sides(messy):
    rate = (
        "select avg((quoted_at is null)::int) from quotes join (select distinct request_id, "
        "created_at from requests) using (request_id) where created_at "
    )
    assert ask(messy.folder, rate + "< '2026-10-20'") == pytest.approx(0.003, abs=0.0005)
    assert ask(messy.folder, rate + ">= '2026-10-20'") == pytest.approx(0.124, abs=0.001)


def test_faults_are_planted_the_same_way_twice(messy, tmp_path):
    again = generate(SPEC, tmp_path, MESSY)
    assert again.planted == messy.planted
    with duckdb.connect() as con:
        for table, file in again.files.items():
            assert (
                con.execute(f"from '{file}'").fetchall()
                == con.execute(f"from '{messy.files[table]}'").fetchall()
            )


def test_a_retry_stands_right_behind_its_original(tmp_path):
    world = generate(SPEC, tmp_path, Faults(duplicates={"hires": 0.05}))
    beside = (
        "select count(*) from (select h, lag(h) over (order by n) as before from (select hires as h, "
        "file_row_number as n from read_parquet('{}', file_row_number = true) as hires)) where "
        "(h.hire_id, h.amount) = (before.hire_id, before.amount)"
    )
    assert ask(tmp_path, beside.format(world.files["hires"])) == world.planted["duplicate_rows.hires"] > 0


def test_lost_units_leave_no_trace_but_the_ratio(tmp_path, clean):
    world = generate(SPEC, tmp_path, Faults(srm=0.10))
    arm = "select count(*) from assignments where variant = '{}'"
    lost = world.planted["sample_ratio_mismatch.requests"]
    before = ask(clean.folder, arm.format("treatment"))
    assert lost == round(0.10 * before) == before - ask(tmp_path, arm.format("treatment"))
    assert ask(tmp_path, arm.format("control")) == ask(clean.folder, arm.format("control"))
    assert ask(tmp_path, f"select count(*) from ({UNASSIGNED})") == 0
    assert (
        sum(ask(tmp_path, orphans(table)) for table in ("quotes", "hires", "messages", "support_tickets"))
        == 0
    )
    assert ask(tmp_path, orphans("spam_flags", "quote_id", "quotes")) == 0


def test_an_imbalance_is_hires_of_one_arm_before_the_window(tmp_path):
    spec = WorldSpec(requests=4_000, seed=3, days_before=28, unit="customer")
    before = generate(spec, tmp_path / "clean")
    after = generate(spec, tmp_path / "imbalanced", Faults(imbalance=0.2))
    earlier = (
        "requests join assignments on entity_id = customer_id where variant = '{}' "
        "and created_at <= '2026-09-24'"
    )
    hired = f"select count(*) from hires where request_id in (select request_id from {earlier})"
    added = after.planted["pre_exposure_imbalance.requests.customer_id"]
    assert added == round(0.2 * ask(after.folder, f"select count(*) from {earlier.format('treatment')}")) > 50
    assert (
        ask(after.folder, hired.format("treatment")) == ask(before.folder, hired.format("treatment")) + added
    )
    assert ask(after.folder, hired.format("control")) == ask(before.folder, hired.format("control"))
    soon = "hires join requests using (request_id) where hire_id like 'before-%' and hired_at <= created_at + interval 7 day"
    assert ask(after.folder, f"select count(*) from {soon}") == added


@pytest.mark.parametrize(
    "table", ["requests", "quotes", "hires", "quote_events", "support_tickets", "spam_flags"]
)
def test_the_tables_in_memory_are_those_of_the_files(troubled, table):
    with duckdb.connect() as con:
        in_memory = generate_in_memory(con, SPEC, TROUBLED, "some raw")
        assert in_memory.planted == troubled.planted
        assert in_memory.rows == troubled.rows
        stored, written = f'"some raw".{table}', f"'{troubled.files[table]}'"
        assert (
            con.execute(f"select count(*) from (from {stored} except all from {written})").fetchone()[0] == 0
        )


def test_orphans_can_lose_their_assignment_too(tmp_path):
    world = generate(SPEC, tmp_path, Faults(orphans={"hires": 0.1}, orphans_keep_assignment=False))
    assert world.planted["orphan_rows.hires"] == ask(tmp_path, orphans("hires")) > 0
    assert "orphan_rows.assignments" not in world.planted
    assert ask(tmp_path, FOUND_BY_HAND["orphan_rows.assignments"]) == 0


@pytest.mark.parametrize("unit", ["customer", "session"])
def test_missing_assignments_are_counted_in_requests_for_every_unit(tmp_path, unit):
    spec = WorldSpec(requests=4_000, seed=5, unit=unit)
    world = generate(spec, tmp_path, Faults(missing_assignment=0.06, recovered_assignment=0.04))
    unassigned = (
        f"select request_id from requests anti join assignments on entity_id = {unit}_id where {COHORT}"
    )
    assert world.planted["missing_variant.requests"] == ask(tmp_path, f"select count(*) from ({unassigned})")
    unknown = (
        f"select count(*) from ({unassigned}) where request_id not in (select request_id from ("
        f"{LABELS}) where variant is not null)"
    )
    assert world.planted["missing_variant.requests.residual"] == ask(tmp_path, unknown)
    cohort = ask(tmp_path, f"select count(*) from requests where {COHORT}")
    assert world.planted["missing_variant.requests.residual"] == pytest.approx(0.06 * cohort, abs=3)


def test_columns_can_be_dropped_renamed_and_retyped(tmp_path):
    faults = Faults(
        dropped=("quotes.price",), renamed={"hires.amount": "total"}, retyped={"quotes.quoted_at": "varchar"}
    )
    world = generate(WorldSpec(requests=200), tmp_path, faults)
    with duckdb.connect() as con:
        types = {
            t: {c[0]: c[1] for c in con.execute(f"describe from '{f}'").fetchall()}
            for t, f in world.files.items()
        }
    assert "price" not in types["quotes"]
    assert types["quotes"]["quoted_at"] == "VARCHAR"
    assert types["hires"]["total"] == "DOUBLE"
    assert "amount" not in types["hires"]
    assert world.planted == {
        f"schema_change.{a}": 1 for a in ("hires.amount", "quotes.price", "quotes.quoted_at")
    }


@pytest.mark.parametrize("fault", FileFault)
def test_a_broken_file_cannot_be_read(tmp_path, fault):
    file = generate(WorldSpec(requests=100), tmp_path).files["hires"]
    break_file(file, fault)
    with duckdb.connect() as con, pytest.raises(duckdb.Error):
        con.execute(f"select * from '{file}'").fetchall()


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (Faults(nulls={"quotes.prize": 0.1}), "no column 'quotes.prize'.*price"),
        (Faults(duplicates={"offers": 0.1}), "no table 'offers'.*quotes"),
        (Faults(nulls={"quotes.variant": 0.1}), "missing_quote_variant"),
        (Faults(nulls={"quotes.price": 0.7}, resent_quotes=0.5), "untouched"),
        (Faults(missing_quote_variant=0.01, missing_assignment=0.3), "less than missing_assignment"),
        (Faults(conflicts={"messages": 0.1}), "Allowed: requests, quotes"),
        (Faults(invalid={"requests.geo": 0.1}), "price, amount, variant, outcome"),
        (Faults(dangling={"requests": 0.1}), "no parent"),
        (Faults(miscased={"quotes.price": 0.1}), "Columns: variant, outcome"),
        (Faults(undeclared={"quotes.price": 0.1}), "Columns: variant, outcome"),
        (Faults(unreadable={"requests.geo": 0.1}), "a time or a number"),
        (Faults(hour_shift=HourShift("treatment", 0.1, hours=0)), "must not be 0"),
        (Faults(missing_partition=(MissingPartition("assignments", (date(2026, 10, 5),)),)), "lose days"),
        (Faults(drifts=(Drift("session_id", "s1", 0.1),)), "category, geo"),
    ],
)
def test_a_fault_that_cannot_be_planted_says_why(tmp_path, faults, message):
    with pytest.raises(PlumblineError, match=message):
        generate(WorldSpec(requests=300), tmp_path, faults)
