"""The sensor that switches a launch off, driven as Dagster drives it, with a receiver on loopback."""

from __future__ import annotations

import json

import dagster as dg
import pytest
import yaml

from dagster_pipeline.errors import ConfigError, NotEvaluatedError
from dagster_pipeline.gate.stages import stage_allowed, with_journal
from dagster_pipeline.register.journal import journal_path, read_journal
from tests.rollouts import TRIGGER, config_with

VARIABLE = "PLUMBLINE_TEST_WEBHOOK"
CONFIG = config_with(
    rollout={
        "stages": [{"percent": 1, "dwell": "1d"}],
        "rollback": [{"metric": "hire_rate_7d", "max_fall": 0.01}],
        "webhook_variable": VARIABLE,
    }
)


@pytest.fixture
def sensor():
    from dagster_pipeline.defs.sensors import rollback_sensor

    return rollback_sensor


class Project:
    """A project whose runs leave a decision.json, and Dagster's record of its reports."""

    def __init__(self, folder, instance, monkeypatch):
        self.config, self.output, self.instance = folder / "plumbline.yml", folder / "out", instance
        self.output.mkdir()
        self.write(CONFIG)
        monkeypatch.setenv("PLUMBLINE_CONFIG", str(self.config))
        monkeypatch.setenv("PLUMBLINE_OUTPUT", str(self.output))

    def write(self, config):
        self.config.write_text(yaml.safe_dump(config), encoding="utf-8")

    def report(self, trigger=None, text=None):
        """A run that writes its decision.json and materializes the report."""
        watch = {
            "metric": "hire_rate_7d",
            "variant": "treatment",
            "trigger": trigger,
            "reason": None,
            "moves": [],
        }
        self.document = {
            "experiment": "x",
            "stages": [],
            "starts": [],
            "rollbacks": [],
            "monitored": [],
            "rollback": [watch],
        }
        decision = {
            "schema_version": 1,
            "run_id": "run-1",
            "experiments": [{"experiment": "x", "rollout": self.document}],
        }
        (self.output / "decision.json").write_text(text if text is not None else json.dumps(decision))

        @dg.asset
        def report():
            return 1

        dg.materialize([report], instance=self.instance)

    def entries(self):
        return read_journal(journal_path(self.config))

    def kinds(self):
        return [entry.kind for entry in self.entries()]

    def is_blocked(self):
        return not stage_allowed(
            with_journal({**self.document, "rollback": []}, self.entries()), 1, self.entries()[-1].at
        )[0]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr("dagster_pipeline.gate.webhook._PAUSE", 0.001)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(tmp_path, instance, monkeypatch)


def tick(sensor, project, cursor=None):
    """One evaluation as the daemon makes it: what it says, and where the next begins."""
    with dg.build_sensor_context(instance=project.instance, cursor=cursor) as context:
        done = sensor.evaluate_tick(context)
    assert done.run_requests == []
    return done.skip_message, done.cursor


def test_without_a_report_it_has_nothing_to_look_at(sensor, project):
    tick(sensor, project)
    assert project.entries() == ()


def test_a_run_without_a_trigger_records_nothing(sensor, project, receive, monkeypatch):
    receiver = receive(200)
    monkeypatch.setenv(VARIABLE, receiver.address)
    project.report()
    assert tick(sensor, project)[0] == "No new rollback trigger fired."
    assert (project.entries(), receiver.got) == ((), [])


def test_a_trigger_switches_the_launch_off_and_tells_the_webhook_once(sensor, project, receive, monkeypatch):
    receiver = receive(200)
    monkeypatch.setenv(VARIABLE, receiver.address)
    project.report(TRIGGER)
    said, cursor = tick(sensor, project)
    assert said == "1 rollbacks recorded; the webhook was told of 1 of 1."
    assert project.kinds() == ["rolled_back", "decision_noted"]
    assert project.is_blocked()
    path, kind, payload = receiver.got[0]
    assert (path, kind) == ("/secret-token", "application/json")
    assert (payload["event"], payload["experiment"], payload["days"]) == ("rolled_back", "x", TRIGGER["days"])

    tick(sensor, project, cursor)  # nothing new in Dagster
    project.report(TRIGGER)
    tick(sensor, project, cursor)  # another run with the same trigger
    tick(sensor, project)  # everything anew, as after a lost cursor
    assert project.kinds() == ["rolled_back", "decision_noted"]
    assert len(receiver.got) == 1


def test_a_receiver_that_fails_twice_is_told_in_the_end(sensor, project, receive, monkeypatch):
    receiver = receive(500, 500, 200)
    monkeypatch.setenv(VARIABLE, receiver.address)
    project.report(TRIGGER)
    tick(sensor, project)
    noted = project.entries()[-1].content
    assert (noted["delivered"], noted["tries"]) == (True, 3)


def test_a_receiver_that_refuses_never_loses_the_switch_and_is_recorded(
    sensor, project, receive, monkeypatch, capfd
):
    receiver = receive(200)
    receiver.close()
    monkeypatch.setenv(VARIABLE, receiver.address)
    project.report(TRIGGER)
    said, _ = tick(sensor, project)
    assert said == "1 rollbacks recorded; the webhook was told of 0 of 1."
    assert project.is_blocked()
    noted = project.entries()[-1].content
    assert (
        noted["text"]
        == "The webhook could not be told of entry 1: no connection (ConnectionRefusedError), 3 of 3 tries."
    )
    shown = "".join(capfd.readouterr()) + journal_path(project.config).read_text() + said
    assert "secret-token" not in shown


@pytest.mark.parametrize(
    ("address", "said"), [(None, "is not set"), ("file:///etc/passwd", "no http or https address")]
)
def test_an_address_that_is_none_is_recorded_and_the_switch_is_pulled(
    sensor, project, monkeypatch, address, said
):
    monkeypatch.delenv(VARIABLE, raising=False) if address is None else monkeypatch.setenv(VARIABLE, address)
    project.report(TRIGGER)
    tick(sensor, project)
    assert project.kinds() == ["rolled_back", "decision_noted"]
    assert said in project.entries()[-1].content["text"]
    assert "passwd" not in project.entries()[-1].content["text"]


def test_a_configuration_that_broke_leaves_the_switch_pulled_and_the_call_is_made_up_for(
    sensor, project, receive, monkeypatch
):
    receiver = receive(200)
    monkeypatch.setenv(VARIABLE, receiver.address)
    project.report(TRIGGER)
    project.config.write_text("version: [")
    with pytest.raises(ConfigError, match=r"plumbline\.yml"):
        tick(sensor, project)
    assert project.kinds() == ["rolled_back"]
    project.write(CONFIG)
    tick(sensor, project)
    assert project.kinds() == ["rolled_back", "decision_noted"]
    assert len(receiver.got) == 1


def test_one_experiment_that_can_not_be_read_keeps_no_other_running(sensor, project):
    project.report(TRIGGER)
    path = project.output / "decision.json"
    decision = json.loads(path.read_text())
    decision["experiments"].insert(
        0, {"experiment": "broken", "rollout": {"experiment": "broken", "rollback": 5}}
    )
    path.write_text(json.dumps(decision))
    with pytest.raises(NotEvaluatedError):
        tick(sensor, project)
    assert next((entry.kind, entry.experiment) for entry in project.entries()) == ("rolled_back", "x")


def test_a_dry_run_switches_nothing_off(sensor, project, monkeypatch):
    monkeypatch.setenv("PLUMBLINE_READINESS", "1")
    project.report(TRIGGER)
    assert "dry runs" in tick(sensor, project)[0]
    assert project.entries() == ()


@pytest.mark.parametrize("text", ["", "{", '{"experiments": 1}', '{"experiments": [{"experiment": "x"}]}'])
def test_a_decision_that_can_not_be_read_fails_the_tick(sensor, project, text):
    project.report(text=text)
    with pytest.raises(NotEvaluatedError, match="plumbline run"):
        tick(sensor, project)
    assert project.entries() == ()
