"""Regions and their gate limits, held against the filled arms of every split that is open, request by request."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from dealt_worlds import HALVES, arm, cells_of, evidence_of, level_of, moments_of
from small_cases import cases, near

from dagster_pipeline.statistics.evidence import (
    ArmEvidence,
    Better,
    Cells,
    EffectKind,
    Metric,
    MetricEvidence,
    MetricKind,
    Moments,
    Region,
)
from dagster_pipeline.statistics.levels import estimate
from dagster_pipeline.statistics.regions import (
    QuantileArm,
    at_point,
    interval_region,
    joint_region,
    label_region,
    outcome_region,
    quantile_interval_region,
)

Z = 1.6448536269514722  # of a two-sided interval at 90%
BAND = 2.576  # of the arms' sizes at 99%
T, C = "treatment", "control"


def _metric(kind: MetricKind, effect: EffectKind = EffectKind.ABSOLUTE, scale: float = 1.0, **more) -> Metric:
    return Metric("m", kind, Better.HIGHER, effect, scale, **more)


SHARE, MEAN, RATIO = (_metric(kind) for kind in (MetricKind.SHARE, MetricKind.MEAN, MetricKind.RATIO))
MEDIAN = _metric(MetricKind.QUANTILE, quantile=0.5)


def _band(n_arm: int, total: int, m: int, share: float, spread: float) -> tuple[float, float]:
    """The unlabelled requests an arm may hold; all of them where its labelled ones refute its share."""
    middle, half = share * total - n_arm, BAND * math.sqrt(spread * share * (1 - share))
    low, high = max(0.0, middle - half), min(float(m), middle + half)
    return (low, high) if low <= high else (0.0, float(m))


def _splits(low: float, high: float) -> list[float]:
    return sorted({low, high, *range(math.ceil(low), math.floor(high) + 1)})


def _dealt(pile: list[float], k: float, largest: bool) -> list[tuple[float, float]]:
    """The k largest (or smallest) values with their weights; the last may count in part."""
    ordered = sorted(pile, reverse=largest)
    return [(value, min(1.0, k - i)) for i, value in enumerate(ordered) if k > i]


def _filled(own: list[float], pile: list[float], k: float, largest: bool) -> tuple[float, float]:
    """Level and variance of an arm that took its k."""
    rows = [(value, 1.0) for value in own] + _dealt(pile, k, largest)
    n = sum(weight for _, weight in rows)
    if n == 0:
        return math.nan, math.nan
    value = sum(weight * y for y, weight in rows) / n
    return value, sum(weight * (y - value) ** 2 for y, weight in rows) / n**2


def _effect(t: float, c: float, metric: Metric, upper: bool) -> float:
    """An effect that a control at 0 leaves undefined is the outermost there is."""
    if metric.effect is EffectKind.ABSOLUTE:
        return metric.scale * (t - c)
    if c > 0:
        return t / c - 1
    return math.inf if t > 0 or upper else -1.0


def _gate(t: tuple, c: tuple, end: float, metric: Metric, sign: int) -> float | None:
    """The end moved outward by the sampling error of two filled arms (level, variance)."""
    if metric.effect is EffectKind.ABSOLUTE:
        return end + sign * Z * metric.scale * math.sqrt(t[1] + c[1])
    if end <= -1 and sign < 0:
        return -1.0
    if t[0] <= 0 or c[0] <= 0:
        return None
    return (1 + end) * math.exp(sign * Z * math.sqrt(t[1] / t[0] ** 2 + c[1] / c[0] ** 2)) - 1


def _holds(region: Region, upper: bool, worlds: list[tuple], metric: Metric) -> bool:
    """Whether an end is the outermost world's effect, and its gate that of such a world."""
    effects = [(_effect(t[0], c[0], metric, upper), t, c) for t, c in worlds]
    outermost = (max if upper else min)(effect for effect, _, _ in effects)
    end, gate = (region.upper, region.gate_upper) if upper else (region.lower, region.gate_lower)
    if math.isinf(outermost):
        return end is None and gate is None and region.reason == "unbounded"
    expected = [
        _gate(t, c, outermost, metric, 1 if upper else -1)
        for effect, t, c in effects
        if near(effect, outermost)
    ]
    return near(end, outermost) and any(
        gate is other or (None not in (gate, other) and near(gate, other, 1e-7)) for other in expected
    )


def _rows(random, metric: Metric, most: int, least: int = 1) -> list[int]:
    top = 1 if metric.kind is MetricKind.SHARE else 9
    return [random.randint(0, top) for _ in range(random.randint(least, most))]


def _of_means(random) -> Metric:
    kind, effect = random.choice([MetricKind.SHARE, MetricKind.MEAN]), random.choice(list(EffectKind))
    return _metric(kind, effect, random.choice([1.0, 100.0]) if effect is EffectKind.ABSOLUTE else 1.0)


def _at_splits(t: list, c: list, pile: list, splits: list[float], upper: bool) -> list[tuple]:
    """Both filled arms at every split; rows are (low, high), and each arm is pushed to its own end."""
    mine, other = int(upper), int(not upper)
    worlds = [
        (
            _filled([row[mine] for row in t], [row[mine] for row in pile], k, largest=upper),
            _filled(
                [row[other] for row in c], [row[other] for row in pile], len(pile) - k, largest=not upper
            ),
        )
        for k in splits
    ]
    return [world for world in worlds if not math.isnan(world[0][0] + world[1][0])]


def _points(rows: list) -> list[tuple]:
    return [(row, row) for row in rows]


def test_a_known_split_deals_the_unlabelled_to_either_arms_extreme():
    for random in cases("known split", 60):
        metric = _of_means(random)
        t, c, pile = _rows(random, metric, 5), _rows(random, metric, 5), _rows(random, metric, 5, least=0)
        k = random.randint(0, len(pile))
        known = {T: len(t) + k} if random.random() < 0.5 else {T: len(t) + k, C: len(c) + len(pile) - k}
        region = label_region(evidence_of(metric, t, c, pile), T, 0.9, known=known)
        for upper in (False, True):
            worlds = _at_splits(_points(t), _points(c), _points(pile), [k], upper)
            if pile or metric.effect is EffectKind.ABSOLUTE:
                assert _holds(region, upper, worlds, metric)


def test_a_design_share_deals_every_number_within_its_band():
    for random in cases("design share", 60):
        metric, share = _of_means(random), random.choice([0.2, 0.5, 0.7])
        t, c, pile = _rows(random, metric, 9), _rows(random, metric, 3), _rows(random, metric, 12)
        evidence = evidence_of(metric, t, c, pile, split={T: share, C: 1 - share})
        total = len(t) + len(c) + len(pile)
        splits = _splits(*_band(len(t), total, len(pile), share, total))
        region = label_region(evidence, T, 0.9)
        for upper in (False, True):
            assert _holds(
                region, upper, _at_splits(_points(t), _points(c), _points(pile), splits, upper), metric
            )


def test_three_arms_are_pushed_each_by_itself():
    for random in cases("three arms", 40):
        metric, split = _of_means(random), {T: 0.5, C: 0.3, "other": 0.2}
        t, c, other, pile = (_rows(random, metric, 4) for _ in range(4))
        evidence = evidence_of(metric, t, c, pile, split=split, other=other)
        total, m = sum(map(len, (t, c, other, pile))), len(pile)
        known = {C: len(c) + 1} if random.random() < 0.5 else {}
        region = label_region(evidence, T, 0.9, known=known)
        ks_t = _splits(*_band(len(t), total, m, 0.5, total))
        ks_c = [1.0] if known else _splits(*_band(len(c), total, m, 0.3, total))
        for upper in (False, True):
            pick, drop = (max, min) if upper else (min, max)
            best_t = pick((_filled(t, pile, k, upper) for k in ks_t), key=lambda found: found[0])
            best_c = drop((_filled(c, pile, k, not upper) for k in ks_c), key=lambda found: found[0])
            assert _holds(region, upper, [(best_t, best_c)], metric)


def test_an_arm_of_the_split_that_gets_nobody_does_not_count():
    t, c, pile = [1, 0, 1], [0, 1], [1, 0, 1]
    two = label_region(evidence_of(SHARE, t, c, pile), T, 0.9)
    split = {T: 0.5, C: 0.5, "retired": 0.0}
    assert label_region(evidence_of(SHARE, t, c, pile, split=split), T, 0.9) == two


def _spans(random, top: int, most: int, least: int = 1) -> list[tuple[int, int]]:
    pairs = [(random.randint(0, top), random.randint(0, top)) for _ in range(random.randint(least, most))]
    return [(min(pair), max(pair)) for pair in pairs]


def test_open_outcomes_and_labels_push_every_request_to_its_end():
    for random in cases("joint shares", 60):
        metric = _metric(MetricKind.SHARE, random.choice(list(EffectKind)))
        t, c = _spans(random, 1, 5), _spans(random, 1, 5)
        pile = _spans(random, 1, 8, least=0)
        total = len(t) + len(c) + len(pile)
        if random.random() < 0.5:
            k = random.randint(0, len(pile))
            splits, known = [k], {T: len(t) + k}
        else:
            splits, known = _splits(*_band(len(t), total, len(pile), 0.5, total)), None
        region = joint_region(evidence_of(metric, t, c, pile), T, 0.9, known=known)
        for upper in (False, True):
            assert _holds(region, upper, _at_splits(t, c, pile, splits, upper), metric)


def test_requests_of_which_nothing_is_known_are_filled_with_the_ends_of_what_they_can_be():
    for random in cases("missing", 50):
        support = (1.0, 12.0)
        metric = random.choice([SHARE, _metric(MetricKind.MEAN, support=support)])
        least, most = (0, 1) if metric is SHARE else support
        t, c, pile = _rows(random, metric, 4), _rows(random, metric, 4), _rows(random, metric, 3, least=0)
        lost = [random.randint(0, 2) for _ in range(3)]
        arms = {T: arm(metric, t, missing=lost[0]), C: arm(metric, c, missing=lost[1])}
        unlabelled = arm(metric, pile, missing=lost[2]) if pile else None
        lost[2] = lost[2] if pile else 0
        rows = [_points(values) + [(least, most)] * n for values, n in zip((t, c, pile), lost, strict=True)]
        k = random.randint(0, len(rows[2]))
        evidence = MetricEvidence(metric, C, HALVES, arms, unlabelled)
        region = joint_region(evidence, T, 0.9, known={T: len(rows[0]) + k})
        for upper in (False, True):
            (world,) = _at_splits(*rows, [k], upper)
            end = region.upper if upper else region.lower
            assert near(end, _effect(world[0][0], world[1][0], metric, upper))
            if metric is SHARE:
                assert _holds(region, upper, [world], metric)
        if not pile:
            assert outcome_region(evidence, T, 0.9) == region
        seen = label_region(evidence, T, 0.9, known={T: len(t) + min(k, len(pile))})
        worlds = _at_splits(_points(t), _points(c), _points(pile), [min(k, len(pile))], upper=True)
        assert near(seen.upper, _effect(worlds[0][0][0], worlds[0][1][0], metric, upper=True))


def test_a_means_missing_requests_leave_the_end_that_their_support_leaves():
    def region(support: tuple) -> Region:
        metric = _metric(MetricKind.MEAN, support=support)
        arms = {T: arm(metric, [1, 2], missing=1), C: arm(metric, [1, 3])}
        return joint_region(MetricEvidence(metric, C, HALVES, arms), T, 0.9)

    assert (region((0.0, None)).lower, region((0.0, None)).upper) == (pytest.approx(-1.0), None)
    assert (region((None, 6.0)).lower, region((None, 6.0)).upper) == (None, pytest.approx(1.0))
    assert region((None, 6.0)).reason == "unbounded"
    assert region((0.0, 6.0)).reason is None


def _units(random, rows: list) -> list[int]:
    return [random.randint(0, max(1, len(rows) // 2)) for _ in rows]


def _unit_squares(rows: list, units: list[int], value: float) -> float:
    """Σ over units of (what the unit's rows are beyond the level)²."""
    sums = {unit: sum(y - value for y, u in zip(rows, units, strict=True) if u == unit) for unit in units}
    return sum(beyond**2 for beyond in sums.values())


def _spread_of_sizes(units: list[int]) -> float:
    return sum(units.count(unit) ** 2 for unit in set(units))


def test_units_of_several_requests_widen_the_band_and_the_error():
    for random in cases("clusters", 30):
        t, c, pile = ([random.randint(0, 1) for _ in range(n)] for n in (6, 6, 16))
        if random.random() < 0.5:
            pile = [random.randint(0, 1)] * 16  # the extreme then lies at the band's end
        units = [_units(random, rows) for rows in (t, c, pile)]
        parts = [arm(SHARE, rows, units=unit) for rows, unit in zip((t, c, pile), units, strict=True)]
        evidence = MetricEvidence(SHARE, C, HALVES, {T: parts[0], C: parts[1]}, parts[2], clustered=True)
        low, high = _band(6, 28, 16, 0.5, sum(_spread_of_sizes(unit) for unit in units))
        region = label_region(evidence, T, 0.9)
        for upper in (False, True):
            worlds = []
            for k in _splits(low, high):
                filled = []
                for rows, unit, taken, largest in (
                    (t, units[0], k, upper),
                    (c, units[1], 16 - k, not upper),
                ):
                    p = sum(rows) / 6
                    factor = _unit_squares(rows, unit, p) / (6 * p * (1 - p)) if 0 < p < 1 else None
                    sizes = _spread_of_sizes(unit) / 6
                    factor = max(1.0, sizes if factor is None else factor)
                    value = _filled(rows, pile, taken, largest)[0]
                    dealt = sum(w * (y - value) ** 2 for y, w in _dealt(pile, taken, largest))
                    squares = _unit_squares(rows, unit, value) + factor * dealt
                    filled.append((value, squares / (6 + taken) ** 2))
                worlds.append(tuple(filled))
            assert _holds(region, upper, worlds, SHARE)


def test_the_error_of_open_outcomes_is_that_of_the_observed_units_or_more():
    """Requests of one unit fare alike: the fill is inflated by the design effect of what was seen."""
    rows, units = [0, 1, 4, 5], [0, 0, 1, 1]
    parts = {name: arm(MEAN, rows, units=units) for name in (T, C)}
    region = outcome_region(MetricEvidence(MEAN, C, HALVES, parts, clustered=True), T, 0.9)
    squares = _unit_squares(rows, units, 2.5)  # (−4)² + 4² = 32, against 17 request by request
    assert squares == 32
    assert near(region.gate_upper, Z * math.sqrt(2 * squares / 16))
    assert near(region.gate_lower, -region.gate_upper)
    plain = outcome_region(MetricEvidence(MEAN, C, HALVES, parts, clustered=False), T, 0.9)
    assert near(plain.gate_upper, Z * math.sqrt(2 * 32 / 16))  # never less than the observed units' spread


def test_a_wider_cell_than_the_rows_keeps_the_rows_spread():
    """Two cells of means hide the spread within them; the gate limit does not."""
    exact = arm(MEAN, [0, 2, 8, 10])
    coarse = ArmEvidence(
        exact.moments, Cells(np.array([1.0, 9.0]), np.array([1.0, 9.0]), np.ones(2), np.array([2, 2]))
    )
    spread = ArmEvidence(
        exact.moments, Cells(np.array([-40.0, 50.0]), np.array([-40.0, 50.0]), np.ones(2), np.array([2, 2]))
    )
    for found, squares in ((coarse, 68.0), (spread, 4 * 45.0**2)):
        region = outcome_region(MetricEvidence(MEAN, C, HALVES, {T: found, C: exact}), T, 0.9)
        assert near(region.gate_lower, -Z * math.sqrt(squares / 16 + 68.0 / 16))


def _ratio_rows(random, least: int = 1) -> list[tuple[int, int]]:
    return [(random.randint(0, 3), random.randint(0, 3)) for _ in range(random.randint(least, 4))]


def _ratio(rows: list) -> tuple[float, float]:
    d = sum(row[1] for row in rows)
    value = sum(row[0] for row in rows) / d
    return value, sum((y - value * one) ** 2 for y, one in rows) / d**2


def test_a_ratio_takes_the_requests_that_move_it_most():
    for random in cases("ratios", 60):
        metric = _metric(MetricKind.RATIO, random.choice(list(EffectKind)))
        t, c, pile = _ratio_rows(random), _ratio_rows(random), _ratio_rows(random, least=0)
        if not (sum(d for _, d in t) and sum(d for _, d in c)):
            continue
        k = random.randint(0, len(pile))
        region = label_region(evidence_of(metric, t, c, pile), T, 0.9, known={T: len(t) + k})
        for upper in (False, True):
            pick, drop = (max, min) if upper else (min, max)
            worlds_t = [_ratio(t + list(more)) for more in itertools.combinations(pile, k)]
            worlds_c = [_ratio(c + list(more)) for more in itertools.combinations(pile, len(pile) - k)]
            best_t, best_c = pick(found[0] for found in worlds_t), drop(found[0] for found in worlds_c)
            outermost = [
                (a, b) for a in worlds_t for b in worlds_c if near(a[0], best_t) and near(b[0], best_c)
            ]
            if pile or metric.effect is EffectKind.ABSOLUTE:
                assert _holds(region, upper, outermost, metric)


def test_ratios_at_an_unknown_split_reach_the_best_of_every_number():
    for random in cases("ratio bands", 15):
        t, c, pile = ([(random.randint(0, 3), random.randint(1, 3)) for _ in range(4)] for _ in range(3))
        region = label_region(evidence_of(RATIO, t, c, pile), T, 0.9)
        low, high = _band(4, 12, 4, 0.5, 12)
        ends = []
        for k in range(math.floor(low), math.ceil(high) + 1):
            highest = max(_ratio(t + list(more))[0] for more in itertools.combinations(pile, k))
            lowest = min(_ratio(c + list(more))[0] for more in itertools.combinations(pile, 4 - k))
            ends.append(highest - lowest)
        assert near(region.upper, max(ends))


def test_a_ratio_without_a_denominator_or_with_an_unknown_one_has_no_limits():
    whole, none = [(1, 2)], [(0, 0)]
    for t, c in ((none, whole), (whole, none)):
        region = label_region(evidence_of(RATIO, t, c, whole), T, 0.9, known={T: 2})
        assert (region.lower, region.upper, region.gate_lower, region.gate_upper) == (None,) * 4
        assert region.reason == "unbounded"
    arms = {T: arm(RATIO, [(1, 2)]), C: arm(RATIO, [(1, 4)])}
    unknown = MetricEvidence(RATIO, C, HALVES, arms, arm(RATIO, [(2, 2)], missing=1))
    region = joint_region(unknown, T, 0.9, known={T: 2})
    assert (region.lower, region.upper) == (None, None)
    nobody_dealt = joint_region(MetricEvidence(RATIO, C, HALVES, arms), T, 0.9)
    assert (nobody_dealt.lower, nobody_dealt.upper) == pytest.approx((0.25, 0.25))


def _quantile_level(rows: list) -> float:
    return level_of(rows, MEDIAN)


def _quantile_gates(t: list, c: list, metric: Metric) -> tuple:
    found = estimate(arm(metric, t), arm(metric, c), metric, 0.9, clustered=False)
    return found.ci_lower, found.ci_upper


def test_a_quantile_takes_the_latest_or_the_earliest_of_the_unlabelled():
    for random in cases("quantiles", 12):
        metric = _metric(MetricKind.QUANTILE, random.choice(list(EffectKind)), quantile=0.5)
        t, c, pile = ([random.randint(1, 9) for _ in range(random.randint(3, 6))] for _ in range(3))
        if random.random() < 0.5:
            k = random.randint(0, len(pile))
            known, splits = {T: len(t) + k}, [k]
        else:
            total = len(t) + len(c) + len(pile)
            low, high = _band(len(t), total, len(pile), 0.5, total)
            known, splits = None, range(math.floor(low), math.ceil(high) + 1)
        region = label_region(evidence_of(metric, t, c, pile), T, 0.9, known=known)
        for upper in (False, True):
            worlds = []
            for k in splits:
                filled_t = t + sorted(pile, reverse=upper)[:k]
                filled_c = c + sorted(pile, reverse=not upper)[: len(pile) - k]
                value = _effect(_quantile_level(filled_t), _quantile_level(filled_c), metric, upper)
                worlds.append((value, filled_t, filled_c))
            outermost = (max if upper else min)(value for value, _, _ in worlds)
            assert near(region.upper if upper else region.lower, outermost)
            gates = [
                _quantile_gates(filled_t, filled_c, metric)[int(upper)]
                for value, filled_t, filled_c in worlds
                if near(value, outermost)
            ]
            gate = region.gate_upper if upper else region.gate_lower
            assert any(near(gate, other) for other in gates if other is not None)


def test_a_quantiles_unknown_requests_may_never_come_and_may_have_come_at_once():
    arms = {T: arm(MEDIAN, [3, 5, 8], missing=2), C: arm(MEDIAN, [2, 4, 6])}
    region = joint_region(MetricEvidence(MEDIAN, C, HALVES, arms), T, 0.9)
    assert (region.lower, region.upper) == (3 - 4, 8 - 4)  # third of 0 0 3 5 8, and of 3 5 8 ∞ ∞
    arms = {T: arm(MEDIAN, [3, 5, 8], missing=4), C: arm(MEDIAN, [2, 4, 6])}
    region = joint_region(MetricEvidence(MEDIAN, C, HALVES, arms), T, 0.9)
    assert (region.lower, region.upper, region.reason) == (0 - 4, None, "unbounded")


def test_clusters_widen_a_quantiles_gate():
    rows, units = [1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 0, 1, 1, 1, 1]
    single, clustered = (
        joint_region(
            MetricEvidence(
                MEDIAN,
                C,
                HALVES,
                {name: _indicator(rows, units) for name in (T, C)},
                clustered=clustered,
            ),
            T,
            0.9,
        )
        for clustered in (False, True)
    )
    assert clustered.lower == single.lower == 0
    assert clustered.gate_upper > single.gate_upper
    assert clustered.gate_lower < single.gate_lower


def _indicator(rows: list, units: list[int]) -> ArmEvidence:
    """A quantile's moments are those of y ≤ median."""
    return ArmEvidence(moments_of(SHARE, [int(y <= 4) for y in rows], units), cells_of(MEDIAN, rows))


def test_bins_of_a_mean_are_held_to_the_total_that_is_known():
    """Of bins [0, 9] twice and [10, ∞) once with a sum of 22, one dealt request is worth at most 22."""
    exact = evidence_of(MEAN, [10, 20], [15, 25], [3, 7, 12])
    bins = Cells(np.array([0.0, 10.0]), np.array([9.0, np.inf]), np.ones(2), np.array([2, 1]))
    binned = MetricEvidence(MEAN, C, HALVES, exact.arms, ArmEvidence(exact.unlabelled.moments, bins))
    region = label_region(binned, T, 0.9, known={T: 3})
    # The one: at most 22 − 0 − 0, at least 0. The two left: at least 0, at most 22.
    assert near(region.upper, (30 + 22) / 3 - (40 + 0) / 4)
    assert near(region.lower, (30 + 0) / 3 - (40 + 22) / 4)
    both = label_region(binned, T, 0.9, known={T: 4})
    assert near(both.upper, (30 + 22) / 4 - 40 / 3)
    # The one that is left is worth at most 22; the two dealt at least nothing.
    assert near(both.lower, 30 / 4 - (40 + 22) / 3)
    with_unseen = MetricEvidence(
        MEAN, C, HALVES, exact.arms, ArmEvidence(moments_of(MEAN, [3, 7]), bins)
    )  # a total of fewer requests than the bins hold says nothing
    assert label_region(with_unseen, T, 0.9, known={T: 3}).upper is None


def _ends(metric: Metric, t: list, c: list) -> tuple[dict, dict]:
    return tuple(
        {T: moments_of(metric, [row[side] for row in t]), C: moments_of(metric, [row[side] for row in c])}
        for side in (0, 1)
    )


def test_intervals_of_requests_give_the_region_of_their_ends():
    for random in cases("intervals", 40):
        metric = _of_means(random)
        top = 1 if metric.kind is MetricKind.SHARE else 9
        t, c = _spans(random, top, 5), _spans(random, top, 5)
        low, high = _ends(metric, t, c)
        region = interval_region(low, high, metric, T, C, 0.9)
        for upper in (False, True):
            assert _holds(region, upper, _at_splits(t, c, [], [0], upper), metric)
        if metric.effect is EffectKind.ABSOLUTE:
            plain = evidence_of(metric, t, c, [])
            ends = joint_region(plain, T, 0.9, ends=(low, high))
            assert near(ends.lower, region.lower)
            assert near(ends.upper, region.upper)
            assert near(ends.gate_lower, region.gate_lower)
            assert near(ends.gate_upper, region.gate_upper)


def test_ends_that_are_given_stand_for_an_arms_cells_and_its_missing_come_on_top():
    t, c, pile = [(0, 4), (2, 3)], [(1, 1), (0, 5)], [2, 6]
    metric = _metric(MetricKind.MEAN, support=(0.0, 10.0))
    wide = {T: arm(metric, [0, 9], missing=1), C: arm(metric, [0, 9])}
    evidence = MetricEvidence(metric, C, HALVES, wide, arm(metric, pile))
    region = joint_region(evidence, T, 0.9, known={T: 4}, ends=_ends(metric, t, c))
    assert near(region.upper, (4 + 3 + 10 + 6) / 4 - (1 + 0 + 2) / 3)
    assert near(region.lower, (0 + 2 + 0 + 2) / 4 - (1 + 5 + 6) / 3)
    # The band counts the requests the ends hold and those missing: 3 + 2 of 7, so up to 2 of the unlabelled.
    open_split = joint_region(evidence, T, 0.9, ends=_ends(metric, t, c))
    splits = _splits(*_band(3, 7, 2, 0.5, 7))
    worlds = _at_splits([*t, (0, 10)], c, _points(pile), splits, upper=True)
    assert near(open_split.upper, max(world[0][0] - world[1][0] for world in worlds))


def test_a_ratios_ends_are_ordered_by_their_level_and_not_by_their_name():
    """A denominator that moves turns an arm's low and high around."""
    few, many = moments_of(RATIO, [(1, 1), (1, 1)]), moments_of(RATIO, [(1, 4), (1, 4)])
    control = moments_of(RATIO, [(1, 2), (1, 2)])
    turned = interval_region({T: few, C: control}, {T: many, C: control}, RATIO, T, C, 0.9)
    plain = interval_region({T: many, C: control}, {T: few, C: control}, RATIO, T, C, 0.9)
    assert turned == plain
    assert (plain.lower, plain.upper) == (0.25 - 0.5, 1.0 - 0.5)
    as_control = interval_region({T: control, C: few}, {T: control, C: many}, RATIO, T, C, 0.9)
    assert (as_control.lower, as_control.upper) == (0.5 - 1.0, 0.5 - 0.25)


def test_an_arm_that_is_not_there_or_has_no_denominator_has_no_region():
    some, empty = moments_of(MEAN, [1, 2]), Moments(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    nothing = Region(None, None, reason="no requests")
    for low, high in (
        ({T: some}, {T: some}),
        ({C: some}, {C: some}),
        ({T: some, C: some}, {T: some}),
        ({T: some}, {T: some, C: some}),
        ({T: some, C: empty}, {T: some, C: some}),
        ({T: some, C: some}, {T: empty, C: some}),
    ):
        assert interval_region(low, high, MEAN, T, C, 0.9) == nothing
    for low, high in (({T: 1.0}, {T: 2.0}), ({C: 1.0}, {C: 2.0})):
        sides = ({name: QuantileArm(value) for name, value in side.items()} for side in (low, high))
        assert quantile_interval_region(*sides, MEDIAN, T, C, 0.9) == nothing
    evidence = evidence_of(MEAN, [1], [2], [3])
    for name in (T, C):
        alone = MetricEvidence(MEAN, C, HALVES, {name: evidence.arms[name]}, evidence.unlabelled)
        assert label_region(alone, T, 0.9) == joint_region(alone, T, 0.9) == nothing
    nobody = ArmEvidence(empty, cells_of(MEAN, []))
    emptied = MetricEvidence(MEAN, C, HALVES, {T: evidence.arms[T], C: nobody}, evidence.unlabelled)
    assert label_region(emptied, T, 0.9, known={T: 2}) == nothing  # the one unlabelled request is T's
    assert near(label_region(emptied, T, 0.9, known={T: 1}).upper, 1 - 3)
    unpaired = MetricEvidence(MEAN, C, {T: 0.4, C: 0.3, "other": 0.3}, emptied.arms, evidence.unlabelled)
    assert label_region(unpaired, T, 0.9, known={T: 1, C: 0}) == nothing


def test_a_quantile_is_not_a_ratio_of_sums():
    with pytest.raises(
        ValueError, match=r"^a quantile's region needs its exact quantiles: use quantile_interval_region$"
    ):
        interval_region({}, {}, MEDIAN, T, C, 0.9)


def test_exact_quantiles_at_both_ends_give_the_region_and_their_cells_its_gate():
    slow_t, fast_t, slow_c, fast_c = [4, 5, 6, 9, 11], [1, 2, 3, 5, 7], [4, 5, 9], [3, 4, 5]
    low, high = (
        {
            T: QuantileArm(_quantile_level(t), cells_of(MEDIAN, t)),
            C: QuantileArm(_quantile_level(c), cells_of(MEDIAN, c)),
        }
        for t, c in ((fast_t, fast_c), (slow_t, slow_c))
    )
    region = quantile_interval_region(low, high, MEDIAN, T, C, 0.9)
    assert (region.lower, region.upper) == (3 - 5, 6 - 4)
    assert region.gate_lower == _quantile_gates(fast_t, slow_c, MEDIAN)[0]
    assert region.gate_upper == _quantile_gates(slow_t, fast_c, MEDIAN)[1]
    bare = {name: QuantileArm(found.value) for name, found in high.items()}
    assert quantile_interval_region(low, bare, MEDIAN, T, C, 0.9) == Region(-2, 2, None, None)
    clustered = {name: QuantileArm(found.value, found.cells, 4.0) for name, found in high.items()}
    assert quantile_interval_region(low, clustered, MEDIAN, T, C, 0.9).gate_upper > region.gate_upper
    late = {**high, T: QuantileArm(math.inf, high[T].cells)}
    never = quantile_interval_region(low, late, MEDIAN, T, C, 0.9)
    assert (never.upper, never.gate_upper, never.reason) == (None, None, "unbounded")


def test_an_effect_that_is_undefined_at_both_ends_may_be_anything():
    relative = _metric(MetricKind.MEAN, EffectKind.RELATIVE)
    nought = {T: moments_of(MEAN, [0, 0]), C: moments_of(MEAN, [0, 0])}
    region = interval_region(nought, nought, relative, T, C, 0.9)
    assert (region.lower, region.upper, region.gate_lower) == (-1.0, None, -1.0)
    never = {name: QuantileArm(math.inf, cells_of(MEDIAN, [math.inf])) for name in (T, C)}
    ratio = _metric(MetricKind.QUANTILE, EffectKind.RELATIVE, quantile=0.5)
    region = quantile_interval_region(never, never, ratio, T, C, 0.9)
    assert (region.lower, region.upper) == (-1.0, None)
    region = quantile_interval_region(never, never, MEDIAN, T, C, 0.9)
    assert (region.lower, region.upper) == (None, None)


def test_a_ratios_open_outcomes_are_taken_at_the_end_that_moves_it():
    """Numerators in [low, high] over fixed denominators, and two unlabelled requests of which T takes one."""

    def part(rows: list[tuple]) -> ArmEvidence:
        low, high, d = (np.array(column, float) for column in zip(*rows, strict=True))
        moments = moments_of(RATIO, [(row[0], row[2]) for row in rows])
        return ArmEvidence(moments, Cells(low, high, d, np.ones(len(rows), np.int64)))

    arms = {T: part([(1, 2, 4)]), C: part([(0, 1, 2), (2, 2, 2)])}
    evidence = MetricEvidence(RATIO, C, HALVES, arms, part([(0, 3, 1), (1, 1, 2)]))
    region = joint_region(evidence, T, 0.9, known={T: 2})
    # T highest: (2 + 3)/(4 + 1); C lowest: (0 + 2 + 0)/(4 + 1), for each arm takes what suits it.
    assert near(region.upper, 5 / 5 - 2 / 5)
    # T lowest: (1 + 0)/(4 + 1); C highest: (1 + 2 + 3)/(4 + 1).
    assert near(region.lower, 1 / 5 - 6 / 5)


def test_a_ratios_clusters_widen_its_fill():
    rows, units, pile = [(0, 1), (1, 1), (4, 2), (5, 2)], [0, 0, 1, 1], [(9, 3)]
    held = arm(RATIO, rows, units=units)
    evidence = MetricEvidence(RATIO, C, HALVES, {T: held, C: held}, arm(RATIO, pile), clustered=True)
    region = label_region(evidence, T, 0.9, known={T: 5, C: 4})
    seen = 10 / 6
    by_unit = [(1, 2), (9, 4)]
    factor = sum((y - seen * d) ** 2 for y, d in by_unit) / sum((y - seen * d) ** 2 for y, d in rows)
    level = 19 / 9
    variances = [
        (sum((y - level * d) ** 2 for y, d in by_unit) + factor * (9 - level * 3) ** 2) / 81,
        sum((y - seen * d) ** 2 for y, d in by_unit) / 36,
    ]
    assert factor > 1
    assert near(region.gate_upper, level - seen + Z * math.sqrt(sum(variances)))


def test_bins_of_an_exact_quantile_are_taken_outward():
    bins = Cells(np.array([0.0, 4.0]), np.array([4.0, 8.0]), np.ones(2), np.array([3, 3]))
    arms = {name: QuantileArm(4.0, bins) for name in (T, C)}
    region = quantile_interval_region(arms, arms, MEDIAN, T, C, 0.9)
    assert (region.lower, region.upper) == (0, 0)
    # T's upper edges (4 or 8) against C's lower ones (0 or 4).
    assert (region.gate_lower, region.gate_upper) == (-8, 8)


def test_a_point_that_is_known_shrinks_the_region_onto_it_and_keeps_the_limits_outside():
    region = Region(-0.1, 0.2, -0.3, 0.4)
    assert at_point(region, None) is region
    assert at_point(region, 0.1) == Region(0.1, 0.1, -0.3, 0.4)
    assert at_point(region, 0.5) == Region(0.5, 0.5, -0.3, 0.5)
    assert at_point(region, -0.5) == Region(-0.5, -0.5, -0.5, 0.4)
    assert at_point(Region(None, None), 0.1) == Region(0.1, 0.1, None, None)


def test_with_no_label_open_the_region_is_the_effect():
    metric = _metric(MetricKind.MEAN, EffectKind.RELATIVE)
    region = label_region(evidence_of(metric, [3, 6], [2, 4], []), T, 0.9)
    assert region.lower == region.upper == pytest.approx(0.5)
    exact = {T: 4.0, C: 5.0}
    medians = evidence_of(MEDIAN, [3, 4, 5], [4, 5, 6], [])
    assert (label_region(medians, T, 0.9, exact=exact).lower, label_region(medians, T, 0.9).lower) == (-1, -1)
    assert label_region(evidence_of(MEDIAN, [3, 4], [4, 5], [9]), T, 0.9, exact=exact).upper > -1
    assert label_region(medians, T, 0.9, exact={T: 4.0, C: 4.5}).upper == -0.5
    assert label_region(medians, T, 0.9, exact={T: 4.0}).lower == -1  # without both the scan stands


def _nudged(evidence: MetricEvidence, factor: float) -> MetricEvidence:
    moments = evidence.arms[T].moments
    moved = ArmEvidence(Moments(**{**vars(moments), "y": moments.y * factor}), evidence.arms[T].cells)
    return MetricEvidence(evidence.metric, C, evidence.split, {**evidence.arms, T: moved})


def test_only_rounding_is_snapped_onto_the_estimate():
    evidence = evidence_of(MEAN, [1, 2, 3], [2, 2, 2], [])
    for factor in (1 + 1e-12, 1 - 1e-12):
        region = joint_region(_nudged(evidence, factor), T, 0.9)
        observed = 2 * factor - 2
        assert region.lower <= observed <= region.upper
        assert region.upper - region.lower < 1e-11
    for factor in (1 + 1e-6, 1 - 1e-6):  # more than rounding: the cells speak of other requests than the sums
        region = joint_region(_nudged(evidence, factor), T, 0.9)
        assert (region.lower, region.upper) == (0, 0)
    far = evidence_of(MEAN, [1e6, 3e6], [1, 1], [])
    region = joint_region(_nudged(far, 1 + 1e-10), T, 0.9)
    assert region.upper == pytest.approx(2e6 * (1 + 1e-10) - 1, rel=1e-15)


def test_with_outcomes_alone_open_nobody_is_dealt():
    labelled, pile = evidence_of(SHARE, [(0, 1), (1, 1)], [(0, 0), (0, 1)], []), [(0, 1), (1, 1)]
    both = evidence_of(SHARE, [(0, 1), (1, 1)], [(0, 0), (0, 1)], pile)
    assert outcome_region(both, T, 0.9) == joint_region(labelled, T, 0.9)
    assert joint_region(both, T, 0.9).lower < outcome_region(both, T, 0.9).lower


def test_cells_whose_sums_are_not_there_keep_their_own_spread():
    nothing = Moments(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    arms = {name: ArmEvidence(nothing, cells_of(MEAN, [1, 3])) for name in (T, C)}
    region = joint_region(MetricEvidence(MEAN, C, HALVES, arms), T, 0.9)
    assert near(region.gate_upper, Z * math.sqrt(2 * 2 / 4))
    undivided = {**evidence_of(RATIO, [(1, 2)], [(1, 2)], []).arms}
    undivided[T] = ArmEvidence(undivided[T].moments, cells_of(RATIO, [(1, 0)]))
    assert joint_region(MetricEvidence(RATIO, C, HALVES, undivided), T, 0.9).upper is None
