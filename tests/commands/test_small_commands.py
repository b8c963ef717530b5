"""init, discover, gaps, report and demo: what they print, write and refuse."""

import json
from pathlib import Path

import duckdb
import pytest
import yaml

from dagster_pipeline.commands import demo as demo_module
from dagster_pipeline.commands.demo import demo
from dagster_pipeline.commands.discover import discover
from dagster_pipeline.commands.gaps import Wanted, list_gaps, show_gap
from dagster_pipeline.commands.init import init
from dagster_pipeline.commands.report import report
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError

HOSTILE = "\x1b[2J\x07\u202equotes"


CONFIG = Path("plumbline.yml")
EVERYTHING = Wanted(everything=True)


def a_gap(number, severity="high", status="open", **fields):
    impact = {
        "metric": "hire_rate_7d", "variant": "treatment", "effect": "absolute", "unmitigated": None, "mitigated": None,
        "lower": -0.01, "upper": None, "bias_lower": None, "bias_upper": None, "direction": "either",
        "expected_direction": "either", "flips_decision": False, "delta_star": None,
    }  # fmt: skip
    defaults = {
        "gap_id": f"gap-{number:012x}", "kind": "missing_variant", "experiment": "x", "table": "quotes", "column": "variant",
        "segment": None, "description": "18% of quotes", "status": status, "severity": severity, "severity_reason": "",
        "rows_total": 100, "rows_affected": 18, "share_affected": 0.18, "share_residual": 0.06, "by_variant": {},
        "differential": False, "metrics": [impact], "mitigation": "", "residual_risk": "", "contingency": "",
        "owner": None, "first_seen": None, "last_seen": None,
    }  # fmt: skip
    return defaults | fields


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gaps = [
        a_gap(1),
        a_gap(2, "info", table="hires", column=None, share_affected=None),
        a_gap(3, "medium", "resolved"),
        a_gap(4, "low", table=HOSTILE, column=None, description=HOSTILE),
    ]
    (tmp_path / "register.json").write_text(json.dumps({"schema_version": 1, "gaps": gaps}), encoding="utf-8")
    return tmp_path


# --- gaps --------------------------------------------------------------------------------------


def test_the_list_leaves_out_information_and_what_is_resolved(output, capsys):
    list_gaps(CONFIG, output, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["gap-000000000001", "gap-000000000004"]
    assert "quotes.variant" in lines[0]
    assert "18.00% affected" in lines[0]


def test_the_list_of_all_has_every_gap_and_as_json_it_is_an_array(output, capsys):
    list_gaps(CONFIG, output, as_json=False, wanted=EVERYTHING)
    assert len(capsys.readouterr().out.splitlines()) == 4
    list_gaps(CONFIG, output, as_json=True, wanted=EVERYTHING)
    assert [g["gap_id"][-1] for g in json.loads(capsys.readouterr().out)] == ["1", "2", "3", "4"]


def test_an_empty_list_is_a_sentence_and_as_json_an_empty_array(output, capsys):
    (output / "register.json").write_text('{"gaps": []}', encoding="utf-8")
    list_gaps(CONFIG, output, as_json=False)
    list_gaps(CONFIG, output, as_json=False, wanted=EVERYTHING)
    list_gaps(CONFIG, output, as_json=True)
    assert capsys.readouterr().out == "No open gap above info.\nNo gap.\n[]\n"


def test_one_gap_is_shown_in_full(output, capsys):
    show_gap("gap-000000000001", CONFIG, output, as_json=False)
    text = capsys.readouterr().out
    assert "description" in text
    assert "hire_rate_7d (treatment): either, region [-0.01, None]" in text
    show_gap("gap-000000000001", CONFIG, output, as_json=True)
    assert json.loads(capsys.readouterr().out)["metrics"][0]["upper"] is None


def test_no_value_of_a_register_steers_the_terminal(output, capsys):
    for as_json in (False, True):
        list_gaps(CONFIG, output, as_json=as_json, wanted=EVERYTHING)
        show_gap("gap-000000000004", CONFIG, output, as_json=as_json)
    text = capsys.readouterr().out
    assert not set("\x1b\x07\u202e") & set(text)
    assert "quotes" in text


def test_a_gap_nobody_knows_is_refused_with_the_way_to_find_one(output):
    with pytest.raises(PlumblineError, match=r"No gap 'gap-x'.*gaps list --all") as caught:
        show_gap("gap-x", CONFIG, output, as_json=False)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "{}", '{"gaps": 5}', '{"gaps": [5]}', '{"gaps": [{"gap_id": "x"}]}', "\xff"]
)
def test_a_register_that_is_missing_or_corrupt_could_not_be_evaluated(tmp_path, text):
    if text is not None:
        (tmp_path / "register.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(NotEvaluatedError, match=r"register.json.*plumbline run") as caught:
        list_gaps(CONFIG, tmp_path, as_json=False, wanted=EVERYTHING)
    assert caught.value.exit_code == 3


# --- report, init ------------------------------------------------------------------------------


def test_the_report_is_the_summary_and_the_pages_path(tmp_path, capsys):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("<html>", encoding="utf-8")
    with pytest.raises(NotEvaluatedError, match="plumbline run"):
        report(tmp_path)
    (tmp_path / "summary.md").write_text("# HOLD\n", encoding="utf-8")
    report(tmp_path)
    out = capsys.readouterr().out
    assert out.startswith("# HOLD")
    assert out.endswith(f"Report: {tmp_path / 'report' / 'index.html'}\n")


def test_init_writes_a_configuration_that_loads_and_never_over_another(tmp_path, capsys):
    path = tmp_path / "new" / "plumbline.yml"
    init(path)
    assert str(path) in capsys.readouterr().out
    assert "requests" in load_config(path).sources
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(PlumblineError, match="exists already"):
        init(path)
    assert path.read_text(encoding="utf-8") == "mine"


# --- discover ----------------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    sql = "select 'r' || range as request_id, timestamp '2026-10-01' + interval 1 minute * range as created_at from range(50)"
    duckdb.execute(f"copy ({sql}) to '{folder / 'requests.parquet'}' (format parquet)")
    return folder


def test_discover_prints_a_proposal_with_absolute_paths(tables, capsys):
    discover(tables, None)
    found = yaml.safe_load(capsys.readouterr().out)
    assert found["sources"]["requests"]["from"] == str(tables / "requests.parquet")


def test_discover_writes_paths_relative_to_the_file_so_that_both_may_move(
    tables, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tables)  # neither the working folder nor the tables' is what counts
    path = tmp_path / "plumbline.yml"
    discover(tables, path)
    assert yaml.safe_load(path.read_text("utf-8"))["sources"]["requests"]["from"] == "data/requests.parquet"
    assert load_config(path).sources["requests"].from_ == str(tables / "requests.parquet")
    assert str(path) in capsys.readouterr().out
    with pytest.raises(PlumblineError, match="exists already"):
        discover(tables, path)


def test_discover_makes_the_folder_it_writes_to(tables, tmp_path):
    discover(tables, tmp_path / "some" / "where" / "plumbline.yml")
    assert (tmp_path / "some" / "where" / "plumbline.yml").exists()


# --- demo --------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch):
    """How often a world was generated."""
    calls, generate = [], demo_module.generate

    def counted(*args):
        calls.append(args)
        return generate(*args)

    monkeypatch.setattr(demo_module, "generate", counted)
    return calls


def make(folder, requests=300, *, clean=True):
    demo(folder, requests, clean, generate_only=True, debug=False)


def test_the_demo_makes_its_world_once_and_again_only_when_it_is_another(tmp_path, made, capsys):
    make(tmp_path)
    make(tmp_path)
    assert len(made) == 1
    make(tmp_path, 400)
    make(tmp_path, 400, clean=False)
    assert len(made) == 3
    assert "plumbline run --config" in capsys.readouterr().out


@pytest.mark.parametrize("lost", ["quotes.parquet", "plumbline.yml", ".world.json"])
def test_a_world_of_which_a_part_is_gone_is_made_again(tmp_path, made, lost):
    make(tmp_path)
    (tmp_path / lost).unlink()
    make(tmp_path)
    assert len(made) == 2
    assert (tmp_path / lost).exists()


def test_half_a_world_never_passes_for_the_one_before(tmp_path, made, monkeypatch):
    make(tmp_path)

    def torn(*args):
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(demo_module, "generate", torn)
        with pytest.raises(InterruptedError):
            make(tmp_path, 400)
    make(tmp_path)
    assert len(made) == 2


def test_the_demo_runs_the_line_on_its_world_and_prints_what_came_out(tmp_path, made, monkeypatch):
    seen = []
    monkeypatch.setattr(
        demo_module, "run", lambda config, output, debug: seen.append((config, output)) or "outcome"
    )
    monkeypatch.setattr(demo_module, "print_outcome", seen.append)
    demo(tmp_path, 300, clean=True, generate_only=False, debug=False)
    assert seen == [(tmp_path / "plumbline.yml", tmp_path / "out"), "outcome"]
    assert len(made) == 1
