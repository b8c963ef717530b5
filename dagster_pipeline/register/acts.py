"""What people do about gaps: assigned, acknowledged, accepted, resolved, false positive, reopened; kept in the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from dagster_pipeline.gaps.model import GapWaiver
from dagster_pipeline.register.documents import from_iso_z, iso_z
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


def waiver_document(waiver: GapWaiver) -> dict[str, Any]:
    """A waiver as plain JSON values."""
    return {
        "owner": waiver.owner,
        "approver": waiver.approver,
        "why": waiver.why,
        "scope": waiver.scope,
        "granted_at": iso_z(waiver.granted_at),
        "expires_at": iso_z(waiver.expires_at),
        "share": waiver.share,
        "tolerance": waiver.tolerance,
    }


def waiver_from(document: Any) -> GapWaiver:
    """Reads back what ``waiver_document`` gave. Raises KeyError, TypeError or ValueError for anything else."""
    granted, expires = from_iso_z(document["granted_at"]), from_iso_z(document["expires_at"])
    if granted is None or expires is None:
        raise ValueError("a waiver needs both its dates")
    share = document["share"]
    return GapWaiver(
        owner=str(document["owner"]),
        approver=str(document["approver"]),
        why=str(document["why"]),
        scope=None if document["scope"] is None else str(document["scope"]),
        granted_at=granted,
        expires_at=expires,
        share=None if share is None else float(share),
        tolerance=float(document["tolerance"]),
    )


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
