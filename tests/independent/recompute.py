"""Every metric of DESIGN.md §5 once more, from the raw files, with SQL of its own.

Written from the text of the definitions alone and sharing no line with the dbt models, so that a mistake
would have to be made twice to go unseen. Full copies and re-sent quotes go out, one row is kept per key.
Where the text leaves room: a quote or hire without any usable time is not "dated ≤ as_of" and does not count;
a quote dated before its request is no quote "≤ 24 h" of it; a variant outside the split is unknown; an
assignment without a time still assigns, but comes last.

By hand: ``python -m tests.independent.recompute path/to/plumbline.yml``
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import yaml

COLUMNS = {
    "requests": "request_id:t created_at:ts customer_id:t session_id:t",
    "quotes": "quote_id:t request_id:t pro_id:t quoted_at:ts price:n variant:t",
    "hires": "hire_id:t request_id:t pro_id:t hired_at:ts amount:n outcome:t",
    "assignments": "entity_id:t experiment_id:t variant:t assigned_at:ts",
    "quote_events": "request_id:t pro_id:t event_at:ts variant:t",
    "support_tickets": "ticket_id:t request_id:t opened_at:ts",
    "spam_flags": "quote_id:t flagged_at:ts",
}
TYPES = {"t": "varchar", "ts": "timestamp", "n": "double"}
KEYS = {"requests": "request_id", "quotes": "quote_id", "hires": "hire_id", "support_tickets": "ticket_id"}
CLOCKS = {
    "requests": "created_at",
    "quotes": "quoted_at",
    "hires": "hired_at",
    "support_tickets": "opened_at",
    "spam_flags": "flagged_at",
}
UNIT = {"request": "request_id", "customer": "customer_id", "session": "session_id"}
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000


@dataclass(frozen=True)
class Rule:
    """One metric: sum of ``y`` over sum of ``d``, or the ``quantile`` of ``y`` in microseconds.

    ``table`` has one row per request, or per pro and arm; the horizon runs from the time in ``since``.
    """

    name: str
    y: str
    needs: tuple[str, ...]
    effect: str = "absolute"
    d: str = "1"
    scale: float = 1.0
    horizon: int = 0
    quantile: str | None = None
    table: str = "facts"
    since: str = "created_at"


RULES = (
    Rule("ttfq_median", "wait", ("quotes",), effect="relative", quantile="0.5"),
    Rule("ttfq_p90", "wait", ("quotes",), effect="relative", quantile="0.9"),
    Rule("quoted_within_30m", f"wait <= {30 * MINUTE}", ("quotes",), horizon=30 * MINUTE),
    Rule("three_quotes_within_24h", "quotes_24h >= 3", ("quotes",), horizon=24 * HOUR),
    Rule("quoted", "quotes >= 1", ("quotes",)),
    Rule("hire_rate_7d", f"hire_wait <= {7 * DAY}", ("hires",), horizon=7 * DAY),
    Rule("hire_rate_3d", f"hire_wait <= {3 * DAY}", ("hires",), horizon=3 * DAY),
    Rule("quotes_per_request", "quotes", ("quotes",)),
    Rule("gmv_per_request", "amount", ("hires", "hires.amount")),
    Rule("refund_rate", "bad_hires", ("hires", "hires.outcome"), d="hires"),
    Rule("rehire_rate_30d", "rehired", ("requests", "requests.customer_id", "hires", "hires.hired_at"), d="hired_first", horizon=37 * DAY),
    Rule("support_tickets_per_100_requests", "tickets", ("support_tickets",), effect="relative", scale=100),
    Rule("spam_flags_per_1000_quotes", "flags", ("quotes", "spam_flags"), "relative", d="quotes", scale=1000),
    Rule("pro_return_rate_7d", f"pause <= {7 * DAY}", ("quotes", "quotes.pro_id", "quotes.quoted_at"),
         horizon=7 * DAY, table="pros", since="began_at"),
)  # fmt: skip

Key = tuple[str, str]


def recompute(folder: Path, config: Mapping[str, Any], experiment: str | None = None) -> dict[str, Any]:
    """Levels and effects of one experiment (default: the first) from the files under ``folder``.

    ``config`` is plumbline.yml as plain values. Gives ``levels`` {(metric, variant): (n, value)},
    ``effects`` {(metric, treatment): value}, both raw, None for infinite or undefined, and ``requests``
    {variant or "unknown": cohort requests}.
    """
    design = next(e for e in config["experiments"] if experiment in (None, e["id"]))
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        con.execute("set file_search_path = '" + str(folder).replace("'", "''") + "'")
        as_of = _moment(config["as_of"])
        con.execute("create table clock as select ?::timestamp as as_of", [as_of])
        for name, columns in COLUMNS.items():
            _read(con, name, columns, config["sources"].get(name))
        _label(con, design)
        _follow(con)
        cutoffs = {name: _cutoff(con, name, config["sources"].get(name), as_of) for name in CLOCKS}
        arms = list(design["split"])
        rules = [rule for rule in RULES if _available(rule, config["sources"])]
        levels = {(r.name, arm): _level(con, r, arm.strip().lower(), cutoffs) for r in rules for arm in arms}
        counts = con.execute("select variant, count(*) from facts group by variant").fetchall()
    return {"levels": levels, "effects": _effects(rules, levels, design), "requests": dict(counts)}


def _moment(value: datetime | date | str) -> datetime:
    """Naive UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _duration(text: str) -> timedelta:
    number, letter = re.fullmatch(r"(\d+)([smhd])", text).groups()
    return timedelta(**{{"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[letter]: int(number)})


def _read(con: duckdb.DuckDBPyConnection, name: str, columns: str, source: Mapping[str, Any] | None) -> None:
    """Table ``name``: typed columns, distinct rows, none without its key, one for each key."""
    typed = [column.split(":") for column in columns.split()]
    if source is None:
        con.execute(f"create table {name} (" + ", ".join(f"{c} {TYPES[t]}" for c, t in typed) + ")")
        return
    mapping = source["columns"]
    relation = f"({source['query']})" if "query" in source else "'" + source["from"].replace("'", "''") + "'"
    zone = source.get("timezone", "UTC")
    fields = ", ".join(_field(c, TYPES[t], mapping.get(c), zone) for c, t in typed)
    where = source.get("where", "true")
    con.execute(f"create table {name} as select distinct {fields} from {relation} as raw where {where}")
    key = KEYS.get(name)
    if key in mapping:
        clock = CLOCKS[name]
        con.execute(
            f"create or replace table {name} as select * from {name} where {key} is not null "
            f"qualify row_number() over (partition by {key} order by {clock} nulls last, {name}) = 1"
        )


def _field(column: str, sql_type: str, physical: str | None, zone: str) -> str:
    if physical is None:
        return f"null::{sql_type} as {column}"
    value = f'try_cast("{physical}" as {sql_type})'
    if sql_type == "timestamp" and zone != "UTC":
        value = f"timezone('UTC', timezone('{zone}', {value}))"
    if column == "variant":
        value = f"nullif(lower(trim({value})), '')"
    return f"{value} as {column}"


def _label(con: duckdb.DuckDBPyConnection, design: Mapping[str, Any]) -> None:
    """Table ``cohort``: one row per request of the window with its variant, "unknown" where none is known."""
    arms = [arm.strip().lower() for arm in design["split"]]
    unit = UNIT[design.get("unit", "request")]
    con.execute(
        f"""
        create table cohort as
        with assigned as (
            select entity_id, variant, assigned_at from assignments, clock
            where experiment_id = $id and variant is not null and coalesce(assigned_at, as_of) <= as_of
        ),
        first_assigned as (
            select
                entity_id,
                case when count(distinct variant) = 1 then min(variant) else 'unknown' end as variant
            from assigned
            where (entity_id, coalesce(assigned_at, 'infinity')) in (
                select (entity_id, min(coalesce(assigned_at, 'infinity'))) from assigned group by entity_id
            )
            group by entity_id
        ),
        carried as (
            select request_id, case when count(distinct variant) = 1 then min(variant) end as variant
            from (
                select request_id, variant from quotes, clock where coalesce(quoted_at, as_of) <= as_of
                union all
                select request_id, variant from quote_events, clock where coalesce(event_at, as_of) <= as_of
            )
            group by request_id
        ),
        labelled as (
            select r.request_id, r.created_at, coalesce(a.variant, c.variant, 'unknown') as label
            from requests as r cross join clock
            left join first_assigned as a on a.entity_id = r.{unit}
            left join carried as c on c.request_id = r.request_id
            where r.created_at >= $start and r.created_at < $end and r.created_at <= as_of
        )
        select
            request_id,
            created_at,
            case when list_contains($arms, label) then label else 'unknown' end as variant
        from labelled
        """,
        {"id": design["id"], "arms": arms, "start": _moment(design["window"]["start"]),
         "end": _moment(design["window"]["end"])},
    )  # fmt: skip


def _follow(con: duckdb.DuckDBPyConnection) -> None:
    """Tables ``facts`` and ``pros``: the cohort, and its pros by arm, with what the metrics need; in microseconds."""
    con.execute(_QUOTE_TIMES)
    con.execute(_FACTS)
    con.execute(_REHIRES)
    con.execute(_PROS)


_QUOTE_TIMES = """
    create table timed_quotes as
    with logged as (
        select request_id, pro_id, min(event_at) as event_at from quote_events, clock
        where event_at <= as_of group by request_id, pro_id
    ),
    sent_once as (
        select * from quotes where request_id is not null
        qualify quoted_at is null or pro_id is null
            or row_number() over (partition by request_id, pro_id, quoted_at order by quote_id) = 1
    ),
    ranked as (
        select *, row_number() over (
            partition by request_id, pro_id order by quoted_at nulls last, quote_id
        ) as turn
        from sent_once
    )
    select
        q.request_id,
        q.pro_id,
        case when turn = 1 then coalesce(l.event_at, q.quoted_at) else q.quoted_at end as quoted_at
    from ranked as q left join logged as l using (request_id, pro_id)
"""

_FACTS = f"""
    create table facts as
    with quoted as (
        select c.request_id,
            count(*) as quotes,
            min(epoch_us(q.quoted_at) - epoch_us(c.created_at)) filter (q.quoted_at >= c.created_at) as wait,
            count(*) filter (
                epoch_us(q.quoted_at) - epoch_us(c.created_at) between 0 and {24 * HOUR}
            ) as quotes_24h
        from cohort as c inner join timed_quotes as q using (request_id), clock
        where q.quoted_at <= as_of
        group by c.request_id
    ),
    hired as (
        select c.request_id,
            count(*) as hires,
            min(epoch_us(h.hired_at) - epoch_us(c.created_at)) as hire_wait,
            sum(h.amount) as amount,
            count(*) filter (lower(trim(h.outcome)) in ('refunded', 'disputed')) as bad_hires
        from cohort as c inner join hires as h using (request_id), clock
        where h.hired_at <= as_of
        group by c.request_id
    ),
    ticketed as (
        select request_id, count(*) as tickets
        from support_tickets, clock
        where opened_at <= as_of
        group by request_id
    ),
    owners as (select quote_id, min(request_id) as request_id from quotes group by quote_id),
    flagged as (
        select o.request_id, count(*) as flags
        from spam_flags as f inner join owners as o using (quote_id), clock
        where f.flagged_at <= as_of
        group by o.request_id
    )
    select c.*, wait, hire_wait,
        coalesce(quotes, 0) as quotes, coalesce(quotes_24h, 0) as quotes_24h,
        coalesce(hires, 0) as hires, coalesce(amount, 0) as amount, coalesce(bad_hires, 0) as bad_hires,
        coalesce(tickets, 0) as tickets, coalesce(flags, 0) as flags
    from cohort as c
    left join quoted using (request_id) left join hired using (request_id)
    left join ticketed using (request_id) left join flagged using (request_id)
"""

_REHIRES = f"""
    create or replace table facts as
    with known as (
        select h.request_id, r.customer_id, h.hired_at from hires as h inner join requests as r using (request_id), clock
        where r.customer_id is not null and h.hired_at <= as_of
    ),
    begun as (select request_id, customer_id, min(hired_at) as hired_at from known group by all)
    select f.*,
        (b.request_id is not null and f.hire_wait <= {7 * DAY})::int as hired_first,
        (f.hire_wait <= {7 * DAY} and exists (
            select 1 from known as k
            where k.customer_id = b.customer_id and k.request_id <> b.request_id
                and epoch_us(k.hired_at) - epoch_us(b.hired_at) between 1 and {30 * DAY}
        ))::int as rehired
    from facts as f left join begun as b using (request_id)
"""

_PROS = """
    create table pros as
    with sent as (
        select request_id, pro_id, quoted_at from timed_quotes, clock where pro_id is not null and quoted_at <= as_of
    ),
    begun as (
        select c.variant, s.pro_id, min(s.quoted_at) as began_at
        from sent as s inner join cohort as c using (request_id)
        group by c.variant, s.pro_id
    )
    select b.variant, b.pro_id, b.began_at, (
        select min(epoch_us(s.quoted_at)) from sent as s where s.pro_id = b.pro_id and s.quoted_at > b.began_at
    ) - epoch_us(b.began_at) as pause
    from begun as b
"""


def _cutoff(
    con: duckdb.DuckDBPyConnection, name: str, source: Mapping[str, Any] | None, as_of: datetime
) -> datetime:
    """As_of, or the source's newest timestamp where it lies further back than its freshness allows."""
    if source is None or not source.get("freshness"):
        return as_of
    (newest,) = con.execute(
        f"select max({CLOCKS[name]}) from {name}, clock where {CLOCKS[name]} <= as_of"
    ).fetchone()
    if newest is None:
        return datetime(1970, 1, 1)  # noqa: DTZ001
    return newest if as_of - newest > _duration(source["freshness"]) else as_of


def _available(rule: Rule, sources: Mapping[str, Any]) -> bool:
    """Whether every source and column the metric needs is mapped."""
    tables = [need.partition(".") for need in rule.needs]
    return all(t in sources and (not column or column in sources[t]["columns"]) for t, _, column in tables)


def _level(
    con: duckdb.DuckDBPyConnection, rule: Rule, arm: str, cutoffs: Mapping[str, datetime]
) -> tuple[int, float | None]:
    """Mature requests (or pros) of the arm, and the metric over them."""
    cutoff = min(cutoffs[need] for need in rule.needs if need in cutoffs) - timedelta(
        microseconds=rule.horizon
    )
    chosen = f"from {rule.table} where variant = $arm and {rule.since} <= $cutoff"
    values = {"arm": arm, "cutoff": cutoff}
    if rule.quantile is None:
        n, y, d = con.execute(
            f"select count(*), sum(coalesce(({rule.y})::double, 0)), sum({rule.d}) {chosen}", values
        ).fetchone()
        return n, rule.scale * y / d if d else None
    (n,) = con.execute(f"select count(*) {chosen}", values).fetchone()
    place = math.ceil(Fraction(rule.quantile) * n)
    row = con.execute(
        f"select {rule.y} {chosen} order by {rule.y} nulls last limit 1 offset {max(place, 1) - 1}", values
    )
    found = row.fetchone()
    return n, found[0] / 1e6 if found and found[0] is not None else None


def _effects(
    rules: list[Rule], levels: Mapping[Key, tuple[int, float | None]], design: Mapping[str, Any]
) -> dict[Key, float | None]:
    effects: dict[Key, float | None] = {}
    for rule in rules:
        control = levels[rule.name, design["control"]][1]
        for arm in design["split"]:
            if arm != design["control"]:
                effects[rule.name, arm] = _effect(rule.effect, levels[rule.name, arm][1], control)
    return effects


def _effect(kind: str, treated: float | None, control: float | None) -> float | None:
    if treated is None or control is None or (kind == "relative" and control == 0):
        return None
    return treated / control - 1 if kind == "relative" else treated - control


def main(path: str) -> None:
    """Prints levels and effects of the configuration's first experiment."""
    file = Path(path).resolve()
    result = recompute(file.parent, yaml.safe_load(file.read_text(encoding="utf-8")))
    print("cohort requests:", result["requests"])
    for (metric, variant), (n, value) in result["levels"].items():
        print(f"{metric:36}{variant:14}{n:>9}  {value}")
    for (metric, variant), value in result["effects"].items():
        print(f"{metric:36}{variant:14}   effect  {value}")


if __name__ == "__main__":
    main(sys.argv[1])
