"""The highest effect on a ratio of sums over every way to give requests without an arm to two arms.

An arm's ratio Σy/Σd rises with y and falls with d, and what one arm is spared the other has: of all sets of k requests
with the same Σy the one with the least Σd is best for both ends at once. So it is enough to know, for every k and Σy,
the least Σd: a small table, filled request by request. Values that are open choose among ``options`` (Dinkelbach 1967).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.brute_deal import k_best

Floats = NDArray[np.float64]
Option = tuple[tuple[float, float], ...]
"""What one row may add, (y, d) each: ((0, 0), (1, 1)) is a row that may count or not."""

_ROUNDS = 100
_MOST_SPLITS = 64


@dataclass(frozen=True)
class RatioItem:
    """A request: what is certain of it, and the rows of it that are open."""

    y: float
    d: float
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class RatioArm:
    """An arm's certain sums and its open rows, like ones counted."""

    y: float
    d: float
    options: Counter[Option] = field(default_factory=Counter)

    @classmethod
    def of(cls, items: Sequence[RatioItem]) -> RatioArm:
        """The arm of these requests."""
        options = Counter(option for item in items for option in item.options)
        return cls(sum(item.y for item in items), sum(item.d for item in items), options)

    def with_(self, items: Sequence[RatioItem]) -> RatioArm:
        """The arm with further requests."""
        more = RatioArm.of(items)
        return RatioArm(self.y + more.y, self.d + more.d, self.options + more.options)


@dataclass(frozen=True)
class RatioQuestion:
    """``one`` is to be high and ``other`` low; ``first`` to ``last`` of ``rest`` go to ``one``."""

    one: RatioArm
    other: RatioArm
    rest: tuple[RatioItem, ...]
    first: int
    last: int
    relative: bool = False


def highest_ratio(q: RatioQuestion) -> float | None:
    """Largest difference or ratio of Σy/Σd; exact while few unlabelled requests are open themselves.

    Those are then given to the arms in every way. Where that is more than ``_MOST_SPLITS`` ways the best deal is sought
    by improvement: what is found can be had, but there may be better.
    """
    closed = tuple(item for item in q.rest if not item.options)
    open_ = Counter(item for item in q.rest if item.options)
    if math.prod(count + 1 for count in open_.values()) > _MOST_SPLITS:
        return improved_ratio(q)
    found = [
        _highest_closed(
            replace(q, one=one, other=other, rest=closed, first=q.first - given, last=q.last - given)
        )
        for one, other, given in _splits(q, open_)
    ]
    return max((value for value in found if value is not None), default=None)


def _splits(q: RatioQuestion, open_: Counter[RatioItem]) -> Iterator[tuple[RatioArm, RatioArm, int]]:
    """Every way to give the open requests to the arms, like ones together."""
    kinds = list(open_)
    for numbers in itertools.product(*(range(open_[kind] + 1) for kind in kinds)):
        to_one = [kind for kind, number in zip(kinds, numbers, strict=True) for _ in range(number)]
        to_other = [kind for kind, n in zip(kinds, numbers, strict=True) for _ in range(open_[kind] - n)]
        yield q.one.with_(to_one), q.other.with_(to_other), sum(numbers)


def _highest_closed(q: RatioQuestion) -> float | None:
    first, last = max(0, q.first), min(q.last, len(q.rest))
    if first > last:
        return None
    least = _least_d(q.rest, last)[first:]
    y, d = (
        np.broadcast_to(np.arange(least.shape[1]), least.shape)[np.isfinite(least)],
        least[np.isfinite(least)],
    )
    one = _level(q.one, y, d, highest=True)
    all_y, all_d = sum(item.y for item in q.rest), sum(item.d for item in q.rest)
    other = _level(q.other, all_y - y, all_d - d, highest=False)
    return _best(one, other, q.relative)


def _least_d(items: Sequence[RatioItem], last: int) -> Floats:
    """The least Σd of k items with Σy in all: a row for each k up to ``last``, a column for each whole Σy."""
    nothing = np.sort([item.d for item in items if item.y == 0])
    some = [item for item in items if item.y > 0]
    table = np.full((len(some) + 1, int(sum(item.y for item in some)) + 1), math.inf)
    table[0, 0] = 0.0
    for item in some:
        y = int(item.y)
        table[1:, y:] = np.minimum(table[1:, y:], table[:-1, : table.shape[1] - y] + item.d)
    smallest = np.concatenate([[0.0], np.cumsum(nothing)])
    least = np.full((last + 1, table.shape[1]), math.inf)
    for of_some, row in enumerate(table[: last + 1]):
        until = min(last, of_some + len(nothing))
        k = slice(of_some, until + 1)
        least[k] = np.minimum(least[k], row[None, :] + smallest[: until + 1 - of_some, None])
    return least


def _level(arm: RatioArm, y: Floats, d: Floats, *, highest: bool) -> Floats:
    """The arm's extreme ratio with these sums more, its open rows as they push most; nan without a denominator."""
    side = 1.0 if highest else -1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (arm.y + y) / (arm.d + d)
        for _ in range(_ROUNDS if arm.options else 0):
            top, bottom = arm.y + y, arm.d + d
            for option, count in arm.options.items():
                values = np.array(option)
                worth = side * (
                    values[:, 0, None] - np.nan_to_num(ratio, nan=0.0, posinf=1e9) * values[:, 1, None]
                )
                chosen = worth.argmax(axis=0)
                top, bottom = top + count * values[chosen, 0], bottom + count * values[chosen, 1]
            new = top / bottom
            if np.allclose(new, ratio, rtol=1e-14, atol=0, equal_nan=True):
                break
            ratio = new
    return ratio


def improved_ratio(q: RatioQuestion) -> float | None:
    """For every k the set that serves most by the effect's slope, again and again until no better one comes."""
    k = np.arange(max(0, q.first), min(q.last, len(q.rest)) + 1)
    table = _Table.of(q)
    given = np.zeros((len(k), len(table.counts)))
    best = np.full(len(k), -math.inf)
    for turn in range(_ROUNDS):
        one, size_one = table.level(q.one, given, highest=True)
        other, size_other = table.level(q.other, table.counts - given, highest=False)
        effects = np.where(given.sum(axis=1) == k, _effects(one, other, q.relative), -math.inf)
        if turn > 0 and np.all((effects <= best) | np.isnan(effects)):
            break
        best = np.fmax(best, effects)
        scale = (1 / np.maximum(one, 1e-12), 1 / np.maximum(other, 1e-12)) if q.relative else (1.0, 1.0)
        worth_one = table.worth(one, 1.0) * (scale[0] / np.maximum(size_one, 1.0))[:, None]
        worth_other = table.worth(other, -1.0) * (scale[1] / np.maximum(size_other, 1.0))[:, None]
        given = k_best(worth_one - worth_other, table.counts, k)
    return float(best.max()) if len(k) and best.max() > -math.inf else None


@dataclass(frozen=True)
class _Table:
    """The unlabelled by kind: how many, their certain sums, their open rows; and what an open row may add."""

    counts: NDArray[np.int64]
    y: Floats
    d: Floats
    rows: Floats
    options: tuple[Option, ...]
    values: Floats

    @classmethod
    def of(cls, q: RatioQuestion) -> _Table:
        """The table of a question."""
        kinds = Counter(q.rest)
        options = tuple({**q.one.options, **q.other.options, **Counter(o for i in kinds for o in i.options)})
        longest = max(len(option) for option in options)
        rows = [[item.options.count(option) for option in options] for item in kinds]
        return cls(
            np.array(list(kinds.values()), dtype=np.int64),
            np.array([item.y for item in kinds], dtype=float),
            np.array([item.d for item in kinds], dtype=float),
            np.array(rows, dtype=float),
            options,
            np.array([option + option[:1] * (longest - len(option)) for option in options], dtype=float),
        )

    def level(self, arm: RatioArm, given: Floats, *, highest: bool) -> tuple[Floats, Floats]:
        """The arm's extreme ratio and its Σd with these many of each kind, a row of ``given`` for each question."""
        side = 1.0 if highest else -1.0
        y, d = arm.y + given @ self.y, arm.d + given @ self.d
        rows = np.array([arm.options[option] for option in self.options]) + given @ self.rows
        ratio, bottom = y / np.maximum(d, 1e-12), d
        for _ in range(_ROUNDS):
            worth = side * (self.values[None, :, :, 0] - ratio[:, None, None] * self.values[None, :, :, 1])
            chosen = worth.argmax(axis=2)
            picked = np.take_along_axis(self.values[None], chosen[:, :, None, None], axis=2)[:, :, 0]
            top, bottom = y + (rows * picked[..., 0]).sum(axis=1), d + (rows * picked[..., 1]).sum(axis=1)
            new = top / np.maximum(bottom, 1e-12)
            if np.allclose(new, ratio, rtol=1e-14, atol=0):
                break
            ratio = new
        return ratio, bottom

    def worth(self, ratio: Floats, side: float) -> Floats:
        """What a request of each kind adds to side·(Σy − ratio·Σd) at most; a row for each ratio."""
        rows = side * (self.values[None, :, :, 0] - ratio[:, None, None] * self.values[None, :, :, 1])
        own = side * (self.y[None, :] - ratio[:, None] * self.d[None, :])
        return own + rows.max(axis=2) @ self.rows.T


def _best(one: Floats, other: Floats, relative: bool) -> float | None:
    effects = _effects(one, other, relative)
    effects = effects[~np.isnan(effects)]
    return float(effects.max()) if len(effects) else None


def _effects(one: Floats, other: Floats, relative: bool) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return one / other - 1 if relative else one - other
