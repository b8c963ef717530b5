"""Great Expectations' way to DuckDB: rows survive the connection, schemas are seen, the file is left free."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from dagster_pipeline.checks.dialect import register
from dagster_pipeline.engines import load_engine
from dagster_pipeline.engines.storage import held_open_here


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a ${HOME} 100% 'odd'?x=1&y#z.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema plumbline_intermediate")
        connection.execute(
            "create table plumbline_intermediate.int_quotes as select i, 'q' || i as q from range(3) t(i)"
        )
        connection.execute("create table int_quotes as select 'the wrong one' as wrong")
    return path


@pytest.fixture
def engine(database: Path):
    register()
    engine = sa.create_engine(load_engine("duckdb").checks_url(database))
    yield engine
    engine.dispose()


def test_rows_can_be_read_after_another_statement_ran_on_the_connection(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        first = connection.execute(sa.text("select i from plumbline_intermediate.int_quotes order by i"))
        connection.execute(sa.text("select 42")).fetchall()
    assert first.fetchall() == [(0,), (1,), (2,)]


def test_a_table_outside_the_default_schema_is_found(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert "int_quotes" in inspector.get_table_names("plumbline_intermediate")
    assert inspector.has_table("int_quotes", schema="plumbline_intermediate")
    columns = inspector.get_columns("int_quotes", schema="plumbline_intermediate")
    assert [column["name"] for column in columns] == ["i", "q"]


def test_reflection_keeps_the_schema_in_statements(engine: sa.Engine) -> None:
    table = sa.Table("int_quotes", sa.MetaData(), schema="plumbline_intermediate", autoload_with=engine)
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 3


def test_checks_cannot_write(engine: sa.Engine) -> None:
    with engine.connect() as connection, pytest.raises(Exception, match="read-only"):
        connection.execute(sa.text("create table x as select 1"))


def test_disposing_of_the_engine_frees_the_file(engine: sa.Engine, database: Path) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("select 1"))
    assert held_open_here(database)
    engine.dispose()
    assert not held_open_here(database)
