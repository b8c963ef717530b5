"""Picking among treatments: with nothing to find, one is picked as rarely as the level says."""

from __future__ import annotations

import math

import numpy as np
from brief_rules import Criterion

from dagster_pipeline.criteria.evaluate import base_outcome
from dagster_pipeline.criteria.multiplicity import one_sided_alpha
from dagster_pipeline.criteria.rules import criterion_rule
from dagster_pipeline.criteria.segments import passing_segments
from dagster_pipeline.criteria.treatments import passing_treatments
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.statistics.evidence import Better, Estimate
from dagster_pipeline.statistics.intervals import newcombe

ARMS, N, RATE, WORLDS, CONFIDENCE = ("a", "b", "c"), 2_000, 0.12, 4_000, 0.90
NO_LOSS = criterion_rule(Criterion("hire_rate_7d", min_bound=0.0), Better.HIGHER)


def passing_in(hires: dict[str, int], control: int, *, corrected: bool = True) -> tuple[str, ...]:
    """The arms whose hire rate is shown to be higher than the control's."""

    def passes(arm: str, confidence: float) -> bool:
        level = confidence if corrected else CONFIDENCE
        ends = newcombe(hires[arm], N, control, N, level)
        estimate = Estimate((hires[arm] - control) / N, ends.lower, ends.upper)
        return base_outcome(NO_LOSS, estimate) is Outcome.PASSED

    return passing_treatments(hires, passes, CONFIDENCE)


def share_of_worlds_with_any(*, corrected: bool) -> float:
    rng = np.random.default_rng(7)
    drawn = rng.binomial(N, RATE, (WORLDS, len(ARMS) + 1))
    found = [
        bool(
            passing_in(dict(zip(ARMS, map(int, world[1:]), strict=True)), int(world[0]), corrected=corrected)
        )
        for world in drawn
    ]
    return float(np.mean(found))


def test_of_three_treatments_that_do_nothing_one_passes_in_no_more_worlds_than_the_level_says():
    alpha = one_sided_alpha(CONFIDENCE)
    two_errors = 2 * math.sqrt(alpha * (1 - alpha) / WORLDS)
    assert share_of_worlds_with_any(corrected=True) <= alpha + two_errors
    assert share_of_worlds_with_any(corrected=False) > alpha + two_errors  # what picking by eye would do


def test_a_treatment_that_passes_leaves_its_share_of_the_level_to_the_others():
    p_values = {"a": 0.010, "b": 0.024, "c": 0.049}

    def passes(arm, confidence):
        return p_values[arm] <= one_sided_alpha(confidence) + 1e-12

    assert passing_treatments(p_values, passes, CONFIDENCE) == ("a", "b", "c")
    assert passing_treatments(["b", "c"], passes, CONFIDENCE) == ("b", "c")
    assert passing_treatments(["c"], passes, CONFIDENCE) == ("c",)
    assert passing_treatments([], passes, CONFIDENCE) == ()
    assert passing_segments(p_values, passes, CONFIDENCE) == ("a", "b", "c")
