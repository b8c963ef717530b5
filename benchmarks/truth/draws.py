"""What chance decides in a world with the truth known, drawn once for both of its arms.

Every request, every quote that could be sent to it and every ticket it could raise has its own random numbers. A world
in which a request is treated and one in which it isn't use the same numbers, so the two potential outcomes of a request
differ by the treatment alone. Times are microseconds since 1970-01-01 UTC, as in the demo's marketplace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dagster_pipeline.demo.marketplace import (
    CATEGORIES,
    DAY,
    GEOS,
    HOUR,
    HOUR_WEIGHTS,
    OUTCOME_SHARES,
    SECOND,
    WEEKDAY_WEIGHTS,
    BoolArray,
    Demand,
    FloatArray,
    IntArray,
)
from dagster_pipeline.demo.spec import microseconds

if TYPE_CHECKING:
    from benchmarks.truth.simulator import TruthSpec

_LEAST_ENROLMENT = 0.2
"""Where traffic ramps up: the share of its later level that it starts with."""
_EDGE_OF_ARM_RAMP = 0.1
"""Where an arm ramps up: its share of the first units, and the other arm's of the last."""


@dataclass(frozen=True)
class Slots:
    """Quotes that could be sent, ordered by request and then by how much the customer likes them.

    ``needed``: a slot is used where this uniform number lies below its arm's share of the fuller arm.
    """

    request: IntArray
    pro: IntArray
    needed: FloatArray
    wait: FloatArray
    price: FloatArray
    markup: FloatArray
    outcome: IntArray
    spam: FloatArray
    flag_delay: IntArray
    message: FloatArray
    message_delay: IntArray
    goes_on: BoolArray
    next_delay: IntArray


@dataclass(frozen=True)
class Minds:
    """What a request's customer would do: a uniform number that decides on the hire, and the times they take."""

    decides: FloatArray
    thinking: IntArray
    hires_again: BoolArray
    thinks_again: IntArray


@dataclass(frozen=True)
class Troubles:
    """Tickets that could be raised; ``needed`` as in `Slots`."""

    request: IntArray
    needed: FloatArray
    delay: IntArray


@dataclass(frozen=True)
class Draws:
    """Everything that does not depend on who is treated, and who is: ``demand.arm``, −1 outside the window."""

    demand: Demand
    slots: Slots
    minds: Minds
    troubles: Troubles
    assignment_lag: IntArray

    @property
    def in_cohort(self) -> BoolArray:
        """Requests of the experiment's window."""
        return self.demand.arm >= 0


def draw(spec: TruthSpec) -> Draws:
    """The draws of a world, deterministic in ``spec``; each topic has a stream of its own."""
    calendar = _Calendar.of(spec)
    demand = _draw_demand(spec, calendar)
    return Draws(
        demand=demand,
        slots=_draw_slots(spec, demand, calendar),
        minds=_draw_minds(spec),
        troubles=_draw_troubles(spec, demand),
        assignment_lag=_stream(spec, 7).integers(-3 * SECOND // 2, 4 * SECOND // 5, spec.requests),
    )


def _stream(spec: TruthSpec, topic: int) -> np.random.Generator:
    return np.random.default_rng([spec.seed, 1_000 + topic])


@dataclass(frozen=True)
class _Calendar:
    """How busy each day of traffic is beyond the week's rhythm, and how far enrolment has come."""

    begin: int
    busy: FloatArray
    enrolled: FloatArray

    @classmethod
    def of(cls, spec: TruthSpec) -> _Calendar:
        world = spec.world
        begin = microseconds(world.traffic_start)
        count = (microseconds(world.as_of) - begin) // DAY
        busy = np.exp(_stream(spec, 1).normal(0.0, spec.busy_days, count))
        since_start = np.arange(count) - spec.days_before
        grown = np.clip(since_start / max(1.0, spec.days / 2), 0.0, 1.0)
        rises = _LEAST_ENROLMENT + (1.0 - _LEAST_ENROLMENT) * grown
        return cls(begin, busy, rises if spec.ramp == "traffic" else np.ones(count))

    def day(self, moment: IntArray) -> IntArray:
        return np.clip((moment - self.begin) // DAY, 0, len(self.busy) - 1)


def _draw_demand(spec: TruthSpec, calendar: _Calendar) -> Demand:
    rng = _stream(spec, 2)
    session, offset = _draw_sessions(rng, spec.requests)
    sessions = int(session[-1]) + 1
    created = _draw_moments(rng, spec, calendar, sessions)[session] + offset
    by_time = np.argsort(created, kind="stable")
    created, session = created[by_time], session[by_time]
    customers = max(1, int(0.75 * sessions))
    customer = rng.integers(0, customers, sessions)[session]
    eagerness = rng.gamma(4.0, 0.25, customers)[customer]
    shares = np.array([c.share for c in CATEGORIES])
    category = rng.choice(len(CATEGORIES), spec.requests, p=shares / shares.sum())
    sizes = 1.0 / np.arange(2, 2 + len(GEOS)) ** 0.7
    geo = rng.choice(len(GEOS), customers, p=sizes / sizes.sum())[customer]
    units = {"request": np.arange(spec.requests), "customer": customer, "session": session}
    arm = _draw_arms(spec, created, units[spec.unit])
    return Demand(created, customer, session, category, geo, eagerness, arm)


def _draw_sessions(rng: np.random.Generator, requests: int) -> tuple[IntArray, IntArray]:
    """Session of each request, one to three to a session, and how long after the session's start it was made."""
    sizes = rng.choice([1, 2, 3], requests, p=[0.86, 0.11, 0.03])
    session = np.repeat(np.arange(requests), sizes)[:requests]
    starts = np.r_[True, session[1:] != session[:-1]]
    pause = np.where(starts, 0, rng.integers(40 * SECOND, 1_200 * SECOND, requests))
    total = np.cumsum(pause)
    return session, total - total[starts][session]


def _draw_moments(rng: np.random.Generator, spec: TruthSpec, calendar: _Calendar, count: int) -> IntArray:
    """Session starts with the rhythm of the day, of the week and of busy days; the last hour stays free."""
    hours = (microseconds(spec.world.as_of) - calendar.begin) // HOUR
    clock = calendar.begin // HOUR + np.arange(hours)
    day = calendar.day(clock * HOUR)
    # 1970-01-01 was a Thursday, weekday 3.
    weekly = np.array(HOUR_WEIGHTS)[clock % 24] * np.array(WEEKDAY_WEIGHTS)[(clock // 24 + 3) % 7]
    weights = weekly * calendar.busy[day] * calendar.enrolled[day]
    weights[-1] = 0.0
    hour = rng.choice(hours, count, p=weights / weights.sum())
    return calendar.begin + hour * HOUR + rng.integers(0, HOUR, count)


def _draw_arms(spec: TruthSpec, created: IntArray, unit: IntArray) -> IntArray:
    """Arm of each request by randomisation of its unit; −1 outside the window."""
    world = spec.world
    inside = (created >= microseconds(world.start)) & (created < microseconds(world.end))
    share = np.full(int(unit.max()) + 1, world.split[1])
    if spec.ramp == "arm" and inside.any():
        cohort = np.flatnonzero(inside)
        met, first = np.unique(unit[cohort], return_index=True)
        share[met] = _ramped_share(created[cohort[first]] // DAY)
    arm = (_stream(spec, 3).random(len(share)) < share).astype(np.int64)
    return np.where(inside, arm[unit], -1)


def _ramped_share(day: IntArray) -> FloatArray:
    """The treatment's share of each day's units: it grows with the units so far, and is 0.5 over all of them."""
    _, place, sizes = np.unique(day, return_inverse=True, return_counts=True)
    middle = (np.cumsum(sizes) - sizes / 2) / len(day)
    return (_EDGE_OF_ARM_RAMP + (1.0 - 2 * _EDGE_OF_ARM_RAMP) * middle)[place]


def _draw_slots(spec: TruthSpec, demand: Demand, calendar: _Calendar) -> Slots:
    rng = _stream(spec, 4)
    request, pro, pros = _draw_matches(rng, spec, demand)
    speed = np.exp(rng.normal(0.0, spec.supply, pros))
    quality = np.exp(rng.normal(0.0, spec.supply, pros))
    bad = 1.0 / quality[pro]
    order = np.lexsort((rng.exponential(1.0, len(request)) * bad, request))
    request, pro, bad = request[order], pro[order], bad[order]
    size = len(request)
    typical = np.array([c.price for c in CATEGORIES])[demand.category[request]]
    return Slots(
        request=request,
        pro=pro,
        needed=rng.random(size),
        wait=_typical_wait(spec, demand, calendar, request) * speed[pro] * rng.lognormal(0.0, 1.25, size),
        price=np.round(typical * rng.lognormal(0.0, 0.35, size), 2),
        markup=rng.uniform(0.9, 1.25, size),
        outcome=np.searchsorted(np.cumsum(OUTCOME_SHARES)[:-1], rng.random(size), side="right"),
        # A uniform number, the smaller the worse the pro: the flags' mean share stays the spec's.
        spam=rng.random(size) / (bad / bad.mean() if size else 1.0),
        flag_delay=_delay(rng, 20.0, size),
        message=rng.random(size),
        message_delay=(rng.exponential(90.0, size) * SECOND).astype(np.int64),
        goes_on=rng.random(size) < 0.35,
        next_delay=_delay(rng, 6.0, size),
    )


def _draw_matches(
    rng: np.random.Generator, spec: TruthSpec, demand: Demand
) -> tuple[IntArray, IntArray, int]:
    """Pairs of request and pro without repetition, as many as the fuller arm needs; and how many pros there are."""
    fuller = max(1.0, 1.0 + spec.quote_effect)
    supply = rng.uniform(0.8, 1.2, (len(CATEGORIES), len(GEOS)))[demand.category, demand.geo]
    appeal = rng.gamma(6.0, 1.0 / 6.0, spec.requests)
    count = rng.poisson(spec.quotes_per_request * fuller * supply * appeal)
    request = np.repeat(np.arange(spec.requests), count)
    pool = max(30, spec.requests // 800)
    busyness = 1.0 / np.arange(4, 4 + pool) ** 0.8
    pros = pool * len(GEOS)
    pro = demand.geo[request] * pool + rng.choice(pool, len(request), p=busyness / busyness.sum())
    pairs = np.unique(request * pros + pro)
    return pairs // pros, pairs % pros, pros


def _typical_wait(spec: TruthSpec, demand: Demand, calendar: _Calendar, request: IntArray) -> FloatArray:
    """Microseconds to a typical quote: by category, longer at night and on busy days."""
    minutes = np.array([c.minutes for c in CATEGORIES])[demand.category[request]]
    hour = demand.created[request] // HOUR % 24
    at_night = np.where((hour < 6) | (hour >= 23), 1.9, 1.0)
    # Where an arm ramps up, a day's pace would be mistaken for the treatment's.
    pace = calendar.busy[calendar.day(demand.created[request])] if spec.ramp != "arm" else 1.0
    return np.asarray(minutes * 60.0 * SECOND * at_night * pace, dtype=np.float64)


def _draw_minds(spec: TruthSpec) -> Minds:
    rng = _stream(spec, 5)
    return Minds(
        decides=rng.random(spec.requests),
        thinking=_thinking(rng, spec.requests),
        hires_again=rng.random(spec.requests) < 0.03,
        thinks_again=_thinking(rng, spec.requests),
    )


def _draw_troubles(spec: TruthSpec, demand: Demand) -> Troubles:
    rng = _stream(spec, 6)
    fuller = max(1.0, 1.0 + spec.ticket_effect)
    request = np.repeat(np.arange(spec.requests), rng.poisson(spec.ticket_rate * fuller, spec.requests))
    return Troubles(request, rng.random(len(request)), _delay(rng, 36.0, len(request)))


def _thinking(rng: np.random.Generator, count: int) -> IntArray:
    """How long a customer thinks before hiring: median 20 hours, one in twenty over five days."""
    return (20.0 * HOUR * rng.lognormal(0.0, 1.1, count)).astype(np.int64) + SECOND


def _delay(rng: np.random.Generator, mean_hours: float, count: int) -> IntArray:
    return (rng.exponential(mean_hours, count) * HOUR).astype(np.int64) + SECOND
