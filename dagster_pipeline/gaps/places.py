"""Where a gap is, what is asked of it, and what it leaves open: the words in which gaps and regions speak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dagster_pipeline.config.own_metrics import is_own_name
from dagster_pipeline.gaps.evidence import ExperimentDesign
from dagster_pipeline.gaps.opened import RowsTold, UnknownRows
from dagster_pipeline.statistics.evidence import Estimate, Metric, Region

NO_UPPER_LIMIT = "unbounded: an amount that is not known has no upper limit"
COHORT_INCOMPLETE = "unidentified: requests stopped arriving before the window ended"
NOT_COMPUTED = "unidentified: what it is computed from is not there"
CONTRADICTED = "unidentified: two sources of what it is computed from contradict each other"
SAMPLED = "unidentified: only a sample of the rows was logged, and no source has the others"
NOT_STRATIFIED = "unidentified: the arms differ in a column the metric is not measured by"
NOT_ADJUSTED = "unidentified: the arms differed beforehand, and the metric can't be adjusted for it"
HIGHEST_READING = {
    "quotes.quoted_at": "undated_high.quotes",
    "quote_events.event_at": "undated_high.quotes",
    "hires.hired_at": "undated_high.hires",
    "hires.outcome": "unknown_outcome_high.hires",
}
_OF_KNOWN_REQUESTS = frozenset({*HIGHEST_READING, "hires.amount"})
_LOST_ABOVE = 2.576
"""Standard errors above the expected loss that a ratio mismatch allows for (GAPS.md §2, lost units)."""


@dataclass(frozen=True)
class Place:
    """Where a gap is and how much of it is left: what every question about it shares."""

    kind: str
    source: str
    column: str | None
    residual: int
    share_residual: float | None
    units: Mapping[str, int]
    by_variant: Mapping[str, float] = field(default_factory=dict)
    about_arms: bool = False
    told: RowsTold | None = None

    @property
    def unknown_rows(self) -> UnknownRows | None:
        """The gap's rows where none can be laid at a request's door: a null key, a flag on a quote that is nowhere."""
        if is_own_name(self.source):
            return self._unknown_own_rows()
        if self.kind == "orphan_rows" and self.source == "spam_flags":
            return UnknownRows(self.source, self.residual)
        if self.kind == "missing_partition" and self.source not in ("requests", "assignments"):
            return UnknownRows(self.source, rows_gone(self.units))
        if self.kind == "conflicting_keys" and self.source == "support_tickets":
            return UnknownRows(self.source, self.residual, counted=True)
        is_value = self.kind in ("missing_values", "invalid_values") and self.column != "variant"
        if (
            is_value
            and self.source != "requests"
            and f"{self.source}.{self.column}" not in _OF_KNOWN_REQUESTS
        ):
            return UnknownRows(self.source, self.residual, told=self.told)
        return None

    def _unknown_own_rows(self) -> UnknownRows | None:
        """Rows of an own metric's table; those of a request that is nowhere may be of one that was lost."""
        if self.kind == "orphan_rows":
            return UnknownRows(self.source, self.residual, requests=self.residual)
        if self.kind == "conflicting_keys":  # of two requests a key is told of, either may be wrong
            return UnknownRows(self.source, 2 * self.residual, counted=True)
        is_of_rows = self.kind == "missing_values" and self.column is not None
        return UnknownRows(self.source, self.residual) if is_of_rows else None

    def asks(self, metric: Metric, treatment: str, estimate: Estimate) -> Question:
        """The question about one metric of one treatment."""
        return Question(
            self.kind,
            self.source,
            self.column,
            self.residual,
            metric,
            treatment,
            estimate,
            dict(self.units),
            dict(self.by_variant),
            self.share_residual,
            self.about_arms,
            self.told,
            self.unknown_rows,
        )


@dataclass(frozen=True)
class Question:
    """One gap × metric × treatment: which rows it is about and how many no repair reaches."""

    kind: str
    source: str
    column: str | None
    residual: int
    metric: Metric
    treatment: str
    estimate: Estimate
    units: Mapping[str, int]
    by_variant: Mapping[str, float] = field(default_factory=dict)
    share: float | None = None
    about_arms: bool = False
    told: RowsTold | None = None
    unknown_rows: UnknownRows | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What the answer depends on."""
        place = (
            self.kind,
            self.source,
            self.column,
            self.residual,
            tuple(self.units.items()),
            tuple(self.by_variant.items()),
            self.share,
            self.about_arms,
            self.told,
        )
        return (*place, self.metric, self.treatment, self.estimate)


@dataclass(frozen=True)
class Opened:
    """The estimate with the gap's repair undone (raw, None where it can't be told), and the region with this gap alone open.

    ``adjusted`` is the effect without the gap as far as it can be guessed, where the published estimate is not that.
    """

    unmitigated: float | None
    region: Region
    adjusted: float | None = None


def lost_units(units: Mapping[str, int], split: Mapping[str, float]) -> dict[str, int]:
    """Units the short arms must have lost, arm → M = n_C·π/(1−π) − n_T + 2.576·√N (GAPS.md §2), against the fullest arm."""
    weighted = {arm: share for arm, share in split.items() if share > 0}
    fullest = max(weighted, key=lambda arm: units.get(arm, 0) / weighted[arm])
    scale = units.get(fullest, 0) / weighted[fullest]
    slack = _LOST_ABOVE * float(np.sqrt(sum(units.values())))
    return {
        arm: int(np.ceil(scale * share - units.get(arm, 0) + slack))
        for arm, share in weighted.items()
        if arm != fullest
    }


def rows_gone(units: Mapping[str, int]) -> int:
    """Rows that missing days may have held: what was expected of them and 2.576 standard errors of a Poisson count."""
    expected = sum(units.values())
    return int(np.ceil(expected + _LOST_ABOVE * np.sqrt(expected)))


def units_gone(units: Mapping[str, int], design: ExperimentDesign) -> dict[str, int]:
    """Of missing days, the units of the arms that alone lack them; a day that every arm lacks takes nothing from one of them."""
    return {arm: rows_gone({arm: count}) for arm, count in units.items() if arm in design.split}
