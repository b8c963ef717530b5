"""The summary of a job: everything that did not pass, harmless, and no longer than the system takes."""

import re
from pathlib import Path

from left_runs import NOW, a_gap, a_verdict, every_outcome, hostile, leave

from dagster_pipeline.exports.reading import Launch, read_run
from dagster_pipeline.exports.step_summary import ROOM, step_summary

MEBIBYTE = 1_048_576


def test_it_says_verdict_demands_gaps_and_what_did_not_pass(tmp_path: Path):
    text = step_summary(read_run(every_outcome(tmp_path), now=NOW))
    assert text.startswith("## ✕ HOLD for quoting_v2: launch blocked\n")
    for outcome in ("Passed", "Failed", "No data", "Out of date", "Not computed", "Waived"):
        assert f" {outcome} | -0.005 | 0.0042 | -0.0013 to 0.0097 | none to 0.01 |" in text
    assert "1 passed, 3 failed, 1 could not run." in text
    assert "6 open gaps: 1 blocker, 2 high, 1 medium, 1 low, 1 info." in text
    assert [f"gap-{number:012x}" in text for number in range(1, 8)] == [True] * 5 + [False, True]
    assert "| waived | Supply |" in text


def test_a_launch_that_is_allowed_says_so(tmp_path: Path):
    leave(tmp_path, verdicts=[a_verdict("PARTIAL", stage=10)])
    text = step_summary(read_run(tmp_path, Launch(stage=10), now=NOW))
    assert text.startswith("## ✓ PARTIAL for quoting_v2: launch allowed\n")


def test_a_run_that_was_not_evaluated_says_that_it_blocks(tmp_path: Path):
    text = step_summary(read_run(tmp_path, now=NOW))
    assert text.startswith("## ✕ Plumbline: not evaluated\n")
    assert "This blocks a launch." in text


def test_hostile_text_is_neither_markup_nor_a_cell_nor_a_heading(tmp_path: Path):
    text = step_summary(read_run(hostile(tmp_path), now=NOW))
    assert not re.search(r"<(?!/?$)[a-z!]", text)
    assert "@everyone" not in text
    assert "](" not in re.sub(r"\\[\[\]]", "", text)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert all(line.startswith(("## ✕ HOLD for ", "### Checks", "### Gaps")) for line in headings)
    for line in text.splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) == 7


def test_what_does_not_fit_is_counted(tmp_path: Path):
    room = 20_000
    gaps = [a_gap(number, description="ü" * 300) for number in range(1, 61)]
    text = step_summary(read_run(leave(tmp_path, gaps), now=NOW), room)
    shown = len(re.findall(r"^\| ▲ High \|", text, re.MULTILINE))
    [left] = re.findall(r"\*\*([\d,]+) more gaps do not fit here:\*\*", text)
    assert ROOM < MEBIBYTE
    assert len(text.encode("utf-8")) < room + 200
    assert shown > 10
    assert shown + int(left) == 60
