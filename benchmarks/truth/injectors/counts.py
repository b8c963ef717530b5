"""Counts the defects of the final raw tables once more, by SQL of its own from the text of DESIGN.md §7."""

# ruff: noqa: S608  (table and column names come from our own vocabulary)

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from benchmarks.truth.injectors.bench import CHILDREN, Bench, timestamp
from benchmarks.truth.injectors.vocabulary import Where
from dagster_pipeline.demo.spec import TIME_COLUMNS

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "requests": ("request_id", "created_at", "customer_id", "session_id", "category", "geo"),
    "quotes": ("quote_id", "request_id", "pro_id", "quoted_at", "price", "variant"),
    "hires": ("hire_id", "request_id", "pro_id", "hired_at", "amount", "outcome"),
    "assignments": ("entity_id", "experiment_id", "variant", "assigned_at"),
    "quote_events": ("request_id", "pro_id", "event_at", "variant"),
    "messages": ("request_id", "pro_id", "sent_at"),
    "support_tickets": ("ticket_id", "request_id", "opened_at"),
    "spam_flags": ("quote_id", "flagged_at"),
}
_KEYED = {"requests": "request_id", "quotes": "quote_id", "hires": "hire_id", "support_tickets": "ticket_id"}
_ARMS = "('control', 'treatment')"
_DECLARED = {
    ("assignments", "variant"): _ARMS,
    ("quotes", "variant"): _ARMS,
    ("quote_events", "variant"): _ARMS,
    ("hires", "outcome"): "('completed', 'refunded', 'disputed')",
}

Counted = tuple[Where, int, int | None]
"""A place, its affected rows, and those no repair reaches (None: not plain from the tables)."""


def count_defects(bench: Bench) -> tuple[dict[Where, int], dict[Where, int]]:
    """Affected rows and residual rows by place, only places with an affected or a residual row; before columns are taken away."""
    planted: dict[Where, int] = {}
    residual: dict[Where, int] = {}
    for where, affected, left in _all(bench):
        if affected:
            planted[where] = planted.get(where, 0) + affected
        if left is not None and (affected or left):
            residual[where] = left
    return planted, residual


def without(
    bench: Bench, planted: Mapping[Where, int], taken: Collection[tuple[str, str | None]]
) -> dict[Where, int]:
    """What is left of the counts once columns, or sources (column None), are taken away.

    Rows that differed in such a column only are copies of each other from then on, orphans can't be told without their
    link, and an event's hour not without the quote's.
    """
    sources = {name for name, column in taken if column is None}
    unlinked = {("orphan_rows", name, None) for name, column in taken if column == "request_id"}
    left = {
        w: n for w, n in planted.items() if w[1] not in sources and w[1:] not in taken and w not in unlinked
    }
    events: Where = ("timestamp_disorder", "quote_events", "event_at")
    if ("quotes", "quoted_at") in taken and events in left:
        left[events] = {where: count for where, count, _ in _rows(bench, "quote_events")}[events]
        left = {where: count for where, count in left.items() if count}
    for name in {name for name, _ in taken} - sources:
        columns = [column for column in COLUMNS[name] if (name, column) not in taken]
        moved = (
            bench.size(name)
            - _distinct(bench, name, columns)
            - planted.get(("duplicate_rows", name, None), 0)
        )
        if name in _KEYED and moved > 0:
            _move(left, ("conflicting_keys", name, None), ("duplicate_rows", name, None), moved)
    return left


def _distinct(bench: Bench, name: str, columns: list[str]) -> int:
    return bench.number(
        f"select count(*) from (select distinct {', '.join(columns)} from {bench.table(name)})"
    )


def _move(counts: dict[Where, int], origin: Where, target: Where, count: int) -> None:
    counts[target] = counts.get(target, 0) + count
    counts[origin] = counts.get(origin, 0) - count
    if counts[origin] <= 0:
        del counts[origin]


def _all(bench: Bench) -> Iterator[Counted]:
    for name in COLUMNS:
        yield from _rows(bench, name)
    yield from _sent_again(bench)
    yield from _pairs(bench)
    yield from _lost_parents(bench)
    yield from _labels(bench)
    yield from _arms(bench)


def _rows(bench: Bench, name: str) -> Iterator[Counted]:
    """What one look at a table's rows tells.

    Copies are rows beyond the distinct ones, conflicts distinct rows beyond one for a key.
    """
    conditions = {**_values(name), **_links(bench, name)}
    sums = ", ".join(
        f"count(*) filter ({condition})"
        for pair in conditions.values()
        for condition in (pair[0], pair[1] or "false")
    )
    key = f"rows.{_KEYED[name]}" if name in _KEYED else "null"
    whole = f"count(*), count(distinct hash(rows)), count(distinct hash(rows)) filter ({key} is not null), count(distinct {key})"
    found = bench.con.execute(f"select {whole}, {sums} from {_with_parents(bench, name)}").fetchone() or ()
    total, distinct, keyed, keys, *counts = found
    for (where, (_, left)), affected, residual in zip(
        conditions.items(), counts[::2], counts[1::2], strict=True
    ):
        yield where, affected, residual if left else None
    yield ("duplicate_rows", name, None), total - distinct, 0
    if name in _KEYED:
        yield ("conflicting_keys", name, None), keyed - keys, keyed - keys


def _values(name: str) -> dict[Where, tuple[str, str | None]]:
    """Nulls, and values that are not written as declared: conditions of what is affected and of what is left."""
    counted: dict[Where, tuple[str, str | None]] = {}
    for column in COLUMNS[name]:
        is_null = f"rows.{column} is null"
        if (name, column) != ("quotes", "variant"):
            is_left = f"{is_null} and not is_logged" if (name, column) == ("quotes", "quoted_at") else is_null
            counted["missing_values", name, column] = (is_null, is_left)
        declared = _DECLARED.get((name, column))
        if declared:
            is_other = f"lower(trim(rows.{column})) not in {declared}"
            counted["invalid_values", name, column] = (f"rows.{column} not in {declared}", is_other)
        if column in ("price", "amount"):
            counted["invalid_values", name, column] = (f"rows.{column} < 0", f"rows.{column} < 0")
    return counted


def _links(bench: Bench, name: str) -> dict[Where, tuple[str, str | None]]:
    """Rows before their request or after the clock, and rows whose request is gone."""
    time = TIME_COLUMNS[name]
    is_disordered = f"rows.{time} > {timestamp(bench.world.as_of)}"
    if name not in CHILDREN:
        return {("timestamp_disorder", name, time): (is_disordered, None)}
    is_orphan = "rows.request_id is not null and parents.request_id is null"
    return {
        ("timestamp_disorder", name, time): (f"{is_disordered} or rows.{time} < parents.created_at", None),
        ("orphan_rows", name, None): (is_orphan, is_orphan),
    }


def _with_parents(bench: Bench, name: str) -> str:
    rows = f"{bench.table(name)} as rows"
    if name in CHILDREN:
        rows += f" left join {_created(bench)} as parents on parents.request_id = rows.request_id"
    if name == "quotes":
        logged = (
            f"select request_id, pro_id, true as is_logged from {bench.table('quote_events')} group by all"
        )
        return (
            f"(select quotes.*, coalesce(is_logged, false) as is_logged from {bench.table(name)} as quotes "
            f"left join ({logged}) using (request_id, pro_id)) as {rows.partition(' as ')[2]}"
        )
    return rows


def _sent_again(bench: Bench) -> Iterator[Counted]:
    """Quote ids beyond one for a request, pro and time."""
    count = bench.number(
        "select sum(n - 1) from (select count(distinct quote_id) as n "
        f"from {bench.table('quotes')} where request_id is not null and pro_id is not null and quoted_at is not null "
        "group by request_id, pro_id, quoted_at having count(*) > 1)"
    )
    yield ("duplicate_rows", "quotes", None), count, 0


def _created(bench: Bench) -> str:
    return f"(select request_id, min(created_at) as created_at from {bench.table('requests')} group by request_id)"


def _pairs(bench: Bench) -> Iterator[Counted]:
    """Pairs of request and pro that both sources date, more than a second apart; of these those whole hours apart."""
    apart = "abs(epoch_us(event_at) - epoch_us(quoted_at))"
    pairs = (
        f"(select request_id, pro_id, min(quoted_at) as quoted_at from {bench.table('quotes')} group by all) inner join "
        f"(select request_id, pro_id, min(event_at) as event_at from {bench.table('quote_events')} group by all) "
        "using (request_id, pro_id)"
    )
    sums = f"count(*) filter ({apart} > 1000000), count(*) filter ({apart} > 0 and {apart} % 3600000000 = 0)"
    count, hours = bench.con.execute(f"select {sums} from {pairs}").fetchone() or (0, 0)
    yield ("source_conflict", "quotes", "quoted_at"), count, count
    yield ("timestamp_disorder", "quote_events", "event_at"), hours, None


def _lost_parents(bench: Bench) -> Iterator[Counted]:
    owners = f"select quote_id from {bench.table('quotes')}"
    count = bench.size("spam_flags", f"quote_id not in ({owners})")
    yield ("orphan_rows", "spam_flags", None), count, count
    if bench.world.unit == "request":
        parents = f"select request_id from {bench.table('requests')}"
        count = bench.size("assignments", f"entity_id not in ({parents})")
        yield ("orphan_rows", "assignments", None), count, count


def _known_arms(bench: Bench) -> str:
    """Requests with their arm as DESIGN.md §5 reads it, and whether any assignment names their unit."""
    start, end = timestamp(bench.world.start), timestamp(bench.world.end)
    return f"""
        with assigned as (
            select entity_id, arg_min(lower(trim(variant)), assigned_at) as arm
            from {bench.table("assignments")} where variant is not null group by entity_id
        ),
        carried as (
            select request_id, min(lower(trim(variant))) as arm
            from (select request_id, variant from {bench.table("quotes")}
                union all select request_id, variant from {bench.table("quote_events")})
            where variant is not null group by request_id having count(distinct lower(trim(variant))) = 1
        ),
        known as (
            select request_id, min({bench.unit}) as entity_id,
                bool_or(created_at >= {start} and created_at < {end}) as is_cohort
            from {bench.table("requests")} group by request_id
        )
        select known.request_id, known.entity_id, is_cohort, assigned.entity_id is not null as is_assigned,
            case when coalesce(assigned.arm, carried.arm) in {_ARMS} then coalesce(assigned.arm, carried.arm) else 'unknown' end as arm
        from known left join assigned using (entity_id) left join carried using (request_id)
    """


def _labels(bench: Bench) -> Iterator[Counted]:
    bench.run(f"create or replace table truth.labels as {_known_arms(bench)}")
    affected = bench.number("select count(*) from truth.labels where is_cohort and not is_assigned")
    left = bench.number("select count(*) from truth.labels where is_cohort and arm = 'unknown'")
    yield ("missing_variant", "requests", None), affected, left
    known = "select request_id from truth.labels where arm <> 'unknown'"
    affected = bench.size("quotes", "variant is null")
    left = bench.size("quotes", f"variant is null and (request_id is null or request_id not in ({known}))")
    yield ("missing_variant", "quotes", "variant"), affected, left


def _arms(bench: Bench) -> Iterator[Counted]:
    """Units in two arms; assignments, of units met first, dated after the first quote or hire."""
    table = bench.table("assignments")
    several = bench.number(
        f"select count(*) from (select entity_id from {table} group by entity_id having count(distinct lower(trim(variant))) > 1)"
    )
    yield ("multiple_exposures", "assignments", None), several, 0
    late = bench.number(
        f"""
        with logged as (
            select request_id, pro_id, min(event_at) as event_at from {bench.table("quote_events")} group by all
        ),
        sent as (
            select request_id, coalesce(event_at, quoted_at) as moment
            from {bench.table("quotes")} left join logged using (request_id, pro_id)
            union all
            select request_id, hired_at from {bench.table("hires")}
        ),
        met as (
            select labels.entity_id, min(moment) as moment
            from truth.labels inner join {_created(bench)} as parents using (request_id) inner join sent using (request_id)
            where is_cohort and moment >= created_at and moment <= {timestamp(bench.world.as_of)} group by labels.entity_id
        ),
        first as (select entity_id, min(assigned_at) as assigned_at from {table} group by entity_id)
        select count(*) from first inner join met using (entity_id) where assigned_at > moment
        """
    )
    yield ("late_assignment", "assignments", "assigned_at"), late, late
