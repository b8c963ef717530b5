"""Columns whose values moved: between arms what was so before the assignment, and of the window against what came before."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.statistics.drift import (
    Grouping,
    Homogeneity,
    KsResult,
    grouped_categories,
    grouped_in_order,
    homogeneity,
    ks_of_counts,
)

ALPHA = 0.001
"""False-alarm rate of a whole run: half for the arms, half for the baseline, each split over its tests."""
MIN_PSI = 0.1  # a rule of thumb: below it a distribution counts as settled, however surely it moved
MIN_KS = 0.1  # the same for the distance of two distribution functions
MIN_DEVIATION = 0.001  # a share off by less than a tenth of a point cannot move a decision
MIN_ROWS = 100.0  # independent rows on either side; fewer make no baseline

_KIND = "distribution_drift"
_BINS_PER_E = 20.0  # log_bin of the models: bin = floor(20 ln x)
_NOT_POSITIVE = -1_000_000
_LONGEST_NAME = 60


class _Bin(NamedTuple):
    """One value of a category, or one range of an amount with its number."""

    name: str
    number: int | None


@dataclass(frozen=True)
class _Column:
    """One column's counts in one experiment; ``rows_per_cluster`` by period, ``counts`` by (period, arm or None)."""

    experiment: Experiment
    source: str
    name: str
    bins: tuple[_Bin, ...]
    counts: Mapping[tuple[str, str | None], tuple[float, ...]]
    rows_per_cluster: Mapping[str, float]

    @property
    def is_ordered(self) -> bool:
        """Whether it is an amount rather than a category."""
        return all(b.number is not None for b in self.bins)


@dataclass(frozen=True)
class _Comparison:
    """Two counts of one column, ``effective`` once their rows' clusters are taken off."""

    column: _Column
    reference: tuple[float, ...]
    current: tuple[float, ...]
    effective: tuple[tuple[float, ...], tuple[float, ...]]
    words: str

    @property
    def grouping(self) -> Grouping:
        """Bins large enough to test."""
        group = grouped_in_order if self.column.is_ordered else grouped_categories
        return group(*self.effective)


@dataclass(frozen=True)
class _Drift:
    """A comparison that moved; ``critical`` is the PSI of chance alone, ``ks`` there for amounts only."""

    comparison: _Comparison
    found: Homogeneity
    critical: float
    ks: KsResult | None


def found_drifts(measurements: Measurements, experiments: Sequence[Experiment]) -> Iterator[FoundGap]:
    """A gap for every column that differs between arms (about the experiment) or from its baseline (about none)."""
    columns = list(_columns(measurements.tables.get("column_distributions", ()), experiments))
    between: dict[tuple[str, str, str], list[_Drift]] = defaultdict(list)
    for drift in _drifts_between_arms(columns):
        column = drift.comparison.column
        between[column.experiment.id, column.source, column.name].append(drift)
    for (experiment, source, name), drifts in between.items():
        yield _gap(experiment, source, name, drifts)
    since: dict[tuple[str, str], list[_Drift]] = defaultdict(list)
    for drift in _drifts_from_baseline(columns):
        since[drift.comparison.column.source, drift.comparison.column.name].append(drift)
    for (source, name), drifts in since.items():
        yield _gap(None, source, name, [max(drifts, key=lambda d: d.found.psi)])


def _columns(rows: Sequence[Mapping[str, Any]], experiments: Sequence[Experiment]) -> Iterator[_Column]:
    grouped: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["experiment_id"], row["source_name"], row["column_name"]].append(row)
    for experiment in experiments:
        for (owner, source, name), own in sorted(grouped.items()):
            if owner == experiment.id:
                yield _column(experiment, source, name, own)


def _column(experiment: Experiment, source: str, name: str, rows: Sequence[Mapping[str, Any]]) -> _Column:
    found = {_Bin(row["bin"], row["bin_index"]) for row in rows}
    bins = tuple(sorted(found, key=lambda b: (0 if b.number is None else b.number, b.name)))
    place = {b: number for number, b in enumerate(bins)}
    counts: dict[tuple[str, str | None], list[float]] = defaultdict(lambda: [0.0] * len(bins))
    for row in rows:
        counts[row["period"], row["variant"]][place[_Bin(row["bin"], row["bin_index"])]] += row["n_rows"]
    clustered = {row["period"]: float(row["rows_per_cluster"] or 1) for row in rows if row["variant"] is None}
    return _Column(
        experiment, source, name, bins, {key: tuple(value) for key, value in counts.items()}, clustered
    )


def _drifts_between_arms(columns: Sequence[_Column]) -> Iterator[_Drift]:
    """Units of each treatment against the control's; the design makes them alike in whatever preceded it."""
    tested = list(_testable(comparison for column in columns for comparison in _arms(column)))
    for comparison, found in tested:
        alpha = ALPHA / 2 / len(tested)
        if _is_sure(found, alpha) and found.deviation >= MIN_DEVIATION:
            yield _Drift(comparison, found, found.critical(alpha), None)


def _testable(comparisons: Iterable[_Comparison]) -> Iterator[tuple[_Comparison, Homogeneity]]:
    for comparison in comparisons:
        found = homogeneity(*comparison.effective, comparison.grouping)
        if found is not None:
            yield comparison, found


def _arms(column: _Column) -> Iterator[_Comparison]:
    control = column.experiment.control
    for treatment in column.experiment.treatments:
        arms = column.counts.get(("window", control)), column.counts.get(("window", treatment))
        if arms[0] is not None and arms[1] is not None:
            yield _Comparison(column, arms[0], arms[1], (arms[0], arms[1]), f"{treatment} against {control}")


def _drifts_from_baseline(columns: Sequence[_Column]) -> Iterator[_Drift]:
    """The window's rows against those of the time before it: moved for sure, and far enough to matter."""
    tested = list(_testable(comparison for column in columns for comparison in _periods(column)))
    tests = sum(2 if comparison.column.is_ordered else 1 for comparison, _ in tested)
    for comparison, found in tested:
        alpha = ALPHA / 2 / tests
        ks = ks_of_counts(*comparison.effective) if comparison.column.is_ordered else None
        is_far = ks is not None and ks.p < alpha and ks.statistic >= MIN_KS
        if is_far or (_is_sure(found, alpha) and found.psi >= MIN_PSI):
            yield _Drift(comparison, found, found.critical(alpha), ks)


def _periods(column: _Column) -> Iterator[_Comparison]:
    """The window against the time before it, where both hold a hundred independent rows."""
    before, window = column.counts.get(("baseline", None)), column.counts.get(("window", None))
    if before is None or window is None:
        return
    effective = (_unclustered(column, "baseline", before), _unclustered(column, "window", window))
    if min(math.fsum(side) for side in effective) >= MIN_ROWS:
        words = f"{column.experiment.id}'s window against the time before it"
        yield _Comparison(column, before, window, effective, words)


def _unclustered(column: _Column, period: str, counts: tuple[float, ...]) -> tuple[float, ...]:
    """Counts as if rows were independent: divided by the largest design effect that clusters of their size can have."""
    return tuple(count / max(1.0, column.rows_per_cluster.get(period, 1.0)) for count in counts)


def _is_sure(found: Homogeneity, alpha: float) -> bool:
    return found.p < alpha and found.psi > found.critical(alpha)


def _gap(experiment: str | None, source: str, column: str, drifts: Sequence[_Drift]) -> FoundGap:
    note = "; ".join(_words(drift) for drift in drifts)
    return FoundGap(_KIND, experiment, source, column, None, None, None, None, note=note)


def _words(drift: _Drift) -> str:
    found = drift.found
    ks = f", largest distance of the distribution functions {drift.ks.statistic:.2f}" if drift.ks else ""
    return (
        f"{drift.comparison.words}: PSI {found.psi:.3f} (chance alone {drift.critical:.3f}), "
        f"p {p_words(found.p if drift.ks is None else min(found.p, drift.ks.p))}{ks}; {_mover(drift.comparison)}"
    )


def p_words(p: float) -> str:
    """A p-value as it is written after "p": "= 2.1e-05"."""
    return f"= {p:.2g}" if p > 0 else "< 1e-300"


def _mover(comparison: _Comparison) -> str:
    """What moved most: the value whose share did, or for an amount the median."""
    column = comparison.column
    sides = [
        [count / math.fsum(side) for count in side] for side in (comparison.reference, comparison.current)
    ]
    if column.is_ordered:
        before, after = (_amount(column.bins[_median(shares)]) for shares in sides)
        return f"the median of {column.name} went from about {before} to about {after}"
    moves = [after - before for before, after in zip(*sides, strict=True)]
    # Where one value takes what another loses, the one that gained is told.
    place = max(range(len(moves)), key=lambda n: (round(abs(moves[n]), 12), moves[n]))
    name = " ".join(column.bins[place].name.split())
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    return f"{column.name}={shown} {sides[0][place]:.1%} → {sides[1][place]:.1%}"


def _median(shares: Sequence[float]) -> int:
    total = 0.0
    for place, share in enumerate(shares):
        total += share
        if total >= 0.5:
            return place
    return len(shares) - 1


def _amount(found: _Bin) -> str:
    if found.number is None or found.number <= _NOT_POSITIVE:
        return "0"
    return f"{math.exp((found.number + 0.5) / _BINS_PER_E):.3g}"
