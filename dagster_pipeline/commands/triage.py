"""``plumbline gaps assign | acknowledge | accept | resolve | false-positive | reopen``: people's acts on gaps, on record."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster_pipeline.commands.deciding_again import DecidedAgain, decide_stored_run
from dagster_pipeline.commands.gaps import Register, read_register, unknown_gaps
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.config.scalars import duration, instant
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.model import Gap, GapWaiver
from dagster_pipeline.register.acts import ActKind, GapAct, record_act
from dagster_pipeline.register.documents import iso_z, plain, waiver_document
from dagster_pipeline.register.journal import journal_path, read_journal
from dagster_pipeline.register.lifecycle import apply_act, check_waiver, shown_share
from dagster_pipeline.report.escape import visible

_LONGEST = 600
_DONE = {
    ActKind.ASSIGN: "Assigned",
    ActKind.ACKNOWLEDGE: "Acknowledged",
    ActKind.ACCEPT: "Accepted",
    ActKind.RESOLVE: "Resolved",
    ActKind.FALSE_POSITIVE: "Marked as a false positive",
    ActKind.REOPEN: "Reopened",
}


@dataclass(frozen=True)
class Request:
    """What somebody wants done about some gaps, and why; ``config`` and ``output`` say where the register lies."""

    config: Path
    output: Path
    gap_ids: tuple[str, ...]
    by: str
    why: str
    as_json: bool = False


@dataclass(frozen=True)
class Terms:
    """What a waiver is to be: ``expires`` is a date or a length such as 14d, ``scope`` an experiment, None for all."""

    owner: str
    approver: str
    expires: str
    scope: str | None = None
    tolerance: float | None = None


def assign(request: Request, owner: str) -> None:
    """Record who owns the gaps."""
    _record(request, lambda gap, at, _: _act(ActKind.ASSIGN, request, gap, at, owner=owner))


def acknowledge(request: Request) -> None:
    """Record that somebody has seen the gaps."""
    _record(request, lambda gap, at, _: _act(ActKind.ACKNOWLEDGE, request, gap, at))


def resolve(request: Request) -> None:
    """Record that the gaps are gone; the next run looks, and opens again what it finds."""
    _record(request, lambda gap, at, _: _act(ActKind.RESOLVE, request, gap, at))


def false_positive(request: Request) -> None:
    """Record that the gaps are none: what was measured is as it should be."""
    _record(request, lambda gap, at, _: _act(ActKind.FALSE_POSITIVE, request, gap, at))


def reopen(request: Request) -> None:
    """Take a resolution or a waiver back."""
    _record(request, lambda gap, at, _: _act(ActKind.REOPEN, request, gap, at))


def accept(request: Request, terms: Terms) -> None:
    """Record a waiver for each gap, at the share it has now."""

    def waived(gap: Gap, at: datetime, config: PlumblineConfig) -> GapAct:
        return _act(ActKind.ACCEPT, request, gap, at, waiver=_waiver(terms, request.why, gap, at, config))

    _record(request, waived)


def _act(kind: ActKind, request: Request, gap: Gap, at: datetime, **more: Any) -> GapAct:
    return GapAct(kind, gap.gap_id, by=request.by.strip(), at=at, why=request.why.strip(), **more)


_Make = Callable[[Gap, datetime, PlumblineConfig], GapAct]


def _record(request: Request, make: _Make) -> None:
    """All of it or nothing: every act is tried on its gap before the first is written down.

    Raises PlumblineError naming every gap that is unknown or that the act is not allowed on, NotEvaluatedError where the
    register or the journal can't be read.
    """
    config = load_config(request.config)
    journal = journal_path(config.file)
    read_journal(journal)  # a broken one takes no acts, and says so before anything else is looked at
    register = read_register(request.output, request.config)
    acts = _allowed(request, register, make, config)
    recorded = [record_act(journal, act) for act in acts]
    again = decide_stored_run(config, request.output, recorded)
    if request.as_json:
        print(json.dumps(_document(recorded, again), indent=2, allow_nan=False))
    else:
        for line in _lines(recorded, register, again, journal):
            print(visible(line, _LONGEST))
    if again.fault is not None:
        print(
            visible(f"The verdict stays as it is until the next run: {again.fault}", _LONGEST),
            file=sys.stderr,
        )


def _allowed(
    request: Request, register: Register, make: _Make, config: PlumblineConfig
) -> tuple[GapAct, ...]:
    wanted = tuple(dict.fromkeys(request.gap_ids))
    unknown = [gap_id for gap_id in wanted if register.gap(gap_id) is None]
    if unknown:
        raise unknown_gaps(unknown, request.output)
    if not request.by.strip():
        raise PlumblineError("--by names nobody; every change of a gap says whose it is.")
    now, acts, refusals = datetime.now(UTC), [], []
    for gap in (found for gap_id in wanted if (found := register.gap(gap_id)) is not None):
        try:
            act = make(gap, now, config)
            apply_act(gap, act)
        except PlumblineError as error:
            refusals.append(str(error))
        else:
            acts.append(act)
    if refusals:
        nothing = " Nothing was recorded." if len(wanted) > 1 else ""
        raise PlumblineError(" ".join(dict.fromkeys(refusals)) + nothing)
    return tuple(acts)


def _waiver(terms: Terms, why: str, gap: Gap, at: datetime, config: PlumblineConfig) -> GapWaiver:
    policy = config.triage.waivers
    _expect_scope(terms.scope, gap, config)
    tolerance = policy.tolerance if terms.tolerance is None else terms.tolerance
    if tolerance > policy.tolerance:
        raise PlumblineError(
            f"--tolerance {tolerance:g} is more than triage.waivers.tolerance allows: {policy.tolerance:g}."
        )
    waiver = GapWaiver(
        owner=_named(terms.owner, "--owner"),
        approver=_named(terms.approver, "--approver"),
        why=why.strip(),
        scope=terms.scope,
        granted_at=at,
        expires_at=_expiry(terms.expires, at),
        share=shown_share(gap),
        tolerance=tolerance,
    )
    check_waiver(waiver, policy)
    if gap.owner is not None and _same(gap.owner, waiver.approver):
        raise PlumblineError(
            f"{gap.gap_id}: {waiver.approver!r} owns the gap and can't approve a waiver of it."
        )
    return waiver


def _expect_scope(scope: str | None, gap: Gap, config: PlumblineConfig) -> None:
    if scope is None:
        return
    known = [found.id for found in config.experiments]
    if scope not in known:
        names = ", ".join(map(repr, known)) or "none"
        raise PlumblineError(f"The experiment {scope!r} is not configured; there are: {names}.")
    if gap.experiment not in (None, scope):
        raise PlumblineError(f"{gap.gap_id} is about {gap.experiment!r}, not about {scope!r}.")


def _expiry(text: str, at: datetime) -> datetime:
    """A length from now on, or a date (its midnight in UTC) or moment. Raises PlumblineError for one that is past."""
    try:
        return at + duration(text)
    except Refusal:
        pass
    except OverflowError as error:
        raise PlumblineError(f"--expires {text!r} is longer than any calendar.") from error
    try:
        found = instant(text)
    except Refusal as error:
        raise PlumblineError(
            f"--expires must be a date such as 2026-12-01 or a length such as 14d, not {text!r}."
        ) from error
    if found <= at:
        raise PlumblineError(f"--expires {text!r} is past: a waiver ends after it begins.")
    return found


def _named(text: str, option: str) -> str:
    name = text.strip()
    if not name:
        raise PlumblineError(f"{option} names nobody.")
    return name


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _lines(
    recorded: Sequence[GapAct], register: Register, again: DecidedAgain, journal: Path
) -> Iterator[str]:
    for act in recorded:
        gap = register.gap(act.gap_id)
        place = ".".join(part for part in (gap.table, gap.column) if part) if gap else ""
        name = f"{act.gap_id} ({gap.kind if gap else ''}{f', {place}' if place else ''})"
        yield f"{_DONE[act.kind]}: {name}{_terms(act)}."
    count = "1 entry" if len(recorded) == 1 else f"{len(recorded)} entries"
    yield f"Recorded in {journal.name}: {count} by {recorded[0].by if recorded else ''}."
    for change in again.changes:
        yield change.sentence


def _terms(act: GapAct) -> str:
    if act.owner is not None:
        return f", to {act.owner}"
    waiver = act.waiver
    if waiver is None:
        return ""
    limit = "" if waiver.share is None else f", up to {waiver.share * (1 + waiver.tolerance):.2%}"
    scope = f", for {waiver.scope} only" if waiver.scope else ""
    people = f", owned by {waiver.owner}, approved by {waiver.approver}"
    return f" until {waiver.expires_at:%Y-%m-%d %H:%M} UTC{limit}{scope}{people}"


def _document(recorded: Sequence[GapAct], again: DecidedAgain) -> dict[str, Any]:
    found: dict[str, Any] = plain(
        {
            "recorded": [
                {
                    "act": act.kind.value.removeprefix("gap_"),
                    "gap_id": act.gap_id,
                    "by": act.by,
                    "at": iso_z(act.at),
                    "why": act.why,
                    "owner": act.owner,
                    "waiver": waiver_document(act.waiver) if act.waiver else None,
                    "digest": act.digest,
                }
                for act in recorded
            ],
            "verdicts": [change.document() for change in again.changes],
            "verdict_fault": again.fault,
        }
    )
    return found
