"""The cohort without one segment is judged as if that segment had never been in it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from small_worlds import CONTROL, EXPERIMENT, TREATMENT, UNKNOWN, Request, definition, design, measure

from dagster_pipeline.config.brief import Brief, Criterion
from dagster_pipeline.gaps.effects import EffectCalculator, OpenGaps
from dagster_pipeline.gaps.evidence import EvidenceReader
from dagster_pipeline.gaps.rest import RestReader, passing_without

SHARE, MEDIAN, TICKETS = "hire_rate_7d", "ttfq_median", "support_tickets_per_100_requests"
PLACES = ("geo=a", "geo=b", "geo=c")


def requests(seed, n=60, lift=0.0, rate=0.4):
    draw = np.random.default_rng(seed)
    arms = draw.choice([CONTROL, TREATMENT, UNKNOWN], n, p=[0.45, 0.45, 0.1])
    hired = draw.random(n) < rate + np.where(arms == TREATMENT, lift, 0.0)
    shares = [
        Request(str(a), float(h), high=1.0 if i % 9 == 0 else None)
        for i, (a, h) in enumerate(zip(arms, hired, strict=True))
    ]
    waits = [Request(str(a), float(w)) for a, w in zip(arms, draw.integers(10, 190, n), strict=True)]
    counts = [Request(str(a), float(k)) for a, k in zip(arms, draw.poisson(0.5, n), strict=True)]
    return {SHARE: shares, MEDIAN: waits, TICKETS: counts}


def together(worlds):
    """Measurements of the cohort and of each of its segments."""
    names = next(iter(worlds.values()))
    parts = [measure({name: [r for w in worlds.values() for r in w[name]] for name in names})]
    parts += [measure(world, segment=segment) for segment, world in worlds.items()]
    whole = parts[0]
    merged = {
        key: {k: v for part in parts for k, v in getattr(part, key).items()}
        for key in ("moments", "quantiles", "cells")
    }
    return replace(whole, **merged)


def calculator(reader):
    return EffectCalculator(reader, design(), 0.90, OpenGaps())


def rest_of(measurements, definitions):
    return RestReader(measurements, design(), definitions)


DEFINITIONS = {name: definition(name) for name in (SHARE, MEDIAN, TICKETS)}


@pytest.mark.parametrize("left_out", PLACES)
@pytest.mark.parametrize("name", [SHARE, MEDIAN, TICKETS])
def test_estimate_and_region_are_those_of_the_other_segments_alone(left_out, name):
    worlds = {place: requests(seed) for seed, place in enumerate(PLACES)}
    others = together({place: world for place, world in worlds.items() if place != left_out})
    expected = calculator(EvidenceReader(others, design())).effect(definition(name), TREATMENT)
    found = calculator(rest_of(together(worlds), DEFINITIONS)).effect(
        definition(name), TREATMENT, segment=left_out
    )
    for part in ("estimate", "region"):
        one, other = getattr(found, part), getattr(expected, part)
        for end in one.__dataclass_fields__:
            if end != "reason":
                assert getattr(one, end) == pytest.approx(getattr(other, end), rel=1e-9), (part, end)
    assert math.isfinite(found.estimate.value)


def a_brief():
    return Brief(
        experiment=EXPERIMENT,
        criteria=(Criterion(metric=SHARE, effect="absolute", min_delta=0.0, min_bound=-0.02),),
    )


def closed(worlds):
    return {
        place: {
            SHARE: [replace(r, arm=CONTROL if r.arm == UNKNOWN else r.arm, high=None) for r in world[SHARE]]
        }
        for place, world in worlds.items()
    }


def passing(worlds, brief=None, **changes):
    measurements = together(worlds)
    base = replace(calculator(EvidenceReader(measurements, design())), **changes)
    reader = rest_of(measurements, DEFINITIONS)
    return passing_without(brief or a_brief(), base, reader, DEFINITIONS, tuple(worlds))


def test_the_one_segment_that_spoils_the_launch_is_found():
    worlds = closed({
        "geo=a": requests(1, 20_000, lift=0.03), "geo=b": requests(2, 20_000, lift=-0.15), "geo=c": requests(3, 20_000, lift=0.03)
    })  # fmt: skip
    assert passing(worlds) == ("geo=b",)


def test_of_two_segments_the_rest_is_the_other_one_and_not_asked_again():
    worlds = closed({"geo=a": requests(1, 8_000, lift=0.1), "geo=b": requests(2, 8_000, lift=-0.1)})
    assert passing(worlds) == ()


def test_nothing_is_said_where_units_have_requests_in_several_segments():
    worlds = closed({place: requests(seed, 8_000, lift=0.1) for seed, place in enumerate(PLACES)})
    assert passing(worlds) == PLACES
    assert passing(worlds, design=design(clustered=True)) == ()


def test_nothing_is_said_of_a_metric_that_was_not_measured():
    worlds = closed({place: requests(seed, 2_000, lift=0.1) for seed, place in enumerate(PLACES)})
    brief = Brief(
        experiment=EXPERIMENT,
        criteria=(Criterion(metric="gmv_per_request", effect="absolute", min_delta=0.0),),
    )
    assert passing(worlds, brief) == ()
