"""The decision log: appended to, chained, and every change to it found."""

from dataclasses import fields, replace
from datetime import timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.register.decision_log import (
    DecisionRecord,
    RecordedRun,
    append_decisions,
    broken_links,
    entry_digest,
    entry_document,
    read_log,
    recorded_runs,
    unlogged_runs,
)
from dagster_pipeline.register.journal import read_journal
from dagster_pipeline.register.store import RunRecord, append_run, prepare
from tests.register.log_cases import AS_OF, AT, EXPERIMENT, a_record, objects

HOSTILE = "x'); drop table plumbline_register.decision_log; --\n\x00 \ud800 ü"


@pytest.fixture
def session():
    connection = duckdb.connect()
    prepare(connection)
    yield connection
    connection.close()


def one_run(session, number, records=None, journal=()):
    run_id, at = f"run-{number}", AT + timedelta(days=number)
    records = [a_record(run_id=run_id)] if records is None else records
    found = append_decisions(session, run_id, at, records, journal)
    verdicts = {record.experiment or "": "HOLD" for record in records}
    append_run(session, RunRecord(run_id, AS_OF, at, (), verdicts=verdicts))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four runs, with two objections on the way: entries, journal, runs."""
    path = tmp_path_factory.mktemp("journal") / "plumbline.journal.jsonl"
    with duckdb.connect() as session:
        prepare(session)
        for number in range(4):
            if number in (1, 3):
                objects(path, f"objection {number}")
            one_run(session, number, journal=read_journal(path))
        return read_log(session), read_journal(path), recorded_runs(session)


def test_what_is_appended_is_read_back_and_whole(session):
    first, second = one_run(session, 1), one_run(session, 2)
    assert read_log(session) == (*first, *second)
    assert [entry.number for entry in read_log(session)] == [1, 2]
    assert broken_links(read_log(session), (), recorded_runs(session)) == ()


def test_text_of_any_kind_is_kept_and_does_no_harm(session):
    record = DecisionRecord(HOSTILE, HOSTILE, {"title": HOSTILE, "value": float("inf")})
    one_run(session, 1, [record])
    (entry,) = read_log(session)
    assert entry_document(entry) == {"title": HOSTILE.replace("\ud800", "?"), "value": None}
    assert broken_links((entry,), (), recorded_runs(session)) == ()


def test_each_act_of_the_journal_is_copied_once_before_the_decision_of_its_run(whole):
    entries, journal, _ = whole
    assert [entry.kind for entry in entries] == [
        "decision",
        "dissent",
        *["decision"] * 2,
        "dissent",
        "decision",
    ]
    copied = [entry_document(entry) for entry in entries if entry.kind == "dissent"]
    assert [copy["digest"] for copy in copied] == [entry.digest for entry in journal]
    assert copied[0]["content"] == {"text": "objection 1"}
    assert broken_links(*whole) == ()


def test_nobody_decides_by_writing_a_decision_into_the_journal(session, tmp_path):
    objects(tmp_path / "plumbline.journal.jsonl")
    forged = replace(read_journal(tmp_path / "plumbline.journal.jsonl")[0], kind="decision")
    one_run(session, 1, [], journal=[forged])
    assert read_log(session) == ()


def test_a_run_without_an_experiment_is_logged_too(session):
    one_run(session, 1, [DecisionRecord(None, "No experiment", {})])
    assert read_log(session)[0].experiment is None
    assert broken_links(read_log(session), (), recorded_runs(session)) == ()


def changed(value):
    """Another value of the same type."""
    if value is None:
        return "somebody"
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1] != "0" else "1") if value else "x"
    return value + (timedelta(microseconds=1) if hasattr(value, "year") else 1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_change_to_any_field_of_any_entry_is_found(whole, data):
    entries, journal, runs = whole
    place = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from([field.name for field in fields(entries[0])]))
    spoiled = replace(entries[place], **{field: changed(getattr(entries[place], field))})
    tampered = (*entries[:place], spoiled, *entries[place + 1 :])
    found = broken_links(tampered, journal, runs)
    assert any(str(spoiled.number) in sentence for sentence in found)


@pytest.mark.parametrize("place", range(6))
def test_an_entry_that_was_removed_is_missed_also_the_last_one(whole, place):
    entries, journal, runs = whole
    assert broken_links((*entries[:place], *entries[place + 1 :]), journal, runs)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_entries_that_were_swapped_or_put_in_are_found(whole, data):
    entries, journal, runs = whole
    one, other = data.draw(st.lists(st.integers(0, len(entries) - 1), min_size=2, max_size=2, unique=True))
    swapped = list(entries)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    assert broken_links(swapped, journal, runs)
    doubled = [*entries[:one], entries[other], *entries[one:]]
    assert broken_links(doubled, journal, runs)


def test_a_forged_entry_at_the_end_is_found_where_it_is_no_act_of_the_journal(whole):
    entries, journal, runs = whole
    last = entries[-1]
    forged = replace(entries[1], number=last.number + 1, previous=last.digest, document='{"digest": "ff"}')
    forged = replace(forged, digest=entry_digest(forged))
    assert "no longer there or was changed" in " ".join(broken_links((*entries, forged), journal, runs))


def relinked(entries):
    """The same entries with every digest computed anew, as somebody with the source would."""
    digest, found = "0" * 64, []
    for entry in entries:
        linked = replace(entry, previous=digest)
        digest = entry_digest(linked)
        found.append(replace(linked, digest=digest))
    return tuple(found)


def test_a_chain_that_was_computed_anew_still_misses_what_was_said_and_decided(whole):
    entries, journal, runs = whole
    spoiled = [replace(e, document=e.document.replace("objection 1", "agreed")) for e in entries]
    assert any("entry 1 of the journal" in s for s in broken_links(relinked(spoiled), journal, runs))
    shorter = relinked(replace(e, number=i) for i, e in enumerate(entries[:-1], start=1))
    assert broken_links(shorter, journal, runs) == (
        f"The decision of run run-3 on '{EXPERIMENT}' is missing: an entry was removed.",
    )


def test_what_was_cut_off_the_journal_is_missed(whole):
    entries, journal, runs = whole
    assert len(broken_links(entries, journal[:1], runs)) == 1
    assert len(broken_links(entries, (), runs)) == 2
    assert broken_links(entries, None, runs) == (), "a journal that is not at hand is not held against it"


def test_runs_of_a_time_without_a_log_are_counted_and_not_missed(whole):
    entries, journal, runs = whole
    earlier = (RecordedRun("run-before", (EXPERIMENT,)), *runs)
    assert broken_links(entries, journal, earlier) == ()
    assert (unlogged_runs(entries, earlier), unlogged_runs(entries, runs)) == (1, 0)


def test_a_row_that_was_emptied_is_read_and_found(session):
    one_run(session, 1)
    one_run(session, 2)
    session.execute(
        "update plumbline_register.decision_log set document = null, entry_at = null, digest = null "
        "where entry_number = 1"
    )
    found = broken_links(read_log(session), (), recorded_runs(session))
    assert any("Entry 1 (decision)" in sentence for sentence in found)
    assert any("Entry 2 does not continue" in sentence for sentence in found)


def test_a_run_that_can_not_be_read_is_said(session):
    one_run(session, 1)
    session.execute("update plumbline_register.runs set verdicts = 'x'")
    with pytest.raises(NotEvaluatedError, match="run-1"):
        recorded_runs(session)
