"""What is not exactly a finished run's is a fault and shows nothing; what is one is read whole."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from left_runs import NOW, a_gap, a_verdict, every_outcome, leave

from dagster_pipeline.exports.reading import Launch, read_run


def test_a_finished_run_is_read_whole(tmp_path: Path):
    run = read_run(every_outcome(tmp_path), now=NOW)
    assert (run.fault, run.exit_code, run.run_id) == (None, 0, "run-7")
    assert [found.stored.experiment for found in run.verdicts] == ["quoting_v2"]
    assert len(run.verdicts[0].criteria) == 6
    assert (len(run.gaps), len(run.unresolved), len(run.checks)) == (7, 6, 5)
    assert [gap.severity.value for gap in run.unresolved] == [
        "blocker", "high", "high", "medium", "low", "info",
    ]  # fmt: skip


def test_every_experiment_is_shown_once_and_the_first_first(tmp_path: Path):
    leave(tmp_path, verdicts=[a_verdict(experiment=name) for name in ("verdict", "a", "b")])
    assert [found.stored.experiment for found in read_run(tmp_path, now=NOW).verdicts] == [
        "verdict",
        "a",
        "b",
    ]


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_named_experiment_is_shown_alone(tmp_path: Path, name: str):
    leave(tmp_path, verdicts=[a_verdict(experiment="a"), a_verdict(experiment="b")])
    run = read_run(tmp_path, Launch(name), now=NOW)
    assert [found.stored.experiment for found in run.verdicts] == [name]


def test_stage_and_segments_are_asked_of_the_first_experiment_as_by_the_gate(tmp_path: Path):
    partial = [a_verdict("PARTIAL", name, stage=10) for name in ("a", "b")]
    run = read_run(leave(tmp_path, verdicts=partial), Launch(stage=10), now=NOW)
    assert [found.answer.exit_code for found in run.verdicts] == [0, 1]


def test_files_carried_here_without_their_record_are_read(tmp_path: Path):
    run = read_run(leave(tmp_path, [a_gap()], recorded=False), now=NOW)
    assert run.fault is None
    assert len(run.gaps) == 1


def break_nothing_there(out: Path) -> None:
    for path in (out / "register.json", out / "verdict.json", out / ".run.json"):
        path.unlink()


def break_still_going(out: Path) -> None:
    (out / ".run.json").write_text('{"state": "running", "run_id": "run-8"}', encoding="utf-8")


def break_register_gone(out: Path) -> None:
    (out / "register.json").unlink()


def break_register_changed(out: Path) -> None:
    text = (out / "register.json").read_text("utf-8")
    (out / "register.json").write_text(text.replace('"blocker"', '"info"'), encoding="utf-8")


def break_verdict_changed(out: Path) -> None:
    text = (out / "verdict.json").read_text("utf-8")
    (out / "verdict.json").write_text(text.replace("because", "so"), encoding="utf-8")


def break_verdict_cut(out: Path) -> None:
    (out / ".run.json").unlink()
    (out / "verdict.json").write_text((out / "verdict.json").read_text("utf-8")[:-5], encoding="utf-8")


@pytest.mark.parametrize(
    "breaking",
    [
        break_nothing_there,
        break_still_going,
        break_register_gone,
        break_register_changed,
        break_verdict_changed,
        break_verdict_cut,
    ],
)
def test_what_is_missing_changed_or_unfinished_is_a_fault_and_shows_nothing(tmp_path: Path, breaking):
    breaking(every_outcome(tmp_path))
    run = read_run(tmp_path, now=NOW)
    assert run.fault
    assert run.exit_code == 3
    assert (run.verdicts, run.gaps, run.checks) == ((), (), ())


def test_a_stale_run_shows_nothing(tmp_path: Path):
    run = read_run(every_outcome(tmp_path), now=NOW + timedelta(days=8))
    assert (run.exit_code, run.gaps) == (3, ())
    assert "stale" in (run.fault or "")


def test_a_limit_of_age_is_the_gates(tmp_path: Path):
    every_outcome(tmp_path)
    assert read_run(tmp_path, Launch(max_age=timedelta(minutes=30)), now=NOW).exit_code == 3
    assert read_run(tmp_path, Launch(max_age=timedelta(hours=2)), now=NOW).exit_code == 0


def test_an_unknown_experiment_is_wrong_usage(tmp_path: Path):
    run = read_run(every_outcome(tmp_path), Launch("other"), now=NOW)
    assert run.exit_code == 2
    assert "other" in (run.fault or "")


def test_a_verdict_the_run_recorded_and_that_is_gone_is_not_overlooked(tmp_path: Path):
    leave(tmp_path, verdicts=[a_verdict(experiment="a"), a_verdict(experiment="b")])
    (tmp_path / "verdicts" / "1.json").unlink()
    assert read_run(tmp_path, now=NOW).exit_code == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"as_of": "2026-11-05T00:00:00Z"},  # another run's
        {"gaps": []},  # lacks the gap that blocks
        {"gaps": "none"},
        {"gaps": [{"gap_id": "gap-000000000001"}]},
        {"checks": [{"suite": "x"}]},
        {"run_id": 7},
    ],
)
def test_a_register_that_is_not_the_verdicts_is_a_fault(tmp_path: Path, changes):
    verdict = a_verdict(blocked_by=["gap-000000000001"])
    leave(tmp_path, [a_gap(1)], verdicts=[verdict], recorded=False)
    assert read_run(tmp_path, now=NOW).fault is None

    leave(tmp_path, [a_gap(1)], verdicts=[verdict], recorded=False, register=changes)
    assert read_run(tmp_path, now=NOW).exit_code == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gap_id", "gap-1\n"),
        ("kind", "Stale <source>"),
        ("severity", "fine"),
        ("status", None),
        ("description", 7),
        ("share_affected", "0.1"),
        ("table", ["quotes"]),
        ("lifecycle", {"waiver": True}),
    ],
)
def test_a_gap_with_a_value_it_cannot_have_is_a_fault(tmp_path: Path, key: str, value):
    leave(tmp_path, [a_gap(1)], recorded=False)
    document = json.loads((tmp_path / "register.json").read_text("utf-8"))
    document["gaps"][0][key] = value
    (tmp_path / "register.json").write_text(json.dumps(document), encoding="utf-8")
    assert read_run(tmp_path, now=NOW).exit_code == 3


@pytest.mark.parametrize("text", ["", "[]", '{"gaps": [], "gaps": []}', '{"gaps": NaN}', "[" * 100_000])
def test_what_is_no_register_at_all_is_a_fault(tmp_path: Path, text: str):
    leave(tmp_path, recorded=False)
    (tmp_path / "register.json").write_text(text, encoding="utf-8")
    assert read_run(tmp_path, now=NOW).exit_code == 3
