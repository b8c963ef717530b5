"""One arm at one end: over every number of requests it may take, and over ranges of such numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from dealt_worlds import arm, cells_of, evidence_of, level_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dagster_pipeline.statistics.bounds.dealing import Blocks, MeanEnd, Pile
from dagster_pipeline.statistics.bounds.dealing_quantile import QuantileEnd, known_split_level
from dagster_pipeline.statistics.bounds.dealing_ratio import RatioEnd
from dagster_pipeline.statistics.bounds.design import OpenCount, blocks
from dagster_pipeline.statistics.effects import effect, extreme_effects
from dagster_pipeline.statistics.evidence import Better, Cells, EffectKind, Metric, MetricEvidence, MetricKind
from dagster_pipeline.statistics.quantiles import Steps
from dagster_pipeline.statistics.regions import joint_region, label_region

EXAMPLES = settings(max_examples=300, deadline=None)
RATIO = Metric("refunds", MetricKind.RATIO, Better.LOWER, EffectKind.ABSOLUTE)
MEDIAN = Metric("ttfq", MetricKind.QUANTILE, Better.LOWER, EffectKind.RELATIVE, quantile=0.5)
MEAN = Metric("tickets", MetricKind.MEAN, Better.LOWER, EffectKind.RELATIVE)

requests = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=5)


def _one_block(first: int, last: int) -> Blocks:
    return Blocks(np.array([float(first)]), np.array([float(last)]))


@EXAMPLES
@given(requests, requests, st.data(), st.booleans())
def test_a_ratio_over_a_range_of_k_is_the_extreme_over_all_its_subsets(own, pile, data, highest):
    assume(sum(d for _, d in own) > 0)
    first = data.draw(st.integers(0, len(pile)))
    last = data.draw(st.integers(first, len(pile)))
    cells = cells_of(RATIO, pile)
    end = RatioEnd(arm(RATIO, own).moments, cells.low, cells.d, cells.count, highest)
    reachable = [
        level_of(own + list(chosen), RATIO)
        for k in range(first, last + 1)
        for chosen in itertools.combinations(pile, k)
    ]
    expected = max(reachable) if highest else min(reachable)
    assert end.levels(_one_block(first, last))[0] == pytest.approx(expected)
    assert end.filled(first, last).value == pytest.approx(expected)


values = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def _steps(numbers: list) -> Steps:
    return Steps.of(np.array(numbers, float), np.ones(len(numbers), np.int64))


@EXAMPLES
@given(values, values, st.data(), st.booleans())
def test_a_quantile_over_a_range_of_k_is_never_short_of_any_of_its_subsets(own, pile, data, highest):
    first = data.draw(st.integers(0, len(pile)))
    last = data.draw(st.integers(first, len(pile)))
    found = QuantileEnd.of(_steps(own), _steps(pile), 0.5, highest).levels(_one_block(first, last))[0]
    by_k = [
        [level_of(own + list(chosen), MEDIAN) for chosen in itertools.combinations(pile, k)]
        for k in range(first, last + 1)
    ]
    reachable = [level for levels in by_k for level in levels]
    assert found >= max(reachable) if highest else found <= min(reachable)
    if first == last:
        assert found == (max(reachable) if highest else min(reachable))
        assert found == known_split_level(_steps(own), _steps(pile), 0.5, first, highest)


@EXAMPLES
@given(values, st.data())
def test_a_pile_is_taken_from_its_own_end(numbers, data):
    k = data.draw(st.integers(0, len(numbers)))
    cells = cells_of(MEAN, numbers)
    for largest_first in (True, False):
        taken = sorted(numbers, reverse=largest_first)[:k]
        pile = Pile.of(cells.low, cells.count, largest_first)
        assert pile.sum(np.array([float(k)]))[0] == pytest.approx(sum(taken))
        assert pile.square(k) == pytest.approx(sum(y * y for y in taken))


def test_an_infinite_value_is_taken_first_and_only_if_anything_is():
    pile = Pile.of(np.array([1.0, math.inf]), np.array([2, 1]), largest_first=True)
    assert pile.sum(np.array([0.0, 1.0, 3.0])).tolist() == [0.0, math.inf, math.inf]
    end = MeanEnd(arm(MEAN, [1, 2]).moments, pile, highest=True)
    assert end.levels(_one_block(0, 0))[0] == 1.5
    assert math.isinf(end.filled(1, 1).variance)


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
