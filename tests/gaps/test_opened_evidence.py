"""Evidence from measurements, and what open gaps add to it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_worlds import CONTROL, TREATMENT, UNKNOWN, Lost, Request, definition, design, measure

from dagster_pipeline.gaps.effects import EffectCalculator, OpenGaps, at_estimate, hull, is_closed
from dagster_pipeline.gaps.evidence import EvidenceReader, statistic_of
from dagster_pipeline.gaps.opened import RowsTold, UnknownRows, can_count, with_unknown_rows
from dagster_pipeline.statistics.evidence import Estimate, Region

MEAN, RATIO, SHARE, MEDIAN = "quotes_per_request", "refund_rate", "hire_rate_7d", "ttfq_median"


def reader(requests, name=MEAN, lost=()):
    return EvidenceReader(measure({name: requests}, lost), design())


def metric(name=MEAN):
    return statistic_of(definition(name))


def sums(cells):
    return float(cells.low @ cells.count), float(cells.high @ cells.count), float(cells.d @ cells.count)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=8))
def test_an_arms_one_cell_holds_its_exact_sums(values):
    requests = [Request(CONTROL, float(y), d=float(d)) for y, d in values]
    for name in (MEAN, RATIO):
        cells = reader(requests, name).observed(metric(name)).arms[CONTROL].cells
        assert sums(cells) == pytest.approx((sum(y for y, _ in values),) * 2 + (sum(d for _, d in values),))
        assert cells.total == len(values)


def test_an_open_mean_lies_between_the_arms_lowest_and_highest_sums():
    requests = [Request(CONTROL, 2.0, 1.0, 5.0), Request(CONTROL, 3.0), Request(CONTROL, 4.0, mature=False)]
    found = reader(requests)
    assert sums(found.joint(metric()).arms[CONTROL].cells) == pytest.approx((8.0, 12.0, 3.0))
    assert sums(found.observed(metric()).arms[CONTROL].cells) == pytest.approx((5.0, 5.0, 2.0))


def test_immature_requests_count_in_the_joint_evidence_alone():
    requests = [Request(TREATMENT, 1.0), Request(TREATMENT, 0.0, 0.0, 1.0, mature=False)]
    found = reader(requests, SHARE)
    assert found.observed(metric(SHARE)).arms[TREATMENT].cells.total == 1
    assert found.joint(metric(SHARE)).arms[TREATMENT].cells.total == 2


def test_lost_requests_of_a_mean_join_with_what_is_counted_of_them_and_others_with_all_they_may_be():
    lost = [Lost("quotes", CONTROL, 3.0, count=2), Lost("quotes", UNKNOWN, 1.0), Lost("hires", CONTROL, 0.0)]
    requests = [Request(CONTROL, 2.0), Request(TREATMENT, 1.0)]
    counted = reader(requests, MEAN, lost).with_lost(metric(MEAN), "quotes")
    assert sums(counted.arms[CONTROL].cells) == (8.0, 8.0, 3.0)
    assert sums(counted.unlabelled.cells) == (1.0, 1.0, 1.0)
    shares = reader([Request(CONTROL, 1.0), Request(TREATMENT, 1.0)], SHARE, lost)
    assert sums(shares.with_lost(metric(SHARE), "quotes").arms[CONTROL].cells) == (1.0, 3.0, 3.0)
    assert sums(shares.joint(metric(SHARE)).arms[CONTROL].cells) == (1.0, 4.0, 4.0)
    assert sums(shares.joint(metric(SHARE)).unlabelled.cells) == (0.0, 1.0, 1.0)


def test_a_lost_requests_segment_is_lost_too_so_every_segment_may_hold_it():
    lost = [Lost("quotes", CONTROL)]
    found = EvidenceReader(measure({SHARE: [Request(CONTROL, 1.0)]}, lost, segment="geo=a"), design())
    assert sums(found.joint(metric(SHARE), "geo=a").arms[CONTROL].cells) == (1.0, 2.0, 2.0)


def test_an_arm_without_requests_is_empty_evidence_and_an_infinite_quantile_is_infinite():
    found = reader([Request(CONTROL, math.inf)], MEDIAN)
    assert found.quantile(MEDIAN, CONTROL) == math.inf
    assert found.quantile(MEDIAN, TREATMENT) is None
    assert found.observed(metric(MEDIAN)).arms[TREATMENT].moments.n == 0


def test_an_arm_the_design_gives_nobody_is_no_treatment():
    assert design({CONTROL: 0.5, TREATMENT: 0.5, "off": 0.0}).treatments == (TREATMENT,)


# --- what is open ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [SHARE, MEAN, MEDIAN, RATIO])
def test_evidence_is_closed_when_every_request_is_mature_and_has_one_value(name):
    full = [Request(arm, y, d=2.0) for arm in (CONTROL, TREATMENT) for y in (0.0, 1.0, 1.0)]

    def closed(requests, lost=()):
        found = reader(requests, name, lost)
        return is_closed(found.joint(metric(name)), found.observed(metric(name)))

    assert closed(full)
    assert not closed([*full, Request(UNKNOWN, 1.0)])
    assert not closed([*full, Request(CONTROL, 1.0, mature=False)])
    assert not closed([*full, Request(CONTROL, 0.0, 0.0, 1.0)])
    assert not closed(full, [Lost("quotes", TREATMENT, 1.0)])


def test_the_same_values_in_other_numbers_are_not_closed():
    """Equal bins and equal totals are not equal distributions."""
    one = reader([Request(a, y) for a in (CONTROL, TREATMENT) for y in (0.0, 1.0, 1.0)], SHARE)
    other = reader([Request(a, y) for a in (CONTROL, TREATMENT) for y in (0.0, 0.0, 1.0)], SHARE)
    assert not is_closed(one.joint(metric(SHARE)), other.observed(metric(SHARE)))


def test_rows_of_unknown_requests_open_as_many_requests_as_there_are_rows():
    def opened(name, values, rows):
        found = reader([Request(CONTROL, float(v)) for v in values], name).observed(metric(name))
        return with_unknown_rows(found, UnknownRows("quotes", rows)).arms[CONTROL].cells

    share = opened("quoted", [0, 0, 0, 1], 2)
    assert sums(share)[:2] == (1.0, 3.0)
    assert sums(opened("quoted", [0, 1, 1], 5))[:2] == (2.0, 3.0)
    times = opened(MEDIAN, [10, 20, math.inf, math.inf], 3)
    assert sorted(np.repeat(times.low, times.count)) == [0, 0, 0, 10]
    assert sorted(np.repeat(times.high, times.count)) == [10, 20, math.inf, math.inf]


def test_rows_are_not_spent_on_requests_that_are_open_already():
    """An undated hire may be in time anyway: a hire of no known request adds to those that have none."""
    requests = [Request(CONTROL, 0.0, 0.0, 1.0), Request(CONTROL, 0.0), Request(CONTROL, 0.0)]
    found = reader(requests, SHARE).joint(metric(SHARE))
    cells = with_unknown_rows(found, UnknownRows("hires", 1)).arms[CONTROL].cells
    assert sums(cells)[:2] == (0.0, 2.0)


def test_what_is_told_of_rows_without_a_request_limits_what_they_add():
    """A refund comes with its hire, flags with their quotes, amounts as they are."""

    def levels(name, source, rows, told):
        found = reader([Request(CONTROL, 4.0, d=10.0)], name).observed(metric(name))
        unknown = UnknownRows(source, rows, told=told)
        low, high, d = sums(with_unknown_rows(found, unknown).arms[CONTROL].cells)
        return low / d, high / d

    hires = RowsTold(refunded=1, perhaps_refunded=1, flagged=0, flags=0, amount=70.0)
    assert levels("refund_rate", "hires", 5, hires) == pytest.approx((4 / 14, 6 / 12))
    quotes = RowsTold(refunded=0, perhaps_refunded=0, flagged=1, flags=3, amount=0.0)
    assert levels("spam_flags_per_1000_quotes", "quotes", 5, quotes) == pytest.approx((4 / 14, 7 / 11))
    amounts = reader([Request(CONTROL, 40.0)], "gmv_per_request").observed(metric("gmv_per_request"))
    cells = with_unknown_rows(amounts, UnknownRows("hires", 2, told=hires)).arms[CONTROL].cells
    assert sums(cells)[:2] == (40.0, 110.0)
    assert can_count(definition("gmv_per_request"), "hires", hires)
    assert not can_count(definition("gmv_per_request"), "hires", replace(hires, amount=None))


def test_rows_enter_the_numerator_or_the_denominator_they_are_counted_in():
    def levels(name, source, counted=False):
        found = reader([Request(CONTROL, 4.0, d=10.0)], name).observed(metric(name))
        low, high, d = sums(with_unknown_rows(found, UnknownRows(source, 2, counted)).arms[CONTROL].cells)
        return low / d, high / d

    assert levels("spam_flags_per_1000_quotes", "spam_flags") == pytest.approx((4 / 10, 6 / 10))
    assert levels("spam_flags_per_1000_quotes", "quotes") == pytest.approx((4 / 12, 4 / 10))
    assert levels(RATIO, "hires") == pytest.approx((4 / 12, 6 / 12))
    tickets = reader([Request(CONTROL, 4.0)], "support_tickets_per_100_requests")
    found = tickets.observed(metric("support_tickets_per_100_requests"))
    cells = with_unknown_rows(found, UnknownRows("support_tickets", 3, counted=True)).arms[CONTROL].cells
    assert sums(cells)[:2] == (1.0, 7.0)


def test_rows_can_be_counted_but_their_amounts_can_not():
    assert can_count(definition("quotes_per_request"), "quotes")
    assert can_count(definition("refund_rate"), "hires")
    assert can_count(definition("hire_rate_7d"), "hires")
    assert not can_count(definition("gmv_per_request"), "hires")


# --- effects -----------------------------------------------------------------------------------


def calculator(requests, name, opened=OpenGaps(), lost=()):  # noqa: B008  frozen
    return EffectCalculator(reader(requests, name, lost), design(), 0.90, opened)


CLEAN = [Request(a, float(y)) for a, ys in ((CONTROL, (0, 0, 1, 1)), (TREATMENT, (0, 1, 1, 1))) for y in ys]


def test_without_anything_open_the_region_is_the_estimate_and_its_interval():
    found = calculator(CLEAN, SHARE).effect(definition(SHARE), TREATMENT)
    assert found.estimate.value == pytest.approx(0.25)
    assert found.region == at_estimate(found.estimate)


def test_an_unlimited_metric_has_no_region_and_says_why():
    opened = OpenGaps(unlimited={MEAN: "because"})
    found = calculator(CLEAN, MEAN, opened).effect(definition(MEAN), TREATMENT)
    assert found.region == Region(None, None, reason="because")
    assert found.estimate.value is not None


@pytest.mark.parametrize("segment", [None, "geo=a"])
def test_units_lost_without_a_trace_leave_counts_without_a_limit_in_segments_too(segment):
    opened = OpenGaps(lost_units={TREATMENT: 2})
    for name, is_limited in ((MEAN, False), (SHARE, True)):
        found = EffectCalculator(
            EvidenceReader(measure({name: CLEAN}, segment=segment), design()), design(), 0.90, opened
        ).effect(definition(name), TREATMENT, segment=segment)
        assert (found.region.lower is not None) is is_limited
    assert (found.region.lower, found.region.upper) == pytest.approx((3 / 6 - 0.5, 5 / 6 - 0.5))


def test_rows_of_unknown_requests_weigh_more_in_a_small_segment_than_in_the_whole():
    opened = OpenGaps(unknown_rows={"quoted": (UnknownRows("quotes", 1),)})
    few = [Request(a, 0.0) for a in (CONTROL, TREATMENT)]
    many = [Request(a, 0.0) for a in (CONTROL, TREATMENT) for _ in range(10)]
    of_few, of_many = (
        calculator(r, "quoted", opened).effect(definition("quoted"), TREATMENT).region for r in (few, many)
    )
    assert (of_few.lower, of_few.upper) == (-1.0, 1.0)
    assert (of_many.lower, of_many.upper) == (-0.1, 0.1)


def test_requests_without_an_id_may_be_of_any_arm_and_any_outcome():
    closed = calculator(CLEAN, SHARE).effect(definition(SHARE), TREATMENT).region
    opened = calculator(CLEAN, SHARE, OpenGaps(traceless=1)).effect(definition(SHARE), TREATMENT).region
    # One more: a treated success or a control's failure, whichever is more; and the reverse.
    assert opened.upper == pytest.approx(max(4 / 5 - 2 / 4, 3 / 4 - 2 / 5))
    assert opened.lower == pytest.approx(min(3 / 5 - 2 / 4, 3 / 4 - 3 / 5))
    assert opened.lower < closed.lower <= closed.upper < opened.upper


def test_the_joint_region_holds_every_single_gaps_region():
    opened = OpenGaps(alone=lambda m, t, e: [Region(-0.5, 0.3, -0.6, 0.4), Region(0.1, 0.9, 0.0, 1.0)])
    found = calculator(CLEAN, SHARE, opened).effect(definition(SHARE), TREATMENT).region
    assert (found.lower, found.upper) == (-0.5, 0.9)
    assert found.gate_lower <= -0.6
    assert found.gate_upper >= 1.0


def test_a_hull_is_without_limit_where_one_region_is_and_keeps_the_reason():
    assert hull(Region(0, 1, 0, 1), [Region(None, None, reason="why")]) == Region(None, None, reason="why")
    assert hull(Region(None, 1, reason="first"), [Region(0, 2, reason="second")]) == Region(
        None, 2, reason="first"
    )
    assert hull(Region(0, 1, -1, 2), []) == Region(0, 1, -1, 2)


def test_levels_are_given_for_every_arm_and_for_those_without_one():
    found = list(calculator([*CLEAN, Request(UNKNOWN, 1.0)], SHARE).levels(definition(SHARE)))
    assert {(x.variant, x.level.n, x.level.value) for x in found} == {
        (CONTROL, 4, 0.5),
        (TREATMENT, 4, 0.75),
        (UNKNOWN, 1, 1.0),
    }


def test_an_effect_is_in_the_effect_asked_for():
    found = calculator(CLEAN, SHARE).effect(definition(SHARE), TREATMENT, "relative")
    assert (found.effect, found.estimate.value) == ("relative", pytest.approx(0.5))
    assert at_estimate(Estimate(None, reason="no")).reason == "no"
