"""`plumbline export`: the artefact always comes, and the exit code says whether there was a run to show."""

import json
import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from left_runs import a_verdict, every_outcome, leave
from lxml import etree

from dagster_pipeline import cli

ARTEFACTS = ("junit", "sarif", "github", "azure", "summary")
SAYS_SO = {
    "junit": "<error message=",
    "sarif": '"executionSuccessful": false',
    "github": "::error title=Plumbline%3A not evaluated::",
    "azure": "##vso[task.logissue type=error;]Plumbline: not evaluated",
    "summary": "Plumbline: not evaluated",
}


@pytest.fixture
def export(monkeypatch, capsysbinary, tmp_path):
    """Runs the command in a project folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_WORKSPACE", "BUILD_SOURCESDIRECTORY", "CI_PROJECT_DIR", "WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cli.gc, "disable", lambda: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["plumbline", "export", *map(str, arguments)])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        captured = capsysbinary.readouterr()
        code = ending.value.code or 0
        return SimpleNamespace(code=code, out=captured.out.decode("utf-8"), err=captured.err.decode("utf-8"))

    return run


def just_evaluated(**changes):
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    return a_verdict(evaluated_at=now, **changes)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_without_a_run_it_ends_with_3_and_the_artefact_says_so(export, artefact):
    found = export(artefact)
    assert found.code == 3
    assert SAYS_SO[artefact] in found.out
    assert found.err.startswith("Error: ")


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_a_stale_run_ends_with_3_and_the_artefact_says_so(export, tmp_path, artefact):
    every_outcome(tmp_path / "out")  # evaluated long ago or ahead of time, as the clock has it
    found = export(artefact, "--max-age", "1h")
    assert found.code == 3
    assert SAYS_SO[artefact] in found.out


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_a_verdict_that_blocks_is_shown_and_blocking_left_to_the_gate(export, tmp_path, artefact):
    leave(tmp_path / "out", verdicts=[just_evaluated()])
    found = export(artefact)
    assert (found.code, found.err) == (0, "")
    assert "HOLD" in found.out
    assert SAYS_SO[artefact] not in found.out


def test_a_file_is_written_whole_with_its_folder(export, tmp_path):
    leave(tmp_path / "out", verdicts=[just_evaluated(verdict="GO")])
    found = export("junit", "--to", tmp_path / "ci" / "junit.xml")
    assert (found.code, found.out) == (0, "")
    root = etree.parse(tmp_path / "ci" / "junit.xml").getroot()
    assert (root.get("failures"), root.get("errors")) == ("0", "0")


def test_a_file_that_can_not_be_written_is_an_error(export, tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    found = export("summary", "--to", "taken/summary.md")
    assert found.code == 2
    assert "taken" in found.err


def test_a_configuration_that_can_not_be_used_ends_with_2_and_the_artefact_says_so(export, tmp_path):
    leave(tmp_path / "out", verdicts=[just_evaluated(verdict="GO")])
    (tmp_path / "plumbline.yml").write_text("version: 2\n", encoding="utf-8")
    found = export("junit")
    assert found.code == 2
    assert "version" in found.out
    assert SAYS_SO["junit"] in found.out


@pytest.mark.parametrize("wrong", [("--max-age", "soon"), ("--experiment", "other")])
def test_wrong_usage_ends_with_2_and_the_artefact_says_so(export, tmp_path, wrong):
    leave(tmp_path / "out", verdicts=[just_evaluated(verdict="GO")])
    found = export("sarif", *wrong)
    assert found.code == 2
    assert SAYS_SO["sarif"] in found.out


def test_paths_are_those_of_the_checkout(export, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    (tmp_path / "project").mkdir()
    config = tmp_path / "project" / "plumbline.yml"
    config.write_text("version: 2\n", encoding="utf-8")
    document = json.loads(export("sarif", "--config", config).out)
    location = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "project/plumbline.yml", "uriBaseId": "%SRCROOT%"}
