"""SQL in plumbline.yml: one SELECT or one condition; files in it are taken from the file's folder."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_pipeline.config.locations import absolute_query
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.config.sql import check_condition, check_query, plain, tokens

QUERIES = [
    "select 1",
    "SELECT a.*, b.x FROM a JOIN b USING (id)",
    "with a as (select 1 as x) select * from a",
    "(select 1) union all (select 2)",
    "select ';' as semicolon, '--' as dashes, '/*' as opening",
    'select "a;b" from t',
    "select $$;)$$",
    "select E'\\';' as escaped",
    "select delete_flag, update_time from t",
]
NO_QUERIES = [
    ("", "must be one SELECT"),
    ("-- nothing", "must be one SELECT"),
    ("select 1; select 2", "semicolon"),
    ("select 1; drop table t", "semicolon"),
    ("select 1) ; (select 2", "closes that was not opened"),
    ("select 1) union (select 2", "closes that was not opened"),
    ("select (1", "not closed"),
    ("select 'a", "a quote is not closed"),
    ("insert into t values (1)", "starts with 'insert'"),
    ("delete from t", "starts with 'delete'"),
    ("update t set a = 1", "starts with 'update'"),
    ("create table t as select 1", "starts with 'create'"),
    ("drop table t", "starts with 'drop'"),
    ("pragma database_list", "starts with 'pragma'"),
    ("attach 'x.duckdb'", "starts with 'attach'"),
    ("copy t to 'x.csv'", "starts with 'copy'"),
    ("install httpfs", "starts with 'install'"),
    ("load httpfs", "starts with 'load'"),
    ("set memory_limit = '1GB'", "starts with 'set'"),
    ("call pragma_version()", "starts with 'call'"),
    ("export database 'x'", "starts with 'export'"),
    ("explain select 1", "starts with 'explain'"),
    ("describe t", "starts with 'describe'"),
    ("(describe t)", "starts with 'describe'"),
    ("values (1)", "starts with 'values'"),
    ("with a as (select 1) insert into t select * from a", "INSERT"),
    ("with a as (delete from t returning *) select * from a", "CTE needs a SELECT"),
    ("select * from (pivot t on a using sum(b))", "2 statements"),
    ("select from where", "syntax error"),
]
CONDITIONS = [
    "not is_test",
    "country in ('DE', 'FR') and created_at >= '2026-01-01'",
    "request_id not in (select request_id from bots)",
    "note <> ';)' -- not the robots",
    "(a or b) and (c or d)",
]
NO_CONDITIONS = [
    ("", "one condition"),
    ("-- nothing", "one condition"),
    ("a; drop table t", "semicolon"),
    ("a) or (b", "closes that was not opened"),
    ("1=1) union select * from (t", "closes that was not opened"),
    ("1=1 union select 1", "syntax error"),
    ("1=1 group by x", "syntax error"),
    ("1=1 limit 1", "syntax error"),
    ("(a", "not closed"),
    ("a 'b", "a quote is not closed"),
    ("where a", "syntax error"),
    ("select 1", "syntax error"),
    ("a, b", "syntax error"),
    ("a and", "syntax error"),
]


@pytest.mark.parametrize("query", QUERIES)
def test_one_select_is_taken(query):
    assert check_query(query) == query


@pytest.mark.parametrize(("query", "words"), NO_QUERIES)
def test_anything_else_is_refused(query, words):
    with pytest.raises(Refusal, match="must be one SELECT") as caught:
        check_query(query)
    assert words in caught.value.requirement


@pytest.mark.parametrize("condition", CONDITIONS)
def test_one_condition_is_taken_and_fits_into_parentheses(condition):
    taken = check_condition(condition)
    statements = duckdb.connect().extract_statements(f"select 1 from t where ({taken}) and true")
    assert len(statements) == 1


@pytest.mark.parametrize(("condition", "words"), NO_CONDITIONS)
def test_anything_but_one_condition_is_refused(condition, words):
    with pytest.raises(Refusal, match="must be one condition") as caught:
        check_condition(condition)
    assert words in caught.value.requirement


def test_comments_and_closing_semicolons_are_dropped_so_that_nothing_hides_a_parenthesis():
    assert plain("select 1 -- one\n , 2 /* two */ ;  ; -- end") == "select 1  \n , 2"
    assert check_query("select 1; -- end") == "select 1"
    assert plain("select /*+ broadcast(t) */ '--kept' from t") == "select /*+ broadcast(t) */ '--kept' from t"


def test_the_pieces_of_a_query_put_together_give_it_again():
    for sql in [*QUERIES, *(query for query, _ in NO_QUERIES), "select `a` from `b` -- c\n/* d"]:
        assert "".join(token.text for token in tokens(sql)) == sql


@pytest.mark.parametrize(
    "query",
    [
        "select * from t, lateral flatten(input => x) f where f.value:name::string = $1 sample (10)",
        "select `a b` from db.`t-1`",
    ],
)
def test_sql_that_only_another_engine_parses_is_taken_for_that_engine(query):
    assert check_query(query, "snowflake") == query
    with pytest.raises(Refusal):
        check_query(query, "duckdb")


@pytest.mark.parametrize(
    "verb", ["insert into t", "update t set a = 1", "delete from t", "merge into t", "drop table t"]
)
def test_a_write_hidden_in_another_engines_with_is_refused(verb):
    with pytest.raises(Refusal, match="holds the word"):
        check_query(f"with x as ({verb} returning *) select * from `x`", "postgres")


def test_another_engine_gets_no_statement_that_duckdb_knows_as_a_write():
    with pytest.raises(Refusal, match="INSERT"):
        check_query("with a as (select 1) insert into t select * from a", "postgres")


FOLDER = Path("/data/o'brien")


@pytest.mark.parametrize(
    ("query", "placed"),
    [
        ("select * from read_csv('q.csv')", "select * from read_csv('{}/q.csv')"),
        ("select * from READ_PARQUET ( 'a/*.parquet' )", "select * from READ_PARQUET ( '{}/a/*.parquet' )"),
        ("select * from read_json_auto('./j.json')", "select * from read_json_auto('{}/j.json')"),
        ("from read_parquet(['a.pq', 'b.pq'], x = 1)", "from read_parquet(['{}/a.pq', '{}/b.pq'], x = 1)"),
        ("from read_csv('q.csv', nullstr = 'x.csv')", "from read_csv('{}/q.csv', nullstr = 'x.csv')"),
        ("from 'q.csv' q join 'i.csv.gz' i using (id)", "from '{}/q.csv' q join '{}/i.csv.gz' i using (id)"),
        ("select * from read_csv('it''s.csv')", "select * from read_csv('{}/it''s.csv')"),
        ("from read_csv(/* quotes */ 'q.csv')", "from read_csv(/* quotes */ '{}/q.csv')"),
        ("select * from read_csv((select 'a', 'b'))", None),
        ("select * from read_csv('/abs/q.csv')", None),
        ("select * from read_parquet('s3://bucket/q.parquet')", None),
        ("select 'q.csv' as name from t where file = 'q.csv'", None),
        ("select extract(year from '2026-01-01'::date)", None),
        ("select coalesce('q.csv', 'b') -- read_csv('q.csv')", None),
    ],
)  # fmt: skip
def test_relative_files_in_a_query_are_taken_from_the_folder(query, placed):
    expected = query if placed is None else placed.replace("{}", "/data/o''brien")
    assert absolute_query(query, FOLDER) == expected


def test_a_query_over_files_runs_from_anywhere(load, minimal, tmp_path, monkeypatch):
    (tmp_path / "it's").mkdir()
    (tmp_path / "it's" / "quotes.csv").write_text("quote_id,invite_id\nq1,1\nq2,2\n")
    (tmp_path / "invites.csv").write_text("invite_id,request_id\n1,r1\n2,r2\n")
    query = (
        "select quote_id, request_id from read_csv('it''s/quotes.csv') join 'invites.csv' using (invite_id);"
    )
    config = load(
        minimal + f'  quotes: {{query: "{query}", columns: {{quote_id: quote_id, request_id: request_id}}}}\n'
    )
    monkeypatch.chdir("/")

    rows = duckdb.connect().execute(f"select * from ({config.sources['quotes'].query}) order by 1").fetchall()

    assert rows == [("q1", "r1"), ("q2", "r2")]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("query", "delete from t", "must be one SELECT"),
        ("where", "a; b", "must be one condition"),
        ("where", "a) or (b", "must be one condition"),
    ],
)
def test_a_refused_statement_names_its_key_and_line(refused, minimal, key, value, words):
    origin = "" if key == "query" else "from: q.csv, "
    (line,) = refused(
        minimal + f'  quotes:\n    {{{origin}columns: {{quote_id: q}},\n     {key}: "{value}"}}\n'
    )
    assert f"line 7: sources.quotes.{key}: {words}" in line
