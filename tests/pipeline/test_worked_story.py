"""The story of the README: 18% of quotes without a variant are a blocker; the join leaves 6%, and that is high.

What the whole line says of the story, with its files, is in test_whole_line.
"""

from __future__ import annotations

import duckdb
import pytest

from benchmarks.compiled_line import CompiledRun, compiled_run
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.demo.story import founding_story


def lose_the_assignments(connection: duckdb.DuckDBPyConnection) -> None:
    """All but one, so that the source is there and joins nothing."""
    connection.execute(
        "delete from raw.assignments where entity_id > (select min(entity_id) from raw.assignments)"
    )


def missing_variants(run: CompiledRun):
    return run.gap("missing_variant", "quotes", "variant"), run.gap("missing_variant", "requests")


@pytest.mark.parametrize("requests", [8_000, pytest.param(40_000, marks=pytest.mark.matrix)])
def test_without_the_join_the_missing_variants_are_a_blocker(requests):
    spec, faults = founding_story(requests)
    with compiled_run(spec, faults, tamper=lose_the_assignments) as run:
        quotes, cohort = missing_variants(run)
        assert quotes.share_affected == pytest.approx(0.18, abs=1e-3)
        assert quotes.share_residual == pytest.approx(0.18, abs=1e-3)
        assert quotes.severity is Severity.BLOCKER, quotes.severity_reason
        assert cohort.severity is Severity.BLOCKER, cohort.severity_reason


@pytest.mark.matrix
def test_with_the_join_six_per_cent_remain_and_are_high():
    spec, faults = founding_story()
    with compiled_run(spec, faults) as run:
        quotes, cohort = missing_variants(run)
        assert cohort.share_residual == pytest.approx(0.06, abs=1e-4)
        assert {quotes.severity, cohort.severity} == {Severity.HIGH}, cohort.severity_reason
        assert (
            "Without the join, by the variants of the quotes alone, it would be a blocker"
            in cohort.severity_reason
        )
