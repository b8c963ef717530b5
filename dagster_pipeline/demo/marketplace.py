"""Draws one marketplace: demand, supply, quotes and hires as plain arrays, before any fault.

Times are microseconds since 1970-01-01 UTC, entities are dense integers; the tables room gives them names.
Each topic has a random stream of its own, so that a change in one leaves the others as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dagster_pipeline.demo.spec import WorldSpec, microseconds

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
SEVEN_DAYS = 7 * DAY

# A quote comes at least this long after its request, so that every assignment precedes it.
FASTEST_QUOTE = 5 * SECOND
SLOWEST_QUOTE = 9 * DAY


class Category(NamedTuple):
    """One kind of job: its share of demand, median minutes to a quote, pull to hire, median price."""

    name: str
    share: float
    minutes: float
    hire: float
    price: float


CATEGORIES = (
    Category("house_cleaning", 0.24, 22, 1.25, 140),
    Category("handyman", 0.16, 34, 1.10, 180),
    Category("moving", 0.13, 28, 1.20, 620),
    Category("lawn_care", 0.11, 40, 1.05, 95),
    Category("plumbing", 0.09, 26, 1.00, 310),
    Category("painting", 0.07, 62, 0.80, 950),
    Category("electrical", 0.06, 38, 0.90, 290),
    Category("photography", 0.05, 75, 0.70, 480),
    Category("personal_training", 0.04, 55, 0.75, 70),
    Category("dj", 0.025, 90, 0.60, 540),
    Category("roofing", 0.015, 120, 0.45, 4200),
    Category("interior_design", 0.01, 150, 0.40, 2600),
)
GEOS = (
    "nyc", "los_angeles", "chicago", "houston", "phoenix", "philadelphia", "san_antonio", "san_diego",
    "dallas", "austin", "san_jose", "jacksonville", "columbus", "charlotte", "seattle", "denver", "boston",
    "nashville", "portland", "omaha",
)  # fmt: skip
# Sessions by hour of the day and by weekday, Monday first, as relative weights.
HOUR_WEIGHTS = (8, 5, 3, 2, 2, 4, 10, 22, 40, 55, 62, 64, 60, 58, 58, 57, 55, 54, 56, 60, 58, 46, 30, 16)
WEEKDAY_WEIGHTS = (1.16, 1.12, 1.07, 1.02, 0.92, 0.82, 0.89)
OUTCOMES = ("completed", "refunded", "disputed")
OUTCOME_SHARES = (0.93, 0.05, 0.02)


@dataclass(frozen=True)
class Demand:
    """One element per request, in order of creation; ``arm`` is −1 outside the experiment's window."""

    created: IntArray
    customer: IntArray
    session: IntArray
    category: IntArray
    geo: IntArray
    eagerness: FloatArray
    arm: IntArray

    @property
    def treated(self) -> BoolArray:
        """Whether the request met the new workflow."""
        return self.arm > 0


@dataclass(frozen=True)
class Assignments:
    """One element per assigned unit."""

    unit: IntArray
    arm: IntArray
    assigned: IntArray


@dataclass(frozen=True)
class Quotes:
    """One element per quote, ordered by request; a pro quotes a request at most once."""

    request: IntArray
    pro: IntArray
    quoted: IntArray
    price: FloatArray


@dataclass(frozen=True)
class Hires:
    """One element per hire; ``quote`` indexes the quote that was taken, ``outcome`` indexes OUTCOMES."""

    quote: IntArray
    hired: IntArray
    amount: FloatArray
    outcome: IntArray


@dataclass(frozen=True)
class Follow:
    """Events that follow a parent row: ``parent`` is its index, ``moment`` the event's time."""

    parent: IntArray
    moment: IntArray


@dataclass(frozen=True)
class Marketplace:
    """All that happened up to the world's clock."""

    demand: Demand
    assignments: Assignments
    quotes: Quotes
    hires: Hires
    messages: Follow
    tickets: Follow
    flags: Follow


def draw_marketplace(spec: WorldSpec) -> Marketplace:
    """One world's events, none dated later than ``spec.as_of``; deterministic in ``spec``."""
    demand = _draw_demand(spec)
    quotes = _draw_quotes(spec, demand)
    hires = _draw_hires(spec, demand, quotes)
    seen = quotes.quoted <= microseconds(spec.as_of)
    renumbered = np.cumsum(seen) - 1
    told = hires.hired <= microseconds(spec.as_of)
    quotes = Quotes(quotes.request[seen], quotes.pro[seen], quotes.quoted[seen], quotes.price[seen])
    hires = Hires(renumbered[hires.quote[told]], hires.hired[told], hires.amount[told], hires.outcome[told])
    return Marketplace(
        demand=demand,
        assignments=_assign(spec, demand),
        quotes=quotes,
        hires=hires,
        messages=_draw_messages(spec, quotes),
        tickets=_draw_tickets(spec, demand),
        flags=_draw_flags(spec, demand, quotes),
    )


def _stream(spec: WorldSpec, topic: int) -> np.random.Generator:
    return np.random.default_rng([spec.seed, topic])


def _draw_demand(spec: WorldSpec) -> Demand:
    rng = _stream(spec, 1)
    session, offset = _draw_sessions(rng, spec.requests)
    sessions = int(session[-1]) + 1
    starts = _draw_moments(rng, spec, sessions)
    order = np.argsort(starts, kind="stable")
    rank = np.empty(sessions, dtype=np.int64)
    rank[order] = np.arange(sessions)
    created = starts[session] + offset
    by_time = np.argsort(created, kind="stable")
    created, session = created[by_time], rank[session][by_time]
    customers = max(1, int(0.75 * sessions))
    customer = rng.integers(0, customers, sessions)[session]
    eagerness = rng.gamma(4.0, 0.25, customers)[customer]
    shares = np.array([c.share for c in CATEGORIES])
    category = rng.choice(len(CATEGORIES), spec.requests, p=shares / shares.sum())
    sizes = 1.0 / np.arange(2, 2 + len(GEOS)) ** 0.7
    geo = rng.choice(len(GEOS), customers, p=sizes / sizes.sum())[customer]
    arm = _draw_arms(
        spec, created, {"request": np.arange(spec.requests), "customer": customer, "session": session}
    )
    return Demand(created, customer, session, category, geo, eagerness, arm)


def _draw_sessions(rng: np.random.Generator, requests: int) -> tuple[IntArray, IntArray]:
    """Session of each request, and how long after the session's start it was made."""
    sizes = rng.choice([1, 2, 3], requests, p=[0.86, 0.11, 0.03])
    session = np.repeat(np.arange(requests), sizes)[:requests]
    first = np.r_[True, session[1:] != session[:-1]]
    gap = rng.integers(40 * SECOND, 1_200 * SECOND, requests)
    gap[first] = 0
    total = np.cumsum(gap)
    return session, total - total[first][session]


def _draw_moments(rng: np.random.Generator, spec: WorldSpec, count: int) -> IntArray:
    """Session starts with the rhythm of the day and of the week; the last hour before as_of stays free."""
    begin = microseconds(spec.traffic_start)
    hours = (microseconds(spec.as_of) - begin) // HOUR
    clock = begin // HOUR + np.arange(hours)
    # 1970-01-01 was a Thursday, weekday 3.
    weights = np.array(HOUR_WEIGHTS)[clock % 24] * np.array(WEEKDAY_WEIGHTS)[(clock // 24 + 3) % 7]
    weights[-1] = 0.0
    hour = rng.choice(hours, count, p=weights / weights.sum())
    return begin + hour * HOUR + rng.integers(0, HOUR, count)


def _draw_arms(spec: WorldSpec, created: IntArray, units: dict[str, IntArray]) -> IntArray:
    """Arm of each request by true randomisation of its unit; −1 outside the window."""
    unit = units[spec.unit]
    limits = np.cumsum(spec.split)[:-1]
    arm_of_unit = np.searchsorted(limits, _stream(spec, 2).random(int(unit.max()) + 1), side="right")
    inside = (created >= microseconds(spec.start)) & (created < microseconds(spec.end))
    return np.where(inside, arm_of_unit[unit], -1).astype(np.int64)


def _assign(spec: WorldSpec, demand: Demand) -> Assignments:
    """One assignment per unit with a cohort request, around its first one and before any quote to it."""
    units = {"request": np.arange(spec.requests), "customer": demand.customer, "session": demand.session}
    inside = np.flatnonzero(demand.arm >= 0)
    unit, position = np.unique(units[spec.unit][inside], return_index=True)
    first = inside[position]
    jitter = _stream(spec, 3).integers(-3 * SECOND // 2, 4 * SECOND // 5, len(first))
    assigned = np.maximum(demand.created[first] + jitter, microseconds(spec.start))
    return Assignments(unit, demand.arm[first], assigned)


def _draw_quotes(spec: WorldSpec, demand: Demand) -> Quotes:
    rng = _stream(spec, 4)
    request, pro = _draw_matches(rng, spec, demand)
    pace = np.exp(_stream(spec, 5).normal(0.0, 0.45, int(pro.max(initial=0)) + 1))
    minutes = np.array([c.minutes for c in CATEGORIES])[demand.category[request]]
    hour = demand.created[request] // HOUR % 24
    slow_night = np.where((hour < 6) | (hour >= 23), 1.9, 1.0)
    faster = np.where(demand.treated[request], 1.0 - spec.speedup, 1.0)
    delay = minutes * 60.0 * SECOND * pace[pro] * slow_night * faster * rng.lognormal(0.0, 1.25, len(pro))
    wait = np.clip(delay.astype(np.int64), FASTEST_QUOTE, SLOWEST_QUOTE)
    typical = np.array([c.price for c in CATEGORIES])[demand.category[request]]
    price = np.round(typical * rng.lognormal(0.0, 0.35, len(pro)), 2)
    return Quotes(request, pro, demand.created[request] + wait, price)


def _draw_matches(rng: np.random.Generator, spec: WorldSpec, demand: Demand) -> tuple[IntArray, IntArray]:
    """Pairs of request and pro without repetition: few busy pros and many idle ones in every geo."""
    lift = np.where(demand.treated, 1.0 + spec.quote_effect, 1.0)
    supply = rng.uniform(0.8, 1.2, (len(CATEGORIES), len(GEOS)))[demand.category, demand.geo]
    appeal = rng.gamma(6.0, 1.0 / 6.0, spec.requests)
    count = np.minimum(rng.poisson(spec.quotes_per_request * lift * supply * appeal), 15)
    request = np.repeat(np.arange(spec.requests), count)
    pool = max(30, spec.requests // 800)
    busyness = 1.0 / np.arange(4, 4 + pool) ** 0.8
    pro = demand.geo[request] * pool + rng.choice(pool, len(request), p=busyness / busyness.sum())
    pairs = np.unique(request * (pool * len(GEOS)) + pro)
    return pairs // (pool * len(GEOS)), pairs % (pool * len(GEOS))


def _draw_hires(spec: WorldSpec, demand: Demand, quotes: Quotes) -> Hires:
    """First hires at the rate the spec asks for within 7 days, and a few second ones."""
    rng = _stream(spec, 6)
    request, start, count = np.unique(quotes.request, return_index=True, return_counts=True)
    chosen = start + (rng.random(len(request)) * count).astype(np.int64)
    hired = quotes.quoted[chosen] + _draw_thinking(rng, len(request))
    pull = np.array([c.hire for c in CATEGORIES])[demand.category[request]] * demand.eagerness[request]
    in_time = hired - demand.created[request] <= SEVEN_DAYS
    chance = _calibrate(spec, demand, request, pull, in_time)
    takes = np.flatnonzero(rng.random(len(request)) < chance)
    again = takes[(count[takes] > 1) & (rng.random(len(takes)) < 0.03)]
    other = start[again] + (chosen[again] - start[again] + 1) % count[again]
    later = np.maximum(hired[again], quotes.quoted[other]) + _draw_thinking(rng, len(again))
    quote, moment = np.r_[chosen[takes], other], np.r_[hired[takes], later]
    amount = np.round(quotes.price[quote] * rng.uniform(0.9, 1.25, len(quote)), 2)
    return Hires(quote, moment, amount, rng.choice(len(OUTCOMES), len(quote), p=OUTCOME_SHARES))


def _draw_thinking(rng: np.random.Generator, count: int) -> IntArray:
    """How long a customer thinks before hiring: median 20 hours, one in twenty over five days."""
    return (20.0 * HOUR * rng.lognormal(0.0, 1.1, count)).astype(np.int64) + SECOND


def _calibrate(
    spec: WorldSpec, demand: Demand, quoted: IntArray, pull: FloatArray, in_time: BoolArray
) -> FloatArray:
    """Chance to hire of each quoted request, so that the expected 7-day rate per arm is the spec's."""
    chance = np.zeros(len(quoted))
    for treated, rate in ((False, spec.hire_rate), (True, spec.hire_rate + spec.hire_effect)):
        members = demand.treated[quoted] == treated
        weight = float(pull[members & in_time].sum())
        size = int((demand.treated == treated).sum())
        if weight > 0:
            chance[members] = np.minimum(0.95, rate * size / weight * pull[members])
    return chance


def _draw_messages(spec: WorldSpec, quotes: Quotes) -> Follow:
    """Most quotes open with a message of the pro, some go on."""
    rng = _stream(spec, 7)
    opens = np.flatnonzero(rng.random(len(quotes.request)) < 0.75)
    first = quotes.quoted[opens] + (rng.exponential(90.0, len(opens)) * SECOND).astype(np.int64)
    goes_on = rng.random(len(opens)) < 0.35
    second = first[goes_on] + (rng.exponential(6.0, int(goes_on.sum())) * HOUR).astype(np.int64) + SECOND
    return _until(spec, np.r_[opens, opens[goes_on]], np.r_[first, second])


def _draw_tickets(spec: WorldSpec, demand: Demand) -> Follow:
    rng = _stream(spec, 8)
    rate = spec.ticket_rate * np.where(demand.treated, 1.0 + spec.ticket_effect, 1.0)
    request = np.repeat(np.arange(len(demand.created)), rng.poisson(rate))
    opened = demand.created[request] + (rng.exponential(36.0, len(request)) * HOUR).astype(np.int64) + SECOND
    return _until(spec, request, opened)


def _draw_flags(spec: WorldSpec, demand: Demand, quotes: Quotes) -> Follow:
    rng = _stream(spec, 9)
    rate = spec.spam_rate * np.where(demand.treated[quotes.request], 1.0 + spec.spam_effect, 1.0)
    quote = np.flatnonzero(rng.random(len(rate)) < rate)
    flagged = quotes.quoted[quote] + (rng.exponential(20.0, len(quote)) * HOUR).astype(np.int64) + SECOND
    return _until(spec, quote, flagged)


def _until(spec: WorldSpec, parent: IntArray, moment: IntArray) -> Follow:
    seen = moment <= microseconds(spec.as_of)
    return Follow(parent[seen], moment[seen])
