"""Detectable effects and needed samples: against the library's, against closed forms, and against simulated experiments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower, normal_sample_size_one_tail
from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

from dagster_pipeline.statistics.intervals import newcombe, relative_difference
from dagster_pipeline.statistics.power import (
    POWER,
    Arms,
    Spread,
    log_mean_spread,
    log_quantile_spread,
    minimum_detectable,
    needed_sample,
    pooled_spread,
    power_at,
    share_spread,
    standard_error,
)

CONFIDENCE, ALPHA = 0.90, 0.05


def test_the_detectable_effect_is_the_textbook_multiple_of_the_standard_error():
    assert minimum_detectable(1.0, 0.90) == pytest.approx(1.6448536 + 0.8416212, abs=1e-6)
    assert minimum_detectable(1.0, 0.95) == pytest.approx(2.8015852, abs=1e-6)  # the 2.8 of the textbooks
    assert minimum_detectable(1.0, 0.95, power=0.90) == pytest.approx(3.2415156, abs=1e-6)
    assert minimum_detectable(0.25, 0.90) == pytest.approx(0.25 * minimum_detectable(1.0, 0.90))


def test_shares_need_what_the_library_says_for_unpooled_variances():
    spread = share_spread(0.125, 0.120)
    total = math.sqrt(spread.treatment + spread.control)
    library = normal_sample_size_one_tail(0.005, POWER, ALPHA, std_null=total, std_alternative=total)
    assert needed_sample(spread, 0.005, CONFIDENCE) == Arms(math.ceil(library), math.ceil(library))


@pytest.mark.parametrize(("p", "diff"), [(0.12, 0.005), (0.12, 0.03), (0.3, 0.05), (0.5, 0.1)])
def test_shares_need_within_a_hundredth_of_what_the_pooled_test_does(p, diff):
    library = samplesize_proportions_2indep_onetail(diff, p, POWER, alpha=ALPHA, alternative="larger")
    ours = needed_sample(share_spread(p + diff, p), diff, CONFIDENCE)
    assert ours.treatment == pytest.approx(library, rel=0.01)


@pytest.mark.parametrize("ratio", [1.0, 0.25, 4.0, 99.0])
def test_means_need_what_the_library_says_also_with_unequal_arms(ratio):
    sd, diff = 3.0, 0.4
    library = NormalIndPower().solve_power(
        diff / sd, alpha=ALPHA, power=POWER, ratio=ratio, alternative="larger"
    )
    ours = needed_sample(Spread(sd**2, sd**2), diff, CONFIDENCE, control_per_treatment=ratio)
    assert ours.treatment == math.ceil(library)
    assert ours.control == math.ceil(library * ratio)


def test_a_ratio_of_means_needs_what_the_library_says_of_its_logarithm():
    """A coefficient of variation of 1.5 in both arms, to tell +5% from nothing."""
    spread = log_mean_spread(21.0, (1.5 * 21) ** 2, 20.0, (1.5 * 20) ** 2)
    library = NormalIndPower().solve_power(
        math.log(21 / 20) / 1.5, alpha=ALPHA, power=POWER, alternative="larger"
    )
    assert needed_sample(spread, math.log(21 / 20), CONFIDENCE).treatment == math.ceil(library)


def test_the_power_of_a_present_sample_is_the_librarys():
    error = standard_error(Spread(9.0, 9.0), Arms(300, 700))
    library = NormalIndPower().power(0.4 / 3, nobs1=300, alpha=ALPHA, ratio=7 / 3, alternative="larger")
    assert power_at(0.4, error, CONFIDENCE) == pytest.approx(library, abs=1e-9)


def test_an_exponential_waiting_times_median_spreads_as_one_over_log_two():
    """Median m with density ln 2 / (2m): the log median's variance per unit is 1 / (ln 2)²."""
    m = 300.0
    spread = log_quantile_spread(0.5, m, math.log(2) / (2 * m), m, math.log(2) / (2 * m))
    assert spread.treatment == pytest.approx(1 / math.log(2) ** 2)
    assert spread.control == spread.treatment


def test_an_exponential_median_varies_as_that_says():
    rng, n = np.random.default_rng(5), 401
    logs = np.log(np.median(rng.exponential(300.0, (4000, n)), axis=1))
    assert logs.var() == pytest.approx(1 / math.log(2) ** 2 / n, rel=0.1)  # 2 SE of a variance: 4.5%


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-4, 10), st.integers(2, 10**6), st.integers(2, 10**6), st.integers(2, 50))
def test_a_present_standard_error_scales_with_both_arms(error, n_t, n_c, times):
    spread = pooled_spread(error, Arms(n_t, n_c))
    assert standard_error(spread, Arms(n_t, n_c)) == pytest.approx(error)
    assert standard_error(spread, Arms(n_t * times, n_c * times)) == pytest.approx(error / math.sqrt(times))


@settings(max_examples=100, deadline=None)
@given(st.floats(0.01, 5), st.floats(0.01, 5), st.floats(0.01, 0.5), st.floats(0.05, 20))
def test_the_needed_sample_detects_the_effect_and_one_unit_less_does_not(var_t, var_c, distance, ratio):
    spread = Spread(var_t, var_c)
    arms = needed_sample(spread, distance, CONFIDENCE, control_per_treatment=ratio)
    assert minimum_detectable(standard_error(spread, arms), CONFIDENCE) <= distance * (1 + 1e-9)
    fewer = Arms(arms.treatment - 1, arms.control - 1)
    if fewer.can_compare:
        assert minimum_detectable(standard_error(spread, fewer), CONFIDENCE) > distance * (1 - 1e-9)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: needed_sample(Spread(1, 1), 0.0, 0.9),
        lambda: needed_sample(Spread(1, 1), 0.1, 0.9, control_per_treatment=0.0),
        lambda: standard_error(Spread(1, 1), Arms(10, 0)),
        lambda: pooled_spread(0.1, Arms(0, 10)),
    ],
)
def test_what_no_sample_can_do_is_an_error(ask):
    with pytest.raises(ValueError, match=r"positive|both arms"):
        ask()


# --- simulated experiments -----------------------------------------------------------------------

WORLDS = 4000
TWO_ERRORS = 2 * math.sqrt(POWER * (1 - POWER) / WORLDS)


def test_with_the_needed_sample_four_of_five_intervals_of_shares_clear_the_threshold():
    """The project's own test: Newcombe's lower limit against a loss of one point, where nothing is lost."""
    arms = needed_sample(share_spread(0.12, 0.12), 0.010, CONFIDENCE)
    rng = np.random.default_rng(11)
    hires_t, hires_c = (rng.binomial(n, 0.12, WORLDS) for n in (arms.treatment, arms.control))
    cleared = [
        newcombe(int(t), arms.treatment, int(c), arms.control, CONFIDENCE).lower > -0.010
        for t, c in zip(hires_t, hires_c, strict=True)
    ]
    assert np.mean(cleared) == pytest.approx(POWER, abs=TWO_ERRORS)


def test_with_the_needed_sample_four_of_five_relative_intervals_clear_the_threshold():
    """Tickets per request, Poisson, unchanged; the upper limit must stay below an increase of a tenth."""
    rate, n = 0.15, needed_sample(log_mean_spread(0.15, 0.15, 0.15, 0.15), math.log(1.10), CONFIDENCE)
    rng = np.random.default_rng(12)
    t, c = (rng.poisson(rate * arm, WORLDS) / arm for arm in (n.treatment, n.control))
    cleared = [
        relative_difference(a, a / n.treatment, b, b / n.control, CONFIDENCE).upper < 0.10
        for a, b in zip(t, c, strict=True)
    ]
    assert np.mean(cleared) == pytest.approx(POWER, abs=TWO_ERRORS)
