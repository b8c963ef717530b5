"""Which rows an injection hits: the mechanism, as an order of the rows."""

# ruff: noqa: S608  (table and column names come from our own vocabulary)

from __future__ import annotations

from enum import StrEnum

from benchmarks.truth.injectors.bench import KEYS, Bench, purpose_of
from benchmarks.truth.injectors.vocabulary import MECHANISMS, Injection
from dagster_pipeline.demo.marketplace import CATEGORIES
from dagster_pipeline.errors import PlumblineError

_ODDS = 5
_SEVEN_DAYS = 604_800
_PLAIN = "true as is_timely, false as is_bad, 0 as strength"


class Stake(StrEnum):
    """What hitting a row does to how the treatment looks.

    LABEL: the row's request drops out of its arm: without a failure of its own, or a success of the control, the treatment
    looks better. GOOD: a good thing goes from its arm (a quote; a hire that came in time, while one that came late might
    be taken for a success). BAD: a bad thing goes (a ticket, a flag). MORE: there is more of a good thing than there was.
    REFUND: a hire that went badly no longer shows it.
    """

    LABEL = "label"
    GOOD = "good"
    BAD = "bad"
    MORE = "more"
    REFUND = "refund"


_TREATED = "arm = 'treatment'"
_HELPS = {
    Stake.LABEL: f"case when ({_TREATED}) <> is_hired then 1 else -1 end",
    Stake.GOOD: f"case when ({_TREATED}) <> is_timely then 1 else -1 end",
    Stake.BAD: f"case when {_TREATED} then 1 else -1 end",
    Stake.MORE: f"case when {_TREATED} then 1 else -1 end",
    Stake.REFUND: f"case when not is_bad then 0 when {_TREATED} then 1 else -1 end",
}


def pick(bench: Bench, injection: Injection, name: str, count: int, stake: Stake, where: str = "true") -> int:
    """Makes ``count`` untouched rows of a source the table ``truth.picked(key)``; gives how many there were.

    ``where`` speaks of the source's own columns and of ``arm``, the arm of the row's cohort request (else null).
    """
    if injection.mechanism not in MECHANISMS:
        raise PlumblineError(f"Unknown mechanism {injection.mechanism!r}. Allowed: {', '.join(MECHANISMS)}.")
    bench.run(
        f"create or replace temp table eligible as {_rows(bench, name)} "
        f"where ({where}) and ({KEYS[name]}) is not null "
        f"and ({KEYS[name]}) not in (select key from truth.touched where source = '{name}')"
    )
    lot = bench.lot("key", purpose_of(injection))
    bench.run(
        "create or replace table truth.picked as "
        f"with judged as (select *, {lot} as lot, case when arm is null then 0 else {_HELPS[stake]} end as helps from eligible), "
        "ranked as (select *, row_number() over (partition by helps, arm order by strength, lot) as turn from judged) "
        f"select key from ranked order by {_order(injection.mechanism)}, lot, key limit {max(0, count)}"
    )
    bench.run(f"insert into truth.touched select '{name}', key from truth.picked")
    return bench.number("select count(*) from truth.picked")


def _order(mechanism: str) -> str:
    if mechanism in ("favours_treatment", "favours_control"):
        side = 1 if mechanism == "favours_treatment" else -1
        # The first of exponential clocks, one to a row: drawing without replacement at the odds.
        return f"-ln(lot) / case when helps = {side} then {_ODDS} else 1 end"
    if mechanism in ("adversarial_up", "adversarial_down"):
        # Both arms in turn: what is left of each arm then says least about what is gone.
        return f"helps {'desc' if mechanism == 'adversarial_up' else 'asc'}, turn, arm"
    return {
        "at_random": "lot",
        "one_arm": f"case when {_TREATED} then 0 else 1 end",
        "segment": f"case when category = '{max(CATEGORIES, key=lambda c: c.share).name}' then 0 else 1 end",
    }[mechanism]


def _rows(bench: Bench, name: str) -> str:
    """The source's rows with their key, and what is known of their request: of its arm, its category and its hire."""
    about = (
        "known.variant as arm, known.category as category, "
        f"coalesce(known.first_hire_seconds <= {_SEVEN_DAYS}, false) as is_hired"
    )
    table = bench.table(name)
    if name == "dashboards":
        joined = f"select *, variant as arm, null as category, false as is_hired, {_PLAIN} from {table}"
    elif name == "assignments":
        joined = f"select rows.*, {about}, {_PLAIN} from {table} as rows left join truth.units as known using (entity_id)"
    elif name == "spam_flags":
        owners = (
            f"select quote_id, min(request_id) as request_id from {bench.table('quotes')} group by quote_id"
        )
        joined = (
            f"select rows.*, {about}, {_PLAIN} from {table} as rows left join ({owners}) as owners using (quote_id) "
            "left join truth.requests as known on known.request_id = owners.request_id"
        )
    else:
        joined = (
            f"select rows.*, {about}, {_own_facts(name)} from {table} as rows "
            "left join truth.requests as known on known.request_id = rows.request_id"
        )
    return f"select *, {KEYS[name]} as key from ({joined})"


def _own_facts(name: str) -> str:
    """Whether the row came in time, whether it is a bad thing, and what the order within an arm is."""
    if name == "hires":
        wait = "epoch_us(rows.hired_at) - epoch_us(known.created_at)"
        is_timely = f"coalesce({wait} <= {_SEVEN_DAYS}000000, true) as is_timely"
        return f"{is_timely}, rows.outcome <> 'completed' as is_bad, 0 as strength"
    if name in ("quotes", "quote_events"):
        moment = "quoted_at" if name == "quotes" else "event_at"
        # The quickest quotes decide on the time to the first.
        wait = f"coalesce(epoch_us(rows.{moment}) - epoch_us(known.created_at), 0)"
        return f"true as is_timely, false as is_bad, {wait} as strength"
    return _PLAIN
