"""SARIF 2.1.0: valid, a result for every gap that is still there, at the line of its source."""

import json
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from left_runs import EXPERIMENT, NOW, a_gap, a_waiver, accepted, every_outcome, hostile, leave

from dagster_pipeline.config.own_metrics import own_name
from dagster_pipeline.exports.places import ConfigPlaces, config_places
from dagster_pipeline.exports.reading import read_run
from dagster_pipeline.exports.sarif import sarif

CONFIG = f"""version: 1
sources:
  quotes:
    from: quotes.parquet
    columns:
      quote_id: id
      variant: ${{NOT_SET_ANYWHERE}}
  hires: {{from: hires.parquet, columns: {{hire_id: id}}}}
experiments:
  - id: other
  - id: {EXPERIMENT}
metrics:
  - name: margin
parity:
  - id: ledger
"""


@cache
def schema() -> Draft7Validator:
    """OASIS' schema (github.com/oasis-tcs/sarif-spec, under the OASIS notices that let it be copied unchanged)."""
    file = Path(__file__).parent / "schemas" / "sarif-schema-2.1.0.json"
    return Draft7Validator(json.loads(file.read_text("utf-8")))


def the_run(out: Path, places: ConfigPlaces | None = None, link: str | None = None, now=NOW) -> dict:
    """The one run of the document, which is held to the schema."""
    document = json.loads(sarif(read_run(out, now=now), places or ConfigPlaces("plumbline.yml"), link))
    assert [error.message for error in schema().iter_errors(document)] == []
    assert len(document["runs"]) == 1
    return document["runs"][0]


def by_gap(run: dict) -> dict[str, dict]:
    return {found["partialFingerprints"]["plumblineGapId/v1"]: found for found in run["results"]}


def test_every_gap_that_is_still_there_is_a_result_of_its_kinds_rule(tmp_path: Path):
    run = the_run(every_outcome(tmp_path))
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    found = {gap_id: (result["ruleId"], result["level"]) for gap_id, result in by_gap(run).items()}
    assert found == {
        "gap-000000000001": ("stale_source", "error"),
        "gap-000000000002": ("missing_variant", "error"),
        "gap-000000000007": ("sample_ratio_mismatch", "error"),
        "gap-000000000003": ("orphan_rows", "warning"),
        "gap-000000000004": ("missing_values", "note"),
        "gap-000000000005": ("not_evaluated", "note"),
    }
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [
        result["ruleId"] for result in run["results"]
    ]
    assert len(set(rules)) == len(rules)


def test_a_rule_leads_to_its_runbook(tmp_path: Path):
    every_outcome(tmp_path)
    rule = the_run(tmp_path, link="https://example.org/report")["tool"]["driver"]["rules"][0]
    assert rule["helpUri"] == "https://example.org/report/runbooks/stale_source.html"
    assert "runbooks/stale_source.html" in rule["help"]["text"]
    assert "helpUri" not in the_run(tmp_path)["tool"]["driver"]["rules"][0]


def test_two_gaps_of_one_place_have_two_fingerprints(tmp_path: Path):
    leave(tmp_path, [a_gap(1), a_gap(2)])
    prints = [
        found["partialFingerprints"]["primaryLocationLineHash"] for found in the_run(tmp_path)["results"]
    ]
    assert prints == ["gap-000000000001", "gap-000000000002"]


def test_an_accepted_gap_is_suppressed_while_its_waiver_is_in_force(tmp_path: Path):
    leave(
        tmp_path,
        [accepted(1), accepted(2, a_waiver(expires_at=NOW)), accepted(3, a_waiver(share=0.01)), a_gap(4)],
    )
    found = {gap_id: result["suppressions"] for gap_id, result in by_gap(the_run(tmp_path)).items()}
    [suppression] = found.pop("gap-000000000001")
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert "The backfill lands on Monday" in suppression["justification"]
    assert list(found.values()) == [[], [], []]


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ({"table": "quotes", "column": "variant"}, 7),
        ({"table": "quotes", "column": "price"}, 3),
        ({"table": "hires", "column": None}, 8),
        ({"table": None, "column": None, "experiment": EXPERIMENT}, 11),
        ({"table": own_name("margin"), "column": None}, 13),
        ({"table": "ledger", "column": None}, 15),
        ({"table": "gone", "column": None}, 1),
        ({"table": "gone", "column": None, "experiment": EXPERIMENT}, 11),
    ],
)
def test_a_result_lies_at_the_line_of_its_source(tmp_path: Path, where: dict, line: int):
    file = tmp_path / "data team" / "plumbline.yml"
    file.parent.mkdir()
    file.write_text(CONFIG, encoding="utf-8")
    leave(tmp_path / "out", [a_gap(1, **where)])
    [result] = the_run(tmp_path / "out", config_places(file, tmp_path))["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "data%20team/plumbline.yml"
    assert place["region"]["startLine"] == line


def test_a_result_names_table_and_column(tmp_path: Path):
    leave(tmp_path, [a_gap(1)])
    [location] = the_run(tmp_path)["results"][0]["locations"]
    assert location["logicalLocations"] == [{"fullyQualifiedName": "quotes.variant", "kind": "member"}]


@pytest.mark.parametrize("text", [None, "- not\n- a mapping\n", "a: [", "\x00"])
def test_without_a_usable_configuration_a_result_is_about_the_file(tmp_path: Path, text: str | None):
    file = tmp_path / "plumbline.yml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert config_places(file, tmp_path).line(a_gap()) == 1


def test_a_configuration_outside_the_checkout_goes_by_its_bare_name(tmp_path: Path):
    assert config_places(tmp_path / "plumbline.yml", tmp_path / "checkout").name == "plumbline.yml"


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=30)], ids=["missing", "stale"])
def test_a_run_that_was_not_evaluated_is_one_error_and_a_failed_execution(tmp_path: Path, late):
    if late:
        every_outcome(tmp_path)
    run = the_run(tmp_path, now=NOW + late)
    [result] = run["results"]
    assert (result["ruleId"], result["level"], result["suppressions"]) == ("run_not_evaluated", "error", [])
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["exitCode"] == 3


def test_a_check_that_could_not_run_is_told(tmp_path: Path):
    [told] = the_run(every_outcome(tmp_path))["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"].startswith("A check could not run: expect_column_values_to_not_be_null")


def test_hostile_text_stays_text_and_no_gap_is_lost(tmp_path: Path):
    run = the_run(hostile(tmp_path))
    texts = [found["message"]["text"] for found in run["results"]]
    assert len(texts) == 9
    for text in texts:
        assert text.isprintable()
        assert "](" not in text
        assert "{0" not in text
