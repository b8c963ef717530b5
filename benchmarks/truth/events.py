"""What happens in a world once it is decided who is treated: quotes, hires, messages, tickets and flags.

Every request's events depend on its own treatment and its own draws only, so a world in which some are treated consists
of each request's events from the world of its arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.truth.draws import Draws
from dagster_pipeline.demo.marketplace import (
    CATEGORIES,
    FASTEST_QUOTE,
    SEVEN_DAYS,
    SLOWEST_QUOTE,
    Assignments,
    BoolArray,
    FloatArray,
    Follow,
    Hires,
    IntArray,
    Marketplace,
    Quotes,
)
from dagster_pipeline.demo.spec import microseconds

if TYPE_CHECKING:
    from benchmarks.truth.simulator import TruthSpec

_LARGEST_CHANCE = 0.95
_HIRE_SPREAD = 0.015
"""How far a category's hire effect lies from the mean at full heterogeneity."""


@dataclass(frozen=True)
class Events:
    """One world's events; ``request`` to ``price`` by quote, ordered by request. ``hired_quote`` and ``flag_quote`` index quotes."""

    request: IntArray
    slot: IntArray
    quoted: IntArray
    price: FloatArray
    hired_quote: IntArray
    hired: IntArray
    hired_amount: FloatArray
    hired_outcome: IntArray
    ticket_request: IntArray
    ticket_at: IntArray
    flag_quote: IntArray
    flag_at: IntArray


@dataclass(frozen=True)
class Workflows:
    """What the treatment does: the share by which quotes come sooner, by category, and each request's chance to hire by arm."""

    speedup: FloatArray
    chance: tuple[FloatArray, FloatArray]


def work_out(spec: TruthSpec, draws: Draws) -> Workflows:
    """The workflows whose effects, meant over the cohort, are the spec's.

    The chances to hire are set so that the cohort's expected 7-day rate is exactly ``hire_rate`` where nobody is treated
    and ``hire_rate + hire_effect`` where everybody is, given when the quotes come and how long the customers think.
    """
    tilt = _tilt(spec, draws)
    speedup = np.minimum(_LARGEST_CHANCE, spec.speedup * (1.0 + tilt))
    size = len(draws.demand.created)
    reach = [_reach(spec, draws, speedup, np.full(size, treated)) for treated in (False, True)]
    pull = np.array([c.hire for c in CATEGORIES])[draws.demand.category] * draws.demand.eagerness
    plain = _calibrate(spec.hire_rate, pull * reach[0].can_hire, reach[0].in_time, draws.in_cohort)
    treated = pull * reach[1].can_hire
    if spec.heterogeneity:
        treated = treated * _pull_of_the_treatment(spec, draws, tilt, reach, plain, treated)
    rate = spec.hire_rate + spec.hire_effect
    return Workflows(speedup, (plain, _calibrate(rate, treated, reach[1].in_time, draws.in_cohort)))


def unfold(spec: TruthSpec, draws: Draws, workflows: Workflows, treated: BoolArray) -> Events:
    """The world in which these requests are treated."""
    slots, created = draws.slots, draws.demand.created
    slot, quoted = _quotes(spec, draws, workflows.speedup, treated)
    request = slots.request[slot]
    hired_quote, hired = _hires(draws, workflows, treated, request, quoted)
    price = slots.price[slot]
    raised = draws.troubles.needed < _needed(spec.ticket_effect, treated[draws.troubles.request])
    rate = spec.spam_rate * np.where(treated[request], 1.0 + spec.spam_effect, 1.0)
    flagged = np.flatnonzero(slots.spam[slot] < rate)
    troubled = draws.troubles.request[raised]
    return Events(
        request=request,
        slot=slot,
        quoted=quoted,
        price=price,
        hired_quote=hired_quote,
        hired=hired,
        hired_amount=np.round(price[hired_quote] * slots.markup[slot[hired_quote]], 2),
        hired_outcome=slots.outcome[slot[hired_quote]],
        ticket_request=troubled,
        ticket_at=created[troubled] + draws.troubles.delay[raised],
        flag_quote=flagged,
        flag_at=quoted[flagged] + slots.flag_delay[slot[flagged]],
    )


def as_marketplace(spec: TruthSpec, draws: Draws, events: Events) -> Marketplace:
    """The world as the demo's tables take it: nothing in it is dated after its clock."""
    as_of = microseconds(spec.world.as_of)
    seen, told = events.quoted <= as_of, events.hired <= as_of
    number = np.cumsum(seen) - 1
    quotes = Quotes(
        events.request[seen], draws.slots.pro[events.slot[seen]], events.quoted[seen], events.price[seen]
    )
    flagged = events.flag_at <= as_of
    raised = events.ticket_at <= as_of
    return Marketplace(
        demand=draws.demand,
        assignments=_assign(spec, draws),
        quotes=quotes,
        hires=Hires(
            number[events.hired_quote[told]],
            events.hired[told],
            events.hired_amount[told],
            events.hired_outcome[told],
        ),
        messages=_messages(draws, events.slot[seen], quotes.quoted, as_of),
        tickets=Follow(events.ticket_request[raised], events.ticket_at[raised]),
        flags=Follow(number[events.flag_quote[flagged]], events.flag_at[flagged]),
    )


def _tilt(spec: TruthSpec, draws: Draws) -> FloatArray:
    """By category, how far its effects lie from the mean: up and down in turn, 0 over the cohort's mix."""
    size = len(CATEGORIES)
    mix = np.bincount(draws.demand.category[draws.in_cohort], minlength=size)
    sides = np.where(np.arange(size) % 2, -1.0, 1.0)
    return np.asarray(spec.heterogeneity * (sides - np.average(sides, weights=np.maximum(mix, 1e-9))))


def _needed(effect: float, treated: BoolArray) -> FloatArray:
    """The share of the fuller arm's rows that each request's arm has."""
    return np.where(treated, 1.0 + effect, 1.0) / max(1.0, 1.0 + effect)


def _quotes(
    spec: TruthSpec, draws: Draws, speedup: FloatArray, treated: BoolArray
) -> tuple[IntArray, IntArray]:
    """The slots that send a quote, and when."""
    slots, demand = draws.slots, draws.demand
    slot = np.flatnonzero(slots.needed < _needed(spec.quote_effect, treated[slots.request]))
    request = slots.request[slot]
    faster = np.where(treated[request], 1.0 - speedup[demand.category[request]], 1.0)
    wait = np.clip((slots.wait[slot] * faster).astype(np.int64), FASTEST_QUOTE, SLOWEST_QUOTE)
    return slot, demand.created[request] + wait


def _favourites(request: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Of each request with quotes: itself, the place of the quote liked best, and how many there are."""
    return np.unique(request, return_index=True, return_counts=True)


def _hires(
    draws: Draws, workflows: Workflows, treated: BoolArray, request: IntArray, quoted: IntArray
) -> tuple[IntArray, IntArray]:
    """The quotes that are taken and when: the one liked best, and rarely the next one besides."""
    asked, best, count = _favourites(request)
    minds = draws.minds
    chance = np.where(treated[asked], workflows.chance[1][asked], workflows.chance[0][asked])
    takes = minds.decides[asked] < chance
    hired = quoted[best] + minds.thinking[asked]
    again = takes & (count > 1) & minds.hires_again[asked]
    other = best[again] + 1
    later = np.maximum(hired[again], quoted[other]) + minds.thinks_again[asked[again]]
    return np.r_[best[takes], other], np.r_[hired[takes], later]


@dataclass(frozen=True)
class _Reach:
    """Of each request, whether it has a quote to take, and whether that would be taken within 7 days."""

    can_hire: BoolArray
    in_time: BoolArray


def _reach(spec: TruthSpec, draws: Draws, speedup: FloatArray, treated: BoolArray) -> _Reach:
    slot, quoted = _quotes(spec, draws, speedup, treated)
    asked, best, _ = _favourites(draws.slots.request[slot])
    can_hire, in_time = np.zeros(len(treated), dtype=bool), np.zeros(len(treated), dtype=bool)
    can_hire[asked] = True
    hired = quoted[best] + draws.minds.thinking[asked]
    in_time[asked] = hired - draws.demand.created[asked] <= SEVEN_DAYS
    return _Reach(can_hire, in_time)


def _calibrate(rate: float, pull: FloatArray, in_time: BoolArray, cohort: BoolArray) -> FloatArray:
    """Chances in proportion to the pull, none above the largest, of which those in time come to ``rate`` of the cohort."""
    counts = in_time & cohort
    scale = 0.0
    for _ in range(20):
        capped = scale * pull >= _LARGEST_CHANCE
        open_pull = float(pull[counts & ~capped].sum())
        missing = rate * int(cohort.sum()) - _LARGEST_CHANCE * int((counts & capped).sum())
        if open_pull <= 0 or np.isclose(scale * open_pull, missing, rtol=1e-12):
            break
        scale = missing / open_pull
    return np.minimum(_LARGEST_CHANCE, max(0.0, scale) * pull)


def _pull_of_the_treatment(
    spec: TruthSpec,
    draws: Draws,
    tilt: FloatArray,
    reach: list[_Reach],
    plain: FloatArray,
    treated: FloatArray,
) -> FloatArray:
    """By request, what makes a category's expected rate under the treatment its untreated one and its own effect."""
    size = len(CATEGORIES)
    category, cohort = draws.demand.category, draws.in_cohort
    number = np.bincount(category[cohort], minlength=size)

    def rate(chance: FloatArray, in_time: BoolArray) -> FloatArray:
        counts = cohort & in_time
        total = np.bincount(category[counts], weights=chance[counts], minlength=size)
        return np.asarray(total / np.maximum(number, 1))

    before, after = rate(plain, reach[0].in_time), rate(treated, reach[1].in_time)
    target = np.maximum(0.1 * before, before + spec.hire_effect + _HIRE_SPREAD * tilt)
    return np.divide(target, after, out=np.ones(size), where=after > 0)[category]


def _assign(spec: TruthSpec, draws: Draws) -> Assignments:
    """One assignment per unit with a cohort request, around its first one and before any quote to it."""
    demand = draws.demand
    units = {"request": np.arange(spec.requests), "customer": demand.customer, "session": demand.session}
    inside = np.flatnonzero(draws.in_cohort)
    unit, position = np.unique(units[spec.unit][inside], return_index=True)
    first = inside[position]
    assigned = np.maximum(demand.created[first] + draws.assignment_lag[first], microseconds(spec.world.start))
    return Assignments(unit, demand.arm[first], assigned)


def _messages(draws: Draws, slot: IntArray, quoted: IntArray, as_of: int) -> Follow:
    """Most quotes open with a message of the pro, some go on."""
    slots = draws.slots
    opens = np.flatnonzero(slots.message[slot] < 0.75)
    first = quoted[opens] + slots.message_delay[slot[opens]]
    goes_on = slots.goes_on[slot[opens]]
    second = first[goes_on] + slots.next_delay[slot[opens[goes_on]]]
    parent, moment = np.r_[opens, opens[goes_on]], np.r_[first, second]
    return Follow(parent[moment <= as_of], moment[moment <= as_of])
