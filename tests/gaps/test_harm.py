"""A large segment is called harmed only where fewer hires and more support tickets are both proven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_worlds import (
    CONTROL,
    EXPERIMENT,
    TREATMENT,
    Request,
    config,
    definition,
    experiment,
    mapping,
    measure,
    row,
)

from dagster_pipeline.config.brief import Brief, Guardrail
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gaps.effects import EffectOf, at_estimate
from dagster_pipeline.gaps.evidence import statistic_of
from dagster_pipeline.gaps.harm import HIRES, TICKETS, harmed_segments, largest, unjudged_harm
from dagster_pipeline.gaps.measurements import NO_CELLS
from dagster_pipeline.statistics.evidence import ArmEvidence, Moments, Region
from dagster_pipeline.statistics.levels import estimate


def a_brief(segments):
    guardrails = (Guardrail(metric=TICKETS, max_increase=5.0),)
    return Brief(experiment=EXPERIMENT, segments=segments, guardrails=guardrails)


def arm(n, hired, tickets):
    """(hires, tickets) of an arm: sums over requests, each ticket on a request of its own."""
    return (
        Moments(n, n, hired, n, hired, n, hired),
        Moments(n, n, tickets, n, tickets, n, tickets),
    )


def effects_of(treated, control, region=None):
    """What an effect calculator says of one segment: ``region`` is by metric, else its estimate's."""

    def effect_at(metric, treatment, segment, confidence):
        which = 0 if metric == HIRES else 1
        known = statistic_of(definition(metric))
        t, c = ArmEvidence(treated[which], NO_CELLS), ArmEvidence(control[which], NO_CELLS)
        found = estimate(t, c, known, confidence, clustered=False)
        return EffectOf(
            metric,
            treatment,
            segment,
            known.effect.value,
            found,
            (region or {}).get(metric) or at_estimate(found),
        )

    return effect_at


def harmed(effect_at, sizes=None, treatments=(TREATMENT,)):
    return harmed_segments(sizes or {"category=a": 1}, treatments, effect_at, 0.90)


LARGE = 50_000
WORSE, AS_BEFORE = arm(LARGE, 0.07 * LARGE, 0.07 * LARGE), arm(LARGE, 0.12 * LARGE, 0.05 * LARGE)


def test_five_points_fewer_hires_and_forty_percent_more_tickets_are_harm():
    (found,) = harmed(effects_of(WORSE, AS_BEFORE))
    assert (found.segment, found.treatment) == ("category=a", TREATMENT)
    assert -0.05 < found.hire_limit < -0.045
    assert 0.33 < found.tickets_limit < 0.40


def test_fewer_hires_without_more_tickets_are_not_nor_are_more_tickets_alone():
    same_tickets = arm(LARGE, 0.07 * LARGE, 0.05 * LARGE)
    same_hires = arm(LARGE, 0.12 * LARGE, 0.07 * LARGE)
    assert harmed(effects_of(same_tickets, AS_BEFORE)) == ()
    assert harmed(effects_of(same_hires, AS_BEFORE)) == ()


def test_an_estimate_beyond_both_limits_is_no_proof_where_few_were_seen():
    few = effects_of(arm(100, 7, 7), arm(100, 12, 5))
    assert few(HIRES, TREATMENT, "category=a", 0.90).estimate.value == pytest.approx(-0.05)
    assert harmed(few) == ()


@pytest.mark.parametrize(
    "region",
    [
        {HIRES: Region(-0.07, -0.01, -0.075, -0.005)},
        {TICKETS: Region(0.05, 0.40, 0.0, 0.46)},
        {HIRES: Region(None, None, reason="unbounded")},
    ],
)
def test_what_gaps_might_explain_is_not_proven(region):
    assert harmed(effects_of(WORSE, AS_BEFORE, region)) == ()


def test_only_the_ten_largest_segments_are_looked_at_and_equal_ones_in_the_alphabet_s_order():
    sizes = {f"category={letter}": 5 for letter in "lkjihgfedcba"} | {"category=z": 6}
    assert largest(sizes) == ("category=z", *(f"category={letter}" for letter in "abcdefghi"))
    found = harmed(effects_of(WORSE, AS_BEFORE), sizes)
    assert {one.segment for one in found} == set(largest(sizes))


def test_the_more_is_looked_at_the_stricter_each_look():
    seen = []

    def effect_at(metric, treatment, segment, confidence):
        seen.append(confidence)
        return effects_of(AS_BEFORE, AS_BEFORE)(metric, treatment, segment, confidence)

    harmed(effect_at, {f"category={n}": n for n in range(5)}, (TREATMENT, "other"))
    assert seen == pytest.approx([1 - 2 * 0.05 / 10] * 10)


def null_world(random, fall, rise):
    """A segment of 5,000 requests an arm with these true effects, as drawn."""
    n = 5_000
    control = arm(n, random.binomial(n, 0.12), random.binomial(n, 0.05))
    treated = arm(n, random.binomial(n, 0.12 + fall), random.binomial(n, 0.05 * (1 + rise)))
    return effects_of(treated, control)


@pytest.mark.parametrize(
    ("fall", "rise"),
    [(0.0, 0.0), (-0.01, 1.0), (-0.06, 0.10)],
    ids=["nothing", "hires_at_limit", "tickets_at_limit"],
)
def test_of_a_thousand_worlds_without_harm_no_more_are_called_harmed_than_stated(fall, rise):
    """At the limit of one effect with the other far beyond it the chance is largest: the stated 5%, and three errors more."""
    random = np.random.default_rng([7, int(-100 * fall), int(10 * rise)])
    wrong = 0
    for _ in range(1_000):
        worlds = {f"category={n}": null_world(random, fall, rise) for n in range(10)}

        def effect_at(metric, treatment, segment, confidence, worlds=worlds):
            return worlds[segment](metric, treatment, segment, confidence)

        wrong += bool(harmed(effect_at, dict.fromkeys(worlds, 1)))
    assert wrong / 1_000 <= 0.05 + 3 * (0.05 * 0.95 / 1_000) ** 0.5


def test_what_can_not_be_judged_is_said():
    sizes = {"category=a": 10, "category=b": 5}
    assert unjudged_harm(sizes, {TICKETS: "needs support_tickets"}, (), (TREATMENT,)) == (
        "Harm to segments was not judged: support_tickets_per_100_requests was not measured (needs support_tickets)."
    )
    assert "no segment was measured" in (unjudged_harm({}, {}, (), (TREATMENT,)) or "")
    found = effects_of(WORSE, AS_BEFORE, {HIRES: Region(None, None, reason="unbounded")})
    effects = [found(metric, TREATMENT, "category=b", 0.90) for metric in (HIRES, TICKETS)]
    assert unjudged_harm(sizes, {}, effects, (TREATMENT,)) == (
        "Harm to category=b can't be proven either way: hire_rate_7d has no limit there, for want of events or by open gaps."
    )
    assert unjudged_harm(sizes, {}, effects[1:], (TREATMENT,)) is None


# --- in an assessment ---------------------------------------------------------------------------


def requests(treated, control, n=1_500):
    return [Request(TREATMENT, float(i < treated * n)) for i in range(n)] + [
        Request(CONTROL, float(i < control * n)) for i in range(n)
    ]


def assessed(segment="category=a", metrics=(HIRES, TICKETS), rows=(), unit="request"):
    worlds = {HIRES: requests(0.07, 0.12), TICKETS: requests(0.10, 0.05)}
    worlds = {name: worlds[name] for name in metrics}
    whole, part = measure(worlds, rows=rows), measure(worlds, segment=segment)
    world = replace(whole, moments={**whole.moments, **part.moments}, cells={**whole.cells, **part.cells})
    brief = a_brief(segment.partition("=")[0])
    settings = config([experiment(unit=unit)], [brief])
    return assess(settings, mapping(list(metrics)), world).experiments[0]


def test_an_assessment_names_its_harmed_segments():
    found = assessed()
    assert [(one.segment, one.treatment) for one in found.harmed] == [("category=a", TREATMENT)]
    assert found.unjudged_harm is None


def test_open_gaps_that_could_explain_the_harm_take_the_proof_away():
    lost = [row("missing_values", "requests", "request_id", affected=750)]
    assert assessed(rows=lost).harmed == ()


def test_without_support_tickets_harm_is_not_judged_and_that_is_said():
    found = assessed(metrics=(HIRES,))
    assert found.harmed == ()
    assert TICKETS in (found.unjudged_harm or "")


@pytest.mark.parametrize(
    ("segment", "unit", "is_judged"),
    [
        ("pro_kind=new", "request", False),
        ("customer_kind=new", "request", True),
        ("customer_kind=new", "customer", False),
        ("peak_hour=peak", "customer", True),
    ],
)
def test_nothing_is_judged_over_what_came_after_the_arms(segment, unit, is_judged):
    assert bool(assessed(segment, unit=unit).harmed) is is_judged
