"""The highest effect over every way to give requests without an arm to two arms, solved exactly.

``one`` is the arm to be pushed up and ``other`` the arm to be pushed down; the lowest effect is the same question with
the two changed round. Every request's value lies in an interval of its own, ``k`` of the unlabelled go to ``one``, and
``rows`` events that nobody can place may be any request's. A highest effect is inf where nothing limits it, and None
where no deal leaves both arms somebody. Written from GAPS.md §2 alone, without the project's bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS = 100


@dataclass(frozen=True)
class Values:
    """What one request each is known to be: at least ``low``, at most ``high``.

    ``need`` is how many further events make a failure a success (shares alone); for a quantile ``low`` is the soonest
    and ``high`` the latest.
    """

    low: Floats
    high: Floats
    need: Ints

    @property
    def size(self) -> int:
        """Requests."""
        return len(self.low)


@dataclass(frozen=True)
class Question:
    """Two arms, those without an arm, and how many of these ``one`` may take: any whole number of [first, last]."""

    one: Values
    other: Values
    rest: Values
    first: int
    last: int
    rows: int = 0
    relative: bool = False

    @property
    def taken(self) -> Ints:
        """Every number that ``one`` may take and that leaves nobody's arm empty."""
        k = np.arange(self.first, self.last + 1)
        return k[(self.one.size + k > 0) & (self.other.size + self.rest.size - k > 0)]


def highest_share(q: Question) -> float | None:
    """Largest difference of two shares.

    Best is given first who is certain (a success wherever it goes), then who is open, then the failures that need the
    fewest rows; a swap against this order never gains, since one row more makes at most one success more.
    """
    k = q.taken
    certain, open_ = int(np.sum(q.rest.low == 1)), int(np.sum((q.rest.low == 0) & (q.rest.high == 1)))
    given_certain = np.minimum(k, certain)
    given_open = np.minimum(k - given_certain, open_)
    given_failures = k - given_certain - given_open
    won = _won(q, given_failures)
    one = (q.one.high.sum() + given_certain + given_open + won) / (q.one.size + k)
    other = (q.other.low.sum() + certain - given_certain) / (q.other.size + q.rest.size - k)
    return _best(_effect(one, other, q.relative))


def _won(q: Question, given_failures: Ints) -> Ints:
    """Failures that ``rows`` events turn into successes, those that need least first."""
    left = np.full(len(given_failures), q.rows)
    before = np.zeros(len(given_failures), dtype=np.int64)
    won = np.zeros(len(given_failures), dtype=np.int64)
    own, rest = q.one.need[q.one.high == 0], q.rest.need[q.rest.high == 0]
    for need in np.unique(np.concatenate([own, rest])):
        of_rest = int(np.sum(rest == need))
        here = int(np.sum(own == need)) + np.clip(given_failures - before, 0, of_rest)
        turned = np.minimum(here, left // need)
        won, left, before = won + turned, left - turned * need, before + of_rest
    return won


def highest_mean(q: Question) -> float | None:
    """Largest difference or ratio of two means.

    For a given k a set's worth is Σ high/N₁ + λ·Σ low/N₂ over its members: the k best are best. λ is 1 for a
    difference; for a ratio it is the ratio itself (Dinkelbach 1967), raised until it stands still.
    """
    k = q.taken
    if len(k) == 0:
        return None
    pairs, counts = np.unique(np.column_stack([q.rest.low, q.rest.high]), axis=0, return_counts=True)
    low, high = (pairs[:, 0], pairs[:, 1]) if len(pairs) else (np.zeros(0), np.zeros(0))
    sizes = (q.one.size + k).astype(float), (q.other.size + q.rest.size - k).astype(float)
    factor = np.ones(len(k))
    effects = np.full(len(k), -math.inf)
    for _ in range(_ROUNDS):
        worth = high / sizes[0][:, None] + factor[:, None] * low / sizes[1][:, None]
        given = k_best(worth, counts, k)
        one = (q.one.high.sum() + q.rows + given @ high) / sizes[0]
        other = (q.other.low.sum() + low @ counts - given @ low) / sizes[1]
        found = _effect(one, other, q.relative)
        done = bool(np.all((found <= effects) | ~np.isfinite(found)))
        effects = np.fmax(effects, found)
        if done or not q.relative:
            break
        factor = np.where(np.isfinite(effects), effects + 1, 1.0)
    return _best(effects)


def k_best(worth: Floats, counts: Ints, k: Ints) -> Floats:
    """How many of each kind are among the k of most worth: a row of ``worth`` and of the answer for each k."""
    order = np.argsort(-worth, axis=1, kind="stable")
    sorted_counts = counts[order]
    before = np.cumsum(sorted_counts, axis=1) - sorted_counts
    given = np.zeros(worth.shape)
    np.put_along_axis(given, order, np.clip(k[:, None] - before, 0, sorted_counts).astype(float), axis=1)
    return given


def highest_quantile(q: Question, level: float) -> float | None:
    """Largest ratio (or difference) of two quantiles, ``one`` at its latest against ``other`` at its soonest.

    A pair of times (t, c) can be had with k given away if enough requests of ``one`` come at t or later and enough of
    ``other`` at c or sooner: a flow of the unlabelled to the two arms, of which some serve either, some one, some none.
    Each k first takes the latest t and the soonest c that either arm could have by itself; where these can't be had
    together, every pair that could still be the best is tried.
    """
    best = -math.inf
    pairs = [(_alone(q, int(k), level), int(k)) for k in q.taken]
    pairs.sort(key=lambda item: -_ratio(*item[0], q.relative))
    for (latest, soonest), k in pairs:
        if _ratio(latest, soonest, q.relative) <= best:
            break
        if _can_be_had(q, k, level, latest, soonest):
            best = _ratio(latest, soonest, q.relative)
        else:
            best = max(best, _best_pair(q, k, level, (latest, soonest), best))
    return None if best == -math.inf else best


def _alone(q: Question, k: int, level: float) -> tuple[float, float]:
    """The latest quantile of ``one`` and the soonest of ``other``, each as if the other did not mind."""
    rest_one = np.sort(q.rest.high)[q.rest.size - k :]
    rest_other = np.sort(q.rest.low)[: q.rest.size - k]
    one = np.sort(np.concatenate([q.one.high, rest_one]))
    other = np.sort(np.concatenate([q.other.low, rest_other]))
    rank = _rank(level, len(other)) - q.rows
    return float(one[_rank(level, len(one)) - 1]), float(other[rank - 1]) if rank >= 1 else 0.0


def _rank(level: float, size: int) -> int:
    return max(1, math.ceil(round(level * size, 9)))


def _can_be_had(q: Question, k: int, level: float, latest: float, soonest: float) -> bool:
    """Whether some deal puts the quantile of ``one`` at ``latest`` or later and that of ``other`` at ``soonest`` or sooner."""
    m = q.rest.size
    size_one, size_other = q.one.size + k, q.other.size + m - k
    wanted_one = size_one - _rank(level, size_one) + 1 - int(np.sum(q.one.high >= latest))
    wanted_other = _rank(level, size_other) - q.rows - int(np.sum(q.other.low <= soonest))
    serves_one, serves_other = q.rest.high >= latest, q.rest.low <= soonest
    either = int(np.sum(serves_one & serves_other))
    only_one = int(serves_one.sum()) - either
    only_other = int(serves_other.sum()) - either
    wanted_one, wanted_other = max(0, wanted_one), max(0, wanted_other)
    return (
        wanted_one <= min(k, only_one + either)
        and wanted_other <= min(m - k, only_other + either)
        and wanted_one + wanted_other
        <= min(only_one + only_other + either, k + only_other + either, m - k + only_one + either)
    )


def _best_pair(q: Question, k: int, level: float, alone: tuple[float, float], best: float) -> float:
    """The best pair of times that can be had together: from the latest t down, the soonest c for each."""
    latest = np.unique(np.concatenate([q.one.high, q.rest.high]))[::-1]
    soonest = np.unique(np.concatenate([[0.0], q.other.low, q.rest.low]))
    soonest = soonest[soonest >= alone[1]]
    for t in latest[latest <= alone[0]]:
        if _ratio(float(t), alone[1], q.relative) <= best:
            break
        low, high = 0, len(soonest)
        while low < high:
            middle = (low + high) // 2
            possible = _can_be_had(q, k, level, float(t), float(soonest[middle]))
            low, high = (low, middle) if possible else (middle + 1, high)
        if low < len(soonest):
            best = max(best, _ratio(float(t), float(soonest[low]), q.relative))
    return best


def _ratio(one: float, other: float, relative: bool) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(_effect(np.array([one]), np.array([other]), relative)[0])


def _effect(one: Floats, other: Floats, relative: bool) -> Floats:
    """Difference, or ratio less one: infinite over nothing or from a time that never comes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = one / other - 1 if relative else one - other
    return np.where(np.isnan(found), math.inf, found)


def _best(effects: Floats) -> float | None:
    return float(effects.max()) if len(effects) else None
