"""The gap and its impacts: the shape of register.json (DESIGN.md §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.statistics.vocabulary import Direction


class GapStatus(StrEnum):
    """Where a gap stands in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Impact:
    """What one gap does to one metric of one treatment, raw in the metric's default effect."""

    metric: str
    variant: str
    effect: str
    unmitigated: float | None
    mitigated: float | None
    lower: float | None
    upper: float | None
    bias_lower: float | None
    bias_upper: float | None
    direction: Direction
    expected_direction: Direction
    flips_decision: bool
    delta_star: float | None
    reason: str | None = None
    break_even_share: float | None = None


@dataclass(frozen=True)
class GapWaiver:
    """Somebody accepts the risk of a gap, until ``expires_at`` and up to what it was granted at.

    ``share`` is the gap's unrepaired share when it was granted (None: it could not be counted), which may grow by the factor
    1 + ``tolerance``. ``scope`` is the experiment whose decision it covers, None for all of them.
    """

    owner: str
    approver: str
    why: str
    scope: str | None
    granted_at: datetime
    expires_at: datetime
    share: float | None
    tolerance: float


@dataclass(frozen=True)
class Life:
    """What became of a gap since it was last opened, from its events. Times are in UTC, None where it did not happen.

    ``resolved_by`` names the person who said so; None where a run found the gap gone. ``openings`` counts how often it was
    opened. ``assigned_to`` is whom a person named, who goes before any owner of the configuration. ``unmeasured_since`` is
    set while runs can't look at it. ``level`` is how far it is escalated: 0, 1 or 2.
    """

    opened_at: datetime | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    openings: int = 0
    assigned_to: str | None = None
    waiver: GapWaiver | None = None
    is_false_positive: bool = False
    unmeasured_since: datetime | None = None
    level: int = 0


@dataclass(frozen=True)
class Gap:
    """One gap kind × table × column (× experiment where the kind is about one)."""

    gap_id: str
    kind: str
    experiment: str | None
    table: str | None
    column: str | None
    segment: str | None
    description: str
    status: GapStatus
    severity: Severity
    severity_reason: str
    rows_total: int | None
    rows_affected: int | None
    share_affected: float | None
    share_residual: float | None
    by_variant: Mapping[str, float] = field(default_factory=dict)
    differential: bool = False
    metrics: tuple[Impact, ...] = ()
    mitigation: str = ""
    residual_risk: str = ""
    contingency: str = ""
    owner: str | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    life: Life = field(default_factory=Life)
