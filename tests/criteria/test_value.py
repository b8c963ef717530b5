"""What the decision is worth: figures by hand, ranges, what is not known, and the money at risk."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.config.brief import Incident, Rollout, Stage, Value
from dagster_pipeline.criteria.value import GapRange, MetricEffect, value_answer, value_document
from dagster_pipeline.criteria.worth import OptionName, cost_of_delay, expected_incident, launch_value
from dagster_pipeline.statistics.evidence import Estimate, Region
from dagster_pipeline.statistics.intervals import newcombe

HIRES, TICKETS = "hire_rate_7d", "support_tickets_per_100_requests"
GO, PARTIAL, HOLD = OptionName
CANARY = Rollout(stages=(Stage(percent=1, dwell=timedelta(days=1)),))


def effect(metric=HIRES, value=0.005, *, half=0.002, region=None, variant="treatment") -> MetricEffect:
    estimate = Estimate(value, value - half, value + half)
    return MetricEffect(metric, variant, "absolute", estimate, region or Region(value, value))


def gap(lower, upper, *, unmitigated=None, metric=HIRES, gap_id="g1") -> GapRange:
    return GapRange(gap_id, "missing_variant", metric, "treatment", unmitigated, lower, upper)


def worth(per_day=None, effects=None, gaps=(), rollout=CANARY, **terms):
    value = Value(per_day=per_day or {HIRES: 100e6}, **{"horizon": timedelta(days=10), **terms})
    effects = [effect()] if effects is None else effects
    return value_answer(value, rollout, ["treatment"], effects, gaps)


def only(answer):
    (found,) = answer.treatments
    return found


# --- figures by hand ---------------------------------------------------------------------------------


def test_three_weeks_delay_of_a_third_of_a_per_cent_of_fifty_million_a_week_cost_525_thousand():
    per_day_of_all = 50e6 / 7
    assert cost_of_delay(per_day_of_all * 0.0035, 0.0, weeks=3) == pytest.approx(525_000)
    found = only(worth({"gmv_per_request": per_day_of_all}, [effect("gmv_per_request", 0.0035)]))
    assert 3 * found.delay_per_week.expected == pytest.approx(525_000)


def test_launching_now_brings_500_thousand_a_day_for_5_thousand_of_expected_incident_at_the_canary():
    """100M a day for the whole of the hire rate × 0.5 pp; an incident of 10M at full traffic, 1 in 20, at 1%."""
    incident = Incident(cost=10e6, probability=0.05)
    answer = worth({HIRES: 100e6}, [effect(HIRES, 0.005)], incident=incident, horizon=timedelta(days=1))
    assert only(answer).benefit_per_day.expected == pytest.approx(500_000)
    assert answer.incident_at_first_stage == pytest.approx(5_000)
    met_at_the_canary = launch_value(500_000, 1, 1.0, 0.0, expected_incident(incident, 0.01))
    assert met_at_the_canary == pytest.approx(495_000)


def test_an_interval_of_the_effect_is_one_of_the_money():
    ends = newcombe(1_250, 10_000, 1_200, 10_000, 0.90)
    assert [f"{100 * x:+.2f}" for x in (ends.lower, ends.upper)] == ["-0.26", "+1.26"]
    found = only(
        worth(
            {HIRES: 100e6},
            [
                MetricEffect(
                    HIRES, "treatment", "absolute", Estimate(0.005, ends.lower, ends.upper), Region(0.0, 0.01)
                )
            ],
        )
    )
    go = found.option(GO).total
    assert go.expected == pytest.approx(5e6)
    assert (go.ci_lower, go.ci_upper) == pytest.approx((1e9 * ends.lower, 1e9 * ends.upper))  # −2.6M to 12.6M
    assert (go.lower, go.upper) == pytest.approx((0, 10e6))


def test_each_course_by_hand():
    """Ten days of 500k less 20k infrastructure; an incident of 1M, 1 in 10; PARTIAL at 1%."""
    found = only(worth(incident=Incident(cost=1e6, probability=0.1), infrastructure_per_day=20e3))
    assert found.option(GO).total.expected == pytest.approx(10 * (500e3 - 20e3) - 100e3)
    assert found.option(PARTIAL).total.expected == pytest.approx(10 * (5e3 - 20e3) - 1e3)
    assert found.option(HOLD).total.expected == 0
    assert found.delay_per_week.expected == pytest.approx(7 * 480e3)
    assert found.best is GO


def test_less_of_what_costs_money_is_worth_money_and_turns_the_range_round():
    """A ticket per 100 requests fewer is worth 3,000 a day; the effect is −2, from −3 to +1 with the open gaps."""
    found = only(worth({TICKETS: -3_000}, [effect(TICKETS, -2.0, half=0.5, region=Region(-3.0, 1.0))]))
    amount = found.benefit_per_day
    assert (amount.expected, amount.ci_lower, amount.ci_upper) == (6_000, 4_500, 7_500)
    assert (amount.lower, amount.upper) == (-3_000, 9_000)


def test_several_metrics_add_up_end_by_end():
    found = only(
        worth(
            {HIRES: 1e6, TICKETS: -1_000},
            [effect(HIRES, 0.01, region=Region(0.0, 0.02)), effect(TICKETS, 2.0, region=Region(1.0, 3.0))],
        )
    )
    amount = found.benefit_per_day
    assert (amount.expected, amount.lower, amount.upper) == pytest.approx((8_000, -3_000, 19_000))


def test_a_launch_that_does_not_pay_costs_nothing_to_delay():
    found = only(worth({HIRES: 1e6}, [effect(HIRES, -0.01, region=Region(-0.02, 0.03))]))
    assert (found.delay_per_week.expected, found.delay_per_week.lower) == (0, 0)
    assert found.delay_per_week.upper == pytest.approx(210_000)
    assert found.best is HOLD
    assert "costs nothing on the estimate" in found.sentence


# --- what is not known -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "effects",
    [
        [],
        [
            MetricEffect(
                HIRES, "treatment", "absolute", Estimate(None, reason="no requests"), Region(None, None)
            )
        ],
    ],
)
def test_without_an_estimate_the_worth_is_not_known_and_never_nothing(effects):
    found = only(worth({HIRES: 1e6, TICKETS: -1.0}, [*effects, effect(TICKETS, 1.0)], [gap(0.0, 0.1)]))
    for amount in (
        found.benefit_per_day,
        found.option(GO).total,
        found.option(PARTIAL).total,
        found.delay_per_week,
    ):
        assert amount.expected is None
        assert HIRES in amount.reason
    assert found.best is None
    assert found.option(GO).regret is None
    assert found.gaps[0].at_risk is None
    assert "not known" in found.sentence


def test_an_end_without_limit_stays_so():
    found = only(worth(effects=[effect(region=Region(None, 0.01))]))
    go = found.option(GO)
    assert (go.total.lower, go.regret) == (None, None)
    assert go.total.upper == pytest.approx(10e6)
    assert "at most 10,000,000 USD with the open gaps" in found.sentence


def test_what_is_worth_nothing_needs_no_estimate_s_limits():
    found = only(
        worth({HIRES: 1e6, TICKETS: 0.0}, [effect(), effect(TICKETS, 1.0, region=Region(None, None))])
    )
    assert found.benefit_per_day.lower is not None


def test_each_treatment_is_valued_by_its_own_effects():
    value = Value(per_day={HIRES: 1e6})
    effects = [effect(variant="a"), effect(value=-0.01, variant="b")]
    a, b = value_answer(value, Rollout(), ["a", "b"], effects).treatments
    assert (a.variant, a.best, b.variant, b.best) == ("a", GO, "b", HOLD)


# --- regret ------------------------------------------------------------------------------------------


def test_a_gap_puts_at_risk_what_acting_on_the_estimate_would_lose_at_its_worse_end():
    """+0.5 pp is worth 5M over ten days; the gap allows −0.2 pp, where GO loses 2M and holding would have lost nothing."""
    found = only(worth(gaps=[gap(-0.002, 0.008, unmitigated=0.009)]))
    (risk,) = found.gaps
    assert (risk.worse, risk.better, risk.unmitigated) == pytest.approx((-2e6, 8e6, 9e6))
    assert (risk.regret_worse, risk.regret_better, risk.at_risk) == pytest.approx((2e6, 0, 2e6))
    assert "puts 2,000,000 USD at risk" in found.sentence


def test_holding_on_a_poor_estimate_may_forgo_what_the_gap_hides():
    found = only(worth(effects=[effect(value=-0.001)], gaps=[gap(-0.004, 0.003)]))
    (risk,) = found.gaps
    assert (risk.regret_worse, risk.regret_better, risk.at_risk) == pytest.approx((0, 3e6, 3e6))


def test_a_gap_that_cannot_change_the_best_course_puts_nothing_at_risk():
    found = only(worth(gaps=[gap(0.003, 0.008)]))
    assert found.gaps[0].at_risk == 0
    assert "No open gap alone" in found.sentence


def test_gaps_come_by_the_money_they_put_at_risk_those_without_limit_first_and_others_not_at_all():
    gaps = [
        gap(-0.001, 0.01, gap_id="small"),
        gap(-0.01, 0.01, gap_id="large"),
        gap(None, 0.01, gap_id="unlimited"),
        gap(-1.0, 1.0, gap_id="elsewhere", metric="ttfq_median"),
    ]
    found = only(worth(gaps=gaps))
    assert [risk.gap_id for risk in found.gaps] == ["unlimited", "large", "small"]
    assert "has no limit" in found.sentence


def test_a_gap_on_two_metrics_takes_both_to_their_ends():
    per_day = {HIRES: 100e6, TICKETS: -1_000}
    effects = [effect(), effect(TICKETS, 0.0)]
    found = only(worth(per_day, effects, [gap(-0.002, 0.008), gap(-1.0, 100.0, metric=TICKETS)]))
    (risk,) = found.gaps
    assert risk.metrics == (HIRES, TICKETS)
    assert risk.worse == pytest.approx(10 * (-200e3 - 100e3))


amounts = st.floats(-1e6, 1e6)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-0.05, 0.05),
    st.floats(0, 0.05),
    st.floats(0, 0.05),
    st.floats(0, 1e5),
    st.floats(0, 1e6),
    st.integers(1, 99),
)
def test_regret_is_never_negative_and_the_best_course_on_the_estimate_is_the_best(
    value, down, up, infrastructure, cost, cap
):
    found = only(
        worth(
            effects=[effect(value=value, region=Region(value - down, value + up))],
            rollout=Rollout(cap=cap),
            infrastructure_per_day=infrastructure,
            incident=Incident(cost=cost, probability=0.5),
        )
    )
    totals = {option.option: option.total.expected for option in found.options}
    assert totals[found.best] == max(totals.values())
    assert all(option.regret >= 0 for option in found.options)
    # Worth is linear in the share but for infrastructure, so PARTIAL is a hedge and never best.
    assert totals[PARTIAL] <= max(totals[GO], totals[HOLD]) + 1e-6


# --- as a document -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "effects", [[effect()], [], [effect(region=Region(None, None))], [effect(region=Region(-0.01, 0.02))]]
)
def test_the_document_shows_every_input_and_is_plain_json(effects):
    incident = Incident(cost=1e6, probability=0.1)
    document = value_document(
        worth(effects=effects, gaps=[gap(None, 0.01)], incident=incident, infrastructure_per_day=10.0)
    )
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["per_day"] == {HIRES: 100e6}
    assert (document["incident_cost"], document["incident_probability"]) == (1e6, 0.1)
    assert (document["infrastructure_per_day"], document["horizon_days"]) == (10.0, 10.0)
    assert (document["partial_share"], document["first_stage_share"]) == (0.01, 0.01)
    (treatment,) = document["treatments"]
    assert [option["option"] for option in treatment["options"]] == ["go", "partial", "hold"]


def test_without_an_incident_in_the_brief_its_cost_is_shown_as_not_given():
    document = value_document(worth())
    assert (document["incident_cost"], document["incident_at_first_stage"]) == (None, None)
