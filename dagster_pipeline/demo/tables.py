"""Turns a drawn marketplace into raw tables inside DuckDB, and writes tables to parquet files.

Every table carries three columns of our own until it is written: ``row_id`` (unique), ``position`` (where the
row stands in the file) and ``fault`` (which planted fault the row belongs to, null = none).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np

from dagster_pipeline.demo.marketplace import CATEGORIES, GEOS, OUTCOMES, FloatArray, IntArray, Marketplace
from dagster_pipeline.demo.spec import TABLES, WorldSpec

Arrays = dict[str, IntArray | FloatArray]

BOOKKEEPING = ("row_id", "position", "fault")

_ENTITY = {
    "request": "'r' || lpad(unit::varchar, 8, '0')",
    "customer": "'c' || lpad(unit::varchar, 8, '0')",
    "session": "'s' || lpad(unit::varchar, 8, '0')",
}

# Every query numbers its rows in the order of the file: ``row``.
_TABLE_SQL = {
    "requests": """
        select
            row, 'r' || lpad(row::varchar, 8, '0') as request_id,
            make_timestamp(moment) as created_at,
            'c' || lpad(customer::varchar, 8, '0') as customer_id,
            's' || lpad(session::varchar, 8, '0') as session_id,
            $categories[category + 1] as category,
            $geos[geo + 1] as geo
        from drawn_requests""",
    "quotes": """
        select
            row, 'q' || lpad(row::varchar, 9, '0') as quote_id,
            'r' || lpad(request::varchar, 8, '0') as request_id,
            'p' || lpad(pro::varchar, 6, '0') as pro_id,
            make_timestamp(moment) as quoted_at,
            price,
            $arms[arm + 1] as variant
        from drawn_quotes""",
    "hires": """
        select
            row, 'h' || lpad(row::varchar, 8, '0') as hire_id,
            'r' || lpad(request::varchar, 8, '0') as request_id,
            'p' || lpad(pro::varchar, 6, '0') as pro_id,
            make_timestamp(moment) as hired_at,
            amount,
            $outcomes[outcome + 1] as outcome
        from drawn_hires""",
    "assignments": """
        select row, {entity} as entity_id, $experiment as experiment_id, $arms[arm + 1] as variant,
            make_timestamp(moment) as assigned_at
        from drawn_assignments""",
    "quote_events": "select row_id as row, request_id, pro_id, quoted_at as event_at, variant from quotes",
    "messages": """
        select
            row, 'r' || lpad(request::varchar, 8, '0') as request_id,
            'p' || lpad(pro::varchar, 6, '0') as pro_id,
            make_timestamp(moment) as sent_at
        from drawn_messages""",
    "support_tickets": """
        select
            row, 't' || lpad(row::varchar, 8, '0') as ticket_id,
            'r' || lpad(request::varchar, 8, '0') as request_id,
            make_timestamp(moment) as opened_at
        from drawn_tickets""",
    "spam_flags": """
        select row, 'q' || lpad(quote::varchar, 9, '0') as quote_id, make_timestamp(moment) as flagged_at
        from drawn_flags""",
    "dashboards": """
        with cohort as (
            select r.request_id, r.created_at, a.arm
            from drawn_requests as d
            inner join requests as r on r.row_id = d.row
            inner join (select unnest(range(len($arms))) as arm) as a on a.arm = d.arm
        ),
        quoted as (
            select request_id, min(quoted_at) as first_at, count(*) as quotes from quotes group by request_id
        ),
        hired as (select request_id, min(hired_at) as first_at from hires group by request_id),
        measured as (
            select
                arm,
                epoch_us(q.first_at) - epoch_us(created_at) as wait,
                coalesce(q.quotes, 0) as quotes,
                coalesce(h.first_at <= created_at + interval 7 day, false)::integer as hired,
                row_number() over (partition by arm order by wait nulls last) as place,
                count(*) over (partition by arm) as size
            from cohort left join quoted as q using (request_id) left join hired as h using (request_id)
        )
        select row_number() over (order by metric, arm) - 1 as row,
            metric, $arms[arm + 1] as variant, value, $as_of::timestamp as as_of
        from (
            select arm, 'ttfq_median' as metric, max(wait) / 1e6 as value
            from measured where place = (size + 1) // 2 group by arm
            union all
            select arm, 'hire_rate_7d', avg(hired) from measured group by arm
            union all
            select arm, 'quotes_per_request', avg(quotes) from measured group by arm
        )""",
}


def quoted(identifier: str) -> str:
    """The identifier as DuckDB reads it, whatever characters it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def load_tables(con: duckdb.DuckDBPyConnection, spec: WorldSpec, market: Marketplace) -> None:
    """Creates one table per source in the connection, with the bookkeeping columns."""
    values: dict[str, object] = {
        "arms": list(spec.arms),
        "experiment": spec.experiment,
        "categories": [c.name for c in CATEGORIES],
        "geos": list(GEOS),
        "outcomes": list(OUTCOMES),
        "as_of": spec.as_of.replace(tzinfo=None),
    }
    drawn = _drawn(market)
    for name, columns in drawn.items():
        con.register(name, columns)
    for table in TABLES:
        body = _TABLE_SQL[table].format(entity=_ENTITY[spec.unit])
        named = {key: value for key, value in values.items() if f"${key}" in body}
        con.execute(
            f"create table {table} as select * exclude (row), row as row_id, row::double as position, "  # noqa: S608
            f"null::varchar as fault from ({body})",
            named,
        )
    for name in drawn:
        con.unregister(name)


def _drawn(market: Marketplace) -> dict[str, Arrays]:
    """The drawn arrays by view, in the order of time, with parents looked up."""
    demand, quotes, hires, messages = market.demand, market.quotes, market.hires, market.messages
    # Outside the window the old workflow runs: its quotes carry the control's name.
    arm = np.maximum(demand.arm, 0)[quotes.request]
    order = np.argsort(quotes.quoted, kind="stable")
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    return {
        "drawn_requests": _by_time(demand.created, customer=demand.customer, session=demand.session,
                                   category=demand.category, geo=demand.geo, arm=demand.arm),
        "drawn_assignments": _by_time(market.assignments.assigned, unit=market.assignments.unit,
                                      arm=market.assignments.arm),
        "drawn_quotes": _by_time(quotes.quoted, request=quotes.request, pro=quotes.pro, price=quotes.price,
                                 arm=arm),
        "drawn_hires": _by_time(hires.hired, request=quotes.request[hires.quote], pro=quotes.pro[hires.quote],
                                amount=hires.amount, outcome=hires.outcome),
        "drawn_messages": _by_time(messages.moment, request=quotes.request[messages.parent],
                                   pro=quotes.pro[messages.parent]),
        "drawn_tickets": _by_time(market.tickets.moment, request=market.tickets.parent),
        "drawn_flags": _by_time(market.flags.moment, quote=number[market.flags.parent]),
    }  # fmt: skip


def _by_time(moment: IntArray, **columns: IntArray | FloatArray) -> Arrays:
    """The columns sorted by time, with the row's number; rows of one time keep their order."""
    order = np.argsort(moment, kind="stable")
    ordered: Arrays = {name: values[order] for name, values in columns.items()}
    return {"row": np.arange(len(order)), "moment": moment[order], **ordered}


def write_tables(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    select: Mapping[str, str],
) -> dict[str, Path]:
    """Writes every table to ``folder/<table>.parquet``; ``select`` replaces a table's column list."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for table in TABLES:
        columns = select.get(table, f"* exclude ({', '.join(BOOKKEEPING)})")
        files[table] = folder / f"{table}.parquet"
        target = str(files[table]).replace("'", "''")
        con.execute(
            f"copy (select {columns} from {table} order by position, row_id) to '{target}' (format parquet)"  # noqa: S608
        )
    return files
