"""What the log says of a decision: everything a reader needs years later."""

import json
from datetime import timedelta

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import GapStatus
from dagster_pipeline.register.decision_record import file_digest
from dagster_pipeline.register.journal import append_entry, read_journal
from tests.register.log_cases import AT, BRIEF, EXPERIMENT, VERSION, a_gap, a_record, a_verdict, objects


def test_its_parts_come_in_the_order_they_are_read_in():
    assert list(a_record().document) == [
        "title", "decision", "date", "approvers", "context", "options", "data_snapshot", "chosen_option",
        "dissent", "actions", "review_date", "verdict",
    ]  # fmt: skip


def test_it_holds_the_whole_verdict_and_who_approved_this_version():
    document = a_record().document
    assert document["verdict"] == a_verdict()
    assert document["decision"]["summary"] == "HOLD: 18% of quotes miss the variant."
    assert [found["by"] for found in document["approvers"]] == ["Ada Chen"]
    assert document["data_snapshot"]["brief_version"] == VERSION
    assert document["date"] == "2026-11-06T06:12:41.123456Z"


def test_the_option_chosen_follows_from_the_verdict_and_bears_the_brief_s_name_for_it():
    names = {v: a_record(a_verdict(v)).document["chosen_option"]["name"] for v in ("GO", "PARTIAL", "HOLD")}
    assert names == {"GO": "Expand now", "PARTIAL": "By cohort", "HOLD": "Hold"}
    unnamed = a_record(a_verdict("PARTIAL", stage=10, experiment=None), brief=None).document
    assert unnamed["title"] == "No experiment"
    assert unnamed["chosen_option"] | {"guardrails": []} == {
        "option": "B", "name": "launch in part", "segments": [], "stage": 10, "rollout": [], "rollback": [],
        "guardrails": [],
    }  # fmt: skip


def test_rollout_and_guardrails_stand_with_the_option_and_the_answers_they_got():
    chosen = a_record().document["chosen_option"]
    assert [stage["percent"] for stage in chosen["rollout"]] == [1.0, 10.0]
    assert chosen["rollback"][0]["max_fall"] == 0.01
    (guardrail,) = chosen["guardrails"]
    assert guardrail["max_increase"] == 0.1
    assert [answer["estimate"] for answer in guardrail["answers"]] == [0.031]


def test_a_rice_score_is_reach_times_impact_times_confidence_by_effort():
    assert a_record().document["options"][0]["rice"]["score"] == 10 * 2 * 0.5 / 4


def test_the_data_it_was_made_on_is_named_by_rows_times_and_digests():
    snapshot = a_record().document["data_snapshot"]
    assert snapshot["sources"][0] == {
        "source": "quotes", "status": "ok", "rows": 1_000, "rows_used": 990,
        "newest": "2026-11-04T18:00:00Z", "is_late": True, "digest": "ab" * 32,
    }  # fmt: skip
    assert (snapshot["sources"][1]["status"], snapshot["sources"][1]["rows"]) == ("missing", None)
    assert snapshot["configuration"] == "cd" * 32


def test_open_gaps_are_counted_by_severity_those_of_other_experiments_and_resolved_ones_apart():
    gaps = [
        a_gap(Severity.BLOCKER), a_gap(experiment=EXPERIMENT), a_gap(experiment="other"),
        a_gap(status=GapStatus.RESOLVED),
    ]  # fmt: skip
    counted = a_record(gaps=gaps).document["data_snapshot"]["open_gaps"]
    assert counted == {"blocker": 1, "high": 1, "medium": 0, "low": 0, "info": 0}


def test_dissent_on_this_experiment_or_on_none_is_part_of_it(tmp_path):
    journal = tmp_path / "plumbline.journal.jsonl"
    objects(journal)
    append_entry(journal, kind="dissent", by="Cy", experiment="other", content={"text": "elsewhere"}, at=AT)
    append_entry(
        journal,
        kind="dissent",
        by="Di",
        experiment=None,
        content={"text": "everywhere"},
        at=AT + timedelta(1),
    )
    found = a_record(journal=read_journal(journal)).document["dissent"]
    assert [(one["by"], one["text"]) for one in found] == [
        ("Bo Lind", "The guardrail is too wide."), ("Di", "everywhere"),
    ]  # fmt: skip


def test_a_journal_that_can_not_be_read_is_said():
    unread = a_record(brief={**BRIEF, "signatures": []}, fault="line 3 is no entry").document
    assert unread["approvers"] == []
    assert unread["data_snapshot"]["journal_fault"] == "line 3 is no entry"


def test_it_is_plain_json():
    assert json.loads(json.dumps(a_record().document, allow_nan=False)) == a_record().document


def test_a_file_s_digest_is_its_sha256_and_what_is_no_file_has_none(tmp_path):
    file = tmp_path / "quotes.csv"
    file.write_bytes(b"abc")
    # The test vector of FIPS 180-2, appendix B.1.
    assert file_digest(str(file)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert [file_digest(path) for path in (None, str(tmp_path), str(tmp_path / "*.csv"), "a\0b")] == [
        None
    ] * 4
