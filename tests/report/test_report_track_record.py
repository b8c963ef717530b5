"""The track record: what was right, what was wrong, and that nothing scored is no success."""

import json
from dataclasses import replace

import jsonschema
import pytest
from sample_report import HOSTILE, the_report
from sample_track_record import EXPERIMENT, a_judged, a_track_record

from dagster_pipeline.register.calibration import Outcome
from dagster_pipeline.register.process import ProcessFigures
from dagster_pipeline.register.track_record import TrackRecord
from dagster_pipeline.report.calibration_view import calibration_view
from dagster_pipeline.report.documents import json_text, schema
from dagster_pipeline.report.html import render_html
from dagster_pipeline.report.summary import render_summary
from dagster_pipeline.report.track_record_document import track_record_document


def view(record):
    return calibration_view(the_report(track_record=record))


def document(record):
    found = json.loads(json_text(track_record_document(the_report(track_record=record))))
    jsonschema.validate(found, schema("track_record"))
    return found


def test_every_claim_is_counted_with_its_share_and_exact_interval():
    shown = {
        row.name: (row.scored, row.held, row.share, row.interval) for row in view(a_track_record()).tallies
    }
    assert shown["Healed estimate inside the predicted range"] == ("2", "1", "50.0%", "2.53% to 97.5%")
    assert shown["Nothing left after repair, and nothing came"] == ("1", "1", "100%", "5.00% to 100%")
    assert shown["Proven direction right"][:2] == ("2", "1")
    assert shown["Expected direction right"][:2] == ("1", "1")


def test_what_lay_outside_leads():
    marks = [row.mark.word for row in view(a_track_record()).outcomes]
    assert marks == ["outside", "inside"]


@pytest.mark.parametrize(
    "calibration", [(), (a_judged(Outcome(0.01, reason="The brief was changed since.")),)]
)
def test_nothing_scored_is_said_and_shows_no_share(calibration):
    shown = view(TrackRecord(calibration))
    assert shown.headline.startswith("Nothing is scored yet")
    assert shown.tallies == ()
    tallies = document(TrackRecord(calibration))["calibration"]["overall"]
    assert {tallies[name]["share"] for name in ("ranges", "points", "directions")} == {None}
    assert "100%" not in "".join(shown.lines)


def test_a_run_without_a_record_has_no_section_and_an_empty_file():
    report = the_report(track_record=None)
    assert calibration_view(report) is None
    assert "Track record" not in render_html(report)
    assert track_record_document(report)["process"] is None


def test_the_process_is_told_in_sentences():
    assert view(a_track_record()).process == (
        "From a gap's opening to the first decision after it that names it: 3.00 days at the median of 1 opening.",
        "2 escalations so far.",
        "Actions closed within 30 days of the decision: 1 of 2 (50.0%); 1 more within their 30 days.",
    )


def test_actions_that_are_not_due_are_no_success():
    record = a_track_record()
    young = replace(record.process, actions=record.process.actions[2:])
    assert view(replace(record, process=young)).process[-1] == (
        "Actions: none is judged yet; 1 within their 30 days."
    )
    assert document(replace(record, process=young))["process"]["actions"]["share_closed_in_time"] is None


def test_a_journal_that_cannot_be_read_leaves_actions_unknown():
    record = replace(a_track_record(), realised=(), journal_fault="line 3 is no entry")
    shown = view(record)
    assert "Whether actions were closed is not known." in shown.process
    assert any("line 3 is no entry" in note for note in shown.notes)
    assert document(record)["process"]["actions"] is None


def test_the_file_holds_every_prediction_and_effect_unrounded():
    found = document(a_track_record())
    first = found["calibration"]["predictions"][0]
    assert (first["experiment"], first["lower"], first["healed"], first["inside"]) == (
        EXPERIMENT,
        -0.01,
        0.004,
        True,
    )
    assert found["realised"][0]["error"] == -0.001
    assert found["process"]["gap_to_decision_seconds_median"] == 3 * 86_400
    assert [one["in_time"] for one in found["process"]["actions"]["list"]] == [True, False, None]


def test_without_actions_or_waits_only_escalations_are_told():
    assert view(TrackRecord(process=ProcessFigures(a_track_record().process.at))).process == (
        "0 escalations so far.",
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_record_does_nothing(text):
    report = the_report(track_record=a_track_record(text))
    page, summary = render_html(report), render_summary(report)
    assert "<script>alert" not in page
    assert "<svg onload" not in page
    assert "\x1b" not in page + summary
    section = summary.partition("## Track record")[2].partition("\n## ")[0]
    assert "<img" not in section
    assert "://" not in section
    jsonschema.validate(json.loads(json_text(track_record_document(report))), schema("track_record"))
