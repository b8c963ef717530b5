"""A brief's version: what it covers, who signed it, and that no change of it goes unseen."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from brief_cases import EXPERIMENT, FULL, NOON, a_brief, seen
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.brief_version import (
    brief_changes,
    brief_content,
    brief_document,
    brief_status,
    brief_version,
    short_version,
)
from dagster_pipeline.register.journal import append_entry, read_journal

METRICS = metric_definitions()


def version(**changes) -> str:
    return brief_version(a_brief(**changes), METRICS)


def changed(**changes) -> tuple[str, ...]:
    return brief_changes(brief_content(a_brief(), METRICS), brief_content(a_brief(**changes), METRICS))


# --- what is signed ------------------------------------------------------------------------------


def test_the_version_is_a_sha256_shown_by_its_first_twelve_digits():
    assert re.fullmatch("[0-9a-f]{64}", version())
    assert short_version(version()) == version()[:12]


def test_the_order_of_keys_and_defaults_written_out_make_no_version():
    turned = dict(reversed(FULL.items()))
    assert version(**turned) == version()
    assert version(confidence=0.90, segments=["category"]) == version()
    with_effects = [{**rule, "effect": METRICS[rule["metric"]].effect} for rule in FULL["criteria"]]
    assert version(criteria=with_effects) == version()
    assert version(readiness={"lead": "504h"}) == version(readiness={"lead": "21d"})
    assert version(launch_date="2026-12-01T01:00:00+01:00") == version()


def test_what_decides_nothing_makes_no_version():
    elsewhere = {**FULL["rollout"], "webhook_variable": "OTHER"}
    assert version(max_age="3d", rollout=elsewhere) == version()


@pytest.mark.parametrize("key", sorted(set(FULL) - {"experiment", "criteria"}))
def test_every_other_key_left_out_makes_another_version_and_is_told(key):
    assert version(**{key: None}) != version()
    assert any(change.startswith(f"{key.replace('_', ' ')}:") for change in changed(**{key: None}))


def test_a_definition_of_any_metric_named_makes_another_version_and_others_do_not():
    for metric in ("hire_rate_7d", "support_tickets_per_100_requests", "gmv_per_request", "hire_rate_3d"):
        other = METRICS | {metric: replace(METRICS[metric], y="0")}
        assert brief_version(a_brief(), other) != version()
        change = brief_changes(brief_content(a_brief(), METRICS), brief_content(a_brief(), other))
        assert len(change) == 1
        assert change[0].startswith(f"the definition of {metric} changed: y from ")
    assert brief_version(a_brief(), METRICS | {"refund_rate": METRICS["hire_rate_7d"]}) == version()


def test_how_many_values_make_a_segment_is_part_of_the_version():
    five, six = ([{"top": "category", "n": n}] for n in (5, 6))
    assert len({version(segments=five), version(segments=six), version(segments="category")}) == 3
    assert version(segments=five[0]) == version(segments=five)


def test_a_metric_without_a_definition_can_not_be_evaluated():
    with pytest.raises(NotEvaluatedError, match="'hire_rate_3d', which has no definition"):
        brief_version(a_brief(), {name: METRICS[name] for name in METRICS if name != "hire_rate_3d"})


def test_the_content_is_plain_json_that_survives_being_written():
    content = brief_content(a_brief(), METRICS)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["brief"]["rollout"]["stages"][0] == {"percent": 1.0, "dwell": "2d"}
    assert content["brief"]["launch_date"] == "2026-12-01T00:00:00Z"


# --- what changed --------------------------------------------------------------------------------


def criteria(**changes) -> list[dict]:
    return [FULL["criteria"][0], FULL["criteria"][1] | changes]


SAID = {
    "criteria: hire_rate_7d min_bound from −0.01 to −0.02": {"criteria": criteria(min_bound=-0.02)},
    "criteria: hire_rate_7d added (effect relative, min_bound −0.1)": {
        "criteria": [*FULL["criteria"], {"metric": "hire_rate_7d", "effect": "relative", "min_bound": -0.1}]
    },
    "criteria: in another order": {"criteria": FULL["criteria"][::-1]},
    "launch date: from 2026-12-01T00:00:00Z to 2026-12-08T00:00:00Z": {"launch_date": "2026-12-08"},
    "cohort: geo from us, ca to us": {"cohort": {"geo": ["us"]}},
    "context: left out (Pros answer from their phones since August.)": {"context": None},
    "value: per_day hire_rate_7d from 2000000 to 1000000": {
        "value": FULL["value"] | {"per_day": {"hire_rate_7d": 1_000_000, "gmv_per_request": 500}}
    },
    "rollout: stages 10% dwell from 7d to 3d": {
        "rollout": FULL["rollout"]
        | {"stages": [{"percent": 1, "dwell": "2d"}, {"percent": 10, "dwell": "3d"}, {"percent": 100, "dwell": "14d"}]}
    },
    "signature: from required to optional": {"signature": "optional"},
    "owners: responsible from Ada to Bo": {"owners": FULL["owners"] | {"responsible": "Bo"}},
    "actions: Tell the pros due from 2026-11-20T00:00:00Z to 2026-11-21T00:00:00Z": {
        "actions": [FULL["actions"][0] | {"due": "2026-11-21"}]
    },
    "policy: blocker_at from 0.25 to 0.3": {"policy": {"blocker_at": 0.3}},
}  # fmt: skip


@pytest.mark.parametrize("sentence", SAID)
def test_a_change_is_told_where_and_from_what_to_what(sentence):
    said = changed(**SAID[sentence])
    assert [part.replace(" (no. 2)", "") for part in said] == [sentence]


def test_a_rule_that_goes_is_told_once_and_not_as_a_definition_too():
    assert changed(guardrails=None) == (
        "guardrails: left out (metric support_tickets_per_100_requests, effect relative, ma…)",
    )


def test_of_long_texts_the_part_that_differs_is_shown():
    start = "A long story that says why all of this is done at all, and for whom. "
    old, new = (brief_content(a_brief(context=start + end), METRICS) for end in ("For pros.", "For us."))
    assert brief_changes(old, new) == (
        "context: from …, and for whom. For pros. to …, and for whom. For us.",
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["brief", "metrics", "metric", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(JSON, JSON)
def test_two_documents_differ_exactly_where_something_is_said(old, new):
    assert brief_changes(old, copy.deepcopy(old)) == ()
    differ = json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True)
    assert bool(brief_changes({"brief": old}, {"brief": new})) == differ


# --- signatures ----------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "plumbline.journal.jsonl"


def sign(journal: Path, brief, by: str = "Ada", *, days: float = 0) -> None:
    content = {"version": brief_version(brief, METRICS), "document": brief_content(brief, METRICS)}
    append_entry(
        journal, kind="brief_signed", by=by, experiment=brief.experiment, content=content, at=NOON + timedelta(days)
    )  # fmt: skip


def status(brief, journal: Path, *history):
    return brief_status(brief, METRICS, read_journal(journal), history)


def test_a_brief_nobody_signed_is_not_signed(journal):
    found = status(a_brief(), journal)
    assert (found.is_signed, found.signed_by, found.signed_at, found.signatures) == (False, None, None, ())
    assert found.is_missing_a_signature
    assert not status(a_brief(signature="optional"), journal).is_missing_a_signature
    assert found.sentences[0] == f"Version {found.version[:12]} is not signed, and no version before it was."
    assert "no launch passes the gate" in found.sentences[1]


def test_a_brief_signed_as_it_is_is_signed(journal):
    sign(journal, a_brief(), "Ada")
    sign(journal, a_brief(), "Vera", days=1)
    found = status(a_brief(), journal)
    assert (found.is_signed, found.signed_by, found.signed_at) == (True, "Vera", NOON + timedelta(days=1))
    assert [signature.by for signature in found.signatures] == ["Ada", "Vera"]
    assert (found.signed_version, found.changes, found.is_missing_a_signature) == (None, (), False)
    assert found.sentences == (
        f"Version {found.version[:12]} is signed by Ada on 2026-10-01, Vera on 2026-10-02.",
    )


def test_a_brief_changed_since_its_signature_is_not_signed_and_says_what_changed(journal):
    sign(journal, a_brief())
    now = a_brief(criteria=criteria(min_bound=-0.02))
    found = status(now, journal)
    assert (found.is_signed, found.signed_by, found.signatures) == (False, None, ())
    assert found.signed_version == version()
    assert found.changes == ("criteria: hire_rate_7d min_bound from −0.01 to −0.02",)
    assert "min_bound from −0.01 to −0.02" in found.sentences[0]


def test_a_definition_changed_since_the_signature_unsigns_it(journal):
    sign(journal, a_brief())
    other = METRICS | {"hire_rate_7d": replace(METRICS["hire_rate_7d"], horizon=86_400)}
    found = brief_status(a_brief(), other, read_journal(journal), ())
    assert found.is_missing_a_signature
    assert found.changes == ("the definition of hire_rate_7d changed: horizon from 604800 to 86400",)


def test_the_latest_signature_counts_even_where_this_version_was_signed_before(journal):
    sign(journal, a_brief(), "Ada")
    sign(journal, a_brief(context="Another"), "Vera", days=1)
    found = status(a_brief(), journal)
    assert not found.is_signed
    assert [signature.by for signature in found.signatures] == ["Ada"]


def test_signatures_of_another_experiment_or_other_acts_do_not_count(journal):
    sign(journal, a_brief(experiment="other"))
    content = {"version": version(), "document": {}}
    append_entry(journal, kind="dissent", by="Ada", experiment=EXPERIMENT, content=content)
    append_entry(journal, kind="brief_signed", by="Ada", experiment=EXPERIMENT, content={"version": 1})
    assert status(a_brief(), journal).last_signature is None


# --- changed after data were seen ----------------------------------------------------------------


def test_a_brief_that_every_run_with_data_was_held_to_is_unchanged(journal):
    before = seen(a_brief(context="Draft"), saw_data=False)
    elsewhere = seen(a_brief(experiment="other"), days=0.5)
    found = status(a_brief(), journal, seen(a_brief(), days=2), seen(a_brief(), days=1), before, elsewhere)
    assert found.first_data_at == NOON + timedelta(days=1)
    assert (found.changed_after_data, found.changes_after_data) == (False, ())


def test_before_any_data_a_brief_may_change(journal):
    found = status(a_brief(), journal, seen(a_brief(context="Draft"), saw_data=False))
    assert (found.first_data_at, found.changed_after_data) == (None, False)


def test_a_brief_changed_after_data_were_seen_says_so_even_when_signed(journal):
    now = a_brief(criteria=criteria(min_bound=-0.02))
    sign(journal, now, days=3)
    found = status(now, journal, seen(now, days=2), seen(a_brief(), days=1))
    assert found.is_signed
    assert found.changed_after_data
    assert found.changes_after_data == ("criteria: hire_rate_7d min_bound from −0.01 to −0.02",)
    assert found.sentences[1:] == (
        "The brief was changed after data were seen (first on 2026-10-02): "
        "criteria: hire_rate_7d min_bound from −0.01 to −0.02.",
        "This version was signed only after data were seen (first on 2026-10-02).",
    )


def test_a_brief_changed_and_changed_back_is_still_one_that_was_changed(journal):
    found = status(a_brief(), journal, seen(a_brief()), seen(a_brief(context="Else"), days=1))
    assert (found.changed_after_data, found.changes_after_data) == (True, ())
    assert "changed back" in found.sentences[-1]


def test_a_definition_changed_after_data_were_seen_is_a_change_of_the_brief(journal):
    other = METRICS | {"ttfq_median": replace(METRICS["ttfq_median"], quantile=0.4)}
    found = brief_status(a_brief(), other, (), (seen(a_brief()),))
    assert found.changed_after_data
    assert found.changes_after_data == ("the definition of ttfq_median changed: quantile from 0.5 to 0.4",)


def test_a_signature_before_the_data_is_no_late_one(journal):
    sign(journal, a_brief(), "Ada", days=-1)
    sign(journal, a_brief(), "Vera", days=5)
    assert not status(a_brief(), journal, seen(a_brief())).signed_after_data


def test_the_section_of_decision_json_is_plain(journal):
    sign(journal, a_brief())
    document = brief_document(status(a_brief(context="Else"), journal, seen(a_brief())))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["signed_version"] == version()
    assert (document["signature"], document["is_signed"], document["changed_after_data"]) == (
        "required",
        False,
        True,
    )
    assert document["first_data_at"] == "2026-10-01T12:00:00Z"
    assert document["content"]["brief"]["context"] == "Else"
