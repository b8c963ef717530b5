"""How a column's times are written is decided by what its values can be, and by nothing else."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_pipeline.engines.formats import (
    ColumnReading,
    FormatRule,
    Order,
    ShapeCount,
    decide,
    declared_reading,
    number_note,
)

M, D, Y = Order.MONTH_FIRST, Order.DAY_FIRST, Order.YEAR_FIRST
EITHER = M | D


def counted(shape: str, orders: Order, count: int, example: str = "v", *, agrees: bool = False) -> ShapeCount:
    return ShapeCount(shape, orders, agrees, count, example)


def decided(*counts: ShapeCount) -> ColumnReading:
    found = decide(counts, "created_at", "requests")
    assert found is not None
    return found


def test_a_column_without_odd_values_needs_no_reading():
    assert decide([], "created_at", "requests") is None


@pytest.mark.parametrize(
    ("orders", "formats", "words"),
    [
        (M, ("%m-%d-%y",), "2 have a second number above 12 and none a first"),
        (D, ("%d-%m-%y",), "2 have a first number above 12 and none a second"),
    ],
)
def test_the_only_order_that_reads_all_values_is_taken_and_the_evidence_said(orders, formats, words):
    found = decided(counted("#-#-#", EITHER, 5, "5-1-17"), counted("#-#-#", orders, 2))

    assert (found.formats, found.refused, found.is_decided) == (formats, 0, True)
    assert f"of 7 values such as '5-1-17', {words}" in found.note
    assert found.rule is FormatRule.AGREED


def test_a_column_that_two_orders_can_read_is_refused_with_both_and_how_to_declare_one():
    found = decided(
        counted("#/#/Y #:#", EITHER, 100, "1/2/2026 10:00"), counted("#/#/Y", EITHER, 1, agrees=True)
    )

    assert (found.formats, found.refused, found.is_decided) == ((), 101, False)
    assert "101 values such as '1/2/2026 10:00' can be read as month-day-year or day-month-year" in found.note
    assert 'formats: {created_at: ["%m/%d/%Y %H:%M", "%m/%d/%Y"]}' in found.note
    assert 'formats: {created_at: ["%d/%m/%Y %H:%M", "%d/%m/%Y"]}' in found.note
    assert "sources.requests" in found.note


def test_where_both_orders_are_in_evidence_only_values_that_one_can_read_are_read():
    found = decided(
        counted("#/#/Y", EITHER, 10, "1/2/2026"),
        counted("#/#/Y", EITHER, 4, "2/2/2026", agrees=True),
        counted("#/#/Y", M, 3, "1/13/2026"),
        counted("#/#/Y", D, 2, "13/1/2026"),
    )

    assert found.formats == ("%m/%d/%Y", "%d/%m/%Y")
    assert (found.refused, found.is_mixed, found.is_decided) == (10, True, False)
    assert "3 can only be month-day-year (such as '1/13/2026')" in found.note
    assert "2 can only be day-month-year (such as '13/1/2026')" in found.note
    assert "10 can be read in more than one of these ways and are not read" in found.note


def test_evidence_in_one_way_of_writing_says_nothing_about_another():
    found = decided(counted("#/#/Y", M, 3), counted("#-#-#", EITHER, 5, "5-1-17"))

    assert found.formats == ("%m/%d/%Y",)
    assert found.refused == 5


def test_dates_with_dots_have_their_day_first_unless_the_values_contradict_it():
    usual = decided(counted("#.#.Y", EITHER, 5))
    other = decided(counted("#.#.Y", EITHER, 5), counted("#.#.Y", M, 1, "1.13.2026"))
    mixed = decided(counted("#.#.Y", EITHER, 5), counted("#.#.Y", M, 1), counted("#.#.Y", D, 1))

    assert usual.formats == ("%d.%m.%Y",)
    assert "with dots the day comes first, and no value contradicts it" in usual.note
    assert other.formats == ("%m.%d.%Y",)
    assert (mixed.refused, mixed.is_mixed) == (5, True)


def test_three_orders_of_two_digit_dates_are_told_apart_only_by_what_excludes_the_other_two():
    undecided = decided(counted("#-#-#", M | D | Y, 5, "05-06-07"))
    decided_by_two = decided(counted("#-#-#", D | Y, 5, "17-05-06"), counted("#-#-#", M | D, 2, "5-6-17"))

    assert (undecided.formats, undecided.refused) == ((), 5)
    assert "month-day-year or day-month-year or year-month-day" in undecided.note
    assert decided_by_two.formats == ("%d-%m-%y",)


@pytest.mark.parametrize(
    ("shape", "value", "written"),
    [
        ("B #, Y", "Oct 1, 2026", "%b %d, %Y"),
        ("M # Y #:# P", "October 1 2026 5:30 pm", "%B %d %Y %I:%M %p"),
        ("# B Y", "1 Oct 2026", "%d %b %Y"),
        ("#-B-Y #:#:#", "01-Oct-2026 17:30:00", "%d-%b-%Y %H:%M:%S"),
        ("Y.#.#", "2026.10.01", "%Y.%m.%d"),
        ("Y-#-# #:#P", "2026-10-01 5:30PM", "%Y-%m-%d %I:%M%p"),
    ],
)
def test_a_date_that_names_its_month_or_begins_with_its_year_needs_no_evidence(shape, value, written):
    found = decided(counted(shape, Order.NONE, 3, value))

    assert found.formats == (written,)
    assert found.is_decided
    assert duckdb.execute("select try_strptime(?, ?)::date::varchar", [value, written]).fetchone() == (
        "2026-10-01",
    )


@pytest.mark.parametrize(
    ("shape", "value", "written"),
    [
        ("#/#/Y #:#:#F", "10/13/2026 17:30:00.25", "%m/%d/%Y %H:%M:%S.%f"),
        ("#/#/Y, #:#:# P", "10/13/2026, 5:30:00 PM", "%m/%d/%Y, %I:%M:%S %p"),
        ("#/#/Yt#:#", "10/13/2026T17:30", "%m/%d/%YT%H:%M"),
        ("#/#/# #:#O", "10/13/26 17:30+02:00", "%m/%d/%y %H:%M%z"),
        ("#/#/# #:# O", "10/13/26 17:30 +0200", "%m/%d/%y %H:%M %z"),
    ],
)
def test_the_time_of_day_is_read_as_it_is_written(shape, value, written):
    found = decided(counted(shape, M, 3, value))

    assert found.formats == (written,)
    assert duckdb.execute("select try_strptime(?, ?) is not null", [value, written]).fetchone() == (True,)


def test_values_in_no_known_format_are_counted_and_shown_and_decide_nothing():
    found = decided(
        counted("#/#/Y", M, 3),
        counted("?", Order.NONE, 2, "so\non"),
        counted("#/#/Y", Order.NONE, 1, "31/31/2026"),
    )

    assert (found.formats, found.unknown) == (("%m/%d/%Y",), 3)
    assert "3 values are no time in a known format, such as 'so�on', '31/31/2026'" in found.note


@given(st.lists(st.tuples(st.integers(1, 7), st.integers(1, 50)), min_size=1, max_size=6))
def test_no_value_is_ever_read_by_two_orders_and_none_is_read_without_evidence(cells):
    counts = [counted("#-#-#", Order(orders), count) for orders, count in cells]
    found = decided(*counts)
    read_by = {M: "%m-%d-%y", D: "%d-%m-%y", Y: "%y-%m-%d"}
    used = [order for order in read_by if read_by[order] in found.formats]

    refused = sum(c.count for c in counts if sum(order in c.orders for order in used) != 1)
    assert found.refused == refused
    if len(used) == 1:
        others = [order for order in read_by if order not in used]
        assert all(any(order not in c.orders for c in counts) for order in others)


def test_declared_formats_come_first_and_alone_where_iso_could_read_the_same_text():
    assert declared_reading(["%m-%d-%y"]).rule is FormatRule.FIRST
    assert declared_reading(["%m-%d-%y", "%Y-%d-%m"]).rule is FormatRule.ONLY


def test_numbers_as_text_are_described_and_never_converted():
    assert number_note({}) is None
    note = number_note({"thousands separators": (3, "1,234.50"), "currency": (1, "$12")})
    assert note is not None
    assert note.startswith(
        "4 values are no plain numbers and not read: 3 like '1,234.50' (thousands separators), 1 like '$12'"
    )
