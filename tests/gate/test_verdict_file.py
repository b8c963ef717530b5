"""What ``plumbline gate`` makes of the files it finds: allowed only where everything says so."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import timedelta

import pytest
from gate_cases import AS_OF, EXPERIMENT, NOW, a_gap, inputs, segment, shaken, waived
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import to_json
from dagster_pipeline.gate.decision_file import Configured
from dagster_pipeline.gate.dossier import Dossier, dossier_document
from dagster_pipeline.gate.verdict_file import check
from dagster_pipeline.register.journal import append_entry, read_journal
from dagster_pipeline.report.files import begin_run, write_outputs
from dagster_pipeline.report.model import Coverage, RunReport

LATER = NOW + timedelta(hours=1)
ALLOWED, BLOCKED, WRONG_USAGE, NOT_EVALUATED = 0, 1, 2, 3

GO = inputs()
HOLD = shaken(Severity.HIGH)
STAGED = shaken(Severity.MEDIUM)
SEGMENTED = shaken(Severity.HIGH, segments=(segment("geo=A"), segment("geo=B")))


def document(given=GO, **changes):
    return to_json(decide(given)) | changes


def put(folder, found, name="verdict.json"):
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(found if isinstance(found, str) else json.dumps(found), "utf-8")
    return path


def record(folder, state="finished", **changes):
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*.json") if p.name != ".run.json"]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    put(
        folder, {"schema_version": 1, "state": state, "run_id": "r1", "files": digests} | changes, ".run.json"
    )


def code(folder, *arguments, now=LATER, **options):
    return check(folder, *arguments, now=now, **options).exit_code


# --- what a verdict allows ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decided", "stage", "segments", "expected"),
    [
        (GO, None, (), ALLOWED),
        (GO, 50, ("geo=A",), ALLOWED),
        (HOLD, None, (), BLOCKED),
        (HOLD, 1, ("geo=A",), BLOCKED),
        (STAGED, None, (), BLOCKED),
        (STAGED, 11, (), BLOCKED),
        (STAGED, 10, (), ALLOWED),
        (STAGED, 1, (), ALLOWED),
        (STAGED, None, ("geo=A",), BLOCKED),
        (STAGED, 5, ("geo=A",), ALLOWED),
        (SEGMENTED, None, (), BLOCKED),
        (SEGMENTED, 1, (), BLOCKED),
        (SEGMENTED, None, ("geo=A",), ALLOWED),
        (SEGMENTED, None, ("geo=B", "geo=A"), ALLOWED),
        (SEGMENTED, None, ("geo=A", "geo=C"), BLOCKED),
        (SEGMENTED, None, ("geo=a",), BLOCKED),
        (SEGMENTED, None, ("",), BLOCKED),
    ],
)
def test_a_launch_is_allowed_inside_what_the_verdict_allows(tmp_path, decided, stage, segments, expected):
    put(tmp_path, document(decided))
    assert code(tmp_path, None, stage, segments) == expected


def test_a_partial_by_segment_and_stage_allows_only_what_is_inside_both(tmp_path):
    put(tmp_path, document(SEGMENTED, stage=20))
    assert code(tmp_path, None, 20, ("geo=A",)) == ALLOWED
    assert code(tmp_path, None, 21, ("geo=A",)) == BLOCKED
    assert code(tmp_path, None, 20, ("geo=C",)) == BLOCKED
    assert code(tmp_path, None, 20) == BLOCKED
    assert code(tmp_path, None, None, ("geo=A",)) == BLOCKED


def test_the_answer_carries_the_reasons_and_what_would_be_allowed(tmp_path):
    put(tmp_path, document(STAGED))
    found = check(tmp_path, now=LATER)
    assert found.lines[0] == "Blocked: PARTIAL for quoting_v2, evaluated 2026-11-06 06:12 UTC."
    assert "--stage 10" in found.lines[1]
    assert set(document(STAGED)["reasons"]) < set(found.lines)
    assert found.to_json()["allowed"] is False
    assert found.to_json()["stage"] == 10


# --- waivers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.BLOCKER])
def test_a_waiver_that_expired_since_the_run_blocks(tmp_path, severity):
    put(tmp_path, document(inputs(gaps=(waived(a_gap(severity=severity), NOW + timedelta(days=2)),))))
    assert code(tmp_path, now=NOW + timedelta(days=2, microseconds=-1)) == ALLOWED
    assert code(tmp_path, now=NOW + timedelta(days=2)) == BLOCKED
    assert "expired" in " ".join(check(tmp_path, now=NOW + timedelta(days=3)).lines)


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ((), ALLOWED),
        (("gap_acknowledged",), ALLOWED),
        (("gap_reopened",), BLOCKED),
        (("gap_reopened", "gap_accepted"), ALLOWED),
    ],
)
def test_a_waiver_that_was_taken_back_since_the_run_blocks(tmp_path, acts, expected):
    gap, journal = waived(a_gap(severity=Severity.LOW)), tmp_path / "journal.jsonl"
    put(tmp_path, document(inputs(gaps=(gap,))))
    for kind in acts:
        append_entry(journal, kind=kind, by="Ada", experiment=None, content={"gap_id": gap.gap_id}, at=NOW)
    now = {EXPERIMENT: Configured(timedelta(days=7), journal=read_journal(journal))}
    assert code(tmp_path, configured=now) == expected


def test_an_expired_waiver_blocks_a_partial_too(tmp_path):
    given = replace(STAGED, gaps=(*STAGED.gaps, waived(a_gap(2), NOW + timedelta(minutes=1))))
    put(tmp_path, document(given))
    assert code(tmp_path, None, 5) == BLOCKED
    assert code(tmp_path, None, 5, now=NOW) == ALLOWED


# --- age ---------------------------------------------------------------------------------------


def test_a_verdict_older_than_seven_days_is_not_evaluated(tmp_path):
    put(tmp_path, document())
    assert code(tmp_path, now=NOW + timedelta(days=7)) == ALLOWED
    assert code(tmp_path, now=NOW + timedelta(days=7, seconds=1)) == NOT_EVALUATED


def test_the_age_asked_for_comes_before_the_briefs_and_that_before_the_default(tmp_path):
    put(tmp_path, document())
    at = NOW + timedelta(days=2)
    one, three = timedelta(days=1), timedelta(days=3)
    assert code(tmp_path, now=at, configured={EXPERIMENT: Configured(one)}) == NOT_EVALUATED
    assert code(tmp_path, now=at, configured={EXPERIMENT: Configured(one)}, max_age=three) == ALLOWED
    assert code(tmp_path, now=at, configured={EXPERIMENT: Configured(three)}, max_age=one) == NOT_EVALUATED


def test_a_verdict_from_the_future_is_not_evaluated(tmp_path):
    put(tmp_path, document())
    assert code(tmp_path, now=NOW - timedelta(minutes=1)) == NOT_EVALUATED
    assert code(tmp_path, now=NOW - timedelta(seconds=5)) == ALLOWED


def test_what_counts_is_when_it_was_evaluated_not_the_clock_of_the_data(tmp_path):
    put(tmp_path, document(replace(GO, as_of=AS_OF - timedelta(days=900))))
    assert code(tmp_path) == ALLOWED


def test_a_naive_now_is_read_as_utc(tmp_path):
    put(tmp_path, document())
    assert code(tmp_path, now=LATER.replace(tzinfo=None)) == ALLOWED


# --- missing, corrupt, contradictory -----------------------------------------------------------


def test_no_verdict_is_not_evaluated(tmp_path):
    assert code(tmp_path) == NOT_EVALUATED
    assert code(tmp_path / "nowhere") == NOT_EVALUATED
    assert code(tmp_path / "nowhere" / "verdict.json") == NOT_EVALUATED


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"GO"', "GO", "\ufeff", "{}", '{"verdict": NaN}', "[" * 100_000, "9" * 5000],
)
def test_what_is_no_verdict_at_all_is_not_evaluated(tmp_path, text):
    put(tmp_path, text)
    assert code(tmp_path) == NOT_EVALUATED


def test_bytes_that_are_no_text_are_not_evaluated(tmp_path):
    (tmp_path / "verdict.json").write_bytes(json.dumps(document()).encode("utf-16"))
    assert code(tmp_path) == NOT_EVALUATED


def test_a_verdict_cut_short_anywhere_is_not_evaluated(tmp_path):
    text = json.dumps(document())
    for end in range(0, len(text) - 1, 7):
        put(tmp_path, text[:end])
        assert code(tmp_path) == NOT_EVALUATED


def test_a_key_that_is_there_twice_is_not_evaluated(tmp_path):
    put(tmp_path, json.dumps(document(HOLD))[:-1] + ', "verdict": "GO"}')
    assert code(tmp_path) == NOT_EVALUATED
    put(tmp_path, '{"verdict": "HOLD", ' + json.dumps(document())[1:])
    assert code(tmp_path) == NOT_EVALUATED


@pytest.mark.parametrize("key", list(document()))
def test_a_verdict_without_one_of_its_keys_is_not_evaluated(tmp_path, key):
    put(tmp_path, {name: value for name, value in document().items() if name != key})
    assert code(tmp_path) == NOT_EVALUATED


@pytest.mark.parametrize("key", list(document()["criteria"][0]))
def test_a_criterion_without_one_of_its_keys_is_not_evaluated(tmp_path, key):
    found = document()
    del found["criteria"][0][key]
    put(tmp_path, found)
    assert code(tmp_path) == NOT_EVALUATED


_WRONG = {
    "schema_version": [0, 2, "1", 1.0, True, None],
    "experiment": [1, "", [], {}],
    "verdict": ["go", "Go ", "", None, 1, ["GO"], {"GO": 1}],
    "segments": [None, "geo=A", [1], [None], {}, [""]],
    "stage": ["10", 0, 101, -5, True, 10.0, []],
    "criteria": [None, {}, "passed", [1], [None], [{}]],
    "blocked_by": [None, "gap-1", [1], {}],
    "waivers": [None, {}, [1], [{}], [{"gap_id": "gap-1"}], [{"gap_id": "gap-1", "expires_at": None}]],
    "reasons": [None, [], "GO.", [1], [""]],
    "as_of": [None, "", "yesterday", 1, "2026-11-06T00:00:00"],
    "evaluated_at": [None, "", "2026-11-06", "2026-11-06T06:12:41", 0, "9999-12-31T23:59:59-23:59"],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in _WRONG.items() for value in values]
)
def test_a_value_of_the_wrong_kind_is_not_evaluated(tmp_path, key, value):
    put(tmp_path, document(**{key: value}))
    assert code(tmp_path, None, 1, ("geo=A",)) == NOT_EVALUATED


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("outcome", wrong) for wrong in ("ok", "", None, 1, True)),
        *(("estimate", wrong) for wrong in ("0.1", True, [])),
        *(("kind", wrong) for wrong in ("hope", None)),
        *(("metric", wrong) for wrong in ("", None)),
        ("variant", 1),
    ],
)
def test_a_criterion_of_the_wrong_kind_is_not_evaluated(tmp_path, key, value):
    found = document()
    found["criteria"][0][key] = value
    put(tmp_path, found)
    assert code(tmp_path) == NOT_EVALUATED


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_figure_that_is_no_number_is_not_evaluated(tmp_path, number):
    put(tmp_path, json.dumps(document()).replace("-0.179", number))
    assert code(tmp_path) == NOT_EVALUATED


@pytest.mark.parametrize(
    "changes",
    [
        {"criteria": []},
        {"experiment": None},
        {"blocked_by": ["gap-000000000001"]},
        {"verdict": "PARTIAL"},
        *({"outcome": outcome} for outcome in ("failed", "missing", "stale", "errored")),
    ],
)
def test_a_go_that_contradicts_itself_is_not_evaluated(tmp_path, changes):
    found = document()
    if "outcome" in changes:
        found["criteria"][1] |= changes
    else:
        found |= changes
    put(tmp_path, found)
    assert code(tmp_path, None, 1) == NOT_EVALUATED


def test_a_hold_turned_into_a_go_by_hand_does_not_go(tmp_path):
    put(tmp_path, document(HOLD, verdict="GO"))
    assert code(tmp_path) == NOT_EVALUATED


def test_keys_added_by_a_later_version_do_no_harm(tmp_path):
    put(tmp_path, document(signature=None))
    assert code(tmp_path) == ALLOWED


# --- interrupted runs --------------------------------------------------------------------------


def test_a_finished_run_is_believed(tmp_path):
    put(tmp_path, document())
    record(tmp_path)
    assert code(tmp_path) == ALLOWED


@pytest.mark.parametrize("state", ["running", "failed", "", None, 1])
def test_a_run_that_did_not_finish_is_not_evaluated(tmp_path, state):
    put(tmp_path, document())
    record(tmp_path, state=state, started_at="2026-11-06T06:00:00Z")
    assert code(tmp_path) == NOT_EVALUATED


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}"])
def test_a_record_that_can_not_be_read_is_not_evaluated(tmp_path, text):
    put(tmp_path, document())
    put(tmp_path, text, ".run.json")
    assert code(tmp_path) == NOT_EVALUATED


@pytest.mark.parametrize("files", [None, {}, [], {"verdict.json": None}, {"verdict.json": "0" * 64}])
def test_a_verdict_the_finished_run_did_not_write_is_not_evaluated(tmp_path, files):
    put(tmp_path, document())
    record(tmp_path, files=files)
    assert code(tmp_path) == NOT_EVALUATED


def test_a_verdict_changed_after_the_run_is_not_evaluated(tmp_path):
    put(tmp_path, document())
    record(tmp_path)
    put(tmp_path, json.dumps(document()) + "\n")
    assert code(tmp_path) == NOT_EVALUATED


def test_a_verdict_missing_though_recorded_is_not_evaluated(tmp_path):
    put(tmp_path, document())
    record(tmp_path)
    (tmp_path / "verdict.json").unlink()
    assert code(tmp_path) == NOT_EVALUATED


# --- several experiments -----------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["with its record", "without a record"])
def two_experiments(tmp_path, request):
    """verdict.json is the first's; file names say nothing about ids."""
    first, second = document(experiment="first"), document(HOLD, experiment="sec/ond")
    put(tmp_path, first)
    put(tmp_path, first, "verdicts/first.json")
    put(tmp_path, second, "verdicts/sec%2Fond.json")
    if request.param:
        record(tmp_path)
    return tmp_path


def test_each_experiment_is_answered_by_its_own_verdict(two_experiments):
    assert code(two_experiments) == ALLOWED
    assert code(two_experiments, "first") == ALLOWED
    assert code(two_experiments, "sec/ond") == BLOCKED


@pytest.mark.parametrize("name", ["third", "", "../first", "FIRST", "first\x00"])
def test_an_unknown_experiment_is_wrong_usage(two_experiments, name):
    found = check(two_experiments, name, now=LATER)
    assert found.exit_code == WRONG_USAGE
    assert "'first', 'sec/ond'" in " ".join(found.lines)


def test_an_experiment_that_is_not_configured_is_wrong_usage(two_experiments):
    assert (
        code(two_experiments, "first", configured={"sec/ond": Configured(timedelta(days=1))}) == WRONG_USAGE
    )


def test_a_configured_experiment_no_run_has_decided_on_is_not_evaluated(two_experiments):
    ages = {"first": Configured(timedelta(days=1)), "third": Configured(timedelta(days=1))}
    assert code(two_experiments, "third", configured=ages) == NOT_EVALUATED


def test_a_verdict_on_an_experiment_that_is_no_longer_configured_is_not_evaluated(two_experiments):
    assert code(two_experiments, configured={"sec/ond": Configured(timedelta(days=1))}) == NOT_EVALUATED
    assert code(two_experiments, configured={}) == NOT_EVALUATED


def test_one_verdicts_own_file_can_be_named(two_experiments):
    assert code(two_experiments / "verdicts" / "first.json") == ALLOWED
    assert code(two_experiments / "verdicts" / "sec%2Fond.json") == BLOCKED
    assert code(two_experiments / "verdicts" / "first.json", "sec/ond") == WRONG_USAGE


def test_a_corrupt_verdict_is_not_passed_over(two_experiments):
    put(two_experiments, "{", "verdicts/sec%2Fond.json")
    assert code(two_experiments, "sec/ond") == NOT_EVALUATED


def test_a_verdict_the_finished_run_did_not_list_is_not_looked_at(tmp_path):
    put(tmp_path, document(experiment="first"))
    record(tmp_path)
    put(tmp_path, document(experiment="left over"), "verdicts/left.json")
    assert code(tmp_path, "left over") == WRONG_USAGE


def test_a_hold_without_an_experiment_is_blocked_and_not_an_error(tmp_path):
    put(tmp_path, document(inputs(experiment=None, has_brief=False, answers=())))
    assert code(tmp_path) == BLOCKED
    assert code(tmp_path, configured={}) == BLOCKED


# --- what a run really leaves ------------------------------------------------------------------


def test_what_a_run_leaves_behind_is_believed_once_it_has_finished_and_not_before(tmp_path):
    verdicts = document(experiment="first"), document(HOLD, experiment="../zwei: x")
    beside = tuple(dossier_document(Dossier(v["experiment"], None, (), (), None, None, ())) for v in verdicts)
    report = RunReport("r1", AS_OF, NOW, (), (), Coverage(0, 0), verdicts, dossiers=beside)

    begin_run(tmp_path, "r1")
    assert code(tmp_path) == NOT_EVALUATED
    write_outputs(report, tmp_path)
    assert code(tmp_path) == ALLOWED
    assert code(tmp_path, "../zwei: x") == BLOCKED
    assert code(tmp_path, "third") == WRONG_USAGE

    begin_run(tmp_path, "r2")
    assert code(tmp_path) == NOT_EVALUATED
    assert code(tmp_path, "../zwei: x") == NOT_EVALUATED


# --- usage, and what stands in the folder ------------------------------------------------------


@pytest.mark.parametrize("stage", [0, -1, 101])
def test_a_stage_that_is_none_is_wrong_usage(tmp_path, stage):
    put(tmp_path, document(STAGED))
    assert code(tmp_path, None, stage) == WRONG_USAGE


def test_an_age_of_nothing_is_wrong_usage(tmp_path):
    put(tmp_path, document())
    assert (
        code(tmp_path, EXPERIMENT, max_age=timedelta(0), configured={EXPERIMENT: Configured(LATER - NOW)})
        == WRONG_USAGE
    )


@pytest.mark.parametrize("name", ["verdict.json", ".run.json"])
def test_a_folder_or_a_pipe_in_place_of_a_file_is_not_evaluated(tmp_path, name):
    put(tmp_path, document())
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    assert code(tmp_path) == NOT_EVALUATED
    (tmp_path / name).rmdir()
    os.mkfifo(tmp_path / name)
    assert code(tmp_path) == NOT_EVALUATED


def test_no_line_can_steer_a_terminal(tmp_path):
    found = document(
        HOLD, reasons=["HOLD: \x1b[31m\u202e\n\nAllowed: GO\ud800 " + "x" * 5000], experiment="\x1b]0;"
    )
    put(tmp_path, json.dumps(found))
    for line in check(tmp_path, now=LATER).lines:
        assert line.isprintable()
        assert len(line) <= 1000
    assert not any(line.startswith("Allowed") for line in check(tmp_path, now=LATER).lines)


# --- worse files never help --------------------------------------------------------------------

_words = st.sampled_from(["GO", "passed", "", EXPERIMENT])
_keys = st.sampled_from(["a", "verdict"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | _words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_keys, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([HOLD, STAGED, SEGMENTED]), st.sampled_from(list(document())), _json)
def test_no_single_changed_value_turns_a_blocked_launch_into_a_go(tmp_path, decided, key, value):
    put(tmp_path, document(decided, **{key: value}))
    found = check(tmp_path, now=LATER)
    assert found.exit_code in (BLOCKED, NOT_EVALUATED)
    assert found.lines


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_at_all_get_an_answer(tmp_path, content):
    (tmp_path / "verdict.json").write_bytes(content)
    assert code(tmp_path) == NOT_EVALUATED


def test_outcomes_of_the_document_are_those_of_the_vocabulary():
    assert {item["outcome"] for item in document(HOLD)["criteria"]} <= set(Outcome)
