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
