"""Dashboards that show another figure than the metric rebuilt from the tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from dagster_pipeline.config.metrics import MetricDefinition, metric_definitions
from dagster_pipeline.gaps.effects import LevelOf
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.statistics.differential import differential
from dagster_pipeline.statistics.levels import INFINITE

TOLERANCE = 0.005  # relative: what a dashboard's own rounding of inputs may do
COARSEST = 0.1  # rounding explains no more than a tenth of the rebuilt level…
FINEST = 0.005  # …or half a unit of two decimals, whichever is more
DEFAULT_FRESHNESS = timedelta(hours=24)

_MOST_SHOWN = 3
_REASONS = {
    "unknown metric": "of a metric unknown here",
    "unknown arm": "of an arm no experiment declares",
    "no value": "without a value",
    "superseded": "older than the figure shown now",
    "after the clock": "dated after the clock",
    "too many": "beyond the first thousand figures",
}


@dataclass(frozen=True)
class _Figure:
    """One figure a dashboard shows now, on so many rows; ``at`` is when it was computed, in UTC."""

    metric: str
    variant: str
    value: float
    at: datetime | None
    rows: int


@dataclass(frozen=True)
class _Difference:
    """A figure beside the rebuilt level nearest to it; infinite where the level is."""

    figure: _Figure
    rebuilt: float

    @property
    def size(self) -> float:
        """Relative to the rebuilt level."""
        if self.rebuilt == 0 or math.isinf(self.rebuilt):
            return math.inf
        return abs(self.figure.value - self.rebuilt) / abs(self.rebuilt)


def found_dashboards(
    measurements: Measurements,
    levels: Mapping[str | None, Sequence[LevelOf]],
    as_of: datetime,
    freshness: timedelta | None = None,
    definitions: Mapping[str, MetricDefinition] | None = None,
) -> Iterator[FoundGap]:
    """One gap if any figure shown now differs from the rebuilt level of its metric and arm.

    ``levels`` is by experiment; a figure names none, so it is right if it agrees with any experiment that has its arm.
    Only the latest figures are held against the levels: what an older one should have been can't be rebuilt. A figure
    without such a level (an arm "all" beside experiments, a metric that could not be computed) is said and compares
    with nothing. No metric is computed from a dashboard, so the gap touches none and no row of it remains once the
    dashboards are ignored. ``definitions`` are the metrics of the run, by default the built-in ones.
    """
    rows = measurements.tables.get("dashboard_figures", ())
    figures = [_figure(row) for row in rows if row["status"] == "current"]
    rebuilt = _rebuilt(levels)
    differing = [
        d for f in figures if (d := _difference(f, rebuilt, _half_unit(f.metric, figures))) is not None
    ]
    if not differing:
        return
    off = _by_arm(differing, figures, rebuilt)
    uncompared = sum(f.rows for f in figures if (f.metric, f.variant) not in rebuilt)
    yield FoundGap(
        "stale_dashboard",
        None,
        "dashboards",
        "value",
        None,
        rows_total=sum(int(row["n_rows"]) for row in rows),
        rows_affected=sum(d.figure.rows for d in differing),
        rows_residual=0,
        by_variant={arm: bad / shown for arm, (bad, shown) in off.items()},
        differential=differential(off).differential,
        note="; ".join(
            [
                *_shown(differing, definitions or metric_definitions()),
                *_aged(figures, as_of, freshness or DEFAULT_FRESHNESS),
                *_left_out(rows, uncompared),
            ]
        ),
    )


def _by_arm(
    differing: Sequence[_Difference],
    figures: Sequence[_Figure],
    rebuilt: Mapping[tuple[str, str], Sequence[float]],
) -> dict[str, tuple[int, int]]:
    """Arm → rows that differ, of rows that were compared."""
    compared = [f for f in figures if (f.metric, f.variant) in rebuilt]
    wrong = [d.figure for d in differing]
    arms = dict.fromkeys(f.variant for f in compared)
    return {arm: (_rows_of(wrong, arm), _rows_of(compared, arm)) for arm in arms}


def _rows_of(figures: Sequence[_Figure], arm: str) -> int:
    return sum(figure.rows for figure in figures if figure.variant == arm)


def _figure(row: Mapping[str, Any]) -> _Figure:
    return _Figure(row["metric"], row["variant"], float(row["value"]), row["figure_at"], int(row["n_rows"]))


def _rebuilt(levels: Mapping[str | None, Sequence[LevelOf]]) -> dict[tuple[str, str], list[float]]:
    """Every experiment's level by metric and arm, in the metric's unit; those that do not exist left out."""
    found: dict[tuple[str, str], list[float]] = {}
    for level in (level for own in levels.values() for level in own if level.segment is None):
        value = math.inf if level.level.reason == INFINITE else level.level.value
        if value is not None:
            found.setdefault((level.metric, level.variant), []).append(value)
    return found


def _difference(
    figure: _Figure, rebuilt: Mapping[tuple[str, str], Sequence[float]], half_unit: float
) -> _Difference | None:
    found = rebuilt.get((figure.metric, figure.variant), ())
    if not found or any(agrees(figure.value, level, half_unit) for level in found):
        return None
    return _Difference(figure, min(found, key=lambda level: abs(level - figure.value)))


def agrees(shown: float, rebuilt: float, half_unit: float) -> bool:
    """Whether a figure is the rebuilt level up to rounding: 0.5% of it, or half a unit of the figure's last digit.

    A figure is a number by now, so the zeros it was printed with are lost: a share shown as 0 or 1 would agree with
    anything. Rounding is therefore believed up to a tenth of the level, and always up to half a unit of two decimals.
    """
    if math.isinf(rebuilt):
        return shown == rebuilt
    rounding = min(half_unit, max(COARSEST * abs(rebuilt), FINEST))
    return abs(shown - rebuilt) <= max(TOLERANCE * abs(rebuilt), rounding) * (1 + 1e-9)


def _half_unit(metric: str, figures: Sequence[_Figure]) -> float:
    """Half a unit of the last digit printed; all figures of a metric are printed with the decimals of its longest."""
    decimals = max(_decimals(f.value) for f in figures if f.metric == metric)
    return 0.5 * 10.0**-decimals


def _decimals(value: float) -> int:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _shown(differing: Sequence[_Difference], definitions: Mapping[str, MetricDefinition]) -> Iterator[str]:
    largest = sorted(differing, key=lambda d: (-d.size, d.figure.metric, d.figure.variant, d.figure.value))
    for found in largest[:_MOST_SHOWN]:
        figure = found.figure
        level = _level_words(found, definitions)
        by = "" if math.isinf(found.size) else f", {(figure.value - found.rebuilt) / abs(found.rebuilt):+.1%}"
        yield f"{figure.metric} of {figure.variant} is shown as {figure.value:.6g}, rebuilt {level}{by}"
    more = len(largest) - _MOST_SHOWN
    if more > 0:
        yield "1 more figure differs" if more == 1 else f"{more} more figures differ"


def _level_words(found: _Difference, definitions: Mapping[str, MetricDefinition]) -> str:
    if math.isinf(found.rebuilt):
        return "infinite"
    is_share = definitions[found.figure.metric].kind == "share"
    in_per_cent = is_share and agrees(found.figure.value, 100 * found.rebuilt, 0.0)
    return f"{found.rebuilt:.6g}" + (" (shown in per cent)" if in_per_cent else "")


def _aged(figures: Sequence[_Figure], as_of: datetime, freshness: timedelta) -> Iterator[str]:
    dates = [figure.at for figure in figures if figure.at is not None]
    age = as_of - min(dates).replace(tzinfo=UTC) if dates else timedelta(0)
    if age > freshness:
        hours = age / timedelta(hours=1)
        yield f"the oldest figure shown is {hours:.1f} h behind the clock, allowed {freshness / timedelta(hours=1):g} h"


def _left_out(rows: Sequence[Mapping[str, Any]], uncompared: int) -> Iterator[str]:
    counts = {row["status"]: int(row["n_rows"]) for row in rows if row["status"] != "current"}
    parts = [f"{counts[status]:,} {words}" for status, words in _REASONS.items() if counts.get(status)]
    if uncompared:
        parts.append(f"{uncompared:,} without a rebuilt level")
    if parts:
        yield f"rows not compared: {', '.join(parts)}"
