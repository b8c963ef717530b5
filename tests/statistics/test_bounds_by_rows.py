"""Every closed form of a bound or a bias, held against the rows it speaks of: all of them, one after the other."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from small_cases import cases, is_range_of, near

from dagster_pipeline.statistics.bounds import dilution, duplicates, orphans, sampling
from dagster_pipeline.statistics.bounds.censoring import censoring_bias, naive_share, only_shrinks
from dagster_pipeline.statistics.bounds.conflicts import (
    TwoReadings,
    conflict_bounds,
    conflict_scenarios,
    reading,
)
from dagster_pipeline.statistics.bounds.contamination import contaminated_difference, contaminated_share
from dagster_pipeline.statistics.bounds.dealing_quantile import missing_outcome_quantile
from dagster_pipeline.statistics.bounds.joint import Outcomes, joint_share
from dagster_pipeline.statistics.bounds.label import (
    LabelCounts,
    design_band,
    known_split,
    nothing_known,
    post_stratified,
    scenarios,
    stratified,
)
from dagster_pipeline.statistics.bounds.lost_units import loss_from_treatment, lost_units
from dagster_pipeline.statistics.bounds.open_units import share_ends
from dagster_pipeline.statistics.bounds.orphans import CountedArm
from dagster_pipeline.statistics.bounds.outcome import (
    DoubleSample,
    ObservedMean,
    ObservedShare,
    double_sampling,
    filled_mean,
    filled_share,
    ignorability,
    lee_from_trimmed_means,
    lee_share,
    lee_trim,
    mean_bounds,
    missing_at_random_point,
    share_bounds,
    trimmed_share,
)
from dagster_pipeline.statistics.bounds.pair import Bounds
from dagster_pipeline.statistics.bounds.shift import quantile_of, shift_cells, shifted
from dagster_pipeline.statistics.evidence import Cells, Moments
from dagster_pipeline.statistics.quantiles import Steps


def _label_counts(random) -> LabelCounts:
    n_t, n_c = random.randint(1, 6), random.randint(1, 6)
    return LabelCounts(
        n_t, random.randint(0, n_t), n_c, random.randint(0, n_c), random.randint(0, 4), random.randint(0, 4)
    )


def _delta(c: LabelCounts, a: float, b: float) -> float:
    """Δ when a of the unlabelled successes and b of the failures are T's."""
    return (c.s_t + a) / (c.n_t + a + b) - (c.s_c + c.m1 - a) / (c.n_c + c.m - a - b)


def _labellings(c: LabelCounts, k: int | None = None) -> list[tuple[int, int]]:
    pairs = itertools.product(range(c.m1 + 1), range(c.m0 + 1))
    return [(a, b) for a, b in pairs if k is None or a + b == k]


def test_unlabelled_units_are_dealt_in_every_way():
    for random in cases("labels"):
        counts = _label_counts(random)
        assert is_range_of(nothing_known(counts), (_delta(counts, *ab) for ab in _labellings(counts)))
        for k in range(counts.m + 1):
            assert is_range_of(known_split(counts, k), (_delta(counts, *ab) for ab in _labellings(counts, k)))
        assert known_split(counts, -3) == known_split(counts, 0)
        assert known_split(counts, counts.m + 3) == known_split(counts, counts.m)


def test_a_design_share_opens_every_split_of_its_band_and_no_other():
    refuted = 0
    for random in cases("band"):
        counts, share, z = _label_counts(random), random.uniform(0.05, 0.95), random.choice([0.5, 2.576])
        total = counts.n_t + counts.n_c + counts.m1 + counts.m0
        middle, half = share * total - counts.n_t, z * math.sqrt(total * share * (1 - share))
        low, high = max(0, middle - half), min(counts.m, middle + half)
        found = design_band(counts, share, z)
        if low > high:
            refuted += 1
            assert found == nothing_known(counts)
            continue
        splits = [k for k in (*np.linspace(low, high, 21), counts.m0, counts.m1) if low <= k <= high]
        ends = [_delta(counts, a, k - a) for k in splits for a in (max(0, k - counts.m0), min(k, counts.m1))]
        assert is_range_of(found, ends)
    assert 0 < refuted < 150
    assert design_band(counts, share) == design_band(counts, share, 2.576)


def test_a_band_that_just_meets_the_unlabelled_is_not_refuted():
    counts = LabelCounts(5, 2, 5, 1, 2, 3)  # of 15 units a third are T's: exactly the five it has
    assert design_band(counts, 1 / 3, z=0.0) == known_split(counts, 0)


def test_strata_are_dealt_one_by_one():
    for random in cases("strata"):
        strata = [_label_counts(random) for _ in range(2)]
        splits = [random.randint(0, c.m) for c in strata]
        pairs = list(zip(strata, splits, strict=True))
        total = sum(c.total for c in strata)
        dealt = list(itertools.product(*(_labellings(c, k) for c, k in pairs)))
        pooled = LabelCounts(
            *(sum(getattr(c, name) for c in strata) for name in ("n_t", "s_t", "n_c", "s_c", "m1", "m0"))
        )
        assert is_range_of(
            stratified(iter(pairs)),
            (_delta(pooled, sum(a for a, _ in ab), sum(b for _, b in ab)) for ab in dealt),
        )
        weighted = [
            sum(c.total / total * _delta(c, *one) for c, one in zip(strata, ab, strict=True)) for ab in dealt
        ]
        assert is_range_of(post_stratified(pairs), weighted)


def test_the_scenarios_are_the_labellings_they_name():
    for random in cases("scenarios"):
        counts = _label_counts(random)
        told = scenarios(counts)
        assert near(told.all_treatment, _delta(counts, counts.m1, counts.m0))
        assert near(told.all_control, _delta(counts, 0, 0))
        assert near(told.dropped, counts.s_t / counts.n_t - counts.s_c / counts.n_c)


def test_labels_and_outcomes_are_dealt_together():
    for random in cases("joint"):
        t, c, m = (Outcomes(*(random.randint(0, 3) for _ in range(3))) for _ in range(3))
        k = random.randint(0, m.n)
        n_t, n_c = t.n + k, c.n + m.n - k
        if n_t == 0 or n_c == 0:
            continue
        effects = []
        for one, zero in itertools.product(range(m.ones + 1), range(m.zeros + 1)):
            unknown = k - one - zero
            if not 0 <= unknown <= m.unknown:
                continue
            t_open, c_open = t.unknown + unknown, c.unknown + m.unknown - unknown
            effects += [
                (t.ones + one + up) / n_t - (c.ones + m.ones - one + down) / n_c
                for up in (0, t_open)
                for down in (0, c_open)
            ]
        assert is_range_of(joint_share(t, c, m, k), effects)


def _share(random) -> ObservedShare:
    n = random.randint(1, 7)
    observed = random.randint(0, n)
    return ObservedShare(n, observed, random.randint(0, observed))


def test_missing_outcomes_are_filled_in_every_way():
    for random in cases("outcomes"):
        t, c = _share(random), _share(random)
        fills = [
            [(arm.successes + extra) / arm.n for extra in range(arm.n - arm.observed + 1)] for arm in (t, c)
        ]
        assert is_range_of(filled_share(t), fills[0])
        assert is_range_of(share_bounds(t, c), (a - b for a, b in itertools.product(*fills)))
        support = Bounds(random.uniform(-2, 0), random.uniform(1, 3))
        means, filled = [], []
        for _ in range(2):
            seen = [random.uniform(support.lower, support.upper) for _ in range(random.randint(1, 4))]
            missing = random.randint(0, 3)
            means.append(ObservedMean(len(seen) / (len(seen) + missing), sum(seen) / len(seen)))
            rows = itertools.product((support.lower, support.upper), repeat=missing)
            filled.append([(sum(seen) + sum(more)) / (len(seen) + missing) for more in rows])
        assert is_range_of(filled_mean(means[0], support), filled[0])
        assert is_range_of(mean_bounds(*means, support), (a - b for a, b in itertools.product(*filled)))


def test_quantiles_with_missing_outcomes_lie_between_the_earliest_and_the_latest_fill():
    for random in cases("missing quantile"):
        seen = sorted(random.randint(0, 9) for _ in range(random.randint(1, 6)))
        missing, q = random.randint(0, 3), random.choice([Fraction(1, 4), Fraction(1, 2), Fraction(9, 10)])
        n = len(seen) + missing
        place = math.ceil(q * n) - 1
        expected = ([-math.inf] * missing + seen)[place], (seen + [math.inf] * missing)[place]
        steps = Steps.of(np.array(seen, float), np.ones(len(seen), np.int64))
        found = missing_outcome_quantile(steps, n, float(q))
        assert found == tuple(None if math.isinf(value) else value for value in expected)


def test_lees_bounds_trim_the_rows_of_the_arm_that_responds_more():
    trimmed_arms = set()
    for random in cases("lee"):
        t, c = (
            ObservedShare(n, seen, random.randint(0, seen))
            for n, seen in [(7, random.randint(1, 7)) for _ in "tc"]
        )
        t = ObservedShare(t.n + random.randint(0, 2), t.observed, t.successes)
        more, less = (t, c) if t.observed * c.n > c.observed * t.n else (c, t)
        # Each row of the arm that responds more stands for as many as the other arm has units: whole rows are trimmed.
        rows = [1] * (more.successes * less.n) + [0] * ((more.observed - more.successes) * less.n)
        keep = less.observed * more.n
        kept = sum(rows[-keep:]) / keep, sum(rows[:keep]) / keep
        other = less.successes / less.observed
        expected = [end - other for end in kept] if more is t else [other - end for end in kept]
        assert near(lee_trim(t.observed / t.n, c.observed / c.n), 1 - keep / len(rows))
        assert is_range_of(lee_share(t, c), expected)
        trimmed_arms.add(more is t)
    assert trimmed_arms == {True, False}


def test_lees_bounds_from_means_keep_their_sides():
    assert Bounds(-1.0, 2.0).width == 3.0
    assert lee_from_trimmed_means(1.0, 4.0, 2.0, treatment_trimmed=True) == Bounds(-1.0, 2.0)
    assert Bounds(-1.0, 2.0).width == 3.0
    assert lee_from_trimmed_means(1.0, 4.0, 2.0, treatment_trimmed=False) == Bounds(-2.0, 1.0)
    assert trimmed_share(0.1, 0.2) == Bounds(0.0, pytest.approx(0.125))
    assert trimmed_share(0.9, 0.2) == Bounds(pytest.approx(0.875), 1.0)


def test_an_audit_of_the_missing_leaves_open_only_whom_it_did_not_reach():
    for random in cases("audit"):
        arms, filled = [], []
        for _ in range(2):
            seen = [random.random() for _ in range(random.randint(1, 3))]
            reached = [random.random() for _ in range(random.randint(1, 2))]
            lost = random.randint(0, 2)
            second = len(reached) + lost
            n = len(seen) + second
            arms.append(
                DoubleSample(
                    len(seen) / n, sum(seen) / len(seen), len(reached) / second, sum(reached) / len(reached)
                )
            )
            rows = itertools.product((0.0, 1.0), repeat=lost)
            filled.append([(sum(seen) + sum(reached) + sum(more)) / n for more in rows])
        found = double_sampling(*arms, Bounds(0.0, 1.0))
        assert is_range_of(found, (a - b for a, b in itertools.product(*filled)))


def test_the_dial_fills_part_of_the_missing_as_the_observed_and_part_at_the_worst():
    for random in cases("dial"):
        arms = []
        for _ in range(2):
            n = random.randint(2, 8)
            observed = random.randint(1, n)
            arms.append(ObservedShare(n, observed, random.randint(0, observed)))
        t, c = arms
        delta = random.choice([0.0, 1.0, random.random()])
        at_random = t.successes / t.observed - c.successes / c.observed
        ends = [
            sum(
                sign * (arm.successes + (arm.n - arm.observed) * fill) / arm.n
                for sign, arm, fill in (
                    (1, t, (1 - delta) * t.successes / t.observed + delta * worst),
                    (-1, c, (1 - delta) * c.successes / c.observed + delta * (1 - worst)),
                )
            )
            for worst in (0, 1)
        ]
        found = ignorability(share_bounds(t, c), at_random, delta)
        assert is_range_of(found, ends)
        if delta < 1:
            implied = missing_at_random_point(share_bounds(t, c), found, delta)
            assert near(implied.lower, at_random, 1e-6)
            assert near(implied.upper, at_random, 1e-6)
    for impossible in (-0.01, 1.01):
        with pytest.raises(ValueError, match=rf"^the dial runs from 0 to 1, got {impossible}$"):
            ignorability(Bounds(0, 1), 0.5, impossible)


def test_orphans_are_handed_to_either_arm_one_by_one():
    for random in cases("orphans"):
        t, c = (CountedArm(random.randint(1, 6), random.randint(0, 6)) for _ in "tc")
        rows = random.randint(0, 5)
        found = orphans.count_bounds(t, c, rows)
        assert is_range_of(
            found,
            ((t.counted + o) / t.requests - (c.counted + rows - o) / c.requests for o in range(rows + 1)),
        )
        t, c = (CountedArm(arm.requests, min(arm.counted, arm.requests)) for arm in (t, c))
        room_t, room_c = t.requests - t.counted, c.requests - c.counted
        reached = [
            (t.counted + a) / t.requests - (c.counted + b) / c.requests
            for a, b in itertools.product(range(room_t + 1), range(room_c + 1))
            if a + b <= rows
        ]
        assert is_range_of(orphans.at_least_one_bounds(t, c, rows), reached)


def test_sources_that_disagree_are_believed_request_by_request():
    for random in cases("conflicts"):
        arms = []
        for _ in range(2):
            both, only_a, only_b = (random.randint(0, 3) for _ in range(3))
            arms.append(TwoReadings(both + only_a + only_b + random.randint(1, 3), both, only_a, only_b))
        t, c = arms
        reached = [
            (t.both + x) / t.n - (c.both + y) / c.n
            for x in range(t.only_a + t.only_b + 1)
            for y in range(c.only_a + c.only_b + 1)
        ]
        assert is_range_of(conflict_bounds(t, c), reached)
        a = (t.both + t.only_a) / t.n - (c.both + c.only_a) / c.n
        b = (t.both + t.only_b) / t.n - (c.both + c.only_b) / c.n
        assert near(reading(t, c, source_a=True), a)
        assert near(reading(t, c, source_a=False), b)
        assert is_range_of(conflict_scenarios(t, c), (a, b))


def test_foreign_rows_may_be_any_of_those_seen():
    for random in cases("contamination"):
        arms, shares = [], []
        for _ in range(2):
            n = random.randint(1, 8)
            successes, foreign = random.randint(0, n), random.randint(0, n - 1)
            arms.append((successes / n, foreign / n))
            shares.append(
                [
                    (successes - taken) / (n - foreign)
                    for taken in range(foreign + 1)
                    if taken <= successes and foreign - taken <= n - successes
                ]
            )
        assert is_range_of(contaminated_share(*arms[0]), shares[0])
        (p_t, foreign_t), (p_c, foreign_c) = arms
        found = contaminated_difference(p_t, p_c, foreign_t, foreign_c)
        assert is_range_of(found, (a - b for a, b in itertools.product(*shares)))
    for impossible in (-0.1, 1.0):
        with pytest.raises(
            ValueError, match=rf"^the contaminated share must lie in \[0, 1\), got {impossible}$"
        ):
            contaminated_share(0.5, impossible)


def test_lost_units_are_the_fewest_that_bring_the_arm_to_its_share():
    for random in cases("lost units"):
        short, other = random.randint(1, 40), random.randint(1, 40)
        share, z = random.choice([0.25, 0.5, 0.8]), random.choice([0.0, 1.0, 2.576])
        room = z * math.sqrt(short + other)
        lost = next(m for m in itertools.count() if short + m >= other * share / (1 - share) + room - 1e-6)
        assert lost_units(short, other, share, z) == lost
    assert lost_units(900, 1000, 0.5) == math.ceil(100 + 2.576 * math.sqrt(1900))
    assert lost_units(900, 1000, 0.5, z=0.0) == 100  # a whole number stays itself


def test_a_loss_is_bounded_by_the_outcomes_the_lost_units_may_have_had():
    for random in cases("loss"):
        t, c = (
            ObservedShare(n, n, random.randint(0, n)) for n in (random.randint(2, 9), random.randint(4, 15))
        )
        found = loss_from_treatment(t, c, 0.5)
        lost = max(0, c.n - t.n)
        assert found.lost == lost
        assert is_range_of(
            found.region,
            ((t.successes + good) / (t.n + lost) - c.successes / c.n for good in range(lost + 1)),
        )
        assert near(found.lee_trim, lost / (t.n + lost))
        as_lee = lee_share(ObservedShare(t.n + lost, t.n, t.successes), c)
        assert is_range_of(found.lee, (as_lee.lower, as_lee.upper))
    chance = loss_from_treatment(ObservedShare(90, 90, 9), ObservedShare(100, 100, 10), 0.5, z=1.0)
    assert chance.lost == math.ceil(10 + math.sqrt(190))


def _arm(n: int, s: int) -> Moments:
    return Moments(units=n, n=n, y=float(s), d=float(n), yy=float(s), dd=float(n), yd=float(s))


def _changed(n: int, s: int, changes: int) -> set[tuple[int, int]]:
    """Every arm that so many units, come, gone or turned, can make of n units with s successes."""
    reached = {(n, s)}
    for _ in range(changes):
        reached |= {
            (a, b)
            for m, k in reached
            for a, b in ((m + 1, k), (m + 1, k + 1), (m - 1, k), (m - 1, k - 1), (m, k - 1), (m, k + 1))
            if 0 <= b <= a
        }
    return reached


def test_units_that_may_have_come_gone_or_turned_move_a_share_no_further_than_its_ends():
    for random in cases("open units"):
        n_low, n_high = random.randint(0, 4), random.randint(0, 4)
        low = n_low, random.randint(0, n_low)
        high = n_high, random.randint(0, n_high)
        unknown = random.randint(0, 3)
        found = share_ends(_arm(*low), _arm(*high), unknown)
        start_low, start_high = (low if low[0] else high), (high if high[0] else low)
        if start_low[0] == 0 and unknown == 0:
            assert [end.n for end in found] == [0, 0]
            continue
        shares = [[s / n for n, s in _changed(*start, unknown) if n] for start in (start_low, start_high)]
        assert near(found[0].y / found[0].d, min(shares[0]))
        assert near(found[1].y / found[1].d, max(shares[1]))
        for end in found:
            assert (end.units, end.d, end.dd, end.yy, end.yd) == (end.n, end.n, end.n, end.y, end.y)


def test_an_arm_of_unknown_units_alone_may_be_anything():
    low, high = share_ends(_arm(0, 0), _arm(0, 0), 2)
    assert (low, high) == (_arm(2, 0), _arm(2, 2))


def test_a_request_counts_before_its_time_is_up_only_if_its_event_came():
    for random in cases("censoring"):
        horizon = 7
        events = {arm: [random.choice([1, 2, 3, 5, 8, math.inf]) for _ in range(4)] for arm in "tc"}
        ages = {arm: [random.randint(1, 9) for _ in range(random.randint(1, 4))] for arm in "tc"}
        curves = {
            arm: (lambda y, seen=events[arm]: sum(time <= y for time in seen) / len(seen)) for arm in "tc"
        }
        naive, full = {}, {}
        for arm in "tc":
            pairs = list(itertools.product(ages[arm], events[arm]))
            naive[arm] = sum(time <= min(age, horizon) for age, time in pairs) / len(pairs)
            full[arm] = sum(time <= horizon for time in events[arm]) / 4
            assert near(naive_share(curves[arm], ages[arm], horizon), naive[arm])
        found = censoring_bias(curves["t"], curves["c"], ages["t"], ages["c"], horizon)
        assert near(found, (naive["t"] - naive["c"]) - (full["t"] - full["c"]))


def test_censoring_only_shrinks_an_effect_where_the_arms_are_alike_in_age_and_in_pace():
    def hired(share: float, pace: float):
        return lambda y: share * (1 - math.exp(-y / pace))

    def bias(pace_t: float, ages_t: list[float]) -> float:
        return censoring_bias(hired(0.12, pace_t), hired(0.10, 3.0), ages_t, [1, 5, 20], 7)

    effect = hired(0.12, 3.0)(7) - hired(0.10, 3.0)(7)
    assert -effect < bias(3.0, [1, 5, 20]) < 0
    assert only_shrinks(ages_alike=True, curves_proportional=True)
    assert bias(3.0, [1, 1, 1]) < -effect  # a younger arm: the sign is flipped
    assert not only_shrinks(ages_alike=False, curves_proportional=True)
    assert bias(1.0, [1, 5, 20]) > 0  # a treatment that speeds things up is inflated
    assert not only_shrinks(ages_alike=True, curves_proportional=False)
    assert not only_shrinks(ages_alike=False, curves_proportional=False)


def test_units_that_met_the_other_arm_dilute_the_effect():
    for random in cases("dilution", 50):
        n, base, effect = 10, random.uniform(0, 5), random.uniform(-1, 1)
        crossed_t, crossed_c = random.randint(0, 5), random.randint(0, 5)
        t = [base + effect] * (n - crossed_t) + [base] * crossed_t
        c = [base] * (n - crossed_c) + [base + effect] * crossed_c
        observed = sum(t) / n - sum(c) / n
        assert near(observed, effect * dilution.crossover_factor(crossed_t / n, crossed_c / n))
        assert near(observed, effect * dilution.label_flip_factor(crossed_t / n, crossed_c / n))


def test_duplicates_count_twice():
    for random in cases("duplicates", 50):
        rows, requests = [random.randint(1, 6), random.randint(1, 6)], 5
        copies = [random.randint(0, n) for n in rows]
        seen = [(n + more) / requests for n, more in zip(rows, copies, strict=True)]
        bias = seen[0] - seen[1] - (rows[0] - rows[1]) / requests
        means, shares = [n / requests for n in rows], [more / n for n, more in zip(rows, copies, strict=True)]
        assert near(duplicates.count_bias(*means, *shares), bias)
        ones, zeros = rows
        weights = [2] * copies[0] + [1] * (ones - copies[0]) + [2] * copies[1] + [1] * (zeros - copies[1])
        found = duplicates.duplicated_share(ones / (ones + zeros), *shares)
        assert near(found.observed, (ones + copies[0]) / sum(weights))
        assert near(found.bias, found.observed - ones / (ones + zeros))
        effective = sum(weights) ** 2 / sum(w * w for w in weights)
        assert near(found.effective_size_ratio, effective / (ones + zeros))


def test_weights_give_back_the_total_over_every_sample_that_could_have_been_drawn():
    for random in cases("weights", 60):
        y = np.array([random.randint(0, 9) for _ in range(4)], float)
        p = np.array([random.choice([0.25, 0.5, 1.0]) for _ in range(4)])
        total = error = variance = 0.0
        for kept in itertools.product((False, True), repeat=4):
            drawn = np.array(kept)
            chance = float(np.prod(np.where(drawn, p, 1 - p)))
            if chance == 0 or not drawn.any():
                error += chance * y.sum() ** 2
                continue
            found = sampling.inverse_probability(y[drawn], p[drawn])
            total += chance * found.total
            error += chance * (found.total - y.sum()) ** 2
            variance += chance * found.total_variance
            copies = np.repeat(y[drawn], (1 / p[drawn]).astype(int))
            assert near(found.mean, copies.mean())
            assert near(found.effective_size, len(copies) ** 2 / (1 / p[drawn] ** 2).sum())
        assert near(total, y.sum())
        assert near(variance, error)


def test_rates_that_no_log_can_have_are_refused():
    one = np.array([1.0])
    assert sampling.inverse_probability(one, one).total == 1
    for rates in ([0.0], [1.1], []):
        with pytest.raises(ValueError, match=r"^logging rates must lie in \(0, 1\]$"):
            sampling.inverse_probability(np.ones(len(rates)), np.array(rates))


def test_a_thinned_stream_of_events_is_seen_less_often_and_later():
    for events in (0.3, 1.0, 3.0):
        never = math.exp(-events)
        assert near(
            sampling.poisson_any(events), sum(never * events**n / math.factorial(n) for n in range(1, 40))
        )
        late = sampling.exponential_median_of_first(events, 0.1)
        assert near(math.exp(-late * 0.1 / events), 0.5)


def test_a_shifted_share_of_timestamps_moves_the_distribution_as_its_rows_move():
    for random in cases("shift", 100):
        rows = sorted(random.randint(0, 20) for _ in range(8))
        late, hours = random.randint(0, 8), random.choice([-3, 2, 6])

        def true(y: float, rows: list[int] = rows) -> float:
            return sum(row <= y for row in rows) / len(rows)

        observed = shifted(true, hours, late / 8)
        # Each row stands for eight, of which ``late`` are shifted.
        eight = [row + hours * (copy < late) for row in rows for copy in range(8)]
        for y in (-1, 4, 7.5, 30):
            assert near(observed(y), sum(row <= y for row in eight) / 64)
        q = random.choice([0.25, 0.5, 0.9])
        smallest = next(y for y in sorted(eight) if sum(row <= y for row in eight) >= q * 64 - 1e-9)
        assert near(quantile_of(observed, q, -10, 40), smallest, 1e-6)


def test_a_quantile_beyond_what_is_searched_is_refused_and_one_at_its_end_is_found():
    def rising(y: float) -> float:
        return y / 10

    with pytest.raises(ValueError, match=r"^the 0\.5-quantile lies beyond 4$"):
        quantile_of(rising, 0.5, 0, 4)
    assert quantile_of(rising, 0.5, 0, 5) == 5
    assert near(quantile_of(rising, 0.3, 0, 5), 3.0)
    assert quantile_of(lambda y: 1.0, 0.5, 2, 5) == pytest.approx(2)
    assert quantile_of(lambda y: 1.0, 0.5, 0, 5) == pytest.approx(0)


def test_a_possible_shift_opens_each_request_to_both_readings():
    for random in cases("shift cells"):
        seen = np.array([random.uniform(0, 9) for _ in range(3)])
        hours = random.choice([-2.0, 1.0, 4.0])
        cells = Cells(seen, seen, np.array([1.0, 2.0, 3.0]), np.array([4, 5, 6]))
        found = shift_cells(cells, hours)
        for y, low, high in zip(seen, found.low, found.high, strict=True):
            readings = sorted((y, max(0.0, y - hours)))
            assert (low, high) == tuple(readings)
        assert found.d.tolist() == [1, 2, 3]
        assert found.count.tolist() == [4, 5, 6]


def test_the_three_stories_about_the_unlabelled_are_not_a_bound():
    counts = LabelCounts(18_800, 2350, 18_800, 2256, 264, 2136)
    told = scenarios(counts)
    region = known_split(counts, 1200)
    assert region.lower < min(told.all_control, told.all_treatment, told.dropped)
    assert region.upper > max(told.all_control, told.all_treatment, told.dropped)


def test_lee_trims_the_arm_that_responds_more_and_stays_inside_the_worst_case():
    t, c = ObservedShare(100, 95, 30), ObservedShare(100, 80, 20)
    lee, worst = lee_share(t, c), share_bounds(t, c)
    assert lee_trim(0.95, 0.80) == pytest.approx(1 - 80 / 95)
    assert worst.lower < lee.lower < lee.upper < worst.upper
    mirrored = lee_share(c, t)
    assert (mirrored.lower, mirrored.upper) == pytest.approx((-lee.upper, -lee.lower))
    assert trimmed_share(0.3, 0.0).width == 0


def test_labelled_requests_that_refute_the_design_share_leave_everything_open():
    counts = LabelCounts(900, 90, 100, 12, 5, 5)
    assert design_band(counts, 0.5) == nothing_known(counts)
    assert design_band(counts, 0.9).width < nothing_known(counts).width + 1e-12
