"""One arm at one end, and how many requests it may take: worked cases, and every subset of small piles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from dealt_worlds import HALVES, arm, cells_of, evidence_of, moments_of
from small_cases import cases, near

from dagster_pipeline.statistics.bounds import design
from dagster_pipeline.statistics.bounds.dealing import Blocks, Deals, MeanEnd, Pile, extreme, filled_level
from dagster_pipeline.statistics.bounds.dealing_quantile import QuantileEnd, known_split_level
from dagster_pipeline.statistics.bounds.dealing_ratio import RatioEnd
from dagster_pipeline.statistics.bounds.design import (
    OpenCount,
    blocks,
    cluster_spread,
    from_design_share,
    from_known_size,
    points,
)
from dagster_pipeline.statistics.bounds.evidence_ends import (
    NO_CELLS,
    OpenOutcomes,
    plus,
    request_moments,
    with_missing,
)
from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Better,
    Cells,
    EffectKind,
    Metric,
    MetricEvidence,
    MetricKind,
    Moments,
)
from dagster_pipeline.statistics.quantiles import Steps
from dagster_pipeline.statistics.regions import joint_region, label_region
from dagster_pipeline.statistics.sampling_error import FilledLevel

SHARE, MEAN, RATIO = (
    Metric("m", kind, Better.HIGHER, EffectKind.ABSOLUTE)
    for kind in (MetricKind.SHARE, MetricKind.MEAN, MetricKind.RATIO)
)
MEDIAN = Metric("m", MetricKind.QUANTILE, Better.LOWER, EffectKind.ABSOLUTE, quantile=0.5)
Z = 1.6448536269514722


def _block(first: float, last: float | None = None) -> Blocks:
    return Blocks(np.array([float(first)]), np.array([float(first if last is None else last)]))


def _floats(*values: float) -> np.ndarray:
    return np.array(values, float)


def test_a_pile_is_taken_from_its_own_end_and_the_last_request_in_part():
    for random in cases("piles"):
        values = [random.randint(-5, 9) for _ in range(random.randint(1, 6))]
        k = random.choice([0, len(values), random.uniform(0, len(values))])
        cells = cells_of(MEAN, values)
        for largest in (True, False):
            ordered = sorted(values, reverse=largest)
            whole, part = ordered[: int(k)], k - int(k)
            after = ordered[int(k)] if part else 0
            pile = Pile.of(cells.low, cells.count, largest)
            assert near(pile.sum(_floats(k))[0], sum(whole) + part * after)
            assert near(pile.square(k), sum(y * y for y in whole) + part * after**2)


def test_an_infinite_value_counts_as_soon_as_anything_is_taken():
    for infinite, largest in ((math.inf, True), (-math.inf, False)):
        pile = Pile.of(_floats(1.0, infinite), np.array([2, 1]), largest)
        assert pile.sum(_floats(0, 0.5, 1, 3)).tolist() == [0, infinite, infinite, infinite]
        assert [pile.square(k) for k in (0, 1, 3)] == [0, math.inf, math.inf]
        alone = Pile.of(_floats(infinite), np.array([1]), largest)
        assert alone.sum(_floats(0, 1)).tolist() == [0, infinite]
        end = MeanEnd(moments_of(MEAN, [1, 2]), pile, highest=largest)
        assert end.levels(_block(0))[0] == 1.5
        assert end.filled(2, 2) == FilledLevel(infinite, math.inf)


def test_a_cell_that_holds_nobody_counts_for_nothing_however_far_it_reaches():
    pile = Pile.of(_floats(1.0, math.inf), np.array([2, 0]), largest_first=True)
    assert pile.sum(_floats(0, 1, 2)).tolist() == [0, 1, 2]
    assert pile.square(2) == 2


def test_an_arm_that_stays_empty_has_no_level():
    nobody = Moments(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    end = MeanEnd(nobody, Pile.of(_floats(4.0), np.array([2]), largest_first=True), highest=True)
    assert np.isnan(end.levels(_block(0))[0])
    assert end.levels(_block(2))[0] == 4.0


def test_clusters_inflate_what_is_dealt_and_not_what_was_seen():
    seen = moments_of(MEAN, [0, 4], [1, 1])  # one unit of two requests: (4)² over the pair
    end = MeanEnd(seen, Pile.of(_floats(6.0), np.array([2]), largest_first=True), True, design_effect=3.0)
    value = (4 + 12) / 4
    squares = (4 - 2 * value) ** 2 + 3.0 * 2 * (6 - value) ** 2
    assert end.filled(2, 2) == FilledLevel(value, pytest.approx(squares / 16))
    assert filled_level(seen) == FilledLevel(2.0, 0.0)


def test_what_the_rest_must_hold_sharpens_what_an_arm_takes():
    """Bins [0, 5] and [5, 9] with a request each, and together 8: the two ends give way to the total."""
    low, high, count = _floats(0, 5), _floats(5, 9), np.array([1, 1])
    nothing = Moments(1, 1, 0.0, 1.0, 0.0, 1.0, 0.0)
    most = MeanEnd(nothing, Pile.of(high, count, True), True, rest=Pile.of(low, count, False), total=8.0)
    least = MeanEnd(nothing, Pile.of(low, count, False), False, rest=Pile.of(high, count, True), total=8.0)
    assert [float(most.levels(_block(k))[0]) * (1 + k) for k in (0, 1, 2)] == [0, 8, 8]
    assert [float(least.levels(_block(k))[0]) * (1 + k) for k in (0, 1, 2)] == [0, 0, 8]
    own = MeanEnd(nothing, Pile.of(high, count, True), True, total=8.0)
    assert float(own.levels(_block(2))[0]) * 3 == 14


def test_what_one_arm_takes_the_other_leaves():
    rest = Blocks(_floats(0, 3), _floats(2, 5)).complement(5)
    assert (rest.first.tolist(), rest.last.tolist()) == ([3, 0], [5, 2])


def _mean_end(values: list, pile: list, highest: bool) -> MeanEnd:
    moments = moments_of(MEAN, values) if values else Moments(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    cells = cells_of(MEAN, pile)
    return MeanEnd(moments, Pile.of(cells.low, cells.count, highest), highest)


def test_the_outermost_effect_is_looked_for_where_both_arms_have_somebody():
    ks = points(OpenCount(0, 2))
    paired = Deals(ks, ks.complement(2), paired=True)
    empty, pile = [], [2, 8]
    upper = extreme(_mean_end(empty, pile, True), _mean_end(empty, pile, False), paired, MEAN, upper=True)
    assert upper.value == 8 - 2  # k = 1 alone leaves each arm one request
    assert (upper.treatment.value, upper.control.value) == (8, 2)
    alone = Deals(ks, ks, paired=False)
    upper = extreme(_mean_end(empty, pile, True), _mean_end([3], pile, False), alone, MEAN, upper=True)
    assert (upper.value, upper.control.value) == (8 - 2.5, 2.5)
    lower = extreme(_mean_end([5], pile, False), _mean_end(empty, pile, True), alone, MEAN, upper=False)
    assert (lower.value, lower.treatment.value, lower.control.value) == (3.5 - 8, 3.5, 8)
    none = Blocks(_floats(0), _floats(0))
    for deals in (Deals(none, none, paired=False), Deals(none, none, paired=True)):
        assert extreme(_mean_end([1], pile, True), _mean_end(empty, pile, False), deals, MEAN, True) is None
        assert extreme(_mean_end(empty, pile, True), _mean_end([1], pile, False), deals, MEAN, True) is None


def _subsets(pile: list, first: int, last: int) -> list[tuple]:
    return [chosen for k in range(first, last + 1) for chosen in itertools.combinations(pile, k)]


def test_a_ratio_over_a_range_of_k_is_the_extreme_over_all_its_subsets():
    for random in cases("ratio subsets"):
        own, pile = (
            [(random.randint(0, 3), random.randint(low, 4)) for _ in range(random.randint(1, 4))]
            for low in (1, 0)
        )
        first = random.randint(0, len(pile))
        last, highest = random.randint(first, len(pile)), random.random() < 0.5
        cells = cells_of(RATIO, pile)
        end = RatioEnd(moments_of(RATIO, own), cells.low, cells.d, cells.count, highest)
        levels = {}
        for chosen in _subsets(pile, first, last):
            rows = own + list(chosen)
            value = sum(y for y, _ in rows) / sum(d for _, d in rows)
            variance = sum((y - value * d) ** 2 for y, d in rows) / sum(d for _, d in rows) ** 2
            levels.setdefault(round(value, 9), []).append(variance)
        expected = (max if highest else min)(levels)
        assert near(end.levels(_block(first, last))[0], expected, 1e-8)
        found = end.filled(first, last)
        assert near(found.value, expected, 1e-8)
        assert any(near(found.variance, variance, 1e-8) for variance in levels[expected])


def test_a_ratio_is_solved_for_every_block_at_once():
    cells = cells_of(RATIO, [(3, 1), (0, 2), (1, 1)])
    end = RatioEnd(moments_of(RATIO, [(1, 2)]), cells.low, cells.d, cells.count, highest=True)
    found = end.levels(Blocks(_floats(0, 1, 2, 3, 0), _floats(0, 1, 2, 3, 3)))
    assert found.tolist() == pytest.approx([1 / 2, 4 / 3, 5 / 4, 5 / 6, 4 / 3])


def test_clusters_inflate_the_requests_that_a_ratio_takes():
    own = moments_of(RATIO, [(1, 2), (0, 1)], [1, 1])
    end = RatioEnd(own, _floats(4), _floats(2), np.array([3]), True, design_effect=2.0)
    value = (1 + 8) / (3 + 4)
    squares = (1 - value * 3) ** 2 + 2.0 * 2 * (4 - value * 2) ** 2
    assert end.filled(2, 2) == FilledLevel(pytest.approx(value), pytest.approx(squares / 49))


@pytest.mark.parametrize(("highest", "outer"), [(True, math.inf), (False, -math.inf)])
def test_a_ratio_that_takes_a_request_without_limits_has_none(highest, outer):
    own = moments_of(RATIO, [(1, 2)])
    end = RatioEnd(own, _floats(outer, 1), _floats(0, 1), np.array([1, 1]), highest)
    assert end.levels(Blocks(_floats(0, 0, 1), _floats(0, 1, 2))).tolist() == [0.5, outer, outer]
    assert end.filled(1, 1) == FilledLevel(outer, math.inf)
    assert end.filled(0, 0) == FilledLevel(0.5, 0.0)
    unheld = RatioEnd(own, _floats(outer, 1), _floats(0, 1), np.array([0, 1]), highest)
    assert unheld.levels(_block(1))[0] == pytest.approx(2 / 3)
    assert unheld.filled(1, 1).value == pytest.approx(2 / 3)
    nothing = RatioEnd(moments_of(RATIO, [(1, 0)]), _floats(1), _floats(1), np.array([1]), highest)
    assert nothing.levels(Blocks(_floats(0, 1), _floats(0, 1))).tolist() == [outer, outer]


def _steps(values: list) -> Steps:
    return Steps.of(np.array(values, float), np.ones(len(values), np.int64))


def test_a_quantile_over_a_range_of_k_is_never_short_of_its_subsets_and_exact_for_one_k():
    for random in cases("quantile subsets"):
        own, pile = ([random.randint(0, 9) for _ in range(random.randint(1, 4))] for _ in range(2))
        first = random.randint(0, len(pile))
        last, highest, q = random.randint(first, len(pile)), random.random() < 0.5, random.choice([0.5, 0.9])
        end = QuantileEnd.of(_steps(own), _steps(pile), q, highest)
        found = end.levels(Blocks(_floats(first, first), _floats(last, first)))
        levels = {
            k: [
                sorted(own + list(chosen))[math.ceil(round(q * (len(own) + k), 9)) - 1]
                for chosen in itertools.combinations(pile, k)
            ]
            for k in range(first, last + 1)
        }
        pick = max if highest else min
        outermost = pick(pick(values) for values in levels.values())
        assert found[0] >= outermost if highest else found[0] <= outermost
        assert (
            found[1] == pick(levels[first]) == known_split_level(_steps(own), _steps(pile), q, first, highest)
        )
        filled = end.filled(first, first)
        extreme_rows = sorted(own + sorted(pile, reverse=highest)[:first])
        counted = [sum(row <= value for row in extreme_rows) for value in filled.steps.values]
        assert filled.steps.below.tolist() == counted
        assert filled.design_effect == 1.0


def test_a_range_of_k_counts_at_one_end_and_ranks_at_the_other():
    """Own 1 2 3 4, pile 5 6: with none to two taken, the lower half is counted at its latest and earliest."""
    late = QuantileEnd.of(_steps([1, 2, 3, 4]), _steps([5, 6]), 0.5, highest=True)
    early = QuantileEnd.of(_steps([3, 4, 5, 6]), _steps([1, 2]), 0.5, highest=False)
    assert late.levels(_block(0, 2)).tolist() == [3]  # rank 3 of six among the four
    assert early.levels(_block(0, 2)).tolist() == [1 + 1]  # rank 2 of four with both early ones among them


def test_an_arm_without_requests_or_values_has_no_quantile():
    empty = _steps([])
    dealt = QuantileEnd.of(empty, _steps([3, 7]), 0.5, highest=True, design_effect=2.5)
    assert np.isnan(dealt.levels(_block(0))[0])
    assert dealt.levels(_block(1))[0] == 7
    assert dealt.filled(1, 1).design_effect == 2.5
    assert np.isnan(QuantileEnd.of(empty, empty, 0.5, highest=False).levels(_block(0))[0])
    assert QuantileEnd.of(_steps([4]), empty, 0.5, highest=True).levels(_block(0))[0] == 4
    assert QuantileEnd.of(_steps([4]), empty, 0.5, highest=False).levels(_block(0))[0] == 4


def test_a_design_share_leaves_its_band_of_an_arms_requests():
    found = from_design_share(n_arm=45, total=100, m=20, share=0.5, spread=4.0)
    assert (found.low, found.high) == pytest.approx((5 - 2.576, 5 + 2.576))
    assert from_design_share(45, 100, 6, 0.5, 4.0) == OpenCount(pytest.approx(2.424), 6.0)
    assert from_design_share(49, 100, 20, 0.5, 4.0) == OpenCount(0.0, pytest.approx(3.576))
    assert from_design_share(60, 100, 20, 0.5, 4.0) == OpenCount(0.0, 20.0)  # refuted from above
    assert from_design_share(10, 100, 20, 0.5, 4.0) == OpenCount(0.0, 20.0)  # and from below
    assert from_design_share(50, 100, 20, 0.5, 0.0) == OpenCount(0.0, 0.0)  # met in a point, so not refuted
    lopsided = from_design_share(0, 100, 100, 0.2, 100.0)
    assert lopsided == OpenCount(pytest.approx(20 - 2.576 * 4), pytest.approx(20 + 2.576 * 4))


def test_a_known_size_leaves_one_number_within_the_unlabelled():
    assert from_known_size(40, 20, 45) == OpenCount(5.0, 5.0)
    assert from_known_size(40, 20, 30) == OpenCount(0.0, 0.0)
    assert from_known_size(40, 20, 99) == OpenCount(20.0, 20.0)


def test_every_whole_number_and_both_ends_are_scanned(monkeypatch):
    def scanned(low: float, high: float) -> list[float]:
        found = points(OpenCount(low, high))
        assert found.first is found.last
        return found.first.tolist()

    assert scanned(0.5, 3.2) == [0.5, 1, 2, 3, 3.2]
    assert scanned(2, 4) == [2, 3, 4]
    assert scanned(2.2, 2.8) == [2.2, 2.8]
    assert scanned(1.5, 2.5) == [1.5, 2, 2.5]
    monkeypatch.setattr(design, "POINT_LIMIT", 3)
    assert scanned(0.5, 10.5) == [0.5, 1, 6, 10, 10.5]
    assert scanned(0, 2) == [0, 1, 2]


def test_blocks_take_every_whole_number_once_and_are_taken_outward():
    def ranges(low: float, high: float, limit: int) -> list[tuple]:
        found = blocks(OpenCount(low, high), limit)
        return list(zip(found.first.tolist(), found.last.tolist(), strict=True))

    assert ranges(0.5, 8.2, 3) == [(0, 3), (4, 7), (8, 9)]
    assert ranges(1.0, 3.0, 10) == [(1, 1), (2, 2), (3, 3)]
    assert ranges(1.2, 1.8, 10) == [(1, 1), (2, 2)]
    assert ranges(0, 3, 2) == [(0, 1), (2, 3)]
    assert ranges(5, 8, 4) == [(5, 5), (6, 6), (7, 7), (8, 8)]
    assert ranges(0, 4, 5) == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
    assert ranges(0, 4, 4) == [(0, 1), (2, 3), (4, 4)]


def test_clusters_spread_as_the_squares_of_their_sizes():
    units = [1, 1, 1, 2, 3, 3]
    moments = moments_of(SHARE, [0, 1, 0, 1, 0, 1], units)
    assert cluster_spread(moments, 6, clustered=True) == pytest.approx(9 + 1 + 4)
    assert cluster_spread(moments, 12, clustered=True) == pytest.approx(2 * 14)
    assert cluster_spread(moments, 6, clustered=False) == 6
    nobody = Moments(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert cluster_spread(nobody, 4, clustered=True) == 4
    one = Moments(2, 8, 0.0, 0.0, 0.0, 0.0, 0.0)  # without denominators their number has to do
    assert cluster_spread(one, 8, clustered=True) == 4 * 8
    assert cluster_spread(Moments(2, 8, 0.0, 8.0, 0.0, 0.0, 0.0), 8, clustered=True) == 4 * 8
    assert cluster_spread(Moments(0, 8, 0.0, 0.0, 0.0, 0.0, 0.0), 8, clustered=True) == 8 * 8
    assert cluster_spread(Moments(16, 8, 0.0, 0.0, 0.0, 0.0, 0.0), 8, clustered=True) == 8
    assert cluster_spread(Moments(8, 8, 0.0, 8.0, 0.0, 4.0, 0.0), 8, clustered=True) == 8


def _of(metric: Metric, support: tuple) -> Metric:
    return Metric(
        metric.name, metric.kind, metric.better, metric.effect, support=support, quantile=metric.quantile
    )


@pytest.mark.parametrize(
    ("metric", "low", "high", "d"),
    [
        (SHARE, 0, 1, 1),
        (RATIO, -math.inf, math.inf, 0),
        (MEAN, 0, math.inf, 1),
        (_of(MEAN, (2.0, 5.0)), 2, 5, 1),
        (_of(MEAN, (None, 5.0)), -math.inf, 5, 1),
        (_of(MEDIAN, (1.0, 5.0)), 1, math.inf, 1),
    ],
)
def test_a_request_of_which_nothing_is_known_may_be_all_that_its_metric_allows(metric, low, high, d):
    found = with_missing(cells_of(SHARE, [1]), 3, metric)
    assert (found.low.tolist(), found.high.tolist()) == ([1, low], [1, high])
    assert (found.d.tolist(), found.count.tolist()) == ([1, d], [1, 3])
    assert with_missing(NO_CELLS, 3, metric).total == 3


def test_moments_of_cells_are_those_of_their_requests():
    cells = Cells(_floats(2, 5, math.inf), _floats(2, 5, math.inf), _floats(1, 3, 1), np.array([2, 1, 0]))
    found = request_moments(cells.low, cells, 1.0)
    assert found == moments_of(RATIO, [(2, 1), (2, 1), (5, 3)])
    assert request_moments(cells.low, cells, 2.0) == Moments(3, 3, 9.0, 5.0, 66.0, 22.0, 38.0)
    assert plus(found, moments_of(RATIO, [(1, 4)])) == moments_of(RATIO, [(2, 1), (2, 1), (5, 3), (1, 4)])


def _clustered(
    metric: Metric, values: list, units: list, pile: list, cells: Cells | None = None
) -> MetricEvidence:
    found = arm(metric, values, units=units)
    held = found if cells is None else ArmEvidence(found.moments, cells)
    return MetricEvidence(
        metric, "control", HALVES, {"treatment": held, "control": held}, arm(metric, pile), True
    )


def test_a_clustered_means_fill_is_as_much_wider_as_its_units_were_than_its_requests():
    values, units, pile = [0, 1, 4, 5], [0, 0, 1, 1], [3, 9]
    # Units: (−4)² + 4² = 32. Requests: 6.25 + 2.25 + 2.25 + 6.25 = 17, over cells whose value is seen.
    factor = 32 / 17
    region = label_region(
        _clustered(MEAN, values, units, pile), "treatment", 0.9, {"treatment": 5, "control": 5}
    )
    t, c = 19 / 5, 13 / 5
    squares = [
        sum((sum(pair) - 2 * level) ** 2 for pair in ((0, 1), (4, 5))) + factor * (dealt - level) ** 2
        for level, dealt in ((t, 9), (c, 3))
    ]
    assert near(region.gate_upper, t - c + Z * math.sqrt(sum(squares) / 25))
    # Of cells that are not points only those that are tell of the requests' spread.
    some = Cells(_floats(0, 5, 1), _floats(0, 5, 9), np.ones(3), np.array([1, 1, 2]))
    factor = (32 / 4) / ((2.5**2 + 2.5**2) / 2)
    region = label_region(
        _clustered(MEAN, values, units, pile, some), "treatment", 0.9, {"treatment": 5, "control": 5}
    )
    squares = [
        sum((sum(pair) - 2 * level) ** 2 for pair in ((0, 1), (4, 5))) + factor * (dealt - level) ** 2
        for level, dealt in ((t, 9), (c, 3))
    ]
    assert near(region.gate_upper, t - c + Z * math.sqrt(sum(squares) / 25))


@pytest.mark.parametrize(
    ("values", "units", "factor"),
    [
        ([2, 2, 2, 2], [0, 0, 0, 1], 2.0),  # no request differs: the worst case, requests per unit
        ([2, 2, 2, 2], [0, 0, 1, 2], 4 / 3),
        ([2, 2, 2, 2], [0, 0, 0, 0], 4.0),
        ([0, 0, 1, 1], [0, 0, 1, 2], 1.5),
        ([0, 4, 0, 4], [0, 0, 1, 1], 1.0),  # units more alike than requests: never less than requests
    ],
)
def test_a_fill_is_never_taken_for_less_than_its_requests(values, units, factor):
    region = label_region(
        _clustered(MEAN, values, units, [3, 9]), "treatment", 0.9, {"treatment": 5, "control": 5}
    )
    t, c = (sum(values) + 9) / 5, (sum(values) + 3) / 5
    total = 0.0
    for level, dealt in ((t, 9), (c, 3)):
        groups = [[y for y, u in zip(values, units, strict=True) if u == unit] for unit in set(units)]
        total += sum((sum(group) - len(group) * level) ** 2 for group in groups)
        total += factor * (dealt - level) ** 2
    assert near(region.gate_upper, t - c + Z * math.sqrt(total / 25))


def test_an_unclustered_fill_counts_as_it_is():
    values, units = [0, 1, 4, 5], [0, 0, 1, 1]
    single = _clustered(MEAN, values, units, [3, 9])
    plain = MetricEvidence(MEAN, "control", HALVES, single.arms, single.unlabelled, clustered=False)
    known = {"treatment": 5, "control": 5}
    found, clustered = (label_region(one, "treatment", 0.9, known) for one in (plain, single))
    assert (found.lower, found.upper) == (clustered.lower, clustered.upper)
    assert found.gate_upper < clustered.gate_upper


def test_with_labels_alone_open_an_arm_counts_as_observed():
    """Its missing outcomes and its wide cells are not this gap's doing."""
    wide = ArmEvidence(
        moments_of(MEAN, [1, 3]), Cells(_floats(0), _floats(9), np.ones(1), np.array([2])), missing=4
    )
    evidence = MetricEvidence(MEAN, "control", HALVES, {"treatment": wide, "control": wide}, arm(MEAN, [5]))
    labels, both = (OpenOutcomes(evidence, outcomes_open=is_open) for is_open in (False, True))
    assert (labels.size("treatment"), both.size("treatment")) == (2, 6)
    assert (labels.cells("treatment").total, both.cells("treatment").total) == (2, 6)
    region = label_region(evidence, "treatment", 0.9, {"treatment": 3, "control": 2})
    assert (region.lower, region.upper) == pytest.approx((3 - 2, 3 - 2))
    assert joint_region(evidence, "treatment", 0.9, {"treatment": 7}).upper is None
    assert OpenOutcomes(evidence_of(MEAN, [1], [2], []), outcomes_open=True).unlabelled.total == 0
    binned = ArmEvidence(moments_of(MEAN, [1, 3, 4]), cells_of(MEDIAN, [1, 3]))
    medians = MetricEvidence(MEDIAN, "control", HALVES, {"treatment": binned, "control": binned})
    assert OpenOutcomes(medians, outcomes_open=False).size("treatment") == 2
    ends = ({"treatment": moments_of(MEAN, [1])}, {"treatment": moments_of(MEAN, [1, 2, 3])})
    assert OpenOutcomes(evidence, outcomes_open=True, ends=ends).size("treatment") == 3 + 4
    assert OpenOutcomes(medians, outcomes_open=True, ends=ends).size("treatment") == 2
