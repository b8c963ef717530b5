"""Injections that change values in place: nulls, invalid values, broken links, a mix that moves, aged figures."""

# ruff: noqa: S608  (table and column names come from our own vocabulary)

from __future__ import annotations

from benchmarks.truth.injectors.bench import Bench
from benchmarks.truth.injectors.choice import Stake, pick
from benchmarks.truth.injectors.vocabulary import Injection
from dagster_pipeline.demo.marketplace import CATEGORIES

_STAKES = {
    "quotes": Stake.GOOD,
    "hires": Stake.GOOD,
    "hires.outcome": Stake.REFUND,
    "support_tickets": Stake.BAD,
    "spam_flags": Stake.BAD,
    "assignments": Stake.LABEL,
    "quotes.variant": Stake.LABEL,
    "quotes.price": Stake.MORE,
}
_UNDECLARED = {
    "assignments.variant": "'beta'",
    "hires.outcome": "'n/a'",
    "quotes.price": "-abs(price) - 1",
}


def blank_values(bench: Bench, injection: Injection) -> int:
    """Makes values null; at "quotes.quoted_at" the log knows them, at "quotes.quoted_at/unlogged" it doesn't either."""
    address, _, how = injection.place.partition("/")
    name, _, column = address.partition(".")
    where = f"{column} is not null"
    if address == "quotes.quoted_at":
        events = f"select (request_id, pro_id) from {bench.table('quote_events')}"
        where += f" and (request_id, pro_id) in ({events})"
    got = pick(bench, injection, name, round(injection.rate * bench.size(name)), _stake(address), where)
    if how == "unlogged":
        pairs = f"select (request_id, pro_id) from {bench.table('quotes')} where {bench.picked('quotes')}"
        bench.delete("quote_events", f"(request_id, pro_id) in ({pairs})")
    bench.update(name, f"{column} = null")
    return got


def blank_quote_variants(bench: Bench, injection: Injection) -> int:
    """Makes the arm null that quotes carry."""
    count = round(injection.rate * bench.size("quotes"))
    got = pick(bench, injection, "quotes", count, Stake.LABEL, "variant is not null")
    bench.update("quotes", "variant = null")
    return got


def spoil_values(bench: Bench, injection: Injection) -> int:
    """Writes what no declaration names, a negative price, or at "…/miscased" the value in capitals with blanks around it."""
    address, _, how = injection.place.partition("/")
    name, _, column = address.partition(".")
    count = round(injection.rate * bench.size(name))
    got = pick(bench, injection, name, count, _stake(address), f"{column} is not null")
    spoilt = f"'  ' || upper({column}) || ' '" if how == "miscased" else _UNDECLARED[address]
    bench.update(name, f"{column} = {spoilt}")
    return got


def break_links(bench: Bench, injection: Injection) -> int:
    """Points rows at a parent that never existed."""
    name = injection.place
    column = "quote_id" if name == "spam_flags" else "request_id"
    parent = bench.table("quotes" if name == "spam_flags" else "requests")
    # The row's key is what names it, so a row without its own request is left to others.
    linked = f"{column} in (select {column} from {parent})"
    if name == "quotes":
        linked += f" and quote_id not in (select quote_id from {bench.table('spam_flags')})"
    got = pick(bench, injection, name, round(injection.rate * bench.size(name)), _stake(name), linked)
    bench.update(name, f"{column} = 'lost-' || {column}")
    return got


def move_requests(bench: Bench, injection: Injection) -> int:
    """Files requests of the cohort under one category: any of them, or but for "at_random" the treatment's."""
    members = "is_cohort" if injection.mechanism == "at_random" else "variant = 'treatment'"
    known = f"select request_id from truth.requests where {members}"
    count = round(injection.rate * bench.size("requests", f"request_id in ({known})"))
    target = CATEGORIES[-2].name
    elsewhere = f"request_id in ({known}) and category <> '{target}'"
    got = pick(bench, injection, "requests", count, Stake.LABEL, elsewhere)
    bench.update("requests", f"category = '{target}'")
    bench.note(("distribution_drift", "requests", "category"), got)
    return got


def age_dashboards(bench: Bench, injection: Injection) -> int:
    """Puts figures of the dashboards a tenth too high."""
    count = max(1, round(injection.rate * bench.size("dashboards")))
    got = pick(bench, injection, "dashboards", count, Stake.MORE)
    bench.update("dashboards", "value = value * 1.1")
    bench.note(("stale_dashboard", "dashboards", "value"), got)
    return got


def take_column(bench: Bench, injection: Injection) -> int:
    """Renames a column, or at "…/absent" drops it."""
    address, _, how = injection.place.partition("/")
    name, _, column = address.partition(".")
    change = f"drop column {column}" if how == "absent" else f"rename column {column} to {column}_v2"
    bench.run(f"alter table {bench.table(name)} {change}")
    bench.note(("schema_change", name, column), 1)
    return 1


def take_source(bench: Bench, injection: Injection) -> int:
    """Drops a source that the configuration goes on naming."""
    bench.run(f"drop table {bench.table(injection.place)}")
    bench.note(("not_evaluated", injection.place, None), 1)
    return 1


def _stake(address: str) -> Stake:
    return _STAKES.get(address) or _STAKES[address.partition(".")[0]]
