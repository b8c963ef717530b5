"""One arm at one end: over every number of requests it may take, and over ranges of such numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dealt_worlds import arm, evidence_of
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.statistics.bounds.design import OpenCount, blocks
from dagster_pipeline.statistics.effects import effect, extreme_effects
from dagster_pipeline.statistics.evidence import Better, Cells, EffectKind, Metric, MetricEvidence, MetricKind
from dagster_pipeline.statistics.regions import joint_region, label_region

EXAMPLES = settings(max_examples=300, deadline=None)
MEDIAN = Metric("ttfq", MetricKind.QUANTILE, Better.LOWER, EffectKind.RELATIVE, quantile=0.5)
MEAN = Metric("tickets", MetricKind.MEAN, Better.LOWER, EffectKind.RELATIVE)


@EXAMPLES
@given(st.floats(0, 30), st.floats(0, 30), st.integers(1, 10))
def test_blocks_cover_every_whole_number_once_and_no_more_than_asked(a, b, limit):
    low, high = min(a, b), max(a, b)
    found = blocks(OpenCount(low, high), limit)
    covered = [k for x, y in zip(found.first, found.last, strict=True) for k in range(int(x), int(y) + 1)]
    assert covered == list(range(math.floor(low), math.ceil(high) + 1))
    assert len(found.first) <= limit
    rest = found.complement(100)
    assert rest.first.tolist() == (100 - found.last).tolist()


def test_an_effect_that_a_zero_control_leaves_undefined_has_no_limit_above():
    nought = extreme_effects(np.array([0.0]), np.array([0.0]), MEAN, upper=True)
    assert nought.tolist() == [math.inf]
    assert extreme_effects(np.array([0.0]), np.array([0.0]), MEAN, upper=False).tolist() == [-1.0]
    evidence = evidence_of(MEAN, [0, 1], [0, 0], [0, 3])
    region = label_region(evidence, "treatment", 0.9, known={"treatment": 3, "control": 3})
    assert (region.upper, region.gate_upper, region.reason) == (None, None, "unbounded")
    assert region.lower == pytest.approx((1 / 3) / 1 - 1)
    assert effect(1.0, 0.0, MEAN) is None
    assert effect(None, 1.0, MEAN) is None


def test_two_infinite_quantiles_leave_the_effect_open_on_both_sides():
    cells = Cells(np.array([1.0, 1.0]), np.array([1.0, math.inf]), np.ones(2), np.array([2, 3]))
    moments = arm(MEDIAN, [1.0] * 5).moments
    arms = {name: type(arm(MEDIAN, [1.0]))(moments, cells) for name in ("treatment", "control")}
    evidence = MetricEvidence(MEDIAN, "control", {"treatment": 0.5, "control": 0.5}, arms)
    region = joint_region(evidence, "treatment", 0.9)
    assert region.upper is None
    assert region.lower == -1.0


def test_a_rounding_step_between_sums_and_cells_never_leaves_the_estimate_outside():
    metric = Metric("gmv", MetricKind.MEAN, Better.HIGHER, EffectKind.ABSOLUTE)
    t, c = [0.1] * 3 + [0.7] * 7, [0.3] * 11
    evidence = evidence_of(metric, t, c, [])
    for nudged in ("treatment", "control"):
        arms = {**evidence.arms, nudged: _nudged(evidence.arms[nudged], 1 + 4e-16)}
        region = joint_region(MetricEvidence(metric, "control", evidence.split, arms), "treatment", 0.9)
        levels = [found.moments.y / found.moments.d for found in (arms["treatment"], arms["control"])]
        assert region.lower <= levels[0] - levels[1] <= region.upper


def _nudged(found, factor: float):
    moments = found.moments
    return type(found)(type(moments)(**{**vars(moments), "y": moments.y * factor}), found.cells)
