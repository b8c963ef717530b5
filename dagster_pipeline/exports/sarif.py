"""SARIF 2.1.0 of a run: a rule per gap kind, a result per gap that is still there.

Source of the format: OASIS, *Static Analysis Results Interchange Format (SARIF) Version 2.1.0*.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from urllib.parse import quote

from dagster_pipeline import __version__
from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.exports.places import ConfigPlaces
from dagster_pipeline.exports.reading import StoredRun
from dagster_pipeline.exports.wording import (
    LONGEST,
    Level,
    about,
    check_line,
    gap_line,
    gap_title,
    is_waived,
    level,
    waiver_line,
)
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.gate.verdict_file import GO
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.runbooks import runbook_link, runbook_name, runbooks
from dagster_pipeline.report.words import kind_title

Json = dict[str, Any]

NOT_EVALUATED = "run_not_evaluated"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PLACEHOLDER = re.compile(r"\{(?=\d)")


def sarif(run: StoredRun, places: ConfigPlaces, link: str | None = None) -> str:
    """The whole document; a run with a fault is one result that says so, and an execution that failed.

    ``link`` is where the report can be read: rules then lead to their runbook there.
    """
    gaps = run.unresolved
    kinds = list(dict.fromkeys(gap.kind for gap in gaps)) or ([] if run.fault is None else [NOT_EVALUATED])
    results = [_result(gap, kinds, run, places) for gap in gaps]
    if run.fault is not None:
        results = [_fault(run.fault, places)]
    driver = {"name": "Plumbline", "version": __version__, "rules": [_rule(kind, link) for kind in kinds]}
    document = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": "plumbline/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(run)],
                "results": results,
                "properties": {"runId": visible(run.run_id), "verdicts": _verdicts(run)},
            }
        ],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _rule(kind: str, link: str | None) -> Json:
    if kind == NOT_EVALUATED:
        said = "A run that is missing, stale, corrupt or interrupted blocks a launch."
        return {"id": kind, "name": "RunNotEvaluated", "shortDescription": {"text": said}}
    known, address = gap_kinds().get(kind), runbook_link(kind, link)
    rule: Json = {
        "id": kind,
        "name": "".join(word.capitalize() for word in kind.split("_")),
        "shortDescription": {"text": kind_title(kind)},
        "fullDescription": {"text": _text(known.meaning if known else kind_title(kind))},
        "help": _help(kind),
    }
    return rule if address is None else {**rule, "helpUri": address}  # which has to be absolute


def _help(kind: str) -> Json:
    """The runbook itself, for viewers that show it beside a result."""
    page = runbooks().get(kind)
    if page is None:
        return {"text": "There is no runbook for this kind."}
    text = f"Runbook: {runbook_name(kind)}, in the report of the run."
    return {"text": text, "markdown": f"# {page.title}\n\n{page.lead}\n\n{page.body}\n\n{text}"}


def _result(gap: Gap, kinds: Sequence[str], run: StoredRun, places: ConfigPlaces) -> Json:
    return {
        "ruleId": gap.kind,
        "ruleIndex": kinds.index(gap.kind),
        "level": level(gap).value,
        "message": {"text": _text(f"{gap_title(gap)}. {gap_line(gap, run.at)}")},
        "locations": [_location(places, gap)],
        # GitHub tells results apart by primaryLocationLineHash: without it two gaps of one line would be one.
        "partialFingerprints": {"plumblineGapId/v1": gap.gap_id, "primaryLocationLineHash": gap.gap_id},
        "suppressions": _suppressions(gap, run),
        "properties": _properties(gap),
    }


def _location(places: ConfigPlaces, gap: Gap | None) -> Json:
    place: Json = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(places.name), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": places.line(gap) if gap else 1},
        }
    }
    if gap is None or gap.table is None:
        return place
    name = visible(".".join(part for part in (gap.table, gap.column) if part))
    kind = "member" if gap.column else "object"
    return {**place, "logicalLocations": [{"fullyQualifiedName": name, "kind": kind}]}


def _suppressions(gap: Gap, run: StoredRun) -> list[Json]:
    """An accepted gap is suppressed from outside while its waiver is in force; an empty list says that it is not."""
    if not is_waived(gap, run):
        return []
    return [{"kind": "external", "status": "accepted", "justification": _text(waiver_line(gap, run.at))}]


def _properties(gap: Gap) -> Json:
    found = {
        "severity": gap.severity.value,
        "status": gap.status.value,
        "experiment": gap.experiment and visible(gap.experiment),
        "segment": gap.segment and visible(gap.segment),
        "owner": gap.owner and visible(gap.owner),
        "shareAffected": gap.share_affected,
        "shareResidual": gap.share_residual,
        "flipsDecision": any(impact.flips_decision for impact in gap.metrics),
        "mitigation": visible(gap.mitigation, LONGEST),
    }
    return {key: value for key, value in found.items() if value is not None}


def _fault(fault: str, places: ConfigPlaces) -> Json:
    return {
        "ruleId": NOT_EVALUATED,
        "ruleIndex": 0,
        "level": Level.ERROR.value,
        "message": {"text": _text(fault)},
        "locations": [_location(places, None)],
        "partialFingerprints": {"primaryLocationLineHash": NOT_EVALUATED},
        "suppressions": [],
    }


def _invocation(run: StoredRun) -> Json:
    """How the run went; checks that could not run are told here too."""
    broken = [check_line(check) for check in run.checks if check.status is CheckStatus.ERROR]
    said = [run.fault] if run.fault is not None else [f"A check could not run: {line}" for line in broken]
    return {
        "executionSuccessful": run.fault is None,
        "exitCode": run.exit_code,
        "endTimeUtc": f"{run.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z",
        "toolExecutionNotifications": [
            {"level": Level.ERROR.value, "message": {"text": _text(text)}} for text in said
        ],
    }


def _verdicts(run: StoredRun) -> list[Json]:
    return [
        {
            "experiment": about(found),
            "verdict": found.stored.verdict.value,
            "allowed": found.answer.exit_code == GO,
            "blockedBy": list(found.stored.blocked_by),
        }
        for found in run.verdicts
    ]


def _text(text: str) -> str:
    """A message no viewer takes for a link or a placeholder (SARIF §3.11.5 and §3.11.6)."""
    return _PLACEHOLDER.sub("{ ", visible(text, 4 * LONGEST).replace("](", "] ("))
