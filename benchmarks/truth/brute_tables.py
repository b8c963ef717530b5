"""The raw tables of one experiment, repaired row by row from the text of the definitions, with what stays open.

Copies go out and one row is kept per key, as DESIGN.md §5 and §7 say; every other reading of a contested key is kept
beside it. The SQL is this module's own. Of a mapping it knows relations and column names; row filters, formats, time
zones and declared sampling are not read here.
"""

# ruff: noqa: S608  (names come from our own vocabulary and the configuration)

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.brute_sources import CLOCKS, COLUMNS, RawSources
from dagster_pipeline.config.types import Experiment, PlumblineConfig

Columns = Mapping[str, NDArray]
TREATED, CONTROL, UNKNOWN = 1, 0, -1


@dataclass(frozen=True)
class Tables:
    """Row-level facts, one array per column.

    ``units`` are the cohort's requests and, after them, the lost ones, numbered from 0: arm, created (µs, nan if lost),
    assigned (µs, nan without), size of the randomization unit. ``quotes`` and ``hires`` hold every reading of every key,
    with the number of its request (nan: none that counts; ``is_placed`` False: nobody knows which). ``flags`` and
    ``tickets`` count by unit; ``stray_flags`` and ``stray_tickets`` are nobody's. ``stale_at`` is a late source's
    cutoff, ``share`` the treatment's by design.
    """

    units: Columns
    quotes: Columns
    hires: Columns
    flags: NDArray[np.float64]
    tickets: NDArray[np.float64]
    stray_flags: int
    stray_tickets: int
    as_of: float
    stale_at: Mapping[str, float]
    share: float


def read_tables(connection: duckdb.DuckDBPyConnection, config: PlumblineConfig) -> Tables:
    """The first experiment's rows; the connection's database is left as it was."""
    design = config.experiments[0]
    if len(design.treatments) != 1 or design.window is None:
        raise ValueError("one control, one treatment and a window are what is brought to a point here")
    as_of = _naive(config.as_of)
    with _workshop(connection) as bench:
        bench.execute(
            "create temp table clock as select ?::timestamp as as_of, ? as id, ? as treatment, ? as control, "
            "?::timestamp as opened, ?::timestamp as closed",
            [
                as_of,
                design.id,
                design.treatments[0],
                design.control,
                *map(_naive, (design.window.start, design.window.end)),
            ],
        )
        sources = RawSources(connection, config)
        for name in COLUMNS:
            _copy(bench, sources, name)
        _settle(bench, design)
        units = _fetch(bench, "select * from units order by n")
        size = len(units["n"])
        (stray_flags,) = bench.execute(_STRAY_FLAGS).fetchone()
        (stray_tickets,) = bench.execute(
            "select count(*) from kept_tickets where request_id is null"
        ).fetchone()
        return Tables(
            units,
            _fetch(bench, _QUOTES),
            _fetch(bench, _HIRES),
            _counts(bench, _FLAGS, size),
            _counts(bench, _TICKETS, size),
            stray_flags,
            stray_tickets,
            _micros(as_of),
            dict(_stale(bench, config, as_of)),
            design.split[design.treatments[0]],
        )


@contextmanager
def _workshop(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A second connection to the same database: temporary tables of its own."""
    with connection.cursor() as bench:
        (database,) = connection.execute("select current_database()").fetchone()
        bench.execute(f'use "{database}"')
        bench.execute("set TimeZone = 'UTC'")
        yield bench
        for (name,) in bench.execute("select table_name from duckdb_tables() where temporary").fetchall():
            bench.execute(f'drop table if exists temp.main."{name}"')


def _copy(bench: duckdb.DuckDBPyConnection, sources: RawSources, name: str) -> None:
    """The table's distinct rows, its variants trimmed and case-folded."""
    has_variant = "variant" in COLUMNS[name].split()
    folded = "replace (nullif(lower(trim(variant)), '') as variant)" if has_variant else ""
    bench.execute(f"create temp table the_{name} as select distinct * {folded} from {sources.rows(name)}")


def _settle(bench: duckdb.DuckDBPyConnection, design: Experiment) -> None:
    """Kept rows, lost requests and arms, as temporary tables."""
    unit = {"request": "request_id", "customer": "customer_id", "session": "session_id"}[design.unit]
    for statement in _KEPT:
        bench.execute(statement)
    bench.execute(_LOST.format(is_request="true" if design.unit == "request" else "false"))
    bench.execute(_UNITS.format(unit=unit))


_KEPT = (
    """
    create temp table kept_requests as select * from the_requests
    where request_id is not null and created_at is not null
    qualify row_number() over (partition by request_id order by created_at desc) = 1
    """,
    """
    create temp table kept_tickets as select t.* from the_support_tickets as t, clock
    where ticket_id is not null
    qualify row_number() over (partition by ticket_id order by opened_at desc nulls last) = 1
        and opened_at <= as_of
    """,
    """
    create temp table read_quotes as
    with shared as (select quote_id from the_quotes group by quote_id having count(*) > 1)
    select q.*, s.quote_id is not null as is_contested,
        row_number() over (partition by q.quote_id order by quoted_at desc nulls last, q) = 1 as is_first
    from the_quotes as q left join shared as s on s.quote_id = q.quote_id
    where q.quote_id is not null
    qualify is_contested or request_id is null or pro_id is null or quoted_at is null
        or row_number() over (
            partition by request_id, pro_id, quoted_at, s.quote_id is not null order by q.quote_id
        ) = 1
    """,
    """
    create temp table read_hires as
    select *, row_number() over (partition by hire_id order by hired_at desc nulls last, h) = 1 as is_first
    from the_hires as h where hire_id is not null
    """,
    """
    create temp table first_assigned as
    with known as (
        select entity_id, variant, coalesce(assigned_at, 'infinity') as since, assigned_at
        from the_assignments, clock
        where variant is not null and experiment_id = clock.id and coalesce(assigned_at, as_of) <= as_of
    )
    select entity_id, any_value(assigned_at) as assigned_at,
        case when count(distinct variant) = 1 then any_value(variant) else 'tie' end as variant
    from known where (entity_id, since) in (select (entity_id, min(since)) from known group by entity_id)
    group by entity_id
    """,
)

_LOST = """
    create temp table lost as
    with named as (
        select request_id from read_quotes, clock where coalesce(quoted_at, as_of) <= as_of
        union select request_id from read_hires, clock where coalesce(hired_at, as_of) <= as_of
        union select request_id from the_quote_events, clock where coalesce(event_at, as_of) <= as_of
        union select request_id from the_messages, clock where coalesce(sent_at, as_of) <= as_of
        union select request_id from kept_tickets
        union select entity_id from first_assigned where {is_request}
        union select request_id from the_requests
    )
    select request_id from named
    where request_id is not null and request_id not in (select request_id from kept_requests)
"""

_UNITS = """
    create temp table units as
    with cohort as (
        select request_id, created_at, {unit} as unit_id from kept_requests, clock
        where created_at >= opened and created_at < closed and created_at <= as_of
        union all
        select request_id, null, request_id from lost
    ),
    carried as (
        select request_id, case when count(distinct variant) = 1 then min(variant) end as variant from (
            select request_id, variant from read_quotes, clock where is_first and coalesce(quoted_at, as_of) <= as_of
            union all
            select request_id, variant from the_quote_events, clock where coalesce(event_at, as_of) <= as_of
        ) group by request_id
    )
    select
        row_number() over (order by created_at is null, request_id) - 1 as n,
        request_id, epoch_us(created_at)::double as created, epoch_us(assigned_at)::double as assigned,
        count(*) over (partition by unit_id) as unit_size,
        case
            when entity_id is null and created_at is null then -1
            when coalesce(a.variant, c.variant) = treatment then 1
            when coalesce(a.variant, c.variant) = control then 0
            else -1
        end as arm
    from cohort left join first_assigned as a on a.entity_id = cohort.unit_id left join carried as c using (request_id)
    cross join clock
    where created_at is not null or assigned_at is null or (assigned_at >= opened and assigned_at < closed)
"""

# A quote's time: the log's earliest for its request and pro where it is the first of that pro, else its own.
_QUOTES = """
    with logged as (
        select request_id, pro_id, min(event_at) as event_at from the_quote_events, clock
        where event_at <= as_of group by all
    ),
    turns as (
        select quote_id, request_id, pro_id,
            row_number() over (partition by request_id, pro_id order by quoted_at nulls last, quote_id) = 1 as is_firsts
        from read_quotes where is_first and request_id is not null and pro_id is not null
    ),
    flagged as (
        select quote_id, count(*) as flags from the_spam_flags, clock where flagged_at <= as_of group by quote_id
    )
    select dense_rank() over (order by q.quote_id) - 1 as key, u.n::double as n, q.request_id is not null as is_placed,
        epoch_us(case when coalesce(t.is_firsts, true) then l.event_at end)::double as logged,
        epoch_us(q.quoted_at)::double as dated, q.is_first, coalesce(f.flags, 0)::double as flags
    from read_quotes as q
    left join units as u using (request_id)
    left join turns as t on t.quote_id = q.quote_id and t.request_id = q.request_id and t.pro_id = q.pro_id
    left join logged as l on l.request_id = q.request_id and l.pro_id = q.pro_id
    left join flagged as f on f.quote_id = q.quote_id
"""

_HIRES = """
    select dense_rank() over (order by hire_id) - 1 as key, u.n::double as n, h.request_id is not null as is_placed,
        epoch_us(hired_at)::double as dated, is_first,
        case when lower(trim(outcome)) in ('refunded', 'disputed') then 1
            when lower(trim(outcome)) in ('completed', 'cancelled', 'pending') then 0 else -1 end as refund
    from read_hires as h left join units as u using (request_id)
"""

_FLAGS = """
    with owners as (
        select quote_id, max(request_id) filter (quote_id in (select quote_id from read_quotes where is_first)) as request_id
        from the_quotes group by quote_id
    )
    select u.n, count(*) as rows from the_spam_flags as f inner join owners as o using (quote_id)
    inner join units as u on u.request_id = o.request_id, clock
    where flagged_at <= as_of group by u.n
"""

_STRAY_FLAGS = """
    select count(*) from the_spam_flags, clock
    where flagged_at <= as_of and (quote_id is null or quote_id not in (select quote_id from the_quotes where quote_id is not null))
"""

_TICKETS = (
    "select u.n, count(*) as rows from kept_tickets inner join units as u using (request_id) group by u.n"
)


def _stale(
    bench: duckdb.DuckDBPyConnection, config: PlumblineConfig, as_of: datetime
) -> Iterator[tuple[str, float]]:
    """The newest time of each source that is older than its freshness allows."""
    for name, clock in CLOCKS.items():
        source = config.sources.get(name)
        if source is None or source.freshness is None or clock not in source.columns:
            continue
        (newest,) = bench.execute(
            f"select max({clock}) from the_{name}, clock where {clock} <= as_of"
        ).fetchone()
        if newest is None or as_of - newest > source.freshness:
            yield name, _micros(newest or datetime(1970, 1, 1))  # noqa: DTZ001


def _fetch(bench: duckdb.DuckDBPyConnection, sql: str) -> Columns:
    found = bench.execute(sql).fetchnumpy()
    return {
        name: np.ma.filled(values.astype(float), np.nan)
        if np.ma.isMaskedArray(values) and name != "request_id"
        else values
        for name, values in found.items()
    }


def _counts(bench: duckdb.DuckDBPyConnection, sql: str, size: int) -> NDArray[np.float64]:
    found = bench.execute(sql).fetchnumpy()
    return np.bincount(found["n"].astype(int), weights=found["rows"], minlength=size).astype(float)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _micros(moment: datetime) -> float:
    return (moment - datetime(1970, 1, 1)) / timedelta(microseconds=1)  # noqa: DTZ001
