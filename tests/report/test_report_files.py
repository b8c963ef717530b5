"""What a run leaves behind: valid, whole, harmless, and the verdict last."""

import csv
import hashlib
import io
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from sample_report import HOSTILE, a_verdict, the_brief, the_experiment, the_report

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.report import files
from dagster_pipeline.report.documents import json_text, schema
from dagster_pipeline.report.files import begin_run, verdict_path, write_outputs
from dagster_pipeline.report.model import EffectRow, LevelRow, MetricTables
from dagster_pipeline.statistics.evidence import EffectKind

EVERY_FILE = {
    "register.json", "verdict.json", "metrics.json", "scenarios.json", "register.csv", "summary.md",
    "decision.json", "track_record.json", "decision-log.md", "report/index.html", ".run.json",
    "risk-register.md", "digest.md",
    *(f"report/runbooks/{kind}.html" for kind in (
        "conflicting_keys", "duplicate_rows", "missing_values", "missing_variant", "not_evaluated", "orphan_rows",
        "stale_source",
    )),
}  # fmt: skip


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def validate(document, name):
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema(name), format_checker=checker).validate(document)


def written(output):
    return {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}


@pytest.fixture(params=["report", "hostile_report", "empty_report"])
def any_report(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", ["register", "verdict", "metrics"])
def test_the_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))


def test_every_json_file_keeps_its_schema_whatever_the_run_found(any_report, tmp_path):
    write_outputs(any_report, tmp_path)
    validate(read(tmp_path / "register.json"), "register")
    validate(read(tmp_path / "metrics.json"), "metrics")
    for path in (tmp_path / "verdict.json", *tmp_path.glob("verdicts/*.json")):
        validate(read(path), "verdict")


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("register", ("gaps", 0, "severity"), "critical"),
        ("register", ("gaps", 0, "status"), "closed"),
        ("register", ("gaps", 0, "share_affected"), 18.0),
        ("register", ("gaps", 0, "metrics", 0, "direction"), "up"),
        ("register", ("gaps", 0, "note"), "more"),
        ("register", ("gaps", 0, "first_seen"), "2026-11-06T00:00:00+01:00"),
        ("register", ("checks", 0, "status"), "skipped"),
        ("register", ("schema_version",), 2),
        ("verdict", ("verdict",), "MAYBE"),
        ("verdict", ("reasons",), []),
        ("verdict", ("criteria", 0, "outcome"), "ok"),
        ("metrics", ("levels", 3, "reason"), None),
        ("metrics", ("effects", 0, "estimate"), "high"),
    ],
)
def test_the_schemas_refuse_what_is_not_agreed(report, tmp_path, name, place, value):
    write_outputs(report, tmp_path)
    document = read(tmp_path / f"{name}.json")
    *way, last = place
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(document, name)


def test_figures_are_kept_in_full_and_the_infinite_is_null_with_a_reason(tmp_path):
    levels = (
        LevelRow("e", "m", "control", 3, 0.1 + 0.2),
        LevelRow("e", "m", "t", 3, float("inf"), "infinite"),
    )
    effects = (
        EffectRow("e", "m", "t", EffectKind.RELATIVE, float("nan"), upper=1 / 3, reason="infinite level"),
    )
    write_outputs(the_report(metrics=MetricTables(levels, effects)), tmp_path)
    document = read(tmp_path / "metrics.json")
    assert document["levels"][0]["value"] == 0.1 + 0.2
    assert (document["levels"][1]["value"], document["levels"][1]["reason"]) == (None, "infinite")
    assert document["effects"][0]["estimate"] is None
    assert document["effects"][0]["upper"] == 1 / 3
    with pytest.raises(ValueError, match="JSON"):
        json_text({"value": float("nan")})


def test_a_run_leaves_every_file_and_nothing_half_written(report, tmp_path):
    begin_run(tmp_path, report.run_id)
    paths = write_outputs(report, tmp_path)
    assert written(tmp_path) == EVERY_FILE
    assert paths[-1] == tmp_path / "verdict.json"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "verdict.json").stat().st_mode) == 0o666 & ~umask


def test_the_record_ends_with_the_fingerprint_of_every_file(report, tmp_path):
    begin_run(tmp_path, report.run_id)
    begun = read(tmp_path / ".run.json")
    assert (begun["state"], begun["run_id"], begun["pid"]) == ("running", report.run_id, os.getpid())
    write_outputs(report, tmp_path)
    record = read(tmp_path / ".run.json")
    assert (record["state"], record["started_at"]) == ("finished", begun["started_at"])
    assert set(record["files"]) == EVERY_FILE - {".run.json"}
    for name, digest in record["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_the_verdict_is_written_after_everything_else_and_the_record_after_it(report, tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(files, "write_atomically", lambda path, text: order.append(path.name))
    write_outputs(report, tmp_path)
    assert order[-2:] == ["verdict.json", ".run.json"]
    assert len(order) == len(set(order)) == len(EVERY_FILE)


@pytest.mark.parametrize("failing", range(6))
def test_an_interrupted_run_never_looks_finished(report, tmp_path, monkeypatch, failing):
    write_outputs(report, tmp_path)
    before = (tmp_path / "verdict.json").read_bytes()
    later = replace(report, run_id="later", verdicts=(a_verdict("GO"),))
    begin_run(tmp_path, "later")
    calls, whole = [], os.fsync

    def full_disk(descriptor):
        """Fails on the nth file; folders are synced with a descriptor of their own and may not fail."""
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            calls.append(descriptor)
            if len(calls) > failing:
                raise OSError(28, "No space left on device")
        whole(descriptor)

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(PlumblineError, match="No space left on device"):
        write_outputs(later, tmp_path)
    assert read(tmp_path / ".run.json")["state"] == "running"
    assert (tmp_path / "verdict.json").read_bytes() == before
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_page_that_cannot_be_rendered_leaves_the_folder_as_it_was(report, tmp_path, monkeypatch):
    begin_run(tmp_path, report.run_id)

    def fails(_):
        raise RuntimeError("template broke")

    monkeypatch.setattr(files, "render_html", fails)
    with pytest.raises(RuntimeError, match="template broke"):
        write_outputs(report, tmp_path)
    assert written(tmp_path) == {".run.json"}


def test_an_output_that_is_a_file_is_refused_with_a_way_out(report, tmp_path):
    taken = tmp_path / "out"
    taken.write_text("mine")
    with pytest.raises(PlumblineError, match="--output"):
        write_outputs(report, taken)
    assert taken.read_text() == "mine"


def several(*experiments):
    return the_report(
        verdicts=tuple(a_verdict(experiment=name) for name in experiments),
        briefs=tuple(the_brief(name) for name in experiments),
        experiments=tuple(the_experiment(name) for name in experiments),
    )


def test_several_experiments_have_a_verdict_each_and_the_first_leads(tmp_path):
    write_outputs(several("first", "second"), tmp_path)
    assert read(tmp_path / "verdict.json") == read(tmp_path / "verdicts" / "first.json")
    assert read(tmp_path / "verdicts" / "second.json")["experiment"] == "second"


def test_the_verdict_on_an_experiment_that_is_gone_does_not_stay_behind(tmp_path):
    write_outputs(several("first", "second", "third"), tmp_path)
    write_outputs(several("first", "third"), tmp_path)
    assert {path.name for path in (tmp_path / "verdicts").iterdir()} == {"first.json", "third.json"}
    write_outputs(several("first"), tmp_path)
    assert not list((tmp_path / "verdicts").iterdir())


@pytest.mark.parametrize(
    "name", ["../../etc/cron", "..", "/etc/passwd", "a/b", "nul\x00", "x" * 4000, *HOSTILE]
)
def test_no_experiment_s_name_leads_out_of_the_folder(name, tmp_path):
    path = tmp_path / verdict_path(name)
    assert path.resolve().parent == tmp_path / "verdicts"
    assert len(Path(verdict_path(name)).name) < 200


def test_without_a_verdict_the_answer_is_hold(empty_report, tmp_path):
    write_outputs(empty_report, tmp_path)
    verdict = read(tmp_path / "verdict.json")
    assert (verdict["verdict"], verdict["experiment"]) == ("HOLD", None)
    assert "no experiment was evaluated" in verdict["reasons"][0]


def test_the_keys_come_in_the_agreed_order(report, tmp_path):
    write_outputs(report, tmp_path)
    register = read(tmp_path / "register.json")
    assert list(register) == list(schema("register")["properties"])
    assert list(register["gaps"][0]) == list(schema("register")["$defs"]["gap"]["properties"])
    verdict = replace(report, verdicts=(dict(reversed(a_verdict().items())),))
    write_outputs(verdict, tmp_path)
    assert list(read(tmp_path / "verdict.json")) == list(schema("verdict")["properties"])


def test_no_cell_of_the_spreadsheet_is_a_formula(hostile_report, tmp_path):
    write_outputs(hostile_report, tmp_path)
    text = (tmp_path / "register.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(HOSTILE)
    for row in rows:
        assert None not in row, "a value broke out of its cell"
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "@")), cell
            assert not cell.startswith("-") or float(cell) < 0, cell
            assert "\x1b" not in cell
            assert "\x00" not in cell
    assert rows[1]["description"] == "'=cmd|'/C calc'!A0"


def test_the_spreadsheet_says_which_impact_is_nearest_to_a_flip(report, tmp_path):
    write_outputs(report, tmp_path)
    with (tmp_path / "register.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["kind"]: row for row in csv.DictReader(stream)}
    worst = rows["missing_variant"]
    assert (worst["metric"], worst["delta_star"], worst["bias_lower"]) == ("hire_rate_7d", "0.71", "-0.009")
    assert worst["by_variant"] == "control=0.052; treatment=0.0684"
    assert worst["differential"] == "true"
    assert rows["not_evaluated"]["share_affected"] == ""
