# ruff: noqa: S608 - every identifier and literal is quoted by the caller's engine; the relation is the inspected one
"""What text columns of DuckDB hold that staging does not read as it stands: counts by shape, never the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import duckdb

from dagster_pipeline.engines.formats import Order, ShapeCount

SAMPLE_ROWS = 20_000
"""First rows in which a column must show one odd value to be counted in full."""

_MOST_SHAPES = 500
_MONTHS = "january|february|march|april|june|july|august|september|october|november|december"
_SHORT = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_TIME = "[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
# What staging reads without a format: ISO 8601 and its like (the year first), and epochs by their length.
_USUAL = (
    f"[0-9]{{4}}[-/ ][0-9]{{1,2}}[-/ ][0-9]{{1,2}}([Tt ] *{_TIME}( *([Zz]|UTC|[+-][0-9]{{2}}(:?[0-9]{{2}})?))?)?"
    "|([0-9]{9,10}|[0-9]{13}|[0-9]{16})([.][0-9]+)?"
)
_OFFSET = "[0-9]{2}:[0-9]{2}.*([Zz]| UTC|[+-][0-9]{2}(:?[0-9]{2})?)\\s*$"
_NUMBER = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?|(?i:[+-]?(nan|inf|infinity))"
# The first kind that fits; the pattern stands in a SQL literal and holds no quote.
_NUMBER_KINDS = {
    "a thousands separator or a decimal comma": "[+-]?[0-9]{1,3},[0-9]{3}",
    "thousands separators": "[+-]?[0-9]{1,3}(,[0-9]{3})+([.][0-9]+)?|[+-]?[0-9]{1,3}([.][0-9]{3})+,[0-9]+"
    "|[+-]?[0-9]{1,3}([.][0-9]{3}){2,}|[+-]?[0-9]{1,3}([ _\\x{00a0}\\x{202f}][0-9]{3})+([.,][0-9]+)?",
    "decimal comma": "[+-]?[0-9]+,[0-9]+",
    "currency": "[+-]?\\s*(\\p{Sc}|[A-Za-z]{3})\\s*[+-]?[0-9].*|[+-]?[0-9][0-9., ]*\\s*(\\p{Sc}|[A-Za-z]{3})",
    "percent": "[+-]?[0-9.,]+ ?%",
    "no number": ".*",
}


def odd_columns(
    connection: duckdb.DuckDBPyConnection, relation: str, times: Mapping[str, str], numbers: Mapping[str, str]
) -> frozenset[str]:
    """Of the columns (name → quoted identifier) those whose first rows hold a value staging does not read as it stands."""
    tests = {name: _is_odd(column, _USUAL) for name, column in times.items()}
    tests |= {name: _is_odd(column, _NUMBER) for name, column in numbers.items()}
    if not tests:
        return frozenset()
    columns = ", ".join(dict.fromkeys([*times.values(), *numbers.values()]))
    counts = ", ".join(f"count(*) filter ({test})" for test in tests.values())
    found = connection.execute(
        f"select {counts} from (select {columns} from {relation} limit {SAMPLE_ROWS})"
    ).fetchall()[0]
    return frozenset(name for name, count in zip(tests, found, strict=True) if count)


def shapes(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, as_of: datetime
) -> list[ShapeCount]:
    """The values of a text column that are neither ISO nor epochs, by shape and by the orders that can read them.

    One scan of the column, grouped by day and by what surrounds it before anything costly is done. A two-digit year in first place counts as a reading only up to ``as_of``.
    """
    rows = connection.execute(_shape_query(relation, column, as_of.date())).fetchall()
    return [
        ShapeCount(shape, Order(orders), bool(agrees), count, example)
        for shape, orders, agrees, count, example in rows
    ]


def number_kinds(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str
) -> dict[str, tuple[int, str]]:
    """Kind of writing → how many values of a text column are no plain numbers because of it, and an example."""
    cases = " ".join(
        f"when regexp_full_match(v, '{pattern}', 's') then '{kind}'"
        for kind, pattern in _NUMBER_KINDS.items()
    )
    rows = connection.execute(
        f"select case {cases} end as kind, count(*), min(v) from (select trim({column}) as v from {relation}) "
        f"where {_is_odd('v', _NUMBER)} group by kind"
    ).fetchall()
    found = {kind: (int(count), str(example)) for kind, count, example in rows}
    return {kind: found[kind] for kind in _NUMBER_KINDS if kind in found}


def clock_changes(
    connection: duckdb.DuckDBPyConnection, relation: str, value: str, timezone: str
) -> ClockChanges:
    """How many local times of ``value`` (a SQL timestamp without zone) the zone's clock showed twice, and how many never."""
    usable = (
        f"case when {value} >= timestamp '1970-01-01' and {value} < timestamp '2200-01-01' then {value} end"
    )
    source = f"(select {usable} as local_time from {relation})"
    first, last = connection.execute(f"select min(local_time), max(local_time) from {source}").fetchall()[0]
    if first is None:
        return ClockChanges()
    counts = ", ".join(_within("local_time", spans) for spans in _changes(timezone, first.year, last.year))
    repeated, skipped = connection.execute(f"select {counts} from {source}").fetchall()[0]
    return ClockChanges(int(repeated), int(skipped))


def local_time(column: str, data_type: str, formats: Sequence[str], literal: Callable[[str], str]) -> str:
    """A column's local time as a SQL timestamp; null for values that carry an offset and for other types."""
    if data_type.upper() == "TIMESTAMP":
        return column
    if data_type.upper() != "VARCHAR":
        return "cast(null as timestamp)"
    local = [literal(text) for text in formats if "%z" not in text]
    written = f", try_strptime(trim({column}), [{', '.join(local)}])" if local else ""
    usual = f"case when not regexp_matches({column}, '{_OFFSET}') then try_cast({column} as timestamp) end"
    # What is read as an epoch is cast by nothing: it holds no separator.
    return f"coalesce({usual}{written})"


Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class ClockChanges:
    """Local times that the clock showed twice, and times it skipped."""

    repeated: int = 0
    skipped: int = 0


@lru_cache(maxsize=64)
def _changes(timezone: str, first: int, last: int) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Spans of local time that a zone shows twice, and spans that it skips, from year ``first`` to ``last``."""
    zone = ZoneInfo(timezone)
    spans: dict[bool, list[Span]] = {True: [], False: []}
    day = datetime.combine(date(first, 1, 1), time()) - timedelta(days=1)
    before = _offset(zone, day)
    while day.year <= last:
        day += timedelta(days=1)
        after = _offset(zone, day)
        if after != before:
            at = _moment_of_change(zone, day - timedelta(days=1), day)
            spans[after < before].append((at + min(before, after), at + max(before, after)))
        before = after
    return tuple(spans[True]), tuple(spans[False])


def _offset(zone: ZoneInfo, utc: datetime) -> timedelta:
    return utc.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta(0)


def _moment_of_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The minute of UTC, between two moments, from which on the zone has its later offset."""
    start = _offset(zone, low)
    while high - low > timedelta(minutes=1):
        middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
        low, high = (middle, high) if _offset(zone, middle) == start else (low, middle)
    return high


def _within(value: str, spans: Sequence[Span]) -> str:
    tests = (f"({value} >= timestamp '{start}' and {value} < timestamp '{end}')" for start, end in spans)
    return f"count(*) filter ({' or '.join(tests) or 'false'})"


def _is_odd(column: str, usual: str) -> str:
    return f"trim({column}) <> '' and not regexp_full_match(trim({column}), '{usual}')"


def _shape_query(relation: str, column: str, as_of: date) -> str:
    return f"""
        with odd as (
            select trim({column}) as v from {relation} where {_is_odd(column, _USUAL)}
        ),
        split as (
            select v, regexp_extract(v, '^[0-9]+[-/.][0-9]+[-/.][0-9]+') as day from odd
        ),
        days as (
            select day || translate(substr(v, length(day) + 1, 40), '0123456789', '0000000000') as v,
                min(v) as example, count(*) as n
            from split
            group by 1
        ),
        shaped as (
            select v, example, n, {_shape("v")} as shape, regexp_extract_all(v, '[0-9]+') as part from days
        ),
        parts as (
            select example, n, shape, part[1] as a, part[2] as b, part[3] as c,
                regexp_matches(shape, '^#([-/.])#[-/.][#Y]') as is_numeric, regexp_matches(shape, '^#-#-#') as is_short
            from shaped
        ),
        read as (
            select example, n, shape,
                case when is_numeric then {_day(_year("c"), "a", "b")} end as month_first,
                case when is_numeric then {_day(_year("c"), "b", "a")} end as day_first,
                case when is_short and length(a) = 2 then {_day(_year("a"), "b", "c")} end as year_first
            from parts
        ),
        judged as (
            select example, n, shape, month_first, day_first,
                case when year_first <= date '{as_of}' then year_first end as year_first
            from read
        )
        select
            case when regexp_full_match(shape, '[#YBMPOFt :,./-]+') then shape else '?' end as shape,
            (month_first is not null)::int + 2 * (day_first is not null)::int + 4 * (year_first is not null)::int as orders,
            least(month_first, day_first, year_first) = greatest(month_first, day_first, year_first) as agrees,
            cast(sum(n) as bigint), min(example)
        from judged
        group by 1, 2, 3
        order by 4 desc, 1, 2
        limit {_MOST_SHAPES}
    """


def _day(year: str, month: str, day: str) -> str:
    text = f"{year} || '-' || {month} || '-' || {day}"
    return f"case when {year} between '1970' and '2199' then try_cast({text} as date) end"


def _year(part: str) -> str:
    """Two digits as strptime reads them: from 69 on 19.., else 20.. (POSIX)."""
    return (
        f"(case when length({part}) > 2 then {part} when try_cast({part} as int) >= 69 then '19' || lpad({part}, 2, '0') "
        f"else '20' || lpad({part}, 2, '0') end)"
    )


def _shape(value: str) -> str:
    """Marks in capitals: Y four digits, # one or two, F a fraction, M and B a month's long and short name, P, O an offset."""
    steps = (
        ("(:[0-9]{1,2}:[0-9]{1,2})[.][0-9]+", "\\1F"),
        ("(:[0-9]{2}F?)( ?)[+-][0-9]{2}:?([0-9]{2})?$", "\\1\\2O"),
        ("[0-9]{5,}", "N"),
        ("[0-9]{4}", "Y"),
        ("[0-9]{3}", "N"),
        ("[0-9]{1,2}", "#"),
        (f"\\b({_MONTHS})\\b", "M"),
        (f"\\b({_SHORT})\\b", "B"),
        ("(#| )[ap]m$", "\\1P"),
    )
    found = f"lower({value})"
    for pattern, mark in steps:
        found = f"regexp_replace({found}, '{pattern}', '{mark}', 'g')"
    return found
