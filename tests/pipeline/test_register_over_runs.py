"""A gap keeps its identity from run to run; only what was looked at can be found to be gone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from line import Line, change_config, make_world, place_of, run_line

from dagster_pipeline.commands.decisions import published_log
from dagster_pipeline.commands.dissent import dissent
from dagster_pipeline.commands.run import DryRunRequest
from dagster_pipeline.commands.verify import verify
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.demo.faults import Faults, FileFault, break_file
from dagster_pipeline.demo.world import WorldSpec, generate
from dagster_pipeline.gate.readiness import REHEARSAL
from dagster_pipeline.register.brief_history import read_brief_history
from dagster_pipeline.register.decision_log import entry_document
from dagster_pipeline.register.dry_runs import journal_dry_runs
from dagster_pipeline.register.journal import journal_path, read_journal

pytestmark = pytest.mark.pipeline

SPEC = WorldSpec(requests=2_000, seed=31)
FAULTY = Faults(
    nulls={"quotes.price": 0.05, "messages.pro_id": 0.02},
    duplicates={"support_tickets": 0.1},
    conflicts={"hires": 0.05},
    orphans={"quotes": 0.03},
    stale={"hires": timedelta(days=4)},
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Line]:
    """Faulty; then, as a dry run, with requests gone, hires empty and the price column lost; then a clean dry run."""
    folder = tmp_path_factory.mktemp("three runs")
    config = folder / "plumbline.yml"
    make_world(folder, SPEC, FAULTY)
    found = {"faulty": run_line(config, output=folder / "out1")}
    _take_away(folder)
    dissent(config, "Bo Lind", "The guardrail is too wide.", None)
    found["blind"] = run_line(config, output=folder / "out2", readiness=DryRunRequest())
    generate(SPEC, folder)
    found["clean"] = run_line(config, output=folder / "out3", readiness=DryRunRequest())
    return found


def _take_away(folder: Path) -> None:
    break_file(folder / "requests.parquet", FileFault.MISSING)
    break_file(folder / "hires.parquet", FileFault.EMPTY)
    with duckdb.connect() as connection:
        connection.execute(f"create table t as select * exclude (price) from '{folder}/quotes.parquet'")
        connection.execute(f"copy t to '{folder}/quotes.parquet' (format parquet)")


def by_id(gaps: list[dict]) -> dict[str, dict]:
    return {gap["gap_id"]: gap for gap in gaps}


ORPHANED = {
    ("orphan_rows", table, None) for table in ("quotes", "quote_events", "hires", "messages", "assignments")
}
UNSEEN = ORPHANED | {
    ("missing_values", "quotes", "price"),
    ("conflicting_keys", "hires", None),
}


def test_what_could_not_be_looked_at_again_stays_open_with_its_id_and_says_so(runs):
    first, second = by_id(runs["faulty"].gaps), by_id(runs["blind"].gaps)
    unseen = {gap_id for gap_id, gap in first.items() if place_of(gap) in UNSEEN}
    assert {place_of(first[gap_id]) for gap_id in unseen} == UNSEEN
    for gap_id in unseen:
        assert second[gap_id]["severity_reason"].startswith("Not measured in this run"), place_of(
            first[gap_id]
        )
        assert second[gap_id]["rows_affected"] == first[gap_id]["rows_affected"]
        assert second[gap_id]["severity"] == first[gap_id]["severity"]
        assert second[gap_id]["last_seen"] == first[gap_id]["last_seen"]


def test_what_is_seen_again_is_the_same_gap_with_a_new_date(runs):
    for table, column, kind in (
        ("messages", "pro_id", "missing_values"),
        ("support_tickets", None, "duplicate_rows"),
    ):
        before, after = runs["faulty"].gap(kind, table, column), runs["blind"].gap(kind, table, column)
        assert before["gap_id"] == after["gap_id"]
        assert before["rows_affected"] == after["rows_affected"]
        assert after["first_seen"] == before["first_seen"] == before["last_seen"] < after["last_seen"]


def test_nothing_is_resolved_by_looking_away(runs):
    assert runs["blind"].resolved == []
    assert runs["blind"].places() >= runs["faulty"].places()
    lost = runs["blind"].places() - runs["faulty"].places()
    assert lost == {
        ("not_evaluated", "requests", None), ("not_evaluated", "hires", None), ("schema_change", "quotes", "price"),
    }  # fmt: skip


def test_every_gap_that_a_later_run_finds_gone_is_listed_as_resolved(runs):
    assert runs["clean"].gaps == []
    resolved = by_id(runs["clean"].resolved)
    assert set(resolved) == set(by_id(runs["blind"].gaps))
    for gap_id, gap in resolved.items():
        before = by_id(runs["blind"].gaps)[gap_id]
        assert gap["first_seen"] == before["first_seen"]
        assert gap["rows_affected"] in (0, None)
        assert f"It was {before['severity']}" in gap["severity_reason"]
        assert gap["metrics"] == []


def test_the_history_of_every_run_is_kept_in_the_warehouse(runs):
    warehouse = runs["clean"].config.parent / ".plumbline" / "warehouse.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        told = connection.execute(
            "select run_id, gaps_unresolved from plumbline_register.runs order by run_number"
        ).fetchall()
        events = dict(
            connection.execute(
                "select event, count(*) from plumbline_register.gap_events group by event"
            ).fetchall()
        )
    assert told == [(line.register["run_id"], len(line.gaps)) for line in runs.values()]
    assert events["opened"] == events["resolved"] == len(runs["blind"].gaps)


@pytest.mark.matrix
def test_a_new_threshold_changes_the_judgement_and_not_the_identity(runs, tmp_path):
    folder = tmp_path
    make_world(folder, SPEC, Faults(nulls={"quotes.price": 0.05}))
    change_config(
        folder / "plumbline.yml",
        lambda config: (config.pop("brief"), config.update(thresholds={"null_share": 0.2})),
    )
    line = run_line(folder / "plumbline.yml")
    gap = line.gap("missing_values", "quotes", "price")
    assert gap["gap_id"] == runs["faulty"].gap("missing_values", "quotes", "price")["gap_id"]
    assert gap["severity"] == "info"
    passed = [
        c for c in line.register["checks"] if (c["table"], c["column"]) == ("quotes", "price") and c["gap_id"]
    ]
    assert [check["status"] for check in passed] == ["passed"]
    assert line.verdict["verdict"] == "HOLD"
    assert "brief" in " ".join(line.verdict["reasons"])


def test_every_decision_and_every_act_is_in_a_log_that_is_whole(runs, capsys):
    config = runs["clean"].config
    entries, _ = published_log(load_config(config))
    told = [(entry.run_id, entry.kind) for entry in entries]
    first, second, third = (line.register["run_id"] for line in runs.values())
    assert told == [
        (first, "decision"), (second, "dissent"), (second, "decision"), (third, "dry_run"), (third, "decision"),
    ]  # fmt: skip
    decisions = [entry_document(entry) for entry in entries if entry.kind == "decision"]
    assert [document["verdict"] for document in decisions] == [line.verdict for line in runs.values()]
    assert [len(document["dissent"]) for document in decisions] == [0, 1, 1]
    assert verify(config, runs["clean"].output) == 0
    assert verify(config, runs["blind"].output) == 3, "not the last run's folder"
    assert "Whole." in capsys.readouterr().out


def test_a_logged_decision_names_the_data_it_was_made_on(runs):
    entries, _ = published_log(load_config(runs["clean"].config))
    last = entry_document(entries[-1])["data_snapshot"]
    rows = {source["source"]: source["rows"] for source in last["sources"]}
    assert {name: rows[name] for name in ("requests", "hires")} == {
        name: runs["clean"].source(name).rows_total for name in ("requests", "hires")
    }
    assert all(len(source["digest"]) == 64 for source in last["sources"] if source["rows"])


def test_a_dry_run_decides_nothing_and_is_on_record_with_what_it_lacked(runs):
    red, green = journal_dry_runs(read_journal(journal_path(runs["clean"].config)))
    assert (red.run_id, green.run_id) == tuple(runs[name].register["run_id"] for name in ("blind", "clean"))
    assert (red.is_green, green.is_green) == (False, True), green.reasons
    assert {"The source requests is missing.", "The source hires is empty."} <= set(red.reasons)
    assert runs["clean"].verdict["verdict"] == runs["blind"].verdict["verdict"] == "HOLD"
    assert any(REHEARSAL in reason for reason in runs["clean"].verdict["reasons"])
    assert runs["clean"].outcome.dry_runs == (green,)


def test_the_briefs_of_every_run_are_kept_with_whether_they_saw_data(runs):
    with duckdb.connect(
        str(runs["clean"].config.parent / ".plumbline" / "warehouse.duckdb"), read_only=True
    ) as connection:
        history = read_brief_history(connection)
    assert [brief.run_id for brief in history] == [line.register["run_id"] for line in runs.values()]
    assert [brief.saw_data for brief in history] == [True, False, True]
    assert len({brief.version for brief in history}) == 1
