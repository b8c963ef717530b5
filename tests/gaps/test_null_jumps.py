"""Null shares by day, column by column."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from small_worlds import measure

from dagster_pipeline.gaps.jumps import jump_words, null_jumps


def nulls(column, shares, source="quotes", rows=1000):
    return [
        {
            "source_name": source,
            "column_name": column,
            "day": date(2026, 9, 28) + timedelta(days=i),
            "n_rows": rows,
            "n_null": round(rows * share),
        }
        for i, share in enumerate(shares)
    ]


def jumps(*columns):
    return null_jumps(
        replace(measure({}), tables={"daily_nulls": tuple(row for column in columns for row in column)})
    )


def test_each_column_is_held_against_its_own_days_and_only_those_that_jump_are_named():
    found = jumps(
        nulls("price", [0.003] * 14 + [0.124] * 14),
        nulls("variant", [0.124] * 28),
        nulls("price", [0.003] * 28, source="hires"),
    )
    assert list(found) == [("quotes", "price")]
    assert found["quotes", "price"].day == date(2026, 10, 12)


def test_the_words_give_both_shares_and_the_date():
    lasting = jumps(nulls("price", [0.003] * 14 + [0.124] * 14))["quotes", "price"]
    assert (
        jump_words(lasting) == "null share rose from 0.3% to 12.4% on 2026-10-12: looks like a schema change"
    )
    mended = jumps(nulls("price", [0.003] * 14 + [0.124] * 3 + [0.003] * 5))["quotes", "price"]
    assert "on 2026-10-12 and fell back after 2026-10-14:" in jump_words(mended)


def test_nothing_measured_and_rows_of_no_column_or_day_give_nothing():
    assert null_jumps(measure({})) == {}
    undated = [row | {"day": None} for row in nulls("price", [0.0] * 14 + [0.5] * 14)]
    assert jumps(undated, nulls(None, [0.0] * 14 + [0.5] * 14)) == {}
