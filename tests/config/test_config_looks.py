"""How often an experiment's results are looked at: once or daily."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

END = datetime(2026, 10, 29, tzinfo=UTC)


def experiment(load, example, looks=""):
    old = "    unit: request\n"
    assert old in example
    return load(example.replace(old, f"{old}    looks: {looks}\n" if looks else old)).experiments[0]


def test_unsaid_it_is_daily_until_the_window_ends_and_once_from_then_on(load, example):
    found = experiment(load, example)
    assert found.looks is None
    assert found.is_looked_at_daily(END - timedelta(seconds=1))
    assert not found.is_looked_at_daily(END)


@pytest.mark.parametrize(("looks", "daily"), [("once", False), ("daily", True)])
def test_what_is_said_holds_before_and_after_the_windows_end(load, example, looks, daily):
    found = experiment(load, example, looks)
    assert found.is_looked_at_daily(END - timedelta(days=20)) is daily
    assert found.is_looked_at_daily(END + timedelta(days=20)) is daily


def test_without_a_window_there_is_no_end_to_look_until(load, example):
    text = example.replace("    window: {start: 2026-10-01, end: 2026-10-29}\n", "")
    assert text != example
    assert not experiment(load, text).is_looked_at_daily(END)


@pytest.mark.parametrize("value", ["weekly", "true", "[once]", "2"])
def test_anything_else_is_refused_with_file_line_key_and_what_is_allowed(refused, example, value):
    text = example.replace("    unit: request\n", f"    unit: request\n    looks: {value}\n")
    line = text[: text.index("looks:")].count("\n") + 1
    (problem,) = [found for found in refused(text) if "looks" in found]
    for words in (f"line {line}", "experiments[0].looks", "must be one of once, daily"):
        assert words in problem
