"""Engines are found by the name of their file, and say what they do not offer."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_pipeline.engines import Engine, available_engines, load_engine
from dagster_pipeline.errors import UnsupportedError
from dagster_pipeline.paths import bundled


def test_the_engines_are_the_modules_that_hold_one() -> None:
    assert available_engines() == ("duckdb",)


def test_every_engine_has_its_macros_under_the_same_name_and_no_macros_lack_an_engine() -> None:
    macros = {path.stem for path in (bundled("dbt_project") / "macros" / "engines").glob("*.sql")}
    assert macros - {"default"} == set(available_engines())


@pytest.mark.parametrize("name", ["snowflake", "base", "storage", "../duckdb", ""])
def test_an_engine_without_a_module_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"not supported; use one of: duckdb"):
        load_engine(name)


def test_what_an_engine_leaves_out_raises_naming_engine_and_function() -> None:
    class Partial(Engine):
        name = "partial"

    with pytest.raises(UnsupportedError, match="'partial' does not support 'checks_url'"):
        Partial().checks_url(Path("x"))


def test_duckdb_supplies_every_function_of_the_base() -> None:
    offered = {name for name, value in vars(Engine).items() if callable(value) and not name.startswith("_")}
    assert offered <= set(vars(type(load_engine("duckdb"))))


@pytest.mark.parametrize("hostile", ['a"b', "a'b", "a; drop table x", 'x" or "1"="1'])
def test_identifiers_and_literals_are_quoted_whole(hostile: str) -> None:
    import duckdb

    engine = load_engine("duckdb")
    row = duckdb.sql(f"select {engine.literal(hostile)} as {engine.quote(hostile)}")
    assert (row.columns, row.fetchone()) == ([hostile], (hostile,))
