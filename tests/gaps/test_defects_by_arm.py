"""A defect that hits one arm alone is told by arm and marked; one that hits both alike is told and not marked."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pytest

from benchmarks.compiled_line import CompiledRun, compiled_run
from dagster_pipeline.demo.spec import WorldSpec
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.register.store import prepare
from dagster_pipeline.report.runbooks import runbooks

SPEC = WorldSpec(requests=6_000)
TREATED = "('treatment')"
BOTH = "('control', 'treatment')"

COUNTED = [
    ("missing_values", "quotes", "quoted_at"),
    ("missing_variant", "quotes", "variant"),
    ("missing_variant", "requests", None),
    ("duplicate_rows", "quotes", None),
    ("conflicting_keys", "quotes", None),
    ("orphan_rows", "assignments", None),
    ("orphan_rows", "hires", None),
    ("orphan_rows", "quotes", None),
    ("timestamp_disorder", "quotes", "quoted_at"),
    ("timestamp_disorder", "quote_events", "event_at"),
    ("source_conflict", "quotes", "quoted_at"),
    ("invalid_values", "quotes", "price"),
    ("sampled_logging", "quote_events", None),
    ("late_assignment", "assignments", "assigned_at"),
    ("multiple_exposures", "assignments", None),
]
"""Kinds whose rows are counted and can be laid to an arm."""

TIMED = [("missing_partition", "messages", None), ("stale_source", "hires", None)]
"""Rows that never came: what each arm lacks of what it should have."""

ABOUT_ARMS = {"distribution_drift", "pre_exposure_imbalance", "sample_ratio_mismatch"}
WITHOUT_AN_ARM = {"schema_change", "not_evaluated"}
TOO_FEW = {"stale_dashboard"}


def damage(arms: str):
    """Six per cent of the rows of the arms for each kind, no row for two of them; a fifth of their events."""

    def of_quotes(start: int, width: int = 60) -> str:
        return f"request_id in (from hit) and hash(quote_id) % 1000 between {start} and {start + width - 1}"

    def of_units(start: int, key: str = "entity_id") -> str:
        return f"{key} in (from hit) and hash({key}) % 1000 between {start} and {start + 59}"

    def pairs(where: str) -> str:
        return f"(request_id, pro_id) in (select (request_id, pro_id) from raw.quotes where {where})"

    statements = f"""
        create temp table hit as select entity_id from raw.assignments where variant in {arms};
        create temp table gone as select request_id from raw.requests
            where request_id in (from hit) and created_at between timestamp '2026-10-01' and timestamp '2026-10-12';
        delete from raw.requests where request_id in (from gone);
        delete from raw.assignments where entity_id in (from gone);
        delete from raw.quotes where request_id in (from gone);
        delete from raw.quote_events where request_id in (from gone);
        delete from raw.hires where request_id in (from gone);
        delete from raw.messages where request_id in (from gone);
        delete from raw.support_tickets where request_id in (from gone);
        create temp table extra as select * from raw.quotes where {of_quotes(60)}
            union all select * replace (price + 1 as price) from raw.quotes where {of_quotes(120)};
        update raw.quotes set quoted_at = null where {of_quotes(0)};
        insert into raw.quotes from extra;
        create temp table early as select request_id, pro_id from raw.quotes where {of_quotes(180)};
        update raw.quotes set quoted_at = quoted_at - interval 60 day where (request_id, pro_id) in (from early);
        update raw.quote_events set event_at = event_at - interval 60 day where (request_id, pro_id) in (from early);
        update raw.quote_events set event_at = event_at + interval 10 minute where {pairs(of_quotes(240))};
        update raw.quotes set price = -1 where {of_quotes(300)};
        update raw.quotes set variant = null where {of_quotes(360)};
        delete from raw.quote_events where {pairs(of_quotes(420, 200))};
        update raw.quotes set request_id = 'lost-' || request_id where {of_quotes(620)};
        delete from raw.requests where {of_units(0, "request_id")};
        delete from raw.assignments where {of_units(60)};
        update raw.assignments set assigned_at = assigned_at + interval 5 day where {of_units(120)};
        insert into raw.assignments select * replace (
                case variant when 'control' then 'treatment' else 'control' end as variant,
                assigned_at + interval 1 hour as assigned_at
            ) from raw.assignments where {of_units(180)};
        delete from raw.messages where request_id in (from hit) and sent_at::date = date '2026-10-20';
        delete from raw.hires where hired_at > timestamp '2026-11-02';
        update raw.dashboards set value = value * 1.2 where variant in {arms};
    """

    def tamper(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(statements)

    return tamper


@pytest.fixture(scope="module")
def one_armed() -> Iterator[CompiledRun]:
    with compiled_run(SPEC, tamper=damage(TREATED)) as run:
        yield run


@pytest.fixture(scope="module")
def alike() -> Iterator[CompiledRun]:
    with compiled_run(SPEC, tamper=damage(BOTH)) as run:
        yield run


def test_every_kind_is_shown_here_or_said_to_have_no_arm():
    shown = {kind for kind, *_ in (*COUNTED, *TIMED)}
    assert shown | ABOUT_ARMS | WITHOUT_AN_ARM | TOO_FEW == set(gap_kinds())


@pytest.mark.parametrize("place", [*COUNTED, *TIMED], ids=lambda place: ".".join(filter(None, place)))
def test_a_defect_of_one_arm_is_marked(one_armed, place):
    found = one_armed.gap(*place)
    assert found.differential, found.by_variant
    assert found.by_variant["treatment"] > 1.3 * found.by_variant["control"] + 0.01


@pytest.mark.parametrize("place", COUNTED, ids=lambda place: ".".join(filter(None, place)))
def test_where_one_arm_is_hit_the_other_is_clean(one_armed, place):
    assert one_armed.gap(*place).by_variant["control"] == 0


@pytest.mark.parametrize("place", [*COUNTED, *TIMED], ids=lambda place: ".".join(filter(None, place)))
def test_a_defect_of_both_arms_is_not_marked(alike, place):
    found = alike.gap(*place)
    assert not found.differential, found.by_variant
    assert min(found.by_variant["control"], found.by_variant["treatment"]) > 0


def test_units_that_one_arm_lost_are_its_share_of_what_it_should_hold(one_armed, alike):
    found = one_armed.gap("sample_ratio_mismatch", "assignments", "variant")
    held = dict(one_armed.ask("select variant, count(distinct entity_id) from raw.assignments group by 1"))
    assert found.differential
    assert found.by_variant["control"] == 0
    assert found.by_variant["treatment"] == pytest.approx(1 - held["treatment"] / held["control"], abs=0.06)
    assert ("sample_ratio_mismatch", "assignments", "variant") not in alike.places()


def test_an_orphan_of_no_known_request_keeps_the_arm_its_own_row_carries(one_armed):
    dangling = "select count(*) from raw.quotes where request_id like 'lost-%'"
    orphans = one_armed.gap("orphan_rows", "quotes")
    assert one_armed.ask(dangling)[0][0] > 100
    assert orphans.by_variant.get("unknown", 0) == 0


def test_figures_of_a_dashboard_are_told_by_arm_though_too_few_to_test(one_armed):
    found = one_armed.gap("stale_dashboard", "dashboards", "value")
    assert found.by_variant["treatment"] == 1
    assert not found.differential


# --- this world has every kind of defect, so that the runbooks' queries are tried on it ---------


def queries(kind: str) -> list[str]:
    return re.findall(r"```sql\n(.*?)```", runbooks()[kind].body, re.DOTALL)


@pytest.mark.parametrize("kind", sorted(gap_kinds()))
def test_every_query_of_a_runbook_runs_on_the_warehouse_of_a_run(alike, kind):
    prepare(alike.connection)
    for sql in queries(kind):
        columns = [column[0] for column in alike.connection.execute(sql).description]
        assert len(set(columns)) == len(columns) >= 2


@pytest.mark.parametrize("kind", sorted({kind for kind, *_ in (*COUNTED, *TIMED)} - {"invalid_values"}))
def test_every_query_of_a_runbook_shows_the_defect_it_is_about(alike, kind):
    assert [sql for sql in queries(kind) if not alike.ask(sql)] == []


def test_a_runbook_counts_what_the_register_counts(alike):
    by_place = {(row[0], row[1]): row[4] for row in alike.ask(queries("orphan_rows")[0])}
    assert by_place["quotes", None] == alike.gap("orphan_rows", "quotes").rows_affected
