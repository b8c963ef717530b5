"""An effect after the launch is held against what the decision that launched said of it, and against nothing else."""

import json
import math
from datetime import timedelta

import pytest
from log_cases import AT, EXPERIMENT, a_verdict

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.register.decision_log import LogEntry
from dagster_pipeline.register.journal import append_entry, read_journal
from dagster_pipeline.register.realised import Realised, compared, realised_effects, record_realised

TICKETS, ARM = "support_tickets_per_100_requests", "treatment"
LATER = AT + timedelta(days=20)


def an_entry(verdict="GO", at=AT, **fields):
    document = json.dumps({"verdict": a_verdict(verdict, **fields)})
    return LogEntry(1, f"run-{at:%d}", at, "decision", EXPERIMENT, "Launch", document, "", "")


def an_effect(value=0.04, on=LATER, **fields):
    defaults = {
        "experiment": EXPERIMENT,
        "metric": TICKETS,
        "variant": ARM,
        "source": "holdout",
        "by": "Ada Chen",
    }
    return Realised(**(defaults | fields), value=value, on=on, at=LATER)


@pytest.mark.parametrize(
    ("value", "in_interval", "in_region"), [(0.04, True, True), (0.10, True, False), (0.2, False, False)]
)
def test_a_realised_effect_is_beside_its_forecast(value, in_interval, in_region):
    (found,) = compared([an_effect(value)], [an_entry()])
    assert (found.in_interval, found.in_region, found.reason) == (in_interval, in_region, None)
    assert found.error == pytest.approx(value - 0.031)
    assert found.forecast.decided_at == AT


def test_the_last_launch_before_the_date_is_the_one_that_counts():
    log = [
        an_entry("PARTIAL", AT),
        an_entry("GO", AT + timedelta(days=3)),
        an_entry("HOLD", AT + timedelta(days=5)),
        an_entry("GO", LATER),
    ]
    (found,) = compared([an_effect()], log)
    assert (found.forecast.verdict, found.forecast.decided_at) == ("GO", AT + timedelta(days=3))


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ([], "No GO or PARTIAL"),
        ([an_entry("HOLD")], "No GO or PARTIAL"),
        ([an_entry("GO", LATER)], "No GO or PARTIAL"),
        ([an_entry(criteria=[])], "no rule on this metric"),
        ([LogEntry(1, "r", AT, "decision", EXPERIMENT, "t", "{", "", "")], "No GO or PARTIAL"),
        ([LogEntry(1, "r", AT, "decision", "search_v1", "t", "{}", "", "")], "No GO or PARTIAL"),
    ],
)
def test_without_a_forecast_nothing_is_scored_and_it_says_why(log, reason):
    (found,) = compared([an_effect()], log)
    assert reason in found.reason
    assert (found.forecast, found.in_interval, found.in_region, found.error) == (None, None, None, None)


def test_limits_that_the_forecast_did_not_have_are_not_scored():
    answer = a_verdict()["criteria"][0] | dict.fromkeys(("estimate", "ci_lower", "ci_upper", "lower"), None)
    (found,) = compared([an_effect()], [an_entry(criteria=[answer])])
    assert (found.in_interval, found.in_region, found.error) == (None, True, None)


def test_what_is_recorded_is_read_back(tmp_path):
    path = tmp_path / "plumbline.journal.jsonl"
    record_realised(path, an_effect())
    assert realised_effects(read_journal(path)) == (an_effect(),)


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (an_effect(math.nan), "finite"),
        (an_effect(source=" "), "source"),
        (an_effect(on=LATER + timedelta(days=1)), "future"),
    ],
)
def test_what_says_nothing_is_refused_and_not_recorded(tmp_path, effect, said):
    path = tmp_path / "plumbline.journal.jsonl"
    with pytest.raises(PlumblineError, match=said):
        record_realised(path, effect)
    assert not path.exists()


def test_an_entry_that_cannot_be_read_confirms_nothing(tmp_path):
    path = tmp_path / "plumbline.journal.jsonl"
    for content in (
        {},
        {"metric": TICKETS, "variant": ARM, "value": "much", "source": "x", "on": "2026-11-20"},
    ):
        append_entry(path, kind="realised", by="Ada", experiment=EXPERIMENT, content=content)
    assert realised_effects(read_journal(path)) == ()
