"""What a channel is told: only what changed, most severe first, and nothing a messenger acts on."""

import re
from dataclasses import replace

import pytest
from alert_worlds import (
    LINK,
    NOW,
    a_channel,
    a_gap,
    an_event,
    biased,
    later,
    resolved,
    some_alerts,
    some_news,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.alerts.compose import Told, compose, told_after
from dagster_pipeline.alerts.defused import defused, defused_markdown, markdown, plain_text
from dagster_pipeline.alerts.message import MOST_ITEMS, Item, Message
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import GapStatus, Life
from dagster_pipeline.register.history import EventKind

KNOWN = Told(is_new=False, verdicts={"quoting_v2": "HOLD"})


def told(news, channel=None, alerts=None, known=KNOWN, unreached=()):
    return compose(news, channel or a_channel(), alerts or some_alerts(), known, unreached)


# --- what is told ------------------------------------------------------------------------------


def test_a_run_that_changes_nothing_is_quiet():
    assert told(some_news([a_gap()], [])) is None


def test_what_a_channel_was_told_is_not_told_again():
    news = some_news([a_gap()], [an_event(a_gap())])
    assert told(news) is not None
    assert told(news, known=told_after(news, KNOWN)) is None


def test_one_message_holds_all_changes_most_severe_first_and_what_is_resolved_last():
    gaps = [
        a_gap(1, Severity.HIGH, table="quotes"), a_gap(2, Severity.BLOCKER), resolved(a_gap(3, table="messages"))
    ]  # fmt: skip
    ended = an_event(gaps[2], EventKind.RESOLVED, before="open", after="resolved")
    message = told(
        some_news(gaps, [an_event(gaps[0]), an_event(gaps[1]), ended], {gaps[2].gap_id: Severity.HIGH})
    )
    assert [item.head for item in message.items] == [
        "■ Blocker: Late data, hires",
        "▲ High: Late data, quotes",
        "✓ Resolved (was High): Late data, messages",
    ]
    assert message.title == "Plumbline: HOLD; gaps: 1 blocker, 1 high, 1 resolved"
    assert message.events == 3


def test_a_gap_that_changed_several_times_is_one_entry_with_all_of_it_in_order():
    gap = a_gap(severity=Severity.BLOCKER)
    events = [
        an_event(gap, run="run-0", at=later(-1)),
        an_event(gap, EventKind.SEVERITY_CHANGED, before="high", after="blocker"),
    ]
    (item,) = told(some_news([gap], events)).items
    assert item.lines[:2] == ("Opened, 2026-11-05 06:00 UTC", "Now blocker, was high")


def test_a_message_says_owner_decision_report_and_runbook():
    gap = biased(a_gap(severity=Severity.BLOCKER))
    text = told(some_news([gap], [an_event(gap)])).text()
    assert "Owner: Data platform" in text
    assert "Decision: Hired within 7 days (treatment): either way −7.12 to +6.98 pp; the answer changes at 19.4% of the worst case" in text  # fmt: skip
    assert f"Report: {LINK}" in text
    assert f"Runbook: {LINK}runbooks/stale_source.html" in text


def test_nobody_owning_a_gap_is_said():
    gap = a_gap(owner=None)
    assert "Owner: nobody" in told(some_news([gap], [an_event(gap)])).text()


def test_without_a_link_there_are_no_addresses():
    gap = a_gap()
    message = told(some_news([gap], [an_event(gap)]), alerts=some_alerts().model_copy(update={"link": None}))
    assert "://" not in message.text() + message.markdown()


def test_a_late_gap_says_how_long_it_has_been_open_and_what_is_agreed():
    gap = a_gap(severity=Severity.BLOCKER, life=Life(opened_at=later(-5), openings=1))
    raised = an_event(gap, EventKind.ESCALATED, before="0", after="1")
    assert "Late: open for 5 days, agreed are 24 h" in told(some_news([gap], [raised])).text()


def test_a_gap_within_its_time_is_not_called_late():
    gap = a_gap(life=Life(opened_at=NOW, openings=1))
    assert "Late:" not in told(some_news([gap], [an_event(gap)])).text()


@pytest.mark.parametrize(("level", "names"), [("1", "Ada Chen"), ("2", "Ada Chen and Bo Lind")])
def test_an_escalation_names_whom_it_goes_to(level, names):
    gap = a_gap(severity=Severity.BLOCKER)
    message = told(some_news([gap], [an_event(gap, EventKind.ESCALATED, before="0", after=level)]))
    assert f"Escalated to level {level}: {names}" in message.text()


def test_a_waiver_that_ended_says_why():
    gap = a_gap()
    back = an_event(gap, EventKind.REOPENED, before="accepted", after="open", why="The waiver expired on 2026-11-06 00:00 UTC.")  # fmt: skip
    assert "No longer accepted: The waiver expired on 2026-11-06 00:00 UTC" in told(some_news([gap], [back])).text()  # fmt: skip


def test_a_person_who_ended_a_gap_is_named():
    gap = resolved(a_gap())
    ended = an_event(
        gap, EventKind.RESOLVED, before="open", after="resolved", by="Ada Chen", why="backfilled"
    )
    message = told(some_news([gap], [ended], {gap.gap_id: Severity.HIGH}))
    assert "Resolved by Ada Chen: backfilled" in message.text()


@pytest.mark.parametrize("event", [EventKind.ACKNOWLEDGED, EventKind.ASSIGNED, EventKind.ACCEPTED])
def test_what_people_do_about_a_gap_that_stays_is_no_alert(event):
    gap = a_gap()
    assert told(some_news([gap], [an_event(gap, event, before="open", after="other", by="Ada")])) is None


def test_an_act_that_changed_nothing_is_no_alert():
    gap = a_gap()
    refused = an_event(gap, EventKind.RESOLVED, before="resolved", after="resolved", by="Ada")
    assert told(some_news([gap], [refused])) is None


# --- to whom -----------------------------------------------------------------------------------


def test_a_gap_below_what_a_channel_asks_for_is_not_told():
    gap = a_gap(severity=Severity.MEDIUM)
    news = some_news([gap], [an_event(gap)])
    assert told(news, a_channel(least="high")) is None
    assert told(news, a_channel(least="medium")) is not None


@pytest.mark.parametrize(("was", "is_told"), [(Severity.HIGH, True), (Severity.MEDIUM, False)])
def test_a_resolved_gap_counts_by_what_it_was(was, is_told):
    gap = resolved(a_gap())
    ended = an_event(gap, EventKind.RESOLVED, before="open", after="resolved")
    assert (told(some_news([gap], [ended], {gap.gap_id: was})) is not None) is is_told


def test_a_gap_that_falls_below_what_a_channel_asks_for_is_told_once_more():
    gap = a_gap(severity=Severity.LOW)
    fell = an_event(gap, EventKind.SEVERITY_CHANGED, before="high", after="low")
    assert "Now low, was high" in told(some_news([gap], [fell])).text()


def test_a_channel_that_was_never_told_hears_of_every_open_gap():
    old, fresh, mild = a_gap(1), a_gap(2, table="quotes"), a_gap(3, Severity.LOW)
    news = some_news([old, fresh, mild, resolved(a_gap(4))], [an_event(fresh)])
    message = told(news, known=Told())
    assert sorted(item.head for item in message.items) == [
        "▲ High: Late data, hires",
        "▲ High: Late data, quotes",
    ]
    assert "This channel was never told before: 1 gap" in message.text()


# --- the verdict -------------------------------------------------------------------------------


def test_a_verdict_that_changed_is_told_even_where_no_gap_did():
    message = told(some_news(verdict="GO"))
    assert message.title == "Plumbline: GO (changed); no gap changed"
    assert "Verdict on quoting_v2: HOLD → GO." in message.text()


def test_a_verdict_that_a_channel_never_heard_is_no_change():
    assert told(some_news(verdict="GO"), known=Told(is_new=False)) is None


# --- other channels, the digest ----------------------------------------------------------------


def test_a_message_says_which_other_channels_fail():
    gap = a_gap()
    message = told(some_news([gap], [an_event(gap)]), unreached=["mail could not be told."])
    assert "mail could not be told." in message.text()


def test_another_channel_failing_is_no_reason_for_a_message():
    assert told(some_news(), unreached=["mail could not be told."]) is None


def test_the_digest_goes_out_once_a_day_where_it_is_asked_for():
    news = some_news(digest="# Today\n\n- **1 late**")
    assert told(news) is None
    alerts = some_alerts(digest=True)
    message = told(news, alerts=alerts)
    assert message.markdown().endswith("# Today\n\n- **1 late**")
    assert message.text().endswith("\n\nToday\n\n- 1 late")
    known = told_after(news, KNOWN)
    assert told(news, alerts=alerts, known=known) is None
    assert told(some_news(digest="# Today", at=later(1)), alerts=alerts, known=known) is not None


# --- room --------------------------------------------------------------------------------------


def test_more_gaps_than_a_message_names_are_counted():
    gaps = [a_gap(number) for number in range(1, 31)]
    message = told(some_news(gaps, [an_event(gap) for gap in gaps]))
    assert message.text().count("Late data") == MOST_ITEMS
    assert f"And {30 - MOST_ITEMS} more, in the report." in message.text()


@pytest.mark.parametrize("room", [60, 160, 700, 2000])
def test_a_body_never_takes_more_room_than_there_is(room):
    gaps = [a_gap(number) for number in range(1, 31)]
    message = told(
        some_news(gaps, [an_event(g) for g in gaps], digest="- x\n" * 500), alerts=some_alerts(digest=True)
    )
    assert len(message.text(room)) <= room
    assert len(message.markdown(room)) <= room


def test_gaps_go_before_the_digest_where_there_is_not_room_for_both():
    message = Message("t", items=(Item("one"), Item("two")), digest="digest " * 50)
    assert message.text(40) == "one\n\ntwo"


# --- hostile values ----------------------------------------------------------------------------

HOSTILE = [
    "@channel @here <!channel> <@U123> everyone@everyone",
    "[click](https://evil.example) <https://evil.example|x> www.evil.example",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "&lt;b&gt; &#64;channel &commat;here",
    "**bold** _it_ `code` ~~gone~~ # title | cell",
    "line\nbreak\r\n# title\x00\x1b[31m\u202egnp.exe\u2066",
    "x" * 5000,
    "\ud800 lone",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_can_mention_link_or_mark_up(value):
    gap = biased(a_gap(table=value, segment=f"a={value}", owner=value, kind=value, description=value))
    back = an_event(gap, EventKind.REOPENED, before="accepted", after="open", by=value, why=value)
    news = some_news([gap], [back], run=value, verdicts=())
    message = told(news, known=Told(is_new=False, verdicts={"": "GO"}))
    for body in (message.text(), message.markdown(), message.title):
        own = body.replace(f"<{LINK}>", "").replace(LINK, "")
        assert not re.search(r"@|<|://|\bwww\.|&#?\w+;|[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", own)
        assert len(own) < 4000
    assert not re.search(r"(?<!\\)[`\[\]~]", message.markdown())


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_defused_text_stays_defused_through_every_conversion(value):
    from apprise.conversion import convert_between

    shown = defused(value)
    for target in ("text", "html", "markdown"):
        converted = convert_between("markdown", target, f"- **a {markdown(shown)}**\n\nend")
        assert "@" not in converted
        assert "://" not in converted
        assert not re.search(r"<(?!/?(p|ul|li|strong|em|code|br)\b)", converted)


def test_a_digest_with_escaped_values_can_not_mention_anybody_either():
    written = "- &#64;channel &lt;!here&gt; https&#58;//evil.example a\\_b"
    for text in (defused_markdown(written), plain_text(written)):
        assert not re.search(r"@|<|://|&", text)
    assert plain_text(written).endswith("a_b")


def test_an_address_can_not_end_its_link():
    gap = a_gap()
    alerts = some_alerts().model_copy(update={"link": "https://x.example/a> (b)\n[c]"})
    body = told(some_news([gap], [an_event(gap)]), alerts=alerts).markdown()
    assert "Report: <https://x.example/a%3E%20%28b%29%0A%5Bc%5D>" in body


def test_an_accepted_gap_is_due_when_its_waiver_ends_and_not_late():
    gap = replace(a_gap(life=Life(opened_at=later(-50), openings=1)), status=GapStatus.ACCEPTED)
    changed = an_event(gap, EventKind.SEVERITY_CHANGED, before="medium", after="high")
    assert "Late:" not in told(some_news([gap], [changed])).text()
