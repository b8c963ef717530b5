"""The decision brief and the meeting pack: what they say, in which words, and that no text steers them."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest
from brief_pages import (
    AT,
    BARE,
    EXPERIMENT,
    METRICS,
    RULES,
    a_brief,
    a_meeting,
    a_page,
    a_status,
    hostile_pages,
)
from chromium_pipe import Browser, find_browser

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gate.brief_version import Signature, brief_content
from dagster_pipeline.register.brief_history import BriefSeen
from dagster_pipeline.report.brief_page import LastRun, brief_page, option_rows
from dagster_pipeline.report.brief_text import brief_html, brief_markdown, meeting_html, meeting_markdown
from dagster_pipeline.report.meeting_page import agenda, raci

BARE_BRIEF = Brief.model_validate(BARE)

# --- the brief -----------------------------------------------------------------------------------


def test_the_demands_stand_in_words_in_the_order_of_the_brief():
    assert [(row.label, row.kind, row.sentence) for row in a_page().demands] == [
        (
            "Time to first quote, median",
            "criterion",
            "must fall by at least 10%, and by at least 5% even at the cautious end of its interval",
        ),
        (
            "Hired within 7 days",
            "criterion",
            "may fall by at most 0.5 pp, and by at most 1 pp even at the cautious end of its interval",
        ),
        ("Support tickets per 100 requests", "guardrail", "may rise by at most 10%"),
    ]


def test_two_demands_on_one_metric_are_told_apart():
    twice = [*RULES["criteria"], {"metric": "hire_rate_7d", "min_bound": -0.02}]
    assert "2 pp" in a_page(a_brief(criteria=twice)).demands[2].sentence


def test_what_it_is_worth_is_said_per_percentage_point_or_per_cent():
    assert dict(a_page().value) == {
        "Hired within 7 days, each +1 pp": "EUR 20,000 a day at full traffic",
        "Time to first quote, median, each +1%": "−EUR 500 a day at full traffic",
        "A bad launch": "EUR 500,000 with probability 1%",
        "Infrastructure": "EUR 300 a day",
        "Valued over": "28 days",
    }


def test_the_rollout_is_told_with_its_stages_its_cap_and_what_switches_it_off():
    assert a_page().rollout == (
        "Stages: 1% for at least 2 days, then 10% for at least 36 h.",
        "A PARTIAL goes no further than 10%.",
        "Switched off when “Hired within 3 days” falls by 1 pp or more from one day to the next, 2 days running.",
    )
    assert "Nothing switches it off by itself" in a_page(BARE_BRIEF).rollout[-1]


def test_the_last_day_of_a_dry_run_is_reckoned_from_the_launch():
    assert (
        "A green dry run no later than 2026-11-10, 21 days before the launch." in a_page(a_brief()).readiness
    )


def test_the_scope_says_who_is_compared_and_which_requests():
    facts = dict(a_page().facts)
    assert facts["Compared"] == "treatment against control, by request"
    assert facts["Requests from"] == "2026-10-01 to before 2026-10-29"
    assert facts["Cohort"] == "geo: us, ca"
    assert dict(a_page(BARE_BRIEF).facts)["Cohort"] == "all requests"


def test_options_are_ranked_by_their_score_and_stay_in_their_order():
    rows = option_rows(a_brief())
    assert [(row.name, row.score, row.rank) for row in rows] == [
        ("Expand", "800", "2"),
        ("Wait", "", ""),
        ("Hold", "900", "1"),
    ]


def test_options_of_one_score_share_a_rank():
    rice = {"reach": 1, "impact": 1, "confidence": 1, "effort": 1}
    options = [{"name": name, "rice": rice} for name in "ab"] + [{"name": "c", "rice": rice | {"effort": 2}}]
    assert [row.rank for row in option_rows(a_brief(options=options))] == ["1", "1", "3"]


def test_without_options_they_are_the_three_verdicts():
    rows = option_rows(a_brief(options=[]))
    assert [row.name for row in rows] == ["GO", "PARTIAL", "HOLD"]
    assert rows[0].risk == "EUR 500,000 with probability 1%"
    assert option_rows(BARE_BRIEF)[0].risk == "–"


# --- how it stands -------------------------------------------------------------------------------


def seen(brief: Brief) -> BriefSeen:
    return BriefSeen("run-1", AT, "quoting_v2", "f" * 64, brief_content(brief, METRICS), saw_data=True)


def test_an_unsigned_brief_is_never_shown_as_fine():
    assert (a_page().standing.word, a_page().standing.tone) == ("Not signed", "bad")
    assert a_page(BARE_BRIEF).standing.tone == "fair"


def test_a_change_after_data_outweighs_a_signature():
    brief = a_brief()
    status = a_status(brief, seen(a_brief(confidence=0.8)))
    signature = Signature("Ada", AT, status.version)
    signed = type(status)(**(status.__dict__ | {"signatures": (signature,), "last_signature": signature}))
    page = a_page(brief, signed)
    assert (page.standing.word, page.standing.tone) == ("Changed after data were seen", "bad")
    text = brief_markdown(page)
    assert "is signed by Ada on 2026-11-06" in text
    assert "confidence: from 0.8 to 0.9" in text
    fine = type(status)(**(signed.__dict__ | {"changed_after_data": False, "changes_after_data": ()}))
    assert a_page(brief, fine).standing.word == "Signed"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (None, "No run has decided on this brief yet."),
        (LastRun("GO", AT), "which version of the brief it was held to is not recorded"),
        (LastRun("GO", AT, "f" * 64), "on version ffffffffffff of the brief, not on this one: run again"),
        (LastRun(None, problem="it was interrupted"), "The last run can not be used: it was interrupted"),
    ],
)
def test_a_verdict_on_another_version_or_none_is_never_passed_off_as_this_ones(last, said):
    for text in (brief_markdown(a_page(last=last)), meeting_markdown(a_meeting(last=last))):
        assert said in text


def test_a_verdict_on_this_version_says_so_with_its_date():
    brief = a_brief()
    last = LastRun("HOLD", AT, a_status(brief).version, "A gap is open.")
    assert a_page(brief, last=last).verdict_sentences == (
        "HOLD, decided 2026-11-06 09:30 UTC on this version of the brief.",
        "A gap is open.",
    )


# --- the meeting ---------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [6, 7, 13, 30, 45, 60, 240])
def test_the_agenda_takes_exactly_the_time_there_is(minutes):
    rows = agenda(minutes, {})
    assert sum(int(row.minutes) for row in rows) == minutes
    assert min(int(row.minutes) for row in rows) >= 1
    assert rows[0].time.startswith("0:00 to ")
    assert rows[-1].time.endswith(f" to {minutes // 60}:{minutes % 60:02d}")


@pytest.mark.parametrize("minutes", [0, 5, 241])
def test_a_meeting_no_agenda_fits_in_is_refused(minutes):
    with pytest.raises(PlumblineError, match="from 6 to 240"):
        agenda(minutes, {})


def test_the_agenda_names_who_leads_or_the_role_nobody_has():
    assert {row.lead for row in agenda(30, {"accountable": "Vera"})} == {"Vera", "responsible"}


def test_every_repair_has_who_does_it_and_who_answers_for_it():
    rows = [(row.task, row.responsible, row.accountable, row.informed) for row in raci(a_brief().owners)]
    assert rows == [
        ("The decision", "Ada", "Vera (VP)", "–"),
        ("Repair: Variant unknown", "Experimentation", "Vera (VP)", "Ada"),
        ("Repair: Source hires", "Finance", "Vera (VP)", "Ada"),
    ]
    assert a_meeting().unnamed == "Nobody is named consulted, informed: add owners to the brief."


def test_what_to_read_before_says_what_is_not_there(tmp_path):
    (tmp_path / "summary.md").write_text("# x")
    reads = {read.name: read.note for read in a_meeting(output=tmp_path).pre_reads}
    assert reads["Summary"] == "the same in short"
    assert reads["Report"] == "not there yet: plumbline run writes it"


# --- as text -------------------------------------------------------------------------------------


class _Read(HTMLParser):
    """The elements and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.words.append(data)


def pages():
    brief, meeting = a_page(), a_meeting()
    return {
        "brief": (brief_markdown(brief), brief_html(brief)),
        "meeting": (meeting_markdown(meeting), meeting_html(meeting)),
    }


@pytest.mark.parametrize("name", ["brief", "meeting"])
def test_markdown_and_html_say_the_same(name):
    markdown, html = pages()[name]
    words = " ".join(_Read(html).words)
    for said in ("Expand the new quoting", "may fall by at most 0.5 pp", "Two engineers", "Vera (VP)", "900"):
        assert said in markdown
        assert said in words


def test_no_text_of_a_hostile_brief_becomes_markup():
    brief, meeting = hostile_pages()
    plain = _Read(brief_html(a_page()) + meeting_html(a_meeting()))
    hostile = _Read(brief_html(brief) + meeting_html(meeting))
    assert hostile.tags <= plain.tags
    assert not {name for name in hostile.attributes - plain.attributes if name.startswith("on")}
    for text in (brief_markdown(brief), meeting_markdown(meeting)):
        assert "<script" not in text
        assert "<img" not in text
        assert "://" not in text
        assert not re.search(r"(?<!\\)\[link\]|(?<!\\)`rm|(?<!\\)\*\*bold", text)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\u200b]", text)


def test_a_table_keeps_its_columns_whatever_the_brief_says():
    for text in map(str.splitlines, map(meeting_markdown, (a_meeting(), hostile_pages()[1]))):
        columns = None
        for line in text:
            if line.startswith("|"):
                found = len(re.findall(r"(?<!\\)\|", line))
                columns = columns or found
                assert found == columns, line
            else:
                columns = None


def test_a_bare_brief_has_a_page_too():
    page = brief_page(BARE_BRIEF, None, METRICS, a_status(BARE_BRIEF), None)
    assert page.title == "Decision on quoting_v2"
    assert "What it is worth" not in brief_markdown(page)
    assert EXPERIMENT.control not in dict(page.facts)
    assert "None. To sign" in brief_markdown(page)


@pytest.mark.browser
@pytest.mark.skipif(find_browser() is None, reason="no Chromium here: the pages were not opened")
def test_both_pages_load_nothing_and_fit_on_one_sheet_and_any_screen(tmp_path):
    browser = Browser(tmp_path / "profile")
    try:
        for name, (_, html) in pages().items():
            file = tmp_path / f"{name}.html"
            file.write_text(html, encoding="utf-8")
            for width in (360, 1280):
                browser.open(file, width=width)
                assert [url for url in browser.requests if not url.startswith("data:")] == [file.as_uri()]
                assert browser.complaints == []
                assert browser.evaluate("document.documentElement.scrollWidth") <= width
            printed = browser.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
            assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"]))) == 1
    finally:
        browser.close()
