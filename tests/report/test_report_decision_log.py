"""decision-log.md: every decision with all its parts in order, nothing that could pass for markup."""

from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest

from dagster_pipeline.register.decision_log import append_decisions, read_log
from dagster_pipeline.register.journal import read_journal
from dagster_pipeline.register.store import prepare
from dagster_pipeline.report.decision_log import decision_log_markdown, stated_end
from tests.register.log_cases import AT, BRIEF, a_gap, a_record, a_verdict, objects

HOSTILE = (
    "<script>alert(1)</script> [x](http://evil.example) | `a` **b** @all\n## Fake\n- **Decision:** GO\u202e"
)


def a_log(*runs, journal=()):
    """The entries of runs, each a list of records, one day apart."""
    with duckdb.connect() as session:
        prepare(session)
        for number, records in enumerate(runs, start=1):
            append_decisions(session, f"run-{number}", AT + timedelta(days=number), records, journal)
        return read_log(session)


def test_a_decision_is_told_in_the_order_a_reader_expects():
    text = decision_log_markdown(a_log([a_record(gaps=[a_gap()])]))
    parts = [
        "## 1. Expand the new quoting workflow now, by cohort, or hold?",
        "- **Decision:** HOLD. 18% of quotes miss the variant.",
        "- **Date:** 2026-11-06 06:12 UTC",
        "- **Approvers:** Ada Chen (2026-11-02 09:00 UTC)",
        "- **Context:** Pros answer too late.",
        "- **Options:**",
        "  - Expand now: benefit: faster quotes; RICE 2.50",
        "- **Data snapshot:** run run-1, data as of 2026-11-06; brief 3f3f3f3f3f3f; open gaps: 1 high;",
        "  - quotes: 1,000 rows, 990 used, newest 2026-11-04 18:00 UTC, late, SHA-256 abababababab",
        "  - messages: missing",
        "- **Chosen option:** C, Hold",
        "  - Rollout: 1% for at least 3d, then 10% for at least 7d",
        "  - Roll back when hire_rate_7d falls by 0.01 from one day to the next on 2 consecutive days",
        "  - Guardrail: support_tickets_per_100_requests rises by at most +10.0%: treatment passed at +3.10%",
        "- **Dissent:** none was recorded",
        "- **Actions:**",
        "  - Replay the lost events; owner Data platform; due 2026-11-13",
        "- **Review date:** 2026-12-01",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_how_far_a_part_of_a_launch_goes_is_said():
    text = decision_log_markdown(
        a_log([a_record(a_verdict("PARTIAL", segments=["category=Cleaning"], stage=10))])
    )
    assert "**Decision:** PARTIAL (category=Cleaning, up to 10%)." in text
    assert "**Chosen option:** B, By cohort (category=Cleaning, up to 10%)" in text


def test_a_decision_without_a_brief_or_a_signature_says_so():
    text = decision_log_markdown(a_log([a_record(a_verdict(experiment=None), brief=None)]))
    assert "**Approvers:** nobody has signed this version of the brief" in text
    assert "no brief; open gaps: none" in text
    assert "**Review date:** none is set" in text


def test_a_journal_that_could_not_be_read_approves_nothing():
    text = decision_log_markdown(
        a_log([a_record(brief={**BRIEF, "signatures": []}, fault="line 3 was changed")])
    )
    assert "nobody counts, since the journal could not be read: line 3 was changed" in text


def test_the_newest_decision_comes_first_and_people_s_acts_stand_between(tmp_path):
    path = tmp_path / "plumbline.journal.jsonl"
    objects(path)
    journal = read_journal(path)
    entries = a_log([a_record()], [a_record(a_verdict("GO"), journal)], journal=journal)
    text = decision_log_markdown(entries)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 3. Expand the new quoting workflow now, by cohort, or hold?",
        "## 2. Expand the new quoting workflow now, by cohort, or hold?",
        "## 1. dissent by Bo Lind",
    ]
    assert "- **Text:** The guardrail is too wide." in text
    assert "  - Bo Lind (2026-11-05 06:12 UTC): The guardrail is too wide." in text


def test_runs_that_decided_the_same_on_the_same_ground_are_told_once_with_their_numbers():
    same = [[a_record(run_id=f"run-{number}")] for number in (1, 2, 3)]
    text = decision_log_markdown(a_log(*same))
    assert text.count("## ") == 1
    assert "## 3." in text
    assert "**Decided the same before:** since 2026-11-07 06:12 UTC (2 entries from 1 to 2)" in text


@pytest.mark.parametrize(
    "other",
    [
        a_record(a_verdict("GO")),
        a_record(a_verdict(stage=10)),
        a_record(brief={**BRIEF, "version": "00" * 32}),
        a_record(brief={**BRIEF, "signatures": []}),
        a_record(a_verdict(experiment="another")),
    ],
    ids=["verdict", "stage", "brief", "approvers", "experiment"],
)
def test_another_decision_or_ground_is_told_apart(other):
    assert decision_log_markdown(a_log([a_record()], [other])).count("## ") == 2


def test_text_from_outside_is_only_text():
    brief = {**BRIEF["content"]["brief"], "question": HOSTILE, "context": HOSTILE, "review_date": HOSTILE}
    brief |= {
        "actions": [{"what": HOSTILE, "owner": HOSTILE, "due": HOSTILE}],
        "options": [{"name": HOSTILE}],
    }
    signed = [{"by": HOSTILE, "at": HOSTILE}]
    record = a_record(
        a_verdict(experiment=HOSTILE, reasons=[HOSTILE], segments=[HOSTILE]),
        brief={"version": HOSTILE, "signatures": signed, "content": {"brief": brief}},
    )
    text = decision_log_markdown(a_log([record]))
    assert "<script" not in text
    assert "[x](" not in text
    assert "\u202e" not in text
    assert sum(line.startswith("## ") for line in text.splitlines()) == 1
    assert sum(line.startswith("- **Decision:**") for line in text.splitlines()) == 1


def test_it_ends_with_the_number_of_entries_and_the_last_digest():
    entries = a_log([a_record()], [a_record(a_verdict("GO"))])
    assert stated_end(decision_log_markdown(entries)) == (2, entries[-1].digest)
    assert stated_end(decision_log_markdown(())) is None
    assert stated_end("") is None


def test_an_entry_that_can_not_be_read_is_said_and_the_others_are_told():
    entries = a_log([a_record()], [a_record(a_verdict("GO"))])
    for spoiled in ("{", "[]", '{"title": 1}'):
        text = decision_log_markdown([replace(entries[0], document=spoiled), entries[1]])
        assert text.count("This entry can't be read") == 1
        assert "**Decision:** GO" in text


def test_an_empty_log_is_a_sentence():
    assert decision_log_markdown(()) == "# Decision log\n\nNothing has been decided yet.\n"
