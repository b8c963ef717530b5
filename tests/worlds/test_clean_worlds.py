"""Data without a defect raises no gap, whatever chance did to it: a detector that cries wolf is a defect."""

from __future__ import annotations

import pytest

from benchmarks.compiled_line import compiled_run, shown
from dagster_pipeline.demo.world import WorldSpec

SEEDS = range(50)
IN_EVERY_RUN = 3
"""Seeds of the default suite; the others come with the matrix."""


@pytest.mark.parametrize(
    "seed", [pytest.param(s, marks=pytest.mark.matrix if s >= IN_EVERY_RUN else ()) for s in SEEDS]
)
def test_a_clean_world_is_silent(seed):
    with compiled_run(WorldSpec(requests=3_000, seed=seed)) as run:
        assert shown(run.gaps) == []
        assert run.broken_invariants() == []


@pytest.mark.parametrize(
    "spec",
    [
        WorldSpec(requests=3_000, seed=3, unit="customer", days_before=28),
        WorldSpec(requests=3_000, seed=4, unit="session"),
        WorldSpec(requests=4_000, seed=5, arms=("off", "on", "on_plus"), split=(0.2, 0.5, 0.3)),
    ],
    ids=["customers", "sessions", "three arms"],
)
def test_a_clean_world_of_another_design_is_silent(spec):
    with compiled_run(spec) as run:
        assert shown(run.gaps) == []
        assert run.broken_invariants() == []
