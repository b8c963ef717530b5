"""The closed forms of the bounds equal enumeration of every world they allow."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dagster_pipeline.statistics.bounds.conflicts import TwoReadings, conflict_bounds
from dagster_pipeline.statistics.bounds.contamination import contaminated_difference, contaminated_share
from dagster_pipeline.statistics.bounds.dealing_quantile import missing_outcome_quantile
from dagster_pipeline.statistics.bounds.design import (
    cluster_spread,
    from_design_share,
    from_known_size,
    points,
)
from dagster_pipeline.statistics.bounds.joint import Outcomes, joint_share
from dagster_pipeline.statistics.bounds.label import (
    LabelCounts,
    design_band,
    known_split,
    nothing_known,
    scenarios,
    stratified,
)
from dagster_pipeline.statistics.bounds.lost_units import lost_units
from dagster_pipeline.statistics.bounds.orphans import CountedArm, at_least_one_bounds, count_bounds
from dagster_pipeline.statistics.bounds.outcome import (
    ObservedShare,
    ignorability,
    lee_share,
    lee_trim,
    share_bounds,
    trimmed_share,
)
from dagster_pipeline.statistics.bounds.pair import Bounds
from dagster_pipeline.statistics.bounds.sampling import inverse_probability
from dagster_pipeline.statistics.bounds.shift import quantile_of, shift_cells, shifted
from dagster_pipeline.statistics.evidence import Cells, Moments
from dagster_pipeline.statistics.quantiles import Steps, rank_of

EXAMPLES = settings(max_examples=300, deadline=None)
few = st.integers(0, 5)


@st.composite
def label_counts(draw) -> LabelCounts:
    n_t, n_c = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    return LabelCounts(n_t, draw(st.integers(0, n_t)), n_c, draw(st.integers(0, n_c)), draw(few), draw(few))


def _all_effects(c: LabelCounts, k: int | None = None) -> list[float]:
    """Δ of every way to give a of the successes and b of the failures to the treatment."""
    return [
        (c.s_t + a) / (c.n_t + a + b) - (c.s_c + c.m1 - a) / (c.n_c + c.m - a - b)
        for a, b in itertools.product(range(c.m1 + 1), range(c.m0 + 1))
        if k is None or a + b == k
    ]


@EXAMPLES
@given(label_counts(), st.data())
def test_known_split_is_the_range_over_labellings(counts, data):
    k = data.draw(st.integers(0, counts.m))
    effects, found = _all_effects(counts, k), known_split(counts, k)
    assert (found.lower, found.upper) == pytest.approx((min(effects), max(effects)))


@EXAMPLES
@given(label_counts())
def test_nothing_known_is_the_range_over_all_labellings(counts):
    effects, found = _all_effects(counts), nothing_known(counts)
    assert (found.lower, found.upper) == pytest.approx((min(effects), max(effects)))


@EXAMPLES
@given(label_counts(), st.floats(0.05, 0.95))
def test_design_band_lies_between_a_known_split_and_nothing_known(counts, share):
    found, free = design_band(counts, share), nothing_known(counts)
    assert free.lower - 1e-9 <= found.lower <= found.upper <= free.upper + 1e-9
    half = 2.576 * math.sqrt(counts.total * share * (1 - share))
    for k in range(counts.m + 1):
        if abs(counts.n_t + k - share * counts.total) <= half:
            one = known_split(counts, k)
            assert found.lower <= one.lower + 1e-9
            assert one.upper <= found.upper + 1e-9


@EXAMPLES
@given(st.lists(label_counts(), min_size=1, max_size=2), st.data())
def test_strata_bound_the_pooled_effect_sharply(strata, data):
    splits = [data.draw(st.integers(0, counts.m)) for counts in strata]
    successes = [
        [a for a in range(counts.m1 + 1) if 0 <= k - a <= counts.m0]
        for counts, k in zip(strata, splits, strict=True)
    ]
    pooled = LabelCounts(
        *(sum(getattr(c, name) for c in strata) for name in ("n_t", "s_t", "n_c", "s_c", "m1", "m0"))
    )
    effects = [
        (pooled.s_t + sum(a)) / (pooled.n_t + sum(splits))
        - (pooled.s_c + pooled.m1 - sum(a)) / (pooled.n_c + pooled.m - sum(splits))
        for a in itertools.product(*successes)
    ]
    found = stratified(list(zip(strata, splits, strict=True)))
    assert (found.lower, found.upper) == pytest.approx((min(effects), max(effects)))


def test_the_three_stories_about_the_unlabelled_are_not_a_bound():
    counts = LabelCounts(18_800, 2350, 18_800, 2256, 264, 2136)
    told = scenarios(counts)
    region = known_split(counts, 1200)
    assert region.lower < min(told.all_control, told.all_treatment, told.dropped)
    assert region.upper > max(told.all_control, told.all_treatment, told.dropped)


def test_no_labelling_open_means_a_point():
    counts = LabelCounts(10, 4, 10, 5, 3, 2)
    assert known_split(counts, 0).width == 0
    assert known_split(counts, 5).width == 0
    assert known_split(counts, 99) == known_split(counts, 5)


@EXAMPLES
@given(st.tuples(few, few, few), st.tuples(few, few, few), st.tuples(*[st.integers(0, 3)] * 3), st.data())
def test_labels_and_outcomes_together_are_bounded_sharply(t, c, m, data):
    assume(sum(t) and sum(c))
    k = data.draw(st.integers(0, sum(m)))
    effects = []
    for a1, a0, aq in itertools.product(*(range(count + 1) for count in m)):
        if a1 + a0 + aq != k:
            continue
        most_t, least_t = t[0] + a1 + t[2] + aq, t[0] + a1
        most_c, least_c = c[0] + m[0] - a1 + c[2] + m[2] - aq, c[0] + m[0] - a1
        n_t, n_c = sum(t) + k, sum(c) + sum(m) - k
        effects += [most_t / n_t - least_c / n_c, least_t / n_t - most_c / n_c]
    found = joint_share(Outcomes(*t), Outcomes(*c), Outcomes(*m), k)
    assert (found.lower, found.upper) == pytest.approx((min(effects), max(effects)))


@EXAMPLES
@given(st.tuples(st.integers(1, 9), few, few), st.tuples(st.integers(1, 9), few, few))
def test_missing_outcomes_of_a_share_are_bounded_by_filling_them(t, c):
    arms = [ObservedShare(seen + missing, seen, min(s, seen)) for seen, missing, s in (t, c)]
    fills = [[(arm.successes + extra) / arm.n for extra in range(arm.n - arm.observed + 1)] for arm in arms]
    effects = [a - b for a, b in itertools.product(*fills)]
    found = share_bounds(*arms)
    assert (found.lower, found.upper) == pytest.approx((min(effects), max(effects)))


@EXAMPLES
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(0, 3), st.sampled_from([0.25, 0.5, 0.9])
)
def test_quantile_with_missing_outcomes_is_the_range_over_fills(observed, missing, q):
    n = len(observed) + missing
    at = rank_of(q, n) - 1
    lowest = sorted([-math.inf] * missing + observed)[at]
    highest = sorted(observed + [math.inf] * missing)[at]
    steps = Steps.of(np.array(observed, float), np.ones(len(observed), np.int64))
    found = missing_outcome_quantile(steps, n, q)
    assert found == tuple(None if math.isinf(end) else end for end in (lowest, highest))


@EXAMPLES
@given(st.integers(1, 9), st.integers(0, 9), st.integers(1, 9), st.integers(0, 9), st.integers(0, 6))
def test_orphans_go_to_either_arm(n_t, q_t, n_c, q_c, orphans):
    effects = [(q_t + o) / n_t - (q_c + orphans - o) / n_c for o in range(orphans + 1)]
    found = count_bounds(CountedArm(n_t, q_t), CountedArm(n_c, q_c), orphans)
    assert (found.lower, found.upper) == pytest.approx((min(effects), max(effects)))
    t, c = CountedArm(n_t, min(q_t, n_t)), CountedArm(n_c, min(q_c, n_c))
    some = at_least_one_bounds(t, c, orphans)
    effects = [
        min(n_t, t.counted + o) / n_t - min(n_c, c.counted + p) / n_c
        for o, p in itertools.product(range(orphans + 1), repeat=2)
        if o + p <= orphans
    ]
    assert (some.lower, some.upper) == pytest.approx((min(effects), max(effects)))


@EXAMPLES
@given(*[few] * 6)
def test_conflicting_sources_are_bounded_request_by_request(b_t, a_t, o_t, b_c, a_c, o_c):
    t, c = TwoReadings(b_t + a_t + o_t + 1, b_t, a_t, o_t), TwoReadings(b_c + a_c + o_c + 2, b_c, a_c, o_c)
    effects = [
        (b_t + x) / t.n - (b_c + y) / c.n
        for x, y in itertools.product(range(a_t + o_t + 1), range(a_c + o_c + 1))
    ]
    found = conflict_bounds(t, c)
    assert (found.lower, found.upper) == pytest.approx((min(effects), max(effects)))


@EXAMPLES
@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 11))
def test_contaminated_share_is_the_range_over_which_rows_are_foreign(n, successes, foreign):
    assume(successes <= n and foreign < n)
    shares = [
        (successes - taken) / (n - foreign)
        for taken in range(foreign + 1)
        if taken <= successes and foreign - taken <= n - successes
    ]
    found = contaminated_share(successes / n, foreign / n)
    assert (found.lower, found.upper) == pytest.approx((min(shares), max(shares)))
    both = contaminated_difference(successes / n, 0.5, foreign / n, 0.0)
    assert both.width == pytest.approx(found.width)


def test_lee_trims_the_arm_that_responds_more_and_stays_inside_the_worst_case():
    t, c = ObservedShare(100, 95, 30), ObservedShare(100, 80, 20)
    lee, worst = lee_share(t, c), share_bounds(t, c)
    assert lee_trim(0.95, 0.80) == pytest.approx(1 - 80 / 95)
    assert worst.lower < lee.lower < lee.upper < worst.upper
    mirrored = lee_share(c, t)
    assert (mirrored.lower, mirrored.upper) == pytest.approx((-lee.upper, -lee.lower))
    assert trimmed_share(0.3, 0.0).width == 0


def test_the_ignorability_dial_runs_from_the_point_to_the_worst_case():
    worst = Bounds(-0.2, 0.3)
    assert ignorability(worst, 0.1, 0.0).width == pytest.approx(0)
    assert ignorability(worst, 0.1, 1.0) == worst
    with pytest.raises(ValueError, match="from 0 to 1"):
        ignorability(worst, 0.1, 1.5)


@EXAMPLES
@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.05, 0.95))
def test_open_counts_stay_within_the_unlabelled(n_arm, m, share):
    total = n_arm + m + 20
    found = from_design_share(n_arm, total, m, share, float(total))
    assert 0 <= found.low <= found.high <= m
    scanned = points(found).first
    assert scanned[0] == found.low
    assert scanned[-1] == found.high
    assert set(range(math.ceil(found.low), math.floor(found.high) + 1)) <= set(scanned)
    assert from_known_size(n_arm, m, n_arm - 5).high == 0


def test_clusters_widen_the_band_of_arm_sizes():
    single = Moments(100, 100, 10, 100, 10, 100, 10)
    paired = Moments(50, 100, 10, 100, 20, 200, 20)
    assert cluster_spread(single, 100, clustered=True) == 100
    assert cluster_spread(paired, 100, clustered=True) == 200
    assert cluster_spread(paired, 100, clustered=False) == 100


def test_lost_units_leave_room_for_chance_and_are_never_negative():
    assert lost_units(900, 1000, 0.5, z=0.0) == 100
    assert lost_units(900, 1000, 0.5) == math.ceil(100 + 2.576 * math.sqrt(1900))
    assert lost_units(2000, 1000, 0.5) == 0


def test_weights_of_one_change_nothing_and_impossible_rates_are_refused():
    found = inverse_probability(np.array([1.0, 2.0, 3.0]), np.ones(3))
    assert (found.total, found.mean, found.effective_size, found.total_variance) == (6, 2, 3, 0)
    with pytest.raises(ValueError, match="logging rates"):
        inverse_probability(np.array([1.0]), np.array([0.0]))


def test_a_possible_shift_opens_an_interval_that_never_starts_before_the_request():
    cells = Cells(np.array([10.0, 100.0]), np.array([10.0, 100.0]), np.ones(2), np.array([1, 1]))
    late = shift_cells(cells, 60.0)
    assert (late.low.tolist(), late.high.tolist()) == ([0.0, 40.0], [10.0, 100.0])
    early = shift_cells(cells, -60.0)
    assert (early.low.tolist(), early.high.tolist()) == ([10.0, 100.0], [70.0, 160.0])
    assert shifted(lambda y: min(1.0, y / 10), 5.0, 1.0)(10) == 0.5
    with pytest.raises(ValueError, match="lies beyond"):
        quantile_of(lambda y: 0.1, 0.5, 0, 10)


def test_labelled_requests_that_refute_the_design_share_leave_everything_open():
    counts = LabelCounts(900, 90, 100, 12, 5, 5)
    assert design_band(counts, 0.5) == nothing_known(counts)
    assert design_band(counts, 0.9).width < nothing_known(counts).width + 1e-12
