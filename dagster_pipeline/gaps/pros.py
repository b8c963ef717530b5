"""Shares of pros: what a gap leaves open of them, and their joint region.

The models say of each pro in each arm the least and the most the pro can be under one cause; an arm's ends are sums of
those, and what no pro can be named for is added here. A pro may serve both arms, and one open quote may serve either: the
arms' ends are taken apart from each other, which makes every region an outer one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dagster_pipeline.gaps.evidence import REPAIRED, EvidenceReader, is_of_pros
from dagster_pipeline.statistics.bounds.open_units import share_ends
from dagster_pipeline.statistics.evidence import Metric, Moments, Region
from dagster_pipeline.statistics.regions import interval_region

NO_BOUND = "unidentified: nothing limits what this gap does to a share of pros"
_QUOTES = frozenset({"quotes", "quote_events"})
_AS_FOR_REQUESTS = frozenset({"multiple_exposures", "sampled_logging", "distribution_drift"})


@dataclass(frozen=True)
class ProOpening:
    """What a gap does to a share of pros.

    ``undone`` is the reading with its repair undone, ``cause`` the pair of readings ("<cause>_low", "<cause>_high") it
    leaves pros between, ``rows`` how many pros it may change besides without their being known: each in any way, also by
    joining an arm. A cause of None says that nothing limits it.
    """

    cause: str | None
    undone: str = REPAIRED
    rows: int = 0


def is_bounded_by_pros(metric: Metric, kind: str) -> bool:
    """Whether the gap's bound is one of this module: kinds that leave nothing open, or not by their rows, are as for requests."""
    return is_of_pros(metric) and kind not in _AS_FOR_REQUESTS


def names_its_pros(source: str, column: str | None) -> bool:
    """Whether quotes without that column still say which pros they are of, so that the models know whom they may change."""
    return source == "quotes" and column in ("quote_id", "request_id")


def pro_opening(kind: str, source: str, column: str | None, residual: int, gone: int = 0) -> ProOpening:
    """How one gap touches a share of pros.

    ``residual`` are the rows no repair reaches, ``gone`` those a missing partition lacks.
    """
    if kind == "missing_partition":
        return ProOpening(REPAIRED, rows=gone) if source in _QUOTES else ProOpening("lost")
    if kind == "invalid_values" and column == "variant":
        return _OPENINGS["missing_variant"] if residual else ProOpening(REPAIRED)
    if kind in ("missing_values", "invalid_values"):
        return _unreadable(kind, source, column, residual)
    if kind == "duplicate_rows":
        return ProOpening(
            REPAIRED, f"duplicate_rows.{source}" if source in ("requests", "quotes") else REPAIRED
        )
    if kind in ("source_conflict", "timestamp_disorder") and source not in _QUOTES:
        return ProOpening(REPAIRED)
    return _OPENINGS.get(kind, ProOpening(None))


_OPENINGS: Mapping[str, ProOpening] = {
    "missing_variant": ProOpening("unlabelled", "variant_from_quotes"),
    "orphan_rows": ProOpening("lost"),
    "conflicting_keys": ProOpening("contested"),
    "stale_source": ProOpening("immature", "immature_low"),
    "late_assignment": ProOpening("late"),
    "source_conflict": ProOpening("disputed"),
    "timestamp_disorder": ProOpening("early"),
}


def _unreadable(kind: str, source: str, column: str | None, residual: int) -> ProOpening:
    """Request rows that are set aside are lost with their quotes; a quote set aside, or without its pro, is one unknown pro's."""
    if source == "requests":
        return ProOpening("lost")
    if names_its_pros(source, column):
        return ProOpening("keyless")
    if (source, column) == ("quotes", "quoted_at"):
        is_repaired = kind == "missing_values"
        return ProOpening("undated", "missing_values.quotes.quoted_at" if is_repaired else REPAIRED)
    return ProOpening(REPAIRED, rows=residual)


def pro_region(
    reader: EvidenceReader,
    metric: Metric,
    arms: tuple[str, str],
    opening: ProOpening,
    confidence: float,
    segment: str | None = None,
) -> Region | None:
    """Region of the effect on ``arms`` (treatment, control) with an opening; None where it leaves nothing open."""
    if opening.cause is None:
        return Region(None, None, reason=NO_BOUND)
    ends = {arm: _ends(reader, metric, arm, opening, segment) for arm in arms}
    repaired = {arm: reader.moments(metric.name, arm, REPAIRED, segment) for arm in arms}
    if all(ends[arm] == (repaired[arm], repaired[arm]) for arm in arms):
        return None
    low, high = ({arm: ends[arm][side] for arm in arms} for side in (0, 1))
    return interval_region(low, high, metric, arms[0], arms[1], confidence)


def _ends(
    reader: EvidenceReader, metric: Metric, arm: str, opening: ProOpening, segment: str | None
) -> tuple[Moments, Moments]:
    names = (
        [REPAIRED] * 2 if opening.cause == REPAIRED else [f"{opening.cause}_{end}" for end in ("low", "high")]
    )
    low, high = (reader.moments(metric.name, arm, name, segment) for name in names)
    return share_ends(low, high, opening.rows)
