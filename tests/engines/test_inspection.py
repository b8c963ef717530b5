"""A source is described, or what is wrong with it is said in one line; nothing about a source raises."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from dagster_pipeline.config.types import PlumblineConfig, Source, Warehouse
from dagster_pipeline.engines import SourceInspection, SourceStatus, load_engine
from dagster_pipeline.engines.inspection import match_columns, one_line

HEADER = "request_id,created_at,geo\n"
ROWS = "r1,2026-10-01 10:00:00,NYC\nr2,not a date,\n"
COLUMNS = {"request_id": "request_id", "created_at": "created_at", "geo": "geo"}


def zipped(content: bytes) -> bytes:
    """``content`` as gzip without the time of day in its header: test workers must agree on their tests' names."""
    return gzip.compress(content, mtime=0)


def config(tmp_path: Path, sources: dict[str, Source]) -> PlumblineConfig:
    return PlumblineConfig(
        version=1,
        warehouse=Warehouse(engine="duckdb", path=tmp_path / "warehouse.duckdb"),
        as_of=datetime(2026, 11, 6, tzinfo=UTC),
        sources=sources,
        directory=tmp_path,
        file=tmp_path / "plumbline.yml",
    )


def inspect(tmp_path: Path, database: Path | None = None, **source) -> SourceInspection:
    source.setdefault("columns", COLUMNS)
    given = config(tmp_path, {"requests": Source(**source)})
    return load_engine("duckdb").inspect(given, database)["requests"]


def inspect_file(path: Path, **source) -> SourceInspection:
    found = inspect(path.parent, **{"from": str(path)}, **source)
    assert found.status is SourceStatus.OK or len((found.row_error or "").splitlines()) == 1
    return found


def rows(found: SourceInspection, database: Path | None = None) -> list[tuple]:
    """Selected as a staging model does."""
    with duckdb.connect(str(database or ":memory:")) as connection:
        return connection.execute(f"select * from {found.relation_sql} as source").fetchall()


def write_parquet(
    path: Path, select: str = "select 'r1' as request_id, now() as created_at, 1 as geo"
) -> Path:
    duckdb.execute(f"copy ({select}) to '{path}' (format parquet)")
    return path


def test_a_source_left_out_of_the_configuration_is_unmapped(tmp_path: Path) -> None:
    found = load_engine("duckdb").inspect(config(tmp_path, {}))
    assert {"requests", "quotes", "hires", "assignments", "spam_flags"} <= set(found)
    assert {each.status for each in found.values()} == {SourceStatus.UNMAPPED}


def test_csv_columns_are_text_so_that_bad_values_reach_staging(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    path.write_text(HEADER + ROWS)
    found = inspect_file(path)
    assert found.status is SourceStatus.OK
    assert found.physical_columns == dict.fromkeys(COLUMNS, "VARCHAR")
    assert rows(found) == [("r1", "2026-10-01 10:00:00", "NYC"), ("r2", "not a date", None)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bom.csv", b"\xef\xbb\xbf" + (HEADER + ROWS).encode()),
        ("crlf.csv", (HEADER + ROWS).replace("\n", "\r\n").encode()),
        ("semicolons.csv", (HEADER + ROWS).replace(",", ";").encode()),
        ("tabs.csv", (HEADER + ROWS).replace(",", "\t").encode()),
        ("UPPER.CSV", (HEADER + ROWS).encode()),
        ("zipped.csv.gz", zipped((HEADER + ROWS).encode())),
        ("two members.csv.gz", zipped(HEADER.encode()) + zipped(ROWS.encode())),
        ("it's [1] odd.csv", (HEADER + ROWS).encode()),
        ("no closing line break.csv", (HEADER + ROWS.rstrip()).encode()),
    ],
)
def test_every_usual_kind_of_csv_reads_alike(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    found = inspect_file(tmp_path / name)
    assert (found.status, found.row_error, found.absent_columns) == (SourceStatus.OK, None, ())
    assert [row[0] for row in rows(found)] == ["r1", "r2"]


def test_quoted_fields_keep_delimiters_line_breaks_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text(HEADER + 'r1,x,"New ""York"", NY\nUSA"')
    found = inspect_file(tmp_path / "q.csv")
    assert rows(found) == [("r1", "x", 'New "York", NY\nUSA')]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    found = inspect_file(write_parquet(tmp_path / "requests.parquet"))
    assert found.physical_columns == {
        "request_id": "VARCHAR",
        "created_at": "TIMESTAMP WITH TIME ZONE",
        "geo": "INTEGER",
    }


def test_a_glob_unites_files_by_column_name(tmp_path: Path) -> None:
    (tmp_path / "day-1.csv").write_text("request_id,created_at\nr1,a\n")
    (tmp_path / "day-2.csv").write_text("created_at,geo,request_id\nb,NYC,r2\n")
    found = inspect(tmp_path, **{"from": str(tmp_path / "day-*.csv")})
    assert found.status is SourceStatus.OK
    assert sorted(rows(found)) == [("r1", "a", None), ("r2", "b", "NYC")]


@pytest.mark.parametrize(
    ("name", "content", "status", "message"),
    [
        ("none.csv", None, "missing", "no such file"),
        ("none-*.parquet", None, "missing", "no file matches"),
        ("zero.csv", b"", "empty", "has no content"),
        ("zero.csv.gz", zipped(b""), "empty", "has no content"),
        ("zero.parquet", b"", "empty", "has no content"),
        ("blank.csv", b"\n \n", "empty", "has no content"),
        ("header.csv", HEADER.encode(), "empty", "has no row"),
        ("text.parquet", b"not parquet", "unreadable", "not a parquet file"),
        ("noise.csv", bytes(range(256)) * 20, "unreadable", "noise.csv"),
        ("latin.csv", (HEADER + "r1,x,Zürich\n").encode("latin-1"), "unreadable", "not UTF-8"),
        (
            "ragged.csv",
            (HEADER + ROWS + "r3,x,y,z\n").encode(),
            "unreadable",
            "row 4 has 4 fields, the header has 3",
        ),
        ("cut.csv", (HEADER + ROWS * 20_000 + "r3,2026").encode(), "unreadable", "last row is incomplete"),
        ("plain.csv.gz", HEADER.encode(), "unreadable", "truncated or damaged"),
        ("requests.xlsx", b"PK", "unreadable", "neither .csv, .csv.gz nor .parquet"),
        ("requests.json", b"{}", "unreadable", "neither .csv, .csv.gz nor .parquet"),
    ],
)
def test_a_faulty_file_is_said_in_one_line(
    tmp_path: Path, name: str, content, status: str, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    found = inspect_file(tmp_path / name)
    assert found.status == status
    assert message in (found.row_error or "")
    assert found.absent_columns == (), "a file that could not be read says nothing about its columns"


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.999])
def test_a_truncated_gzip_file_is_never_read_in_part(tmp_path: Path, kept: float) -> None:
    lines = "".join(f"r{i * 7919 % 100_003},2026-10-01,{i % 97}\n" for i in range(60_000))
    whole = zipped((HEADER + lines).encode())
    path = tmp_path / "requests.csv.gz"
    path.write_bytes(whole[: int(len(whole) * kept)])
    found = inspect_file(path)
    assert found.status is SourceStatus.UNREADABLE
    assert "truncated" in (found.row_error or "")


def test_a_damaged_gzip_file_is_unreadable(tmp_path: Path) -> None:
    content = bytearray(zipped((HEADER + ROWS * 5000).encode()))
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "requests.csv.gz").write_bytes(bytes(content))
    assert inspect_file(tmp_path / "requests.csv.gz").status is SourceStatus.UNREADABLE


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_a_truncated_parquet_file_is_unreadable(tmp_path: Path, kept: float) -> None:
    path = write_parquet(tmp_path / "requests.parquet", "select i as request_id from range(9999) t(i)")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    found = inspect_file(path)
    assert found.status is SourceStatus.UNREADABLE
    assert "truncated" in (found.row_error or "")


def test_one_bad_file_of_a_glob_makes_the_source_unreadable(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 cut")
    assert inspect(tmp_path, **{"from": str(tmp_path / "*.parquet")}).status is SourceStatus.UNREADABLE


def test_a_parquet_file_without_rows_is_empty_but_has_columns(tmp_path: Path) -> None:
    found = inspect_file(write_parquet(tmp_path / "r.parquet", "select 'r1' as request_id where false"))
    assert found.status is SourceStatus.EMPTY
    assert found.relation_sql is not None
    assert "request_id" in found.physical_columns


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "requests.parquet").mkdir()
    found = inspect_file(tmp_path / "requests.parquet")
    assert found.status is SourceStatus.UNREADABLE
    assert "requests.parquet/*.parquet" in (found.row_error or "")


def test_a_remote_address_is_refused(tmp_path: Path) -> None:
    found = inspect(tmp_path, **{"from": "s3://bucket/requests.parquet"})
    assert (found.status, "remote" in (found.row_error or "")) == (SourceStatus.UNREADABLE, True)


@pytest.mark.parametrize("name", ["requests.csv", "requests.csv.gz", "requests.parquet"])
def test_a_file_without_permission_is_unreadable(tmp_path: Path, name: str) -> None:
    path = write_parquet(tmp_path / name)
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        found = inspect_file(path)
    finally:
        os.seteuid(os.getuid())
    assert found.status is SourceStatus.UNREADABLE
    assert "ermission denied" in (found.row_error or "")


def test_columns_match_exactly_first_and_then_without_regard_to_case(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("Request_ID,CREATED_AT,geo\nr1,x,y\n")
    found = inspect_file(tmp_path / "r.csv")
    assert found.absent_columns == ()
    assert found.columns == {"request_id": "Request_ID", "created_at": "CREATED_AT", "geo": "geo"}


def test_a_mapped_column_that_is_gone_is_absent_with_what_looks_like_it(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("request_id,createdAt,region,geo\nr1,x,y,z\n")
    found = inspect_file(tmp_path / "r.csv")
    assert found.status is SourceStatus.OK
    assert found.absent_columns == ("created_at",)
    assert found.near_matches == {"created_at": ["createdAt"]}


def test_a_column_another_name_is_mapped_to_is_no_near_match() -> None:
    match = match_columns({"quoted_at": "quote_time", "created_at": "quoted_at"}, ["quoted_at", "price"])
    assert match.absent == ("quoted_at",)
    assert match.near == {}


def test_two_columns_that_differ_only_in_case_are_no_match_for_a_third_spelling() -> None:
    assert match_columns({"geo": "Geo"}, ["geo", "GEO"]).absent == ("geo",)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute('create schema raw; create schema "odd ""schema.x"')
        connection.execute("create table requests as select 'main' as request_id, 1 as created_at, 2 as geo")
        connection.execute(
            "create table raw.requests as select 'raw' as request_id, 1 as created_at, 2 as geo"
        )
        connection.execute('create view "odd ""schema.x"."my; table" as select \'odd\' as request_id')
    return path


@pytest.mark.parametrize(
    ("relation", "value"),
    [
        ("requests", "main"),
        ("main.requests", "main"),
        ("raw.requests", "raw"),
        ("warehouse.raw.requests", "raw"),
        ('"raw"."requests"', "raw"),
        ('"odd ""schema.x"."my; table"', "odd"),
    ],
)
def test_a_relation_is_read_from_the_warehouse(database: Path, relation: str, value: str) -> None:
    found = inspect(database.parent, **{"from": relation})
    assert found.status is SourceStatus.OK
    assert rows(found, database)[0][0] == value


@pytest.mark.parametrize(
    "relation",
    ["nothing", "no.such", "requests; drop table requests", "range(3)", '"unclosed', "a..b", "config", '"'],
)
def test_a_relation_that_is_not_there_is_missing_and_never_pasted(database: Path, relation: str) -> None:
    found = inspect(database.parent, **{"from": relation})
    assert found.status is SourceStatus.MISSING
    assert inspect(database.parent, **{"from": "requests"}).status is SourceStatus.OK


def test_the_build_of_the_run_is_looked_at_where_it_is_given(database: Path, tmp_path: Path) -> None:
    build = tmp_path / "build.duckdb"
    with duckdb.connect(str(build)) as connection:
        connection.execute("create table fresh as select 'new' as request_id")
    assert inspect(tmp_path, database=build, **{"from": "fresh"}).status is SourceStatus.OK
    assert inspect(tmp_path, **{"from": "fresh"}).status is SourceStatus.MISSING


def test_a_query_may_end_in_a_comment_or_a_semicolon(database: Path) -> None:
    for query in ("select * from raw.requests -- newest", "select * from raw.requests;"):
        found = inspect(database.parent, query=query)
        assert found.status is SourceStatus.OK
        assert rows(found, database)[0][0] == "raw"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("select 1) ; create table stolen as (select 1", "unreadable"),
        ("select nothing from raw.requests", "unreadable"),
        ("select * from gone", "missing"),
        ("select * from read_parquet('/no/such/file.parquet')", "missing"),
        ("selec 1", "unreadable"),
    ],
)
def test_a_query_that_fails_is_said_in_one_line(database: Path, query: str, status: str) -> None:
    found = inspect(database.parent, query=query)
    assert found.status == status
    assert found.row_error is not None
    assert "\n" not in found.row_error
    assert inspect(database.parent, **{"from": "stolen"}).status is SourceStatus.MISSING


def test_inspection_leaves_the_database_free_for_a_writer(database: Path) -> None:
    inspect(database.parent, **{"from": "requests"})
    with duckdb.connect(str(database)) as connection:
        connection.execute("create table later as select 1 as x")


def test_one_line_strips_control_characters_and_length() -> None:
    assert one_line("\n\n bad \x1b[31mname\nsecond") == "bad �[31mname"
    assert len(one_line("x" * 1000)) == 300
