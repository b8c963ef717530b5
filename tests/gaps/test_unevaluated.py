"""Rows never vanish, and what could not be evaluated blocks: from planted counts to the verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from small_worlds import AS_OF, CONTROL, EXPERIMENT, TREATMENT, Request, config, experiment, mapping, measure

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.config.brief import Brief, Criterion
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gaps.balance import balance_breaches, rows_accounted, rows_unaccounted
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.measurements import SourceFact
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.gaps.unevaluated import with_unevaluated
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import Verdict
from dagster_pipeline.gate.inputs import decision_inputs
from dagster_pipeline.transform.results import BuildResult, NodeResult, NodeStatus, WarehouseBuild

SHARE = "hire_rate_7d"
BRIEF = Brief(
    experiment=EXPERIMENT,
    criteria=(Criterion(metric=SHARE, effect="absolute", min_delta=-0.5, min_bound=-0.9),),
)
BALANCED = SourceFact("quotes", 1_000, 960, 40, 3, 12, 5, 940, None, is_stale=False)


COHORT = [Request(arm, float(i % 8 == 0)) for arm in (CONTROL, TREATMENT) for i in range(2_000)]


def inspected(name="quotes", status=SourceStatus.OK, relation="quotes"):
    return {name: SourceInspection(name, status, relation_sql=relation)}


def build(inspections=None, nodes=(), error=None):
    found = inspected() if inspections is None else inspections
    return WarehouseBuild(mapping([SHARE]), found, BuildResult(tuple(nodes), error))


def decided(facts, inspections=None, checks=(), nodes=(), unread=frozenset(), briefs=(BRIEF,), prior=()):
    """The gaps and verdict of a world whose demand passes with ease, but for its row balance."""
    measurements = replace(measure({SHARE: COHORT}), sources=facts, unread=frozenset(unread))
    settings = config([experiment()], briefs)
    assessed = assess(settings, mapping([SHARE]), measurements)
    assessed = replace(assessed, gaps=(*assessed.gaps, *prior))
    whole = with_unevaluated(settings, build(inspections, nodes), checks, measurements, assessed)
    (inputs,) = decision_inputs(whole, whole.gaps, AS_OF, AS_OF + timedelta(hours=1))
    return whole.gaps, decide(inputs)


def test_a_world_whose_rows_add_up_has_no_such_gap_and_goes():
    gaps, decision = decided({"quotes": BALANCED})
    assert gaps == ()
    assert decision.verdict is Verdict.GO


@pytest.mark.parametrize("lost", [1, 9, -1, -250])
def test_one_row_lost_or_invented_blocks_the_launch_and_says_source_and_numbers(lost):
    gaps, decision = decided({"quotes": replace(BALANCED, rows_kept=940 - lost)})
    (gap,) = gaps
    assert (gap.kind, gap.table, gap.column, gap.severity) == (
        "not_evaluated",
        "quotes",
        None,
        Severity.BLOCKER,
    )
    assert gap.description.startswith(
        f"1,000 rows of quotes came in, {1_000 - lost:,} are accounted for ({940 - lost:,} used, 40 filtered out, "
        "3 quarantined, 12 duplicate copies, 5 conflicting): "
    )
    words = {1: "1 is missing", 9: "9 are missing", -1: "1 too many", -250: "250 too many"}
    assert words[lost] in gap.description
    assert decision.verdict is Verdict.HOLD
    assert decision.blocked_by == (gap.gap_id,)
    assert any(gap.description in reason for reason in decision.reasons)


@pytest.mark.parametrize(
    "field", ["rows_filtered", "rows_quarantined", "rows_duplicate", "rows_conflicting", "rows_kept"]
)
def test_every_way_a_row_can_go_is_in_the_balance(field):
    leak = replace(BALANCED, **{field: getattr(BALANCED, field) - 1})
    assert rows_unaccounted(BALANCED) == 0
    assert (rows_unaccounted(leak), rows_accounted(leak)) == (1, 999)


def test_without_a_brief_lost_rows_block_all_the_same():
    gaps, decision = decided({"quotes": replace(BALANCED, rows_kept=0)}, briefs=())
    assert [gap.severity for gap in gaps] == [Severity.BLOCKER]
    assert decision.verdict is Verdict.HOLD


def test_a_readable_source_that_nobody_counted_blocks():
    gaps, decision = decided({})
    assert [(gap.table, gap.severity) for gap in gaps] == [("quotes", Severity.BLOCKER)]
    assert "were not counted" in gaps[0].description
    assert decision.verdict is Verdict.HOLD


@pytest.mark.parametrize("status", [SourceStatus.UNMAPPED, SourceStatus.MISSING, SourceStatus.UNREADABLE])
def test_a_source_that_is_not_there_has_no_rows_to_lose(status):
    assert list(balance_breaches(inspected(status=status, relation=None), {})) == []


def test_a_file_without_a_byte_has_no_rows_to_lose_but_a_table_without_a_row_has():
    assert list(balance_breaches(inspected(status=SourceStatus.EMPTY, relation=None), {})) == []
    invented = replace(BALANCED, rows_in=0)
    assert [
        name for name, _ in balance_breaches(inspected(status=SourceStatus.EMPTY), {"quotes": invented})
    ] == ["quotes"]


def test_where_the_balance_was_not_measured_though_nothing_broke_the_silence_blocks():
    gaps, decision = decided({}, unread={"int_source_facts"})
    assert [(gap.table, gap.severity) for gap in gaps] == [("int_source_facts", Severity.BLOCKER)]
    assert decision.verdict is Verdict.HOLD


def test_where_the_count_itself_broke_that_is_the_one_blocker():
    node = NodeResult(
        "model.p.int_source_facts", "int_source_facts", "model", NodeStatus.ERROR, "Out of memory", 0.1
    )
    gaps, decision = decided({}, unread={"int_source_facts"}, nodes=[node])
    assert [(gap.table, gap.severity) for gap in gaps] == [("int_source_facts", Severity.BLOCKER)]
    assert "Out of memory" in gaps[0].description
    assert decision.verdict is Verdict.HOLD


def test_a_test_of_the_whole_project_that_fails_is_called_what_it_is():
    node = NodeResult("test.p.assert_it", "assert_it", "test", NodeStatus.FAILED, "Got 1 result", 0.1, 1)
    gaps, _ = decided({"quotes": BALANCED}, nodes=[node])
    assert [(g.table, g.description) for g in gaps] == [
        ("assert_it", "assert_it does not hold, which is a fault of the pipeline: Got 1 result")
    ]


def mild():
    """The gap of an optional source nobody's metric needs."""
    return Gap(
        gap_id("not_evaluated", None, "quotes", None, None), "not_evaluated", None, "quotes", None, None, "no row",
        GapStatus.OPEN, Severity.INFO, "No metric of the brief needs it.", None, None, None, None,
    )  # fmt: skip


def test_a_milder_gap_in_the_same_place_never_hides_that_rows_were_lost():
    gaps, decision = decided({"quotes": replace(BALANCED, rows_kept=0)}, prior=[mild()])
    assert [gap.severity for gap in gaps] == [Severity.BLOCKER]
    assert decision.verdict is Verdict.HOLD


def errored(column=None, **fields):
    defaults = {
        "gap_kind": "missing_values",
        "affects": (SHARE,),
        "message": "it raised",
        "gap_column": column,
    }
    return CheckResult(
        "quotes", "expect_x", "quotes", column, CheckStatus.ERROR, None, None, None, 10, **(defaults | fields)
    )


def test_a_check_that_raised_blocks_where_the_brief_needs_it_and_is_a_note_where_not():
    gaps, decision = decided({"quotes": BALANCED}, checks=[errored("price"), errored("variant", affects=())])
    assert {gap.column: gap.severity for gap in gaps} == {"price": Severity.BLOCKER, "variant": Severity.INFO}
    assert decision.verdict is Verdict.HOLD


def test_a_check_that_raised_adds_nothing_to_a_gap_that_is_known_or_to_lost_rows():
    checks = [errored()]
    gaps, _ = decided({"quotes": BALANCED}, checks=checks, prior=[mild()])
    assert [gap.severity for gap in gaps] == [Severity.INFO]
    gaps, _ = decided({"quotes": replace(BALANCED, rows_kept=0)}, checks=checks)
    assert len(gaps) == 1
    assert "came in" in gaps[0].description
