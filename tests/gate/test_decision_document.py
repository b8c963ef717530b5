"""A decision as verdict.json: valid against its schema, and read back as what it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from gate_cases import a_gap, hires, inputs, segment, shaken, ttfq, waived
from jsonschema import Draft202012Validator

from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import to_json
from dagster_pipeline.gate.reading import read_verdict
from dagster_pipeline.report.documents import schema

CASES = {
    "go": inputs(),
    "go with a waiver": inputs(gaps=(waived(a_gap(flips=True)),)),
    "partial by stage": shaken(Severity.MEDIUM),
    "partial by segments": shaken(Severity.HIGH, segments=(segment(), segment("geo=Zürich \u202e", True))),
    "hold": shaken(Severity.BLOCKER),
    "not evaluated": inputs(answers=(ttfq(outcome=Outcome.MISSING, estimate=None), hires())),
    "without an experiment": inputs(experiment=None, has_brief=False, answers=()),
    "infinite figures": inputs(
        answers=(hires(upper=float("inf"), lower=float("-inf"), ci_upper=float("nan")),)
    ),
    "hostile texts": replace(
        shaken(Severity.HIGH),
        experiment="<b>\ud800",
        gaps=(a_gap(description="\x1b[31m\n'; drop table"),),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_decision_fits_the_schema(case):
    document = to_json(decide(CASES[case]))
    text = json.dumps(document, allow_nan=False)
    assert [
        error.message for error in Draft202012Validator(schema("verdict")).iter_errors(json.loads(text))
    ] == []


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_read_back(case, tmp_path):
    decision = decide(CASES[case])
    document = to_json(decision)
    (tmp_path / "verdict.json").write_text(json.dumps(document, ensure_ascii=False, allow_nan=False), "utf-8")

    stored = read_verdict(tmp_path)

    assert stored.verdict is decision.verdict
    assert (stored.segments, stored.stage) == (tuple(document["segments"]), decision.stage)
    assert (stored.blocked_by, stored.waivers) == (decision.blocked_by, decision.waivers)
    assert stored.evaluated_at == decision.evaluated_at
    assert list(stored.reasons) == document["reasons"]


def test_the_document_has_the_keys_of_the_design_and_no_others():
    document = to_json(decide(inputs(gaps=(waived(a_gap()),))))
    assert list(document) == [
        *("schema_version", "experiment", "verdict", "segments", "stage", "criteria", "blocked_by"),
        *("waivers", "reasons", "as_of", "evaluated_at"),
    ]  # fmt: skip
    assert list(document["criteria"][0]) == [
        *("metric", "variant", "kind", "outcome", "threshold", "estimate"),
        *("ci_lower", "ci_upper", "lower", "upper", "delta_star"),
    ]  # fmt: skip
    assert document["waivers"] == [
        {"gap_id": "gap-000000000001", "expires_at": "2026-11-20T06:12:41.123456Z"}
    ]
