"""Nothing is lost and nothing told twice, whichever channels fail, however often a run is tried again."""

import json
import tempfile
import threading
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from alert_worlds import NOW, a_channel, a_gap, a_report, an_event, later, resolved, some_alerts, some_news
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.alerts.channels import Delivery
from dagster_pipeline.alerts.dispatch import QUIET, alert_faults, alerts_document, dispatch
from dagster_pipeline.alerts.outbox import outbox_path, read_outbox
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.register.history import EventKind
from dagster_pipeline.report.documents import schema
from dagster_pipeline.report.summary import render_summary


class Post:
    """Takes messages in place of the channels; those named in ``down`` fail."""

    def __init__(self, *down):
        self.down, self.got = set(down), []

    def __call__(self, channel, message, tries):
        if channel.name in self.down:
            return Delivery(channel.name, False, tries, "answered 503")
        self.got.append((channel.name, message))
        return Delivery(channel.name, True, 1, "delivered", message.events)

    def texts(self, name="ops"):
        return [message.text() for channel, message in self.got if channel == name]


@pytest.fixture
def warehouse(tmp_path):
    return tmp_path / "state" / "warehouse.duckdb"


def again(gap, number, run):
    """An event that can be told from every other one by its reason."""
    fields = {"run": run, "before": "accepted", "after": "open", "why": f"event {number}, "}
    return an_event(gap, EventKind.REOPENED, **fields)


ALERTS = some_alerts(a_channel("ops"), a_channel("mail"))


# --- one run -----------------------------------------------------------------------------------


def test_each_channel_gets_one_message_for_a_run(warehouse):
    post, gaps = Post(), [a_gap(1), a_gap(2)]
    found = dispatch(some_news(gaps, map(an_event, gaps)), ALERTS, warehouse, sender=post)
    assert [name for name, _ in post.got] == ["ops", "mail"]
    assert [(one.told, one.events) for one in found.channels] == [(True, 2), (True, 2)]
    assert found.faults == ()


def test_a_run_that_is_tried_again_repeats_nothing(warehouse):
    post, news = Post(), some_news([a_gap()], [an_event(a_gap())])
    for _ in range(3):
        found = dispatch(news, ALERTS, warehouse, sender=post)
    assert len(post.got) == 2
    assert [one.detail for one in found.channels] == [QUIET, QUIET]


def test_what_could_not_be_told_is_told_with_what_comes_next(warehouse):
    post, first, second = Post("mail"), a_gap(1), a_gap(2, table="quotes")
    events = [an_event(first)]
    found = dispatch(some_news([first], events), ALERTS, warehouse, sender=post)
    assert found.faults == ("mail was not told: answered 503.",)
    post.down.clear()
    events.append(an_event(second, run="run-2"))
    dispatch(some_news([first, second], events, run="run-2"), ALERTS, warehouse, sender=post)
    assert ["hires" in text for text in post.texts("ops")] == [True, False]
    (caught_up,) = post.texts("mail")
    assert "Late data, hires" in caught_up
    assert "Late data, quotes" in caught_up


def test_a_gap_that_came_and_went_while_a_channel_failed_is_told_all_the_same(warehouse):
    post, gap = Post("ops", "mail"), a_gap()
    events = [an_event(gap)]
    dispatch(some_news([gap], events), ALERTS, warehouse, sender=post)
    post.down.clear()
    events.append(an_event(gap, EventKind.RESOLVED, run="run-2", before="open", after="resolved"))
    news = some_news([resolved(gap)], events, {gap.gap_id: Severity.HIGH}, run="run-2")
    dispatch(news, ALERTS, warehouse, sender=post)
    (text,) = post.texts("ops")
    assert "✓ Resolved (was High)" in text
    assert "Opened, 2026-11-06" in text


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 4), max_size=3),  # the gaps something happens to
            st.sets(st.sampled_from(["ops", "mail"])),  # the channels that fail
            st.integers(1, 2),  # how often the run's alerts are tried
        ),
        max_size=5,
    )
)
def test_in_the_end_every_event_reaches_every_channel_exactly_once(runs):
    with tempfile.TemporaryDirectory() as folder:
        warehouse, post, events = Path(folder) / "warehouse.duckdb", Post(), []
        gaps = {number: a_gap(number) for number in range(1, 5)}
        for run, (happened, down, tries) in enumerate([*runs, ([], set(), 1)]):
            events += [again(gaps[n], len(events) + k, f"run-{run}") for k, n in enumerate(happened)]
            post.down = down
            for _ in range(tries):
                dispatch(some_news(gaps.values(), events, run=f"run-{run}"), ALERTS, warehouse, sender=post)
    for name in ("ops", "mail"):
        told = Counter(
            n
            for n in range(len(events))
            for text in post.texts(name)
            for _ in range(text.count(f"event {n},"))
        )
        assert told == Counter(range(len(events)))


def test_two_processes_at_once_tell_once(warehouse):
    news, post = some_news([a_gap()], [an_event(a_gap())]), Post()
    calls = [
        threading.Thread(target=dispatch, args=(news, ALERTS, warehouse), kwargs={"sender": post})
        for _ in range(4)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert sorted(name for name, _ in post.got) == ["mail", "ops"]


# --- channels that are new, fail, or were lost -------------------------------------------------


def test_a_channel_added_later_hears_what_is_open_and_not_what_was(warehouse):
    post, gap, gone = Post(), a_gap(1), resolved(a_gap(2))
    events = [an_event(gap), an_event(a_gap(2))]
    dispatch(some_news([gap, a_gap(2)], events), some_alerts(a_channel("ops")), warehouse, sender=post)
    events.append(an_event(gone, EventKind.RESOLVED, run="run-2", before="open", after="resolved"))
    was = {gone.gap_id: Severity.HIGH}
    dispatch(
        some_news([gap, gone], events, was, run="run-2"),
        some_alerts(a_channel("ops")),
        warehouse,
        sender=post,
    )
    dispatch(some_news([gap, gone], events, was, run="run-3"), ALERTS, warehouse, sender=post)
    (text,) = post.texts("mail")
    assert "hires" in text
    assert "Resolved" not in text
    assert len(post.texts("ops")) == 2


def test_a_verdict_is_told_as_changed_against_what_the_channel_last_heard(warehouse):
    post, gap = Post(), a_gap()
    dispatch(some_news([gap], [an_event(gap)]), ALERTS, warehouse, sender=post)
    post.down = {"mail"}
    dispatch(some_news([gap], run="run-2", verdict="GO"), ALERTS, warehouse, sender=post)
    post.down.clear()
    dispatch(some_news([gap], run="run-3", verdict="PARTIAL"), ALERTS, warehouse, sender=post)
    assert [t.splitlines()[0] for t in post.texts("ops")[1:]] == [
        "Verdict on quoting_v2: HOLD → GO.", "Verdict on quoting_v2: GO → PARTIAL."
    ]  # fmt: skip
    assert post.texts("mail")[1].startswith("Verdict on quoting_v2: HOLD → PARTIAL.")


def test_a_failing_channel_is_shown_in_the_next_message_and_the_next_report(warehouse):
    post, gap = Post("mail"), a_gap()
    events = [an_event(gap)]
    assert alert_faults(warehouse, ALERTS) == ()
    dispatch(some_news([gap], events), ALERTS, warehouse, sender=post, now=NOW)
    said = "mail could not be told since 2026-11-06 06:00 UTC: answered 503."
    assert alert_faults(warehouse, ALERTS) == (said,)
    events.append(again(gap, 1, "run-2"))
    dispatch(some_news([gap], events, run="run-2"), ALERTS, warehouse, sender=post, now=later(1))
    assert said in post.texts("ops")[1]
    assert said not in post.texts("ops")[0]
    assert alert_faults(warehouse, ALERTS) == (said,)
    post.down.clear()
    dispatch(some_news([gap], events, run="run-3"), ALERTS, warehouse, sender=post)
    assert alert_faults(warehouse, ALERTS) == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"schema_version": 2, "channels": {}}', b"[" * 100_000,
     b'{"schema_version": 1, "channels": {"ops": {"runs": "run-1", "verdicts": {}, "digest_on": null, "is_new": false, "failing_since": null, "fault": null}}}',
     b'{"schema_version": 1, "channels": {"ops": {}}}'],
)  # fmt: skip
def test_where_nobody_knows_what_was_told_it_is_told_again(warehouse, content):
    post, gap, gone = Post(), a_gap(1), resolved(a_gap(2, table="quotes"))
    events = [an_event(gap, run="run-0", at=later(-30)), an_event(gone, EventKind.RESOLVED, before="open", after="resolved", at=later(-2))]  # fmt: skip
    news = some_news([gap, gone], events, {gone.gap_id: Severity.HIGH}, run="run-2")
    dispatch(news, some_alerts(a_channel("ops")), warehouse, sender=Post(), now=NOW)
    outbox_path(warehouse).write_bytes(content)
    assert read_outbox(outbox_path(warehouse)) is None
    assert "can't be read" in alert_faults(warehouse, ALERTS)[0]
    dispatch(news, some_alerts(a_channel("ops")), warehouse, sender=post, now=NOW)
    (text,) = post.texts()
    assert "Late data, hires" in text
    assert "✓ Resolved (was High): Late data, quotes" in text
    assert outbox_path(warehouse).with_suffix(".json.broken").read_bytes() == content


def test_what_can_not_be_remembered_is_a_fault_and_told_all_the_same(warehouse, monkeypatch):
    def full(path, text):
        raise PlumblineError(f"Cannot write {path}: No space left on device.")

    monkeypatch.setattr("dagster_pipeline.alerts.outbox.write_atomically", full)
    post = Post()
    found = dispatch(some_news([a_gap()], [an_event(a_gap())]), ALERTS, warehouse, sender=post)
    assert len(post.got) == 2
    assert "will be told again" in found.faults[0]


def test_a_folder_that_can_not_be_written_to_is_an_error_of_ours(tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(PlumblineError, match="can't be locked"):
        dispatch(some_news(), ALERTS, tmp_path / "state" / "warehouse.duckdb", sender=Post())


def test_the_summary_of_the_next_run_shows_who_could_not_be_told():
    assert "- mail could not be told." in render_summary(
        a_report(alert_faults=("mail could not be told.",), verdicts=())
    )


# --- files -------------------------------------------------------------------------------------


def test_alerts_json_is_what_its_schema_says(warehouse):
    news = some_news([a_gap()], [an_event(a_gap(), run="r\ud800un")], run="r\ud800un")
    document = alerts_document(dispatch(news, ALERTS, warehouse, sender=Post("mail")))
    text = json.dumps(document, allow_nan=False).encode("utf-8")
    jsonschema.Draft202012Validator(schema("alerts")).validate(json.loads(text))
    assert [(one["name"], one["told"], one["events"]) for one in document["channels"]] == [
        ("ops", True, 1), ("mail", False, 0)
    ]  # fmt: skip


def test_the_state_holds_no_address(warehouse, monkeypatch):
    monkeypatch.setenv("ALERTS_OPS", "json://127.0.0.1:1/t0ken")
    dispatch(some_news([a_gap()], [an_event(a_gap())]), some_alerts(a_channel(), tries=1), warehouse)
    files = b"".join(file.read_bytes() for file in warehouse.parent.iterdir())
    assert b"t0ken" not in files
    assert b"no connection" in files
