"""What every request may be on one metric: from repaired rows to intervals and options.

A reading of a row says when at the soonest and at the latest its event came and whether it counts at all; a contested
key takes one of its readings; a request adds up its keys. A row whose readings name two requests is read request by
request, and rows that nobody can place may belong to any request at any time, as GAPS.md §2 has it for orphans.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.brute_deal import Floats, Values
from benchmarks.truth.brute_ratio import Option, RatioItem
from benchmarks.truth.brute_tables import Columns, Tables

SECOND = 1e6
HOUR, DAY = 3600 * SECOND, 86400 * SECOND


@dataclass(frozen=True)
class Times:
    """One kind of row by request: when the first comes (µs after the request), how many there are, and how many within a day.

    Each at the least and at the most.
    """

    soonest: Floats
    latest: Floats
    least: Floats
    most: Floats
    least_in_a_day: Floats
    most_in_a_day: Floats


@dataclass(frozen=True)
class _Readings:
    """Readings of rows: the number of the request, and what each may mean for it."""

    key: NDArray[np.int64]
    n: NDArray[np.int64]
    soonest: Floats
    latest: Floats
    least: Floats
    most: Floats


def quote_times(tables: Tables) -> Times:
    """Of quotes: two sources that differ by more than a second leave either time; one before its request leaves any."""
    rows = tables.quotes
    logged, dated = _after(tables, rows, "logged"), _after(tables, rows, "dated")
    is_late = rows["dated"] > tables.as_of
    time = np.where(np.isnan(logged), dated, logged)
    is_disputed = (np.abs(logged - dated) > SECOND) & ~is_late
    other = np.where(is_disputed, np.where(dated >= 0, dated, math.inf), time)
    is_open = np.isnan(time) | (time < 0)
    counts = ~(np.isnan(logged) & is_late)
    soonest = np.where(is_open, 0.0, np.fmin(time, other))
    latest = np.where(is_open, math.inf, np.fmax(time, other))
    return _by_request(
        tables, rows, _as_placed(tables, rows, soonest, latest, counts, np.isnan(_stamp(rows)))
    )


def hire_times(tables: Tables) -> Times:
    """Of hires: one before its request may be none in time, one without a time may be at once, or later than counts."""
    rows = tables.hires
    time = _after(tables, rows, "dated")
    counts = ~(rows["dated"] > tables.as_of)
    soonest = np.where(np.isnan(time) | (time < 0), 0.0, time)
    latest = np.where(np.isnan(time) | (time < 0), math.inf, time)
    return _by_request(
        tables, rows, _as_placed(tables, rows, soonest, latest, counts, np.isnan(rows["dated"]))
    )


def _stamp(rows: Columns) -> Floats:
    return np.where(np.isnan(rows["logged"]), rows["dated"], rows["logged"])


def _after(tables: Tables, rows: Columns, column: str) -> Floats:
    """Microseconds after the request, nan without a time, a request or its time."""
    created = np.append(tables.units["created"], math.nan)
    n = np.where(np.isnan(rows["n"]), -1, rows["n"]).astype(int)
    return rows[column] - created[n]


def _as_placed(
    tables: Tables, rows: Columns, soonest: Floats, latest: Floats, counts: NDArray, undated: NDArray
) -> _Readings:
    """The readings that are some request's; what does not count never comes."""
    here = ~np.isnan(rows["n"])
    return _Readings(
        rows["key"][here].astype(int),
        rows["n"][here].astype(int),
        np.where(counts, soonest, math.inf)[here],
        np.where(counts, latest, math.inf)[here],
        (counts & ~undated)[here].astype(float),
        counts[here].astype(float),
    )


def _by_request(tables: Tables, rows: Columns, found: _Readings) -> Times:
    """One of its readings for each key; all its keys for each request."""
    size = len(tables.units["n"])
    keys = int(rows["key"].max()) + 1 if len(rows["key"]) else 1
    pair, index = np.unique(found.n * keys + found.key, return_inverse=True)
    everywhere = np.bincount(rows["key"].astype(int), minlength=keys)
    is_elsewhere = np.bincount(index, minlength=len(pair)) < everywhere[pair % keys]
    n = pair // keys
    in_a_day = [
        (t <= DAY).astype(float) * counted
        for t, counted in ((found.latest, found.least), (found.soonest, found.most))
    ]
    latest = np.where(is_elsewhere, math.inf, _reduced(np.maximum, found.latest, index, len(pair), -math.inf))
    least = [
        np.where(is_elsewhere, 0.0, _reduced(np.minimum, values, index, len(pair), math.inf))
        for values in (found.least, in_a_day[0])
    ]
    most = [_reduced(np.maximum, values, index, len(pair), -math.inf) for values in (found.most, in_a_day[1])]
    soonest = _reduced(np.minimum, found.soonest, index, len(pair), math.inf)
    sums = [
        np.bincount(n, weights=values, minlength=size) for values in (least[0], most[0], least[1], most[1])
    ]
    return Times(
        _reduced(np.minimum, soonest, n, size, math.inf),
        _reduced(np.minimum, latest, n, size, math.inf),
        *sums,
    )


def _reduced(ufunc: np.ufunc, values: Floats, index: NDArray, size: int, start: float) -> Floats:
    found = np.full(size, start)
    ufunc.at(found, index, values)
    return found


@dataclass(frozen=True)
class Facts:
    """Everything the metrics are read from; computed once for a world."""

    tables: Tables
    quotes: Times
    hires: Times
    arms: NDArray[np.int64]

    @classmethod
    def of(cls, tables: Tables) -> Facts:
        """The facts of the tables; a request assigned after its first quote or hire has no arm that is certain."""
        quotes, hires = quote_times(tables), hire_times(tables)
        since = tables.units["assigned"] - tables.units["created"]
        first = np.fmin(*(_repaired_first(tables, rows) for rows in (tables.quotes, tables.hires)))
        arms = np.where(since > first, -1, tables.units["arm"]).astype(int)
        return cls(tables, quotes, hires, arms)

    @property
    def is_lost(self) -> NDArray[np.bool_]:
        """The requests whose own row is gone."""
        return np.isnan(self.tables.units["created"])

    def cutoff(self, *sources: str) -> float:
        """Up to when the sources show what happened."""
        return min(
            [self.tables.as_of, *(self.tables.stale_at[s] for s in sources if s in self.tables.stale_at)]
        )

    def is_young(self, horizon: float, *sources: str) -> NDArray[np.bool_]:
        """Requests, and lost ones where a source is late, of which more may come within the horizon."""
        created = self.tables.units["created"]
        is_late = any(source in self.tables.stale_at for source in sources)
        return np.where(self.is_lost, is_late, created + horizon > self.cutoff(*sources))

    def strays(self, rows: Columns) -> int:
        """Rows kept and dated that name no request."""
        return int(
            np.sum(
                ~rows["is_placed"].astype(bool)
                & rows["is_first"].astype(bool)
                & ~(rows["dated"] > self.tables.as_of)
            )
        )


def _repaired_first(tables: Tables, rows: Columns) -> Floats:
    """The first event's time as repaired, nan without one."""
    time = _after(tables, rows, "dated")
    if "logged" in rows:
        logged = _after(tables, rows, "logged")
        time = np.where(np.isnan(logged), time, logged)
        time = np.where(time < 0, math.nan, time)
    stamp = _stamp(rows) if "logged" in rows else rows["dated"]
    usable = rows["is_first"].astype(bool) & ~np.isnan(time) & (stamp <= tables.as_of)
    first = _reduced(
        np.minimum, time[usable], rows["n"][usable].astype(int), len(tables.units["n"]), math.inf
    )
    return np.where(np.isinf(first), math.nan, first)


def wait_for_quote(facts: Facts) -> tuple[Values, int]:
    """Seconds to the first quote; none yet where the quotes stop may still be one after the cutoff."""
    low, high = facts.quotes.soonest / SECOND, facts.quotes.latest / SECOND
    if "quotes" in facts.tables.stale_at:
        seen = np.maximum(0.0, facts.cutoff("quotes") - facts.tables.units["created"]) / SECOND
        low = np.fmin(low, np.where(facts.is_lost, 0.0, seen))
    low = np.where(facts.is_lost & (facts.quotes.most > 0), 0.0, low)
    return _values(low, high), facts.strays(facts.tables.quotes)


def quoted_within_30m(facts: Facts) -> tuple[Values, int]:
    """First quote within half an hour."""
    low, high = facts.quotes.latest <= HOUR / 2, facts.quotes.soonest <= HOUR / 2
    return _share(facts, low, high, HOUR / 2, "quotes"), facts.strays(facts.tables.quotes)


def three_quotes_within_24h(facts: Facts) -> tuple[Values, int]:
    """Three quotes within a day; who lacks two needs two rows more."""
    q = facts.quotes
    found = _share(facts, q.least_in_a_day >= 3, q.most_in_a_day >= 3, DAY, "quotes")
    need = np.where(found.high == 1, 0, 3 - np.minimum(q.most_in_a_day, 2)).astype(int)
    return replace(found, need=need), facts.strays(facts.tables.quotes)


def hire_rate_7d(facts: Facts) -> tuple[Values, int]:
    """First hire within seven days."""
    h = facts.hires
    found = _share(facts, h.latest <= 7 * DAY, h.soonest <= 7 * DAY, 7 * DAY, "hires")
    return found, facts.strays(facts.tables.hires)


def _share(facts: Facts, low: NDArray, high: NDArray, horizon: float, source: str) -> Values:
    high = high | facts.is_young(horizon, source).astype(bool)
    return _values(low.astype(float), high.astype(float))


def _values(low: Floats, high: Floats) -> Values:
    return Values(low, high, np.where(high > 0, 0, 1).astype(int))


def quotes_per_request(facts: Facts) -> tuple[Values, int]:
    """Quotes; without limit once they stop coming."""
    more = math.inf if "quotes" in facts.tables.stale_at else 0.0
    return _values(facts.quotes.least, facts.quotes.most + more), facts.strays(facts.tables.quotes)


def tickets_per_request(facts: Facts) -> tuple[Values, int]:
    """Support tickets; without limit once they stop coming."""
    more = math.inf if "support_tickets" in facts.tables.stale_at else 0.0
    return _values(facts.tables.tickets, facts.tables.tickets + more), facts.tables.stray_tickets


Items = tuple[RatioItem, ...]


def flags_per_quote(facts: Facts) -> tuple[Items, tuple[Option, ...]]:
    """Spam flags over quotes; a quote that nobody can place takes its flags along."""
    least, most, y = facts.quotes.least, facts.quotes.most, facts.tables.flags
    extra: Option = ((0.0, 0.0), (0.0, 1.0))
    items = tuple(
        RatioItem(float(flags), float(a), (extra,) * int(b - a))
        for flags, a, b in zip(y, least, most, strict=True)
    )
    rows = facts.tables.quotes
    stray = (
        ~rows["is_placed"].astype(bool)
        & rows["is_first"].astype(bool)
        & ~(rows["dated"] > facts.tables.as_of)
    )
    quotes = [((0.0, 0.0), (float(f), 1.0)) for f in rows["flags"][stray]]
    return items, (*quotes, *(((0.0, 0.0), (1.0, 0.0)),) * facts.tables.stray_flags)


def refunds_per_hire(facts: Facts) -> tuple[Items, tuple[Option, ...]]:
    """Refunded or disputed hires over hires, each by the readings of its rows."""
    rows = facts.tables.hires
    options = _hire_options(facts.tables)
    of: dict[int, list[Option]] = defaultdict(list)
    elsewhere = np.bincount(rows["key"].astype(int)) if len(rows["key"]) else np.zeros(0)
    strays = []
    for (n, _), (found, count, key, is_first) in options.items():
        option = tuple(sorted(found | ({(0.0, 0.0)} if count < elsewhere[key] else set())))
        if n >= 0:
            of[n].append(option)
        elif is_first:
            strays.append(tuple(sorted({*option, (0.0, 0.0)})))
    items = tuple(_item(of.get(n, ())) for n in range(len(facts.tables.units["n"])))
    return items, tuple(strays)


def _hire_options(tables: Tables) -> dict[tuple[int, int], tuple[set[tuple[float, float]], int, int, bool]]:
    """By request (−1: nobody knows which) and key what the row may add, in how many readings."""
    rows, found = tables.hires, {}
    numbers = np.where(
        np.isnan(rows["n"]), np.where(rows["is_placed"].astype(bool), -2, -1), rows["n"]
    ).astype(int)
    columns = (numbers, rows["key"].astype(int), rows["dated"], rows["refund"], rows["is_first"])
    for n, key, dated, refund, is_first in zip(*columns, strict=True):
        if n == -2:
            continue
        here: set[tuple[float, float]] = set()
        if not dated > tables.as_of:
            here |= {(1.0, 1.0)} if refund == 1 else {(0.0, 1.0)} if refund == 0 else {(0.0, 1.0), (1.0, 1.0)}
        if math.isnan(dated) or dated > tables.as_of:
            here.add((0.0, 0.0))
        before, count, _, _ = found.get((n, key), (set(), 0, key, False))
        found[n, key] = (before | here, count + 1, key, bool(is_first))
    return found


def _item(options: Sequence[Option]) -> RatioItem:
    """A request of these rows: what each of them may be, or is."""
    certain = [option[0] for option in options if len(option) == 1]
    open_ = tuple(sorted(option for option in options if len(option) > 1))
    return RatioItem(sum(y for y, _ in certain), sum(d for _, d in certain), open_)
