"""A late outcome from an early one, and from all ages at once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.statistics.evidence import Better, EffectKind, Metric, MetricKind
from dagster_pipeline.statistics.proxy import (
    Block,
    MeasuredLevel,
    Uplift,
    level_effect,
    proxied_effect,
    uplift,
)
from dagster_pipeline.statistics.survival import kaplan_meier

ABSOLUTE = Metric("hired", MetricKind.SHARE, Better.HIGHER, EffectKind.ABSOLUTE)
RELATIVE = Metric("hired", MetricKind.SHARE, Better.HIGHER, EffectKind.RELATIVE)


def test_the_uplift_is_pooled_and_ranges_from_the_least_block_to_the_most():
    found = uplift([Block(100, 120), Block(50, 75), Block(80, 88)])
    assert found == Uplift(pytest.approx(283 / 230), pytest.approx(1.1), pytest.approx(1.5), 3)


def test_a_block_with_few_early_events_counts_in_the_pooled_factor_alone():
    found = uplift([Block(100, 120), Block(100, 130), Block(19, 95)])
    assert found == Uplift(pytest.approx(345 / 219), pytest.approx(1.2), pytest.approx(345 / 219), 2)


@pytest.mark.parametrize(
    "blocks", [[], [Block(500, 600)], [Block(500, 600), Block(19, 30)], [Block(0, 0)] * 3]
)
def test_one_large_block_has_no_range(blocks):
    assert uplift(blocks) is None


def test_the_worked_case_lifts_both_levels_and_lets_the_factors_part():
    t, c = MeasuredLevel(0.10, 0.0), MeasuredLevel(0.08, 0.0)
    found = proxied_effect(t, c, Uplift(1.2, 1.1, 1.5, 4), ABSOLUTE, 0.90)
    assert found.value == pytest.approx(0.12 - 0.096)
    assert (found.treatment, found.control) == (pytest.approx(0.12), pytest.approx(0.096))
    assert found.range.lower == pytest.approx(0.11 - 0.12)
    assert found.range.upper == pytest.approx(0.15 - 0.088)
    relative = proxied_effect(t, c, Uplift(1.2, 1.1, 1.5, 4), RELATIVE, 0.90)
    assert relative.value == pytest.approx(0.25)
    assert relative.range.lower == pytest.approx(0.11 / 0.12 - 1)
    assert relative.range.upper == pytest.approx(0.15 / 0.088 - 1)


@pytest.mark.parametrize("metric", [ABSOLUTE, RELATIVE], ids=["absolute", "relative"])
def test_no_pair_of_uplifts_in_the_range_has_an_interval_that_reaches_beyond(metric):
    rng = np.random.default_rng(20_261_122)
    for _ in range(300):
        t, c = (
            MeasuredLevel(p, v)
            for p, v in zip(rng.uniform(0.001, 0.9, 2), rng.uniform(0, 1e-3, 2), strict=True)
        )
        low, high = sorted(rng.uniform(1, 3, 2))
        found = proxied_effect(t, c, Uplift((low + high) / 2, low, high, 2), metric, 0.90)
        one = level_effect(lifted(t, rng.uniform(low, high)), lifted(c, rng.uniform(low, high)), metric, 0.90)
        slack = 1e-9 * (1 + abs(one.range.upper))
        assert found.range.lower <= one.range.lower + slack
        assert found.range.upper >= one.range.upper - slack
        assert found.range.lower <= found.value <= found.range.upper


def lifted(level, factor):
    return MeasuredLevel(level.value * factor, level.variance * factor**2)


def test_a_relative_effect_of_nothing_does_not_exist():
    none, some = MeasuredLevel(0.0, 0.0), MeasuredLevel(0.1, 1e-4)
    factor = Uplift(1.2, 1.1, 1.5, 4)
    assert proxied_effect(some, none, factor, RELATIVE, 0.90) is None
    assert proxied_effect(some, none, factor, ABSOLUTE, 0.90).value == pytest.approx(0.12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=9
    ).filter(lambda rows: any(events for _, events, _ in rows))
)
def test_kaplan_meier_of_grouped_times_is_that_of_the_single_requests(rows):
    from statsmodels.duration.survfunc import SurvfuncRight

    times = np.array([t for t, _, _ in rows for _ in range(2)], dtype=float)
    had_event = np.array([1.0, 0.0] * len(rows))
    counts = np.array([n for _, events, seen in rows for n in (events, seen)], dtype=float)
    single = np.repeat(times, counts.astype(int)), np.repeat(had_event, counts.astype(int))
    reference = SurvfuncRight(*single)
    for at, survival, error in zip(
        reference.surv_times, reference.surv_prob, reference.surv_prob_se, strict=True
    ):
        found = kaplan_meier(times, had_event, counts, float(at))
        assert found.survival == pytest.approx(survival, abs=1e-12)
        if survival > 1e-12:
            assert found.error == pytest.approx(error, abs=1e-12)
        else:
            assert math.isnan(found.error)
