"""What the brief demands, as limits on the raw effect, in words and in the picture."""

import pytest
from sample_report import a_criterion, a_verdict, the_report

from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.report.chart import Span, chart
from dagster_pipeline.report.demands import Limit, demand_of
from dagster_pipeline.report.page import page


def demand(written, threshold=None):
    guardrail = isinstance(written, Guardrail)
    brief = Brief(guardrails=(written,)) if guardrail else Brief(criteria=(written,))
    kind = "guardrail" if guardrail else "criterion"
    item = a_criterion(written.metric, kind, "passed", (0.0,) * 5, threshold=threshold)
    return demand_of(item, brief, metric_definitions())


@pytest.mark.parametrize(
    ("written", "sentence", "limits"),
    [
        (
            Criterion(metric="ttfq_median", min_improvement=0.10, min_bound=0.05),
            "must fall by at least 10%, and by at least 5% even at the cautious end of its interval",
            [(-0.10, False, False), (-0.05, False, True)],
        ),
        (
            Criterion(metric="hire_rate_7d", min_delta=-0.005, min_bound=-0.01),
            "may fall by at most 0.5 pp, and by at most 1 pp even at the cautious end of its interval",
            [(-0.005, True, False), (-0.01, True, True)],
        ),
        (
            Criterion(metric="hire_rate_7d", min_delta=0.01, min_bound=0),
            "must rise by at least 1 pp, and must not fall even at the cautious end of its interval",
            [(0.01, True, False), (0, True, True)],
        ),
        (
            Criterion(metric="refund_rate", min_delta=-0.002),
            "may rise by at most 0.2 pp",
            [(0.002, False, False)],
        ),
        (
            Guardrail(metric="support_tickets_per_100_requests", max_increase=0.1),
            "may rise by at most 10%",
            [(0.1, False, False)],
        ),
        (
            Guardrail(metric="gmv_per_request", max_decrease=2, max_bound=3),
            "may fall by at most 2, and by at most 3 even at the cautious end of its interval",
            [(-2, True, False), (-3, True, True)],
        ),
        (
            Guardrail(metric="hire_rate_7d", max_bound=0.01),
            "may fall by at most 1 pp even at the cautious end of its interval",
            [(-0.01, True, True)],
        ),
    ],
)
def test_a_demand_is_told_in_the_direction_the_metric_moves(written, sentence, limits):
    found = demand(written)
    assert found.sentence == sentence
    assert found.limits == tuple(Limit(*limit) for limit in limits)


def test_without_the_brief_the_threshold_of_the_verdict_is_shown():
    item = a_criterion("hire_rate_7d", "criterion", "passed", (0.0,) * 5, threshold=-0.01)
    assert demand_of(item, None, metric_definitions()).sentence == "may fall by at most 1 pp"


def test_two_demands_on_one_metric_are_told_apart():
    written = (
        Criterion(metric="hire_rate_7d", min_delta=-0.005),
        Criterion(metric="hire_rate_7d", effect="relative", min_improvement=0.02),
    )
    answers = [a_criterion("hire_rate_7d", "criterion", "passed", (0.03,) * 5) for _ in written]
    verdict = a_verdict(criteria=answers)
    brief = Brief(experiment=verdict["experiment"], criteria=written)
    shown = page(the_report(briefs=(brief,), verdicts=(verdict,))).decisions[0].criteria
    assert [(item.demand, item.estimate) for item in shown] == [
        ("may fall by at most 0.5 pp", "+3.00 pp"),
        ("must rise by at least 2%", "+3.00%"),
    ]


FLOOR = Limit(-0.01, at_least=True, on_interval=True)


def test_everything_in_the_picture_lies_in_order_on_one_scale():
    drawn = chart(0.003, Span(-0.002, 0.008), Span(-0.02, 0.03), [FLOOR], ["−1 pp"])
    order = [
        drawn.region.start, drawn.bound.x, drawn.interval.start, drawn.zero,
        drawn.estimate, drawn.interval.end, drawn.region.end,
    ]  # fmt: skip
    assert order == sorted(order)
    assert order[0] > 0
    assert order[-1] < 100
    (zone,) = drawn.forbidden
    assert (zone.start, zone.end) == (0.0, drawn.bound.x)


def test_a_range_without_a_limit_runs_to_the_edge_and_says_so():
    drawn = chart(0.003, Span(-0.002, 0.008), Span(None, 0.03), [FLOOR], ["−1 pp"])
    assert (drawn.region.start, drawn.region.open_left, drawn.region.open_right) == (0.0, True, False)
    unidentified = chart(0.003, Span(-0.002, 0.008), Span(None, None), [FLOOR], ["−1 pp"])
    assert (unidentified.region.start, unidentified.region.end) == (0.0, 100.0)


def test_what_was_not_measured_is_not_drawn():
    assert chart(None, Span(None, None, False), Span(None, None, False), [FLOOR], ["−1 pp"]) is None
    assert chart(0.01, Span(None, None, False), Span(None, None, False), [], []).interval is None
