"""What stands beside a verdict on the page, in the summary and in the terminal: in words, with units, nothing left out."""

from __future__ import annotations

from copy import deepcopy

import pytest
from sample_report import a_dossier, the_report
from test_report_text import printed

from dagster_pipeline.report.html import render_html
from dagster_pipeline.report.prospects_view import prospects_views
from dagster_pipeline.report.summary import render_summary


def view(**changes):
    document = deepcopy(a_dossier()) | changes
    (found,) = prospects_views(the_report(dossiers=(document,)))
    return found


def test_every_part_is_told_in_words():
    found = view()
    assert found.changes == ("If quoting_v2 is repaired, the verdict would be GO.",)
    assert found.brief == ("Version aaaaaaaaaaaa is signed by quoting_v2 on 2026-11-01.",)
    assert found.readiness == (
        "A check watches 9 of 12 critical fields (75.0%; asked for are 80.0%).",
        "There was no dry run, says quoting_v2.",
    )
    (power,) = found.power
    assert (power.label, power.reading.word, power.detectable) == (
        "Hired within 7 days",
        "not enough data",
        "1.15 pp",
    )
    assert power.needed == "53,200 and 53,300"
    assert found.stages == (
        "1% for at least 24 h: started 2026-11-02 08:00 UTC",
        "10% for at least 3 days: not started",
    )
    assert found.switch[0] == "Switched off on 2026-11-03 08:00 UTC: hires fell, quoting_v2"
    assert "can't be judged: too few units" in found.switch[1]


def test_money_is_told_with_its_currency_and_an_end_without_limit_as_such():
    (value,) = view().value
    go = value.options[0]
    assert (go.name, go.is_best, go.expected) == ("GO, everywhere", True, "12,000 quo")
    assert "no limit" in go.region
    assert go.regret == "not known"
    assert not value.options[1].is_best


def test_the_inputs_of_the_value_are_shown_with_it():
    assert view().inputs == (
        "As the brief has it: over 28 days; one whole unit of hired within 7 days is worth 1,000,000 quo a day; an incident costs "
        "500,000 quo, with a chance of 10.0%; infrastructure takes 100 quo a day."
    )


def test_a_trade_off_without_segments_is_no_table():
    document = a_dossier()["tradeoff"][0]
    assert view().tradeoffs[0].rows[1].speed == "not measured"
    assert view(tradeoff=[document | {"points": document["points"][:1]}]).tradeoffs == ()


def test_what_the_brief_does_not_ask_for_is_left_out():
    bare = view(value=None, rollout=None, readiness=None, brief=None, tradeoff=[], power=[], changes=[])
    assert (
        bare.value,
        bare.stages,
        bare.readiness,
        bare.brief,
        bare.tradeoffs,
        bare.power,
        bare.changes,
    ) == ((),) * 7


def test_a_journal_that_could_not_be_read_is_said_where_readiness_would_stand():
    assert view(readiness=None, brief=None, unready=["line 2 is broken."]).readiness == ("line 2 is broken.",)


@pytest.mark.parametrize("render", [render_html, render_summary, printed])
def test_the_change_that_would_turn_the_verdict_is_on_every_medium(render):
    assert "is repaired, the verdict would be GO." in " ".join(render(the_report()).split())


def test_a_run_that_decided_on_no_experiment_has_nothing_beside_it():
    assert prospects_views(the_report(dossiers=(a_dossier() | {"experiment": None},))) == ()
