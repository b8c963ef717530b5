"""What one gap leaves open, against every completion of worlds small enough to enumerate."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import (
    CONTROL,
    TREATMENT,
    UNKNOWN,
    VALUES,
    Lost,
    Request,
    definition,
    effects_of,
    ends,
    estimate_of,
    fixed,
    holds,
    labelled,
    level_of,
    measure,
    opened,
    worlds,
)

from dagster_pipeline.gaps.effects import LOST_WITHOUT_TRACE, ROWS_MAY_FOLLOW
from dagster_pipeline.gaps.evidence import statistic_of
from dagster_pipeline.gaps.places import COHORT_INCOMPLETE, NO_UPPER_LIMIT, NOT_COMPUTED, lost_units

SHARE, MEAN, MEDIAN, RATIO = "hire_rate_7d", "quotes_per_request", "ttfq_median", "refund_rate"
ARMS = (CONTROL, TREATMENT)


# --- missing arms ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([SHARE, MEAN, MEDIAN]))
def test_a_missing_arm_may_be_any_that_the_design_share_allows(data, name):
    requests, rest = (
        data.draw(labelled(name)),
        data.draw(st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3)),
    )
    region = opened(
        measure({name: requests + [Request(UNKNOWN, y) for y in rest]}), name, "missing_variant", "requests"
    ).region
    every = effects_of(worlds(*fixed(requests), *([(a, y) for a in ARMS] for y in rest)), name)
    assert holds(region, every)
    if name != MEDIAN:  # of so few, the share's band leaves every labelling possible
        assert ends(region) == pytest.approx((min(every), max(every)))


def test_with_many_requests_the_design_share_limits_the_labels():
    """400 and 300 labelled, 100 more: the halves are 400 and 400, give or take 36."""
    requests = [Request(CONTROL, float(i % 2)) for i in range(400)] + [
        Request(TREATMENT, float(i % 2)) for i in range(300)
    ]
    region = opened(
        measure({SHARE: requests + [Request(UNKNOWN, 1.0)] * 100}), SHARE, "missing_variant", "requests"
    ).region
    k = range(math.ceil(100 - 2.576 * math.sqrt(800 * 0.25)), 101)
    every = [(150 + i) / (300 + i) - (200 + 100 - i) / (500 - i) for i in k]
    assert ends(region) == pytest.approx((min(every), max(every)), abs=2e-3)
    assert region.lower > 150 / 300 - 300 / 500


def test_without_recovery_the_arm_is_the_one_on_the_quotes():
    requests = [
        Request(a, y, read={"variant_from_quotes": v})
        for a in ARMS
        for y, v in ((1.0, 1.0), (0.0, 1.0 if a == TREATMENT else 0.0))
    ]
    found = opened(measure({SHARE: requests}), SHARE, "missing_variant", "quotes", "variant")
    assert found.unmitigated == pytest.approx(0.5)
    assert ends(found.region) == (0.0, 0.0)


# --- late sources ------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    labelled(SHARE),
    st.lists(st.tuples(st.sampled_from(ARMS), st.sampled_from((0.0, 1.0))), min_size=1, max_size=4),
)
def test_an_immature_request_without_the_event_may_still_have_it_and_one_with_it_keeps_it(mature, immature):
    late = [
        Request(a, y, y, 1.0, mature=False, read={"immature_low": y, "immature_high": 1.0})
        for a, y in immature
    ]
    found = opened(measure({SHARE: mature + late}), SHARE, "stale_source", "hires")
    every = effects_of(worlds(*fixed(mature), *([(a, v) for v in {y, 1.0}] for a, y in immature)), SHARE)
    assert ends(found.region) == pytest.approx((min(every), max(every)))
    assert found.unmitigated == pytest.approx(effects_of(worlds(*fixed(mature + late)), SHARE)[0])


def test_the_first_quote_of_an_immature_request_comes_after_what_was_observed_or_never():
    late = [
        Request(
            a, math.inf, 50.0, math.inf, mature=False, read={"immature_low": 50.0, "immature_high": math.inf}
        )
        for a in ARMS
    ]
    mature = [Request(a, y) for a, ys in ((CONTROL, (30.0, 60.0)), (TREATMENT, (20.0, 40.0))) for y in ys]
    region = opened(measure({MEDIAN: mature + late}), MEDIAN, "stale_source", "quotes").region
    possible = (50.0, 55.0, 1e6, math.inf)
    assert holds(
        region, effects_of(worlds(*fixed(mature), *([(r.arm, y) for y in possible] for r in late)), MEDIAN)
    )
    assert ends(region) == pytest.approx((40 / 60 - 1, 40 / 50 - 1))


@pytest.mark.parametrize("name", [MEAN, RATIO])
def test_rows_after_a_late_sources_cutoff_have_no_upper_limit(name):
    requests = [Request(a, y) for a in ARMS for y in (0.0, 1.0)]
    region = opened(measure({name: requests}), name, "stale_source", "hires").region
    assert region.reason == ROWS_MAY_FOLLOW
    assert ends(region) == (None, None)


def test_requests_that_stopped_arriving_leave_no_metric_identified():
    requests = [Request(a, 1.0) for a in ARMS]
    assert (
        opened(measure({SHARE: requests}), SHARE, "stale_source", "requests").region.reason
        == COHORT_INCOMPLETE
    )


# --- values that are not known -----------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.data(), st.sampled_from([SHARE, MEAN, MEDIAN]), st.sampled_from(["missing_values", "invalid_values"])
)
def test_an_undated_quote_counts_or_does_not_and_may_have_been_the_first(data, name, kind):
    requests = data.draw(labelled(name))
    best = {SHARE: lambda y: 1.0, MEAN: lambda y: y + 1, MEDIAN: lambda y: 0.0}[name]
    touched = data.draw(st.lists(st.booleans(), min_size=len(requests), max_size=len(requests)))
    seen = [
        Request(r.arm, r.y, read={"undated_high.quotes": best(r.y) if is_open else r.y})
        for r, is_open in zip(requests, touched, strict=True)
    ]
    region = opened(measure({name: seen}), name, kind, "quotes", "quoted_at", sum(touched)).region
    every = effects_of(
        worlds(*([(r.arm, v) for v in {r.y, r.read["undated_high.quotes"]}] for r in seen)), name
    )
    assert holds(region, every)
    if name != MEDIAN:
        assert ends(region) == pytest.approx((min(every), max(every)))


def test_without_the_event_log_a_null_time_was_no_quote_and_the_repair_undone_may_be_without_a_figure():
    requests = [
        Request(a, 30.0, read={"missing_values.quotes.quoted_at": v})
        for a, v in ((CONTROL, 60.0), (TREATMENT, 30.0))
    ]
    assert (
        opened(measure({MEDIAN: requests}), MEDIAN, "missing_values", "quotes", "quoted_at").unmitigated
        == -0.5
    )
    never = [Request(a, 30.0, read={"missing_values.quotes.quoted_at": math.inf}) for a in ARMS]
    assert (
        opened(measure({MEDIAN: never}), MEDIAN, "missing_values", "quotes", "quoted_at").unmitigated is None
    )


def test_a_null_time_in_the_log_opens_only_quotes_that_have_none_elsewhere():
    """One null in an event log does not take away the quotes' own times."""
    requests = [Request(a, y) for a in ARMS for y in (30.0, 60.0)]
    found = opened(measure({MEDIAN: requests}), MEDIAN, "missing_values", "quote_events", "event_at", 3)
    assert ends(found.region) == (0.0, 0.0)
    assert found.unmitigated == 0.0


def test_an_unknown_outcome_is_a_refund_or_not():
    requests = [
        Request(a, 0.0, d=1.0, read={"unknown_outcome_high.hires": 1.0 if a == CONTROL else 0.0})
        for a in ARMS
    ]
    assert ends(
        opened(measure({RATIO: requests}), RATIO, "missing_values", "hires", "outcome", 1).region
    ) == (-1.0, 0.0)


def test_an_amount_that_is_not_known_has_no_limit_and_all_known_are_the_estimate():
    world = measure({"gmv_per_request": [Request(a, 10.0) for a in ARMS]})
    assert (
        opened(world, "gmv_per_request", "missing_values", "hires", "amount", 2).region.reason
        == NO_UPPER_LIMIT
    )
    assert ends(opened(world, "gmv_per_request", "missing_values", "hires", "amount", 0).region) == (0.0, 0.0)
    assert (
        opened(world, "gmv_per_request", "missing_values", "hires", "request_id", 1).region.reason
        == NO_UPPER_LIMIT
    )


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from(["quoted", MEAN, MEDIAN]), st.integers(1, 2))
def test_a_row_without_a_request_may_be_any_requests_of_either_arm(data, name, rows):
    requests = data.draw(labelled({"quoted": SHARE}.get(name, name)))
    region = opened(measure({name: requests}), name, "missing_values", "quotes", "request_id", rows).region
    add = {
        "quoted": lambda y, n: 1.0 if n else y,
        MEAN: lambda y, n: y + n,
        MEDIAN: lambda y, n: 0.0 if n else y,
    }[name]
    owners = itertools.product(
        range(len(requests) + 1), repeat=rows
    )  # the last: a request of no arm, or none at all
    values = [[add(r.y, owner.count(i)) for i, r in enumerate(requests)] for owner in owners]
    every = effects_of(
        [
            tuple(
                [v for v, r in zip(world, requests, strict=True) if r.arm == arm]
                for arm in (TREATMENT, CONTROL)
            )
            for world in values
        ],
        name,
    )
    assert holds(region, every)
    if name == MEAN:
        assert ends(region) == pytest.approx((min(every), max(every)))


def test_a_flag_on_a_quote_that_is_nowhere_is_one_of_either_arm():
    name = "spam_flags_per_1000_quotes"
    world = measure({name: [Request(a, 1.0, d=10.0) for a in ARMS]})
    region = opened(world, name, "orphan_rows", "spam_flags", None, 1).region
    assert ends(region) == pytest.approx((0.1 / 0.2 - 1, 0.2 / 0.1 - 1))


def test_a_quote_that_is_not_counted_lowers_the_rate_of_flags():
    name = "spam_flags_per_1000_quotes"
    world = measure({name: [Request(a, 1.0, d=10.0) for a in ARMS]})
    region = opened(world, name, "missing_values", "quotes", "request_id", 5).region
    assert ends(region) == pytest.approx(((1 / 15) / (1 / 10) - 1, (1 / 10) / (1 / 15) - 1))


def test_a_ticket_that_contradicts_another_may_be_anyones():
    name = "support_tickets_per_100_requests"
    world = measure({name: [Request(a, y) for a in ARMS for y in (1.0, 1.0)]})
    region = opened(world, name, "conflicting_keys", "support_tickets", None, 1).region
    assert ends(region) == pytest.approx((1 / 3 - 1, 3 / 1 - 1))


# --- contradictions, copies --------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from([SHARE, MEAN, MEDIAN]))
def test_a_contested_row_is_read_one_way_or_the_other(data, name):
    requests = data.draw(labelled(name))
    pairs = data.draw(
        st.lists(
            st.tuples(*[st.sampled_from(VALUES[name])] * 2), min_size=len(requests), max_size=len(requests)
        )
    )
    # conflict_low has least of what is counted, which of a time is its latest
    worst, best = (max, min) if name == MEDIAN else (min, max)
    seen = [
        Request(r.arm, p[0], read={"conflict_low.hires": worst(p), "conflict_high.hires": best(p)})
        for r, p in zip(requests, pairs, strict=True)
    ]
    region = opened(measure({name: seen}), name, "conflicting_keys", "hires", None, 1).region
    every = effects_of(
        worlds(*([(r.arm, v) for v in set(p)] for r, p in zip(requests, pairs, strict=True))), name
    )
    assert holds(region, every)
    if name != MEDIAN:
        assert ends(region) == pytest.approx((min(every), max(every)))


def test_copies_that_are_removed_leave_nothing_open_and_undone_they_count():
    requests = [Request(a, 2.0, read={"duplicate_rows.quotes": 4.0 if a == TREATMENT else 2.0}) for a in ARMS]
    found = opened(measure({MEAN: requests}), MEAN, "duplicate_rows", "quotes")
    assert found.unmitigated == 2.0
    assert ends(found.region) == (0.0, 0.0)


def test_a_copy_never_moves_the_time_to_the_first_quote():
    requests = [Request(a, 30.0) for a in ARMS]
    assert opened(measure({MEDIAN: requests}), MEDIAN, "duplicate_rows", "quotes").unmitigated == 0.0


# --- requests that are lost --------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(labelled(SHARE), st.lists(st.sampled_from((CONTROL, TREATMENT, UNKNOWN)), min_size=1, max_size=3))
def test_a_lost_request_joins_its_arm_or_any_and_its_outcome_is_unknown(requests, lost):
    world = measure({SHARE: requests}, [Lost("quotes", arm) for arm in lost])
    region = opened(world, SHARE, "orphan_rows", "quotes", None, len(lost)).region
    gone = [[(a, y) for a in (ARMS if arm == UNKNOWN else (arm,)) for y in (0.0, 1.0)] for arm in lost]
    every = effects_of(worlds(*fixed(requests), *gone), SHARE)
    assert ends(region) == pytest.approx((min(every), max(every)))


@settings(max_examples=30, deadline=None)
@given(
    labelled(MEAN),
    st.lists(
        st.tuples(st.sampled_from((CONTROL, TREATMENT, UNKNOWN)), st.integers(0, 4)), min_size=1, max_size=3
    ),
)
def test_what_is_counted_of_a_lost_request_is_known(requests, lost):
    """Also where every lost request has its arm: then the effect with them is a point, and not the estimate."""
    world = measure({MEAN: requests}, [Lost("quotes", arm, float(y)) for arm, y in lost])
    region = opened(world, MEAN, "orphan_rows", "quotes", None, len(lost)).region
    gone = [[(a, float(y)) for a in (ARMS if arm == UNKNOWN else (arm,))] for arm, y in lost]
    every = effects_of(worlds(*fixed(requests), *gone), MEAN)
    assert ends(region) == pytest.approx((min(every), max(every)))


def test_each_tables_orphans_show_a_part_of_one_loss_and_are_bounded_with_all_of_it():
    requests = [Request(a, y) for a in ARMS for y in (0.0, 1.0)]
    world = measure({SHARE: requests}, [Lost("hires", CONTROL)])
    alone = ends(opened(world, SHARE, "orphan_rows", "messages", None, 3).region)
    assert alone == pytest.approx((1 / 2 - 2 / 3, 1 / 2 - 1 / 3))
    assert alone == ends(opened(world, SHARE, "orphan_rows", "hires", None, 1).region)


@settings(max_examples=20, deadline=None)
@given(labelled(SHARE), st.integers(1, 3))
def test_a_request_row_without_an_id_may_be_of_any_arm_and_outcome(requests, rows):
    region = opened(
        measure({SHARE: requests}), SHARE, "missing_values", "requests", "request_id", rows
    ).region
    every = effects_of(worlds(*fixed(requests), *[[(a, y) for a in ARMS for y in (0.0, 1.0)]] * rows), SHARE)
    assert ends(region) == pytest.approx((min(every), max(every)))


def test_a_request_without_a_time_is_lost_with_the_arm_it_was_assigned():
    requests = [Request(a, y) for a in ARMS for y in (0.0, 1.0)]
    world = measure({SHARE: requests}, [Lost("requests", TREATMENT)])
    region = opened(world, SHARE, "missing_values", "requests", "created_at", 5).region
    assert ends(region) == pytest.approx((1 / 3 - 1 / 2, 2 / 3 - 1 / 2))


# --- ratio mismatch ----------------------------------------------------------------------------


def test_the_short_arm_lost_what_the_full_one_has_more_and_what_chance_allows():
    found = lost_units({CONTROL: 1000, TREATMENT: 900}, {CONTROL: 0.5, TREATMENT: 0.5})
    assert found == {TREATMENT: math.ceil(1000 - 900 + 2.576 * math.sqrt(1900))}


def test_of_three_arms_each_is_held_against_the_fullest_and_an_arm_for_nobody_lost_nobody():
    found = lost_units({"a": 600, "b": 250, "c": 290, "off": 0}, {"a": 0.5, "b": 0.25, "c": 0.25, "off": 0.0})
    slack = 2.576 * math.sqrt(1140)
    assert found == {"b": math.ceil(50 + slack), "c": math.ceil(10 + slack)}


def test_lost_units_have_any_outcome():
    units = {CONTROL: 4, TREATMENT: 2}
    missing = lost_units(units, {CONTROL: 0.5, TREATMENT: 0.5})[TREATMENT]
    world = measure(
        {
            SHARE: [Request(CONTROL, y) for y in (0.0, 0.0, 1.0, 1.0)]
            + [Request(TREATMENT, y) for y in (0.0, 1.0)]
        }
    )
    region = opened(world, SHARE, "sample_ratio_mismatch", "assignments", "variant", units=units).region
    assert ends(region) == pytest.approx((1 / (2 + missing) - 0.5, (1 + missing) / (2 + missing) - 0.5))
    counts = measure({MEAN: [Request(a, 1.0) for a in ARMS]})
    assert (
        opened(counts, MEAN, "sample_ratio_mismatch", "assignments", units=units).region.reason
        == LOST_WITHOUT_TRACE
    )


# --- in general --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["schema_change", "not_evaluated", "a_kind_to_come"])
def test_a_kind_without_a_bound_leaves_the_metric_unidentified_never_untouched(kind):
    found = opened(measure({SHARE: [Request(a, 1.0) for a in ARMS]}), SHARE, kind, "hires")
    assert found.unmitigated is None
    assert found.region.reason == NOT_COMPUTED


@pytest.mark.parametrize(
    ("kind", "source", "column"),
    [
        ("missing_variant", "requests", None),
        ("duplicate_rows", "hires", None),
        ("conflicting_keys", "assignments", None),
        ("orphan_rows", "quotes", None),
        ("missing_values", "requests", "created_at"),
        ("missing_values", "hires", "request_id"),
        ("missing_values", "hires", "hired_at"),
    ],
)
def test_where_the_repair_left_nothing_the_region_is_the_estimate(kind, source, column):
    world = measure(
        {SHARE: [Request(a, y) for a, ys in ((CONTROL, (0, 1)), (TREATMENT, (1, 1))) for y in map(float, ys)]}
    )
    region = opened(world, SHARE, kind, source, column, 0).region
    assert ends(region) == pytest.approx((estimate_of(world, SHARE).value,) * 2)


def test_levels_of_the_enumeration_follow_the_definition():
    assert level_of([3.0, 1.0, math.inf], statistic_of(definition(MEDIAN))) == 3.0
    assert level_of([3.0, 1.0], statistic_of(definition(MEDIAN))) == 1.0
