"""The summary, the register in Markdown and the terminal."""

import io
import itertools
import re
from dataclasses import replace

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
    assert (
        "| Late data | hires | 31.2% | 14.3% | Hired within 7 days: either way | 19.4% of the worst case | open | Data platform |"
        in rows[0]
    )


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_terminal_tells_register_verdict_reasons_and_where_the_report_is(report, tmp_path, width):
    text = printed(report, tmp_path, width)
    flat = re.sub(r"[\s│]+", " ", text)
    assert "Blocker" in flat
    assert "✕ HOLD quoting_v2" in flat
    assert "Spam flags are not mapped" in flat
    assert str(tmp_path / "report" / "index.html") in re.sub(r"\n", "", text)
    assert max(map(len, text.splitlines())) <= width


def register_rows(text):
    """The lines of each row of the register's table."""
    rows, marks = [], "■▲◆●○"
    for line in (line for line in text.splitlines() if line.startswith("│")):
        if line[2] in marks:
            rows.append([])
        rows[-1].append(line)
    return rows


@pytest.mark.parametrize(("width", "most"), [(100, 4), (140, 4), (80, 6)])
def test_a_gap_takes_few_lines_of_the_terminal(report, width, most):
    rows = register_rows(printed(report, width=width))
    assert len(rows) == 4
    assert [len(row) for row in rows if len(row) > most] == []


def test_the_terminal_shows_the_bias_that_changes_the_answer_first_and_counts_the_others(report):
    late = " ".join(
        " ".join(line.split("│")[4].split()) for line in register_rows(printed(report, width=140))[0]
    )
    assert late.startswith("Hired within 7 days: either way −7.12 to +6.98 pp (+1 metric)")
    assert late.endswith("Answer changes at 19.4% of the worst case")
    assert "Time to first quote" not in late


def test_the_deciding_bias_is_the_one_with_the_smallest_delta_star_wherever_it_stands(report):
    gap = report.gaps[0]
    turned = replace(report, gaps=(replace(gap, metrics=gap.metrics[::-1]), *report.gaps[1:]))
    assert printed(turned) == printed(report)


def test_reasons_on_the_terminal_name_gaps_by_what_they_are_not_by_id(report):
    reasons = [
        "HOLD: the data can not carry it.",
        "Open gap gap-0123456789ab (missing_variant, high): requests: 6% are left.",
        "Gap gap-0123456789ab is waived until 2026-11-20 00:00 UTC and does not block.",
        "The waiver of gap gap-0123456789ab expired on 2026-11-01.",
    ]
    verdict = dict(report.verdicts[0]) | {"reasons": reasons}
    text = printed(replace(report, verdicts=(verdict,)), width=140)
    assert "gap-0123456789ab" not in text
    assert "Open gap (Variant unknown, high): requests: 6% are left." in text
    assert "A gap is waived until 2026-11-20" in text
    assert "The waiver of a gap expired on" in text


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
