"""Dry runs: in the warehouse they ran on, and in the journal that the launch is decided with."""

from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pytest

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.register.dry_runs import (
    RECORDED_BY,
    DryRun,
    append_dry_runs,
    journal_dry_runs,
    record_dry_runs,
)
from dagster_pipeline.register.journal import append_entry, read_journal
from dagster_pipeline.register.store import prepare

AT = datetime(2026, 10, 1, 9, 30, tzinfo=UTC)
GREEN = DryRun("run-1", AT, "quoting_v2", "3f" * 32, True, (), 12, 11, AT)
RED = replace(GREEN, run_id="run-2", is_green=False, reasons=("The source quotes is missing.",))


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "plumbline.journal.jsonl"


def test_a_journal_tells_what_was_recorded_in_it_by_whom(journal):
    record_dry_runs(journal, [GREEN, RED])
    entries = read_journal(journal)
    assert journal_dry_runs(entries) == (GREEN, RED)
    assert {(entry.by, entry.kind, entry.experiment) for entry in entries} == {
        (RECORDED_BY, "dry_run", "quoting_v2")
    }


@pytest.mark.parametrize("spoiled", [{}, {"is_green": True}, {"is_green": True, "as_of": "yesterday"}])
def test_a_dry_run_that_can_not_be_read_is_none(journal, spoiled):
    append_entry(journal, kind="dry_run", by="Ada", experiment="quoting_v2", content=spoiled, at=AT)
    append_entry(journal, kind="dissent", by="Ada", experiment="quoting_v2", content={"text": "no"}, at=AT)
    assert journal_dry_runs(read_journal(journal)) == ()


def test_only_true_is_green(journal):
    record_dry_runs(journal, [GREEN])
    content = dict(read_journal(journal)[0].content) | {"is_green": "yes"}
    append_entry(journal, kind="dry_run", by="Ada", experiment="quoting_v2", content=content, at=AT)
    assert [found.is_green for found in journal_dry_runs(read_journal(journal))] == [True, False]


def test_nothing_is_recorded_in_a_journal_whose_chain_is_broken(journal):
    record_dry_runs(journal, [GREEN])
    journal.write_text(journal.read_text("utf-8").replace("11", "12"), encoding="utf-8")
    with pytest.raises(NotEvaluatedError, match="line 1"):
        record_dry_runs(journal, [RED])


def test_the_warehouse_keeps_them_with_their_figures():
    with duckdb.connect() as session:
        prepare(session)
        append_dry_runs(session, [GREEN, RED])
        rows = session.execute(
            "select run_id, dry_run_at, is_green, reasons, monitored_fields from plumbline_register.dry_runs "
            "order by run_id"
        ).fetchall()
    naive = AT.replace(tzinfo=None)
    assert rows == [
        ("run-1", naive, True, "[]", 11),
        ("run-2", naive, False, '["The source quotes is missing."]', 11),
    ]
