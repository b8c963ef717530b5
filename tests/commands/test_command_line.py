"""The command line: exit codes and messages, tracebacks only with --debug."""

import json
import sys
from types import SimpleNamespace

import click
import pytest

from dagster_pipeline import cli
from dagster_pipeline.commands import headless
from dagster_pipeline.commands.headless import LineResult
from dagster_pipeline.commands.run import run
from dagster_pipeline.demo.story import write_config
from dagster_pipeline.demo.world import WorldSpec, generate
from dagster_pipeline.errors import ConfigError, NotEvaluatedError, PlumblineError


def ended(monkeypatch, capsys, *arguments):
    """Exit code, standard output and standard error of the command."""
    monkeypatch.setattr(sys, "argv", ["plumbline", *map(str, arguments)])
    monkeypatch.setattr(cli.gc, "disable", lambda: None)
    try:
        cli.main()
        code = 0
    except SystemExit as ending:
        code = ending.code or 0
    captured = capsys.readouterr()
    return SimpleNamespace(code=code, out=captured.out, err=captured.err)


def breaking(monkeypatch, error):
    """`plumbline report` ends with this error."""

    def broken(output):
        raise error

    monkeypatch.setattr("dagster_pipeline.commands.report.report", broken)


@pytest.mark.parametrize(
    ("error", "code"),
    [(PlumblineError("what to do"), 2), (ConfigError("what to do"), 2), (NotEvaluatedError("what to do"), 3)],
)
def test_an_error_of_ours_is_one_message_and_its_exit_code(monkeypatch, capsys, error, code):
    breaking(monkeypatch, error)
    assert vars(ended(monkeypatch, capsys, "report")) == {
        "code": code,
        "out": "",
        "err": "Error: what to do\n",
    }


def test_anything_unexpected_is_an_internal_error_without_a_traceback(monkeypatch, capsys):
    breaking(monkeypatch, RuntimeError("boom"))
    found = ended(monkeypatch, capsys, "report")
    assert (found.code, found.out) == (3, "")
    assert found.err == "Internal error: RuntimeError: boom. Use --debug for the traceback.\n"


@pytest.mark.parametrize(("error", "code"), [(RuntimeError("boom"), 3), (PlumblineError("boom"), 2)])
def test_debug_shows_the_traceback_and_keeps_the_exit_code(monkeypatch, capsys, error, code):
    breaking(monkeypatch, error)
    found = ended(monkeypatch, capsys, "--debug", "report")
    assert found.code == code
    assert "Traceback (most recent call last)" in found.err
    assert "raise error" in found.err


def test_an_interrupt_says_so(monkeypatch, capsys):
    breaking(monkeypatch, KeyboardInterrupt())
    found = ended(monkeypatch, capsys, "report")
    assert (found.code, found.err.strip()) == (130, "Interrupted.")


@pytest.mark.parametrize(
    "arguments",
    [
        ("unheard-of",),
        ("run", "--unheard-of"),
        ("demo", "--requests", "5"),
        ("gaps", "show"),
        ("serve", "--port", "0"),
    ],
)
def test_wrong_usage_is_2_with_help_at_hand(monkeypatch, capsys, arguments):
    found = ended(monkeypatch, capsys, *arguments)
    assert found.code == 2
    assert "Traceback" not in found.err
    assert "--help" in found.err or "Usage" in found.err


def test_help_lists_the_commands_in_the_order_one_meets_them(monkeypatch, capsys):
    found = ended(monkeypatch, capsys, "--help")
    listed = [line.split()[0] for line in found.out.partition("Commands:")[2].splitlines() if line.strip()]
    assert found.code == 0
    assert listed == [
        "demo",
        "init",
        "discover",
        "run",
        "gate",
        "gaps",
        "risks",
        "digest",
        "report",
        "decisions",
        "outcome",
        "dissent",
        "verify",
        "rollout",
        "brief",
        "alerts",
        "completion",
        "export",
        "config",
        "contract",
        "serve",
    ]


def test_every_command_and_option_has_a_help_text():
    def lacking(command, path):
        yield from (f"{path} {p.name}" for p in command.params if isinstance(p, click.Option) and not p.help)
        if not command.help:
            yield path
        for name, child in getattr(command, "commands", {}).items():
            yield from lacking(child, f"{path} {name}")

    assert list(lacking(cli.cli, "plumbline")) == []


def test_gaps_list_prints_an_array_for_machines(monkeypatch, capsys, tmp_path):
    (tmp_path / "register.json").write_text('{"gaps": []}', encoding="utf-8")
    found = ended(monkeypatch, capsys, "gaps", "list", "--all", "--json", "--output", tmp_path)
    assert (found.code, json.loads(found.out)) == (0, [])


def test_a_configuration_that_can_not_be_used_is_2_and_names_the_file(monkeypatch, capsys, tmp_path):
    path = tmp_path / "plumbline.yml"
    path.write_text("version: 2\n", encoding="utf-8")
    found = ended(monkeypatch, capsys, "run", "--config", path, "--output", tmp_path / "out")
    assert found.code == 2
    assert str(path) in found.err
    assert not (tmp_path / "out").exists()


# --- run ---------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("PLUMBLINE_CONFIG", "PLUMBLINE_OUTPUT", "PLUMBLINE_STATE"):
        monkeypatch.setenv(name, "")  # given back after the test
    return write_config(tmp_path, generate(WorldSpec(requests=100), tmp_path))


def answering(monkeypatch, answer):
    monkeypatch.setattr(headless, "execute_line", lambda config, output, **_: answer)


def test_a_run_that_broke_before_its_files_could_not_be_evaluated(monkeypatch, project, tmp_path):
    answering(monkeypatch, LineResult(None, (), "the lock is held by run 7\n  File x, line 1"))
    with pytest.raises(NotEvaluatedError, match=r"the lock is held by run 7 Use --debug") as caught:
        run(project, tmp_path / "out", quiet=True)
    assert "File x" not in str(caught.value)


def test_a_run_with_broken_models_has_written_its_files_and_names_them(monkeypatch, project, tmp_path):
    answering(monkeypatch, LineResult("report", ("int_quotes",), ""))
    found = run(project, tmp_path / "out", quiet=True)
    assert (found.report, found.broken) == ("report", ("int_quotes",))


def test_run_as_json_prints_the_verdict_and_nothing_else(monkeypatch, capsys, project, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "verdict.json").write_text('{"verdict": "HOLD"}\n', encoding="utf-8")
    answering(monkeypatch, LineResult("report", (), ""))
    found = ended(monkeypatch, capsys, "run", "--json", "--config", project, "--output", out)
    assert (found.code, found.out, found.err) == (0, '{"verdict": "HOLD"}\n', "")
