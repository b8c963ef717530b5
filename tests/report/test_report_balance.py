"""Row balance and unit joins: what was read is used, set aside or missing, and who reads the page is told."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sample_report import EXPERIMENT, HOSTILE, the_joins, the_report, the_sources
from test_report_page import Reading

from dagster_pipeline.engines.inspection import SourceInspection
from dagster_pipeline.engines.inspection import SourceStatus as Inspected
from dagster_pipeline.gaps.measurements import SourceFact
from dagster_pipeline.report.assemble import source_facts, unit_joins
from dagster_pipeline.report.balance_view import balance_view, unit_join_rows
from dagster_pipeline.report.html import render_html
from dagster_pipeline.report.model import SourceFacts, SourceStatus, UnitJoins
from dagster_pipeline.report.summary import balance_markdown, render_summary


def leaking(rows, name="quotes"):
    """The sample's sources, one of which lost so many rows (or has too many)."""
    return tuple(
        replace(s, canonical_rows=s.canonical_rows - rows) if s.name == name else s for s in the_sources()
    )


def row_of(shown, name):
    return next(row for row in shown.rows if row.name == name)


# --- row balance -------------------------------------------------------------------------------


def test_a_row_balance_that_adds_up_says_how_many_rows_became_what():
    shown = balance_view(the_sources())
    quotes = row_of(shown, "quotes")
    assert (quotes.total, quotes.used, quotes.balance.word) == ("126,431", "125,599", "adds up")
    assert quotes.set_aside == ("3 quarantined", "812 duplicate copies", "17 conflicting")
    assert shown.is_whole
    assert shown.headline == (
        "Every row is accounted for: of 171,051 rows read from 3 sources, 169,991 are used, and 1,060 are set aside "
        "for the reasons below."
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [(1, "1 row missing"), (9, "9 rows missing"), (-1, "1 row too many"), (-1_200, "1,200 rows too many")],
)
def test_a_row_that_vanished_is_in_the_table_and_in_the_first_sentence(rows, words):
    shown = balance_view(leaking(rows))
    mark = row_of(shown, "quotes").balance
    assert (mark.word, mark.tone) == (words, "bad")
    assert not shown.is_whole
    assert shown.headline == (
        f"The rows of quotes ({words}) do not add up, so no figure here can carry a decision until they do."
    )


def test_every_source_that_leaks_is_named():
    both = tuple(replace(s, canonical_rows=0) if s.name in ("quotes", "hires") else s for s in the_sources())
    assert balance_view(both).headline.startswith(
        "The rows of quotes (125,599 rows missing) and hires (4,392 rows missing) do not"
    )


def test_a_readable_source_nobody_counted_is_no_balance():
    shown = balance_view((SourceFacts("quotes", SourceStatus.OK),))
    assert (shown.rows[0].balance.word, shown.is_whole) == ("not counted", False)
    assert "quotes (not counted) do not add up" in shown.headline


def test_what_could_not_be_read_has_no_rows_and_is_never_said_to_add_up():
    shown = balance_view(tuple(s for s in the_sources() if s.status is not SourceStatus.OK))
    assert {row.balance.word for row in shown.rows} == {"nothing to count"}
    assert shown.headline == "No source could be read, so there are no rows to account for."


@pytest.mark.parametrize(
    ("used", "sentence"),
    [
        (5, "of 5 rows read from 1 source, 5 are used."),
        (4, "of 5 rows read from 1 source, 4 are used, and the other is set aside for the reasons below."),
        (1, "of 5 rows read from 1 source, 1 is used, and 4 are set aside for the reasons below."),
    ],
)
def test_the_sentence_counts_as_a_person_would(used, sentence):
    one = SourceFacts("quotes", SourceStatus.OK, 5, 5 - used, 0, 0, 0, 0, used)
    assert balance_view((one,)).headline == f"Every row is accounted for: {sentence}"


@pytest.mark.parametrize("render", [render_html, render_summary])
def test_page_and_summary_show_every_source_and_the_breach(render):
    report = replace(the_report(), sources=leaking(9))
    text = render(report) if render is render_summary else Reading(render(report)).text
    plain = text.replace("\\", "")
    assert "The rows of quotes (9 rows missing) do not add up" in plain
    assert "125,590" in plain
    for source in report.sources:
        assert source.name in plain
    assert "Where the rows went" in plain


def test_the_balance_in_markdown_is_one_table_of_all_sources():
    lines = balance_markdown(the_sources()).splitlines()
    assert lines[2] == "| Source | Read | Set aside | Used | Balance |"
    assert len(lines) == 4 + len(the_sources())
    assert lines[6] == "| hires | 4,410 | 12 duplicate copies, 6 without a parent | 4,392 | adds up |"


def test_the_summary_says_which_source_is_late(report):
    row = next(line for line in render_summary(report).splitlines() if line.startswith("| hires | 4,410"))
    assert row.endswith("| adds up | 2026-11-02 00:00 UTC, late |")


def test_hostile_names_keep_the_table_whole():
    rows = balance_markdown([SourceFacts(text, SourceStatus.UNREADABLE, note=text) for text in HOSTILE])
    for line in rows.splitlines()[2:]:
        assert len(re.findall(r"(?<!\\)\|", line)) == 6, line


def test_the_report_takes_the_counts_the_warehouse_made():
    fact = SourceFact("quotes", 10, 9, 1, 2, 3, 1, 3, None, is_stale=False)
    inspections = {
        "quotes": SourceInspection("quotes", Inspected.OK, relation_sql="q"),
        "dashboards": SourceInspection("dashboards", Inspected.OK, relation_sql="d"),
        "hires": SourceInspection("hires", Inspected.MISSING, row_error="no such file"),
    }
    build = SimpleNamespace(inspections=inspections)
    found = source_facts(build, SimpleNamespace(sources={"quotes": fact, "hires": fact}))
    assert [(s.name, s.rows_total, s.canonical_rows, s.unexplained) for s in found] == [
        ("quotes", 10, 3, 0), ("dashboards", None, None, None), ("hires", None, None, None),
    ]  # fmt: skip
    assert found[2].note == "no such file"


# --- unit joins --------------------------------------------------------------------------------


def test_how_many_requests_carry_their_units_id_and_joined_is_said_with_shares():
    (row,) = unit_join_rows(the_joins())
    assert (row.requests, row.with_key, row.assigned) == ("40,000", "39,200 (98.0%)", "37,584 (94.0%)")
    assert row.arms == (
        "37,580 by their assignment", "2,361 by the exposure logs", "4 tied between arms", "55 not known",
    )  # fmt: skip
    assert row.sentence == (
        "of 40,000 cohort requests 39,200 carry a customer id and 37,584 join an assignment; 2,361 take their arm from "
        "the exposure logs; 59 stay without a known arm."
    )


@pytest.mark.parametrize(
    ("joins", "sentence"),
    [
        (
            UnitJoins("x", "request", 2, 2, 2, {"assignment": 2}),
            "of 2 cohort requests 2 carry a request id and 2 join an assignment; all have an arm.",
        ),
        (
            UnitJoins("x", "session", 1, 1, 1, {"tie": 1}),
            "of 1 cohort request 1 carries a session id and 1 joins an assignment; 1 stays without a known arm.",
        ),
        (
            UnitJoins("x", "session", 0, 0, 0, {}),
            "there is no cohort request, so there is nothing to join.",
        ),
    ],
    ids=["all", "one", "none"],
)
def test_the_sentence_says_what_it_counts(joins, sentence):
    (row,) = unit_join_rows((joins,))
    assert row.sentence == sentence


@pytest.mark.parametrize("render", [render_html, render_summary])
def test_page_and_summary_show_the_joins_of_every_experiment(render):
    joins = (*the_joins(), UnitJoins("pricing", "session", 10, 0, 0, {"none": 10}))
    report = replace(the_report(), unit_joins=joins)
    text = render(report) if render is render_summary else Reading(render(report)).text
    assert "How requests found their arm" in text
    assert "39,200" in text
    assert "pricing" in text


def test_without_experiments_there_is_nothing_to_show(empty_report):
    assert "found their arm" not in render_html(empty_report)
    assert "found their arm" not in render_summary(empty_report)


def test_the_joins_are_read_from_the_warehouses_table_by_experiment():
    rows = (
        {"experiment_id": EXPERIMENT, "unit": "customer", "variant_source": "assignment", "n_requests": 8, "n_with_key": 8, "n_assigned": 8},
        {"experiment_id": EXPERIMENT, "unit": "customer", "variant_source": "none", "n_requests": 2, "n_with_key": 1, "n_assigned": 0},
    )  # fmt: skip
    experiments = (
        SimpleNamespace(id=EXPERIMENT, unit="customer"), SimpleNamespace(id="quiet", unit="request"),
    )  # fmt: skip
    settings = SimpleNamespace(experiments=experiments)
    found = unit_joins(settings, SimpleNamespace(tables={"unit_joins": rows}))
    assert found == (
        UnitJoins(EXPERIMENT, "customer", 10, 9, 8, {"assignment": 8, "none": 2}),
        UnitJoins("quiet", "request", 0, 0, 0, {}),
    )
    assert unit_joins(settings, SimpleNamespace(tables={})) == (), "not measured is not zero"
