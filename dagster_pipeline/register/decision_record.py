"""What the decision log says of one decision: a document that can be read without anything else at hand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.decision_log import DecisionRecord
from dagster_pipeline.register.documents import iso_z, plain
from dagster_pipeline.register.journal import DISSENT, Entry

_LARGEST_DIGESTED = 200_000_000  # bytes
# The options of DESIGN.md §6, in the order a brief that names three of its own lists them in.
_OPTIONS = {"GO": ("A", "launch in full"), "PARTIAL": ("B", "launch in part"), "HOLD": ("C", "hold")}


@dataclass(frozen=True)
class SourceSnapshot:
    """One source as the run read it: rows read and rows used, None where not counted; ``newest`` in UTC.

    ``digest`` is the SHA-256 of the file, None where the source is no single file or none was taken.
    """

    name: str
    status: str
    rows: int | None = None
    rows_used: int | None = None
    newest: datetime | None = None
    is_late: bool = False
    digest: str | None = None


@dataclass(frozen=True)
class DataSnapshot:
    """What a decision was made on; ``configuration`` is the SHA-256 of plumbline.yml, ``gaps`` all of the register."""

    run_id: str
    as_of: datetime
    evaluated_at: datetime
    configuration: str | None
    sources: tuple[SourceSnapshot, ...]
    gaps: tuple[Gap, ...]


def decision_record(
    verdict: Mapping[str, Any],
    brief: Mapping[str, Any] | None,
    snapshot: DataSnapshot,
    journal: Sequence[Entry] = (),
    journal_fault: str | None = None,
) -> DecisionRecord:
    """The entry of one decision.

    ``verdict`` is what verdict.json holds; ``brief`` the section of decision.json with ``version``, ``signatures`` of
    that version and ``content``, None without a brief. ``journal_fault`` says why the journal could not be read:
    nobody counts as having approved then.
    """
    experiment = verdict["experiment"]
    content: Mapping[str, Any] = brief["content"]["brief"] if brief else {}
    title = content.get("question") or (f"Launch of {experiment}" if experiment else "No experiment")
    options = content.get("options", [])
    document = {
        "title": title,
        "decision": _decision(verdict),
        "date": iso_z(snapshot.evaluated_at),
        "approvers": list(brief["signatures"]) if brief else [],
        "context": content.get("context"),
        "options": [_option(option) for option in options],
        "data_snapshot": _snapshot(snapshot, experiment, brief, journal_fault),
        "chosen_option": _chosen(verdict, content, options),
        "dissent": list(_dissent(journal, experiment)),
        "actions": content.get("actions", []),
        "review_date": content.get("review_date"),
        "verdict": verdict,
    }
    return DecisionRecord(experiment, str(title), plain(document))


def _decision(verdict: Mapping[str, Any]) -> dict[str, Any]:
    reasons = verdict["reasons"]
    return {
        "verdict": verdict["verdict"],
        "segments": verdict["segments"],
        "stage": verdict["stage"],
        "summary": reasons[0] if reasons else verdict["verdict"],
    }


def _option(option: Mapping[str, Any]) -> dict[str, Any]:
    rice = option.get("rice")
    if not rice:
        return dict(option)
    score = rice["reach"] * rice["impact"] * rice["confidence"] / rice["effort"]
    return {**option, "rice": {**rice, "score": score}}


def _snapshot(
    snapshot: DataSnapshot, experiment: str | None, brief: Mapping[str, Any] | None, fault: str | None
) -> dict[str, Any]:
    unresolved = [
        gap
        for gap in snapshot.gaps
        if gap.status is not GapStatus.RESOLVED and gap.experiment in (None, experiment)
    ]
    by_severity = Counter(gap.severity for gap in unresolved)
    return {
        "run_id": snapshot.run_id,
        "as_of": iso_z(snapshot.as_of),
        "configuration": snapshot.configuration,
        "brief_version": brief["version"] if brief else None,
        "journal_fault": fault,
        "sources": [_source(source) for source in snapshot.sources],
        "open_gaps": {severity.value: by_severity[severity] for severity in Severity},
    }


def _source(source: SourceSnapshot) -> dict[str, Any]:
    return {
        "source": source.name,
        "status": source.status,
        "rows": source.rows,
        "rows_used": source.rows_used,
        "newest": iso_z(source.newest),
        "is_late": source.is_late,
        "digest": source.digest,
    }


def _chosen(
    verdict: Mapping[str, Any], content: Mapping[str, Any], options: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    letter, meaning = _OPTIONS[verdict["verdict"]]
    named = options[list(_OPTIONS).index(verdict["verdict"])] if len(options) == len(_OPTIONS) else None
    rollout = content.get("rollout", {})
    return {
        "option": letter,
        "name": named["name"] if named else meaning,
        "segments": verdict["segments"],
        "stage": verdict["stage"],
        "rollout": rollout.get("stages", []),
        "rollback": rollout.get("rollback", []),
        "guardrails": list(_guardrails(verdict, content.get("guardrails", []))),
    }


def _guardrails(
    verdict: Mapping[str, Any], rules: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Each guardrail of the brief with the answers it got, one per treatment."""
    keys = ("variant", "outcome", "estimate", "ci_lower", "ci_upper", "lower", "upper")
    for rule in rules:
        answers = [
            {key: answer[key] for key in keys}
            for answer in verdict["criteria"]
            if answer["kind"] == "guardrail" and answer["metric"] == rule["metric"]
        ]
        yield {**rule, "answers": answers}


def _dissent(journal: Iterable[Entry], experiment: str | None) -> Iterator[Mapping[str, Any]]:
    for entry in journal:
        if entry.kind == DISSENT and entry.experiment in (None, experiment):
            yield {"by": entry.by, "at": iso_z(entry.at), "text": entry.content.get("text")}


def file_digest(path: str | None) -> str | None:
    """The SHA-256 of a source that is one file of moderate size; None for others, which would take too long to read."""
    if path is None:
        return None
    file = Path(path)
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST_DIGESTED:
            return None
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
