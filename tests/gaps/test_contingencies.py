"""What stands in for an estimate: only where a gap calls for it, with its assumption, and never in a verdict."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from small_worlds import (
    CONTROL,
    EXPERIMENT,
    TREATMENT,
    Request,
    config,
    experiment,
    mapping,
    measure,
    row,
)

from benchmarks.compiled_line import compiled_run
from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.demo.faults import Drift, Faults
from dagster_pipeline.demo.world import WorldSpec
from dagster_pipeline.gaps import stand_ins
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gaps.contingencies import ContingencyName
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.transform.mapping import Finding

HIRES, MEDIAN, WITHIN, QUOTES = "hire_rate_7d", "ttfq_median", "quoted_within_30m", "quotes_per_request"
TICKETS = "support_tickets_per_100_requests"
SPEC = WorldSpec(requests=4_000, seed=11)
STALE_HIRES = row("stale_source", "hires", total=None, affected=None)
NO_ARMS = row("missing_variant", "requests", experiment=EXPERIMENT, total=1_000, affected=60)


def world(name=HIRES):
    return {name: [Request(arm, float(i % 2)) for arm in (CONTROL, TREATMENT) for i in range(40)]}


def brief(*metrics, effect=None):
    return Brief(
        experiment=EXPERIMENT,
        criteria=tuple(Criterion(metric=m, effect=effect, min_bound=-0.01) for m in metrics),
    )


def sums(quantity, **values):
    columns = ("metric", "variant", "cluster_name", "is_touched", "is_after", "low", "high")
    blank = dict.fromkeys(columns) | {"experiment_id": EXPERIMENT, "quantity": quantity}
    return blank | {"n_requests": 0, "y": 0.0, "d": 0.0} | values


def found(rows, tables=(), metrics=(HIRES,), worlds=None, effect=None, findings=(), absent=(), **fields):
    """The contingencies of a run with those gaps and sums, by name and metric."""
    available = [m for m in metrics if m not in absent]
    measured = measure({k: v for m in available for k, v in (worlds or world(m)).items()}, rows=rows)
    measured = replace(measured, tables={} if tables is None else {"contingency_sums": tuple(tables)})
    settings = config([experiment(**fields)], [brief(*metrics, effect=effect)])
    missing = dict.fromkeys(absent, "needs what is not there")
    run = assess(settings, mapping(available, findings, missing), measured)
    return {(c.name, c.metric): c for c in run.experiments[0].contingencies}


def weeks(*counts, variant=None):
    return [
        sums("hires_by_week", variant=variant, low=-i, high=-i, n_requests=500, d=float(d), y=float(y))
        for i, (d, y) in enumerate(counts, start=1)
    ]


# --- hires that are not in yet -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clean():
    with compiled_run(SPEC) as run:
        yield run


@pytest.fixture(scope="module")
def stale():
    with compiled_run(SPEC, Faults(stale={"hires": timedelta(days=4)})) as run:
        yield run


def own(run):
    return {(c.name, c.metric): c for c in run.assessment.experiments[0].contingencies}


def estimate(run, metric=HIRES):
    effects = run.assessment.experiments[0].effects
    return next(e.estimate for e in effects if e.metric == metric and e.segment is None)


def test_a_clean_world_needs_no_stand_in(clean):
    assert clean.assessment.experiments[0].contingencies == ()


def test_both_stand_ins_for_late_hires_hold_what_the_hires_say_once_they_are_in(clean, stale):
    truth = estimate(clean).value
    proxy, survival = own(stale)["three_day_proxy", HIRES], own(stale)["kaplan_meier", HIRES]
    assert set(own(stale)) == {("three_day_proxy", HIRES), ("kaplan_meier", HIRES)}
    for one in (proxy, survival):
        assert one.lower < truth < one.upper
        assert one.applies_to == (stale.gap("stale_source", "hires").gap_id,)
    assert abs(survival.value - truth) < 0.005
    assert survival.upper - survival.lower < proxy.upper - proxy.lower


def test_the_proxys_levels_are_the_three_day_levels_times_hires_of_seven_days_over_those_of_three(stale):
    """Its uplift recounted from the raw tables, over all requests that are old enough."""
    (u,) = stale.ask("""
        with hired as (select request_id, min(hired_at) as hired_at from raw.hires group by 1),
        old as (select created_at, hired_at from raw.requests left join hired using (request_id)
                where created_at + interval 7 day <= (select max(hired_at) from raw.hires)
                    and created_at < timestamp '2026-10-29')
        select count(*) filter (hired_at <= created_at + interval 7 day)
            / count(*) filter (hired_at <= created_at + interval 3 day) from old
    """)[0]
    levels = {x.variant: x.level.value for x in stale.assessment.experiments[0].levels
              if x.metric == "hire_rate_3d" and x.segment is None}  # fmt: skip
    proxy = own(stale)["three_day_proxy", HIRES]
    assert proxy.treatment_level == pytest.approx(levels[TREATMENT] * u)
    assert proxy.control_level == pytest.approx(levels[CONTROL] * u)
    assert proxy.value == pytest.approx(proxy.treatment_level - proxy.control_level)


def test_no_stand_in_enters_the_estimate_the_region_or_the_demands(stale):
    run = stale.assessment.experiments[0]
    bare = assess(
        stale.config,
        stale.mapping,
        replace(stale.measurements, tables={**stale.measurements.tables, "contingency_sums": ()}),
    ).experiments[0]
    assert bare.contingencies != run.contingencies
    assert (bare.levels, bare.effects, bare.demands) == (run.levels, run.effects, run.demands)


def test_late_hires_without_enough_history_or_age_are_said_and_not_guessed():
    one_week = found([STALE_HIRES], weeks((50, 60)))
    assert one_week["three_day_proxy", HIRES].reason == stand_ins.NO_HISTORY
    nobody_early = found([STALE_HIRES], weeks((50, 60), (40, 50)))
    assert nobody_early["three_day_proxy", HIRES].reason == stand_ins.NO_EARLY_LEVEL
    hours = [
        sums("hire_hours", variant=arm, low=h, high=h, n_requests=n, y=y, d=n)
        for arm, last in ((CONTROL, 168.0), (TREATMENT, 167.0))
        for h, n, y in ((5.0, 10, 10.0), (last, 90, 0.0))
    ]
    young = found([STALE_HIRES], hours)["kaplan_meier", HIRES]
    assert (young.value, young.lower, young.upper) == (None, None, None)
    assert young.reason == stand_ins.NOT_OBSERVED_THAT_LONG


def test_kaplan_meier_is_the_plain_share_where_everybody_has_been_seen():
    hours = [
        sums("hire_hours", variant=arm, low=h, high=h, n_requests=n, y=y, d=n)
        for arm, hired in ((CONTROL, 10), (TREATMENT, 15))
        for h, n, y in ((30.0, hired, float(hired)), (168.0, 100 - hired, 0.0))
    ]
    one = found([STALE_HIRES], hours)["kaplan_meier", HIRES]
    assert (one.treatment_level, one.control_level) == (pytest.approx(0.15), pytest.approx(0.10))
    half = 1.6448536 * math.sqrt(0.15 * 0.85 / 100 + 0.1 * 0.9 / 100)
    assert (one.lower, one.upper) == (pytest.approx(0.05 - half), pytest.approx(0.05 + half))
    relative = found([STALE_HIRES], hours, effect="relative")["kaplan_meier", HIRES]
    assert (relative.effect, relative.value) == ("relative", pytest.approx(0.5))


# --- quote times that can not be used ----------------------------------------------------------------------------

UNDATED = row("missing_values", "quotes", "quoted_at", total=1_000, affected=120, residual=90)


def messages(arm, *bins, units=None):
    n = sum(count for *_, count in bins)
    one = {
        "variant": arm,
        "n_requests": n,
        "d": float(units or n),
        "y": float(n if units is None else n * n / units),
    }
    times = [sums("first_message", variant=arm, low=low, high=high, n_requests=c) for low, high, c in bins]
    return [*times, sums("first_message_units", **one)]


MESSAGES = [
    *messages(CONTROL, (600.0, 601.0, 40), (1800.0, 1800.0, 20), (1800.5, 1801.0, 20), (None, None, 20)),
    *messages(TREATMENT, (480.0, 481.0, 60), (1801.0, 1802.0, 20), (None, None, 20)),
]


def test_the_first_message_stands_in_for_quotes_without_a_time():
    stood = found([UNDATED], MESSAGES, metrics=(MEDIAN, WITHIN))
    median, share = stood["first_message", MEDIAN], stood["first_message", WITHIN]
    assert (median.treatment_level, median.control_level) == (480.5, 1800.0)
    assert median.value == pytest.approx(480.5 / 1800 - 1)
    assert median.lower <= median.value <= median.upper
    assert (share.treatment_level, share.control_level) == (pytest.approx(0.6), pytest.approx(0.6))
    assert share.lower < 0 < share.upper


def test_clusters_widen_the_interval_of_the_share_by_their_size_and_leave_its_value():
    two_each = [
        *messages(CONTROL, (600.0, 600.0, 60), (None, None, 40), units=50),
        *messages(TREATMENT, (480.0, 480.0, 70), (None, None, 30), units=50),
    ]
    plain = found([UNDATED], two_each, metrics=(WITHIN,))["first_message", WITHIN]
    clustered = found([UNDATED], two_each, metrics=(WITHIN,), unit="customer")["first_message", WITHIN]
    assert clustered.value == pytest.approx(plain.value) == pytest.approx(0.1)
    ratio = (clustered.upper - clustered.lower) / (plain.upper - plain.lower)
    assert 1.3 < ratio < math.sqrt(2)


def test_without_messages_there_is_a_reason_in_place_of_a_figure():
    nobody = messages(CONTROL, (None, None, 9)) + messages(TREATMENT, (5.0, 5.0, 9))
    for sums_ in ([], nobody):
        one = found([UNDATED], sums_, metrics=(MEDIAN,))["first_message", MEDIAN]
        assert (one.value, one.reason) == (None, stand_ins.NO_MESSAGES)


@pytest.mark.parametrize(
    "rows",
    [
        [row("missing_values", "quotes", "quoted_at", total=1_000, affected=120, residual=5)],
        [row("missing_values", "quotes", "price", total=1_000, affected=120)],
        [row("timestamp_disorder", "hires", "hired_at", total=1_000, affected=120)],
        [row("schema_change", "quote_events", "event_at", total=None, affected=None)],
        [row("duplicate_rows", "quotes", total=1_000, affected=120)],
    ],
)
def test_quote_times_within_their_contract_need_no_stand_in(rows):
    assert found(rows, MESSAGES, metrics=(MEDIAN,)) == {}


@pytest.mark.parametrize("kind", ["timestamp_disorder", "source_conflict"])
def test_quote_times_that_stay_out_of_order_or_in_conflict_need_one(kind):
    rows = [row(kind, "quotes", "quoted_at", total=1_000, affected=50)]
    assert set(found(rows, MESSAGES, metrics=(MEDIAN, TICKETS))) == {("first_message", MEDIAN)}


def test_absent_quote_times_need_one_only_where_the_event_log_did_not_give_the_metric():
    note = Finding("schema_change", "quotes", "quoted_at", "gone", expected=False)
    rows = [row("schema_change", "quotes", "quoted_at", total=None, affected=None)]
    assert found(rows, MESSAGES, metrics=(MEDIAN,), findings=[note]) == {}
    gone = found(rows, MESSAGES, metrics=(MEDIAN,), findings=[note], absent=(MEDIAN,))
    assert gone["first_message", MEDIAN].value == pytest.approx(480.5 / 1800 - 1)


# --- arms that can not be relied on ------------------------------------------------------------------------------


def changes(metric, levels, spread=0.0, quantities=("day", "group_of_values")):
    """Two days before and two after, two places on each side, at these levels of (touched, after).

    ``spread`` is how far the touched go from them on one day and the untouched the other way.
    """
    found = []
    for quantity in quantities:
        for (touched, after), level in levels.items():
            for name in (1, 2):
                cluster = f"day {after} {name}" if quantity == "day" else f"place {touched} {name}"
                y = 100 * (level + (spread if (name == 1) is touched else -spread))
                found.append(
                    sums(f"changes_by_{quantity}", metric=metric, cluster_name=cluster, is_touched=touched,
                         is_after=after, n_requests=100, y=y, d=100.0)
                )  # fmt: skip
    return found


RISING = {(False, False): 1.0, (False, True): 1.5, (True, False): 2.0, (True, True): 2.75}
TOUCHED = {"category": ("moving",)}


def test_what_changed_more_where_the_launch_reached_is_laid_to_the_half_that_was_treated():
    one = found([NO_ARMS], changes(QUOTES, RISING), metrics=(QUOTES,), touched=TOUCHED)[
        "difference_in_differences", QUOTES
    ]
    assert (one.value, one.lower, one.upper) == tuple([pytest.approx(0.5)] * 3)
    assert (one.treatment_level, one.control_level) == (pytest.approx(3.0), pytest.approx(2.5))
    assert one.applies_to == (gap_id("missing_variant", EXPERIMENT, "requests"),)
    noisy = found([NO_ARMS], changes(QUOTES, RISING, 0.1), metrics=(QUOTES,), touched=TOUCHED)
    assert noisy["difference_in_differences", QUOTES].lower < 0


def test_levels_come_in_the_metrics_unit_and_the_effect_in_the_briefs():
    one = found([NO_ARMS], changes(TICKETS, RISING), metrics=(TICKETS,), touched=TOUCHED, effect="relative")[
        "difference_in_differences", TICKETS
    ]
    assert (one.treatment_level, one.control_level) == (pytest.approx(300), pytest.approx(250))
    assert one.value == pytest.approx(300 / 250 - 1)


@pytest.mark.parametrize(
    ("metric", "fields", "tables", "reason"),
    [
        (QUOTES, {}, changes(QUOTES, RISING), stand_ins.NOTHING_TOUCHED),
        (QUOTES, {"touched": TOUCHED}, [], stand_ins.NOTHING_TO_COMPARE),
        (QUOTES, {"touched": TOUCHED}, None, stand_ins.NOT_BUILT),
        (MEDIAN, {"touched": TOUCHED}, changes(MEDIAN, RISING), stand_ins.NO_SUMS_OF_QUANTILES),
        ("pro_return_rate_7d", {"touched": TOUCHED}, [], stand_ins.NO_SUMS_OF_PROS),
        (QUOTES, {"touched": TOUCHED, "sampling": {"quotes": {TREATMENT: 0.1}}}, changes(QUOTES, RISING),
         stand_ins.WEIGHTED_BY_ARM),
        (QUOTES, {"touched": TOUCHED, "split": {CONTROL: 0.5, TREATMENT: 0.25, "other": 0.25}},
         changes(QUOTES, RISING), stand_ins.SEVERAL_TREATMENTS),
    ],
)  # fmt: skip
def test_where_the_change_can_not_be_compared_the_reason_is_told(metric, fields, tables, reason):
    one = found([NO_ARMS], tables, metrics=(metric,), **fields)["difference_in_differences", metric]
    assert (one.value, one.lower, one.upper, one.reason) == (None, None, None, reason)


@pytest.mark.parametrize(
    ("gap", "called"),
    [
        (row("missing_variant", "requests", experiment=EXPERIMENT, total=1_000, affected=60, residual=5), False),
        (row("missing_variant", "quotes", "variant", experiment=EXPERIMENT, total=1_000, affected=600), False),
        (row("schema_change", "assignments", "variant", total=None, affected=None), True),
        (row("schema_change", "assignments", "assigned_at", total=None, affected=None), False),
        (row("not_evaluated", "assignments", total=None, affected=None), True),
    ],
)  # fmt: skip
def test_it_is_called_for_where_arms_are_beyond_repair(gap, called):
    stood = found([gap], changes(QUOTES, RISING), metrics=(QUOTES,), touched=TOUCHED)
    assert (("difference_in_differences", QUOTES) in stood) is called


# --- arms that differ --------------------------------------------------------------------------------------------


def test_arms_of_another_mix_are_weighted_alike():
    """Control is half moving; a fifth of the treatment's other requests were moved there."""
    faults = Faults(drifts=(Drift("category", "moving", 0.18, TREATMENT),))
    with compiled_run(SPEC, faults) as run:
        stood = own(run)
        assert {name for name, _ in stood} == {"post_stratification"}
        (gap,) = [g for g in run.gaps if g.kind == "distribution_drift" and g.experiment]
        hires, median = (stood["post_stratification", m] for m in (HIRES, MEDIAN))
        rates = run.ask("""
            with hired as (
                select distinct request_id from raw.hires inner join raw.requests using (request_id)
                where hired_at <= created_at + interval 7 day),
            cohort as (
                select category, variant = 'treatment' as is_treated, h.request_id is not null as is_hired
                from raw.requests as r inner join raw.assignments as a on a.entity_id = r.request_id
                left join hired as h on h.request_id = r.request_id
                where r.created_at >= timestamp '2026-10-01' and r.created_at < timestamp '2026-10-29'),
            strata as (
                select count(*) as n, avg(case when is_treated then is_hired::int end)
                    - avg(case when not is_treated then is_hired::int end) as delta
                from cohort group by category)
            select sum(n * delta) / sum(n) from strata
        """)
        region = next(i for i in gap.metrics if i.metric == MEDIAN)
    assert hires.value == pytest.approx(rates[0][0])
    assert hires.lower < hires.value < hires.upper
    assert region.lower - 0.006 <= median.value <= region.upper + 0.006
    assert hires.applies_to == (gap.gap_id,)


def test_the_effect_on_those_who_stayed_is_the_effect_over_one_less_the_crossover():
    arms = [
        row("multiple_exposures", "assignments", experiment=EXPERIMENT, variant=arm, total=100, affected=n)
        for arm, n in ((CONTROL, 10), (TREATMENT, 30))
    ]
    whole = row("multiple_exposures", "assignments", experiment=EXPERIMENT, total=200, affected=40)
    requests = [
        Request(arm, float(i < ones)) for arm, ones in ((CONTROL, 10), (TREATMENT, 40)) for i in range(100)
    ]
    one = found([*arms, whole], worlds={HIRES: requests})["effect_on_those_who_stayed", HIRES]
    assert one.value == pytest.approx(0.3 / 0.6)
    assert one.lower < one.value < one.upper
    ratio = found([*arms, whole], worlds={HIRES: requests}, effect="relative")
    assert ratio["effect_on_those_who_stayed", HIRES].reason == stand_ins.RATIO_NOT_DILUTED
    few = replace(whole, rows_affected=2)
    assert found([*arms, few], worlds={HIRES: requests}) == {}


# --- the whole list ----------------------------------------------------------------------------------------------


def test_a_stand_in_is_given_for_each_rule_of_the_brief_in_the_rules_own_effect_and_treatment():
    rows = [STALE_HIRES, NO_ARMS]
    settings = config(
        [experiment(split={CONTROL: 0.5, TREATMENT: 0.25, "other": 0.25})],
        [
            Brief(
                experiment=EXPERIMENT,
                criteria=(Criterion(metric=HIRES, effect="relative", min_bound=-0.1),),
                guardrails=(Guardrail(metric=TICKETS, max_increase=0.1),),
            )
        ],
    )
    measured = replace(measure(world(), rows=rows), tables={"contingency_sums": ()})
    (one,) = assess(settings, mapping([HIRES]), measured).experiments
    assert {(c.name, c.metric, c.effect, c.variant) for c in one.contingencies} == {
        (name, metric, "relative", arm)
        for name, metric in (
            ("three_day_proxy", HIRES), ("kaplan_meier", HIRES),
            ("difference_in_differences", HIRES), ("difference_in_differences", TICKETS),
        )
        for arm in (TREATMENT, "other")
    }  # fmt: skip


def test_each_is_explained_in_sentences_and_named_from_the_vocabulary(stale):
    rows = [STALE_HIRES, NO_ARMS, UNDATED]
    stood = found(rows, metrics=(HIRES, MEDIAN)).values()
    assert {c.name for c in stood} < {str(name) for name in ContingencyName}
    for one in (*stood, *own(stale).values()):
        assert one.assumption.endswith(".")
        assert one.because
        assert one.applies_to
        assert (one.value is None) == (one.reason is not None)


def test_without_experiments_there_is_nothing_to_stand_in_for():
    measured = measure(world(), rows=[STALE_HIRES], experiment="")
    run = assess(config(experiments=()), mapping([HIRES]), measured)
    assert [e.contingencies for e in run.experiments] == [()]


@pytest.mark.matrix
def test_the_launchs_effect_is_found_without_any_assignment():
    """The demo treats every category alike, so those called untouched are given the control's outcomes first."""
    names = ("moving", "handyman", "house_cleaning", "plumbing", "photography")

    def only_some_were_touched(connection):
        listed = ", ".join(f"'{name}'" for name in names)
        connection.execute(
            "delete from raw.quotes where request_id in (select r.request_id from raw.requests as r "
            "inner join raw.assignments as a on a.entity_id = r.request_id where a.variant = 'treatment' "
            f"and r.category in ({listed}) and r.created_at >= timestamp '2026-10-01' and hash(quote_id) % 2 = 0)"
        )
        connection.execute("delete from raw.assignments")

    def touch(values):
        values["experiments"][0]["touched"] = {"category": list(names)}
        values["brief"]["guardrails"].append({"metric": QUOTES, "effect": "relative", "max_decrease": 0.1})

    spec = WorldSpec(requests=20_000, seed=3, days_before=21)
    with compiled_run(spec, edit_config=touch, tamper=only_some_were_touched) as run:
        one = own(run)["difference_in_differences", QUOTES]
    assert one.lower < -0.5 < one.upper < 0
    assert np.isfinite(one.treatment_level)
