"""`plumbline alerts test`: one message to one channel, by a person who wants to know."""

import pytest
from click.testing import CliRunner

from dagster_pipeline.cli import cli
from dagster_pipeline.errors import PlumblineError

CONFIG = """
version: 1
warehouse: {engine: duckdb, path: state/warehouse.duckdb}
sources:
  requests: {from: requests.csv, columns: {request_id: request_id, created_at: created_at}}
alerts:
  channels: [{name: ops, url_variable: ALERTS_OPS}]
  tries: 1
  link: https://reports.example.com/
"""


@pytest.fixture
def tried(tmp_path):
    """Runs the command on a channel."""
    (tmp_path / "requests.csv").write_text("request_id,created_at\n1,2026-11-05\n")
    file = tmp_path / "plumbline.yml"
    file.write_text(CONFIG)

    def run(name):
        return CliRunner().invoke(cli, ["alerts", "test", "--config", str(file), "--channel", name])

    yield run
    assert not (tmp_path / "state").exists()  # what a channel was told is not touched


def test_a_channel_that_can_be_reached_gets_one_message(tried, receive, monkeypatch):
    receiver = receive(200)
    monkeypatch.setenv("ALERTS_OPS", receiver.address.replace("http://", "json://"))
    found = tried("ops")
    assert (found.exit_code, found.stdout) == (0, "ops was told (1 try).\n")
    ((_, _, body),) = receiver.got
    assert body["title"] == "Plumbline: a test of this channel"
    assert "https://reports.example.com/" in body["message"]


def test_a_channel_that_can_not_be_reached_ends_with_1_and_the_reason(tried, receive, monkeypatch):
    receiver = receive(404)
    monkeypatch.setenv("ALERTS_OPS", receiver.address.replace("http://", "json://"))
    found = tried("ops")
    assert (found.exit_code, found.stderr) == (1, "ops was not told: answered 404 (1 try).\n")


def test_a_channel_that_is_not_configured_is_named_with_those_that_are(tried):
    found = tried("mail")
    assert isinstance(found.exception, PlumblineError)
    assert "has no 'mail'; it names: 'ops'" in str(found.exception)
