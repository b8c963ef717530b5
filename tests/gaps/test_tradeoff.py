"""Speed against hires, by segment, and what shared pros mean for the difference."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from small_worlds import CONTROL, EXPERIMENT, TREATMENT, Request, config, experiment, mapping, measure

from dagster_pipeline.config.brief import Brief, Criterion
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gaps.tradeoff import (
    APART,
    NO_OVERLAP,
    NO_PROS,
    NO_SPEED,
    interference,
    tradeoff_document,
)

MEDIAN, P90, HIRES = "ttfq_median", "ttfq_p90", "hire_rate_7d"
SEGMENT = "category=a"


def world(waits, hired, segment=None, names=(MEDIAN, HIRES)):
    """Arms of four requests: their waits in seconds, and how many of the four were hired."""
    found = {
        name: [Request(arm, y) for arm, ys in waits.items() for y in ys] for name in names if name != HIRES
    }
    if HIRES in names:
        found[HIRES] = [Request(arm, float(i < n)) for arm, n in hired.items() for i in range(4)]
    return measure(found, segment=segment)


FASTER = {TREATMENT: [10.0, 20.0, 30.0, 40.0], CONTROL: [20.0, 40.0, 60.0, 80.0]}
SLOWER = {TREATMENT: [60.0] * 4, CONTROL: [40.0] * 4}
OVERLAP = {
    "experiment_id": EXPERIMENT, "variant": TREATMENT, "n_pros": 50, "n_pros_in_both": 10,
    "n_quotes": 200, "n_quotes_of_both": 120, "n_quotes_without_pro": 0,
}  # fmt: skip


def assessed(names=(MEDIAN, HIRES), criteria=(HIRES,), tables=None, segments="category"):
    whole = world(FASTER, {TREATMENT: 2, CONTROL: 3}, names=names)
    part = world(SLOWER, {TREATMENT: 4, CONTROL: 1}, SEGMENT, names)
    joined = {
        table: {**getattr(whole, table), **getattr(part, table)}
        for table in ("moments", "cells", "quantiles")
    }
    measured = replace(whole, **joined, tables=tables or {})
    rules = tuple(Criterion(metric=name, min_bound=-0.5) for name in criteria)
    brief = Brief(experiment=EXPERIMENT, segments=segments, criteria=rules)
    (found,) = assess(config([experiment()], [brief]), mapping(names), measured).experiments[0].tradeoffs
    return found


def test_each_point_sets_the_speed_gained_against_the_hires_it_cost():
    found = assessed()
    assert (found.treatment, found.speed_metric, found.hire_metric, found.reason) == (
        TREATMENT,
        MEDIAN,
        HIRES,
        None,
    )
    assert [point.segment for point in found.points] == [None, SEGMENT]
    whole, part = found.points
    assert (whole.speed.estimate.value, whole.speed.n) == (pytest.approx(20 / 40 - 1), 8)
    assert (whole.hire.estimate.value, whole.hire.n) == (pytest.approx(-0.25), 8)
    assert part.speed.estimate.value == pytest.approx(60 / 40 - 1)
    assert part.hire.estimate.value == pytest.approx(0.75)
    assert whole.hire.region.lower == pytest.approx(-0.25)


def test_without_the_median_the_first_quantile_that_the_brief_asks_for_is_the_speed():
    assert assessed((P90, HIRES), (HIRES, P90)).speed_metric == P90
    found = assessed((P90, HIRES), (HIRES,))
    assert (found.speed_metric, found.reason, found.points[0].speed) == (None, NO_SPEED, None)
    assert found.points[0].hire.n == 8


def test_without_hires_the_trade_off_says_so():
    found = assessed((MEDIAN,), (MEDIAN,))
    assert (found.hire_metric, found.points[0].hire) == (None, None)
    assert HIRES in found.reason


def test_what_came_after_the_arms_is_no_place_to_read_a_trade_off():
    assert [point.segment for point in assessed(segments="pro_kind").points] == [None]


def test_shared_pros_are_counted_and_their_meaning_is_said_without_a_direction():
    found = assessed(tables={"pro_overlap": (OVERLAP,)}).interference
    assert (found.share_of_pros, found.share_of_quotes) == (pytest.approx(0.2), pytest.approx(0.6))
    assert found.sentence.startswith(
        "10 of the 50 pros with a quote on a request of either arm (20%) quoted in both, and gave 60% of the quotes."
    )
    assert "over- or understated" in found.sentence


def test_overlap_that_is_not_known_is_said_and_is_never_no_overlap():
    assert assessed().interference.sentence == NO_OVERLAP
    nobody = OVERLAP | {
        "n_pros": 0,
        "n_pros_in_both": 0,
        "n_quotes": 0,
        "n_quotes_of_both": 0,
        "n_quotes_without_pro": 9,
    }
    found = interference(nobody)
    assert found.sentence == f"{NO_PROS} 9 quotes name no pro and are not counted here."
    assert (found.share_of_pros, found.share_of_quotes) == (None, None)
    assert interference(OVERLAP | {"n_pros_in_both": 0, "n_quotes_of_both": 0}).sentence == APART


def test_the_document_holds_plain_values_only():
    document = tradeoff_document(assessed(tables={"pro_overlap": (OVERLAP,)}))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["speed_effect"], document["speed_better"], document["hire_better"]) == (
        "relative",
        "lower",
        "higher",
    )
    assert document["points"][0]["hire"]["estimate"] == pytest.approx(-0.25)
    assert document["interference"]["share_of_quotes"] == pytest.approx(0.6)


def test_a_document_without_figures_says_why():
    document = tradeoff_document(assessed((P90,), (P90,)))
    assert document["hire_metric"] is None
    assert document["points"][0]["hire"] is None
    assert HIRES in document["reason"]
