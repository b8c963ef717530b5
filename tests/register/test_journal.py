"""The journal of people's acts: append-only, chained, and never silently less than was written."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.register import journal as journal_module
from dagster_pipeline.register.journal import Entry, append_entry, journal_path, read_journal

AT = datetime(2026, 11, 6, 9, 30, tzinfo=UTC)


def noted(path: Path, text: str, by: str = "Ada") -> Entry:
    return append_entry(
        path, kind="dissent", by=by, experiment="quoting_v2", content={"text": text, "share": 0.1}, at=AT
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return journal_path(tmp_path / "plumbline.yml")


@pytest.fixture
def three(path: Path) -> Path:
    for text in ("first", "second", "third"):
        noted(path, text)
    return path


def test_the_journal_lies_beside_its_configuration(tmp_path):
    assert journal_path(tmp_path / "eu.plumbline.yml") == tmp_path / "eu.plumbline.journal.jsonl"


def test_where_nobody_did_anything_there_is_no_entry(path):
    assert read_journal(path) == ()
    assert not path.exists()


def test_what_was_appended_is_read_back_in_order_and_chained(three):
    first, second, third = read_journal(three)
    assert [entry.content["text"] for entry in (first, second, third)] == ["first", "second", "third"]
    assert [entry.number for entry in (first, second, third)] == [1, 2, 3]
    assert (second.previous, third.previous) == (first.digest, second.digest)
    assert (first.at, first.by, first.experiment, first.content["share"]) == (AT, "Ada", "quoting_v2", 0.1)
    assert noted(three, "fourth") == read_journal(three)[-1]


def test_an_entry_without_a_date_is_of_now(path):
    before = datetime.now(UTC)
    entry = append_entry(path, kind="dissent", by="Ada", experiment=None, content={})
    assert before <= entry.at <= datetime.now(UTC)
    assert read_journal(path) == (entry,)


def rewritten(path: Path, change) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(change(lines)))


def rehashed(line: str, **changed) -> str:
    """The line with other values and a digest that fits them again."""
    fields = json.loads(line) | changed
    fields.pop("digest")
    return journal_module._signed_line(fields) + "\n"


CHANGES = {
    "a changed line": (2, lambda lines: [lines[0], lines[1].replace("second", "2nd"), lines[2]]),
    "a blank put in": (2, lambda lines: [lines[0], lines[1].replace('"by":', '"by": '), lines[2]]),
    "a key given twice": (2, lambda lines: [lines[0], lines[1].replace('{"at"', '{"by":"Bo","at"'), lines[2]]),
    "a changed line, hashed anew": (3, lambda lines: [lines[0], rehashed(lines[1], by="Bo"), lines[2]]),
    "a dropped line": (2, lambda lines: [lines[0], lines[2]]),
    "a dropped line, renumbered": (2, lambda lines: [lines[0], rehashed(lines[2], number=2)]),
    "a dropped first line": (1, lambda lines: lines[1:]),
    "an inserted line": (2, lambda lines: [lines[0], lines[0], *lines[1:]]),
    "an inserted blank line": (2, lambda lines: [lines[0], "\n", *lines[1:]]),
    "two lines in another order": (2, lambda lines: [lines[0], lines[2], lines[1]]),
    "a line cut off": (3, lambda lines: [*lines[:2], lines[2][:-30]]),
    "a number as text": (1, lambda lines: [rehashed(lines[0], number="1"), *lines[1:]]),
    "no JSON": (1, lambda lines: ["hello\n", *lines[1:]]),
    "a bottomless line": (1, lambda lines: ["[" * 100_000 + "\n", *lines[1:]]),
    "not a number": (1, lambda lines: [lines[0].replace("0.1", "NaN"), *lines[1:]]),
    "no date": (1, lambda lines: [rehashed(lines[0], at="soon"), *lines[1:]]),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_broken_chain_is_refused_naming_file_and_line(three, what):
    line, change = CHANGES[what]
    rewritten(three, change)
    with pytest.raises(NotEvaluatedError, match=rf"plumbline\.journal\.jsonl, line {line}: "):
        read_journal(three)
    before = three.read_bytes()
    with pytest.raises(NotEvaluatedError, match=f"line {line}: "):
        noted(three, "on top of it")
    assert three.read_bytes() == before


def test_a_line_of_another_encoding_is_refused(three):
    three.write_bytes(three.read_bytes().replace(b"third", b"th\xefrd"))
    with pytest.raises(NotEvaluatedError, match="line 3: "):
        read_journal(three)


def test_what_can_not_be_read_is_refused(path):
    path.mkdir()
    with pytest.raises(NotEvaluatedError, match=r"plumbline\.journal\.jsonl: can't be read"):
        read_journal(path)
    with pytest.raises(PlumblineError, match="can't be written"):
        noted(path, "lost")


def test_line_ends_of_another_system_or_a_missing_last_one_are_no_change(three):
    entries = read_journal(three)
    three.write_bytes(three.read_bytes().replace(b"\n", b"\r\n"))
    assert read_journal(three) == entries
    three.write_bytes(three.read_bytes().removesuffix(b"\r\n"))
    added = noted(three, "fourth")
    assert read_journal(three) == (*entries, added)


@pytest.mark.parametrize(
    "by",
    ['Ada"}\n{"number":2', "a\u2028b\x1b[31m", "<script>alert(1)</script>", "\u202eadA", "\ud800", "Zoë 张"],
)
def test_a_hostile_name_stays_data_on_one_line(path, by):
    noted(path, "first", by)
    noted(path, by)
    first, second = read_journal(path)
    assert (first.by, second.content["text"]) == (by, by)
    assert path.read_bytes().isascii()
    assert path.read_bytes().count(b"\n") == 2


def test_an_act_of_nobody_or_of_an_unknown_kind_is_refused(path):
    with pytest.raises(PlumblineError, match="Nobody is named"):
        noted(path, "first", by=" \t")
    with pytest.raises(
        PlumblineError, match="'singed' is nothing the journal records; allowed: brief_signed"
    ):
        append_entry(path, kind="singed", by="Ada", experiment=None, content={})
    assert not path.exists()


def test_content_that_is_no_plain_json_is_refused_and_leaves_no_entry(three):
    for value in (float("nan"), object()):
        with pytest.raises(PlumblineError, match="plain JSON"):
            append_entry(three, kind="dissent", by="Ada", experiment=None, content={"value": value})
    assert len(read_journal(three)) == 3


def test_two_processes_that_append_at_once_lose_nothing(path):
    code = (
        "import sys, pathlib\n"
        "from dagster_pipeline.register.journal import append_entry\n"
        "for n in range(15):\n"
        "    append_entry(pathlib.Path(sys.argv[1]), kind='dissent', by=sys.argv[2], experiment=None, content={'n': n})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("Ada", "Bo")]
    assert [writer.wait() for writer in writers] == [0, 0]
    entries = read_journal(path)
    for name in ("Ada", "Bo"):
        assert [entry.content["n"] for entry in entries if entry.by == name] == list(range(15))
    assert len(entries) == 30


def test_where_nothing_can_be_locked_nothing_is_written(three, monkeypatch):
    before = three.read_bytes()

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(journal_module.fcntl, "flock", no_locks)
    with pytest.raises(PlumblineError, match=r"can't be locked \(No locks available\)"):
        noted(three, "fourth")
    monkeypatch.setattr(journal_module, "fcntl", None)
    with pytest.raises(PlumblineError, match="has no file locks"):
        noted(three, "fourth")
    assert three.read_bytes() == before


def test_a_write_that_fails_half_way_leaves_the_chain_whole(three, monkeypatch):
    before, write = three.read_bytes(), journal_module.os.write
    calls = []

    def full_disk(descriptor: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:10])

    monkeypatch.setattr(journal_module.os, "write", full_disk)
    with pytest.raises(PlumblineError, match="No space left"):
        noted(three, "fourth")
    monkeypatch.undo()
    assert three.read_bytes() == before
