"""What people do about gaps: assigned, acknowledged, accepted, resolved, false positive, reopened; kept in the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from dagster_pipeline.gaps.model import GapWaiver
from dagster_pipeline.register.documents import waiver_document, waiver_from
from dagster_pipeline.register.journal import Entry, append_entry


class ActKind(StrEnum):
    """What somebody may do about a gap; the kind of the journal's entry."""

    ASSIGN = "gap_assigned"
    ACKNOWLEDGE = "gap_acknowledged"
    ACCEPT = "gap_accepted"
    RESOLVE = "gap_resolved"
    FALSE_POSITIVE = "gap_false_positive"
    REOPEN = "gap_reopened"


@dataclass(frozen=True)
class GapAct:
    """One act on one gap: who, when, why. ``owner`` goes with ASSIGN, ``waiver`` with ACCEPT; ``digest`` is its journal entry's."""

    kind: ActKind
    gap_id: str
    by: str
    at: datetime
    why: str
    owner: str | None = None
    waiver: GapWaiver | None = None
    digest: str = ""


def record_act(journal: Path, act: GapAct) -> GapAct:
    """Append an act to the journal, and give it as it will be read.

    Raises what ``append_entry`` raises; whether the act is allowed is for ``lifecycle.apply_act`` to say first.
    """
    content: dict[str, Any] = {"gap_id": act.gap_id, "why": act.why}
    if act.owner is not None:
        content["owner"] = act.owner
    if act.waiver is not None:
        content["waiver"] = waiver_document(act.waiver)
    experiment = act.waiver.scope if act.waiver else None
    entry = append_entry(
        journal, kind=act.kind.value, by=act.by, experiment=experiment, content=content, at=act.at
    )
    return _act(entry)


def gap_acts(journal: Iterable[Entry]) -> tuple[GapAct, ...]:
    """The acts on gaps in a journal, in its order; one that can't be read is left out, so it waives and resolves nothing."""
    found = []
    for entry in journal:
        if entry.kind in tuple(ActKind):
            try:
                found.append(_act(entry))
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
    return tuple(found)


def _act(entry: Entry) -> GapAct:
    content = entry.content
    kind = ActKind(entry.kind)
    return GapAct(
        kind=kind,
        gap_id=str(content["gap_id"]),
        by=entry.by,
        at=entry.at,
        why=str(content["why"]),
        owner=str(content["owner"]) if kind is ActKind.ASSIGN else None,
        waiver=waiver_from(content["waiver"]) if kind is ActKind.ACCEPT else None,
        digest=entry.digest,
    )
