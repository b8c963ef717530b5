"""The examples load, and what their README says of the real tables is so."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from dagster_pipeline.config.loader import load_config

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/plumbline.yml"))

needs_data = pytest.mark.skipif(
    "PLUMBLINE_DATA" not in os.environ, reason="PLUMBLINE_DATA does not name the shared data folder"
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_loads_wherever_its_data_lies(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PLUMBLINE_DATA", str(tmp_path))

    config = load_config(example)

    assert str(tmp_path) in str(config.sources["requests"].from_ or config.sources["requests"].query)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_says_how_to_run_it(example: Path):
    assert f"plumbline run --config examples/{example.parent.name}/plumbline.yml" in (
        example.parent / "README.md"
    ).read_text("utf-8")


@needs_data
def test_the_queries_of_the_marketplace_keep_every_row():
    config = load_config(ROOT / "examples" / "thumbtack" / "plumbline.yml")
    quotes, assignments = config.sources["quotes"].query, config.sources["assignments"].query
    requests = f"read_csv('{config.sources['requests'].from_}')"
    counted = f"""
        with quotes as ({quotes}), arms as ({assignments}),
        outcome as (
            select variant, count(distinct arms.entity_id) as n, count(distinct quotes.request_id) as quoted
            from arms left join quotes on quotes.request_id = arms.entity_id group by variant
        )
        select
            (select count(*) from {requests}), (select count(*) from quotes),
            (select count(*) from quotes where request_id is null or pro_id is null or quoted_at is null),
            (select list((variant, n, quoted) order by variant) from outcome)
        """

    with closing(duckdb.connect()) as connection:
        found = connection.execute(counted).fetchone()

    assert found == (4_961, 12_819, 0, [("control", 2_480, 2_179), ("treatment", 2_481, 2_169)])
    assert 4_961 - 2_179 - 2_169 == 613
