"""From measurements to graded gaps, metrics and demands."""

import math
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_worlds import (
    CONTROL,
    EXPERIMENT,
    HALVES,
    TREATMENT,
    UNKNOWN,
    Lost,
    Request,
    config,
    definition,
    experiment,
    fact,
    mapping,
    measure,
    row,
    without,
)

from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gaps.places import COHORT_INCOMPLETE
from dagster_pipeline.statistics.vocabulary import Direction
from dagster_pipeline.transform.mapping import EVERYONE, Finding

SHARE, MEAN, MEDIAN, RATIO = "hire_rate_7d", "quotes_per_request", "ttfq_median", "refund_rate"
TICKETS = "support_tickets_per_100_requests"
ARMS = (CONTROL, TREATMENT)


def a_brief(*criteria, **fields):
    return Brief(experiment=EXPERIMENT, criteria=criteria, **fields)


HIRES = Criterion(metric=SHARE, min_delta=-0.005, min_bound=-0.010)


def cohort(per_arm=10_000, unlabelled=0, rate=0.12, lift=0.004):
    """Shares of hires in both arms, and requests without one, hired as the others are."""

    def some(arm, n, p):
        ones = round(n * p)
        return [Request(arm, 1.0)] * ones + [Request(arm, 0.0)] * (n - ones)

    return (
        some(CONTROL, per_arm, rate) + some(TREATMENT, per_arm, rate + lift) + some(UNKNOWN, unlabelled, rate)
    )


def the_story(unlabelled=1_277, per_arm=10_000):
    """18% of quotes carry no arm; 6% of the requests are left without one after every join."""
    total = 2 * per_arm + unlabelled
    rows = [
        row(
            "missing_variant",
            "quotes",
            "variant",
            experiment=EXPERIMENT,
            total=60_000,
            affected=10_800,
            residual=3_600,
        ),
        row(
            "missing_variant",
            "requests",
            experiment=EXPERIMENT,
            total=total,
            affected=unlabelled,
            residual=unlabelled,
        ),
    ]
    return measure({SHARE: cohort(per_arm, unlabelled)}, rows=rows)


def gap(found, kind, source, column=None):
    return next(g for g in found.gaps if (g.kind, g.table, g.column) == (kind, source, column))


# --- severity ----------------------------------------------------------------------------------


def test_the_founding_story_is_high():
    """18% of quotes without an arm, 6% of requests after the join: part of the worst case flips the hire rate."""
    found = assess(config(briefs=[a_brief(HIRES)]), mapping([SHARE]), the_story())
    for place in (("quotes", "variant"), ("requests", None)):
        one = gap(found, "missing_variant", *place)
        assert one.severity is Severity.HIGH, one.severity_reason
        (impact,) = one.metrics
        assert 0.25 < impact.delta_star <= 1
        assert impact.flips_decision
        assert impact.direction is Direction.EITHER
    assert gap(found, "missing_variant", "quotes", "variant").share_affected == pytest.approx(0.18)
    assert gap(found, "missing_variant", "quotes", "variant").share_residual == pytest.approx(0.06)


def test_the_break_even_is_the_share_at_which_the_answer_changes():
    found = gap(
        assess(config(briefs=[a_brief(HIRES)]), mapping([SHARE]), the_story()), "missing_variant", "requests"
    )
    (impact,) = found.metrics
    assert impact.break_even_share == pytest.approx(found.share_residual * impact.delta_star)
    assert 0 < impact.break_even_share < found.share_residual


@pytest.mark.parametrize(
    ("affected", "severity"), [(4, Severity.INFO), (6, Severity.MEDIUM), (60, Severity.HIGH)]
)
def test_without_a_brief_the_contract_grades(affected, severity):
    """The threshold is 0.5%: within it info, over it medium, over ten times high."""
    world = measure(
        {MEAN: cohort(100)}, rows=[row("duplicate_rows", "quotes", total=1000, affected=affected)]
    )
    assert assess(config(), mapping([MEAN]), world).gaps[0].severity is severity


def test_a_late_source_breaks_its_contract_without_a_brief():
    world = measure(
        {SHARE: cohort(100)}, rows=[row("stale_source", "hires", affected=None, note="newest row is late")]
    )
    one = assess(config(), mapping([SHARE]), world).gaps[0]
    assert one.severity is Severity.MEDIUM
    assert one.description == "Newest row is late."


def absent(source, column=None, *, expected, kind="not_evaluated"):
    return [Finding(kind, source, column, "not there", expected)], [
        row(kind, source, column, affected=None, total=None)
    ]


def test_an_unexpectedly_missing_source_that_the_brief_needs_blocks():
    findings, rows = absent("hires", expected=False)
    found = assess(
        config(briefs=[a_brief(HIRES)]),
        mapping([MEAN], findings, {SHARE: "needs hires"}),
        measure({MEAN: cohort(100)}, rows=rows),
    )
    assert found.gaps[0].severity is Severity.BLOCKER
    assert [i.metric for i in found.gaps[0].metrics] == [SHARE]
    assert found.experiments[0].demands[0].base is Outcome.MISSING


@pytest.mark.parametrize(("briefs", "expected", "severity"), [
    ([], True, Severity.INFO),
    ([], False, Severity.MEDIUM),
    ([a_brief(HIRES)], True, Severity.INFO),
    ([a_brief(HIRES)], False, Severity.INFO),
])  # fmt: skip
def test_what_was_left_out_on_purpose_is_information_and_so_is_what_the_brief_does_not_need(
    briefs, expected, severity
):
    findings, rows = absent("support_tickets", expected=expected)
    world = measure({SHARE: cohort(100)}, rows=rows)
    found = assess(
        config(briefs=briefs), mapping([SHARE], findings, {TICKETS: "needs support_tickets"}), world
    )
    assert found.gaps[0].severity is severity


def test_an_optional_source_left_out_on_purpose_blocks_all_the_same_when_the_brief_needs_it():
    findings, rows = absent("support_tickets", expected=True)
    brief = a_brief(HIRES, guardrails=(Guardrail(metric=TICKETS, max_increase=0.1),))
    world = measure({SHARE: cohort(100)}, rows=rows)
    found = assess(config(briefs=[brief]), mapping([SHARE], findings, {TICKETS: "needs them"}), world)
    assert found.gaps[0].severity is Severity.BLOCKER


def test_a_gap_that_no_demand_depends_on_is_information():
    world = measure(
        {SHARE: cohort(100), MEAN: cohort(100)}, rows=[row("duplicate_rows", "quotes", affected=90)]
    )
    found = assess(config(briefs=[a_brief(HIRES)]), mapping([SHARE, MEAN]), world)
    assert found.gaps[0].severity is Severity.INFO


def test_what_can_flip_the_decision_is_not_information_however_few_its_rows():
    world = replace(
        the_story(),
        rows=(row("missing_variant", "requests", experiment=EXPERIMENT, total=1_000_000, affected=1),),
    )
    assert assess(config(briefs=[a_brief(HIRES)]), mapping([SHARE]), world).gaps[0].severity is Severity.HIGH


def test_the_owner_is_the_briefs_by_kind_then_by_source():
    rows = [
        row("duplicate_rows", "quotes"),
        row("missing_values", "quotes", "price"),
        row("missing_values", "hires", "pro_id"),
    ]
    brief = a_brief(HIRES, owners={"duplicate_rows": "ana", "quotes": "bo"})
    found = assess(config(briefs=[brief]), mapping([SHARE]), measure({SHARE: cohort(100)}, rows=rows))
    assert [g.owner for g in found.gaps] == ["ana", "bo", None]


# --- impacts -----------------------------------------------------------------------------------


def test_a_bias_is_the_unmitigated_estimate_less_the_regions_ends():
    for one in assess(config(briefs=[a_brief(HIRES)]), mapping([SHARE]), the_story()).gaps:
        for impact in one.metrics:
            assert impact.bias_lower == pytest.approx(impact.unmitigated - impact.upper)
            assert impact.bias_upper == pytest.approx(impact.unmitigated - impact.lower)


@pytest.mark.parametrize(
    ("undone", "direction"), [(0.9, Direction.INFLATES), (0.1, Direction.DEFLATES), (0.5, Direction.NONE)]
)
@pytest.mark.parametrize(("name", "turned"), [("quotes_per_request", False), (TICKETS, True)])
def test_direction_is_oriented_by_what_is_better(undone, direction, name, turned):
    """More quotes flatter the treatment, more tickets do not."""
    source = "support_tickets" if turned else "quotes"
    reading = f"duplicate_rows.{source}"
    requests = [
        Request(CONTROL, 0.5, read={reading: 0.5}),
        Request(TREATMENT, 0.5, read={reading: undone}),
    ] * 3
    found = assess(config(), mapping([name]), measure({name: requests}, rows=[row("duplicate_rows", source)]))
    opposite = {Direction.INFLATES: Direction.DEFLATES, Direction.DEFLATES: Direction.INFLATES}
    (impact,) = found.gaps[0].metrics
    assert impact.direction is (opposite.get(direction, direction) if turned else direction)
    assert impact.expected_direction is impact.direction


def test_a_small_bias_is_none_only_in_the_unit_of_the_demand():
    """ε is a distance of the demand's own effect; it says nothing of a bias in another."""
    reading = "duplicate_rows.support_tickets"
    requests = [Request(a, 1.0, read={reading: 1.02 if a == TREATMENT else 1.0}) for a in ARMS] * 200
    world = measure({TICKETS: requests}, rows=[row("duplicate_rows", "support_tickets")])

    def found(effect, limit):
        brief = Brief(
            experiment=EXPERIMENT, guardrails=(Guardrail(metric=TICKETS, effect=effect, max_increase=limit),)
        )
        return assess(config(briefs=[brief]), mapping([TICKETS]), world).gaps[0].metrics[0].direction

    assert found("relative", 0.5) is Direction.NONE
    assert found("absolute", 50.0) is Direction.DEFLATES


def test_impacts_are_in_the_default_effect_and_flips_in_the_demands():
    brief = a_brief(Criterion(metric=SHARE, effect="relative", min_improvement=-0.02, min_bound=-0.1))
    (impact,) = gap(
        assess(config(briefs=[brief]), mapping([SHARE]), the_story()), "missing_variant", "requests"
    ).metrics
    assert impact.effect == "absolute"
    assert impact.mitigated == pytest.approx(0.004)
    assert impact.delta_star is not None


def test_every_treatment_has_its_own_impact():
    arms = {CONTROL: 0.5, "fast": 0.25, "faster": 0.25}
    requests = [Request(a, y) for a in arms for y in (0.0, 1.0)]
    world = measure({SHARE: requests}, rows=[row("duplicate_rows", "hires")])
    found = assess(config([experiment(split=arms)]), mapping([SHARE]), world)
    assert [i.variant for i in found.gaps[0].metrics] == ["fast", "faster"]


# --- experiments -------------------------------------------------------------------------------


def test_without_experiments_levels_are_everyones_and_there_is_nothing_to_compare():
    requests = [Request(EVERYONE, y) for y in (0.0, 1.0)]
    found = assess(
        config([]),
        mapping([SHARE]),
        measure({SHARE: requests}, experiment="", rows=[row("duplicate_rows", "hires")]),
    )
    (one,) = found.experiments
    assert (one.experiment, one.effects, one.demands) == (None, (), ())
    assert [(x.variant, x.level.value) for x in one.levels] == [("all", 0.5)]
    assert found.gaps[0].metrics == ()


def two_experiments():
    first = measure({SHARE: cohort(2_000, 200)})
    second = measure({SHARE: cohort(1_000)}, experiment="ranking")
    rows = (
        row("missing_variant", "requests", experiment=EXPERIMENT, total=4_200, affected=200),
        row("duplicate_rows", "hires"),
    )
    return replace(
        first, rows=rows, moments={**first.moments, **second.moments}, cells={**first.cells, **second.cells}
    )


def test_a_gap_of_one_experiment_touches_only_that_one_and_others_touch_all():
    both = [experiment(), experiment("ranking")]
    found = assess(config(both), mapping([SHARE]), two_experiments())
    assert [e.experiment for e in found.experiments] == [EXPERIMENT, "ranking"]
    assert len(gap(found, "missing_variant", "requests").metrics) == 1
    assert len(gap(found, "duplicate_rows", "hires").metrics) == 2


def test_a_gap_of_an_experiment_without_a_brief_is_graded_by_the_contract():
    """That another experiment has a brief says nothing of this one."""
    both = [experiment(), experiment("ranking")]
    brief = Brief(experiment="ranking", criteria=(HIRES,))
    found = assess(config(both, [brief]), mapping([SHARE]), two_experiments())
    assert gap(found, "missing_variant", "requests").severity is Severity.MEDIUM


def test_what_was_not_built_is_not_there_and_a_demand_on_it_is_missing():
    world = without(the_story(), "metric_cells")
    found = assess(config(briefs=[a_brief(HIRES)]), mapping([SHARE]), world)
    assert found.experiments[0].levels == ()
    assert found.experiments[0].demands[0].base is Outcome.MISSING


# --- late requests -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("newest", "is_cut"), [("2026-10-28 12:00", True), ("2026-11-02 00:00", False), (None, True)]
)
def test_late_requests_leave_the_cohort_incomplete_only_before_its_window_ended(newest, is_cut):
    at = datetime.fromisoformat(newest) if newest else None
    world = measure(
        {SHARE: cohort(500)},
        rows=[row("stale_source", "requests", affected=None)],
        facts=[fact("requests", at)],
    )
    found = assess(config(briefs=[a_brief(HIRES)]), mapping([SHARE]), world)
    assert (found.experiments[0].effects[0].region.reason == COHORT_INCOMPLETE) is is_cut
    assert found.gaps[0].severity is (Severity.BLOCKER if is_cut else Severity.INFO)


# --- segments ----------------------------------------------------------------------------------


def test_a_segment_passes_only_with_what_every_gap_may_do_to_it():
    brief = a_brief(Criterion(metric=SHARE, min_delta=-0.005, min_bound=-0.2), segments="category")
    segment = "category=a"

    def passing(rows=()):
        whole, part = (
            measure({SHARE: cohort(2_000)}, rows=rows),
            measure({SHARE: cohort(300)}, segment=segment),
        )
        world = replace(whole, moments={**whole.moments, **part.moments}, cells={**whole.cells, **part.cells})
        return assess(config(briefs=[brief]), mapping([SHARE]), world).experiments[0].passing_segments

    assert passing() == (segment,)
    assert passing([row("missing_values", "hires", "request_id", affected=5)]) == (segment,)
    assert passing([row("missing_values", "hires", "request_id", affected=60)]) == ()
    assert passing([row("missing_values", "requests", "request_id", affected=200)]) == ()


# --- jointly -----------------------------------------------------------------------------------

RANGES = {SHARE: (0.0, 1.0), "quoted": (0.0, 1.0), MEAN: (0.0, 3.0), MEDIAN: (30.0, 90.0, math.inf)}
READINGS = ("undated_high.quotes", "undated_high.hires", "conflict_low.quotes", "conflict_high.quotes", "conflict_low.hires", "conflict_high.hires")  # fmt: skip
GAPS = [
    row("missing_variant", "requests", experiment=EXPERIMENT, affected=2),
    row("duplicate_rows", "quotes", residual=0),
    row("duplicate_rows", "hires", residual=0),
    row("missing_values", "quotes", "quoted_at", affected=2),
    row("missing_values", "hires", "hired_at", affected=2),
    row("missing_values", "quotes", "request_id", affected=1),
    row("missing_values", "hires", "hire_id", affected=1),
    row("missing_values", "requests", "request_id", affected=1),
    row("missing_values", "requests", "created_at", affected=1),
    row("invalid_values", "quotes", "quoted_at", affected=1),
    row("conflicting_keys", "quotes", affected=1),
    row("conflicting_keys", "hires", affected=1),
    row("orphan_rows", "quotes", affected=1),
    row("orphan_rows", "messages", affected=1),
    row("stale_source", "hires", affected=None),
    row("stale_source", "quotes", affected=None),
    *(
        row(
            "sample_ratio_mismatch",
            "assignments",
            "variant",
            arm,
            n,
            None,
            experiment=EXPERIMENT,
            segment=s,
            is_gap=None,
        )
        for s in (None, "geo=a")
        for arm, n in ((CONTROL, 1000), (TREATMENT, 700))
    ),
]


@st.composite
def open_requests(draw, name):
    """A request of any arm, whose value may be open in any way."""
    values, arm = RANGES[name], draw(st.sampled_from((CONTROL, TREATMENT, CONTROL, TREATMENT, UNKNOWN)))
    y, low, high = draw(st.tuples(*[st.sampled_from(values)] * 3))
    low, high = min(y, low), max(y, high)
    least, most = (high, low) if name == MEDIAN else (low, high)
    mature = draw(st.booleans())
    if not mature:
        low, high = (low, math.inf) if name == MEDIAN else (low, max(values))
    read = {r: least if "low" in r else most for r in READINGS} | {
        "immature_low": low if not mature else y,
        "immature_high": high if not mature else y,
    }
    return Request(arm, y, low, high, mature=mature, read=read)


@st.composite
def open_worlds(draw, name):
    requests = draw(st.lists(open_requests(name), min_size=2, max_size=8))
    every = [Request(a, draw(st.sampled_from(RANGES[name]))) for a in ARMS]
    lost = draw(
        st.lists(
            st.tuples(st.sampled_from(("quotes", "messages", "requests")), st.sampled_from((*ARMS, UNKNOWN))),
            max_size=3,
        )
    )
    rows = draw(st.lists(st.sampled_from(GAPS), min_size=1, max_size=6, unique_by=id))
    return measure({name: requests + every}, [Lost(s, a) for s, a in lost], rows)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(list(RANGES)))
def test_the_joint_region_holds_every_single_gaps_region(data, name):
    found = assess(config(), mapping([name]), data.draw(open_worlds(name)))
    (joint,) = [e.region for e in found.experiments[0].effects]
    for one in found.gaps:
        for impact in one.metrics:
            for alone, end, sign in ((impact.lower, joint.lower, 1), (impact.upper, joint.upper, -1)):
                assert end is None or (alone is not None and sign * (alone - end) >= -1e-9), one.kind


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([SHARE, MEAN]))
def test_a_mature_cohort_whose_outcomes_are_open_holds_its_own_estimate(data, name):
    values = st.tuples(*[st.sampled_from(RANGES[name])] * 3)
    requests = []
    for arm in ARMS:
        for y, low, high in data.draw(st.lists(values, min_size=1, max_size=5)):
            requests.append(Request(arm, y, min(y, low), max(y, high)))
    (effect,) = assess(config(), mapping([name]), measure({name: requests})).experiments[0].effects
    assert effect.region.lower - 1e-9 <= effect.estimate.value <= effect.region.upper + 1e-9


def test_a_clean_world_has_no_gap_and_point_regions():
    found = assess(config(), mapping([SHARE]), measure({SHARE: cohort(100)}))
    (effect,) = found.experiments[0].effects
    assert found.gaps == ()
    assert effect.region.lower == effect.region.upper == effect.estimate.value


def test_the_metrics_of_these_worlds_are_the_products():
    assert {*RANGES, RATIO, TICKETS} <= set(metric_definitions())
    assert sum(HALVES.values()) == 1
    assert definition(MEDIAN).quantile == 0.5
