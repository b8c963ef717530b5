"""Segments and cohorts of a brief: columns of requests, and what is computed from the data."""

from __future__ import annotations

import pytest

from dagster_pipeline.config.segments import TopValues, is_drawn_before, needs_of

SEGMENTS = "segments: category"


@pytest.fixture
def brief(load, example):
    """The brief of the example with other segments."""

    def brief_with(segments):
        return load(example.replace(SEGMENTS, f"segments: {segments}")).briefs[0]

    return brief_with


@pytest.mark.parametrize(
    ("segments", "names"),
    [
        ("category", ("category",)),
        ("customer_kind", ("customer_kind",)),
        ("{top: category, n: 5}", ("category_top_5",)),
        (
            "[geo, peak_hour, pro_kind, {top: geo, n: 12}]",
            ("geo", "peak_hour", "pro_kind", "geo_top_12"),
        ),
    ],
)
def test_segments_are_columns_or_computed_and_each_has_a_name(brief, segments, names):
    assert brief(segments).segment_columns == names


def test_what_comes_after_the_arms_were_drawn_decides_nothing(brief):
    found = brief("[category, customer_kind, pro_kind, peak_hour]")
    assert found.decided_columns("request") == ("category", "customer_kind", "peak_hour")
    assert found.decided_columns("customer") == ("category", "peak_hour")
    assert not is_drawn_before("customer_kind", "session")


def test_a_segment_needs_the_columns_it_is_computed_from():
    assert needs_of("geo") == ("requests.geo",)
    assert needs_of(TopValues(top="geo", n=3)) == ("requests.geo",)
    assert needs_of("customer_kind") == ("requests.customer_id",)
    assert "quotes.quoted_at|quote_events.event_at" in needs_of("pro_kind")


@pytest.mark.parametrize(
    ("segments", "key", "words"),
    [
        ("customer_kid", "brief.segments", ("did you mean 'customer_kind'", "peak_hour")),
        ("[geo, {top: categry, n: 5}]", "brief.segments[1].top", ("did you mean 'category'", "geo")),
        ("{top: peak_hour, n: 5}", "brief.segments.top", ("must be a column of requests", "session_id")),
        ("{top: category}", "brief.segments", ("{top: category, n: 5}",)),
        ("{top: category, n: 0}", "brief.segments", ("n from 1 to 1000",)),
        ("{top: category, n: 1001}", "brief.segments", ("n from 1 to 1000",)),
        ("{top: category, n: yes}", "brief.segments", ("n from 1 to 1000",)),
        ("{top: category, n: 5, by: gmv}", "brief.segments", ("{top: category, n: 5}",)),
        ("[]", "brief.segments", ("must be a column of requests",)),
    ],
)
def test_a_segment_that_can_not_be_computed_is_refused(refused, example, segments, key, words):
    told = "\n".join(refused(example.replace(SEGMENTS, f"segments: {segments}")))
    assert all(word in told for word in (key, *words)), told


@pytest.mark.parametrize(
    ("cohort", "key", "words"),
    [
        ("{categry: [moving]}", "brief.cohort.categry", ("did you mean 'category'",)),
        ("{peak_hour: [peak]}", "brief.cohort.peak_hour", ("must be a column of requests",)),
        ("{category: []}", "brief.cohort.category", ("names no value",)),
    ],
)
def test_a_cohort_that_nothing_could_be_in_is_refused(refused, example, cohort, key, words):
    told = "\n".join(refused(example.replace(SEGMENTS, f"{SEGMENTS}\n  cohort: {cohort}")))
    assert all(word in told for word in (key, *words)), told
