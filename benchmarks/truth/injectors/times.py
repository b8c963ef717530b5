"""Injections in the times of rows: quotes before their request, sources that disagree, assignments after the fact."""

# ruff: noqa: S608  (table and column names come from our own vocabulary)

from __future__ import annotations

from benchmarks.truth.injectors.bench import Bench, purpose_of, timestamp
from benchmarks.truth.injectors.choice import Stake, pick
from benchmarks.truth.injectors.vocabulary import Injection


def quote_too_early(bench: Bench, injection: Injection) -> int:
    """Dates quotes, and their events, one to ninety minutes before the request."""
    got = _pick_pairs(bench, injection, injection.rate * bench.size("quotes"), "true")
    early = f"created_at - to_seconds({_whole(bench, injection, 60, 5_340)})"
    for name, column in (("quotes", "quoted_at"), ("quote_events", "event_at")):
        bench.run(
            f"update {bench.table(name)} as late set {column} = {early} from truth.pairs "
            "where late.request_id = pairs.request_id and late.pro_id = pairs.pro_id"
        )
    return got


def shift_events(bench: Bench, injection: Injection) -> int:
    """Dates events after the transactional row of the same quote: by 2 to 600 seconds, or a whole hour at "quote_events"."""
    by_hour = injection.kind == "timestamp_disorder"
    apart = "3600" if by_hour else _whole(bench, injection, 2, 599)
    room = f"quoted_at + interval 1 hour <= {timestamp(bench.world.as_of)}"
    table = "quote_events" if by_hour else "quotes"
    got = _pick_pairs(bench, injection, injection.rate * bench.size(table), room)
    bench.run(
        f"update {bench.table('quote_events')} as late set event_at = event_at + to_seconds({apart}) from truth.pairs "
        "where late.request_id = pairs.request_id and late.pro_id = pairs.pro_id"
    )
    return got


def assign_late(bench: Bench, injection: Injection) -> int:
    """Dates assignments 1 to 3,600 seconds after the first quote to one of their unit's requests."""
    logged = f"select request_id, pro_id, min(event_at) as event_at from {bench.table('quote_events')} group by all"
    bench.run(
        "create or replace table truth.first_quoted as "
        f"with sent as (select request_id, coalesce(event_at, quoted_at) as moment from {bench.table('quotes')} "
        f"left join ({logged}) using (request_id, pro_id)) "
        f"select known.{bench.unit} as entity_id, min(moment) as quoted_at from truth.requests as known "
        "inner join sent on sent.request_id = known.request_id "
        "where known.is_cohort and moment >= known.created_at group by 1"
    )
    room = (
        "entity_id in (select entity_id from truth.first_quoted "
        f"where quoted_at + interval 1 hour <= {timestamp(bench.world.as_of)})"
    )
    count = round(injection.rate * bench.size("assignments"))
    got = pick(bench, injection, "assignments", count, Stake.LABEL, room)
    after = _whole(bench, injection, 1, 3_600, "late.entity_id")
    bench.run(
        f"update {bench.table('assignments')} as late set assigned_at = quoted_at + to_seconds({after}) "
        f"from truth.first_quoted as first where late.entity_id = first.entity_id and late.entity_id in (select key from truth.picked)"
    )
    return got


def _pick_pairs(bench: Bench, injection: Injection, count: float, room: str) -> int:
    """Picks quotes that the log knows too: table ``truth.pairs``, with their request's time."""
    once = (
        f"select (request_id, pro_id) from {bench.table('quote_events')} as events "
        "where (request_id || ' ' || pro_id) not in (select key from truth.touched where source = 'quote_events')"
    )
    where = f"quoted_at is not null and (request_id, pro_id) in ({once}) and {room}"
    got = pick(bench, injection, "quotes", round(count), Stake.GOOD, where)
    bench.run(
        "create or replace table truth.pairs as select quotes.request_id, quotes.pro_id, known.created_at "
        f"from {bench.table('quotes')} as quotes inner join truth.requests as known on known.request_id = quotes.request_id "
        "where quotes.quote_id in (select key from truth.picked)"
    )
    bench.run("insert into truth.touched select 'quote_events', request_id || ' ' || pro_id from truth.pairs")
    return got


def _whole(
    bench: Bench, injection: Injection, least: int, many: int, key: str = "pairs.request_id || pairs.pro_id"
) -> str:
    """A whole number from ``least`` on, of ``many``, that the key decides."""
    return f"({least} + floor({bench.lot(key, purpose_of(injection) + ' seconds')} * {many})::bigint)"
