"""What a run found as logging commands of GitHub Actions and Azure Pipelines, worst first.

Sources of the escaping: GitHub, *Workflow commands for GitHub Actions* (its toolkit's ``command.ts``); Azure, *Logging commands*
(its agent's ``CommandStringConvertor``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.exports.places import ConfigPlaces
from dagster_pipeline.exports.reading import JudgedVerdict, StoredRun
from dagster_pipeline.exports.wording import (
    LONGEST,
    Level,
    about,
    calm,
    check_line,
    counted,
    gap_line,
    gap_title,
    is_waived,
    level,
)
from dagster_pipeline.gate.verdict_file import GO
from dagster_pipeline.report.escape import visible

_GITHUB = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


@dataclass(frozen=True)
class Annotation:
    """One thing to be shown beside the code; ``line`` None is about no line. ``lines`` is the message."""

    level: Level
    title: str
    lines: tuple[str, ...]
    line: int | None = None
    code: str = ""


def github(run: StoredRun, places: ConfigPlaces) -> str:
    """Workflow commands, one a line: ``::error file=…,line=…,title=…::message``."""
    return "".join(f"{_github(found, places.name)}\n" for found in found_in(run, places))


def azure(run: StoredRun, places: ConfigPlaces) -> str:
    """Logging commands, one a line: ``##vso[task.logissue type=error;…]message``; notes are plain lines, for Azure has none."""
    return "".join(f"{_azure(found, places.name)}\n" for found in found_in(run, places))


def found_in(run: StoredRun, places: ConfigPlaces) -> Iterator[Annotation]:
    """Everything there is to say: verdicts, gaps worst first, checks that could not run; or the fault alone."""
    if run.fault is not None:
        yield Annotation(Level.ERROR, "Plumbline: not evaluated", (visible(run.fault, LONGEST),))
        return
    for found in run.verdicts:
        yield _verdict(found, run)
    for gap in run.unresolved:
        quiet = is_waived(gap, run)
        text = (gap_line(gap, run.at),)
        yield Annotation(
            Level.NOTE if quiet else level(gap), gap_title(gap), text, places.line(gap), gap.kind
        )
    for check in run.checks:
        if check.status is CheckStatus.ERROR:
            yield Annotation(Level.ERROR, "A check could not run", (check_line(check),))


def _verdict(found: JudgedVerdict, run: StoredRun) -> Annotation:
    verdict = found.stored.verdict.value
    lines = tuple(visible(line, LONGEST) for line in found.answer.lines)
    shown = Level.NOTE if found.answer.exit_code == GO else Level.ERROR
    return Annotation(shown, f"Plumbline: {verdict} for {about(found)}", (*lines, f"{counted(run)}."))


def _github(found: Annotation, file: str) -> str:
    named = {"title": found.title}
    if found.line is not None:
        named = {"file": file, "line": str(found.line), **named}
    properties = ",".join(f"{key}={_github_property(value)}" for key, value in named.items())
    return f"::{_GITHUB[found.level]} {properties}::{_github_data(_joined(found.lines))}"


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(calm(text)).replace(":", "%3A").replace(",", "%2C")


def _azure(found: Annotation, file: str) -> str:
    if found.level is Level.NOTE:
        return calm(" · ".join((found.title, *found.lines)))
    named = {"type": found.level.value}
    if found.line is not None:
        named |= {"sourcepath": file, "linenumber": str(found.line)}
    if found.code:
        named["code"] = found.code
    properties = "".join(f"{key}={_azure_text(value)};" for key, value in named.items())
    return f"##vso[task.logissue {properties}]{_azure_text(_joined((found.title, *found.lines)))}"


def _azure_text(text: str) -> str:
    escaped = text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace("]", "%5D").replace(";", "%3B")


def _joined(lines: tuple[str, ...]) -> str:
    return "\n".join(map(calm, lines))
