"""What the documents show is there: commands, targets, links, definitions."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions

ROOT = Path(__file__).resolve().parents[2]
HORIZONS = {0: "0", 1_800: "30 min", 86_400: "24 h", 259_200: "3 d", 604_800: "7 d", 3_196_800: "37 d"}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)")
_ASSIGNMENT = re.compile(r"\w+=.*")


@dataclass(frozen=True)
class Command:
    """One command line of a document: the program, its words up to the first option, its options."""

    document: str
    line: str
    program: str
    words: tuple[str, ...]
    options: tuple[str, ...]


def documents() -> list[Path]:
    """README, CONTRIBUTING and everything under docs/ and examples/."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return [*found, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


def commands() -> list[Command]:
    """Every `$ …` line of a console block and every line of a sh block."""
    return [command for document in documents() for command in _commands_of(document)]


def links(document: Path) -> list[str]:
    """Targets of the links that stay inside the project."""
    targets = _LINK.findall(_FENCE.sub("", document.read_text("utf-8")))
    return [target for target in targets if "://" not in target]


def _commands_of(document: Path) -> list[Command]:
    lines: list[str] = []
    for language, body in _FENCE.findall(document.read_text("utf-8")):
        shown = re.sub(r"\\\n\s*", "", body).splitlines()
        if language == "console":
            lines += [line[2:] for line in shown if line.startswith("$ ")]
        elif language in ("sh", "bash"):
            lines += [line for line in shown if line.strip() and not line.startswith("#")]
    return [_parsed(str(document.relative_to(ROOT)), line) for line in lines]


def _parsed(document: str, line: str) -> Command:
    words = shlex.split(line, comments=True)
    while _ASSIGNMENT.fullmatch(words[0]):
        words.pop(0)
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    return Command(document, line, words[0], tuple(words[1:first]), tuple(options))


SHOWN = commands()


def named(command: Command) -> str:
    return f"{command.document}: {command.line}"


def of(program: str) -> list[Command]:
    return [command for command in SHOWN if command.program == program]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@cache
def help_of(*words: str) -> subprocess.CompletedProcess[str]:
    """`plumbline <words> --help`, in a process of its own as a user would call it."""
    program = "import sys; from dagster_pipeline.cli import main; sys.argv[0] = 'plumbline'; sys.exit(main())"
    arguments = [sys.executable, "-c", program, *words, "--help"]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_documents_show_commands_only_of_programs_that_are_checked_here():
    assert {command.program for command in SHOWN} == {"make", "plumbline", ".ci/run"}


@pytest.mark.parametrize("command", of("make"), ids=named)
def test_a_shown_make_command_is_a_target(command: Command):
    targets = [word for word in command.words if "=" not in word]
    assert targets
    assert set(targets) <= make_targets()


@pytest.mark.parametrize("command", of("plumbline"), ids=named)
def test_a_shown_plumbline_command_exists_with_its_options(command: Command):
    shown = help_of(*command.words)

    assert shown.returncode == 0, shown.stderr
    for option in command.options:
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown.stdout), (
            f"no {option} in {shown.stdout}"
        )


def test_every_plumbline_command_is_documented():
    listed = help_of().stdout.partition("Commands:")[2]
    offered = set(re.findall(r"^  (\w+)", listed, re.MULTILINE))

    assert offered
    assert offered - {command.words[0] for command in of("plumbline") if command.words} == set()


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path):
    assert [link for link in links(document) if not (document.parent / link).exists()] == []


def test_the_first_command_of_the_readme_is_the_demo():
    first = next(command for command in SHOWN if command.document == "README.md")
    assert first.line.split("#")[0].strip() == "make demo"


def test_ci_runs_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert any(command.document == "README.md" and command.words == ("test",) for command in of("make"))
    assert re.search(r"^make test\b", script, re.MULTILINE)


def documented_metrics() -> dict[str, list[str]]:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.MULTILINE
    )
    return {name: [cell.strip() for cell in cells.split(" | ")] for name, cells in rows}


def kind_of(metric: MetricDefinition) -> str:
    return metric.kind if metric.scale == 1 else f"{metric.kind} × {metric.scale:g}"


def test_the_table_of_metrics_is_the_file_of_metrics():
    defined = {
        name: [kind_of(metric), metric.effect, metric.better, HORIZONS[metric.horizon]]
        for name, metric in metric_definitions().items()
    }
    shown = {name: [kind, *rest] for name, (kind, _, *rest) in documented_metrics().items()}

    assert shown == defined


def test_the_changelog_speaks_of_this_version_or_of_the_next():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert re.search(
        rf"^## \[({re.escape(version)}|Unreleased)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M
    )


@pytest.mark.parametrize(
    "decision", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda path: path.stem
)
def test_a_decision_record_has_its_number_and_its_parts(decision: Path):
    text = decision.read_text("utf-8")
    assert text.startswith(f"# {int(decision.stem[:4])}. ")
    assert re.findall(r"^## (\w+)", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
