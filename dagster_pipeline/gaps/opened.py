"""What open gaps add to the evidence beyond the requests that are there: requests and rows that nobody can place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.config.own_metrics import own_name
from dagster_pipeline.gaps.defined import definition_of
from dagster_pipeline.gaps.measurements import NO_CELLS, NO_MOMENTS
from dagster_pipeline.gaps.own_metrics import counts_rows
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Cells,
    FloatArray,
    IntArray,
    Metric,
    MetricEvidence,
    MetricKind,
    Moments,
)

_COUNTED = (MetricKind.MEAN, MetricKind.RATIO)


@dataclass(frozen=True)
class RowsTold:
    """What rows of no known request would add to the one they belong to (unplaced_rows): how many of them, and how much.

    ``amount`` is None where one of them has none.
    """

    refunded: int
    perhaps_refunded: int
    flagged: int
    flags: int
    amount: float | None


@dataclass(frozen=True)
class UnknownRows:
    """Rows of a source whose request is not known: any of them may be any request's.

    ``counted`` says that they count somewhere already and may belong elsewhere, so that they may also be taken away.
    ``told`` is what is known of them all the same. ``requests`` is how many requests nobody has seen they may be of.
    """

    source: str
    count: int
    counted: bool = False
    told: RowsTold | None = None
    requests: int = 0


def can_count(definition: MetricDefinition, source: str, told: RowsTold | None = None) -> bool:
    """Whether what the source's rows add to the metric is limited: an amount that is not known is not."""
    if definition.kind not in ("mean", "ratio"):
        return True
    if source == own_name(definition.name):
        return counts_rows(definition)
    if told is not None and (source, definition.y, definition.d) == ("hires", "gmv", None):
        return told.amount is not None
    return f"n_{source}" in (definition.y, definition.d)


def rows_told(tables: Mapping[str, Sequence[Mapping[str, Any]]], source: str) -> RowsTold | None:
    """What the warehouse measured of a source's rows without a request id."""
    rows = tables.get("unplaced_rows", ())
    found = (row for row in rows if row["source_name"] == source and row["experiment_id"] is None)
    return next(map(_told, found), None)


def stray_rows(tables: Mapping[str, Sequence[Mapping[str, Any]]], experiment: str) -> tuple[UnknownRows, ...]:
    """Rows that name a request which is nowhere and was never assigned: misspelt, they may be any request's."""
    rows = tables.get("unplaced_rows", ())
    found = [row for row in rows if row["experiment_id"] == experiment and row["n_rows"]]
    return tuple(UnknownRows(row["source_name"], row["n_rows"], told=_told(row)) for row in found)


def counted_in(definition: MetricDefinition, rows: Sequence[UnknownRows]) -> tuple[UnknownRows, ...]:
    """Those of the rows that the metric is computed from."""
    sources = {name.partition(".")[0] for need in definition.needs for name in need.split("|")}
    return tuple(found for found in rows if found.source in sources)


def _told(found: Mapping[str, Any]) -> RowsTold:
    return RowsTold(
        refunded=found["n_refunded_hires"],
        perhaps_refunded=found["n_hires_of_unknown_outcome"],
        flagged=found["n_flagged_quotes"],
        flags=found["n_spam_flags"],
        amount=None if found["n_hires_of_unknown_amount"] else found["gmv"],
    )


def with_missing(evidence: MetricEvidence, missing: Mapping[str, int]) -> MetricEvidence:
    """The evidence with requests of wholly unknown outcome added to arms."""
    arms = {
        arm: replace(found, missing=found.missing + missing.get(arm, 0))
        for arm, found in evidence.arms.items()
    }
    return replace(evidence, arms=arms)


def with_traceless(evidence: MetricEvidence, requests: int) -> MetricEvidence:
    """The evidence with requests whose row has no id: of any arm, and nothing that is counted points at them."""
    if requests == 0 or evidence.metric.kind is MetricKind.RATIO:
        return evidence
    rest = evidence.unlabelled or ArmEvidence(NO_MOMENTS, NO_CELLS)
    if evidence.metric.kind is MetricKind.MEAN:
        nothing = Cells(np.zeros(1), np.zeros(1), np.ones(1), np.array([requests], dtype=np.int64))
        return replace(evidence, unlabelled=replace(rest, cells=joined(rest.cells, nothing)))
    return replace(evidence, unlabelled=replace(rest, missing=rest.missing + requests))


def with_undecided(evidence: MetricEvidence, requests: int) -> MetricEvidence:
    """The evidence with requests that may be of the cohort, or not, as ones of any arm and any outcome.

    One that is left out moves a share or a quantile no further than one that is counted at its least or its most.
    """
    if requests == 0:
        return evidence
    rest = evidence.unlabelled or ArmEvidence(NO_MOMENTS, NO_CELLS)
    return replace(evidence, unlabelled=replace(rest, missing=rest.missing + requests))


def with_unknown_rows(evidence: MetricEvidence, rows: UnknownRows) -> MetricEvidence:
    """The evidence with every arm's requests open as far as the rows may be theirs (the orphan bound, GAPS.md §2).

    Either arm may hold all of them; a region's end gives them to one arm and none to the other.
    """
    if rows.count == 0:
        return evidence
    arms = {arm: _with_rows(found, evidence.metric, rows) for arm, found in evidence.arms.items()}
    return with_traceless(replace(evidence, arms=arms), rows.requests)


def joined(one: Cells, other: Cells) -> Cells:
    """The cells of two groups of requests."""
    return Cells(
        np.concatenate([one.low, other.low]),
        np.concatenate([one.high, other.high]),
        np.concatenate([one.d, other.d]),
        np.concatenate([one.count, other.count]),
    )


def optional(cells: Cells, metric: Metric, ends: tuple[float, float]) -> Cells:
    """Requests that are of the cohort or not, as ones that surely are, with room for what leaving them out would do.

    One that is left out does what one at the arm's own level would: a share or a quantile lies among the outcomes a request
    can have, a mean or ratio between ``ends`` (see ``reach``).
    """
    if metric.kind is MetricKind.SHARE:
        return replace(cells, low=np.zeros_like(cells.low), high=np.ones_like(cells.high))
    if metric.kind is MetricKind.QUANTILE:
        return replace(cells, low=np.zeros_like(cells.low), high=np.full_like(cells.high, np.inf))
    return replace(
        cells, low=np.minimum(cells.low, ends[0] * cells.d), high=np.maximum(cells.high, ends[1] * cells.d)
    )


def reach(low: Moments, high: Moments, others: Cells) -> tuple[float, float]:
    """The least and the greatest Σy / Σd of an arm between two readings, with any of the others taken in or none.

    One at a time, the farthest first: it is taken in as long as it moves the level further.
    """
    least, most = _furthest(low, others.low, others, -1.0), _furthest(high, others.high, others, 1.0)
    return least, most


def _furthest(arm: Moments, values: FloatArray, others: Cells, sign: float) -> float:
    y, d = arm.y, arm.d
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(others.d > 0, values / others.d, np.where(values > 0, np.inf, 0.0))
    for place in np.argsort(-sign * ratios, kind="stable"):
        if d > 0 and sign * ratios[place] <= sign * y / d:
            break
        y += float(values[place] * others.count[place])
        d += float(others.d[place] * others.count[place])
    return y / d if d > 0 else 0.0


def _with_rows(arm: ArmEvidence, metric: Metric, rows: UnknownRows) -> ArmEvidence:
    if len(arm.cells.count) == 0:
        return arm
    if metric.kind in _COUNTED:
        return replace(arm, cells=_sums_opened(arm.cells, metric, rows))
    opened = _opened_either_way if definition_of(metric).is_own else _opened
    return replace(arm, cells=opened(arm.cells, metric, rows))


def _opened_either_way(cells: Cells, metric: Metric, rows: UnknownRows) -> Cells:
    """Of an own metric nothing says what a row does to its request: each may bring one to the least, and one to the most."""
    most = np.ones_like(cells.high) if metric.kind is MetricKind.SHARE else np.full_like(cells.high, np.inf)
    raised = _moved(cells, np.argsort(cells.high, kind="stable"), (cells.low, most), rows.count)
    order = np.argsort(-raised.low, kind="stable")
    return _moved(raised, order, (np.zeros_like(raised.low), raised.high), rows.count)


def _moved(cells: Cells, order: IntArray, ends: tuple[FloatArray, FloatArray], requests: int) -> Cells:
    """The first so many requests in this order between other ends."""
    count = cells.count[order]
    taken = np.empty_like(count)
    taken[order] = np.clip(requests - (np.cumsum(count) - count), 0, count)
    found = joined(replace(cells, count=cells.count - taken), Cells(*ends, cells.d, taken))
    held = found.count > 0
    return Cells(found.low[held], found.high[held], found.d[held], found.count[held])


def _opened(cells: Cells, metric: Metric, rows: UnknownRows) -> Cells:
    """Each row may give one request the event: of a share those that can't have it yet, of a quantile the slowest at once.

    A request whose outcome is open already has nothing to gain from a row.
    """
    if metric.kind is MetricKind.SHARE:
        order, ends = np.argsort(cells.high, kind="stable"), (cells.low, np.ones_like(cells.high))
    else:
        order, ends = np.argsort(-cells.low, kind="stable"), (np.zeros_like(cells.low), cells.high)
    return _moved(cells, order, ends, rows.count)


@dataclass(frozen=True)
class _Added:
    """Of the rows that may be an arm's: those with something for the numerator, how much that is, and those without."""

    with_y: int
    y: float
    without_y: int


def _added(rows: UnknownRows, definition: MetricDefinition) -> _Added:
    told = rows.told
    if told is not None and (rows.source, definition.y) == ("hires", "n_refunded_hires"):
        perhaps = min(rows.count, told.refunded + told.perhaps_refunded)
        return _Added(perhaps, perhaps, max(0, rows.count - told.refunded))
    if told is not None and (rows.source, definition.y) == ("quotes", "n_spam_flags"):
        return _Added(told.flagged, told.flags, max(0, rows.count - told.flagged))
    if told is not None and told.amount is not None and (rows.source, definition.y) == ("hires", "gmv"):
        return _Added(rows.count, told.amount, rows.count)
    is_in_both = f"n_{rows.source}" != definition.d or definition.y.endswith(rows.source)
    return _Added(rows.count, rows.count, rows.count) if is_in_both else _Added(0, 0, rows.count)


def _sums_opened(cells: Cells, metric: Metric, rows: UnknownRows) -> Cells:
    """The arm's own cell comes first and holds its sums; the rows enter the numerator, the denominator or both."""
    definition = definition_of(metric)
    n, d = float(cells.count[0]), float(cells.d[0] * cells.count[0])
    low, high = float(cells.low[0]) * n, float(cells.high[0]) * n
    added = _added(rows, definition)
    if f"n_{rows.source}" != definition.d:
        low, high = max(0.0, low - rows.count) if rows.counted else low, high + added.y
    elif d > 0:
        low = low * d / (d + added.without_y)
        high = max(high, d * (high + added.y) / (d + added.with_y))
    return Cells(_first(cells.low, low / n), _first(cells.high, high / n), cells.d, cells.count)


def _first(values: FloatArray, value: float) -> FloatArray:
    return np.concatenate([[value], values[1:]])
