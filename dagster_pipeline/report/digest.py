"""digest.md: the daily checkpoint on one screen; what blocks, what changed, what is late, what is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.register.checkpoint import (
    Blocked,
    Changed,
    Checkpoint,
    Deadline,
    Promise,
    checkpoint,
    recent,
)
from dagster_pipeline.register.documents import from_iso_z, iso_z, plain
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.escape import markdown_text, visible
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.risk_register import NO_OWNER, deadline, due_words
from dagster_pipeline.report.words import SEVERITY, kind_title, place

MOST_LINES = 40
"""One screen."""

_MOST = {"blocks": 4, "changed": 5, "late": 5, "due": 3, "unknown": 4}
_ITEM = 300  # characters of one line of a list
_NAME = 60  # of a name in it, so that what matters is not cut off
_MOST_IDS = 3
_WORDS = {
    EventKind.OPENED: "new",
    EventKind.REOPENED: "back",
    EventKind.SEVERITY_CHANGED: "severity changed",
    EventKind.ESCALATED: "escalated",
    EventKind.ACKNOWLEDGED: "acknowledged",
    EventKind.ASSIGNED: "assigned",
    EventKind.ACCEPTED: "risk accepted",
    EventKind.RESOLVED: "resolved",
    EventKind.FALSE_POSITIVE: "false positive",
}


def run_checkpoint(report: RunReport) -> Checkpoint:
    """Where things stand after a run: with all the run wrote down, and what happened in the day before it."""
    told = recent((*report.recent, *report.events), report.evaluated_at, report.run_id)
    at = report.evaluated_at
    blocks, track = blocks_of(report.decisions), report.track_record
    unknown = [*report.alert_faults, *([track.journal_fault] if track and track.journal_fault else [])]
    actions = track.process.actions if track and track.process else ()
    return checkpoint(report.gaps, dict.fromkeys(told), blocks, report.triage, at, unknown, actions)


def run_digest(report: RunReport) -> str:
    """digest.md of a run."""
    return digest_markdown(run_checkpoint(report))


def blocks_of(verdicts: Iterable[Mapping[str, Any]]) -> tuple[Blocked, ...]:
    """The decisions of a run, from documents of verdict.json."""
    return tuple(
        Blocked(
            experiment=document["experiment"],
            verdict=document["verdict"],
            is_blocked=document["verdict"] != "GO",
            blocked_by=tuple(document["blocked_by"]),
            reason=str(document["reasons"][0]) if document["reasons"] else "",
            evaluated_at=from_iso_z(document["evaluated_at"]),
        )
        for document in verdicts
    )


def digest_markdown(found: Checkpoint) -> str:
    """The whole file, 40 lines at most; every value is escaped."""
    lines = [f"# Daily checkpoint · {fmt.moment(found.at)}"]
    lines += _section("What blocks", "blocks", [_block(one) for one in _decided(found)])
    lines += _section("What changed", "changed", [_changes(of) for of in _by_gap(found.changed)])
    late = [_deadline(one, found) for one in found.late]
    due = [_deadline(one, found) for one in found.due]
    lines += _section(
        "What is late", "late", late + [_promise(one, found) for one in found.promises if one.is_late]
    )
    lines += _section(
        "Due within a day", "due", due + [_promise(one, found) for one in found.promises if not one.is_late]
    )
    unknown = [*found.unknown, *(_unmeasured(gap) for gap in found.unmeasured)]
    if unknown:
        lines += _section("What nobody could look at, or was told", "unknown", unknown)
    return "\n".join(lines) + "\n"


def digest_document(found: Checkpoint) -> dict[str, Any]:
    """The checkpoint for machines, uncut."""
    return {
        "schema_version": 1,
        "at": iso_z(found.at),
        "blocks": [plain(vars(one)) for one in found.blocks],
        "changed": [plain(_event_document(one.event)) for one in found.changed],
        "late": [plain(_deadline_document(one)) for one in found.late],
        "due": [plain(_deadline_document(one)) for one in found.due],
        "actions": [plain(vars(one)) for one in found.promises],
        "unmeasured": [plain(gap.gap_id) for gap in found.unmeasured],
        "unknown": plain(found.unknown),
    }


def _section(title: str, name: str, items: Sequence[str]) -> list[str]:
    """A heading with its count and the first of the list; a heading alone where there is nothing."""
    if not items:
        return ["", f"## {title}: nothing"]
    most = _MOST[name]
    more = [f"- and {len(items) - most:,} more"] if len(items) > most else []
    return [
        "",
        f"## {title}: {len(items):,}",
        *(f"- {markdown_text(item, _ITEM)}" for item in items[:most]),
        *more,
    ]


def _decided(found: Checkpoint) -> list[Blocked]:
    """What does not go ahead; silence is no GO."""
    return (
        [one for one in found.blocks if one.is_blocked]
        if found.blocks
        else [Blocked(None, None, is_blocked=True)]
    )


def _block(one: Blocked) -> str:
    name = one.experiment or "the launch"
    if one.verdict is None:
        return f"{name}: there is no verdict to go by{f' ({one.reason})' if one.reason else ''}; nothing may go ahead"
    first, more = one.blocked_by[:_MOST_IDS], len(one.blocked_by) - _MOST_IDS
    by = f", blocked by {', '.join(first)}{f' and {more} more' if more > 0 else ''}" if first else ""
    return f"{one.verdict}, {visible(name, _NAME)}{by}: {one.reason.removeprefix(f'{one.verdict}: ')}"


def _by_gap(changed: Iterable[Changed]) -> list[list[Changed]]:
    """All that happened to a gap together, the gaps in the order of their first change."""
    found: dict[str, list[Changed]] = {}
    for one in changed:
        found.setdefault(one.event.gap_id, []).append(one)
    return list(found.values())


def _changes(of: Sequence[Changed]) -> str:
    gap = of[0].gap
    name = f"{_name(gap)}{_owner(gap)}" if gap else visible(of[0].event.gap_id)
    return f"{name}: {', '.join(_happened(one.event) for one in of)}"


def _happened(event: GapEvent) -> str:
    by = f" by {visible(event.by, _NAME)}" if event.by else ""
    return f"{_WORDS[event.event]}{_between(event)}{by}"


def _between(event: GapEvent) -> str:
    if event.event is EventKind.SEVERITY_CHANGED:
        return f" from {event.before} to {event.after}"
    if event.event in (EventKind.ASSIGNED, EventKind.ESCALATED):
        return f" to {'level ' if event.event is EventKind.ESCALATED else ''}{event.after}"
    return " without effect" if event.before == event.after else ""


def _deadline(one: Deadline, found: Checkpoint) -> str:
    level = f", escalated to level {one.level}" if one.level else ""
    return f"{_name(one.gap)}{_owner(one.gap)}{level}: {deadline(one.gap, one.due_at, found.at)}"


def _promise(one: Promise, found: Checkpoint) -> str:
    owner = visible(one.owner or NO_OWNER, _NAME)
    return f"Action, {visible(one.what, 2 * _NAME)}, owner {owner}: {due_words(one.due_at, found.at)}"


def _unmeasured(gap: Gap) -> str:
    return f"{_name(gap)}: no run could look at it since {fmt.moment(gap.life.unmeasured_since)}"


def _name(gap: Gap) -> str:
    """A resolved gap has no severity to speak of."""
    words = f"{kind_title(gap.kind)} in {visible(place(gap), _NAME)} ({gap.gap_id})"
    return words if gap.severity is Severity.INFO else f"{SEVERITY[gap.severity].word}, {words}"


def _owner(gap: Gap) -> str:
    return f", owner {visible(gap.owner or NO_OWNER, _NAME)}"


def _event_document(event: GapEvent) -> dict[str, Any]:
    names = ("gap_id", "before", "after", "by", "why", "run_id")
    return {"at": iso_z(event.at), "event": event.event.value} | {
        name: getattr(event, name) for name in names
    }


def _deadline_document(one: Deadline) -> dict[str, Any]:
    return {"gap_id": one.gap.gap_id, "due_at": iso_z(one.due_at), "owner": one.gap.owner, "level": one.level}
