"""Dashboard figures beside the rebuilt levels: what differs, what is rounding, what can't be compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from dagster_pipeline.gaps.dashboards import agrees, found_dashboards
from dagster_pipeline.gaps.effects import LevelOf
from dagster_pipeline.statistics.evidence import Level
from tests.gaps.small_worlds import AS_OF, CONTROL, EXPERIMENT, TREATMENT, measure

NOW = AS_OF.replace(tzinfo=None)


def level(metric, variant, value, segment=None, reason=None):
    return LevelOf(metric, variant, segment, Level(100, value, reason))


LEVELS = {
    EXPERIMENT: [
        level("hire_rate_7d", CONTROL, 0.1204),
        level("hire_rate_7d", TREATMENT, 0.1254),
        level("ttfq_median", CONTROL, 1_843.25),
        level("quotes_per_request", CONTROL, 3.4321),
        level("hire_rate_7d", CONTROL, 0.5, "category=moving"),
    ]
}


def figure(metric, variant, value, at: datetime | None = NOW, rows=1, status="current"):
    return {
        "metric": metric,
        "variant": variant,
        "value": value,
        "figure_at": at,
        "status": status,
        "n_rows": rows,
    }


def left_out(status, rows):
    return figure(None, None, None, None, rows, status)


def dashboards(*rows, levels=None, freshness=None):
    measured = replace(measure({}), tables={"dashboard_figures": tuple(rows)})
    return list(found_dashboards(measured, LEVELS if levels is None else levels, AS_OF, freshness))


def test_a_figure_off_by_a_tenth_is_a_gap_whose_rows_are_counted():
    (gap,) = dashboards(
        figure("hire_rate_7d", CONTROL, 0.13244, rows=2),
        figure("hire_rate_7d", TREATMENT, 0.1254),
        left_out("superseded", 40),
    )
    assert (gap.kind, gap.experiment, gap.source, gap.column, gap.segment) == (
        "stale_dashboard", None, "dashboards", "value", None,
    )  # fmt: skip
    assert (gap.rows_total, gap.rows_affected, gap.rows_residual) == (43, 2, 0)
    assert gap.note == (
        "hire_rate_7d of control is shown as 0.13244, rebuilt 0.1204, +10.0%; "
        "rows not compared: 40 older than the figure shown now"
    )


@pytest.mark.parametrize("shown", [0.1204, 0.12044, 0.12, 0.1204 * 1.0049])
def test_rounding_is_no_difference(shown):
    assert dashboards(figure("hire_rate_7d", CONTROL, shown)) == []


@pytest.mark.parametrize("shown", [0.1211, 0.13, 0.1, 0.0, 1.0, 12.04])
def test_more_than_rounding_is_one(shown):
    assert len(dashboards(figure("hire_rate_7d", CONTROL, shown))) == 1


def test_a_figure_is_as_precise_as_its_metrics_longest():
    """0.13 alone might be 0.1254 rounded; beside 0.1204 it is 0.1300."""
    assert dashboards(figure("hire_rate_7d", TREATMENT, 0.13)) == []
    pair = (figure("hire_rate_7d", TREATMENT, 0.13), figure("hire_rate_7d", CONTROL, 0.1204))
    assert len(dashboards(*pair)) == 1


def test_whole_seconds_and_one_decimal_are_precise_enough():
    assert (
        dashboards(figure("ttfq_median", CONTROL, 1_843.0), figure("quotes_per_request", CONTROL, 3.4)) == []
    )
    assert dashboards(figure("ttfq_median", CONTROL, 1_900.0))[0].rows_affected == 1


def test_rounding_to_two_digits_or_more_and_no_less_than_whole_units_is_no_difference():
    rng = np.random.default_rng(61)
    for _ in range(2_000):
        true = float(10 ** rng.uniform(-2, 5))
        decimals = max(0, int(rng.integers(1, 6)) - int(np.floor(np.log10(true))))
        shown = round(true, decimals)
        assert agrees(shown, true, 0.5 * 10.0**-decimals), (shown, true)


def test_nought_is_nought():
    nothing = {EXPERIMENT: [level("refund_rate", CONTROL, 0.0)]}
    assert dashboards(figure("refund_rate", CONTROL, 0.0), levels=nothing) == []
    (gap,) = dashboards(figure("refund_rate", CONTROL, 0.07), levels=nothing)
    assert gap.note == "refund_rate of control is shown as 0.07, rebuilt 0"


def test_a_share_in_per_cent_is_told_as_such():
    (gap,) = dashboards(figure("hire_rate_7d", CONTROL, 12.04))
    assert "rebuilt 0.1204 (shown in per cent)" in gap.note


def test_an_infinite_level_differs_from_every_figure_and_a_missing_one_from_none():
    infinite = {EXPERIMENT: [level("ttfq_median", CONTROL, None, reason="infinite")]}
    (gap,) = dashboards(figure("ttfq_median", CONTROL, 1_843.0), levels=infinite)
    assert gap.note == "ttfq_median of control is shown as 1843, rebuilt infinite"
    missing = {EXPERIMENT: [level("ttfq_median", CONTROL, None, reason="no requests")]}
    assert dashboards(figure("ttfq_median", CONTROL, 1_843.0), levels=missing) == []


def test_what_has_no_level_is_said_beside_a_difference_and_is_none_itself():
    everyone = figure("hire_rate_7d", "all", 0.9, rows=3)
    assert dashboards(everyone, left_out("unknown metric", 5)) == []
    (gap,) = dashboards(everyone, left_out("unknown metric", 5), figure("hire_rate_7d", CONTROL, 0.9))
    assert (gap.rows_total, gap.rows_affected) == (9, 1)
    assert gap.note.endswith("rows not compared: 5 of a metric unknown here, 3 without a rebuilt level")


def test_without_experiments_the_figure_of_all_is_compared():
    levels = {None: [level("hire_rate_7d", "all", 0.12)]}
    assert dashboards(figure("hire_rate_7d", "all", 0.12), levels=levels) == []
    assert len(dashboards(figure("hire_rate_7d", "all", 0.2), levels=levels)) == 1


def test_a_figure_is_right_if_it_is_any_experiments():
    levels = {"one": [level("quoted", CONTROL, 0.8)], "two": [level("quoted", CONTROL, 0.6)]}
    assert dashboards(figure("quoted", CONTROL, 0.6), figure("quoted", CONTROL, 0.8), levels=levels) == []
    (gap,) = dashboards(figure("quoted", CONTROL, 0.661), levels=levels)
    assert "rebuilt 0.6," in gap.note


def test_the_largest_differences_are_told_and_the_rest_counted():
    rows = [figure("hire_rate_7d", CONTROL, 0.1204 * (1 + n / 10)) for n in range(1, 6)]
    (gap,) = dashboards(*rows)
    assert [part.rpartition(", ")[2] for part in gap.note.split("; ")[:3]] == ["+50.0%", "+40.0%", "+30.0%"]
    assert "2 more figures differ" in gap.note


def test_how_old_the_figures_are_is_said_where_they_are_older_than_allowed():
    old = figure("hire_rate_7d", CONTROL, 0.9, NOW - timedelta(hours=30))
    assert "the oldest figure shown is 30.0 h behind the clock, allowed 24 h" in dashboards(old)[0].note
    assert "behind the clock" not in dashboards(old, freshness=timedelta(hours=36))[0].note
    assert "behind the clock" not in dashboards(figure("hire_rate_7d", CONTROL, 0.9, None))[0].note


def test_without_dashboards_there_is_nothing_to_say():
    assert dashboards() == []
    assert dashboards(figure("hire_rate_7d", CONTROL, 0.9), levels={}) == []
