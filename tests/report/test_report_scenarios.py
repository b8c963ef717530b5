"""scenarios.json, the page's section and the summary's lines: valid, escaped, and plain about what is no bound."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import jsonschema
import pytest
from sample_report import (
    EXPERIMENT,
    HIRES,
    HOSTILE,
    TTFQ,
    a_closed_row,
    a_row,
    a_rule,
    a_stand_in,
    the_report,
)

from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.contingencies import ContingencyName
from dagster_pipeline.gaps.scenarios import End
from dagster_pipeline.report.documents import schema
from dagster_pipeline.report.files import write_outputs
from dagster_pipeline.report.html import render_html
from dagster_pipeline.report.model import ExperimentScenarios
from dagster_pipeline.report.scenario_view import NO_SKEW, NOT_BOUNDS, NOTHING_OPEN, scenarios_views
from dagster_pipeline.report.summary import render_summary

MISSING = Outcome.MISSING


def a_report(*rows, stand_ins=(), experiment=EXPERIMENT, **fields):
    return the_report(scenarios=(ExperimentScenarios(experiment, rows, stand_ins),), **fields)


def written(report, folder):
    write_outputs(report, folder)
    document = json.loads((folder / "scenarios.json").read_text(encoding="utf-8"))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema("scenarios"), format_checker=checker).validate(document)
    return document


def test_the_file_tells_bounds_from_what_is_none(tmp_path):
    found = written(a_report(a_row(), a_closed_row(), stand_ins=(a_stand_in(),)), tmp_path)
    (experiment,) = found["experiments"]
    hires, ttfq = experiment["rules"]
    assert {case: hires["bounds"][case]["value"] for case in ("best", "base", "worst")} == {
        "best": 0.0229, "base": 0.005, "worst": -0.0135,
    }  # fmt: skip
    assert hires["bounds"]["worst"]["limit"] == -0.0189
    assert hires["scenarios_not_bounds"]["all_missing_in_treatment"]["value"] == 0.0033
    assert hires["unlabelled_requests"] == 2_400
    assert (ttfq["scenarios_not_bounds"], ttfq["is_open"]) == (None, False)
    assert experiment["contingencies"][0]["assumption"] == "Later hires come as they did before"


def test_the_whole_brief_answers_as_its_worst_rule(tmp_path):
    found = written(a_report(a_row(), a_closed_row()), tmp_path)
    assert found["experiments"][0]["answers"] == {
        "best": "passed", "base": "passed", "worst": "failed",
        "all_missing_in_treatment": "passed", "all_missing_in_control": "passed",
    }  # fmt: skip


def test_an_end_without_a_limit_is_null_with_a_reason(tmp_path):
    row = a_row(worst=End(None, None, MISSING), skew=None, unlabelled=0)
    found = written(a_report(row, stand_ins=(a_stand_in(value=None, reason="too few"),)), tmp_path)
    (experiment,) = found["experiments"]
    assert experiment["rules"][0]["bounds"]["worst"]["reason"] == "not available"
    assert experiment["answers"]["worst"] == "missing"
    assert experiment["answers"]["all_missing_in_control"] is None
    assert experiment["contingencies"][0]["reason"] == "too few"


def test_a_run_without_a_brief_has_no_experiments_to_play_through(empty_report, tmp_path):
    assert written(empty_report, tmp_path)["experiments"] == []
    assert "If the gaps went one way" not in render_html(empty_report)
    assert "If the gaps went one way" not in render_summary(empty_report)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("rules", 0, "bounds", "best", "outcome"), "GO"),
        (("rules", 0, "bounds", "worst", "limit"), "low"),
        (("rules", 0, "bounds", "worst", "value"), None),
        (("rules", 0, "scenarios_not_bounds", "dropped"), {}),
        (("rules", 0, "unlabelled_requests"), -1),
        (("answers", "best"), "waived"),
        (("contingencies", 0, "assumption"), None),
    ],
)
def test_the_schema_refuses_what_is_not_agreed(tmp_path, place, value):
    document = written(a_report(a_row(), stand_ins=(a_stand_in(),)), tmp_path)
    inner = document["experiments"][0]
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema("scenarios")).validate(document)


def test_the_page_shows_five_cases_and_says_which_two_are_no_bounds():
    html = render_html(a_report(a_row(), a_closed_row()))
    (view,) = scenarios_views(a_report(a_row(), a_closed_row()))
    assert view.cases == (
        "Best case", "Estimate", "Worst case", "All unknown in treatment", "All unknown in control",
    )  # fmt: skip
    assert html.count("scenario, not a bound</span>") == 2
    assert NOT_BOUNDS in html
    assert re.search(r"2 to 3% of simulated", html)
    for figure in ("+2.29 pp", "limit +2.82 pp", "−1.35 pp", "limit −1.89 pp", "+0.33 pp", "+0.61 pp"):
        assert figure in html, figure


def test_a_rule_that_nothing_leaves_open_is_said_to_be_as_estimated():
    (view,) = scenarios_views(a_report(a_row(), a_closed_row()))
    figures = [cell.figure for cell in view.rows[1].cells]
    assert figures == ["as estimated", "−17.9%", "as estimated", "as estimated", "as estimated"]


def test_where_nothing_is_open_a_sentence_stands_in_place_of_the_columns():
    report = a_report(a_closed_row())
    (view,) = scenarios_views(report)
    html = render_html(report)
    assert (view.cases, view.rows) == ((), ())
    assert NOTHING_OPEN in html
    assert NO_SKEW in html
    assert "Worst case" not in html


def test_without_requests_to_move_only_the_ends_are_shown():
    (view,) = scenarios_views(a_report(a_row(skew=None, unlabelled=0)))
    assert view.cases == ("Best case", "Estimate", "Worst case")
    assert view.notes == (NO_SKEW,)


def test_a_stand_in_is_named_with_its_range_its_gap_and_what_it_takes_for_granted():
    html = render_html(a_report(a_row(), stand_ins=(a_stand_in(),)))
    for text in ("3-day hires", "+0.44 pp (−0.10 to +0.98 pp)", "Late data in hires", "Later hires come"):
        assert text in html, text


def test_the_summary_spends_at_most_six_lines_on_it():
    rich = render_summary(a_report(a_row(), a_closed_row(), stand_ins=(a_stand_in(),)))
    plain = render_summary(the_report(scenarios=()))
    section = rich.split("## If the gaps went one way")[1].split("\n## ")[0]
    assert len(rich.splitlines()) - len(plain.splitlines()) <= 6
    assert "Worst case: 1 of 2 rules pass" in section
    assert "These two are scenarios, not bounds" in section
    assert "3-day hires" in section


def test_of_several_experiments_the_summary_gives_a_line_each():
    scenarios = tuple(ExperimentScenarios(name, (a_row(),)) for name in ("first", "second"))
    section = render_summary(the_report(scenarios=scenarios)).split("## If the gaps went one way")[1]
    assert re.findall(r"^- (\w+): Best case", section, re.MULTILINE) == ["first", "second"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_shown_as_text(text, tmp_path):
    row = a_row(rule=a_rule(text), variant=text, worst=End(None, None, MISSING, text))
    stand_in = a_stand_in(
        name=text, metric=text, variant=text, because=text, assumption=text, applies_to=(text,)
    )
    report = replace(a_report(row, stand_ins=(stand_in,), experiment=text), experiments=())
    html = render_html(report)
    assert "<script>alert" not in html
    assert "<svg onload" not in html
    assert "<img src=x" not in html
    assert "\x1b" not in html + render_summary(report)
    written(report, tmp_path)


def test_every_stand_in_there_is_has_a_name_for_people():
    for name in ContingencyName:
        (view,) = scenarios_views(a_report(a_row(), stand_ins=(a_stand_in(name=name.value),)))
        assert "_" not in view.contingencies[0].name
        assert view.contingencies[0].name != name.value.replace("_", " ")


def test_stand_ins_that_one_reason_keeps_from_being_computed_share_a_row():
    missing = [a_stand_in(metric=metric, value=None, reason="nobody said") for metric in (HIRES, TTFQ)]
    (view,) = scenarios_views(a_report(a_row(), stand_ins=(*missing, a_stand_in())))
    assert [row.label for row in view.contingencies] == [
        "Hired within 7 days · Time to first quote, median",
        "Hired within 7 days",
    ]
