"""A cohort that holds some of the requests: what can't be told to be of it may be of it or not."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import (
    CONTROL,
    EXPERIMENT,
    TREATMENT,
    UNKNOWN,
    Lost,
    Request,
    config,
    definition,
    design,
    level_of,
    mapping,
    measure,
    row,
)

from dagster_pipeline.config.brief import Brief, Guardrail
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gaps.effects import MAY_BE_IN_COHORT, EffectCalculator, OpenGaps
from dagster_pipeline.gaps.evidence import EvidenceReader, statistic_of
from dagster_pipeline.statistics.effects import effect

MEAN, RATIO, SHARE, MEDIAN = "quotes_per_request", "refund_rate", "hire_rate_7d", "ttfq_median"


def region(name, requests, lost=(), opened=None):
    narrowed = replace(design(), narrowed_by=("category",))
    reader = EvidenceReader(measure({name: requests}, lost), narrowed)
    return (
        EffectCalculator(reader, narrowed, 0.90, opened or OpenGaps())
        .effect(definition(name), TREATMENT)
        .region
    )


def levels(requests, lost):
    """Σy / Σd of an arm with each of the lost taken in or left out, in every way."""
    for taken in itertools.product((False, True), repeat=len(lost)):
        rows = [(r.y, r.d) for r in requests] + [
            (x.y, x.d) for x, is_in in zip(lost, taken, strict=True) if is_in
        ]
        d = sum(d for _, d in rows)
        if d > 0:
            yield sum(y for y, _ in rows) / d


arms = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=4)
losses = st.lists(
    st.tuples(st.sampled_from([CONTROL, TREATMENT]), st.integers(0, 6), st.integers(0, 3)), max_size=4
)


@settings(max_examples=60, deadline=None)
@given(arms, arms, losses, st.sampled_from([MEAN, RATIO]))
def test_the_region_of_a_mean_or_ratio_holds_every_choice_of_the_lost_requests(treated, control, gone, name):
    """A request that was lost has its counts, but nobody knows whether it had the values the cohort asks for."""
    one = name == MEAN
    requests = {
        arm: [Request(arm, float(y), d=1.0 if one else float(d)) for y, d in rows]
        for arm, rows in ((TREATMENT, treated), (CONTROL, control))
    }
    lost = [
        Lost("quotes", arm, float(y), 1.0 if one else float(d))
        for arm, y, d in gone
        if one or d > 0 or y == 0
    ]
    found = region(name, [*requests[TREATMENT], *requests[CONTROL]], lost)
    metric = statistic_of(definition(name))
    t, c = ([*levels(requests[arm], [x for x in lost if x.arm == arm])] for arm in (TREATMENT, CONTROL))
    for one_level, other in itertools.product(t, c):
        value = effect(one_level, other, metric)
        assert found.lower - 1e-9 <= value <= found.upper + 1e-9


def test_a_lost_request_without_an_arm_may_be_left_out_of_both():
    requests = [
        Request(TREATMENT, 2.0),
        Request(TREATMENT, 2.0),
        Request(CONTROL, 1.0),
        Request(CONTROL, 1.0),
    ]
    found = region(MEAN, requests, [Lost("quotes", UNKNOWN, 9.0)])
    assert found.lower <= 2.0 - 11.0 / 3
    assert found.upper >= 13.0 / 3 - 1.0
    assert found.lower <= 1.0 <= found.upper


def test_a_lost_request_of_a_share_or_quantile_may_have_any_outcome():
    requests = [Request(arm, y) for arm in (TREATMENT, CONTROL) for y in (0.0, 1.0, 1.0, 0.0)]
    told = region("quoted", requests, [Lost("quotes", TREATMENT, 1.0)])
    assert told.lower == pytest.approx(2 / 5 - 2 / 4)
    assert told.upper == pytest.approx(3 / 5 - 2 / 4)
    waits = [Request(arm, y) for arm in (TREATMENT, CONTROL) for y in (10.0, 20.0, 30.0)]
    found = region(MEDIAN, waits, [Lost("quotes", TREATMENT)])
    metric = statistic_of(definition(MEDIAN))
    for more in ([], [0.0], [1e6]):
        slower = effect(level_of([10.0, 20.0, 30.0, *more], metric), 20.0, metric)
        assert found.lower <= slower <= found.upper


def test_requests_that_may_be_of_the_cohort_open_shares_and_leave_counts_without_a_limit():
    opened = OpenGaps(undecided=1)
    requests = [Request(arm, y) for arm in (TREATMENT, CONTROL) for y in (0.0, 1.0, 1.0, 0.0)]
    found = region(SHARE, requests, opened=opened)
    assert found.lower <= 2 / 5 - 1 / 2 < 3 / 5 - 1 / 2 <= found.upper
    for name in (MEAN, RATIO):
        assert region(name, requests, opened=opened).reason == MAY_BE_IN_COHORT


def test_an_assessment_knows_how_many_they_are():
    requests = [Request(arm, float(i % 2)) for arm in (TREATMENT, CONTROL) for i in range(100)]
    brief = Brief(
        experiment=EXPERIMENT,
        cohort={"category": ("moving",)},
        guardrails=(Guardrail(metric=SHARE, max_decrease=0.5),),
    )

    def width(undecided):
        rows = (
            {"experiment_id": EXPERIMENT, "n_in_window": 300, "n_in_cohort": 200, "n_undecided": undecided},
        )
        world = replace(measure({SHARE: requests}), tables={"cohort_counts": rows})
        (found,) = assess(config(briefs=[brief]), mapping([SHARE]), world).experiments[0].effects
        return found.region.upper - found.region.lower

    assert width(0) == 0
    assert width(10) == pytest.approx(2 * 5 / 105)


@pytest.mark.parametrize(
    ("place", "undecided", "severity"),
    [
        (("missing_values", "category"), 150, "high"),
        (("conflicting_keys", None), 150, "high"),
        (("missing_values", "category"), 0, "info"),
        (("missing_values", "geo"), 150, "info"),
    ],
)
def test_the_gap_that_hides_members_answers_for_them(place, undecided, severity):
    """Nulls of a column that the cohort is told by move every metric, by the requests of the window alone."""
    kind, column = place
    requests = [Request(arm, float(i % 2)) for arm in (TREATMENT, CONTROL) for i in range(400)]
    rule = Guardrail(metric=SHARE, max_decrease=0.5, max_bound=0.12)
    brief = Brief(experiment=EXPERIMENT, cohort={"category": ("moving",)}, guardrails=(rule,))
    counts = (
        {"experiment_id": EXPERIMENT, "n_in_window": 900, "n_in_cohort": 800, "n_undecided": undecided},
    )
    defect = row(kind, "requests", column, affected=600, total=10_000)
    world = replace(measure({SHARE: requests}, rows=[defect]), tables={"cohort_counts": counts})
    (found,) = [g for g in assess(config(briefs=[brief]), mapping([SHARE]), world).gaps if g.kind == kind]
    assert found.severity.value == severity
    (effect_of,) = assess(config(briefs=[brief]), mapping([SHARE]), world).experiments[0].effects
    for impact in found.metrics if severity == "high" else ():
        assert (impact.lower, impact.upper) == pytest.approx((effect_of.region.lower, effect_of.region.upper))


def test_a_cohort_nobody_is_in_passes_nothing():
    brief = Brief(
        experiment=EXPERIMENT,
        cohort={"category": ("none",)},
        guardrails=(Guardrail(metric=SHARE, max_decrease=0.5),),
    )
    found = assess(config(briefs=[brief]), mapping([SHARE]), measure({SHARE: []})).experiments[0]
    (demand,) = found.demands
    assert demand.estimate.value is None
    assert demand.base.value != "passed"
