"""A handful of the benchmark's worlds, so that every change is held to what the whole of it is held to.

The whole is ``make bench-truth``. These are the plan's first worlds, not chosen ones.
"""

from __future__ import annotations

import pytest

from benchmarks.truth import score
from benchmarks.truth.observe import Observatory, observe_alone
from benchmarks.truth.plan import planned

WORLDS = 2


@pytest.fixture(scope="module")
def records():
    clean = [w for w in planned() if not w.injections and w.spec.unit == "request"][:WORLDS]
    chosen = {w.id for w in clean}
    observatory = Observatory()
    return [observatory.observe(world) for world in planned() if world.twin in chosen]


def test_clean_worlds_are_silent(records):
    assert len(score.clean(records)) == WORLDS
    assert score.false_alarms(records)["any kind"].hits == 0


def test_every_countable_fault_is_found_and_counted_exactly(records):
    assert len(score.pairs(records)) > 1
    for found in score.recall(records).values():
        assert found.exact.hits == found.exact.n


def test_no_direction_is_wrong(records):
    assert score.directions(records).wrong == ()


def test_every_region_holds_the_clean_twins_estimate_where_the_faults_were_found(records):
    assert score.regions(records, score.everything_was_found).missed == ()


def test_a_line_planned_once_says_what_one_of_its_own_says(records):
    world = next(w for w in planned() if w.id == next(r["id"] for r in records if r["injections"]))
    (of_many,) = [r for r in records if r["id"] == world.id]
    alone = observe_alone(world)
    assert [g["affected"] for g in alone["gaps"]] == [g["affected"] for g in of_many["gaps"]]
    for metric, effect in alone["effects"].items():
        assert effect == pytest.approx(of_many["effects"][metric])
