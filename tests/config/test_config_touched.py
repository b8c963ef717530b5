"""The requests that an experiment's launch could reach: column of requests → values."""

from __future__ import annotations

import pytest

OLD = "    unit: request\n"


def written(example, touched):
    assert OLD in example
    return example.replace(OLD, f"{OLD}    touched: {touched}\n")


def test_unsaid_the_launch_reaches_nobody_in_particular(load, example):
    assert load(example).experiments[0].touched == {}


def test_it_names_values_of_columns_of_requests_as_the_column_has_them(load, example):
    found = load(written(example, "{category: [moving, 'DJ '], geo: [nyc]}")).experiments[0]
    assert found.touched == {"category": ("moving", "DJ "), "geo": ("nyc",)}


@pytest.mark.parametrize(
    ("touched", "key", "words"),
    [
        ("{kategory: [moving]}", "touched.kategory", "did you mean 'category'"),
        ("{created_at: [2026-10-01]}", "touched.created_at", "must be a column of requests"),
        ("{category: []}", "touched.category", "names no value"),
        ("{category: moving}", "touched.category", "list"),
        ("[moving]", "touched", "mapping"),
    ],
)
def test_what_names_no_requests_is_refused_with_line_and_key(refused, example, touched, key, words):
    text = written(example, touched)
    line = text[: text.index("touched:")].count("\n") + 1
    (problem,) = [found for found in refused(text) if "touched" in found]
    for expected in (f"line {line}", f"experiments[0].{key}", words):
        assert expected in problem


def test_without_a_window_there_is_no_before_and_after(refused, example):
    text = written(example, "{category: [moving]}")
    text = text.replace("    window: {start: 2026-10-01, end: 2026-10-29}\n", "")
    (problem,) = [found for found in refused(text) if "touched" in found]
    assert "needs a window" in problem
