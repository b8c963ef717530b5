"""The summary, the register in Markdown and the terminal."""

import io
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sample_report import HOSTILE

from dagster_pipeline.report.escape import csv_text, markdown_text, visible
from dagster_pipeline.report.summary import register_markdown, render_summary
from dagster_pipeline.report.terminal import render_register


def printed(report, output=None, width=100, colour=False):
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colour, no_color=not colour)
    console.print(render_register(report, output))
    return stream.getvalue()


def test_the_summary_follows_the_page(report):
    text = render_summary(report)
    parts = [
        "# Expand the new quoting workflow now", "## HOLD: quoting_v2", "cannot carry a launch",
        "| Demand | Result |", "### What would change the answer", "## Gap register: 1 blocker",
        "| Blocker | Late data, hires", "### Resolved", "**Checks:** 1 passed", "## What is absent",
    ]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize("render", [render_summary, lambda report: register_markdown(report.gaps)])
def test_a_table_keeps_its_columns_whatever_is_in_it(hostile_report, render):
    lines = render(hostile_report).splitlines()
    for before, rule in itertools.pairwise(lines):
        if re.fullmatch(r"\|(---\|)+", rule):
            columns = rule.count("---")
            start = lines.index(before)
            rows = [line for line in lines[start:] if line.startswith("|")]
            for row in (before, *rows):
                if not row.startswith("|---"):
                    assert len(re.findall(r"(?<!\\)\|", row)) == columns + 1 or row.count("---"), row
            break
    else:
        pytest.fail("no table was found")


def test_no_markup_of_a_hostile_value_survives_in_markdown(hostile_report):
    text = render_summary(hostile_report)
    assert "<script" not in text
    assert "<img" not in text
    assert not re.search(r"(?<!\\)\[link\]|(?<!\\)`rm|(?<!\\)\*\*bold", text)
    assert "://" not in text
    assert "@everyone" not in text


def test_an_empty_register_is_a_sentence():
    assert register_markdown(()) == "No gaps.\n"


def test_the_register_in_markdown_lists_the_worst_first(report):
    rows = register_markdown(report.gaps).splitlines()[2:]
    assert [row.split(" | ")[0].strip("| ") for row in rows][:4] == ["Blocker", "High", "Medium", "Low"]
    assert "| Late data | hires | 31.2% | 14.3% | 19.4% of the worst case | open | Data platform |" in rows[0]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_terminal_tells_register_verdict_reasons_and_where_the_report_is(report, tmp_path, width):
    text = printed(report, tmp_path, width)
    flat = re.sub(r"[\s│]+", " ", text)
    assert "Blocker" in flat
    assert "✕ HOLD quoting_v2" in flat
    assert "Spam flags are not mapped" in flat
    assert str(tmp_path / "report" / "index.html") in re.sub(r"\n", "", text)
    assert max(map(len, text.splitlines())) <= width


def test_no_value_can_steer_the_terminal(hostile_report):
    text = printed(hostile_report, colour=True)
    assert set(re.findall(r"\x1b\[[0-9;]*(.)", text)) <= {"m"}
    assert "\x1b[31mred" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\u202e\u200b]", text)
    assert "[bold red]markup[/]" in text, "markup is shown, not obeyed"


@given(st.text())
def test_visible_text_is_one_printable_line(text):
    shown = visible(text)
    assert shown.isprintable()
    assert len(shown) <= 300


@given(st.text(), st.sampled_from(["", " ", "\t", "\n"]), st.sampled_from("=+-@"))
def test_no_text_is_ever_a_formula(rest, lead, sign):
    assert csv_text(lead + sign + rest).startswith("'")


@given(st.text())
def test_markdown_text_has_no_bare_mark(text):
    escaped = markdown_text(text)
    assert not re.search(r"[<>\n\r]", escaped)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`|*\[\]]", re.sub(r"\\[\\`*\[\]~#|_]", "", escaped))


def test_ordinary_words_are_left_as_they_are():
    assert markdown_text("hire_rate_7d fell by 0.5 pp, at most") == "hire_rate_7d fell by 0.5 pp, at most"
    assert csv_text("quotes.variant") == "quotes.variant"
    assert len(HOSTILE) == len(set(HOSTILE))
