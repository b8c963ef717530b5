"""The page: says what matters, escapes what is hostile, loads nothing."""

import html.parser
import re
from dataclasses import replace

import pytest
from sample_report import ARM, HOSTILE, a_verdict, the_gaps, the_metrics, the_report

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gaps.model import GapStatus
from dagster_pipeline.report.html import render_html
from dagster_pipeline.report.page import page
from dagster_pipeline.report.words import DIRECTION, OUTCOME, SEVERITY, SOURCE_STATUS, STATUS

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reading(html.parser.HTMLParser):
    """A strict reader: tags must close in order; keeps tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.texts, self.ids = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(params=["report", "hostile_report", "empty_report"])
def any_report(request):
    return request.getfixturevalue(request.param)


def test_the_page_is_well_formed_and_loads_and_runs_nothing(any_report):
    reading = Reading(render_html(any_report))
    assert not {"script", "iframe", "object", "embed", "img", "form", "base"} & set(reading.tags)
    for tag, name, value in reading.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "src", "action", "xlink:href"):
            assert value.startswith(("#", "../", "runbooks/", "data:image/svg+xml,")), (tag, value)
    assert "@import" not in render_html(any_report)
    assert "url(" not in render_html(any_report)
    policies = [v for tag, name, v in reading.attributes if tag == "meta" and name == "content"]
    assert policies[0].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_hostile_text_is_shown_and_does_nothing(hostile_report):
    text = render_html(hostile_report)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\u200b\ud800]", text)
    assert "49" not in Reading(text).text, "a value was run as a template"
    assert "x" * 700 not in text


def test_every_anchor_leads_somewhere_and_every_id_is_used_once(report):
    reading = Reading(render_html(report))
    assert len(reading.ids) == len(set(reading.ids))
    targets = {v[1:] for _, name, v in reading.attributes if name == "href" and v.startswith("#")}
    assert targets <= set(reading.ids)


def test_tables_have_headers_captions_and_pictures_have_words(report):
    reading = Reading(render_html(report))
    assert reading.tags.count("table") == reading.tags.count("caption") == reading.tags.count("thead")
    labels = [v for tag, name, v in reading.attributes if tag == "svg" and name == "aria-label"]
    assert len(labels) == 3, "the fourth criterion has no figure to draw"
    assert all("estimate" in label and "interval" in label for label in labels)


@pytest.mark.parametrize("verdict", ["GO", "PARTIAL", "HOLD"])
def test_the_verdict_and_its_reason_come_first_in_words(verdict):
    document = a_verdict(verdict, reasons=[f"{verdict}: because of this.", "And that."])
    text = Reading(render_html(the_report(verdicts=(document,)))).text
    start = text.index(f"{verdict} quoting_v2")
    assert start < text.index("Because of this.") < text.index("And that.") < text.index("Gap register")


def test_a_partial_says_what_it_allows():
    document = a_verdict("PARTIAL", segments=["category=plumbing", "category=roofing"], stage="10%")
    text = Reading(render_html(the_report(verdicts=(document,)))).text
    assert "only where category=plumbing or category=roofing, no further than stage “10%”" in text


def test_the_register_is_sorted_by_severity_and_keeps_notes_and_the_resolved_apart(report):
    shown = page(replace(report, gaps=tuple(reversed(report.gaps))))
    assert [gap.severity.word for gap in shown.gaps] == ["Blocker", "High", "Medium", "Low"]
    assert [gap.title for gap in shown.notes] == ["Rows without a parent", "Could not be evaluated"]
    assert [gap.title for gap in shown.resolved] == ["Conflicting rows for one key"]
    assert shown.gaps_by_severity == "1 blocker, 1 high, 1 medium, 1 low, 2 info"


def test_a_gap_s_row_tells_size_repair_arms_bias_and_headroom(report):
    row = next(gap for gap in page(report).gaps if gap.title == "Variant unknown")
    assert (row.affected, row.residual, row.rows) == ("18.0%", "6.02%", "7,214 of 40,000")
    assert [(arm.variant, arm.share) for arm in row.arms] == [("control", "5.20%"), ("treatment", "6.84%")]
    assert row.differential
    first, second = row.biases
    assert (first.mark.word, first.size, first.note) == (
        "either way",
        "−0.90 to +1.80 pp",
        "most likely flatters",
    )
    assert (second.mark.word, second.size) == ("flatters", "+0.40 to +2.10 pp")
    assert row.headroom == "71.0% of the worst case"
    assert "differs by arm" in Reading(render_html(report)).text


def test_what_would_change_the_answer_names_figures_and_the_break_even(report):
    changes = page(report).decisions[0].changes
    assert changes[0].startswith("Hired within 7 days (treatment) may fall by at most 0.5 pp")
    assert "Spam flags per 1,000 quotes (treatment) could not be judged (no data)" in changes[1]
    assert "Late data in hires: 19.4% of the worst case would change the answer" in changes[2]
    assert "The answer survives up to 4.31% of quotes without a variant; you have 6.02%." in changes[3]


def test_a_safe_go_names_the_gap_that_comes_closest():
    gaps = tuple(gap for gap in the_gaps() if gap.severity in (Severity.MEDIUM, Severity.LOW))
    passed = [item | {"outcome": "passed", "delta_star": None} for item in a_verdict()["criteria"][:2]]
    document = a_verdict("GO", criteria=passed, blocked_by=[], waivers=[])
    (change,) = page(the_report(gaps=gaps, verdicts=(document,))).decisions[0].changes
    assert change == (
        "No single gap can change the answer. The closest is Duplicate rows in quotes: it would take "
        "1.72 × the worst case."
    )


def test_what_could_not_be_judged_is_never_called_safe(report):
    spam = page(report).decisions[0].criteria[3]
    assert (spam.outcome.word, spam.headroom, spam.interval) == ("No data", "not known", "not available")


def test_no_raw_float_reaches_the_page(report):
    text = Reading(render_html(report)).text
    assert not re.search(r"\d\.\d{4,}", text)
    assert "nan" not in text.lower().split()
    assert not re.search(r"\bNone\b", text)


def test_metrics_are_shown_by_arm_with_control_first_and_the_unlabelled_last(report):
    shuffled = replace(the_metrics(), levels=tuple(reversed(the_metrics().levels)))
    (table,) = page(replace(report, metrics=shuffled)).metrics
    assert table.arms == ("control", ARM, "unknown")
    assert [row.label for row in table.rows][:3] == [
        "Time to first quote, median", "Time to first quote, 90th percentile", "Hired within 7 days",
    ]  # fmt: skip
    assert [level.value for level in table.rows[1].levels] == ["infinite", "2.53 h", "infinite"]


def test_what_is_absent_is_said(report):
    shown = page(report)
    assert "spam_flags: missing. spam_flags.parquet does not exist." in shown.absences
    assert shown.checks.coverage == "13 of 14 fields the decision hangs on are watched by a check."
    assert [row.failed for row in shown.checks.rows] == [False, True, True], "what could not run comes first"
    found = {row.where: (row.observed, row.threshold) for row in shown.checks.rows}
    assert found["quotes.variant"] == ("18.0%", "0.5%")
    assert found["hires.hired_at"] == ("2026-11-01 22:10 UTC", "2026-11-04 12:00 UTC")


def test_an_empty_register_without_checks_is_no_good_news(empty_report):
    text = Reading(render_html(empty_report)).text
    assert "no check ran" in text
    assert "HOLD" in text


def test_every_word_of_the_vocabularies_has_a_sign_beside_its_colour():
    assert set(SEVERITY) == set(Severity)
    assert set(OUTCOME) == set(Outcome)
    assert set(STATUS) == set(GapStatus)
    for marks in (SEVERITY, OUTCOME, DIRECTION, SOURCE_STATUS):
        assert all(mark.sign and mark.word and mark.tone for mark in marks.values())
    assert len({mark.sign for mark in SEVERITY.values()}) == len(Severity)


def test_long_lists_are_cut_and_say_so():
    report = the_report()
    many = replace(report, checks=report.checks[:1] * 40)
    text = Reading(render_html(many)).text
    assert "and 25 more, in register.json" in text
    assert len(HOSTILE) > 5
