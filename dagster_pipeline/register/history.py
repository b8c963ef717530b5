"""What happens to gaps from run to run: pure functions from the last known state and what a run measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gaps.kinds import measured_from
from dagster_pipeline.gaps.model import Gap, GapStatus

NOT_EVALUATED = "not_evaluated"
_CARRIED_OVER = "Not measured in this run, so it stays open"


class EventKind(StrEnum):
    """What may happen to a gap in a run."""

    OPENED = "opened"
    SEVERITY_CHANGED = "severity_changed"
    RESOLVED = "resolved"
    REOPENED = "reopened"


@dataclass(frozen=True)
class GapEvent:
    """One thing that happened to one gap; ``before`` and ``after`` are severities or statuses."""

    run_id: str
    at: datetime
    gap_id: str
    event: EventKind
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Evaluation:
    """What a run was able to look at; only what was looked at can be found to be gone.

    ``kinds`` are the gap kinds whose measurement ran to its end, ``unread`` the sources and "source.column" names
    that could not be read, ``experiments`` the ones analysed (None: all there are).
    """

    kinds: frozenset[str]
    unread: frozenset[str] = field(default=frozenset())
    experiments: frozenset[str] | None = None

    def covers(self, gap: Gap) -> bool:
        """True where this run would have found the gap again, were it still there."""
        if gap.kind != NOT_EVALUATED and gap.kind not in self.kinds:
            return False
        if gap.table is not None and self.unread & measured_from(gap.kind, gap.table, gap.column):
            return False
        return gap.experiment is None or self.experiments is None or gap.experiment in self.experiments


@dataclass(frozen=True)
class Merged:
    """The register after a run: unresolved gaps and those it resolved, worst first, and what happened."""

    gaps: tuple[Gap, ...]
    events: tuple[GapEvent, ...]


def merge(
    prior: Iterable[Gap], measured: Iterable[Gap], evaluation: Evaluation, *, run_id: str, at: datetime
) -> Merged:
    """Carries the register from its last known state over what a run measured at ``at``.

    ``prior`` holds the latest state of every gap ever seen. Raises PlumblineError when a run measured one gap
    twice: two rows would overwrite each other's figures.
    """
    known = {gap.gap_id: gap for gap in prior}
    found = _by_id(measured)
    gaps = [_seen(known.get(gap_id), gap, at) for gap_id, gap in found.items()]
    gaps += [_unseen(gap, evaluation, at) for gap in known.values() if _is_missed(gap, found)]
    events = [event for gap in gaps if (event := _event(known.get(gap.gap_id), gap, run_id, at)) is not None]
    return Merged(tuple(sorted(gaps, key=register_order)), tuple(events))


def register_order(gap: Gap) -> tuple[bool, int, float, str, str, str]:
    """Sorts unresolved before resolved, then by severity, what is left unrepaired, and name."""
    residual = gap.share_residual if gap.share_residual is not None else gap.share_affected
    return (
        gap.status is GapStatus.RESOLVED,
        -gap.severity.rank,
        -(residual or 0.0),
        gap.kind,
        f"{gap.table or ''}.{gap.column or ''}",
        gap.gap_id,
    )


def _by_id(measured: Iterable[Gap]) -> dict[str, Gap]:
    found: dict[str, Gap] = {}
    for gap in measured:
        if gap.gap_id in found:
            raise PlumblineError(
                f"The run measured one gap twice: {gap.gap_id} ({gap.kind}, table {gap.table}, column "
                f"{gap.column}). One row per kind, table, column and experiment is allowed; the gap model of "
                f"this kind breaks its grain."
            )
        found[gap.gap_id] = gap
    return found


def _is_missed(gap: Gap, found: Mapping[str, Gap]) -> bool:
    return gap.gap_id not in found and gap.status is not GapStatus.RESOLVED


def _seen(prior: Gap | None, gap: Gap, at: datetime) -> Gap:
    """A person's word (acknowledged, accepted) outlives a run; a resolution does not survive a find."""
    if prior is None:
        return replace(gap, status=GapStatus.OPEN, first_seen=at, last_seen=at)
    status = GapStatus.OPEN if prior.status is GapStatus.RESOLVED else prior.status
    return replace(
        gap,
        status=status,
        owner=gap.owner or prior.owner,
        first_seen=prior.first_seen or at,
        last_seen=at,
    )


def _unseen(gap: Gap, evaluation: Evaluation, at: datetime) -> Gap:
    return _resolved(gap, at) if evaluation.covers(gap) else _carried_over(gap)


def _resolved(gap: Gap, at: datetime) -> Gap:
    """The figures of now, which are none; what it was is said in words and kept in the history."""
    return replace(
        gap,
        status=GapStatus.RESOLVED,
        severity=Severity.INFO,
        severity_reason=f"Resolved: measured on {at:%Y-%m-%d}, no longer found. It was {gap.severity.value}.",
        rows_affected=None if gap.rows_affected is None else 0,
        share_affected=None if gap.share_affected is None else 0.0,
        share_residual=None if gap.share_residual is None else 0.0,
        by_variant={},
        differential=False,
        metrics=(),
    )


def _carried_over(gap: Gap) -> Gap:
    if gap.severity_reason.startswith(_CARRIED_OVER):
        return gap
    seen = "" if gap.last_seen is None else f" with the figures of {gap.last_seen:%Y-%m-%d}"
    return replace(gap, severity_reason=f"{_CARRIED_OVER}{seen}. {gap.severity_reason}".strip())


def _event(prior: Gap | None, gap: Gap, run_id: str, at: datetime) -> GapEvent | None:
    """At most one event per gap and run; a gap found again at another severity is reopened, not changed."""
    if prior is None:
        return GapEvent(run_id, at, gap.gap_id, EventKind.OPENED, None, gap.severity.value)
    if prior.status is not gap.status and GapStatus.RESOLVED in (prior.status, gap.status):
        event = EventKind.RESOLVED if gap.status is GapStatus.RESOLVED else EventKind.REOPENED
        return GapEvent(run_id, at, gap.gap_id, event, prior.status.value, gap.status.value)
    if prior.severity is not gap.severity:
        return GapEvent(
            run_id, at, gap.gap_id, EventKind.SEVERITY_CHANGED, prior.severity.value, gap.severity.value
        )
    return None
