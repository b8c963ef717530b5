"""The suites and the mapping as a data contract: it is one by the standard's own schema, and leaves no rule out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dagster_pipeline.checks.suites import load_suites
from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.triage import Triage
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.exports.odcs import contract_document, contract_text
from tests.checks.worlds import SOURCES, configuration

SCHEMAS = Path(__file__).parent / "schemas"
AIM = ({"metric": "hire_rate_7d", "min_delta": -0.005},)
HOSTILE = "Ann\x1b[31m\u202e\x07 'quoted' \"twice\" # no comment: &anchor *alias\nline\u2028"


def contract_of(config: PlumblineConfig) -> dict[str, Any]:
    return contract_document(config, load_suites(config))


def rules_of(contract: dict[str, Any]) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """Every rule with its object and property."""
    for thing in contract["schema"]:
        yield from ((thing["name"], None, rule) for rule in thing.get("quality", []))
        for column in thing["properties"]:
            yield from ((thing["name"], column["name"], rule) for rule in column.get("quality", []))


def custom(rule: dict[str, Any]) -> dict[str, Any]:
    return {item["property"]: item["value"] for item in rule["customProperties"]}


def the_rule(contract: dict[str, Any], thing: str, column: str | None, kind: str) -> dict[str, Any]:
    found = [r for t, c, r in rules_of(contract) if (t, c, custom(r)["gapKind"]) == (thing, column, kind)]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return contract_of(configuration(tmp_path_factory.mktemp("export")))


@pytest.mark.parametrize("version", ["3.1.0", "3.2.0"])
@pytest.mark.parametrize("sources", [("requests",), pytest.param(SOURCES, marks=pytest.mark.matrix)], ids=len)
def test_the_contract_is_one_by_the_schema_of_the_standard(tmp_path: Path, version: str, sources: tuple):
    schema = json.loads((SCHEMAS / f"odcs-{version}.schema.json").read_text("utf-8"))
    written = yaml.safe_load(contract_text(contract_of(configuration(tmp_path, sources=sources))))
    assert [e.message for e in jsonschema.Draft201909Validator(schema).iter_errors(written)] == []


def test_the_schema_would_refuse_a_rule_without_its_comparison(tmp_path: Path):
    schema = json.loads((SCHEMAS / "odcs-3.1.0.schema.json").read_text("utf-8"))
    broken = contract_of(configuration(tmp_path, sources=("requests",)))
    next(rule for _, _, rule in rules_of(broken) if rule.get("metric") == "rowCount").pop(
        "mustBeGreaterOrEqualTo"
    )
    assert list(jsonschema.Draft201909Validator(schema).iter_errors(broken))


def test_every_check_of_every_suite_is_in_the_contract_once(tmp_path: Path):
    config = configuration(tmp_path)
    checks = sorted((s.name, c.entry.position) for s in load_suites(config) for c in s.checks)
    found = sorted((custom(r)["suite"], custom(r)["position"]) for _, _, r in rules_of(contract_of(config)))
    assert len(checks) > 80
    assert found == checks


def test_a_threshold_is_a_percentage_and_keeps_its_name(tmp_path: Path):
    changed = configuration(tmp_path, overrides={"quotes": {"price": {"null_share": 0.123}}})
    rule = the_rule(contract_of(changed), "quotes", "price", "missing_values")
    assert (rule["metric"], rule["unit"], rule["mustBeLessOrEqualTo"]) == ("nullValues", "percent", 12.3)
    assert custom(rule)["threshold"] == "null_share"


def test_a_rule_no_library_rule_says_is_handed_over_for_great_expectations(contract: dict[str, Any]):
    rule = the_rule(contract, "quotes", None, "orphan_rows")
    assert (rule["type"], rule["engine"]) == ("custom", "greatExpectations")
    assert rule["implementation"]["kwargs"]["column"] == "is_orphan"
    assert (custom(rule)["threshold"], custom(rule)["thresholdShare"]) == ("orphan_share", 0.001)


def test_copies_are_duplicates_over_the_mapped_columns(contract: dict[str, Any]):
    rule = the_rule(contract, "quotes", None, "duplicate_rows")
    assert rule["metric"] == "duplicateValues"
    assert rule["arguments"]["properties"][:2] == ["quote_id", "request_id"]


def test_what_a_failing_rule_touches_stands_with_it(contract: dict[str, Any]):
    found = custom(the_rule(contract, "quotes", "pro_id", "missing_values"))
    assert "ttfq_median" in found["affects"]
    assert found["mitigation"] == "none; use metrics that do not need it"


def test_columns_carry_their_names_in_the_warehouse_and_their_types(tmp_path: Path):
    config = configuration(tmp_path)
    quotes = config.sources["quotes"].model_copy(update={"columns": {"price": "PRICE_EUR", "quote_id": "id"}})
    changed = config.model_copy(update={"sources": dict(config.sources) | {"quotes": quotes}})
    thing = next(t for t in contract_of(changed)["schema"] if t["name"] == "quotes")
    columns = {c["name"]: c for c in thing["properties"]}
    assert (columns["price"]["physicalName"], columns["price"]["logicalType"]) == ("PRICE_EUR", "number")
    assert columns["quote_id"]["primaryKey"] is True
    assert set(columns) == {"quote_id", "price"}


def test_a_canonical_key_is_required_and_unique(contract: dict[str, Any]):
    thing = next(t for t in contract["schema"] if t["name"] == "canonical_quotes")
    key = next(c for c in thing["properties"] if c["name"] == "quote_id")
    assert (key["required"], key["unique"], key["primaryKey"]) == (True, True, True)


def test_freshness_is_a_promise_at_the_column_that_tells_it(tmp_path: Path):
    found = contract_of(configuration(tmp_path, freshness=timedelta(minutes=90)))["slaProperties"]
    quotes = next(p for p in found if p["id"] == "freshness-quotes")
    assert (quotes["value"], quotes["unit"], quotes["element"]) == (90, "m", "quotes.quoted_at")
    assert "slaProperties" not in contract_of(configuration(tmp_path, freshness=None))


def test_owners_are_the_team_the_briefs_before_the_triage(tmp_path: Path):
    brief = Brief(experiment="quoting_v2", criteria=AIM, owners={"quotes": "Bo", "responsible": "Cy"})
    triage = Triage(owners={"quotes": "Al", "hires": "Di"})
    found = contract_of(configuration(tmp_path).model_copy(update={"briefs": (brief,), "triage": triage}))
    assert found["team"]["members"] == [
        {"username": "Di", "role": "hires"},
        {"username": "Bo", "role": "quotes"},
        {"username": "Cy", "role": "responsible"},
    ]


def test_the_same_configuration_gives_the_same_bytes(tmp_path: Path):
    config = configuration(tmp_path)
    assert contract_text(contract_of(config)) == contract_text(contract_of(config))


def test_no_value_leaves_its_place_or_steers_a_display(tmp_path: Path):
    brief = Brief(experiment="quoting_v2", criteria=AIM, question=HOSTILE, owners={"quotes": HOSTILE})
    document = contract_of(configuration(tmp_path).model_copy(update={"briefs": (brief,)}))
    text = contract_text(document)
    assert not set("\x1b\x07\u202e\u2028") & set(text)
    assert yaml.safe_load(text) == document
