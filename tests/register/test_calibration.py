"""Whether a prediction came true is judged only where it can be, and never by how it came out."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.register.calibration import (
    Before,
    CalibrationRow,
    Claim,
    Outcome,
    Prediction,
    calibrate,
    healed_gaps,
    judge,
    records_by_kind,
    track_record,
)
from dagster_pipeline.register.calibration_table import append_calibration, gaps_at, read_calibration
from dagster_pipeline.register.estimates import Figure, append_figures, figures_at
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.register.store import RunRecord, append_run, prepare
from dagster_pipeline.statistics.evidence import Better
from dagster_pipeline.statistics.vocabulary import Direction

THEN = datetime(2026, 11, 6, 6, 12, 41, 123456, tzinfo=UTC)
NOW = THEN + timedelta(days=2)
HIRES, ARM, EXPERIMENT = "hire_rate_7d", "treatment", "quoting_v2"


def a_prediction(**fields):
    defaults = {
        "gap_id": "gap-1", "kind": "stale_source", "experiment": EXPERIMENT, "metric": HIRES, "variant": ARM,
        "made_at": THEN, "better": Better.HIGHER, "lower": -0.01, "upper": 0.03, "unmitigated": 0.006,
        "mitigated": 0.005, "direction": Direction.EITHER, "expected_direction": Direction.NONE,
    }  # fmt: skip
    return Prediction(**(defaults | fields))


def an_impact(**fields):
    defaults = {
        "metric": HIRES, "variant": ARM, "effect": "absolute", "unmitigated": 0.006, "mitigated": 0.005,
        "lower": -0.01, "upper": 0.03, "bias_lower": -0.024, "bias_upper": 0.016, "direction": Direction.EITHER,
        "expected_direction": Direction.INFLATES, "flips_decision": False, "delta_star": None,
    }  # fmt: skip
    return Impact(**(defaults | fields))


def a_gap(kind="stale_source", table="hires", column=None, impact=None, **fields):
    defaults = {
        "experiment": None, "segment": None, "description": "", "status": GapStatus.OPEN,
        "severity": Severity.HIGH, "severity_reason": "", "rows_total": 1_000, "rows_affected": 100,
        "share_affected": 0.1, "share_residual": 0.05, "first_seen": THEN, "last_seen": THEN,
    }  # fmt: skip
    impacts = () if impact is False else (impact or an_impact(),)
    identity = gap_id(kind, fields.get("experiment"), table, column)
    return Gap(identity, kind, table=table, column=column, metrics=impacts, **(defaults | fields))


def a_point(**fields):
    return an_impact(lower=0.005, upper=0.005, **fields)


def a_figure(estimate=0.005, **fields):
    defaults = {
        "measured_at": THEN, "as_of": THEN, "experiment": EXPERIMENT, "metric": HIRES, "variant": ARM,
        "better": Better.HIGHER, "requests": 9_000, "too_young": 0, "is_timeless": True,
        "basis": dict.fromkeys(("experiment", "brief", "metric", "sources"), "1"),
    }  # fmt: skip
    return Figure(estimate=estimate, **(defaults | fields))


def a_later_figure(estimate=0.012, **fields):
    return a_figure(estimate, **({"measured_at": NOW, "as_of": NOW} | fields))


def resolved(gap):
    return replace(gap, status=GapStatus.RESOLVED, metrics=())


def judged(gap=None, then=None, now=None, others=(), others_now=None):
    """The row of the only impact of a gap that healed between two runs."""
    gap = gap or a_gap()
    before = Before((gap, *others), (then or a_figure(),))
    later = others if others_now is None else others_now
    after = Before((resolved(gap), *later), (now or a_later_figure(),))
    (row,) = calibrate([gap], lambda _: before, after, run_id="run-2", at=NOW)
    return row.outcome


# --- judge: what counts as right -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("healed", "inside"), [(-0.01, True), (0.03, True), (0.01, True), (-0.0101, False), (0.0301, False)]
)
def test_the_healed_estimate_is_inside_the_region_its_ends_included(healed, inside):
    assert judge(a_prediction(), healed).is_inside is inside


def test_a_region_open_on_one_side_is_judged_by_the_other():
    assert judge(a_prediction(lower=None), 0.02).is_inside is True
    assert judge(a_prediction(lower=None), 0.04).is_inside is False


def test_a_region_without_limits_is_not_scored_since_nothing_could_be_outside():
    outcome = judge(a_prediction(lower=None, upper=None), 0.02)
    assert outcome.is_inside is None
    assert outcome.reason == "It set no limit, so nothing could be outside."


@pytest.mark.parametrize("healed", [None, math.nan, math.inf, -math.inf])
def test_without_a_finite_estimate_nothing_is_scored(healed):
    assert judge(a_prediction(), healed) == Outcome(None, reason="There is no estimate now.")


def test_what_cannot_be_compared_keeps_the_estimate_and_scores_nothing():
    assert judge(a_prediction(), 0.02, "The brief was changed.") == Outcome(
        0.02, reason="The brief was changed."
    )


@pytest.mark.parametrize(
    ("direction", "healed", "right"),
    [
        (Direction.INFLATES, 0.002, True),
        (Direction.INFLATES, 0.006, True),  # no bias is no contradiction of "never too bad"
        (Direction.INFLATES, 0.009, False),
        (Direction.DEFLATES, 0.009, True),
        (Direction.DEFLATES, 0.002, False),
        (Direction.TOWARD_ZERO, 0.009, True),
        (Direction.TOWARD_ZERO, 0.002, False),
        (Direction.TOWARD_ZERO, -0.009, False),
        (Direction.EITHER, 0.002, None),
        (Direction.NONE, 0.002, None),
    ],
)
def test_a_proven_direction_is_held_against_the_sign_of_what_went_away(direction, healed, right):
    assert judge(a_prediction(direction=direction), healed).direction_right is right


@pytest.mark.parametrize(
    ("expected", "healed", "right"),
    [
        (Direction.INFLATES, 0.002, True),
        (Direction.INFLATES, 0.009, False),
        (Direction.DEFLATES, 0.009, True),
        (Direction.DEFLATES, 0.006, False),  # it guessed a side, and there was none
        (Direction.EITHER, 0.009, None),
        (Direction.NONE, 0.009, None),
        (Direction.TOWARD_ZERO, 0.009, None),
    ],
)
def test_a_guess_is_right_only_where_the_estimate_moved_that_way(expected, healed, right):
    assert judge(a_prediction(expected_direction=expected), healed).expected_right is right


def test_where_lower_is_better_a_higher_value_makes_the_treatment_look_worse():
    times = {"better": Better.LOWER, "unmitigated": -0.17, "lower": -0.3, "upper": 0.1}
    outcome = judge(
        a_prediction(direction=Direction.INFLATES, expected_direction=Direction.DEFLATES, **times), -0.1
    )
    assert (outcome.direction_right, outcome.expected_right) == (True, False)


@pytest.mark.parametrize("missing", [{"unmitigated": None}, {"unmitigated": math.nan}, {"better": None}])
def test_without_the_unrepaired_estimate_no_direction_is_scored(missing):
    outcome = judge(
        a_prediction(direction=Direction.INFLATES, expected_direction=Direction.INFLATES, **missing), 0.01
    )
    assert (outcome.is_inside, outcome.direction_right, outcome.expected_right) == (True, None, None)


def test_a_point_claims_that_nothing_is_left_and_is_told_apart_from_a_range():
    assert a_prediction(lower=0.005, upper=0.005).claim is Claim.POINT
    assert a_prediction().claim is Claim.RANGE
    assert a_prediction(lower=None, upper=None).claim is None
    assert judge(a_prediction(lower=0.005, upper=0.005), 0.005 + 1e-12).is_inside is True
    assert judge(a_prediction(lower=0.005, upper=0.005), 0.0051).is_inside is False


number = st.none() | st.floats(-1, 1) | st.sampled_from([math.nan, math.inf, -math.inf])


@settings(max_examples=150, deadline=None)
@given(number, number, number, number, st.sampled_from(Direction), st.sampled_from(Direction))
def test_no_figure_makes_judge_score_what_cannot_be_compared(lower, upper, raw, healed, proven, guess):
    prediction = a_prediction(
        lower=lower, upper=upper, unmitigated=raw, direction=proven, expected_direction=guess
    )
    refused = judge(prediction, healed, "not comparable")
    assert (refused.is_inside, refused.direction_right, refused.expected_right) == (None, None, None)
    outcome = judge(prediction, healed)
    assert (outcome.is_inside is None) == (outcome.reason is not None)
    if healed is None or not math.isfinite(healed):
        assert (outcome.healed, outcome.is_inside, outcome.direction_right) == (None, None, None)


# --- what is compared at all ---------------------------------------------------------------------


def test_a_gap_that_healed_alone_is_scored():
    assert judged() == Outcome(0.012, True, None, False, None)


@pytest.mark.parametrize("part", ["experiment", "brief", "metric", "sources"])
def test_a_changed_basis_makes_two_estimates_incomparable(part):
    changed = a_later_figure(basis=a_figure().basis | {part: "2"})
    assert "changed since" in judged(now=changed).reason
    unknown = {name: digest for name, digest in a_figure().basis.items() if name != part}
    assert "changed since" in judged(then=a_figure(basis=unknown), now=a_later_figure(basis=unknown)).reason


def test_a_metric_that_counts_every_later_row_is_compared_at_one_clock_only():
    then, later = a_figure(is_timeless=False), a_later_figure(is_timeless=False)
    assert judged(then=then, now=later).reason == "The metric counts every later row, and as_of has moved."
    assert judged(then=then, now=replace(later, as_of=then.as_of)).is_inside is True


def test_a_cohort_of_another_size_is_another_cohort():
    assert judged(now=a_later_figure(requests=9_001)).reason == (
        "The cohort has 9,001 requests now and had 9,000."
    )


def test_requests_that_come_back_are_what_orphans_were_about():
    orphans = a_gap("orphan_rows", "quotes")
    assert judged(orphans, now=a_later_figure(requests=9_010)).is_inside is True
    assert "9,000" in judged(orphans, now=a_later_figure(requests=8_990)).reason


def test_the_range_of_a_late_source_is_about_everybody_so_everybody_must_be_old_enough():
    then = a_figure(too_young=700)
    assert judged(then=then, now=a_later_figure(too_young=0)).is_inside is True
    assert "still too young" in judged(then=then, now=a_later_figure(too_young=10)).reason


def test_the_range_of_another_gap_is_about_those_who_were_old_enough_then():
    nulls = a_gap("missing_values", "hires", "hired_at")
    then = a_figure(too_young=700)
    assert "too young for an outcome then" in judged(nulls, then=then).reason
    same_clock = a_later_figure(as_of=THEN, too_young=700)
    assert judged(nulls, then=then, now=same_clock).is_inside is True


def test_a_run_that_kept_no_estimates_cannot_be_held_to_its_predictions():
    gap = a_gap()
    for before in (Before((), ()), Before((gap,), (a_figure(estimate=0.009),))):
        (row,) = calibrate([gap], lambda _, b=before: b, Before((), (a_later_figure(),)), run_id="r", at=NOW)
        assert "did not record" in row.outcome.reason


def test_the_experiment_of_an_impact_is_told_by_its_estimate_and_never_guessed():
    gap = a_gap()
    other = a_figure(0.2, experiment="search_v1")
    now = Before((resolved(gap),), (a_later_figure(), a_later_figure(0.3, experiment="search_v1")))
    (row,) = calibrate([gap], lambda _: Before((gap,), (other, a_figure())), now, run_id="r", at=NOW)
    assert (row.prediction.experiment, row.outcome.healed) == (EXPERIMENT, 0.012)
    twins = (a_figure(), a_figure(experiment="search_v1"))
    (row,) = calibrate([gap], lambda _: Before((gap,), twins), now, run_id="r", at=NOW)
    assert "Several experiments" in row.outcome.reason
    assert row.outcome.is_inside is None


def test_another_gap_that_stayed_as_it_was_moves_neither_estimate():
    assert judged(others=(a_gap("missing_values", "hires", "hired_at"),)).is_inside is True


def test_another_gap_that_changed_closed_or_opened_may_have_moved_the_estimate():
    other = a_gap("missing_values", "hires", "hired_at")
    larger = replace(other, rows_affected=120)
    uncounted = replace(other, rows_total=None, rows_affected=None)
    assert "changed too" in judged(others=(other,), others_now=(larger,)).reason
    assert "changed too" in judged(others=(uncounted,), others_now=(uncounted,)).reason
    assert "closed too" in judged(others=(other,), others_now=(resolved(other),)).reason
    assert "closed too" in judged(others=(other,), others_now=()).reason
    assert "opened since" in judged(others=(), others_now=(other,)).reason


def test_another_gap_whose_repair_leaves_nothing_open_may_come_and_go():
    other = a_gap("duplicate_rows", "quotes", impact=a_point())
    assert judged(others=(other,), others_now=(replace(other, rows_affected=500),)).is_inside is True
    assert judged(others=(other,), others_now=(resolved(other),)).is_inside is True
    elsewhere = a_gap("missing_values", "quotes", "price", impact=an_impact(metric="gmv_per_request"))
    assert judged(others=(), others_now=(elsewhere,)).is_inside is True


def test_gaps_of_one_loss_are_one_prediction_and_only_once_all_of_it_healed():
    quotes, messages = (a_gap("orphan_rows", table) for table in ("quotes", "messages"))
    assert "still open" in judged(quotes, others=(messages,)).reason
    before = Before((quotes, messages), (a_figure(),))
    now = Before((resolved(quotes), resolved(messages)), (a_later_figure(),))
    rows = calibrate([quotes, messages], lambda _: before, now, run_id="r", at=NOW)
    assert sorted(row.outcome.is_inside is True for row in rows) == [False, True]
    assert any("told the same" in (row.outcome.reason or "") for row in rows)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["basis", "requests", "as_of", "too_young", "opened", "closed"]), st.floats(-0.05, 0.05)
)
def test_whether_a_prediction_is_scored_never_depends_on_how_it_came_out(what, healed):
    other = a_gap("missing_values", "hires", "hired_at")
    now = {
        "basis": a_later_figure(healed, basis={}),
        "requests": a_later_figure(healed, requests=1),
        "as_of": a_later_figure(healed, is_timeless=False),
        "too_young": a_later_figure(healed, too_young=3),
    }.get(what, a_later_figure(healed))
    others = (other,) if what == "closed" else ()
    others_now = (other,) if what == "opened" else ()
    outcome = judged(now=now, others=others, others_now=others_now)
    assert outcome.reason is not None
    assert (outcome.is_inside, outcome.direction_right, outcome.expected_right) == (None, None, None)


def test_only_what_a_run_measured_as_gone_has_healed():
    gaps = [a_gap("missing_values", "hires", name) for name in ("hired_at", "amount", "outcome")]
    by_run, by_person, other = (
        GapEvent("run-2", NOW, gap.gap_id, event, "open", "resolved", by)
        for gap, event, by in zip(
            gaps,
            (EventKind.RESOLVED, EventKind.RESOLVED, EventKind.ACKNOWLEDGED),
            (None, "Ada", None),
            strict=True,
        )
    )
    assert healed_gaps(gaps, [by_run, by_person, other]) == (gaps[0],)


# --- the record ----------------------------------------------------------------------------------


def a_row(outcome, run_id="run-2", **fields):
    return CalibrationRow(run_id, NOW, a_prediction(**fields), outcome)


def test_nothing_scored_is_no_share_at_all():
    record = track_record([a_row(Outcome(0.01, reason="The brief was changed since."))])
    assert (record.ranges.scored, record.ranges.share, record.gaps, record.incomparable) == (0, None, 0, 1)


def test_ranges_points_and_directions_are_counted_apart():
    rows = [
        a_row(Outcome(0.01, True, None, True)),
        a_row(Outcome(0.05, False, True, None), metric="hire_rate_3d"),
        a_row(Outcome(0.005, True), lower=0.005, upper=0.005, kind="duplicate_rows", gap_id="gap-2"),
        a_row(Outcome(0.01, reason="The brief was changed since."), gap_id="gap-3"),
    ]
    record = track_record(rows)
    assert [(t.scored, t.held) for t in (record.ranges, record.points)] == [(2, 1), (1, 1)]
    assert [(t.scored, t.held) for t in (record.directions, record.guesses)] == [(1, 1), (1, 1)]
    assert (record.gaps, record.incomparable) == (2, 1)
    by_kind = records_by_kind(rows)
    assert list(by_kind) == ["duplicate_rows", "stale_source"]
    assert by_kind["duplicate_rows"].points.share == 1.0


# --- the tables ----------------------------------------------------------------------------------


def test_what_was_judged_and_estimated_is_read_back_as_it_was():
    rows = (
        a_row(Outcome(0.01, True, None, False, None)),
        a_row(
            Outcome(None, reason="There is no estimate now."),
            made_at=None,
            better=None,
            lower=None,
            metric="z",
        ),
    )
    figures = (a_figure(), a_figure(None, metric="ttfq_median", too_young=4))
    with duckdb.connect() as session:
        prepare(session)
        append_calibration(session, rows)
        append_figures(session, "run-1", figures)
        assert read_calibration(session) == rows
        assert figures_at(session, THEN) == figures
        assert figures_at(session, NOW) == ()


def test_the_register_of_an_earlier_run_is_found_by_when_it_began():
    gap = a_gap()
    with duckdb.connect() as session:
        prepare(session)
        append_run(
            session, RunRecord("run-1", THEN, THEN, (gap, a_gap("orphan_rows", status=GapStatus.RESOLVED)))
        )
        append_run(session, RunRecord("run-2", NOW, NOW, (resolved(gap),)))
        assert gaps_at(session, THEN) == (gap,)
        assert gaps_at(session, NOW) == gaps_at(session, None) == ()


def test_a_spoiled_row_is_an_error_and_no_score():
    with duckdb.connect() as session:
        prepare(session)
        append_calibration(session, [a_row(Outcome(0.01, True))])
        append_figures(session, "run-1", [a_figure()])
        session.execute("update plumbline_register.calibration set direction = 'sideways'")
        session.execute("update plumbline_register.metric_history set basis = '{'")
        with pytest.raises(NotEvaluatedError, match="run-2"):
            read_calibration(session)
        with pytest.raises(NotEvaluatedError, match="can't be read"):
            figures_at(session, THEN)
