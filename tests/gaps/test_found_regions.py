"""What the kinds leave open that order, parity, sampling and time are about, against every completion of small worlds."""

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
    Request,
    definition,
    effects_of,
    ends,
    fixed,
    holds,
    labelled,
    measure,
    opened,
    worlds,
)

from dagster_pipeline.gaps.evidence import statistic_of
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.places import CONTRADICTED, NO_UPPER_LIMIT, NOT_STRATIFIED, SAMPLED, rows_gone

SHARE, MEAN, MEDIAN, GMV = "hire_rate_7d", "quotes_per_request", "ttfq_median", "gmv_per_request"
SOON = "quoted_within_30m"
ARMS = (CONTROL, TREATMENT)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([SHARE, MEAN, MEDIAN]))
def test_an_arm_given_after_the_outcome_may_be_either(data, name):
    in_time = data.draw(labelled(name))
    late = [
        Request(data.draw(st.sampled_from(ARMS)), y, late=True)
        for y in data.draw(st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3))
    ]
    found = opened(
        measure({name: in_time + late}), name, "late_assignment", "assignments", "assigned_at", len(late)
    )
    every = effects_of(worlds(*fixed(in_time), *([(a, r.y) for a in ARMS] for r in late)), name)
    assert holds(found.region, every)
    if name == SHARE:
        assert ends(found.region) == pytest.approx((min(every), max(every)))


def test_without_a_late_arm_nothing_is_open():
    requests = [Request(a, y) for a in ARMS for y in (0.0, 1.0, 1.0)] + [Request(UNKNOWN, 1.0)]
    found = opened(measure({SHARE: requests}), SHARE, "late_assignment", "assignments", "assigned_at", 3)
    assert ends(found.region) == (0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(
    labelled(SOON),
    st.lists(st.tuples(st.sampled_from(ARMS), st.sampled_from((0.0, 1.0))), min_size=1, max_size=4),
)
def test_a_quote_before_its_request_may_have_been_the_first_one_at_once(sure, early):
    requests = sure + [Request(a, y, read={"early_high.quotes": 1.0}) for a, y in early]
    found = opened(measure({SOON: requests}), SOON, "timestamp_disorder", "quotes", "quoted_at", len(early))
    every = effects_of(worlds(*fixed(sure), *([(a, v) for v in {y, 1.0}] for a, y in early)), SOON)
    assert ends(found.region) == pytest.approx((min(every), max(every)))


@settings(max_examples=40, deadline=None)
@given(labelled(SHARE), st.lists(st.sampled_from(ARMS), min_size=1, max_size=4))
def test_a_hire_before_its_request_may_be_no_hire_in_time(sure, early):
    requests = sure + [Request(a, 1.0, read={"early_low.hires": 0.0}) for a in early]
    found = opened(measure({SHARE: requests}), SHARE, "timestamp_disorder", "hires", "hired_at", len(early))
    every = effects_of(worlds(*fixed(sure), *([(a, v) for v in (0.0, 1.0)] for a in early)), SHARE)
    assert ends(found.region) == pytest.approx((min(every), max(every)))


@settings(max_examples=40, deadline=None)
@given(
    labelled(MEDIAN),
    st.lists(
        st.tuples(st.sampled_from(ARMS), st.sampled_from((20.0, 60.0)), st.sampled_from((5.0, 200.0))),
        min_size=1,
        max_size=4,
    ),
)
def test_of_two_sources_that_differ_either_may_be_right_for_each_quote(sure, disputed):
    requests = sure + [
        Request(a, log, read={
            "disputed_low.quotes": max(log, own), "disputed_high.quotes": min(log, own), "source_conflict.quotes": own,
        })
        for a, log, own in disputed
    ]  # fmt: skip
    found = opened(
        measure({MEDIAN: requests}), MEDIAN, "source_conflict", "quotes", "quoted_at", len(disputed)
    )
    every = effects_of(worlds(*fixed(sure), *([(a, log), (a, own)] for a, log, own in disputed)), MEDIAN)
    assert holds(found.region, every)
    if all(math.isfinite(r.y) for r in requests):
        assert ends(found.region) == pytest.approx((min(every), max(every)))
    by_transaction = effects_of(worlds(*fixed(sure), *([(a, own)] for a, _, own in disputed)), MEDIAN)
    assert (
        found.unmitigated == pytest.approx(by_transaction[0]) if by_transaction else found.unmitigated is None
    )


@settings(max_examples=40, deadline=None)
@given(labelled(SOON), st.integers(1, 3))
def test_rows_of_a_missing_day_may_be_any_requests_and_a_chance_more_than_expected(requests, gone):
    found = opened(measure({SOON: requests}), SOON, "missing_partition", "quotes", units={"all": gone})
    possible = rows_gone({"all": gone})
    assert possible > gone
    choices = [[(r.arm, v) for v in {r.y, 1.0}] for r in requests]
    few = [
        w
        for w in itertools.product(*choices)
        if sum(v != r.y for (_, v), r in zip(w, requests, strict=True)) <= possible
    ]
    every = effects_of(
        [tuple([v for a, v in w if a == arm] for arm in (TREATMENT, CONTROL)) for w in few], SOON
    )
    assert holds(found.region, every)


def test_amounts_of_a_missing_day_have_no_limit_and_requests_only_where_one_arm_lacks_them():
    requests = [Request(a, float(y)) for a in ARMS for y in range(4)]
    amounts = opened(measure({GMV: requests}), GMV, "missing_partition", "hires", units={"all": 2})
    assert (ends(amounts.region), amounts.region.reason) == ((None, None), NO_UPPER_LIMIT)
    shares = [Request(a, float(y % 2)) for a in ARMS for y in range(40)]
    both = opened(measure({SHARE: shares}), SHARE, "missing_partition", "requests", units={"all": 2}).region
    assert ends(both) == (0.0, 0.0), "days that nobody has are no part of the cohort"
    cut = opened(
        measure({SHARE: shares}), SHARE, "missing_partition", "requests", units={TREATMENT: 2}
    ).region
    gone = rows_gone({TREATMENT: 2})
    assert ends(cut) == pytest.approx((20 / (40 + gone) - 0.5, (20 + gone) / (40 + gone) - 0.5))
    means = opened(
        measure({MEAN: shares}), MEAN, "missing_partition", "requests", units={TREATMENT: 2}
    ).region
    assert ends(means) == (None, None)


def test_a_second_arm_moves_nothing_and_a_sample_only_what_needs_every_row():
    requests = [Request(a, float(y)) for a in ARMS for y in range(3)]
    measured = measure({MEAN: requests})
    assert ends(opened(measured, MEAN, "multiple_exposures", "assignments", residual=0).region) == (0.0, 0.0)
    whole = opened(measured, MEAN, "sampled_logging", "quote_events", residual=0, share=0.0).region
    assert ends(whole) == (0.0, 0.0)
    left = opened(measured, MEAN, "sampled_logging", "quote_events", residual=9).region
    assert (ends(left), left.reason) == ((None, None), SAMPLED)
    assert ends(opened(measured, MEAN, "sampled_logging", "quotes").region) == (0.0, 0.0), (
        "counts are weighted"
    )
    shares = measure({SOON: [Request(a, float(y % 2)) for a in ARMS for y in range(4)]})
    assert ends(opened(shares, SOON, "sampled_logging", "quotes", share=0.0).region) == (0.0, 0.0)
    assert ends(opened(shares, SOON, "sampled_logging", "quotes").region) == (None, None)


@settings(max_examples=40, deadline=None)
@given(labelled(SHARE), st.floats(0.0, 0.6))
def test_where_two_relations_contradict_each_other_any_of_that_share_may_be_wrong(requests, wrong):
    found = opened(measure({SHARE: requests}), SHARE, "source_conflict", "serving", "score", share=wrong)
    wrongs = {arm: math.floor(wrong * sum(r.arm == arm for r in requests)) for arm in ARMS}
    every = [
        w for w in itertools.product(*[[(r.arm, 0.0), (r.arm, 1.0)] for r in requests])
        if all(sum(v != r.y for (_, v), r in zip(w, requests, strict=True) if r.arm == arm) <= wrongs[arm] for arm in ARMS)
    ]  # fmt: skip
    effects = effects_of(
        [tuple([v for a, v in w if a == arm] for arm in (TREATMENT, CONTROL)) for w in every], SHARE
    )
    assert holds(found.region, effects)
    mean = opened(measure({MEAN: requests}), MEAN, "source_conflict", "serving", "score", share=wrong).region
    assert mean.reason == CONTRADICTED


def merged(*parts: Measurements) -> Measurements:
    whole = parts[0]
    return Measurements(
        {k: v for p in parts for k, v in p.moments.items()},
        {k: v for p in parts for k, v in p.quantiles.items()},
        {k: v for p in parts for k, v in p.cells.items()},
        whole.lost, whole.rows, whole.sources, whole.unread,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([SHARE, MEAN, MEDIAN]))
def test_arms_of_different_mixes_are_open_between_the_plain_and_the_stratified_effect(data, name):
    strata = {s: data.draw(labelled(name)) for s in ("category=a", "category=b")}
    requests = [r for own in strata.values() for r in own]
    measured = merged(
        measure({name: requests}), *(measure({name: own}, segment=s) for s, own in strata.items())
    )
    found = opened(measured, name, "distribution_drift", "requests", "category", about_arms=True)
    plain = effects_of(worlds(*fixed(requests)), name)
    assert holds(found.region, plain)
    if name != MEDIAN:

        def mean(arm, own):
            return sum(r.y for r in own if r.arm == arm) / sum(r.arm == arm for r in own)

        weights = {s: len(own) / len(requests) for s, own in strata.items()}
        stratified = sum(
            weights[s] * (mean(TREATMENT, own) - mean(CONTROL, own)) for s, own in strata.items()
        )
        low, high = sorted((plain[0], stratified))
        assert found.region.lower is None or ends(found.region) == pytest.approx((low, high), abs=1e-9)
    elsewhere = opened(measured, name, "distribution_drift", "requests", "geo", about_arms=True).region
    assert elsewhere.reason == NOT_STRATIFIED
    alike = opened(measured, name, "distribution_drift", "requests", "category").region
    assert ends(alike) == ((plain[0], plain[0]) if plain else (None, None))


def test_every_kind_with_a_model_is_bounded_or_left_unidentified_on_purpose():
    requests = [Request(a, float(y % 2)) for a in ARMS for y in range(4)]
    measured = measure({SHARE: requests})
    assert statistic_of(definition(SHARE)).kind == "share"
    unbounded = opened(measured, SHARE, "pre_exposure_imbalance", "requests", "customer_id").region
    assert ends(unbounded) == (None, None)
    assert unbounded.reason
