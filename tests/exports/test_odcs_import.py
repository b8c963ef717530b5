"""A data contract as suites and thresholds: what it says is run or listed, and nothing is lost on the way there and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_pipeline.checks.suite_files import suite_files
from dagster_pipeline.checks.suites import load_suites
from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.triage import Triage
from dagster_pipeline.config.types import PlumblineConfig, Thresholds
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.exports.odcs import contract_document, contract_text
from dagster_pipeline.exports.odcs_import import import_contract
from dagster_pipeline.exports.odcs_outcome import ImportedContract
from dagster_pipeline.exports.odcs_rules import percent, share_of
from tests.checks.worlds import configuration

NOT_NULL = "expect_column_values_to_not_be_null"
UNIQUE = "expect_column_proportion_of_unique_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
SIZE = "expect_table_row_count_to_be_between"
ROWS = "unexpected_rows_expectation"


class WrittenOut(yaml.SafeDumper):
    """YAML without anchors, as people write it."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


FEW = ("requests", "quotes")


def exported(config: PlumblineConfig) -> str:
    return contract_text(contract_document(config, load_suites(config)))


def taken(contract: str | dict[str, Any], config: PlumblineConfig) -> ImportedContract:
    text = contract if isinstance(contract, str) else yaml.dump(contract, Dumper=WrittenOut)
    return import_contract(text, config, suite_files(metrics=tuple(config.metrics)))


def contract_on(*quality: dict[str, Any], column: str | None = "price", **more: Any) -> dict[str, Any]:
    """A contract of somebody else's with these rules on quotes, at a column or at the object."""
    thing: dict[str, Any] = {"name": "Quotes"}
    if column is None:
        thing |= {"quality": list(quality)} | more
    else:
        thing["properties"] = [{"name": column, "quality": list(quality)} | more]
    return {
        "kind": "DataContract",
        "apiVersion": "v3.0.2",
        "id": "theirs",
        "version": "7",
        "status": "active",
        "schema": [thing],
    }


def with_files(config: PlumblineConfig, found: ImportedContract, folder: Path) -> PlumblineConfig:
    """The configuration with the suites written and the fragment put in."""
    folder.mkdir(exist_ok=True)
    for suite in found.suites:
        (folder / f"{suite.name}.json").write_text(suite.text(), encoding="utf-8")
    limits = {
        table: {
            column if isinstance(below, dict) else "*": below if isinstance(below, dict) else {column: below}
            for column, below in columns.items()
        }
        for table, columns in found.fragment.get("thresholds", {}).items()
    }
    changes: dict[str, Any] = {"thresholds": Thresholds(overrides=limits)}
    return config.model_copy(update=changes | ({"suites": folder} if found.suites else {}))


# --- there and back ----------------------------------------------------------------------------


def test_our_own_contract_comes_back_as_nothing_to_do(tmp_path: Path):
    brief = Brief(
        experiment="quoting_v2",
        criteria=({"metric": "hire_rate_7d", "min_delta": -0.005},),
        owners={"accountable": "Vi", "hires": "Di"},
    )
    config = configuration(tmp_path).model_copy(update={"briefs": (brief,)})
    found = taken(exported(config), config)
    assert (found.suites, found.fragment, found.left_out) == ((), {}, ())
    assert found.already == sum(len(suite.checks) for suite in load_suites(config))


def test_what_differs_comes_back_as_keys_that_give_the_same_contract(tmp_path: Path):
    overrides = {"quotes": {"price": {"null_share": 0.02}, "*": {"orphan_share": 0.0}}}
    theirs = configuration(tmp_path, overrides=overrides, freshness=timedelta(hours=36))
    theirs = theirs.model_copy(update={"triage": Triage(owners={"quotes": "Bo"})})
    ours = configuration(tmp_path)
    found = taken(exported(theirs), ours)
    assert found.fragment["thresholds"] == {"quotes": {"price": {"null_share": 0.02}, "orphan_share": 0.0}}
    assert found.fragment["sources"]["hires"] == {"freshness": "36h"}
    assert found.fragment["triage"] == {"owners": {"quotes": "Bo"}}
    assert not found.left_out
    again = with_files(theirs, found, tmp_path / "suites")
    assert exported(again) == exported(theirs)


def test_a_contract_of_somebody_else_comes_back_from_its_suites_byte_for_byte(tmp_path: Path):
    config = configuration(tmp_path, sources=FEW)
    found = taken(
        contract_on(
            {"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": [1, 2.5, None]}},
            {"metric": "nullValues", "unit": "percent", "mustBeLessOrEqualTo": 7},
            {"metric": "duplicateValues", "unit": "percent", "mustBeLessOrEqualTo": 12.5},
            {"type": "sql", "query": "select max(${column}) from ${table}", "mustBeLessThan": 10},
            {"type": "sql", "query": "select min(${column}) from ${table}", "mustBeGreaterThan": 0},
            {
                "type": "custom",
                "engine": "great-expectations",
                "implementation": {"type": "ExpectColumnMeanToBeBetween", "kwargs": {"max_value": 3}},
            },
            unique=True,
            logicalType="number",
            logicalTypeOptions={"minimum": 0, "exclusiveMaximum": 1e6},
        ),
        config,
    )
    assert [suite.name for suite in found.suites] == ["int_quotes", "int_quotes_2"]
    assert not found.left_out
    first = with_files(config, found, tmp_path / "suites")
    again = taken(exported(first), first)
    assert again.suites == found.suites
    second = with_files(config, again, tmp_path / "again").model_copy(update={"thresholds": first.thresholds})
    assert exported(second) == exported(first)
    assert "team_int_quotes_2" in exported(first)


def test_a_limit_changed_in_our_contract_is_a_threshold_or_the_teams_own_number(tmp_path: Path):
    config = configuration(tmp_path, sources=FEW)
    rule = {
        "metric": "invalidValues", "unit": "percent", "mustBeLessOrEqualTo": 3, "arguments": {"validValues": [1]},
    }  # fmt: skip
    team = with_files(config, taken(contract_on(rule), config), tmp_path / "suites")
    text = exported(team).replace("mustBeLessOrEqualTo: 3\n", "mustBeLessOrEqualTo: 4\n")
    found = taken(text, team)
    assert found.suites[0].entries[0]["kwargs"]["mostly"] == 0.96
    assert not found.left_out


def test_a_rule_of_ours_that_was_made_another_one_is_read_as_the_one_it_is(tmp_path: Path):
    config = configuration(tmp_path, sources=("requests",))
    text = exported(config).replace("mustBeGreaterOrEqualTo: 1\n", "mustBeGreaterOrEqualTo: 5000\n", 1)
    found = taken(text, config)
    assert [entry["kwargs"] for suite in found.suites for entry in suite.entries] == [{"min_value": 5000}]
    assert not found.left_out


@given(st.decimals(min_value=0, max_value=1, places=6).map(float))
def test_a_share_is_the_same_after_it_was_a_percentage(share: float):
    assert share_of(percent(share)) == share


# --- rules of others ---------------------------------------------------------------------------


def q(**given: Any) -> dict[str, Any]:
    return given


LIBRARY = [
    (q(metric="duplicateValues", mustBe=0), UNIQUE, {"column": "price", "min_value": 1}),
    (q(rule="duplicateValues", mustBeLessThan=1), UNIQUE, {"column": "price", "min_value": 1}),
    (
        q(metric="invalidValues", unit="percent", mustBeLessOrEqualTo=0.1, arguments={"validValues": [1]}),
        IN_SET,
        {"column": "price", "value_set": [1], "mostly": 0.999},
    ),
    (
        q(metric="missingValues", mustBe=0, arguments={"missingValues": ["", "N/A"]}),
        "expect_column_values_to_not_be_in_set",
        {"column": "price", "value_set": ["", "N/A"]},
    ),
    (q(metric="rowCount", mustBeGreaterThan=10), SIZE, {"min_value": 11}),
    (q(metric="rowCount", mustBeLessThan=10), SIZE, {"max_value": 9}),
    (q(metric="rowCount", mustBeBetween=[3, 9]), SIZE, {"min_value": 3, "max_value": 9}),
    (q(metric="rowCount", mustBe=3), SIZE, {"min_value": 3, "max_value": 3}),
    (
        q(metric="duplicateValues", mustBe=0, arguments={"properties": ["pro_id", "price"]}),
        "expect_compound_columns_to_be_unique",
        {"column_list": ["pro_id", "price"]},
    ),
    (
        q(type="custom", engine="greatExpectations", implementation={"type": IN_SET, "kwargs": {"value_set": [2]}}),
        IN_SET,
        {"column": "price", "value_set": [2]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "kind", "kwargs"), LIBRARY)
def test_a_rule_becomes_the_expectation_that_says_the_same(tmp_path: Path, rule, kind: str, kwargs: dict):
    found = taken(contract_on(rule), configuration(tmp_path))
    (suite,) = found.suites
    (entry,) = suite.entries
    assert (suite.schema, suite.relation, suite.table) == ("plumbline_intermediate", "int_quotes", "quotes")
    assert (entry["type"], entry["kwargs"], found.left_out) == (kind, kwargs, ())
    assert entry["meta"]["gap_kind"] == "not_evaluated"


def test_a_query_becomes_one_that_finds_a_row_where_its_value_is_not_as_it_must_be(tmp_path: Path):
    rule = {"type": "sql", "query": "select avg(${column}) from ${table};", "mustBeBetween": [1, 2]}
    found = taken(contract_on(rule), configuration(tmp_path))
    query = found.suites[0].entries[0]["kwargs"]["unexpected_rows_query"]
    assert query == (
        "select * from (select avg(price) from {batch}) as found(value) "
        "where value is null or not (value between 1 and 2)"
    )


@pytest.mark.parametrize(
    ("more", "share"),
    [
        ({"required": True}, 0.0),
        ({"quality": [{"metric": "nullValues", "mustBe": 0}]}, 0.0),
        ({"quality": [{"metric": "nullValues", "unit": "percent", "mustBeLessOrEqualTo": 2.5}]}, 0.025),
        ({"required": True, "quality": [{"metric": "nullValues", "mustBeLessThan": 1}]}, 0.0),
    ],
)
def test_a_limit_on_nulls_is_the_threshold_of_the_rule_that_runs_already(tmp_path: Path, more, share: float):
    found = taken(contract_on(**more), configuration(tmp_path))
    assert found.fragment == {"thresholds": {"quotes": {"price": {"null_share": share}}}}
    assert (found.suites, found.left_out) == ((), ())


def test_of_two_limits_the_stricter_holds_and_the_other_is_said(tmp_path: Path):
    lax = {"metric": "nullValues", "unit": "percent", "mustBeLessOrEqualTo": 9}
    found = taken(contract_on(lax, required=True), configuration(tmp_path))
    assert found.fragment == {"thresholds": {"quotes": {"price": {"null_share": 0.0}}}}
    assert [item.where for item in found.left_out] == ["Quotes.price.quality[0]"]


REFUSED = [
    (q(metric="nullValues", mustBeLessThan=100), "no equal"),
    (q(metric="nullValues", mustBeLessOrEqualTo=100), "count of rows"),
    (q(metric="nullValues", mustBeGreaterThan=0), "no upper limit"),
    (q(metric="nullValues"), "exactly one comparison"),
    (q(metric="nullValues", mustBe=0, mustBeLessThan=3), "exactly one comparison"),
    (q(metric="nullValues", mustBe="none"), "no number"),
    (q(metric="invalidValues", mustBe=0, arguments={"pattern": "^a"}), "not a pattern"),
    (q(metric="rowCount", unit="percent", mustBe=5), "no percentage"),
    (q(metric="rowCount", mustNotBe=5), "no range"),
    (q(metric="rowCount", mustBeGreaterThan=1.5), "whole number"),
    (q(metric="everythingFine", mustBe=0), "no metric"),
    (q(metric="duplicateValues", mustBe=0, arguments={"properties": ["nowhere", "price"]}), "not mapped"),
    (q(type="text", description="prices are sensible"), "for people"),
    (q(type="custom", engine="soda", implementation="checks: 1"), "engine is 'soda'"),
    (q(type="custom", engine="gx", implementation="not json"), "no JSON"),
    (q(type="custom", engine="gx", implementation={"kwargs": {}}), "needs a type"),
    (
        q(type="custom", engine="gx", implementation={"type": "expect_column_values_to_match_regex"}),
        "patterns",
    ),
    (q(type="sql", query="select 1 from prices", mustBe=0), "names tables of its own"),
    (q(type="sql", query="drop table ${table}", mustBe=0), "one SELECT"),
    (q(type="sql", query="select 1 from ${table}; drop table x", mustBe=0), "one SELECT"),
    (q(type="sql", query="select 1 from ${table}", mustBe="0 or 1=1"), "no number"),
    (q(type="poem"), "no rule of type"),
    (q(metric="invalidValues", mustBe=0, arguments={"validValues": [float("nan")]}), "JSON"),
]


@pytest.mark.parametrize(("rule", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_what_no_expectation_says_is_listed_with_the_reason(tmp_path: Path, rule: dict, why: str):
    found = taken(contract_on(rule), configuration(tmp_path))
    (left,) = found.left_out
    assert left.where == "Quotes.price.quality[0]"
    assert why in left.why
    assert (found.suites, found.fragment) == ((), {})


@pytest.mark.parametrize(
    ("change", "where", "why"),
    [
        ({"schema": [{"name": "invoices", "properties": [{"name": "x"}]}]}, "invoices", "no source"),
        (
            {"schema": [{"name": "quotes", "properties": [{"name": "x", "required": True}]}]},
            "quotes.x",
            "not mapped",
        ),
        ({"slaProperties": [{"property": "retention", "value": 3}]}, "slaProperties[0]", "retention"),
        (
            {"slaProperties": [{"property": "freshness", "value": "soon", "element": "hires.hired_at"}]},
            "slaProperties[0]",
            "a number above 0",
        ),
        (
            {"slaProperties": [{"property": "latency", "value": 3, "element": "x.y"}]},
            "slaProperties[0]",
            "no source",
        ),
        ({"team": [{"username": "Al", "role": "Owner"}]}, "team.members[0]", "no gap kind"),
        ({"price": {"priceAmount": 3}}, "price", "not about what the data must be"),
        (
            contract_on(logicalType="integer", column="quote_id"),
            "Quotes.quote_id.logicalType",
            "as string, not as integer",
        ),
        (
            contract_on(logicalTypeOptions={"pattern": "^q"}, column="quote_id"),
            "Quotes.quote_id.logicalTypeOptions",
            "pattern",
        ),
        (
            contract_on(relationships=[{"to": "requests.request_id"}], column="request_id"),
            "Quotes.request_id.relationships",
            "without a parent",
        ),
    ],
)
def test_what_is_no_rule_that_can_be_run_is_listed_too(tmp_path: Path, change: dict, where: str, why: str):
    found = taken(contract_on() | change, configuration(tmp_path))
    assert [(item.where, why in item.why) for item in found.left_out] == [(where, True)]


def test_columns_are_found_by_their_name_in_the_warehouse_and_tables_by_where_they_are_read_from(
    tmp_path: Path,
):
    config = configuration(tmp_path)
    quotes = config.sources["quotes"].model_copy(update={"columns": {"price": "PRICE_EUR"}})
    config = config.model_copy(update={"sources": {**config.sources, "quotes": quotes}})
    contract = contract_on(
        {"metric": "duplicateValues", "mustBe": 0}, column="amount", physicalName="PRICE_EUR"
    )
    contract["schema"][0] |= {"name": "bids", "physicalName": "quotes.parquet"}
    found = taken(contract, config)
    assert found.suites[0].entries[0]["kwargs"]["column"] == "price"


def test_a_rule_touches_the_metrics_of_its_column_and_a_warning_none(tmp_path: Path):
    rule = {"metric": "duplicateValues", "mustBe": 0}
    loud, quiet = (
        taken(contract_on(rule | more, column="quoted_at"), configuration(tmp_path)).suites[0].entries[0]
        for more in ({}, {"severity": "warning"})
    )
    assert "ttfq_median" in loud["meta"]["affects"]
    assert quiet["meta"]["affects"] == []


def test_the_freshness_of_somebody_else_is_a_key_of_the_source(tmp_path: Path):
    promise = {"property": "latency", "value": 2, "unit": "d", "element": "hires.hired_at"}
    found = taken(contract_on() | {"slaProperties": [promise]}, configuration(tmp_path))
    assert found.fragment == {"sources": {"hires": {"freshness": "48h"}}}


FORGED = {"gapKind": "not_evaluated", "affects": [], "mitigation": "none", "position": 0}


def forged(**changes: Any) -> list[dict[str, Any]]:
    given = FORGED | {"suite": "team_int_quotes", "expectation": {"type": UNIQUE, "kwargs": ONCE}} | changes
    return [{"property": name, "value": value} for name, value in given.items()]


ONCE = {"column": "price", "min_value": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"suite": "team_../../../etc/cron"},
        {"suite": "team_"},
        {"suite": "int_quotes"},
        {"gapKind": "missing_values", "suite": "team_other"},
        {"affects": ["no_metric"]},
        {"affects": [["nested"]]},
        {"position": True},
        {"expectation": {"type": 5, "kwargs": {}}},
        {"expectation": {"type": NOT_NULL, "kwargs": {"column": "price"}}},
    ],
)
def test_a_rule_that_only_says_it_is_ours_is_read_as_anybodys(tmp_path: Path, changes: dict):
    rule = {"metric": "duplicateValues", "mustBe": 0, "customProperties": forged(**changes)}
    found = taken(contract_on(rule), configuration(tmp_path, sources=FEW))
    (suite,) = found.suites
    assert (suite.name, [e["kwargs"] for e in suite.entries]) == ("int_quotes", [ONCE])
    assert suite.entries[0]["meta"]["gap_kind"] == "not_evaluated"


def test_rules_that_claim_one_place_in_a_suite_are_all_kept(tmp_path: Path):
    rules = [
        {"metric": "duplicateValues", "mustBe": 0, "customProperties": forged()},
        {
            "metric": "duplicateValues",
            "unit": "percent",
            "mustBeLessOrEqualTo": 3,
            "customProperties": forged(),
        },
    ]
    elsewhere = contract_on(
        {"metric": "duplicateValues", "mustBe": 0, "customProperties": forged()}, column="request_id"
    )
    contract = contract_on(*rules)
    contract["schema"] += [elsewhere["schema"][0] | {"name": "requests"}]
    found = taken(contract, configuration(tmp_path, sources=FEW))
    kept = sorted((s.name, s.relation, e["kwargs"]["min_value"]) for s in found.suites for e in s.entries)
    assert kept == [
        ("int_quotes", "int_quotes", 1),
        ("int_quotes_2", "int_quotes", 0.97),
        ("int_requests", "int_requests", 1),
    ]


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 200), st.floats(), st.text(max_size=8), st.just([1, 2])
)
_RULES = st.dictionaries(
    st.sampled_from(
        ["type", "metric", "rule", "unit", "mustBe", "mustBeLessThan", "mustBeLessOrEqualTo", "mustBeBetween",
         "query", "engine", "implementation", "arguments", "severity", "customProperties"]
    ),
    st.one_of(
        _VALUES,
        st.sampled_from(["library", "sql", "custom", "nullValues", "rowCount", "duplicateValues", "gx", "percent"]),
        st.dictionaries(st.sampled_from(["type", "kwargs", "validValues", "properties"]), _VALUES),
    ),
    max_size=5,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=_RULES)
def test_no_rule_whatever_it_holds_is_dropped_in_silence(tmp_path: Path, rule: dict[str, Any]):
    found = taken(contract_on(rule), configuration(tmp_path, sources=FEW))
    entries = [entry for suite in found.suites for entry in suite.entries]
    assert entries or found.fragment or found.left_out or found.already
    json.dumps(entries, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no data contract"),
        ("[1, 2]", "no data contract"),
        ("kind: DataContract", "apiVersion"),
        ("{kind: DataContract, apiVersion: v2.2.2}", "v3.1.x"),
        ("{kind: DataContract, apiVersion: v3.1.0, schema: 5}", "schema must be a list"),
        ("{kind: DataContract, apiVersion: v3.1.0, schema: [5]}", "schema must be a list"),
        ("a: [", "is not YAML"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("a: &a [1]\nb: *a", "aliases"),
    ],
)
def test_what_is_no_contract_is_refused_by_name(tmp_path: Path, text: str, why: str):
    with pytest.raises(PlumblineError, match="contract") as caught:
        taken(text, configuration(tmp_path))
    assert why in str(caught.value)


def test_a_twin_of_a_rule_counts_once(tmp_path: Path):
    rule = {"metric": "duplicateValues", "mustBe": 0}
    found = taken(contract_on(rule, rule), configuration(tmp_path))
    assert [len(suite.entries) for suite in found.suites] == [1]
    assert replace(found, suites=()).already == 1
