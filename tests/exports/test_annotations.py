"""Annotations: each thing is one command, read back by the CI system's own rules it is what was meant."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from left_runs import NOW, every_outcome, hostile

from dagster_pipeline.exports.annotations import azure, found_in, github
from dagster_pipeline.exports.places import ConfigPlaces
from dagster_pipeline.exports.reading import read_run

PLACES = ConfigPlaces("conf: a,b;]%/plumbline.yml")


def github_reads(line: str) -> tuple[str, dict[str, str], str]:
    """Command, properties and message as the runner's ActionCommand.TryParseV2 reads a line."""
    assert line.startswith("::")
    head, _, data = line[2:].partition("::")
    command, _, rest = head.partition(" ")
    pairs = (pair.split("=", 1) for pair in rest.split(",") if "=" in pair)
    unescape = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
    properties = {key.strip(): replaced(value, unescape) for key, value in pairs}
    return command, properties, replaced(data, (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")))


def azure_reads(line: str) -> tuple[str, dict[str, str], str]:
    """The same as the agent's Command.TryParse reads it, wherever in the line it starts."""
    head, _, data = line[line.index("##vso[") + 6 :].partition("]")
    command, _, rest = head.partition(" ")
    unescape = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%"))
    pairs = (pair.split("=", 1) for pair in rest.split(";") if "=" in pair)
    properties = {key.strip(): replaced(value, unescape) for key, value in pairs}
    return command, properties, replaced(data, unescape)


def replaced(text: str, pairs) -> str:
    for written, meant in pairs:
        text = text.replace(written, meant)
    return text


def calmed(text: str) -> str:
    return re.sub("#(?=#)", "# ", text)


@pytest.mark.parametrize("leaving", [every_outcome, hostile])
def test_github_reads_back_what_was_meant(tmp_path: Path, leaving):
    run = read_run(leaving(tmp_path), now=NOW)
    meant = list(found_in(run, PLACES))
    lines = github(run, PLACES).splitlines()
    names = {"error": "error", "warning": "warning", "note": "notice"}
    assert len(lines) == len(meant) > 7
    for line, found in zip(lines, meant, strict=True):
        command, properties, message = github_reads(line)
        assert command == names[found.level]
        assert properties["title"] == calmed(found.title)
        assert message == "\n".join(map(calmed, found.lines))
        assert properties.get("line") == (None if found.line is None else str(found.line))
        assert properties.get("file") == (None if found.line is None else PLACES.name)


@pytest.mark.parametrize("leaving", [every_outcome, hostile])
def test_azure_reads_back_what_was_meant(tmp_path: Path, leaving):
    run = read_run(leaving(tmp_path), now=NOW)
    meant = list(found_in(run, PLACES))
    lines = azure(run, PLACES).splitlines()
    assert len(lines) == len(meant)
    for line, found in zip(lines, meant, strict=True):
        if found.level == "note":
            assert "##" not in line
            continue
        command, properties, message = azure_reads(line)
        assert (command, properties["type"]) == ("task.logissue", found.level.value)
        assert message == "\n".join(map(calmed, (found.title, *found.lines)))
        assert properties.get("sourcepath") == (None if found.line is None else PLACES.name)


@pytest.mark.parametrize("render", [github, azure])
def test_no_text_starts_a_command_of_its_own(tmp_path: Path, render):
    for line in render(read_run(hostile(tmp_path), now=NOW), PLACES).splitlines():
        assert line.count("##") == (1 if line.startswith("##vso[task.logissue ") else 0)
        assert line.startswith("::") is (render is github)
        assert line.isprintable()


def test_the_verdict_comes_first_and_then_the_worst_gap(tmp_path: Path):
    found = list(found_in(read_run(every_outcome(tmp_path), now=NOW), PLACES))
    assert found[0].title == "Plumbline: HOLD for quoting_v2"
    assert [(item.level.value, item.code) for item in found[1:7]] == [
        ("error", "stale_source"),
        ("error", "missing_variant"),
        ("error", "sample_ratio_mismatch"),
        ("note", "orphan_rows"),  # waived, so nobody is called
        ("note", "missing_values"),
        ("note", "not_evaluated"),
    ]
    assert [item.title for item in found[7:]] == ["A check could not run"]


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=30)], ids=["missing", "stale"])
def test_a_run_that_was_not_evaluated_is_one_error(tmp_path: Path, late):
    if late:
        every_outcome(tmp_path)
    run = read_run(tmp_path, now=NOW + late)
    assert github(run, PLACES).startswith("::error title=Plumbline%3A not evaluated::")
    assert azure(run, PLACES).startswith("##vso[task.logissue type=error;]Plumbline: not evaluated%0A")
    assert github(run, PLACES).count("\n") == azure(run, PLACES).count("\n") == 1
