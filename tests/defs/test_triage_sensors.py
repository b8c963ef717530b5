"""What nobody should have to look for: failed runs are told, new blockers are put on record, changed sources reported."""

import json
import os
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import yaml

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import ConfigError
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.history import EventKind, GapEvent
from tests.rollouts import config_with

CHANNEL = "PLUMBLINE_TEST_CHANNEL"
AT = datetime(2026, 11, 6, tzinfo=UTC)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes the plumbline.yml of this location, with a channel where one is asked for."""
    path = tmp_path / "plumbline.yml"
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(path))

    def write(channels=True, **more):
        alerts = {"tries": 1, "channels": [{"name": "ops", "url_variable": CHANNEL}]} if channels else {}
        path.write_text(yaml.safe_dump(config_with() | ({"alerts": alerts} if alerts else {}) | more))
        return path

    return write


# --- a failed run --------------------------------------------------------------------------------


def failed(instance, message="the warehouse is gone: token=hunter2\nand more", day=None):
    """The context of a run that broke at one step, as the daemon makes it."""

    @dg.op
    def source_inspection():
        raise RuntimeError(message)

    @dg.job
    def plumbline():
        source_inspection()

    tags = {"dagster/partition": day} if day else {}
    result = plumbline.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_sensor",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    )
    return context.for_run_failure()


def tell(context):
    from dagster_pipeline.defs.triage_sensors import run_failure_sensor

    return run_failure_sensor(context).skip_message


def test_a_failed_run_is_told_with_what_broke_and_the_day_it_was_for(instance, config, receive, monkeypatch):
    receiver = receive(200)
    monkeypatch.setenv(CHANNEL, receiver.address.replace("http://", "json://"))
    config()
    context = failed(instance, day="2026-11-05")
    assert tell(context) == "1 of 1 channels were told."
    [(_, _, payload)] = receiver.got
    assert payload["title"] == "Plumbline: the run failed"
    assert context.dagster_run.run_id in payload["message"]
    assert "2026-11-05" in payload["message"]
    assert "source_inspection: RuntimeError: the warehouse is gone" in payload["message"]
    assert "and more" not in payload["message"]


def test_without_a_channel_a_failed_run_is_nobodys_message(instance, config):
    config(channels=False)
    assert "nobody was told" in tell(failed(instance))


def test_a_channel_that_can_not_be_told_is_said_and_does_not_break_the_tick(instance, config, monkeypatch):
    monkeypatch.delenv(CHANNEL, raising=False)
    config()
    assert tell(failed(instance)) == "0 of 1 channels were told."


def test_a_configuration_that_can_not_be_read_fails_the_tick(instance, config):
    config().write_text("version: [")
    with pytest.raises(ConfigError):
        tell(failed(instance))


def test_both_jobs_of_the_line_are_watched_from_the_start():
    from dagster_pipeline.defs.triage_sensors import new_blocker_sensor, run_failure_sensor

    assert run_failure_sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert new_blocker_sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert new_blocker_sensor.asset_key == dg.AssetKey("report")


# --- a new blocker -------------------------------------------------------------------------------


def a_gap(column, severity=Severity.BLOCKER, status=GapStatus.OPEN, table="quotes"):
    identity = gap_id("missing_values", None, table, column)
    return Gap(
        identity,
        "missing_values",
        None,
        table,
        column,
        None,
        "what",
        status,
        severity,
        "why",
        100,
        10,
        0.1,
        0.1,
    )


def happened(gap, event):
    return GapEvent("run", AT, gap.gap_id, event, None, None)


@pytest.mark.parametrize("event", [EventKind.OPENED, EventKind.SEVERITY_CHANGED, EventKind.REOPENED])
def test_a_gap_that_has_become_a_blocker_is_new(event):
    from dagster_pipeline.defs.run_marks import new_blockers

    gap = a_gap("price")
    [found] = new_blockers([gap], [happened(gap, event)])
    assert found == {"gap_id": gap.gap_id, "table": "quotes", "what": "Missing values in quotes.price"}


def test_what_is_no_blocker_or_was_one_or_is_gone_is_not_new():
    from dagster_pipeline.defs.run_marks import new_blockers

    high = a_gap("a", Severity.HIGH)
    gone = a_gap("b", status=GapStatus.RESOLVED)
    owned, old = a_gap("c"), a_gap("d")
    events = [
        happened(high, EventKind.OPENED),
        happened(gone, EventKind.RESOLVED),
        happened(owned, EventKind.ASSIGNED),
    ]
    assert new_blockers([high, gone, owned, old], events) == []


def blocked(instance, blockers):
    """A report that found these, and what the sensor makes of it."""
    from dagster_pipeline.defs.run_marks import NEW_BLOCKERS
    from dagster_pipeline.defs.triage_sensors import new_blocker_sensor

    @dg.asset
    def report(context: dg.AssetExecutionContext):
        context.add_output_metadata({} if blockers is None else {NEW_BLOCKERS: blockers})

    dg.materialize([report], instance=instance)
    with dg.build_sensor_context(instance=instance) as context:
        done = new_blocker_sensor.evaluate_tick(context)
    assert done.run_requests == []
    return done


def test_a_new_blocker_is_on_record_at_its_source_and_at_the_register(instance):
    done = blocked(instance, [{"gap_id": "gap-1", "table": "quotes", "what": "Late data in quotes"}])
    found = {event.asset_key.to_user_string(): event.metadata for event in done.asset_events}
    assert set(found) == {"gap_register", "sources/quotes"}
    assert found["sources/quotes"]["new_blocker"].value == "Late data in quotes"
    assert found["gap_register"]["gap"].value == "gap-1"


def test_a_blocker_of_no_source_is_on_record_at_the_register(instance):
    for table in (None, "a parity of their own"):
        done = blocked(instance, [{"gap_id": "gap-1", "table": table, "what": "Split imbalance"}])
        assert [event.asset_key for event in done.asset_events] == [dg.AssetKey("gap_register")]


@pytest.mark.parametrize("blockers", [[], None])
def test_a_run_without_a_new_blocker_puts_nothing_on_record(instance, blockers):
    done = blocked(instance, blockers)
    assert list(done.asset_events) == []
    assert done.skip_message == "The last run found no new blocker."


# --- new data ------------------------------------------------------------------------------------


def changes(instance, cursor=None):
    """The sources a tick reports, and where the next begins."""
    from dagster_pipeline.defs.source_sensors import new_data_sensor

    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        done = new_data_sensor.evaluate_tick(context)
    return [event.asset_key.path[-1] for event in done.asset_events], done.cursor


@pytest.fixture
def requests(config):
    """The file of the source requests, written; its age in hours can be set."""
    path = config(channels=False, sources=config_with()["sources"]).with_name("r.parquet")

    def write(text, hours=0.0):
        path.write_text(text)
        moment = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
        os.utime(path, (moment, moment))

    return write


def test_a_file_is_reported_when_it_changes_and_only_then(instance, requests):
    requests("a", hours=3)
    first, cursor = changes(instance)
    again, cursor = changes(instance, cursor)
    requests("ab", hours=1)
    later, cursor = changes(instance, cursor)
    assert (first, again, later) == (["requests"], [], ["requests"])
    assert changes(instance, cursor)[0] == []


def test_a_file_that_is_gone_is_no_news_and_its_return_is_none_either_unless_it_changed(
    instance, requests, tmp_path
):
    requests("a", hours=3)
    _, cursor = changes(instance)
    (tmp_path / "r.parquet").unlink()
    gone, cursor = changes(instance, cursor)
    requests("a", hours=2)
    assert (gone, changes(instance, cursor)[0]) == ([], ["requests"])


def test_a_file_older_than_its_freshness_is_no_news_when_it_is_first_seen(instance, config, tmp_path):
    source = {**config_with()["sources"]["requests"], "freshness": "24h"}
    config(channels=False, sources={"requests": source})
    file = tmp_path / "r.parquet"
    file.write_text("a")
    old = (datetime.now(UTC) - timedelta(hours=30)).timestamp()
    os.utime(file, (old, old))
    assert changes(instance)[0] == []


def test_several_files_of_a_pattern_are_one_source_and_a_relation_is_not_looked_at(
    instance, config, tmp_path
):
    sources = {
        "requests": {**config_with()["sources"]["requests"], "from": "day-*.parquet"},
        "quotes": {"from": "raw.quotes", "columns": {"quote_id": "quote_id", "request_id": "request_id"}},
    }
    config(channels=False, sources=sources)
    (tmp_path / "day-1.parquet").write_text("a")
    found, cursor = changes(instance)
    assert found == ["requests"]
    (tmp_path / "day-2.parquet").write_text("b")
    found, cursor = changes(instance, cursor)
    assert (found, set(json.loads(cursor))) == (["requests"], {"requests"})


# --- freshness and automation ----------------------------------------------------------------------


def test_a_source_is_late_by_its_own_promise_and_the_verdict_by_its_briefs(monkeypatch, config):
    from dagster_pipeline.config.loader import load_config
    from dagster_pipeline.defs import freshness

    source = {**config_with()["sources"]["requests"], "freshness": "24h"}
    loaded = load_config(config(sources={"requests": source}))
    monkeypatch.setattr(freshness, "known_config", lambda: loaded)
    assert freshness.source_freshness("requests").fail_window.to_timedelta() == timedelta(hours=24)
    assert freshness.source_freshness("quotes") is None
    assert freshness.verdict_freshness().fail_window.to_timedelta() == timedelta(days=7)
    monkeypatch.setattr(freshness, "known_config", lambda: None)
    assert (freshness.source_freshness("requests"), freshness.verdict_freshness()) == (None, None)


def test_the_line_asks_for_a_run_after_a_source_has_changed_until_one_has_looked_or_failed(instance):
    """As the automation sensor evaluates it, on a line of two assets with the line's own condition."""
    from dagster_pipeline.defs.metadata import source_key
    from dagster_pipeline.defs.schedules import on_new_data

    is_broken = []

    @dg.asset(deps=[source_key("requests")])
    def source_inspection():
        if is_broken:
            raise RuntimeError

    @dg.asset(deps=[source_inspection])
    def report(): ...

    job = dg.define_asset_job("plumbline", automation_condition=on_new_data())
    source = dg.AssetSpec(source_key("requests"))
    line = dg.Definitions(assets=[source, source_inspection, report], jobs=[job])
    asked, cursor = [], None

    def evaluate():
        nonlocal cursor
        found = dg.evaluate_automation_conditions(defs=line, instance=instance, cursor=cursor)
        cursor = found.cursor
        asked.append(found.total_requested)

    def change():
        instance.report_runless_asset_event(dg.AssetMaterialization(source_key("requests")))

    def run():
        dg.materialize([source, source_inspection], instance=instance, raise_on_error=False)

    for step in (str, str, change, run, str, change, str, run, change, is_broken.append, run, str, change):
        step(1) if step == is_broken.append else step()
        evaluate()
    assert asked == [0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 0, 1]
