"""An imported rule is run with Plumbline's own and lands in the register; one that can't be run never passes for fine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dagster_pipeline import cli
from dagster_pipeline.checks.runner import run_checks
from dagster_pipeline.checks.suite_files import suite_files, team_suite_files
from dagster_pipeline.checks.suites import load_suites
from dagster_pipeline.commands.run import run
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.engines import SourceInspection, SourceStatus
from dagster_pipeline.errors import ConfigError, PlumblineError
from dagster_pipeline.exports.odcs_import import import_contract
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.unevaluated import with_unevaluated
from dagster_pipeline.register.documents import link_checks
from dagster_pipeline.transform.mapping import WarehouseMapping
from dagster_pipeline.transform.results import BuildResult, WarehouseBuild
from tests.checks.worlds import ROWS, configuration, write_clean_world

METRICS = tuple(metric_definitions())
THEIRS = """
kind: DataContract
apiVersion: v3.1.0
id: theirs
version: "1"
status: active
schema:
  - name: quotes
    quality:
      - {metric: rowCount, mustBeBetween: [1, 2000]}
      - {metric: duplicateValues, mustBe: 0, arguments: {properties: [pro_id, price]}}
      - {type: sql, query: "select count(*) from ${object}", mustBeLessThan: 10}
    properties:
      - name: price
        unique: true
        logicalType: number
        logicalTypeOptions: {exclusiveMinimum: 0, maximum: 500}
        quality:
          - {metric: invalidValues, unit: percent, mustBeLessOrEqualTo: 50, arguments: {validValues: [0.5]}}
          - {type: sql, query: "select max(${property}) from ${table}", mustBe: 999.5}
      - name: quote_id
        logicalTypeOptions: {minLength: 10}
"""


def a_suite(folder: Path, **meta) -> Path:
    entry = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "price"}}
    entry["meta"] = {"gap_kind": "not_evaluated", "affects": [], "mitigation": "none"} | meta
    suite = {"schema": "plumbline_intermediate", "table": "quotes", "relation": "int_quotes"}
    folder.mkdir()
    text = json.dumps({"name": "prices", "meta": suite, "expectations": [entry]})
    (folder / "prices.json").write_text(text)
    return folder


def test_imported_rules_are_run_and_what_fails_is_a_gap_at_its_column(tmp_path: Path):
    config = configuration(tmp_path, sources=("requests", "quotes"))
    found = import_contract(THEIRS, config, suite_files())
    assert not found.left_out
    (tmp_path / "suites").mkdir()
    for suite in found.suites:
        (tmp_path / "suites" / f"{suite.name}.json").write_text(suite.text())
    config = config.model_copy(update={"suites": tmp_path / "suites"})
    suites = [suite for suite in load_suites(config) if suite.file.is_team]
    path = write_clean_world(tmp_path / "warehouse.duckdb")

    results = run_checks(path, suites, config, {"int_quotes"}, tmp_path / "docs")
    assert "team_int_quotes_2" in (tmp_path / "docs" / "index.html").read_text("utf-8")
    said = {(r.suite, r.expectation, r.gap_column): r.status.value for r in results}
    assert said == {
        ("team_int_quotes", "expect_table_row_count_to_be_between", None): "passed",
        ("team_int_quotes", "expect_compound_columns_to_be_unique", None): "passed",
        ("team_int_quotes", "unexpected_rows_expectation", None): "failed",
        ("team_int_quotes", "expect_column_values_to_be_in_set", "price"): "failed",
        ("team_int_quotes_2", "unexpected_rows_expectation", "price"): "passed",
        ("team_int_quotes", "expect_column_proportion_of_unique_values_to_be_between", "price"): "passed",
        ("team_int_quotes", "expect_column_values_to_be_between", "price"): "failed",
        ("team_int_quotes", "expect_column_value_lengths_to_be_between", "quote_id"): "failed",
    }
    between = next(r for r in results if r.expectation == "expect_column_values_to_be_between")
    assert between.failing_rows == sum(i + 0.5 > 500 for i in range(ROWS))

    build = WarehouseBuild(WarehouseMapping({}, (), (), {}, ()), {}, BuildResult(()))
    measured = Measurements({}, {}, {}, {}, (), {}, frozenset())
    whole = with_unevaluated(config, build, results, measured, RunAssessment((), ()))
    places = {(gap.kind, gap.table, gap.column) for gap in whole.gaps}
    assert places == {("not_evaluated", "quotes", column) for column in (None, "price", "quote_id")}
    linked = link_checks(results, whole.gaps)
    assert all(item.gap_id for item in linked if item.check.status.value == "failed")


def test_a_team_suite_is_beside_plumblines_own_on_the_relation_it_names(tmp_path: Path):
    config = configuration(tmp_path).model_copy(update={"suites": a_suite(tmp_path / "suites")})
    suites = load_suites(config)
    assert [suite.name for suite in suites if suite.file.is_team] == ["team_prices"]
    assert len(suites) == len(load_suites(configuration(tmp_path))) + 1
    assert suites[-1].file.relation == "int_quotes"


@pytest.mark.parametrize("options", [{"unmapped": ("quotes.price",)}, {"sources": ("requests",)}])
def test_a_rule_of_a_team_whose_column_is_not_mapped_is_an_error_and_no_silence(
    tmp_path: Path, options: dict
):
    config = configuration(tmp_path, **options).model_copy(update={"suites": a_suite(tmp_path / "suites")})
    (check,) = load_suites(config)[-1].checks
    assert check.obstacle == "quotes.price is not mapped"


def test_a_rule_of_a_team_on_a_source_that_could_not_be_read_is_an_error(tmp_path: Path):
    config = configuration(tmp_path).model_copy(update={"suites": a_suite(tmp_path / "suites")})
    gone = {"quotes": SourceInspection("quotes", SourceStatus.MISSING)}
    (check,) = load_suites(config, gone)[-1].checks
    assert check.obstacle


def test_a_suite_of_a_team_has_a_plain_name(tmp_path: Path):
    folder = a_suite(tmp_path / "suites")
    text = (folder / "prices.json").read_text().replace('"prices"', '"our prices"')
    (folder / "prices.json").unlink()
    (folder / "our prices.json").write_text(text)
    with pytest.raises(PlumblineError, match=r"our prices\.json.*letters"):
        team_suite_files(folder, METRICS)


def test_a_suite_that_can_not_be_used_ends_a_run_before_it_begins(tmp_path: Path):
    a_suite(tmp_path / "rules", gap_kind="missing_values")
    with pytest.raises(PlumblineError, match=r"prices\.json"):
        run(written(tmp_path, "suites: rules"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_rule_of_a_team_can_not_pass_for_a_kind_that_plumbline_measures(tmp_path: Path):
    folder = a_suite(tmp_path / "suites", gap_kind="missing_values")
    with pytest.raises(PlumblineError, match=r"prices\.json.*'missing_values'.*'not_evaluated'"):
        team_suite_files(folder, METRICS)


def written(folder: Path, *lines: str) -> Path:
    text = "\n".join(
        [
            "version: 1",
            "warehouse: {engine: duckdb, path: w.duckdb}",
            "sources:",
            "  requests: {from: r.parquet, freshness: 24h, columns: {request_id: id, created_at: at}}",
            "  quotes: {from: quotes.parquet, columns: {quote_id: q, request_id: r, price: p}}",
            *lines,
        ]
    )
    (folder / "plumbline.yml").write_text(text + "\n")
    return folder / "plumbline.yml"


def test_the_folder_of_the_suites_is_named_in_plumbline_yml(tmp_path: Path):
    a_suite(tmp_path / "rules")
    assert load_config(written(tmp_path, "suites: rules")).suites == tmp_path / "rules"
    assert load_config(written(tmp_path)).suites is None


@pytest.mark.parametrize("given", ["nowhere", "plumbline.yml", "5", "[rules]"])
def test_suites_that_are_no_folder_are_refused_with_the_line(tmp_path: Path, given: str):
    with pytest.raises(ConfigError, match=r"line 6.*suites.*must be a folder"):
        load_config(written(tmp_path, f"suites: {given}"))


# --- the commands ------------------------------------------------------------------------------


def ended(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["plumbline", *map(str, arguments)])
    monkeypatch.setattr(cli.gc, "disable", lambda: None)
    try:
        cli.main()
    except SystemExit as ending:
        return int(ending.code or 0)
    return 0


def test_a_contract_goes_out_and_comes_in_again_by_the_commands(tmp_path: Path, monkeypatch, capsys):
    config, contract = written(tmp_path), tmp_path / "contracts" / "ours.odcs.yaml"
    assert ended(monkeypatch, "contract", "export", "-c", config, "--to", contract) == 0
    assert ended(monkeypatch, "contract", "import", contract, "-c", config, "--write", tmp_path / "new") == 0
    found = capsys.readouterr()
    assert "0 more in 0 suites" in found.out
    assert found.err == ""
    assert list((tmp_path / "new").iterdir()) == []


def test_an_import_writes_suites_and_keys_and_says_what_it_leaves_out(tmp_path: Path, monkeypatch, capsys):
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text(
        THEIRS + "        quality: [{type: text}, {metric: nullValues, mustBe: 0}]\nroles: [{role: x}]\n"
    )
    config = written(tmp_path)
    arguments = ("contract", "import", theirs, "-c", config, "--write", tmp_path / "rules")
    assert ended(monkeypatch, *arguments) == 0
    found = capsys.readouterr()
    assert "suites: rules" in found.out
    assert "roles" in found.err
    assert "quotes.quote_id.quality[0]: it is text" in found.err
    assert "null_share: 0.0" in (tmp_path / "rules" / "plumbline-fragment.yml").read_text()
    assert load_suites(load_config(written(tmp_path, "suites: rules")))[-1].file.is_team


def test_an_import_never_overwrites_other_rules_unless_it_is_told_to(tmp_path: Path, monkeypatch, capsys):
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text(THEIRS)
    config = written(tmp_path)
    arguments = ("contract", "import", theirs, "-c", config, "--write", tmp_path / "rules")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "int_quotes.json").write_text("mine")
    assert ended(monkeypatch, *arguments) == 2
    assert "int_quotes.json" in capsys.readouterr().err
    assert (tmp_path / "rules" / "int_quotes.json").read_text() == "mine"
    assert ended(monkeypatch, *arguments, "--force") == 0
    assert "team" not in (tmp_path / "rules" / "int_quotes.json").read_text()
