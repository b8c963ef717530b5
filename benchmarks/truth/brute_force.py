"""The identification region of an effect over the full cohort, by brute force from the raw tables.

    lower, upper = sharp_region(connection, config, "hire_rate_7d")

Every request of the cohort, and every lost one, has an arm or none and a value between two ends; the region are the
least and the largest effect over all worlds that agree with that (GAPS.md §2). It is written from the definitions alone:
neither the project's models nor its statistics are used, so that a bound has to be wrong twice to go unseen.

What is taken for granted, as the project's decision records do: requests without an arm are divided within the design
share's 99% band (unless the arms' sizes are known), a lost request is of the cohort, of the arm of its assignment, with
its counts known and its times not, rows that nobody can place may be any request's at any time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import duckdb
import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.brute_deal import Question, Values, highest_mean, highest_quantile, highest_share
from benchmarks.truth.brute_ratio import Option, RatioArm, RatioItem, RatioQuestion, highest_ratio
from benchmarks.truth.brute_tables import CONTROL, TREATED, UNKNOWN, Tables, read_tables
from benchmarks.truth.brute_values import (
    Facts,
    flags_per_quote,
    hire_rate_7d,
    quoted_within_30m,
    quotes_per_request,
    refunds_per_hire,
    three_quotes_within_24h,
    tickets_per_request,
    wait_for_quote,
)
from dagster_pipeline.config.types import PlumblineConfig

Bounds = tuple[float | None, float | None]
BAND = 2.576
"""Standard errors of the band in which an arm's size lies at 99%."""


@dataclass(frozen=True)
class _Way:
    """How a metric is read from the facts and which way its effect is taken."""

    values: Callable[[Facts], tuple[Values, int]]
    highest: Callable[[Question], float | None]
    relative: bool
    counts: str | None = None


def _median(question: Question) -> float | None:
    return highest_quantile(question, 0.5)


def _ninetieth(question: Question) -> float | None:
    return highest_quantile(question, 0.9)


_WAYS = {
    "ttfq_median": _Way(wait_for_quote, _median, relative=True),
    "ttfq_p90": _Way(wait_for_quote, _ninetieth, relative=True),
    "quoted_within_30m": _Way(quoted_within_30m, highest_share, relative=False),
    "three_quotes_within_24h": _Way(three_quotes_within_24h, highest_share, relative=False),
    "hire_rate_7d": _Way(hire_rate_7d, highest_share, relative=False),
    "quotes_per_request": _Way(quotes_per_request, highest_mean, relative=False, counts="quotes"),
    "support_tickets_per_100_requests": _Way(
        tickets_per_request, highest_mean, relative=True, counts="support_tickets"
    ),
}
_RATIOS = {
    "refund_rate": (refunds_per_hire, False, ("hires",)),
    "spam_flags_per_1000_quotes": (flags_per_quote, True, ("quotes", "spam_flags")),
}
METRICS = (*_WAYS, *_RATIOS)


class BruteForce:
    """The regions of one world; its tables are read once.

    ``arm_totals``, {1: treated, 0: control} requests of the full cohort, are what an assignment service knows.
    """

    def __init__(self, tables: Tables, arm_totals: Mapping[int, int] | None = None) -> None:
        self._facts = Facts.of(tables)
        self._totals = arm_totals

    @classmethod
    def of(
        cls,
        connection: duckdb.DuckDBPyConnection,
        config: PlumblineConfig,
        arm_totals: Mapping[int, int] | None = None,
    ) -> BruteForce:
        """Reads the raw tables that the configuration names."""
        return cls(read_tables(connection, config), arm_totals)

    def region(self, metric: str) -> Bounds:
        """Least and largest effect (T − C or T/C − 1); None where nothing limits it or no deal leaves both arms somebody."""
        if metric in _RATIOS:
            return self._ratio_region(metric)
        way = _WAYS[metric]
        if way.counts in self._facts.tables.stale_at:
            return None, None
        values, rows = way.values(self._facts)
        treated, control, rest = (_of(values, self._facts.arms == arm) for arm in (TREATED, CONTROL, UNKNOWN))
        first, last = self._taken()
        question = Question(treated, control, rest, first, last, rows, way.relative)
        turned = replace(question, one=control, other=treated, first=rest.size - last, last=rest.size - first)
        return _ends(way.highest(question), way.highest(turned), way.relative)

    def _ratio_region(self, metric: str) -> Bounds:
        values, relative, sources = _RATIOS[metric]
        if any(source in self._facts.tables.stale_at for source in sources):
            return None, None
        items, strays = values(self._facts)
        arms = {
            arm: [items[i] for i in np.flatnonzero(self._facts.arms == arm)]
            for arm in (TREATED, CONTROL, UNKNOWN)
        }
        rest, (first, last) = tuple(arms[UNKNOWN]), self._taken()
        ends = [
            highest_ratio(
                RatioQuestion(
                    _with_strays(arms[one], strays, 1),
                    _with_strays(arms[other], strays, -1),
                    rest,
                    *limits,
                    relative,
                )
            )
            for one, other, limits in (
                (TREATED, CONTROL, (first, last)),
                (CONTROL, TREATED, (len(rest) - last, len(rest) - first)),
            )
        ]
        return _ends(ends[0], ends[1], relative)

    def _taken(self) -> tuple[int, int]:
        """How few and how many of the requests without an arm may be the treatment's."""
        arms, tables = self._facts.arms, self._facts.tables
        treated, m = int(np.sum(arms == TREATED)), int(np.sum(arms == UNKNOWN))
        if self._totals is not None:
            k = min(max(self._totals[TREATED] - treated, 0), m)
            return k, k
        middle = tables.share * len(arms) - treated
        # Σ(unit size)² over units is Σ unit size over requests.
        half = BAND * math.sqrt(float(tables.units["unit_size"].sum()) * tables.share * (1 - tables.share))
        low, high = max(0.0, middle - half), min(float(m), middle + half)
        return (math.ceil(low), math.floor(high)) if low <= high else (0, m)


def sharp_region(connection: duckdb.DuckDBPyConnection, config: PlumblineConfig, metric: str) -> Bounds:
    """The region of one metric in its default effect; `BruteForce` for several of one world."""
    return BruteForce.of(connection, config).region(metric)


def width_ratio(product: Bounds, brute: Bounds) -> float | None:
    """Width of a region over that of the sharp one: 1 where both are points (or alike unlimited), inf where the
    product's alone is not, None where only the sharp one has no limit (which must not be)."""
    if None in product or None in brute:
        if None not in product:
            return None
        return 1.0 if None in brute else math.inf
    widths = [high - low for low, high in (product, brute) if low is not None and high is not None]
    if widths[1] <= 1e-12:
        return 1.0 if widths[0] <= 1e-9 else math.inf
    return widths[0] / widths[1]


def _of(values: Values, here: NDArray[np.bool_]) -> Values:
    return Values(values.low[here], values.high[here], values.need[here])


def _with_strays(items: list[RatioItem], strays: tuple[Option, ...], side: int) -> RatioArm:
    """The arm with those rows that nobody can place which push it its own way: no row is wanted by both arms."""
    wanted = [o for o in strays if (max(y for y, _ in o) > 0) == (side > 0)]
    arm = RatioArm.of(items)
    return RatioArm(arm.y, arm.d, arm.options + Counter(wanted))


def _ends(highest: float | None, highest_turned: float | None, relative: bool) -> Bounds:
    """Lower and upper end, of which the lower one was sought as the largest effect of the arms changed round."""
    if highest is None or highest_turned is None:
        return None, None
    lower = 1 / (1 + highest_turned) - 1 if relative else -highest_turned
    return (lower if math.isfinite(lower) else None), (highest if math.isfinite(highest) else None)
