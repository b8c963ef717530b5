"""Injections that take rows away: sources that end early, lost units, lost parents, lost days, events never logged."""

# ruff: noqa: S608  (table and column names come from our own vocabulary)

from __future__ import annotations

from datetime import timedelta

from benchmarks.truth.injectors.bench import CHILDREN, Bench, purpose_of, time_of, timestamp
from benchmarks.truth.injectors.choice import Stake, pick
from benchmarks.truth.injectors.vocabulary import Injection

FRESHNESS = {"quotes": timedelta(hours=24), "hires": timedelta(hours=36)}
"""What the demo's configuration allows each source to lie behind the clock."""
_CONDITION_OF_TREATMENT = "variant = 'treatment'"


def end_early(bench: Bench, injection: Injection) -> int:
    """Drops a source's newest rows: it ends the rate's share of the window earlier than its freshness allows."""
    name = injection.place
    lag = FRESHNESS[name] + injection.rate * timedelta(days=bench.world.days)
    gone = bench.delete(name, f"{time_of(name)} > {timestamp(bench.world.as_of - lag)}")
    drop_flags_of_lost_quotes(bench)
    bench.note(("stale_source", name, None), gone)
    return gone


def lose_units(bench: Bench, injection: Injection) -> int:
    """Loses units of the treatment with all their rows."""
    count = round(injection.rate * bench.size("assignments", _CONDITION_OF_TREATMENT))
    got = pick(bench, injection, "assignments", count, Stake.LABEL, "arm = 'treatment'")
    _gone_requests(bench, f"is_cohort and {bench.unit} in (select key from truth.picked)")
    bench.delete("requests", "request_id in (select request_id from truth.gone)")
    for child in CHILDREN:
        bench.delete(child, "request_id in (select request_id from truth.gone)")
    drop_flags_of_lost_quotes(bench)
    bench.delete("assignments", bench.picked("assignments"))
    bench.note(("sample_ratio_mismatch", "assignments", "variant"), got)
    return got


def lose_requests(bench: Bench, injection: Injection) -> int:
    """Loses rows of requests; what hangs on them stays, their assignments only at "requests/assigned".

    Without an assignment of their own only those that were quoted: what nothing at all points at leaves no trace.
    """
    count = round(injection.rate * bench.size("requests"))
    traced = f"request_id in (select request_id from {bench.table('quotes')})"
    is_assigned = injection.place == "requests/assigned" and bench.world.unit == "request"
    where = "true" if is_assigned else traced
    got = pick(bench, injection, "requests", count, Stake.LABEL, where)
    _gone_requests(bench, "request_id in (select key from truth.picked)")
    bench.delete("requests", bench.picked("requests"))
    if injection.place == "requests/unassigned":
        bench.delete(
            "assignments",
            f"entity_id in (select {bench.unit} from truth.requests inner join truth.gone using (request_id)) and "
            f"entity_id not in (select {bench.unit} from {bench.table('requests')} where {bench.unit} is not null)",
        )
    return got


def lose_days(bench: Bench, injection: Injection) -> int:
    """Loses all rows of some inner days of the window, or the treatment's; what hangs on them stays behind."""
    name = injection.place
    days = max(1, round(injection.rate * bench.world.days))
    inner = max(1, bench.world.days - days - 4)
    first = bench.number(f"select md5_number_lower('{purpose_of(injection)} {bench.seed}') % {inner}") + 2
    start = bench.world.start + timedelta(days=first)
    gone = f"{time_of(name)} >= {timestamp(start)} and {time_of(name)} < {timestamp(start + timedelta(days=days))}"
    if injection.mechanism == "one_arm":
        gone += " and request_id in (select request_id from truth.requests where variant = 'treatment')"
    lost = bench.delete(name, gone)
    bench.note(("missing_partition", name, None), lost)
    return lost


def lose_assignments(bench: Bench, injection: Injection) -> int:
    """Loses units' assignments; at "requests" no quote or event carries their arm either."""
    recoverable = injection.place == "requests/recoverable"
    count = round(injection.rate * bench.size("assignments"))
    members = f"select {bench.unit} from {bench.table('requests')} where {_in_cohort(bench)}"
    where = f"entity_id in ({members})"
    if recoverable:
        carrying = f"select request_id from {bench.table('quotes')} where variant is not null and quoted_at is not null"
        where += f" and entity_id not in ({members} and request_id not in ({carrying}))"
    got = pick(bench, injection, "assignments", count, Stake.LABEL, where)
    bench.delete("assignments", bench.picked("assignments"))
    if not recoverable:
        _gone_requests(bench, f"is_cohort and {bench.unit} in (select key from truth.picked)")
        for name in ("quotes", "quote_events"):
            bench.run(
                f"update {bench.table(name)} set variant = null where request_id in (select request_id from truth.gone)"
            )
        bench.run(
            "insert into truth.touched select 'quotes', quote_id "
            f"from {bench.table('quotes')} inner join truth.gone using (request_id)"
        )
    return got


def sample_events(bench: Bench, injection: Injection) -> int:
    """Drops events of the cohort's requests; at "quote_events/declared" the configuration says at what rate."""
    one_arm = injection.mechanism != "at_random"
    arms = ["treatment"] if one_arm else list(bench.world.arms)
    if injection.place == "quote_events/declared" and injection.rate:
        bench.sampling.update(dict.fromkeys(arms, round(1.0 - injection.rate, 9)))
    members = f"arm in ({', '.join(repr(arm) for arm in arms)})"
    of_arms = f"select request_id from truth.requests where {members.replace('arm', 'variant')}"
    count = round(injection.rate * bench.size("quote_events", f"request_id in ({of_arms})"))
    got = pick(bench, injection, "quote_events", count, Stake.GOOD, members)
    bench.delete("quote_events", bench.picked("quote_events"))
    bench.note(("sampled_logging", "quote_events", None), got)
    return got


def drop_flags_of_lost_quotes(bench: Bench) -> None:
    """Takes the flags of quotes that are gone with them."""
    bench.delete("spam_flags", f"quote_id not in (select quote_id from {bench.table('quotes')})")


def _in_cohort(bench: Bench) -> str:
    start, end = timestamp(bench.world.start), timestamp(bench.world.end)
    return f"created_at >= {start} and created_at < {end}"


def _gone_requests(bench: Bench, where: str) -> None:
    bench.run(f"create or replace table truth.gone as select request_id from truth.requests where {where}")
