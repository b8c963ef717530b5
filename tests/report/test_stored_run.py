"""What a run keeps to be decided on again: read back it is what it was, and changed by hand it is nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_report import AS_OF, a_hostile_report, the_report

from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.triage import Triage
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gaps.model import GapWaiver, Life
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.report.files import write_outputs
from dagster_pipeline.report.stored_run import STATE, StoredRun, read_stored_run
from dagster_pipeline.report.stored_values import decoded, encoded
from tests.gate.gate_cases import a_gap, hires, inputs, waived

MOMENTS = st.datetimes(timezones=st.just(UTC))
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.sampled_from(Severity),
    st.sampled_from(EventKind), MOMENTS, st.dates(), st.timedeltas(),
)  # fmt: skip
KEYS = st.one_of(st.text(max_size=3), st.just("$"), st.integers())
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
    ),
    max_leaves=8,
)


def a_run():
    """A report with a life, an event and a brief in it, and the inputs of a metric of one's own."""
    waiver = GapWaiver("Bo", "Mo", "later", None, AS_OF, AS_OF + timedelta(days=2), 0.06, 0.1)
    sample = the_report()
    first = replace(sample.gaps[0], life=Life(opened_at=AS_OF, openings=2, waiver=waiver))
    event = GapEvent(
        "r", AS_OF, first.gap_id, EventKind.ACCEPTED, "open", "accepted", "Bo", "later", "d" * 64
    )
    triage = Triage.model_validate({"sla": {"high": "2d"}, "owners": {"quotes": "Supply"}})
    report = replace(sample, gaps=(first, *sample.gaps[1:]), events=(event,), triage=triage)
    own = replace(metric_definitions()["hire_rate_7d"], name="own_shares", is_own=True)
    asked = inputs(
        gaps=(waived(a_gap(loss="orphans")),), answers=(hires(definition=own, ci_upper=float("inf")),)
    )
    return StoredRun(report, (asked,), 7)


@pytest.fixture
def folder(tmp_path):
    run = a_run()
    write_outputs(run.report, tmp_path, run)
    return tmp_path


@given(VALUES)
def test_every_value_is_read_back_as_it_was(value):
    read = decoded(json.loads(json.dumps(encoded(value), allow_nan=False)))
    assert read == value
    assert type(read) is type(value)


def test_dates_and_moments_stay_apart():
    assert decoded(encoded(date(2026, 11, 6))) == date(2026, 11, 6)
    assert type(decoded(encoded(datetime(2026, 11, 6, tzinfo=UTC)))) is datetime


def test_a_run_is_read_back_whole(folder):
    assert read_stored_run(folder) == a_run()


def test_what_a_warehouse_may_hold_is_read_back_as_text_and_nothing_else(tmp_path):
    report = a_hostile_report()
    write_outputs(report, tmp_path, StoredRun(report, (inputs(),) * len(report.verdicts), 0))
    read = read_stored_run(tmp_path).report
    assert [repr(getattr(read, field.name)) for field in fields(read)] == [
        repr(getattr(report, field.name)) for field in fields(report)
    ]


@pytest.mark.parametrize(
    "document",
    [
        {"$": "pickle"},
        {"$": []},
        {"$": "data", "of": "engines.storage:RunLock", "fields": {}},
        {"$": "data", "of": "os:stat_result", "fields": {}},
        {"$": "data", "of": "register.store:json.JSONDecoder", "fields": {}},
        {"$": "data", "of": "register.store:prepare", "fields": {}},
        {"$": "data", "of": "register.store:Path", "fields": {}},
        {"$": "data", "of": "gaps.model:GapStatus", "fields": {}},
        {"$": "data", "of": "gaps.model:Gap", "fields": {}},
        {"$": "data", "of": "gaps.model:Life", "fields": {"more": 1}},
        {"$": "enum", "of": "gaps.model:GapStatus", "value": "gone"},
        {"$": "enum", "of": "gaps.model:Gap", "value": "open"},
        {"$": "model", "of": "config.triage:Triage", "fields": {}, "private": {}},
        {"$": "float", "value": "1"},
        {"$": "time", "value": "yesterday"},
    ],
)
def test_what_we_never_wrote_makes_nothing(document):
    with pytest.raises((ValueError, TypeError, KeyError)):
        decoded(document)


def rewritten(folder, change):
    """The state as somebody would write it who knows how to make a record for it."""
    state = json.loads((folder / STATE).read_text("utf-8"))
    change(state)
    text = json.dumps(state)
    (folder / STATE).write_text(text, "utf-8")
    record = json.loads((folder / ".run.json").read_text("utf-8"))
    record["files"][STATE] = hashlib.sha256(text.encode()).hexdigest()
    (folder / ".run.json").write_text(json.dumps(record), "utf-8")


def test_a_state_of_another_version_is_not_guessed_at(folder):
    rewritten(folder, lambda state: state.update(written_by="0.0.1"))
    with pytest.raises(NotEvaluatedError, match=r"version 0\.0\.1 wrote it"):
        read_stored_run(folder)


def test_a_state_of_another_run_is_not_taken(folder):
    rewritten(folder, lambda state: state["report"]["fields"].update(run_id="another"))
    with pytest.raises(NotEvaluatedError, match="is of another run"):
        read_stored_run(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("inputs"),
        lambda state: state.update(report=None),
        lambda state: state["report"]["fields"].update(more=1),
        lambda state: state["report"].update(of="gaps.model:Nothing"),
    ],
)
def test_a_state_that_can_not_be_read_says_so(folder, change):
    rewritten(folder, change)
    with pytest.raises(NotEvaluatedError, match=r"\.state\.json can't be read"):
        read_stored_run(folder)


def test_a_state_changed_by_hand_is_refused_before_it_is_read(folder):
    text = (folder / STATE).read_text("utf-8")
    (folder / STATE).write_text(text.replace("high", "info", 1), "utf-8")
    with pytest.raises(NotEvaluatedError, match="is not the file the run wrote"):
        read_stored_run(folder)


def test_a_run_without_a_state_has_nothing_to_decide_on(tmp_path):
    report = the_report()
    write_outputs(report, tmp_path, StoredRun(report, (), 0))
    write_outputs(report, tmp_path)
    with pytest.raises(NotEvaluatedError, match="left nothing to decide on again"):
        read_stored_run(tmp_path)
