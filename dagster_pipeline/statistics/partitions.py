"""Which days of a table are missing: a count by day, held against what its own calendar leads to expect.

Its weekday says what a day usually holds, the days before and after say what has become usual: growth, decay, a new
normal. The least of them counts, so that a weekend, a ramp or a shift is never taken for a hole.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median, median_low

from dagster_pipeline.statistics.lazy_scipy import scipy_stats

ALPHA = 1e-6  # a day; a table of a thousand day × arm series stays below one false alarm in a thousand
MOST = 0.5  # a day with more than this part of what was expected is thin, not missing
_TRIMMED = (
    0.001  # of the rows at either end: stray dates and the tail of late events are no part of the series
)
_EMPTY = 0.1
_NEIGHBOURS = 3
_SURE_OF_SPREAD = 5  # days below which the spread from day to day can't be told from the series itself
_CLUMPS = 3.0
"""Variance of a day's count over its mean where nothing drifts: rows come in clumps, several a request or a customer."""
_MEDIAN_OF_THREE = (
    0.45  # variance of a median of three over one value's, for the normal distribution (Pearson 1931)
)
_MAD = 1.4826  # from a median absolute deviation to a standard deviation, for the normal distribution


@dataclass(frozen=True)
class ThinDay:
    """A complete day with at most half of the rows expected; ``p`` is how likely that few are by chance.

    ``expected`` is the least that the calendar leads to expect, ``at_most`` the most.
    """

    day: date
    observed: int
    expected: float
    at_most: float
    p: float

    @property
    def is_missing(self) -> bool:
        """Whether that few rows are no chance (p < 1e-6)."""
        return self.p < ALPHA


def missing_days(counts: Mapping[date, int]) -> tuple[ThinDay, ...]:
    """The thin days of a series of counts by day that are thin beyond chance, in order."""
    return tuple(day for day in thin_days(counts) if day.is_missing)


def thin_days(counts: Mapping[date, int]) -> tuple[ThinDay, ...]:
    """The days with at most half of what their calendar leads to expect (days left out count 0), in order.

    Only days strictly between the first and the last are judged: those two may be cut. Expected is the least of
    what the weekday usually holds (median of one and two weeks earlier and later) and of the levels before
    and after (medians of three days that are not thin themselves, times the weekday's share of its
    week). A series too short to tell that share compares days of one type, Saturday and Sunday or not;
    without such a day on both sides only a day without any row is judged. ``p`` is the lower tail of a
    negative binomial distribution: rows come in clumps, days differ as the series' own do, and what is
    expected is itself an estimate. Poisson's own tail (GAPS.md §1) is never larger.
    """
    days, rows = _series(counts)
    if len(rows) < 3:
        return ()
    usual = _usual(days, rows)
    sound = [n > MOST * u for n, u in zip(rows, usual, strict=True)]
    season = _season(days, rows, sound)
    before, after = _levels(days, rows, sound, season)
    spread = _spread(days, rows, season, usual)
    found = []
    for i in range(1, len(rows) - 1):
        near = [(season[i] if season else 1.0) * side[i] for side in (before, after) if i in side]
        least, most = min([usual[i], *near]), max([usual[i], *near])
        if least > 0 and rows[i] <= (MOST * least if len(near) == 2 else 0):
            found.append(ThinDay(days[i], rows[i], least, most, _tail(rows[i], least, spread)))
    return tuple(found)


def _series(counts: Mapping[date, int]) -> tuple[list[date], list[int]]:
    """The days from the first to the last that matter, without holes."""
    total, dated = sum(counts.values()), sorted(day for day, n in counts.items() if n > 0)
    first, last = _end(dated, counts, total), _end(reversed(dated), counts, total)
    if first is None or last is None:
        return [], []
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return days, [counts.get(day, 0) for day in days]


def _end(days: Iterable[date], counts: Mapping[date, int], total: int) -> date | None:
    seen = 0
    for day in days:
        seen += counts[day]
        if seen > _TRIMMED * total:
            return day
    return None


def _usual(days: Sequence[date], rows: Sequence[int]) -> list[float]:
    """What each day's weekday holds around it; of two readings the lower one."""

    def around(i: int) -> float:
        weeks = [rows[j] for j in (i - 14, i - 7, i + 7, i + 14) if 0 <= j < len(rows)]
        if len(weeks) < 2:
            alike = [n for j, n in enumerate(rows) if j != i and _is_weekend(days[j]) == _is_weekend(days[i])]
            weeks += [median_low(alike)] if alike else []
        return median_low(weeks) if weeks else 0

    return [around(i) for i in range(len(rows))]


def _is_weekend(day: date) -> bool:
    return day.weekday() >= 5


def _season(days: Sequence[date], rows: Sequence[int], sound: Sequence[bool]) -> list[float] | None:
    """Each day's usual share of its week's mean, from weeks without a suspicious day.

    It is its weekday's, or its type's where the weekday was seen too rarely; None for a series too short to tell
    even that.
    """
    by_weekday: dict[int, list[float]] = defaultdict(list)
    by_type: dict[bool, list[float]] = defaultdict(list)
    for i in range(3, len(rows) - 3):
        week = slice(i - 3, i + 4)
        if all(sound[week]):
            share = 7 * rows[i] / sum(rows[week])
            by_weekday[days[i].weekday()].append(share)
            by_type[_is_weekend(days[i])].append(share)
    if min(len(by_type[False]), len(by_type[True])) < _NEIGHBOURS:
        return None
    enough = {weekday: seen for weekday, seen in by_weekday.items() if len(seen) >= _NEIGHBOURS}
    return [median(enough.get(day.weekday(), by_type[_is_weekend(day)])) for day in days]


def _levels(
    days: Sequence[date], rows: Sequence[int], sound: Sequence[bool], season: Sequence[float] | None
) -> tuple[dict[int, float], dict[int, float]]:
    """Level that each day comes from and level that it goes to, without the season; by type where none is known."""
    both: tuple[dict[int, float], dict[int, float]] = ({}, {})
    order = list(range(len(rows)))
    by_type = [[i for i in order if _is_weekend(days[i]) is kind] for kind in (True, False)]
    for alike in [order] if season else by_type:
        plain = {i: rows[i] / season[i] if season else rows[i] for i in alike if not season or season[i] > 0}
        for levels, walk in zip(both, (alike, reversed(alike)), strict=True):
            levels.update(_walked(walk, plain, sound))
    return both


def _walked(
    walk: Iterable[int], plain: Mapping[int, float], sound: Sequence[bool]
) -> Iterator[tuple[int, float]]:
    """Level of the sound days walked past before each day, of any where there are none.

    A series that starts low has no sound days to start from, and low is where it comes from.
    """
    of_sound: deque[float] = deque(maxlen=_NEIGHBOURS)
    of_any: deque[float] = deque(maxlen=_NEIGHBOURS)
    for i in walk:
        if near := of_sound or of_any:
            yield i, median_low(near)
        if i in plain:
            of_any.append(plain[i])
            if sound[i]:
                of_sound.append(plain[i])


def _spread(
    days: Sequence[date], rows: Sequence[int], season: Sequence[float] | None, usual: Sequence[float]
) -> float:
    """Squared coefficient of variation from day to day beyond Poisson's, 0 where the series shows none.

    From each day against the mean of the days beside it, which neither growth nor a shift disturbs; its variance is
    three halves of a day's. Days of different types are compared only where the season is known; days that
    are all but empty are holes and tell nothing of the others.
    """
    empty = [n <= _EMPTY * u for n, u in zip(rows, usual, strict=True)]
    factors = season or [1.0] * len(rows)
    offs, chances = [], []
    for i in range(2, len(rows) - 2):
        near = (i - 1, i + 1)
        alike = season or all(_is_weekend(days[j]) == _is_weekend(days[i]) for j in near)
        if not alike or any(empty[i - 1 : i + 2]) or min(factors[i - 1 : i + 2]) <= 0:
            continue
        level = sum(rows[j] / factors[j] for j in near) / 2
        offs.append(rows[i] / factors[i] / level - 1)
        chances.append((1 / factors[i] + sum(1 / factors[j] for j in near) / 4) / level)
    if len(offs) < _SURE_OF_SPREAD:
        return 0.0
    middle = median(offs)
    deviation = _MAD * median(abs(off - middle) for off in offs)
    return max(0.0, deviation**2 - median(chances)) / 1.5


def _tail(observed: int, expected: float, spread: float) -> float:
    """P(count ≤ observed) at mean ``expected``: negative binomial, with the variance of the count and of what was expected.

    A count varies by clumps (``_CLUMPS`` times Poisson's variance) and from day to day (``spread`` × expected²); what
    is expected is itself no more than a median of three such counts.
    """
    variance = (1 + _MEDIAN_OF_THREE) * (_CLUMPS * expected + spread * expected**2)
    p = expected / variance
    return float(scipy_stats().nbinom.cdf(observed, expected * p / (1 - p), p))
