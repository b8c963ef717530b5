"""A trigger becomes one entry of the journal, before anybody is called, and what became of the call another."""

from __future__ import annotations

import json

import pytest
from rollout_cases import EXPERIMENT, NOW, TRIGGER, document, watched

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.kill_switch import pull, read_decision, rollouts_of, tell, untold
from dagster_pipeline.gate.stages import stage_allowed, with_journal
from dagster_pipeline.gate.webhook import Delivery
from dagster_pipeline.register.journal import append_entry, read_journal

FIRED = document(rollback=[watched(TRIGGER)])
LATER = document(rollback=[watched({**TRIGGER, "days": ["2026-11-09", "2026-11-10"]})])


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "plumbline.journal.jsonl"


def kinds(journal):
    return [entry.kind for entry in read_journal(journal)]


def start(journal, *, forced, **content):
    content = {"percent": 1, "forced": forced, "reason": "we know"} | content
    return append_entry(journal, kind="stage_started", by="Ada", experiment=EXPERIMENT, content=content)


def test_a_trigger_is_recorded_once_and_blocks_the_gate(journal):
    assert stage_allowed(document(), 1, NOW)[0]
    entry = pull(journal, FIRED, "run-1")[0]
    assert (entry.kind, entry.experiment, entry.content) == (
        "rolled_back",
        EXPERIMENT,
        {**TRIGGER, "run_id": "run-1"},
    )
    assert pull(journal, FIRED, "run-2") == ()
    assert kinds(journal) == ["rolled_back"]
    assert not stage_allowed(with_journal(document(), read_journal(journal)), 1, NOW)[0]


def test_no_trigger_records_nothing(journal):
    assert pull(journal, document(), "run-1") == ()
    assert not journal.exists()


def test_a_row_of_falls_that_goes_on_is_no_news_until_somebody_started_again(journal):
    pull(journal, FIRED, "run-1")
    assert pull(journal, LATER, "run-2") == ()
    start(journal, forced=False)
    assert pull(journal, LATER, "run-2") == ()
    start(journal, forced=True, seen=2)
    assert pull(journal, FIRED, "run-3") == ()
    assert len(pull(journal, LATER, "run-3")) == 1


def test_telling_is_written_down_whether_it_worked_or_not(journal):
    entry = pull(journal, FIRED, "run-1")[0]
    assert untold(read_journal(journal)) == (entry,)
    sent = []
    tell(journal, entry, lambda payload: sent.append(payload) or Delivery(False, 3, "answered 500"))
    noted = read_journal(journal)[-1]
    assert noted.kind == "decision_noted"
    assert noted.content["text"] == "The webhook could not be told of entry 1: answered 500, 3 of 3 tries."
    assert (noted.content["of"], noted.content["delivered"]) == (1, False)
    assert untold(read_journal(journal)) == ()
    assert sent[0]["event"] == "rolled_back"
    assert {key: sent[0][key] for key in TRIGGER} == TRIGGER
    assert (sent[0]["experiment"], sent[0]["run_id"], sent[0]["digest"]) == (
        EXPERIMENT,
        "run-1",
        entry.digest,
    )


def test_a_call_that_breaks_down_leaves_the_switch_pulled_and_is_made_up_for(journal):
    entry = pull(journal, FIRED, "run-1")[0]

    def dies(payload):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell(journal, entry, dies)
    assert kinds(journal) == ["rolled_back"]
    assert untold(read_journal(journal)) == (entry,)


def test_a_rollback_somebody_wrote_down_is_nothing_to_tell(journal):
    append_entry(
        journal, kind="rolled_back", by="Ada", experiment=EXPERIMENT, content={"reason": "support called"}
    )
    assert untold(read_journal(journal)) == ()


def test_a_journal_whose_chain_is_broken_and_a_section_that_is_none_stop_it(journal):
    pull(journal, FIRED, "run-1")
    journal.write_text(journal.read_text().replace("0.012", "0.001"))
    with pytest.raises(NotEvaluatedError, match="journal"):
        pull(journal, LATER, "run-2")
    journal.unlink()
    with pytest.raises(NotEvaluatedError, match="rollout section"):
        pull(journal, document(rollback=None), "run-1")
    assert not journal.exists()


@pytest.mark.parametrize("text", [None, "", "{", "[]", "5", '{"experiments": {}}', "\ud800"])
def test_a_decision_that_is_missing_or_broken_is_said_to_be(tmp_path, text):
    if text is not None:
        (tmp_path / "decision.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(NotEvaluatedError, match="plumbline run"):
        read_decision(tmp_path)


@pytest.mark.parametrize(
    "experiments", [[5], [{}], [{"experiment": "x"}], [{"experiment": None, "rollout": {}}], [{"experiment": "x", "rollout": {"experiment": "y"}}], [{"experiment": "x", "rollout": 3}]]
)  # fmt: skip
def test_a_decision_without_rollouts_that_can_be_read_is_none(tmp_path, experiments):
    (tmp_path / "decision.json").write_text(json.dumps({"experiments": experiments}))
    with pytest.raises(NotEvaluatedError):
        rollouts_of(read_decision(tmp_path))


def test_an_experiment_without_a_brief_has_no_rollout():
    found = {
        "experiments": [{"experiment": None, "rollout": None}, {"experiment": EXPERIMENT, "rollout": FIRED}]
    }
    assert rollouts_of(found) == {EXPERIMENT: FIRED}
