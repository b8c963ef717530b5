"""Column lineage, read from SQL as the models write it."""

import duckdb
import pytest

from dagster_pipeline.transform.lineage import RAW_SOURCE, built_columns, column_parents, source_roots

COLUMNS = {"int_quotes": ["quote_id", "quoted_at", "price"], "int_events": ["quote_id", "event_at"]}


def parents(sql):
    return {name: sorted(found) for name, found in column_parents(sql, COLUMNS, "duckdb").items()}


def test_a_column_is_followed_through_parts_renames_and_stars_to_the_relation_it_is_read_from():
    found = parents("""
        with quotes as (select *, price * 2 as twice from "w"."plumbline_intermediate"."int_quotes"),
        renamed as (select quotes.*, twice as doubled from quotes)
        select quote_id, quoted_at as at, doubled + 1 as more from renamed
    """)
    assert found == {
        "quote_id": [("int_quotes", "quote_id")],
        "at": [("int_quotes", "quoted_at")],
        "more": [("int_quotes", "price")],
    }


def test_a_value_of_several_columns_names_each_and_a_constant_none():
    found = parents("""
        select coalesce(e.event_at, q.quoted_at) as at, 'quotes' as source, count(*) as n
        from int_quotes as q left join int_events as e on q.quote_id = e.quote_id group by 1
    """)
    assert found == {"at": [("int_events", "event_at"), ("int_quotes", "quoted_at")], "source": [], "n": []}


def test_what_only_decides_which_value_is_taken_is_no_parent_unless_nothing_else_is():
    found = parents("""
        select case when quote_id is null then null else price end as price,
            case when quoted_at is null then 'no' else 'yes' end as is_dated
        from int_quotes where price > 0
    """)
    assert found == {"price": [("int_quotes", "price")], "is_dated": [("int_quotes", "quoted_at")]}


def test_the_branches_of_a_union_match_by_position():
    found = parents("select quote_id as id from int_quotes union all select event_at from int_events")
    assert found == {"id": [("int_events", "event_at"), ("int_quotes", "quote_id")]}


def test_a_subquery_in_the_place_of_a_value_is_its_origin():
    assert parents("select quote_id, (select max(event_at) from int_events) as newest from int_quotes") == {
        "quote_id": [("int_quotes", "quote_id")],
        "newest": [("int_events", "event_at")],
    }


@pytest.mark.parametrize(
    "relation",
    ["read_parquet('q.parquet', union_by_name = true)", '"main"."q"', "(\nselect * from elsewhere\n)"],
)
def test_it_ends_at_the_raw_relation_whatever_that_is(relation):
    sql = f'select trim("Quote ID") as quote_id from (select "Quote ID" from {relation} as raw_source) as source'
    assert parents(sql) == {"quote_id": [(RAW_SOURCE, "Quote ID")]}


def test_origins_are_found_over_all_models_and_circles_end():
    known = {
        "stg_quotes": {"at": frozenset({(RAW_SOURCE, "When")})},
        "stg_events": {"at": frozenset({(RAW_SOURCE, "t")})},
        "int_quotes": {"at": frozenset({("stg_quotes", "at"), ("stg_events", "at"), ("int_quotes", "at")})},
        "quotes": {"quoted_at": frozenset({("int_quotes", "at")}), "n": frozenset()},
    }
    assert source_roots(known, "quotes", "quoted_at") == {"quotes.When", "events.t"}
    assert source_roots(known, "quotes", "n") == frozenset()
    assert source_roots(known, "unknown", "x") == frozenset()


def test_columns_are_those_of_our_schemas_in_their_order():
    with duckdb.connect() as connection:
        connection.execute("create schema plumbline_staging; create schema plumblineXother")
        connection.execute("create table plumbline_staging.stg_quotes (b varchar, a bigint)")
        connection.execute("create table plumblineXother.mine (x int); create table theirs (x int)")
        assert built_columns(connection) == {"stg_quotes": {"b": "VARCHAR", "a": "BIGINT"}}
