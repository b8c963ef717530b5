"""A ``query:`` is a source like any other: its joins, its paths, its content and its faults."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.engines import SourceInspection, SourceStatus, load_engine
from dagster_pipeline.errors import ConfigError

CONFIG = """\
version: 1
warehouse: {engine: duckdb, path: w/w.duckdb}
sources:
  requests:
    query: >-
      %s
    columns: {request_id: id, created_at: t, category: kind}
"""


def inspect(folder: Path, query: str) -> SourceInspection:
    (folder / "plumbline.yml").write_text(CONFIG % query, encoding="utf-8")
    return load_engine("duckdb").inspect(load_config(folder / "plumbline.yml", {}))["requests"]


def rows(found: SourceInspection) -> list[tuple]:
    with duckdb.connect() as connection:
        return connection.execute(f"select * from {found.relation_sql} as source order by all").fetchall()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r.csv").write_text("id,t,kind_id\nr1,2026-10-01,1\nr2,2026-10-02,2\n", encoding="utf-8")
    (tmp_path / "it's odd").mkdir()
    kinds = "select 1 as kind_id, 'a''b' as kind union all select 2, 'c'"
    duckdb.execute(f"copy ({kinds}) to '{tmp_path}/it''s odd/kinds.parquet' (format parquet)")
    return tmp_path


def test_csv_and_parquet_are_joined_by_paths_relative_to_the_file(folder: Path):
    found = inspect(
        folder,
        "select id, t, kind from read_csv('r.csv') join read_parquet('it''s odd/kinds.parquet') using (kind_id)",
    )

    assert found.status is SourceStatus.OK
    assert [(row[0], row[2]) for row in rows(found)] == [("r1", "a'b"), ("r2", "c")]


def test_a_query_without_rows_is_an_empty_source_with_its_columns(folder: Path):
    found = inspect(folder, "select id, t, 'x' as kind from read_csv('r.csv') where id = 'none'")

    assert found.status is SourceStatus.EMPTY
    assert set(found.columns) == {"request_id", "created_at", "category"}


def test_hostile_content_comes_through_as_text(folder: Path):
    (folder / "h.csv").write_text('id,t,kind\n"r\'); drop table x; --",2026-10-01,"a\nb"\n', encoding="utf-8")
    found = inspect(folder, "select * from read_csv('h.csv', all_varchar = true)")

    assert rows(found) == [("r'); drop table x; --", "2026-10-01", "a\nb")]


@pytest.mark.parametrize(
    "query", ["select 1; select 2", "select 1) union (select 2", "drop table x", "copy (select 1) to 'x.csv'"]
)
def test_more_or_other_than_one_select_is_refused_before_anything_is_read(folder: Path, query: str):
    with pytest.raises(ConfigError) as caught:
        inspect(folder, query)

    assert "sources.requests.query: must be one SELECT" in str(caught.value)


@pytest.mark.parametrize(
    "join", ["read_csv('%s')", "read_csv(['%s', '%s'])", "'%s'", "read_csv('%s', header = true)"]
)
@pytest.mark.parametrize("suffix", ["", " 10:00:00"])
def test_dates_that_duckdb_would_guess_at_stay_text_until_they_are_decided(
    folder: Path, join: str, suffix: str
):
    (folder / "d.csv").write_text(f"id,t\nr1,10/01/2026{suffix}\nr2,03/04/2026{suffix}\n", encoding="utf-8")
    guessed = duckdb.execute(f"describe select t from read_csv('{folder}/d.csv')").fetchall()
    assert guessed[0][1] != "VARCHAR", "DuckDB guesses, which is why it is told not to"

    found = inspect(folder, f"select *, 'x' as kind from {join.replace('%s', 'd.csv')}")

    assert found.physical_columns["t"] == "VARCHAR"
    assert found.readings["created_at"].formats == ()
    assert "can be read as month-day-year or day-month-year" in found.refusals["created_at"]


def test_a_reader_that_says_its_date_format_and_iso_dates_are_left_alone(folder: Path):
    (folder / "d.csv").write_text("id,t\nr1,10/01/2026\n", encoding="utf-8")
    said = inspect(folder, "select *, 'x' as kind from read_csv('d.csv', dateformat = '%m/%d/%Y')")
    iso = inspect(folder, "select *, 'x' as kind, t + interval 1 day as later from read_csv('r.csv')")

    assert said.physical_columns["t"] == "DATE"
    assert str(rows(said)[0][1]) == "2026-10-01"
    assert iso.physical_columns["t"] == "DATE"
    assert iso.status is SourceStatus.OK


def test_a_query_that_reckons_with_guessed_dates_is_told_what_to_do(folder: Path):
    (folder / "d.csv").write_text("id,t\nr1,10/01/2026\n", encoding="utf-8")

    found = inspect(folder, "select id, t - interval 1 day as t, 'x' as kind from read_csv('d.csv')")

    assert found.status is SourceStatus.UNREADABLE
    assert "dates of d.csv are not ISO 8601 and are text in it: read them with strptime" in (
        found.row_error or ""
    )


def test_a_file_of_a_query_that_is_cut_short_or_in_another_encoding_is_never_read_in_part(folder: Path):
    lines = "".join(f"r{i * 7919 % 100_003},2026-10-01,{i % 97}\n" for i in range(60_000))
    whole = gzip.compress(("id,t,kind\n" + lines).encode(), mtime=0)
    (folder / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "wide.csv").write_bytes("id,t,kind\nr1,2026-10-01,x\n".encode("utf-16"))

    cut = inspect(folder, "select * from read_csv('cut.csv.gz')")
    wide = inspect(folder, "select * from read_csv('wide.csv')")

    assert (cut.status, wide.status) == (SourceStatus.UNREADABLE, SourceStatus.UNREADABLE)
    assert "truncated" in (cut.row_error or "")
    assert "UTF-16" in (wide.row_error or "")


def test_a_query_that_fails_only_on_a_late_row_is_left_to_the_build_which_sees_it(folder: Path):
    content = "".join(f"r{i},2026-10-01,{i if i < 40_000 else 'x'}\n" for i in range(40_001))
    (folder / "late.csv").write_text("id,t,n\n" + content, encoding="utf-8")

    found = inspect(
        folder, "select id, t, cast(n as int) as kind from read_csv('late.csv', all_varchar = true)"
    )

    assert found.status is SourceStatus.OK
    with pytest.raises(duckdb.ConversionException):
        rows(found)
