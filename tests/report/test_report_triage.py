"""The risk register, the digest and the section on working with the gaps: right, short, harmless."""

import html.parser
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sample_report import AS_OF, HOSTILE, a_dossier, a_gap, a_verdict, the_gaps, the_report

from dagster_pipeline.config.triage import Escalation, Triage
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import GapStatus, GapWaiver, Life
from dagster_pipeline.register.alert_quality import CoverageSeen, alert_quality
from dagster_pipeline.register.checkpoint import Blocked, checkpoint
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.process import ActionState, ProcessFigures
from dagster_pipeline.register.track_record import TrackRecord
from dagster_pipeline.register.trends import GapTrend, TrendPoint
from dagster_pipeline.report.digest import (
    MOST_LINES,
    digest_document,
    digest_markdown,
    run_checkpoint,
    run_digest,
)
from dagster_pipeline.report.documents import json_text
from dagster_pipeline.report.html import render_html
from dagster_pipeline.report.risk_register import risk_documents, run_risk_register, run_risks
from dagster_pipeline.report.triage_view import HEIGHT, WIDTH, sparkline, triage_view

NOW = AS_OF + timedelta(hours=6)  # when the sample's run decided
HOUR = timedelta(hours=1)


@pytest.fixture(params=["report", "hostile_report", "empty_report"])
def any_report(request):
    return with_a_past(request.getfixturevalue(request.param))


def with_a_past(report):
    """With events, trends and weeks of whatever gaps it has, whoever is named in them."""
    texts = [gap.owner or "Ada" for gap in report.gaps]
    events = tuple(
        GapEvent(report.run_id, NOW - HOUR, gap.gap_id, kind, text, text + "!", text, text)
        for gap, text in zip(report.gaps, texts, strict=True)
        for kind in EventKind
    )
    trends = tuple(GapTrend(gap.gap_id, tuple(points(0.1, None, 0.2, float("nan")))) for gap in report.gaps)
    quality = alert_quality(events, {}, [CoverageSeen("r", NOW, Coverage(10, 7))], NOW)
    return replace(
        report, events=events, recent=events, trends=trends, quality=quality, alert_faults=HOSTILE[:2]
    )


def points(*shares, severity=Severity.HIGH):
    for number, share in enumerate(shares):
        at = AS_OF + number * timedelta(days=1)
        yield share and TrendPoint(f"run-{number}", at, "open", severity, 0.9, share, None)


def rows_of(markdown):
    """The cells of the table, unescaped bars only."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


# --- the risk register ---------------------------------------------------------------------------


def test_a_risk_says_what_how_likely_how_bad_whose_and_by_when(report):
    risk, likelihood, impact, _, remains, owner, due, age, level = rows_of(run_risk_register(report))[0]
    assert risk.startswith("Blocker: Late data, hires (open). The newest hire is 4 days behind;")
    assert likelihood == r"very likely (δ\*: 19.4% of the worst case)"
    assert impact == "Hired within 7 days (treatment): +0.31 pp after repair, could be −6.56 to +7.54 pp"
    assert (remains, owner) == ("14.3% of the cohort has no outcome yet", "Data platform")
    assert (due, age) == ("2026-11-05 00:00 UTC, late by 30 h", "2 days")
    assert level == "level 1: nobody is named (triage.escalation)"


def test_the_risk_register_counts_what_is_open_and_late(report):
    markdown = run_risk_register(report)
    assert "4 open gaps above info, 2 late" in markdown
    assert len(rows_of(markdown)) == 4
    assert "nobody" in rows_of(markdown)[2]


def test_money_stands_there_where_the_brief_says_what_anything_is_worth(report):
    gaps = the_gaps()
    value = {"currency": "USD", "treatments": [
        {"gaps": [{"gap_id": gaps[0].gap_id, "at_risk": 525_000.0}, {"gap_id": gaps[1].gap_id, "at_risk": 1.0}]},
        {"gaps": [{"gap_id": gaps[0].gap_id, "at_risk": 10.0}, {"gap_id": gaps[1].gap_id, "at_risk": None}]},
    ]}  # fmt: skip
    worth = replace(report, dossiers=(a_dossier() | {"value": value},))
    assert "Money at risk" not in run_risk_register(report)
    assert [row[3] for row in rows_of(run_risk_register(worth))] == ["525,000 USD", "no limit", "–", "–"]
    assert risk_documents(run_risks(worth))[0]["money_at_risk"] == {"amount": 525_000.0, "currency": "USD"}


def test_a_waived_risk_names_the_end_of_its_waiver_and_who_is_told_of_an_old_one():
    waiver = GapWaiver("Ada", "Bo", "ok", None, AS_OF, AS_OF + timedelta(days=9), 0.0602, 0.1)
    waived = a_gap(
        "orphan_rows",
        Severity.HIGH,
        "hires",
        status=GapStatus.ACCEPTED,
        life=Life(AS_OF, openings=1, waiver=waiver),
    )
    old = a_gap("stale_source", Severity.BLOCKER, "hires", life=Life(AS_OF - 200 * HOUR, openings=1))
    triage = Triage(escalation=Escalation(level_1=("Cy",), level_2=("Di",)))
    first, second = rows_of(run_risk_register(the_report(gaps=(waived, old), triage=triage)))
    assert first[-1] == "level 2: Cy, Di"
    assert "(risk accepted)" in second[0]
    assert second[-3] == "waived until 2026-11-15 00:00 UTC"


def test_an_empty_risk_register_without_checks_is_no_good_news(empty_report, report):
    assert "no check ran" in run_risk_register(empty_report)
    assert "No open gap matters" in run_risk_register(replace(report, gaps=()))


# --- the digest ----------------------------------------------------------------------------------


def test_the_digest_says_what_blocks_changed_is_late_and_due(report):
    gap = the_gaps()[0]
    event = GapEvent(report.run_id, NOW, gap.gap_id, EventKind.SEVERITY_CHANGED, "high", "blocker")
    text = run_digest(replace(report, events=(event,), recent=(event,)))
    assert "- HOLD, quoting\\_v2" in text or "- HOLD, quoting_v2" in text
    assert re.search(
        r"## What changed: 1\n- Blocker, Late data in hires .*: severity changed from high to blocker\n", text
    )
    assert "## What is late: 2\n- Blocker, Late data in hires" in text
    assert "## Due within a day: 1\n- High, Variant unknown in quotes.variant" in text
    assert "nobody could look at" not in text


def test_all_that_happened_to_a_gap_is_one_line(report):
    late, unknown = (gap.gap_id for gap in the_gaps()[:2])
    told = [
        GapEvent(report.run_id, NOW, late, EventKind.OPENED, None, "blocker"),
        GapEvent(report.run_id, NOW, unknown, EventKind.OPENED, None, "high"),
        GapEvent(report.run_id, NOW, late, EventKind.ASSIGNED, None, "Cy", "Ada Chen"),
        GapEvent(report.run_id, NOW, late, EventKind.ACKNOWLEDGED, "open", "open", "Bo"),
    ]
    text = run_digest(replace(report, events=tuple(told)))
    assert "## What changed: 2\n" in text
    assert ": new, assigned to Cy by Ada Chen, acknowledged without effect by Bo\n" in text


def test_an_action_nobody_closed_stands_with_what_is_late(report):
    actions = (
        ActionState("x", "Replay <the> lost events", "Cy", "2026-11-05T00:00:00Z", AS_OF),
        ActionState("x", "Ask", None, "2026-11-06T12:00:00Z", AS_OF),
    )
    text = run_digest(replace(report, track_record=TrackRecord(process=ProcessFigures(NOW, (), 0, actions))))
    assert "- Action, Replay &lt;the&gt; lost events, owner Cy: 2026-11-05 00:00 UTC, late by 30 h\n" in text
    assert "- Action, Ask, owner nobody: 2026-11-06 12:00 UTC, in 6 h\n" in text


def test_a_journal_that_could_not_be_read_is_told_in_the_digest(report):
    text = run_digest(replace(report, track_record=TrackRecord(journal_fault="The journal is broken.")))
    assert "- The journal is broken." in text


def test_a_quiet_day_is_said_in_few_lines():
    report = the_report(verdicts=(a_verdict("GO", blocked_by=[]),), gaps=())
    text = run_digest(report)
    assert re.findall(r"^## (.*)$", text, re.M) == [
        "What blocks: nothing", "What changed: nothing", "What is late: nothing", "Due within a day: nothing",
    ]  # fmt: skip
    assert len(text.splitlines()) < 12


def test_without_a_verdict_nothing_goes_ahead_and_a_go_that_is_blocked_since_is_told():
    none = checkpoint((), (), (), Triage(), NOW)
    assert (
        "What blocks: 1\n- the launch: there is no verdict to go by; nothing may go ahead"
        in digest_markdown(none)
    )
    expired = Blocked("x", "GO", is_blocked=True, reason="The waiver of gap gap-1 expired.")
    assert "- GO, x: The waiver of gap gap-1 expired." in digest_markdown(
        checkpoint((), (), (expired,), Triage(), NOW)
    )


def test_the_digest_fits_on_a_screen_whatever_happened():
    gaps = [
        a_gap("missing_values", severity, "quotes", f"{severity}{n}", life=Life(NOW - hours * HOUR, openings=1, unmeasured_since=NOW))
        for severity in (Severity.BLOCKER, Severity.HIGH, Severity.MEDIUM)
        for n in range(30)
        for hours in (10, 200)
    ]  # fmt: skip
    gaps = [replace(gap, gap_id=f"gap-{n}") for n, gap in enumerate(gaps)]
    events = [GapEvent("r", NOW, gap.gap_id, EventKind.OPENED, None, "high", "x" * 999) for gap in gaps]
    blocks = [Blocked("x" * 999, "HOLD", is_blocked=True, blocked_by=("g",) * 99, reason="y" * 9999)] * 9
    found = checkpoint(gaps, events, blocks, Triage(), NOW, ["z" * 9999] * 9)
    lines = digest_markdown(found).splitlines()
    assert len(lines) <= MOST_LINES
    assert sum("more" in line for line in lines) >= 5
    assert max(map(len, lines)) < 330
    assert len(digest_document(found)["changed"]) == len(gaps)


def test_the_run_s_digest_counts_an_event_once_and_keeps_those_of_the_run_however_old(report):
    gap = the_gaps()[0].gap_id
    old_act = GapEvent(
        report.run_id, NOW - timedelta(days=3), gap, EventKind.ACKNOWLEDGED, "open", "acknowledged", "Ada"
    )
    new = GapEvent(report.run_id, NOW, gap, EventKind.RESOLVED, "open", "resolved")
    other = GapEvent("earlier", NOW - 2 * HOUR, gap, EventKind.OPENED, None, "high")
    found = run_checkpoint(replace(report, events=(old_act, new), recent=(other, new)))
    assert [one.event for one in found.changed] == [other, new, old_act]


# --- the page ------------------------------------------------------------------------------------


class Section(html.parser.HTMLParser):
    """The text and tags of the section on working with the gaps."""

    def __init__(self, text):
        super().__init__()
        self.inside, self.texts, self.tags = False, [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.inside = self.inside or ("class", "triage") in attributes
        if self.inside:
            self.tags.append(tag)

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "section"

    def handle_data(self, data):
        if self.inside:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def test_the_section_names_state_owner_age_due_and_level_of_every_open_gap(report):
    text = Section(render_html(with_a_past(report))).text
    assert "4 open gaps above info: 2 late, 1 without an owner, 1 escalated." in text
    assert "very likely to change the answer open Data platform escalated, level 1: nobody is named" in text
    assert "2 days ! late 2026-11-05 00:00 UTC, late by 30 h" in text


def test_what_cannot_be_said_is_not_called_unlikely(report):
    unknown = a_gap("not_evaluated", Severity.HIGH, "hires")
    text = Section(render_html(replace(report, gaps=(unknown,)))).text
    assert "how likely it changes the answer cannot be said" in text
    assert "cannot be said to change" not in text


def test_the_weeks_stand_against_their_targets_with_what_still_waits(report):
    events = [
        GapEvent("r", NOW - 10 * HOUR, "a", EventKind.OPENED, None, "high"),
        GapEvent("r", NOW - 8 * HOUR, "a", EventKind.FALSE_POSITIVE, "open", "resolved", "Ada"),
        GapEvent("r", NOW - 5 * HOUR, "b", EventKind.OPENED, None, "high"),
    ]
    quality = alert_quality(events, {}, [CoverageSeen("r", NOW, Coverage(10, 8))], NOW)
    overall, week = triage_view(replace(report, quality=quality)).weeks
    assert (week.week, week.alerts) == ("2026-W45", "2")
    assert (week.false_positives.word, week.false_positives.sign) == ("50.0% (1)", "✕")
    assert week.acknowledged == "2.00 h (1 done, 1 waiting, the longest 5.00 h)"
    assert week.resolved == "none yet, 1 waiting, the longest 5.00 h"
    assert (week.coverage.word, week.coverage.sign) == ("80.0%", "✓")
    assert overall.week == "all so far"


def test_an_unread_history_is_not_shown_as_a_good_one(report):
    view = triage_view(report)
    assert view.weeks == ()
    assert "not known" in view.note
    assert {gap.trend_text for gap in view.gaps} == {"no history"}


def test_many_weeks_are_cut_and_say_so(report):
    seen = [CoverageSeen(str(n), NOW - timedelta(weeks=n), Coverage(1, 1)) for n in range(20)]
    view = triage_view(replace(report, quality=alert_quality([], {}, seen, NOW)))
    assert (len(view.weeks), view.more_weeks) == (9, 12)
    assert view.weeks[1].week == "2026-W45"


def test_a_trend_is_drawn_from_zero_to_its_top_and_broken_where_nothing_was_measured():
    drawn = sparkline(GapTrend("g", tuple(points(0.1, 0.2, None, float("nan"), 0.05))))
    first, last = (stretch.split() for stretch in drawn.stretches)
    placed = [tuple(map(float, point.split(","))) for point in (*first, *last)]
    assert (len(first), len(last)) == (2, 1)
    ground, top = HEIGHT - 3, 3
    assert [y for _, y in placed] == [(ground + top) / 2, top, round(ground - (ground - top) / 4, 1)]
    assert [x for x, _ in placed] == [3.0, 31.5, 117.0]
    assert max(x for x, _ in placed) < WIDTH
    assert drawn.last == placed[-1]


@pytest.mark.parametrize("shares", [(), (0.1,), (None, 0.1, None), (float("nan"), float("inf"))])
def test_one_point_is_no_trend(shares):
    assert sparkline(GapTrend("g", tuple(points(*shares)))) is None


def test_a_gap_that_was_zero_throughout_is_a_line_on_the_ground():
    made = [replace(point, share_residual=0.0) for point in points(0.1, 0.1)]
    assert sparkline(GapTrend("g", tuple(made))).stretches == ("3.0,25.0 117.0,25.0",)


# --- whatever a warehouse holds ------------------------------------------------------------------


def test_no_text_becomes_markup_or_steers_a_display(any_report):
    for text in (run_risk_register(any_report), run_digest(any_report)):
        assert "<" not in text
        assert "](" not in text.replace("\\](", "")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\u200b\ud800]", text)
        assert not re.search(r"(?<!&#58;)//\w+\.\w+", text.replace("&#58;//", ""))
        assert "@everyone" not in text
    assert {len(row) for row in rows_of(run_risk_register(any_report))} <= {9, 10}


def test_the_page_stays_harmless_with_a_past(any_report):
    page = render_html(any_report)
    section = Section(page)
    assert not {"script", "img", "iframe", "form"} & set(section.tags)
    assert "onerror=alert" not in re.sub(r"&lt;[^<]*", "", page)
    assert not re.search(r"\b(nan|None|inf)\b", section.text)


def test_the_documents_for_machines_are_json_whatever_was_found(any_report):
    json_text(
        {
            "risks": risk_documents(run_risks(any_report)),
            "digest": digest_document(run_checkpoint(any_report)),
        }
    )
    assert datetime.fromisoformat(digest_document(run_checkpoint(any_report))["at"]).tzinfo == UTC
