"""Whatever rows come in, each is accounted for; a copy of a row, or another order of rows, changes nothing but a count."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.compiled_line import CompiledRun, config_of, run_relations, warehouse
from dagster_pipeline.demo.spec import TIME_COLUMNS, WorldSpec
from dagster_pipeline.gaps.measurements import Measurements

Rows = list[tuple[str | None, ...]]
Tables = dict[str, Rows]

# Few values, so that rows meet: the same keys and parents, odd spellings, and what can't be read.
IDS = ["a", "b", "c", "d", " b ", "", None]
TIMES = [
    "2026-10-02 08:00:00",
    "2026-10-02 09:00:00.5",
    "2026-10-02 10:00:00",
    "2026-10-20T10:00:00+02:00",
    "2026-09-30 23:59:59",
    "2026-11-30 00:00:00",
    "1791000000",
    "soon",
    "",
    None,
]
NUMBERS = ["10", "12.50", "-3", "1e3", "many", "nan", None]
ARMS = ["control", "treatment", " Control ", "TREATMENT", "beta", "", None]
OUTCOMES = ["completed", "Refunded", "disputed", "lost", None]
PLACES = ["x", "y", None]
COLUMNS = {
    "requests": {"request_id": IDS, "created_at": TIMES, "customer_id": IDS, "session_id": IDS, "category": PLACES, "geo": PLACES},
    "quotes": {"quote_id": IDS, "request_id": IDS, "pro_id": PLACES, "quoted_at": TIMES, "price": NUMBERS, "variant": ARMS},
    "hires": {"hire_id": IDS, "request_id": IDS, "pro_id": PLACES, "hired_at": TIMES, "amount": NUMBERS, "outcome": OUTCOMES},
    "assignments": {"entity_id": IDS, "experiment_id": ["quoting_v2", "other", None], "variant": ARMS, "assigned_at": TIMES},
    "quote_events": {"request_id": IDS, "pro_id": PLACES, "event_at": TIMES, "variant": ARMS},
    "messages": {"request_id": IDS, "pro_id": PLACES, "sent_at": TIMES},
    "support_tickets": {"ticket_id": IDS, "request_id": IDS, "opened_at": TIMES},
    "spam_flags": {"quote_id": IDS, "flagged_at": TIMES},
    "dashboards": {"metric": ["hire_rate_7d", "sales", None], "variant": ARMS, "value": NUMBERS, "as_of": TIMES},
}  # fmt: skip
# One row of each table that nothing is wrong with and that meets no other.
SOUND: dict[str, tuple[str | None, ...]] = {
    "requests": ("sound", "2026-10-05 08:00:00", "sound", "sound", "x", "y"),
    "quotes": ("sound", "sound", "x", "2026-10-05 08:10:00", "20", "control"),
    "hires": ("sound", "sound", "x", "2026-10-06 08:00:00", "25", "completed"),
    "assignments": ("sound", "quoting_v2", "control", "2026-10-05 08:00:00"),
    "quote_events": ("sound", "x", "2026-10-05 08:10:00", "control"),
    "messages": ("sound", "x", "2026-10-05 08:15:00"),
    "support_tickets": ("sound", "sound", "2026-10-05 12:00:00"),
    "spam_flags": ("sound", "2026-10-05 09:00:00"),
    "dashboards": ("hire_rate_7d", "control", "1", "2026-10-05 08:00:00"),
}
COUNTED = tuple(table for table in COLUMNS if table != "dashboards")


def _rows(columns: dict[str, list[str | None]]) -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(*map(st.sampled_from, columns.values())), max_size=12)


TABLES = st.fixed_dictionaries({table: _rows(columns) for table, columns in COLUMNS.items()})


@dataclass(frozen=True)
class Account:
    """What a run says of its rows and of what they mean."""

    balance: dict[str, tuple[int, ...]]
    measured: Measurements
    levels: list[str]
    effects: list[str]
    gaps: dict[tuple[str | None, ...], tuple[int | None, int | None]]


def account_of(tables: Tables, unit: str) -> Account:
    """The line run on these tables, all of whose columns are text."""
    with warehouse() as connection:
        connection.execute("create schema raw")
        for table, columns in COLUMNS.items():
            names = ", ".join(f"{name} varchar" for name in columns)
            connection.execute(f"create table raw.{table} ({names})")
            marks = ", ".join("?" * len(columns))
            connection.executemany(
                f"insert into raw.{table} values ({marks})", [*tables[table], SOUND[table]]
            )
        spec = WorldSpec(unit=unit)
        run = run_relations(connection, config_of(spec, {table: f"raw.{table}" for table in TIME_COLUMNS}))
        assert run.broken_invariants() == []
        return _account(run)


def _account(run: CompiledRun) -> Account:
    assessment = run.assessment
    parts = [
        part for experiment in assessment.experiments for part in (experiment.levels, experiment.effects)
    ]
    return Account(
        balance={
            name: (fact.rows_in, fact.rows_filtered, fact.rows_kept, fact.rows_quarantined, fact.rows_duplicate, fact.rows_conflicting)
            for name, fact in run.measurements.sources.items()
        },
        measured=run.measurements,
        levels=sorted(map(repr, parts[0])),
        effects=sorted(map(repr, parts[1])),
        gaps={
            (g.kind, g.experiment, g.table, g.column, g.segment): (
                g.rows_affected,
                None if g.share_residual is None or not g.rows_total else round(g.share_residual * g.rows_total),
            )
            for g in assessment.gaps
        },
    )  # fmt: skip


def assert_balanced(account: Account, tables: Tables) -> None:
    """Every row that came in is in exactly one place."""
    for name, (rows_in, *elsewhere) in account.balance.items():
        assert rows_in == len(tables[name]) + 1 == sum(elsewhere), name


def shuffled(tables: Tables, seed: int) -> Tables:
    chance = random.Random(seed)  # noqa: S311
    return {table: chance.sample(rows, len(rows)) for table, rows in tables.items()}


# An example is two builds of the warehouse: making a failing one smaller would take minutes.
FEW = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@FEW
@given(TABLES, st.sampled_from(COUNTED), st.sampled_from(["request", "customer"]), st.integers(0, 99))
def test_a_copy_of_a_sound_row_in_another_order_of_rows_is_one_more_duplicate_and_nothing_else(
    tables, table, unit, seed
):
    before = account_of(tables, unit)
    assert_balanced(before, tables)
    longer = shuffled({**tables, table: [*tables[table], SOUND[table]]}, seed)
    after = account_of(longer, unit)
    assert_balanced(after, longer)
    assert after.levels == before.levels
    assert after.effects == before.effects
    copies = ("duplicate_rows", None, table, None, None)
    assert {**after.gaps, copies: None} == {**before.gaps, copies: None}
    assert after.gaps[copies][0] == before.gaps.get(copies, (0, 0))[0] + 1
    expected = list(before.balance[table])
    expected[0] += 1
    expected[4] += 1
    assert after.balance == {**before.balance, table: tuple(expected)}


@pytest.mark.matrix
@FEW
@given(TABLES, st.sampled_from(COUNTED), st.integers(0, 99))
def test_a_copy_of_any_row_moves_no_metric(tables, table, place):
    before = account_of(tables, "request")
    rows: Sequence[tuple[str | None, ...]] = tables[table] or [SOUND[table]]
    after = account_of({**tables, table: [*tables[table], rows[place % len(rows)]]}, "request")
    assert _repaired(after) == _repaired(before)
    assert_balanced(after, {**tables, table: [*tables[table], rows[0]]})


def _repaired(account: Account) -> dict[object, object]:
    """The sums behind every level and estimate, copies removed."""
    measured = {**account.measured.moments, **account.measured.quantiles}
    return {cohort: value for (reading, cohort), value in measured.items() if reading == "repaired"}
