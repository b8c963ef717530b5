"""How a run tells how far it is."""

import io
import sys

import pytest

from dagster_pipeline.commands.progress_view import shown
from dagster_pipeline.progress import Step, tell


class Terminal(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self):
        return True


def told(monkeypatch, stream, *, quiet=False):
    monkeypatch.setattr(sys, "stderr", stream)
    with shown(quiet=quiet):
        for step in Step:
            tell(step)
            tell(step, "a detail", 0.5)
    tell(Step.BUILD, "nobody listens any more")
    return stream.getvalue()


def test_elsewhere_than_on_a_terminal_each_step_is_one_plain_line(monkeypatch):
    lines = told(monkeypatch, io.StringIO()).splitlines()
    assert len(lines) == len(Step)
    assert [line.partition(" (")[0] for line in lines] == [
        f"[{i}/{len(Step)}] {step.value}" for i, step in enumerate(Step, start=1)
    ]
    assert not any("\x1b" in line for line in lines)


def test_on_a_terminal_it_is_a_bar_that_names_the_step(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    text = told(monkeypatch, Terminal())
    assert "\x1b[" in text
    assert Step.REPORT.value in text
    assert not text.startswith("[1/")


def test_quiet_says_nothing(monkeypatch):
    assert told(monkeypatch, Terminal(), quiet=True) == ""


def test_a_run_that_breaks_is_listened_to_no_longer(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    def breaking():
        with shown():
            tell(Step.INSPECT)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        breaking()
    before = stream.getvalue()
    tell(Step.BUILD)
    assert stream.getvalue() == before
