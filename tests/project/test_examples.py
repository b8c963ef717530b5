"""The examples load, and what their README says of the real tables is so."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/plumbline.yml"))

DATA = Path(os.environ.get("PLUMBLINE_DATA") or ROOT.parent / "shared" / "data").resolve()


def loaded(example: str, monkeypatch: pytest.MonkeyPatch) -> PlumblineConfig:
    """The example's configuration with its data in place; skips where there is none."""
    if not (DATA / example).is_dir():
        pytest.skip(f"the real tables are not in {DATA}; name their folder with PLUMBLINE_DATA")
    monkeypatch.setenv("PLUMBLINE_DATA", str(DATA))
    return load_config(ROOT / "examples" / example / "plumbline.yml")


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


def test_the_queries_of_the_marketplace_keep_every_row(monkeypatch: pytest.MonkeyPatch):
    config = loaded("thumbtack", monkeypatch)
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


def test_the_queries_of_the_gym_keep_every_visit_once_and_give_each_application_to_one(
    monkeypatch: pytest.MonkeyPatch,
):
    config = loaded("musclehub", monkeypatch)
    visits, applications, arms = (config.sources[name].query for name in ("requests", "hires", "assignments"))
    counted = f"""
        with visits as ({visits}), applications as ({applications}), arms as ({arms}),
        since as (select * from visits where strptime(visit_date, '%m-%d-%y') >= timestamp '2017-07-01'),
        outcome as (
            select variant, count(*) as n, count(application_id) as applied
            from since join arms using (visit_id) left join applications using (visit_id) group by variant
        )
        select
            (select (count(*), count(distinct visit_id), count(distinct person_id)) from visits),
            (select (count(*), count(visit_id), count(distinct visit_id)) from applications),
            (select (count(*), count(distinct visit_id)) from arms),
            (select list((variant, n, applied) order by variant) from outcome)
        """

    with closing(duckdb.connect()) as connection:
        found = connection.execute(counted).fetchone()

    assert found == (
        (6_000, 6_000, 5_997),
        (575, 575, 575),
        (6_000, 6_000),
        [("A", 2_500, 250), ("B", 2_500, 325)],
    )


def test_a_join_by_name_and_mail_would_have_repeated_visits(monkeypatch: pytest.MonkeyPatch):
    """Why the example asks whether a test exists: the tempting join makes 5,004 of 5,000 visits."""
    loaded("musclehub", monkeypatch)
    joined = f"""
        select count(*) from read_csv('{DATA}/musclehub/visits.csv', all_varchar = true) as visit
        left join read_csv('{DATA}/musclehub/fitness_tests.csv') using (first_name, last_name, email)
        where strptime(visit.visit_date, '%m-%d-%y') >= timestamp '2017-07-01'
        """

    with closing(duckdb.connect()) as connection:
        assert connection.execute(joined).fetchone() == (5_004,)
