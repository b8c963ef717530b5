"""A run as OpenLineage events: valid by the specification, nothing lost, and COMPLETE only for a run that is whole."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
from left_runs import AS_OF, EVALUATED, EXPERIMENT, NOW, a_check, a_gap, every_outcome, hostile, leave
from referencing import Registry, Resource

from dagster_pipeline import cli
from dagster_pipeline.config.types import Source
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.exports.openlineage import LineageRun, lineage_events, lines_of, read_lineage
from dagster_pipeline.exports.openlineage_datasets import Namespaces, dataset_name
from dagster_pipeline.gaps.model import GapStatus
from dagster_pipeline.paths import bundled
from tests.checks.worlds import configuration

SCHEMAS = Path(__file__).parent / "schemas"
CORE = json.loads((SCHEMAS / "openlineage-core-2-0-2.json").read_text("utf-8"))
FACETS = json.loads((SCHEMAS / "openlineage-facets.json").read_text("utf-8"))
OWN = json.loads((bundled("exports/schemas") / "openlineage-facets-1-0-0.schema.json").read_text("utf-8"))
# The facets refer to the core by the version of their time.
REGISTRY = Registry().with_resources(
    [
        (f"https://openlineage.io/spec/{version}/OpenLineage.json", Resource.from_contents(CORE))
        for version in ("1-0-1", "1-0-2", "2-0-2")
    ]
)
CHECKER = jsonschema.FormatChecker(["uuid"])


@CHECKER.checks("date-time", ValueError)
def is_moment(text: object) -> bool:
    return datetime.fromisoformat(str(text)).tzinfo is not None


@CHECKER.checks("uri", ValueError)
def is_uri(text: object) -> bool:
    return bool(urlsplit(str(text)).scheme) and str(text).isascii() and " " not in str(text)


NAMES = Namespaces("growth", "duckdb")
RECORDED = {"started_at": "2026-11-06T05:59:00Z", "finished_at": "2026-11-06T06:00:00Z"}


def rerecorded(output: Path, **changes: Any) -> Path:
    record = json.loads((output / ".run.json").read_text("utf-8"))
    (output / ".run.json").write_text(json.dumps(record | changes), encoding="utf-8")
    return output


def events_of(output: Path, tmp_path: Path, names: Namespaces = NAMES) -> tuple[dict[str, Any], ...]:
    return lineage_events(configuration(tmp_path), read_lineage(output, NOW), names)


@pytest.fixture
def told(tmp_path: Path) -> tuple[dict[str, Any], ...]:
    return events_of(rerecorded(every_outcome(tmp_path / "out"), **RECORDED), tmp_path)


def facets_of(event: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every facet of an event with its name."""
    places = [event["run"]["facets"], event["job"]["facets"]]
    for dataset in (*event["inputs"], *event["outputs"]):
        places += [dataset.get("facets", {}), dataset.get("inputFacets", {})]
    return [item for place in places for item in place.items()]


def assertions(event: dict[str, Any]) -> list[dict[str, Any]]:
    return [a for n, f in facets_of(event) if n == "dataQualityAssertions" for a in f["assertions"]]


def of_source(event: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dataset for dataset in event["inputs"] if dataset["name"] == f"{name}.parquet")


def schema_name(facet: dict[str, Any]) -> str:
    return facet["_schemaURL"].rpartition("/")[2]


def expect_valid(events: tuple[dict[str, Any], ...]) -> None:
    for event in events:
        validator = jsonschema.Draft202012Validator(CORE, registry=REGISTRY, format_checker=CHECKER)
        assert [e.message for e in validator.iter_errors(event)] == []
        for name, facet in facets_of(event):
            if name == "processing_engine":
                continue  # its class is held below
            schema = OWN if name.startswith("plumbline_") else FACETS[schema_name(facet)]
            pointed = {"$ref": f"{schema['$id']}#/$defs/{schema_name(facet)}"}
            known = REGISTRY.with_resource(schema["$id"], Resource.from_contents(schema))
            validator = jsonschema.Draft202012Validator(pointed, registry=known, format_checker=CHECKER)
            assert [e.message for e in validator.iter_errors(facet)] == [], name


# --- what the specification asks for -----------------------------------------------------------


def test_every_event_and_facet_is_one_by_its_schema(told):
    expect_valid(told)
    assert {schema_name(f) for event in told for _, f in facets_of(event)} >= set(FACETS) - {
        "ErrorMessageRunFacet"
    }


def test_every_facet_is_one_that_the_projects_own_classes_take_under_its_address(told, tmp_path: Path):
    failed = events_of(rerecorded(leave(tmp_path / "gone"), files={"register.json": "0" * 64}), tmp_path)
    seen = set()
    for name, facet in (item for event in (*told, *failed) for item in facets_of(event)):
        if name.startswith("plumbline_"):
            continue
        stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", schema_name(facet).removesuffix("Facet")).lower()
        module = importlib.import_module(f"openlineage.client.generated.{stem}")
        made = getattr(module, schema_name(facet))
        content = {key: value for key, value in facet.items() if not key.startswith("_")}
        made(**content)
        assert facet["_schemaURL"] == made._get_schema()
        if name == "dataQualityAssertions":
            seen |= {module.Assertion(**item).assertion for item in content["assertions"]}
    assert seen


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda event: event["run"].update(runId="run-7"),
        lambda event: event.update(eventTime="yesterday"),
        lambda event: event["inputs"][0]["facets"]["schema"].pop("_producer"),
        lambda event: event["inputs"][0]["inputFacets"]["dataQualityMetrics"].pop("columnMetrics"),
        lambda event: event["run"]["facets"]["plumbline_gaps"]["gaps"][0].update(severity="fine"),
    ],
)
def test_the_schemas_would_refuse_another(told, spoilt):
    spoilt(told[1])
    with pytest.raises(AssertionError):
        expect_valid(told)


def test_a_run_starts_and_completes_at_its_times_under_its_id(told, tmp_path: Path):
    start, end = told
    assert [start["eventType"], end["eventType"]] == ["START", "COMPLETE"]
    assert [start["eventTime"], end["eventTime"]] == ["2026-11-06T05:59:00Z", "2026-11-06T06:00:00Z"]
    assert start["run"]["runId"] == end["run"]["runId"]
    assert end["run"]["facets"]["nominalTime"]["nominalStartTime"] == "2026-11-06T00:00:00Z"
    known = "96aa4099-878c-48be-a1bf-3411247c3062"
    renamed = leave(tmp_path / "named", register={"run_id": known})
    assert events_of(rerecorded(renamed, run_id=known), tmp_path)[0]["run"]["runId"] == known


# --- nothing is lost, nothing is better than it is ---------------------------------------------


def test_every_check_is_asserted_once_and_only_what_passed_is_a_success(told, tmp_path: Path):
    checks = json.loads((tmp_path / "out" / "register.json").read_text("utf-8"))["checks"]
    found = assertions(told[1])
    assert sorted((a["name"], a["params"]["status"]) for a in found) == sorted(
        (f"{c['suite']}.{c['expectation']}" + (f".{c['column']}" if c["column"] else ""), c["status"])
        for c in checks
    )
    assert [a["success"] for a in found] == [a["params"]["status"] == "passed" for a in found]
    assert all("severity" in a for a in found if not a["success"])


def test_every_gap_is_told_once_with_what_people_said_of_it(told, tmp_path: Path):
    gaps = json.loads((tmp_path / "out" / "register.json").read_text("utf-8"))["gaps"]
    found = [g for n, f in facets_of(told[1]) if n == "plumbline_gaps" for g in f["gaps"]]
    assert sorted((g["gap_id"], g["status"]) for g in found) == sorted(
        (g["gap_id"], g["status"]) for g in gaps
    )
    assert {g["status"] for g in found} == {"open", "accepted", "resolved"}


def test_the_verdict_and_the_gaps_of_no_source_stand_with_the_run(told):
    facets = told[1]["run"]["facets"]
    assert facets["plumbline_verdicts"]["verdicts"] == [
        {"experiment": EXPERIMENT, "verdict": "HOLD", "blocked_by": ["gap-000000000001"]}
    ]
    assert {g["kind"] for g in facets["plumbline_gaps"]["gaps"]} == {"sample_ratio_mismatch", "not_evaluated"}


def test_the_canonical_tables_are_written_and_the_sources_read(told):
    assert {d["name"] for d in told[1]["outputs"]} == {
        "plumbline_canonical.quotes",
        "plumbline_canonical.hires",
    }
    assert {"requests.parquet", "quotes.parquet"} <= {d["name"] for d in told[0]["inputs"]}
    fields = of_source(told[0], "quotes")["facets"]["schema"]["fields"]
    assert {"name": "price", "type": "double", "description": "read as quotes.price"} in fields


def int_check(column: str | None, **changes: Any) -> dict[str, Any]:
    return a_check(suite="int_quotes", column=column, **{"observed": 0.0} | changes)


def test_nulls_are_those_counted_in_this_run_and_unknown_otherwise(tmp_path: Path):
    missing = a_gap(1, kind="missing_values", column="pro_id", rows_affected=7)
    gone = a_gap(2, kind="missing_values", column="price", status=GapStatus.RESOLVED)
    old = a_gap(3, kind="missing_values", column="quoted_at")
    old = replace(old, life=replace(old.life, unmeasured_since=AS_OF))
    checks = [
        int_check(None, expectation="expect_table_row_count_to_be_between", observed=1234, threshold=1),
        int_check("pro_id", status="failed", observed=0.1),
        int_check("price"),
        int_check("quoted_at", status="error", observed=None),
        int_check("request_id", observed=0.001),
    ]
    _, end = events_of(leave(tmp_path / "out", (missing, gone, old), checks), tmp_path)
    metrics = of_source(end, "quotes")["inputFacets"]["dataQualityMetrics"]
    assert metrics["rowCount"] == 1234
    assert metrics["columnMetrics"] == {"pro_id": {"nullCount": 7}, "price": {"nullCount": 0}}
    assert "rowCount" not in of_source(end, "hires")["inputFacets"]["dataQualityMetrics"]


def test_an_assertion_names_the_column_as_the_source_has_it_and_no_flag_of_ours(tmp_path: Path):
    config = configuration(tmp_path)
    quotes = config.sources["quotes"].model_copy(update={"columns": {"price": "PRICE", "variant": "arm"}})
    config = config.model_copy(update={"sources": {**config.sources, "quotes": quotes}})
    checks = [int_check(column) for column in ("price", "price_unreadable", "is_off_arm", "is_duplicate")]
    run = read_lineage(leave(tmp_path / "out", (), checks), NOW)
    _, end = lineage_events(config, run, NAMES)
    assert [a.get("column") for a in assertions(end)] == ["PRICE", "PRICE", "arm", None]


@pytest.mark.parametrize(
    ("given", "written", "name"),
    [
        ({"from": "/data/quotes.parquet"}, "quotes.parquet", ("file", "quotes.parquet")),
        ({"from": "s3://lake/raw/q.parquet"}, "s3://lake/raw/q.parquet", ("s3://lake", "raw/q.parquet")),
        ({"from": "s3://key:secret@lake/q.csv"}, "s3://key:secret@lake/q.csv", ("s3://lake", "q.csv")),
        ({"from": "s3://lake/q.csv"}, "s3://${BUCKET}/q.csv", ("file", "s3://${BUCKET}/q.csv")),
        ({"from": "raw.quotes"}, "raw.quotes", ("duckdb", "raw.quotes")),
        ({"query": "select 1 as price"}, "select 1 as price", ("growth", "quotes")),
    ],
)
def test_a_source_is_named_after_what_it_is_read_from(given: dict, written: str, name: tuple[str, str]):
    source = Source(**given, columns={"price": "price"})
    assert dataset_name(source, written, "quotes", NAMES) == name


def test_no_text_breaks_out_of_its_line(tmp_path: Path):
    events = events_of(rerecorded(hostile(tmp_path / "out"), **RECORDED), tmp_path)
    expect_valid(events)
    text = lines_of(events)
    assert text.isascii()
    assert [json.loads(line) for line in text.splitlines()] == list(events)
    assert text.count("\n") == len(events) == 2


# --- runs that are not whole -------------------------------------------------------------------


def test_a_run_whose_files_are_not_what_it_wrote_failed_and_says_why(tmp_path: Path):
    output = leave(tmp_path / "out", (a_gap(),))
    (output / "register.json").write_text('{"gaps": []}', encoding="utf-8")
    start, end = events_of(output, tmp_path)
    assert (start["eventType"], end["eventType"]) == ("START", "FAIL")
    assert "register.json" in end["run"]["facets"]["errorMessage"]["message"]
    assert assertions(end) == []
    expect_valid((start, end))


def test_an_interrupted_run_failed_and_one_that_still_goes_only_started(tmp_path: Path):
    output = rerecorded(leave(tmp_path / "out"), state="running", pid=2**22 + 1, **RECORDED)
    assert [e["eventType"] for e in events_of(output, tmp_path)] == ["START", "FAIL"]
    rerecorded(output, pid=os.getpid())
    assert [e["eventType"] for e in events_of(output, tmp_path)] == ["START"]


def test_an_old_run_is_still_what_it_was(tmp_path: Path):
    run = read_lineage(leave(tmp_path / "out"), NOW.replace(year=2036))
    assert run.files.fault is None
    assert isinstance(run, LineageRun)


@pytest.mark.parametrize("record", [None, "", "[]", "{}", '{"run_id": 5}', "\xff"])
def test_without_a_record_there_is_no_run_to_tell_of(tmp_path: Path, record: str | None):
    if record is not None:
        (tmp_path / ".run.json").write_bytes(record.encode("latin-1"))
    with pytest.raises(NotEvaluatedError, match=r"\.run\.json"):
        read_lineage(tmp_path)


# --- the command -------------------------------------------------------------------------------


def ended(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["plumbline", "export", "openlineage", *map(str, arguments)])
    monkeypatch.setattr(cli.gc, "disable", lambda: None)
    with pytest.raises(SystemExit) as ending:
        cli.main()
    return int(ending.value.code or 0)


@pytest.fixture
def project(tmp_path: Path) -> tuple[str, ...]:
    sources = "  requests: {from: requests.parquet, columns: {request_id: id, created_at: at}}"
    lines = ["version: 1", "warehouse: {engine: duckdb, path: w.duckdb}", "sources:", sources]
    (tmp_path / "plumbline.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    leave(tmp_path / "out", (a_gap(),), (a_check(),))
    return "-c", str(tmp_path / "plumbline.yml"), "-o", str(tmp_path / "out")


def test_the_events_are_written_beside_the_run_and_nothing_is_sent(
    project, tmp_path: Path, monkeypatch, receive
):
    receiver = receive(200)
    monkeypatch.setenv("OPENLINEAGE_URL", receiver.address)
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "of the environment")
    assert ended(monkeypatch, *project) == 0
    text = (tmp_path / "out" / "openlineage.jsonl").read_text("utf-8")
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["job"]["namespace"] for event in events] == ["of the environment"] * 2
    assert str(tmp_path) not in text
    assert receiver.got == []


def test_a_run_that_is_not_whole_ends_with_3_and_its_events_say_so(
    project, tmp_path: Path, monkeypatch, capsys
):
    (tmp_path / "out" / "verdict.json").unlink()
    to = tmp_path / "elsewhere.jsonl"
    assert ended(monkeypatch, *project, "--to", to, "--namespace", "growth") == 3
    assert json.loads(to.read_text("utf-8").splitlines()[-1])["eventType"] == "FAIL"
    assert "verdict.json" in capsys.readouterr().err


def test_without_a_run_it_ends_with_3(project, tmp_path: Path, monkeypatch):
    (tmp_path / "out" / ".run.json").unlink()
    assert ended(monkeypatch, *project) == 3
    assert EVALUATED > AS_OF
