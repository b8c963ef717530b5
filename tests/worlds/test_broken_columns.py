"""Every mapped column broken once: the gap names its table and column, what does not need it is computed as before.

One column of every source is broken per world; the matrix (test_matrix.py) breaks each in every way, one at a time.
"""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.compiled_line import compiled_run, shown
from dagster_pipeline.gaps.model import Gap
from tests.worlds.breaks import ADDRESSES, COLUMN_BREAKS, COLUMNS, PLAIN, ColumnBreak, select_list

WIDEST = max(map(len, COLUMNS.values()))


def broken_in(turn: int) -> dict[str, ColumnBreak]:
    """The columns of one world and how each is broken: in turn every column of every source."""
    return {
        f"{table}.{columns[turn]}": COLUMN_BREAKS[(turn + place) % 3]
        for place, (table, columns) in enumerate(COLUMNS.items())
        if turn < len(columns)
    }


@cache
def gaps_of(turn: int) -> tuple[Gap, ...]:
    def tamper(connection):
        for address, found in broken_in(turn).items():
            table = f"raw.{address.partition('.')[0]}"
            connection.execute(
                f"create or replace table {table} as select {select_list(address, found)} from {table}"
            )

    with compiled_run(PLAIN, tamper=tamper) as run:
        assert run.broken_invariants() == []
        return run.gaps


CASES = [(turn, address) for turn in range(WIDEST) for address in broken_in(turn)]


def test_every_mapped_column_is_broken_once():
    assert sorted(address for _, address in CASES) == sorted(ADDRESSES)


@pytest.mark.parametrize(("turn", "address"), CASES)
def test_a_broken_column_is_a_gap_that_names_it_and_text_that_can_be_read_is_none(turn, address):
    kind = broken_in(turn)[address].kind
    of_column = [gap for gap in gaps_of(turn) if (gap.table, gap.column) == tuple(address.split("."))]
    assert [gap.kind for gap in of_column] == ([kind] if kind else []), shown(of_column)


@pytest.mark.parametrize("turn", range(WIDEST))
def test_nothing_is_found_in_the_rows_that_are_left(turn):
    """What a column takes with it is no defect of the rows, but for rows that nothing else told apart and lost labels."""
    gone = {address for address, found in broken_in(turn).items() if found.kind}
    narrower = {address.partition(".")[0] for address in gone}
    others = [gap for gap in gaps_of(turn) if f"{gap.table}.{gap.column}" not in gone]
    unexplained = [
        gap
        for gap in others
        if gap.kind != "missing_variant" and (gap.kind != "duplicate_rows" or gap.table not in narrower)
    ]
    assert unexplained == [], shown(unexplained)


@pytest.mark.parametrize("turn", range(WIDEST))
def test_what_the_brief_needs_blocks_where_it_is_gone(turn):
    needed = _needed()
    for gap in gaps_of(turn):
        if gap.kind == "schema_change" and f"{gap.table}.{gap.column}" in needed:
            assert gap.severity.value == "blocker", shown([gap])


def _needed() -> set[str]:
    """Columns without which a metric of the demo's brief has no value at all."""
    return {
        "requests.request_id",
        "requests.created_at",
        "hires.request_id",
        "hires.hired_at",
        "support_tickets.request_id",
        "spam_flags.quote_id",
        "quotes.request_id",
    }
