"""The asset that tells the channels: after the report, with a real receiver, and never a reason for a run to fail."""

import json
from datetime import UTC, datetime

import dagster as dg
import duckdb
import jsonschema
import pytest

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.defs.alerts import alerts
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register import store
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.report.documents import schema
from dagster_pipeline.report.model import RunReport

NOW = datetime(2026, 11, 6, tzinfo=UTC)
CONFIG = """
version: 1
warehouse: {engine: duckdb, path: state/warehouse.duckdb}
sources:
  requests: {from: requests.csv, columns: {request_id: request_id, created_at: created_at}}
alerts:
  channels: [{name: ops, url_variable: ALERTS_OPS}]
  tries: 1
"""
GAP = Gap(
    "gap-000000000001", "stale_source", None, "hires", None, None, "4 days behind", GapStatus.OPEN, Severity.HIGH,
    "Over its threshold", 400, 72, 0.18, 0.06, first_seen=NOW, last_seen=NOW,
)  # fmt: skip
REPORT = RunReport("run-1", NOW, NOW, (GAP,), (), Coverage(0, 0), ())


@pytest.fixture
def line(tmp_path):
    """A run that has published its register and written its report; its run, ready for the alerts."""
    (tmp_path / "requests.csv").write_text("request_id,created_at\n1,2026-11-05\n")
    (tmp_path / "plumbline.yml").write_text(CONFIG)
    (tmp_path / "state").mkdir()
    (tmp_path / "out").mkdir()
    with duckdb.connect(str(tmp_path / "state" / "warehouse.duckdb")) as session:
        store.prepare(session)
        opened = GapEvent("run-1", NOW, GAP.gap_id, EventKind.OPENED, None, "high")
        store.append_run(session, store.RunRecord("run-1", NOW, NOW, (GAP,), (opened,)))
    return PlumblineRun(config_path=str(tmp_path / "plumbline.yml"), output=str(tmp_path / "out"))


def told(line):
    """What the asset gives, and its metadata."""
    context = dg.build_asset_context()
    found = alerts(context, REPORT, line)
    return found, context.get_output_metadata("result")


def written(line):
    document = json.loads((line.output_folder / "alerts.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema("alerts")).validate(document)
    return document["channels"]


def test_what_the_run_changed_is_told_once(line, receive, monkeypatch):
    receiver = receive(200)
    monkeypatch.setenv("ALERTS_OPS", receiver.address.replace("http://", "json://"))
    found, metadata = told(line)
    assert found.faults == ()
    assert (metadata["channels"], metadata["not_told"], metadata["events_told"]) == (1, 0, 1)
    assert written(line) == [{"name": "ops", "told": True, "tries": 1, "detail": "delivered", "events": 1}]
    told(line)
    ((_, _, body),) = receiver.got
    assert "Late data, hires" in body["message"]


def test_a_failing_channel_is_shown_and_fails_nothing(line, monkeypatch):
    monkeypatch.delenv("ALERTS_OPS", raising=False)
    found, metadata = told(line)
    assert found.faults == ("ops was not told: the environment variable ALERTS_OPS is not set.",)
    assert metadata["not_told"] == 1
    assert written(line)[0]["told"] is False


def test_a_fault_of_ours_fails_nothing(line, monkeypatch):
    def broken(*_):
        raise RuntimeError("json://127.0.0.1:1/t0ken")

    monkeypatch.setattr("dagster_pipeline.defs.alerts.dispatch", broken)
    found, metadata = told(line)
    assert found.faults == ("Nobody could be told: RuntimeError",)
    assert "t0ken" not in str(metadata)


def test_a_dry_run_tells_nobody(line, receive, monkeypatch):
    receiver = receive(200)
    monkeypatch.setenv("ALERTS_OPS", receiver.address.replace("http://", "json://"))
    told(PlumblineRun(config_path=line.config_path, output=line.output, is_readiness=True))
    assert receiver.got == []
    assert written(line) == []
    told(line)
    assert len(receiver.got) == 1


def test_files_that_can_not_be_written_fail_nothing(line, receive, monkeypatch):
    receiver = receive(200)
    monkeypatch.setenv("ALERTS_OPS", receiver.address.replace("http://", "json://"))
    (line.output_folder / "alerts.json").mkdir()
    found, _ = told(line)
    assert len(receiver.got) == 1
    assert "alerts.json" in found.faults[0]
