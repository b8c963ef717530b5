"""What a region proves of a gap's bias is never wrong; what the repair suggests is only a guess."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.statistics.direction import bias_interval, direction, epsilon, expected_direction
from dagster_pipeline.statistics.evidence import Better
from dagster_pipeline.statistics.vocabulary import Direction

HIGHER, LOWER = Better.HIGHER, Better.LOWER
effects = st.floats(-1, 1)


@pytest.mark.parametrize(
    ("unmitigated", "lower", "upper", "better", "said"),
    [
        (0.05, 0.01, 0.04, HIGHER, Direction.INFLATES),
        (0.05, 0.06, 0.09, HIGHER, Direction.DEFLATES),
        (0.05, 0.01, 0.09, HIGHER, Direction.EITHER),
        (0.05, 0.05, 0.05, HIGHER, Direction.NONE),
        (-0.20, -0.10, -0.05, LOWER, Direction.INFLATES),
        (-0.20, -0.30, -0.25, LOWER, Direction.DEFLATES),
        (0.05, None, 0.04, HIGHER, Direction.INFLATES),
        (0.05, 0.06, None, HIGHER, Direction.DEFLATES),
        (0.05, 0.01, None, HIGHER, Direction.EITHER),
        (0.05, None, None, HIGHER, Direction.EITHER),
        (None, 0.01, 0.02, HIGHER, Direction.EITHER),
    ],
)
def test_direction_is_the_first_that_holds(unmitigated, lower, upper, better, said):
    assert direction(unmitigated, lower, upper, better) is said


def test_a_mechanism_that_only_shrinks_is_said_only_where_the_region_proves_nothing_more():
    assert direction(0.05, 0.01, 0.09, HIGHER, only_shrinks=True) is Direction.TOWARD_ZERO
    assert direction(0.05, 0.06, 0.09, HIGHER, only_shrinks=True) is Direction.DEFLATES


def test_a_bias_below_a_tenth_of_the_room_to_the_threshold_is_none():
    room = epsilon(limit=0.02, threshold=-0.01)
    assert room == pytest.approx(0.003)
    assert direction(0.05, 0.048, 0.052, HIGHER, negligible=room) is Direction.NONE
    assert direction(0.05, 0.046, 0.052, HIGHER, negligible=room) is Direction.EITHER
    assert epsilon(None, 0.1) == 0


@settings(max_examples=150, deadline=None)
@given(effects, effects, effects, st.floats(0, 1), st.sampled_from([HIGHER, LOWER]))
def test_what_is_proved_holds_for_every_truth_in_the_region(unmitigated, a, b, weight, better):
    lower, upper = min(a, b), max(a, b)
    truth = lower + weight * (upper - lower)
    said = direction(unmitigated, lower, upper, better)
    looks_better = (unmitigated - truth) * (1 if better is HIGHER else -1)
    if said is Direction.INFLATES:
        assert looks_better >= -1e-9
    if said is Direction.DEFLATES:
        assert looks_better <= 1e-9
    if said is Direction.NONE:
        assert abs(looks_better) <= 1e-9


def test_bias_is_raw_and_open_where_the_region_is():
    assert bias_interval(0.05, 0.01, 0.04) == pytest.approx((0.01, 0.04))
    assert bias_interval(0.05, None, 0.04) == (pytest.approx(0.01), None)
    assert bias_interval(None, 0.01, 0.04) == (None, None)


def test_expected_direction_is_the_sign_of_what_the_repair_took_away():
    assert expected_direction(0.06, 0.05, HIGHER) is Direction.INFLATES
    assert expected_direction(0.06, 0.05, LOWER) is Direction.DEFLATES
    assert expected_direction(0.05, 0.05, LOWER) is Direction.NONE
    assert expected_direction(None, 0.05, LOWER) is Direction.EITHER
    assert expected_direction(0.051, 0.05, HIGHER, negligible=0.01) is Direction.NONE


@pytest.mark.parametrize(("better", "over"), [(HIGHER, Direction.INFLATES), (LOWER, Direction.DEFLATES)])
def test_no_guess_where_the_repair_took_away_less_than_a_tenth_of_what_it_left_open(better, over):
    assert expected_direction(0.059, 0.05, better, region=(0.0, 0.1)) is Direction.EITHER
    assert expected_direction(0.061, 0.05, better, region=(0.0, 0.1)) is over
    assert expected_direction(0.05, 0.05, better, region=(0.0, 0.1)) is Direction.NONE
    assert expected_direction(0.625, 0.5, better, region=(0.0, 1.25)) is over, "a tenth itself is enough"


@pytest.mark.parametrize(
    "region", [(0.0, 0.05), (0.05, 0.1), (None, 0.1), (0.0, None), (None, None), (0.06, 0.1)]
)
def test_a_side_that_is_proved_or_has_no_width_to_compare_is_guessed_however_little_was_repaired(region):
    assert expected_direction(0.05, 0.0499, HIGHER, region=region) is Direction.INFLATES


def test_what_rounding_leaves_is_no_bias_and_more_than_that_is_one():
    for better, over in ((HIGHER, Direction.INFLATES), (LOWER, Direction.DEFLATES)):
        assert expected_direction(0.5 + 1.5e-12, 0.5, better) is over
        assert expected_direction(0.5 + 0.5e-12, 0.5, better) is Direction.NONE
        assert expected_direction(1000.0 + 5e-10, 1000.0, better) is Direction.NONE
        assert expected_direction(1000.0 + 5e-9, 1000.0, better) is over
        assert direction(0.5 + 1.5e-12, 0.5, 0.5, better) is over
        assert direction(0.5 + 0.5e-12, 0.5, 0.5, better) is Direction.NONE
        assert direction(1000.0 + 5e-10, 1000.0, 1000.0, better) is Direction.NONE
        assert direction(1000.0 + 5e-9, 1000.0, 1000.0, better) is over


def test_a_region_that_begins_at_the_estimate_up_to_rounding_proves_the_side_it_lies_on():
    below, above = (0.3, 0.5 + 0.5e-12), (0.5 - 0.5e-12, 0.7)
    assert direction(0.5, *below, HIGHER) is Direction.INFLATES
    assert direction(0.5, *above, HIGHER) is Direction.DEFLATES
    assert direction(0.5, *below, LOWER) is Direction.DEFLATES
    assert direction(0.5, *above, LOWER) is Direction.INFLATES
    assert direction(0.5, 0.3, 0.5 + 1.5e-12, HIGHER) is Direction.EITHER
    assert direction(0.5, 0.5 - 1.5e-12, 0.7, HIGHER) is Direction.EITHER
    assert direction(1000.0, 900.0, 1000.0 + 5e-10, HIGHER) is Direction.INFLATES
    assert direction(1000.0, 1000.0 - 5e-10, 1100.0, HIGHER) is Direction.DEFLATES


def test_without_an_unrepaired_estimate_the_slack_is_that_of_nought():
    assert direction(None, 0.5, 0.7, HIGHER) is Direction.EITHER
    assert direction(None, 0.5, 0.7, LOWER, only_shrinks=True) is Direction.TOWARD_ZERO
    assert direction(0.5, None, 0.4, LOWER) is Direction.DEFLATES
    assert direction(0.5, 0.6, None, LOWER) is Direction.INFLATES
    assert expected_direction(0.5, None, HIGHER) is Direction.EITHER


def test_the_room_to_the_threshold_is_the_same_from_either_side():
    assert (
        epsilon(limit=-0.01, threshold=0.02) == epsilon(limit=0.02, threshold=-0.01) == pytest.approx(0.003)
    )
    assert epsilon(0.02, None) == epsilon(None, None) == 0


def test_a_bias_of_exactly_what_is_negligible_or_of_rounding_is_none():
    rounding = 1e-12
    assert direction(0.0, -rounding, rounding, HIGHER) is Direction.NONE
    assert direction(0.0, -0.5, rounding, HIGHER) is Direction.INFLATES
    assert direction(0.0, -rounding, 0.5, HIGHER) is Direction.DEFLATES
    assert expected_direction(0.0, rounding, HIGHER) is Direction.NONE
