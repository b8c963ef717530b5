"""What a request comes to under an arm, as the metrics of DESIGN.md §5 see it, and the effects over both arms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from benchmarks.truth.events import Events
from dagster_pipeline.demo.marketplace import DAY, HOUR, BoolArray, FloatArray, IntArray

NEVER = np.iinfo(np.int64).max
"""The wait for what does not come."""
MINUTE = HOUR // 60


@dataclass(frozen=True)
class Outcomes:
    """One element per request. Waits are microseconds, `NEVER` where there is none.

    Counts and amounts are of rows dated up to the clock, the two waits too where no horizon limits them:
    ``first_hire`` and ``n_quotes_24h`` are as they come in the end, whenever the clock stands.
    """

    first_quote: IntArray
    n_quotes: IntArray
    n_quotes_24h: IntArray
    first_hire: IntArray
    n_hires: IntArray
    amount: FloatArray
    n_refunded: IntArray
    n_tickets: IntArray
    n_flags: IntArray

    def where(self, chosen: BoolArray) -> Outcomes:
        """Those of some requests."""
        return Outcomes(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def mixed(self, other: Outcomes, take_other: BoolArray) -> Outcomes:
        """Each request's own or, where ``take_other``, the other's."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Outcomes(*(np.where(take_other, there, here) for here, there in pairs))


def outcomes_of(events: Events, created: IntArray, as_of: int) -> Outcomes:
    """The requests' outcomes in one world."""
    size = len(created)
    seen, told = events.quoted <= as_of, events.hired <= as_of
    wait = events.quoted - created[events.request]
    buyer = events.request[events.hired_quote]
    is_bad = told & (events.hired_outcome > 0)  # OUTCOMES: completed, refunded, disputed
    return Outcomes(
        first_quote=_least(size, events.request[seen], wait[seen]),
        n_quotes=np.bincount(events.request[seen], minlength=size),
        n_quotes_24h=np.bincount(events.request[wait <= DAY], minlength=size),
        first_hire=_least(size, buyer, events.hired - created[buyer]),
        n_hires=np.bincount(buyer[told], minlength=size),
        amount=np.bincount(buyer[told], weights=events.hired_amount[told], minlength=size),
        n_refunded=np.bincount(buyer[is_bad], minlength=size),
        n_tickets=np.bincount(events.ticket_request[events.ticket_at <= as_of], minlength=size),
        n_flags=np.bincount(events.request[events.flag_quote[events.flag_at <= as_of]], minlength=size),
    )


def _least(size: int, place: IntArray, value: IntArray) -> IntArray:
    least = np.full(size, NEVER)
    np.minimum.at(least, place, value)
    return least


def _share(value: Callable[[Outcomes], BoolArray]) -> Callable[[Outcomes], float]:
    return lambda outcomes: _ratio(value(outcomes).sum(), len(outcomes.n_quotes))


def _quantile(q: float) -> Callable[[Outcomes], float]:
    """Seconds: the smallest y with F(y) ≥ q; infinite where too few requests are quoted."""

    def level(outcomes: Outcomes) -> float:
        size = len(outcomes.first_quote)
        if not size:
            return math.nan
        # A share such as 0.9 × 10 must not be taken for a little more than 9.
        value = np.sort(outcomes.first_quote)[math.ceil(round(q * size, 9)) - 1]
        return math.inf if value == NEVER else float(value) / 1e6

    return level


def _ratio(above: float, below: float) -> float:
    return float(above) / float(below) if below else math.nan


LEVELS: Mapping[str, Callable[[Outcomes], float]] = {
    "ttfq_median": _quantile(0.5),
    "ttfq_p90": _quantile(0.9),
    "quoted": _share(lambda o: o.n_quotes > 0),
    "quoted_within_30m": _share(lambda o: o.first_quote <= 30 * MINUTE),
    "three_quotes_within_24h": _share(lambda o: o.n_quotes_24h >= 3),
    "hire_rate_7d": _share(lambda o: o.first_hire <= 7 * DAY),
    "hire_rate_3d": _share(lambda o: o.first_hire <= 3 * DAY),
    "quotes_per_request": lambda o: _ratio(o.n_quotes.sum(), len(o.n_quotes)),
    "gmv_per_request": lambda o: _ratio(o.amount.sum(), len(o.amount)),
    "refund_rate": lambda o: _ratio(o.n_refunded.sum(), o.n_hires.sum()),
    "support_tickets_per_100_requests": lambda o: 100 * _ratio(o.n_tickets.sum(), len(o.n_tickets)),
    "spam_flags_per_1000_quotes": lambda o: 1000 * _ratio(o.n_flags.sum(), o.n_quotes.sum()),
}
"""DESIGN.md §5, but for pro_return_rate_7d: a pro answers requests of both arms, so it has no two potential outcomes."""
RELATIVE = frozenset(
    {"ttfq_median", "ttfq_p90", "support_tickets_per_100_requests", "spam_flags_per_1000_quotes"}
)


def levels(outcomes: Outcomes) -> dict[str, float]:
    """Every metric over the given requests."""
    return {metric: level(outcomes) for metric, level in LEVELS.items()}


def effects(control: Mapping[str, float], treatment: Mapping[str, float]) -> dict[str, float]:
    """The effect of every metric from its levels, in its default effect; NaN where it has none."""
    return {metric: _effect(metric, control[metric], treatment[metric]) for metric in control}


def _effect(metric: str, control: float, treatment: float) -> float:
    if not (math.isfinite(control) and math.isfinite(treatment)):
        return math.nan
    if metric not in RELATIVE:
        return treatment - control
    return treatment / control - 1 if control else math.nan
