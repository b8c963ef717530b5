"""JUnit XML of a run: a suite per verdict and per expectation suite. What was not judged is an error, never a pass.

The dialect is the one Jenkins' xUnit plugin describes (junit-10.xsd), which GitLab, Azure and the readers on GitHub take too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from xml.etree import ElementTree as ET

from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.exports.reading import JudgedVerdict, StoredCheck, StoredCriterion, StoredRun
from dagster_pipeline.exports.wording import (
    LONGEST,
    about,
    check_line,
    check_name,
    counted,
    demand,
    figures,
    gap_line,
    gap_of,
    is_waived,
    waiver_line,
)
from dagster_pipeline.gate.verdict_file import GO
from dagster_pipeline.report.escape import visible

_FAILURE, _ERROR, _SKIPPED = "failure", "error", "skipped"


@dataclass(frozen=True)
class Case:
    """One test case; ``ending`` is failure, error or skipped, None where it passed."""

    name: str
    ending: str | None = None
    message: str = ""
    lines: tuple[str, ...] = ()
    output: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """Test cases under one name."""

    name: str
    cases: tuple[Case, ...]
    properties: tuple[tuple[str, str], ...] = ()
    at: datetime | None = None


def junit(run: StoredRun) -> str:
    """The whole document; a run with a fault is one test case in error."""
    suites = [_fault(run)] if run.fault is not None else [*_verdicts(run), *_checks(run)]
    counts = _counts([case for suite in suites for case in suite.cases])
    root = ET.Element("testsuites", {"name": "Plumbline", **counts})
    for suite in suites:
        root.append(_suite(suite))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _fault(run: StoredRun) -> Suite:
    message = visible(run.fault, LONGEST)
    return Suite("plumbline run", (Case("run was evaluated", _ERROR, message, (message,)),), at=run.at)


def _verdicts(run: StoredRun) -> Iterator[Suite]:
    for found in run.verdicts:
        stored = found.stored
        cases = (_launch(found, run), *(_demand(item, found, run) for item in found.criteria))
        properties = (("run_id", visible(run.run_id)), ("verdict", stored.verdict.value))
        yield Suite(f"verdict on {about(found)}", cases, properties, stored.evaluated_at)


def _launch(found: JudgedVerdict, run: StoredRun) -> Case:
    """The gate's answer; every gap that is still there is listed with it, whatever it is."""
    lines = tuple(visible(line, LONGEST) for line in found.answer.lines)
    gaps = (counted(run), *(gap_line(gap, run.at) for gap in run.unresolved))
    if found.answer.exit_code == GO:
        return Case("launch is allowed", output=(*lines, *gaps))
    return Case("launch is allowed", _FAILURE, lines[0], (*lines, *_blocking(found, run)), gaps)


def _blocking(found: JudgedVerdict, run: StoredRun) -> Iterator[str]:
    for gap_id in found.stored.blocked_by:
        gap = run.gap(gap_id)
        yield f"Blocked by {gap_line(gap, run.at) if gap else gap_id}"


def _demand(criterion: StoredCriterion, found: JudgedVerdict, run: StoredRun) -> Case:
    name, said = demand(criterion), figures(criterion)
    if criterion.outcome is Outcome.PASSED:
        return Case(name, output=(said,))
    if criterion.outcome is Outcome.WAIVED:
        return _waived(name, said, found, run)
    ending = _FAILURE if criterion.outcome is Outcome.FAILED else _ERROR
    return Case(name, ending, f"{criterion.outcome.value}: {said}", tuple(_blocking(found, run)))


def _waived(name: str, said: str, found: JudgedVerdict, run: StoredRun) -> Case:
    """A waived demand is skipped with the reason; one whose waiver nobody can name, or that has expired, fails."""
    waivers = found.stored.waivers
    gaps = [run.gap(waiver.gap_id) for waiver in waivers]
    lines = tuple(waiver_line(gap, run.at) for gap in gaps if gap)
    if not waivers or any(waiver.expires_at <= run.at for waiver in waivers):
        return Case(name, _FAILURE, f"waived, but no waiver is in force: {said}", lines)
    until = min(waiver.expires_at for waiver in waivers)
    reason = lines[0] if lines else f"Waived until {until:%Y-%m-%d %H:%M} UTC."
    return Case(name, _SKIPPED, reason, (said, *lines))


def _checks(run: StoredRun) -> Iterator[Suite]:
    ordered = sorted(run.checks, key=lambda check: check.suite)
    for suite, checks in groupby(ordered, key=lambda check: check.suite):
        cases = tuple(_case(check, run) for check in checks)
        yield Suite(f"checks of {visible(suite)}", cases, (("run_id", visible(run.run_id)),), run.at)


def _case(check: StoredCheck, run: StoredRun) -> Case:
    name, said = check_name(check), check_line(check)
    if check.status is CheckStatus.PASSED:
        return Case(name)
    lines = (said, gap_of(check, run))
    if check.status is CheckStatus.ERROR:
        return Case(name, _ERROR, f"could not run: {said}", lines)
    gap = run.gap(check.gap_id)
    if gap is not None and is_waived(gap, run):
        return Case(name, _SKIPPED, waiver_line(gap, run.at), lines)
    return Case(name, _FAILURE, said, lines)


def _suite(suite: Suite) -> ET.Element:
    element = ET.Element("testsuite", {"name": suite.name, **_counts(suite.cases)})
    element.set("skipped", str(sum(case.ending == _SKIPPED for case in suite.cases)))
    if suite.at is not None:
        element.set("timestamp", f"{suite.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}")
    if suite.properties:
        properties = ET.SubElement(element, "properties")
        for name, value in suite.properties:
            ET.SubElement(properties, "property", name=name, value=value)
    for case in suite.cases:
        element.append(_testcase(suite, case))
    return element


def _testcase(suite: Suite, case: Case) -> ET.Element:
    # Reading a verdict takes no time of its own; readers that add up times show "NaN" without the attribute.
    element = ET.Element("testcase", classname=f"plumbline.{suite.name}", name=case.name, time="0")
    if case.ending is not None:
        ending = ET.SubElement(element, case.ending, message=case.message)
        if case.ending != _SKIPPED:
            ending.set("type", "plumbline")
        ending.text = "\n".join(case.lines)
    if case.output:
        ET.SubElement(element, "system-out").text = "\n".join(case.output)
    return element


def _counts(cases: Iterable[Case]) -> dict[str, str]:
    found = [case.ending for case in cases]
    return {
        "tests": str(len(found)),
        "failures": str(found.count(_FAILURE)),
        "errors": str(found.count(_ERROR)),
    }
