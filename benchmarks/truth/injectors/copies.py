"""Injections that add rows: copies, second readings of a key, second arms, hires before the window."""

# ruff: noqa: S608  (table and column names come from our own vocabulary)

from __future__ import annotations

from benchmarks.truth.injectors.bench import Bench, timestamp
from benchmarks.truth.injectors.choice import Stake, pick
from benchmarks.truth.injectors.vocabulary import Injection

_SECOND_READING = {
    "quotes": "round(price * 1.5 + 1, 2) as price",
    "hires": "case when outcome = 'completed' then 'refunded' else 'completed' end as outcome, round(amount * 1.5 + 1, 2) as amount",
    "hires/hired_at": "hired_at + interval 8 day as hired_at",
}


def repeat_rows(bench: Bench, injection: Injection) -> int:
    """Adds full copies of rows; at "quotes/resent" under another id."""
    name, _, how = injection.place.partition("/")
    got = pick(bench, injection, name, round(injection.rate * bench.size(name)), Stake.MORE)
    bench.copy(name, "quote_id || 'r' as quote_id" if how == "resent" else "")
    return got


def contradict_rows(bench: Bench, injection: Injection) -> int:
    """Adds a second row with the same key and other content; at "hires/hired_at" it dates the hire 8 days later."""
    name, _, how = injection.place.partition("/")
    room, stake = "true", Stake.MORE
    if how == "hired_at":  # the later reading takes a hire from its arm
        # No later than the newest hire: a source that ends early must go on doing so.
        newest = f"select max(hired_at) from {bench.table(name)}"
        room, stake = f"hired_at + interval 8 day <= ({newest})", Stake.GOOD
    got = pick(bench, injection, name, round(injection.rate * bench.size(name)), stake, room)
    bench.copy(name, _SECOND_READING[injection.place])
    return got


def expose_twice(bench: Bench, injection: Injection) -> int:
    """Assigns units once more, an hour later and to the other arm."""
    room = f"assigned_at + interval 1 hour <= {timestamp(bench.world.as_of)}"
    count = round(injection.rate * bench.size("assignments"))
    got = pick(bench, injection, "assignments", count, Stake.LABEL, room)
    control, treatment = bench.world.arms
    other = f"case when variant = '{control}' then '{treatment}' else '{control}' end as variant"
    bench.copy("assignments", f"{other}, assigned_at + interval 1 hour as assigned_at")
    return got


def hire_before_the_window(bench: Bench, injection: Injection) -> int:
    """Adds a hire within 7 days to quoted requests, made before the window by customers who were then treated."""
    earlier = (
        f"created_at + interval 7 day <= {timestamp(bench.world.start)} and customer_id in "
        "(select customer_id from truth.requests where variant = 'treatment')"
    )
    count = round(injection.rate * bench.size("requests", earlier))
    quotes, hires = bench.table("quotes"), bench.table("hires")
    in_time = f"select quotes.request_id from {quotes} as quotes inner join truth.requests as known on known.request_id = quotes.request_id and quoted_at >= known.created_at and quoted_at < known.created_at + interval 6 day"
    free = f"{earlier} and request_id in ({in_time}) and request_id not in (select request_id from {hires} where request_id is not null)"
    got = pick(bench, injection, "requests", count, Stake.LABEL, free)
    bench.run(
        f"insert into {hires} by name select 'before-' || request_id as hire_id, request_id, "
        "min(quotes.pro_id) as pro_id, min(quoted_at) + interval 1 hour as hired_at, min(price) as amount, "
        f"'completed' as outcome from {quotes} as quotes inner join truth.picked on key = request_id group by request_id"
    )
    bench.note(("pre_exposure_imbalance", "requests", "customer_id"), got)
    return got
