"""The demo world is the founding story, figure by figure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest
import yaml

from dagster_pipeline.demo.story import founding_story, write_config
from dagster_pipeline.demo.world import World, WorldSpec, generate

COHORT = "created_at >= '2026-10-01' and created_at < '2026-10-29'"


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> World:
    spec, faults = founding_story()
    return generate(spec, tmp_path_factory.mktemp("story"), faults)


def ask(world: World, sql: str):
    with duckdb.connect() as con:
        for table, file in world.files.items():
            con.execute(f"create view {table} as select * from '{file}'")
        return con.execute(sql).fetchone()[0]


def test_eighteen_percent_of_quotes_have_no_variant(story):
    assert ask(story, "select avg((variant is null)::int) from quotes") == pytest.approx(0.18, abs=0.003)


def test_a_request_lost_its_variant_on_all_of_its_quotes_and_events_or_on_none(story):
    """One version of a client sent none; what the log says of a quote would else give the arm away."""
    for table in ("quotes", "quote_events"):
        torn = (
            f"select count(*) from (select request_id from {table} group by 1 "
            "having count(variant) not in (0, count(*)))"
        )
        assert ask(story, torn) == 0, table


def test_six_percent_of_requests_stay_without_variant_after_every_join(story):
    labels = (
        "select request_id from quotes where variant is not null union select request_id from "
        "quote_events where variant is not null union select entity_id from assignments"
    )
    unknown = ask(story, f"select avg((request_id not in ({labels}))::int) from requests where {COHORT}")
    assert unknown == pytest.approx(0.06, abs=0.003)


def test_quote_times_turn_null_on_a_date_and_the_event_log_knows_most_of_them(story):
    rate = (
        "select avg((quoted_at is null)::int) from quotes join requests using (request_id) where created_at "
    )
    assert ask(story, rate + "< '2026-10-19'") == pytest.approx(0.003, abs=0.0003)
    assert ask(story, rate + ">= '2026-10-19'") == pytest.approx(0.124, abs=0.001)
    logged = (
        "select avg(((request_id, pro_id) in (select (request_id, pro_id) from quote_events))::int) "
        "from quotes where quoted_at is null"
    )
    assert ask(story, logged) == pytest.approx(11 / 12, abs=0.01)


def test_hires_end_four_days_early_so_that_the_last_requests_are_immature(story):
    newest = ask(story, "select max(hired_at) from hires")
    lag = story.spec.as_of.replace(tzinfo=None) - newest
    assert timedelta(days=4) <= lag < timedelta(days=4, hours=6)
    assert newest - timedelta(days=7) < story.spec.end.replace(tzinfo=None)


def test_retries_and_orphans_are_planted(story):
    planted = story.planted
    assert planted["duplicate_rows.quotes"] > 0.015 * story.rows["quotes"]
    assert planted["duplicate_rows.hires"] > 0
    assert planted["orphan_rows.quotes"] == ask(
        story, "select count(*) from quotes anti join requests using (request_id)"
    )


def test_the_configuration_maps_every_file_and_column(story, tmp_path):
    path = write_config(story.folder, story)
    config = yaml.safe_load(path.read_text())
    assert set(config["sources"]) == set(story.files)
    for table, source in config["sources"].items():
        file = path.parent / source["from"]
        with duckdb.connect() as con:
            columns = [name for name, *_ in con.execute(f"describe from '{file}'").fetchall()]
        assert list(source["columns"].values()) == columns, table
    assert config["as_of"] == datetime(2026, 11, 6, tzinfo=UTC)
    assert config["experiments"][0]["window"]["end"] == datetime(2026, 10, 29, tzinfo=UTC)
    assert [c["metric"] for c in config["brief"]["criteria"]] == ["ttfq_median", "hire_rate_7d"]


def test_the_configuration_holds_any_spec(tmp_path):
    spec = WorldSpec(
        requests=50,
        experiment=("new: flow #2"),
        arms=("off", "on", "on+"),
        split=(0.2, 0.5, 0.3),
        unit="session",
    )
    world = generate(spec, tmp_path / "raw data")
    config = yaml.safe_load(write_config(tmp_path, world).read_text())
    experiment = config["experiments"][0]
    assert (experiment["id"], experiment["unit"], experiment["control"]) == ("new: flow #2", "session", "off")
    assert experiment["split"] == {"off": 0.2, "on": 0.5, "on+": 0.3}
    assert config["brief"]["experiment"] == "new: flow #2"
    assert (tmp_path / config["sources"]["hires"]["from"]).is_file()
    elsewhere = yaml.safe_load(write_config(tmp_path / "configs", world).read_text())
    assert elsewhere["sources"]["hires"]["from"] == str(world.files["hires"].resolve())
