"""How a text column's times are written, decided by what its values can be; pure, from counts by shape.

A shape is a value with its digits and names replaced by marks: ``10/01/2026 5:30 pm`` has the shape ``#/#/Y #:# P``.
Where two orders of day and month (or of the year) fit a shape, only values that fit one of them alone are evidence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag, StrEnum

from dagster_pipeline.config.formats import is_year_first

_DATE = re.compile(
    r"(?P<date>#(?P<sep>[-/.])#(?P=sep)(?P<year>[#Y])|Y(?P<ysep>[-/. ])#(?P=ysep)#"
    r"|[BM],? #,? Y|#(?P<msep>[- ])[BM](?P=msep)Y)"
    r"(?P<time>(?:,? |t)#:#(?::#F?)?(?: ?P)?(?: ?O)?)?"
)
_EXAMPLES = 3


class Order(IntFlag):
    """Which part of a date comes first. A set of them says by which a value can be read."""

    NONE = 0
    MONTH_FIRST = 1
    DAY_FIRST = 2
    YEAR_FIRST = 4  # of a year of two digits: one of four says so itself


_ORDERS = (Order.MONTH_FIRST, Order.DAY_FIRST, Order.YEAR_FIRST)
_DIRECTIVES = {Order.MONTH_FIRST: "m{0}d{0}y", Order.DAY_FIRST: "d{0}m{0}y", Order.YEAR_FIRST: "y{0}m{0}d"}
_NAMES = {
    Order.MONTH_FIRST: "month-day-year",
    Order.DAY_FIRST: "day-month-year",
    Order.YEAR_FIRST: "year-month-day",
}


class FormatRule(StrEnum):
    """How formats and what is read without them (ISO 8601, epochs) go together."""

    FIRST = "first"  # declared: in their order, then ISO and epochs
    ONLY = "only"  # declared, and year first: ISO might read the same text otherwise
    AGREED = "agreed"  # found: after ISO and epochs, and only where they do not contradict each other


@dataclass(frozen=True)
class ShapeCount:
    """Values of one shape that the same orders can read. ``agrees``: all of these orders give the same day."""

    shape: str
    orders: Order
    agrees: bool
    count: int
    example: str


@dataclass(frozen=True)
class ColumnReading:
    """How a column's values that are neither ISO nor epochs are read, and why.

    ``formats`` are strptime formats, empty where nothing is decided. ``refused`` counts values that could be read in
    two ways and therefore are not; ``unknown`` those in no format we know; ``proposals`` the formats a person may
    declare instead, one tuple for each way to read them. ``is_mixed``: some dates have the day first, others not.
    ``note`` is a sentence's content for a person, ``evidence`` the same without what to do.
    """

    formats: tuple[str, ...]
    refused: int
    unknown: int
    proposals: tuple[tuple[str, ...], ...]
    note: str
    rule: FormatRule = FormatRule.AGREED
    is_mixed: bool = False
    evidence: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether one format was found for each way the values are written, so that declaring them is no guess."""
        return bool(self.formats) and not self.refused and not self.is_mixed


def declared_reading(formats: Sequence[str]) -> ColumnReading:
    """The reading of a column whose formats plumbline.yml declares."""
    rule = FormatRule.ONLY if any(is_year_first(text) for text in formats) else FormatRule.FIRST
    return ColumnReading(tuple(formats), 0, 0, (), "", rule)


@dataclass(frozen=True)
class _Family:
    """Values whose dates are written alike, whatever their time of day looks like."""

    separator: str
    year: str  # Y or #
    counts: tuple[ShapeCount, ...]

    @property
    def total(self) -> int:
        return _sum(self.counts)

    @property
    def times(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_time(count.shape) for count in self.counts))

    def formats(self, orders: Order) -> tuple[str, ...]:
        return tuple(self._date(order) + time for order in _ORDERS if order in orders for time in self.times)

    def only(self, order: Order) -> int:
        """Values that no other order can read."""
        return _sum(count for count in self.counts if count.orders == order)

    def not_by(self, order: Order) -> int:
        return _sum(count for count in self.counts if order not in count.orders)

    @property
    def example(self) -> str:
        return max(self.counts, key=lambda count: (count.count, count.example)).example

    def _date(self, order: Order) -> str:
        pattern = _DIRECTIVES[order].format(self.separator)
        return _written(pattern.replace("y", "Y") if self.year == "Y" else pattern)


def decide(counts: Sequence[ShapeCount], column: str, source: str) -> ColumnReading | None:
    """How a column's values are read that are neither ISO 8601 nor epochs; None where there are none.

    Of the orders that can read a family of values, the one that reads all of them is taken if it is the only such;
    if several read all of them, none is. If none does, the column mixes formats, and each value is read only as far
    as the formats in evidence agree on it. Dates with dots have their day first in every locale that writes them
    (CLDR), so there a month in first place needs evidence, the other order none.
    """
    if not counts:
        return None
    families = tuple(_families(counts))
    fixed = [count for count in counts if _is_fixed(count.shape)]
    judged = [_judged(family) for family in families]
    formats = [*(_fixed_format(count.shape) for count in fixed), *(f for j in judged for f in j.formats)]
    readable = sum(family.total for family in families) + _sum(fixed)
    unknown = _sum(counts) - readable
    ambiguous = [j for j in judged if j.refused]
    notes = [j.note for j in judged if j.note]
    if fixed:
        notes.insert(0, f"read as {_quoted(dict.fromkeys(map(_fixed_format, (c.shape for c in fixed))))}")
    if unknown:
        notes.append(_unknown(counts, unknown))
    advice = [_advice(ambiguous, column, source)] if ambiguous else []
    return ColumnReading(
        tuple(dict.fromkeys(formats)),
        sum(j.refused for j in judged),
        unknown,
        tuple(dict.fromkeys(p for j in ambiguous for p in j.proposals)),
        "; ".join([*notes, *advice]),
        evidence="; ".join(notes),
        is_mixed=any(j.is_mixed for j in judged),
    )


@dataclass(frozen=True)
class _Judgement:
    formats: tuple[str, ...]
    refused: int
    proposals: tuple[tuple[str, ...], ...]
    note: str
    is_mixed: bool = False


def _judged(family: _Family) -> _Judgement:
    by_all = Order.NONE
    for order in _ORDERS:
        if family.not_by(order) == 0:
            by_all |= order
    if family.separator == "." and Order.DAY_FIRST in by_all:
        return _decided(family, Order.DAY_FIRST)
    if len(by_all) == 1:
        return _decided(family, by_all)
    return _undecided(family, by_all) if by_all else _mixed(family)


def _decided(family: _Family, order: Order) -> _Judgement:
    others = [o for o in _ORDERS if o != order and any(o in count.orders for count in family.counts)]
    evidence = [_evidence(family, order, other) for other in others]
    if family.separator == "." and not family.only(order):
        evidence = ["with dots the day comes first, and no value contradicts it"]
    return _Judgement(
        family.formats(order),
        0,
        (),
        f"read as {_NAMES[order]} ({_quoted(family.formats(order))}): of {_values(family.total, family.example)}, "
        f"{', '.join(evidence) or 'none can be anything else'}",
    )


def _evidence(family: _Family, order: Order, other: Order) -> str:
    count = family.not_by(other)
    have = "has" if count == 1 else "have"
    if (order, other) == (Order.MONTH_FIRST, Order.DAY_FIRST):
        return f"{count:,} {have} a second number above 12 and none a first"
    if (order, other) == (Order.DAY_FIRST, Order.MONTH_FIRST):
        return f"{count:,} {have} a first number above 12 and none a second"
    return f"{count:,} can not be {_NAMES[other]} and all can be {_NAMES[order]}"


def _undecided(family: _Family, by_all: Order) -> _Judgement:
    names = " or ".join(_NAMES[order] for order in by_all)
    note = f"{_values(family.total, family.example)} can be read as {names} and nothing tells which: not read"
    return _Judgement((), family.total, tuple(family.formats(order) for order in by_all), note)


def _mixed(family: _Family) -> _Judgement:
    evident = _evident(family)
    refused = _sum(c for c in family.counts if len(c.orders & evident) > 1 and not c.agrees)
    seen = ", ".join(
        f"{family.only(order):,} can only be {_NAMES[order]}{_like(family, order)}" for order in evident
    )
    note = f"formats are mixed: of {_values(family.total, family.example)}, {seen}"
    if refused:
        note += f"; {refused:,} can be read in more than one of these ways and are not read"
    proposals = tuple(family.formats(order) for order in evident) if refused else ()
    return _Judgement(family.formats(evident), refused, proposals, note, is_mixed=True)


def _evident(family: _Family) -> Order:
    """The orders some value can only be read by, and those of values that none of these can read."""
    evident = Order.NONE
    for count in family.counts:
        if len(count.orders) == 1:
            evident |= count.orders
    if family.separator == ".":
        evident |= Order.DAY_FIRST
    for count in family.counts:
        if not count.orders & evident:
            evident |= count.orders
    return evident


def _like(family: _Family, order: Order) -> str:
    examples = [count.example for count in family.counts if count.orders == order]
    return f" (such as {_shown(min(examples))})" if examples else ""


def _families(counts: Iterable[ShapeCount]) -> Iterator[_Family]:
    grouped: dict[tuple[str, str], list[ShapeCount]] = defaultdict(list)
    for count in counts:
        match = _DATE.fullmatch(count.shape)
        if match and match["sep"] and count.orders:
            grouped[match["sep"], match["year"]].append(count)
    for (separator, year), found in sorted(grouped.items()):
        yield _Family(separator, year, tuple(found))


def _is_fixed(shape: str) -> bool:
    """Whether a shape of a known kind says itself which part of its date is which."""
    match = _DATE.fullmatch(shape)
    return match is not None and match["sep"] is None


def _fixed_format(shape: str) -> str:
    date = _DATE.fullmatch(shape)["date"]  # type: ignore[index]
    if date.startswith("Y"):
        date = re.sub("#(.)#", r"%m\1%d", date)
    marks = {"#": "%d", "B": "%b", "M": "%B", "Y": "%Y"}
    return "".join(marks.get(mark, mark) for mark in date) + _time(shape)


def _time(shape: str) -> str:
    time = _DATE.fullmatch(shape)["time"] or ""  # type: ignore[index]
    hour = "%I" if "P" in time else "%H"
    for directive in (hour, "%M", "%S"):
        time = time.replace("#", directive, 1)
    return time.replace("F", ".%f").replace("P", "%p").replace("O", "%z").replace("t", "T")


def _written(pattern: str) -> str:
    return re.sub("[a-zA-Z]", r"%\g<0>", pattern)


def _advice(ambiguous: Sequence[_Judgement], column: str, source: str) -> str:
    ways = [proposal for judgement in ambiguous for proposal in judgement.proposals]
    shown = " or ".join(declared(column, way) for way in dict.fromkeys(ways))
    return f"declare under sources.{source} which it is: {shown}"


def declared(column: str, formats: Sequence[str]) -> str:
    """The line of plumbline.yml that declares a column's formats."""
    return f"formats: {{{declared_line(column, formats)}}}"


def declared_line(column: str, formats: Sequence[str]) -> str:
    """A column's own entry under ``formats``."""
    quoted = ", ".join(f'"{text}"' for text in formats)
    return f"{column}: {quoted if len(formats) == 1 else f'[{quoted}]'}"


def _unknown(counts: Sequence[ShapeCount], unknown: int) -> str:
    odd = [c for c in counts if not _is_fixed(c.shape) and not (_DATE.fullmatch(c.shape) and c.orders)]
    odd.sort(key=lambda count: (-count.count, count.example))
    examples = ", ".join(_shown(count.example) for count in odd[:_EXAMPLES])
    return f"{unknown:,} {'value is' if unknown == 1 else 'values are'} no time in a known format, such as {examples}"


def number_note(counts: Mapping[str, tuple[int, str]]) -> str | None:
    """What numbers held as text look like where they are none: ``counts`` is kind → values and an example."""
    found = [
        f"{count:,} like {_shown(example)} ({kind})" for kind, (count, example) in counts.items() if count
    ]
    if not found:
        return None
    total = sum(count for count, _ in counts.values())
    are = "value is no plain number" if total == 1 else "values are no plain numbers"
    return f"{total:,} {are} and not read: {', '.join(found)}; convert them in the export or in a query"


def _values(count: int, example: str) -> str:
    return f"{count:,} value{'' if count == 1 else 's'} such as {_shown(example)}"


def _quoted(formats: Iterable[str]) -> str:
    return ", ".join(formats)


def _shown(text: str) -> str:
    """A value as a note may carry it: on one line, cut short."""
    printable = "".join(character if character.isprintable() else "�" for character in text)
    return repr(printable if len(printable) <= 40 else f"{printable[:39]}…")


def _sum(counts: Iterable[ShapeCount]) -> int:
    return sum(count.count for count in counts)
