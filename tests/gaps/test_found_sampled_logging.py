"""Sampled logging: declared, found, or neither."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from small_worlds import CONTROL, EXPERIMENT, TREATMENT, UNKNOWN, experiment, fact, measure

from dagster_pipeline.gaps.sampled_logging import found_sampled_logging

QUOTED = fact("quotes", datetime(2026, 11, 5, tzinfo=UTC))


def pairs(name=EXPERIMENT, **arms):
    """arm=(transactions, logged); ``outside`` is the arm null."""
    return [
        {
            "experiment_id": name,
            "variant": None if arm == "outside" else arm,
            "n_transactions": n,
            "n_logged": k,
        }
        for arm, (n, k) in arms.items()
    ]


def found(rows, *experiments, facts=(QUOTED,)):
    measurements = replace(measure({}, facts=facts), tables={"logged_pairs": tuple(rows)})
    return list(found_sampled_logging(measurements, experiments))


def test_a_log_that_holds_a_tenth_of_one_arm_is_found_undeclared():
    rows = pairs(control=(5_000, 4_990), treatment=(5_000, 500), unknown=(100, 60), outside=(900, 100))
    (gap,) = found(rows, experiment())
    assert (gap.kind, gap.experiment, gap.source, gap.column) == (
        "sampled_logging",
        EXPERIMENT,
        "quote_events",
        None,
    )
    assert (gap.rows_total, gap.rows_affected, gap.rows_residual) == (10_100, 10 + 4_500 + 40, 0)
    assert gap.by_variant == pytest.approx({CONTROL: 0.002, TREATMENT: 0.9, UNKNOWN: 0.4})
    assert list(gap.by_variant) == [CONTROL, TREATMENT, UNKNOWN]
    assert gap.differential
    assert "5,550 of 10,100" in gap.note
    assert "treatment 10.0%" in gap.note
    assert "declared" not in gap.note


def test_without_times_in_the_transactional_table_every_unlogged_pair_stays_open():
    rows = pairs(control=(5_000, 2_500), treatment=(5_000, 2_500))
    (gap,) = found(rows, experiment(), facts=(fact("quotes"),))
    assert gap.rows_residual == gap.rows_affected == 5_000
    assert not gap.differential


def test_a_log_that_holds_nearly_everything_is_no_gap_unless_declared_a_sample():
    rows = pairs(control=(5_000, 4_600), treatment=(5_000, 4_700))
    assert found(rows, experiment()) == []
    (gap,) = found(rows, experiment(sampling={"quote_events": {TREATMENT: 0.94}}))
    assert "treatment 94.0% (declared 94.0%)" in gap.note
    assert "contradict" not in gap.note
    assert found(rows, experiment(sampling={"quote_events": {TREATMENT: 1.0}})) == []


def test_a_declared_rate_that_the_log_contradicts_is_said():
    rows = pairs(control=(5_000, 5_000), treatment=(5_000, 2_000))
    (gap,) = found(rows, experiment(sampling={"quote_events": {TREATMENT: 0.1}}))
    assert "treatment 40.0% (declared 10.0%, which the log contradicts: p " in gap.note
    assert "control 100.0% (no rate declared)" in gap.note


def test_without_experiments_all_pairs_are_one_arm():
    rows = pairs("", outside=(1_000, 200))
    (gap,) = found(rows)
    assert (gap.experiment, gap.rows_total, gap.rows_affected, gap.by_variant) == (None, 1_000, 800, {})
    assert gap.note == "the event log holds 200 of 1,000 quoted request–pro pairs (20.0%)"
    assert found(pairs("", outside=(1_000, 950))) == []


def test_each_experiment_has_its_own():
    rows = [
        *pairs(control=(500, 500), treatment=(500, 50)),
        *pairs("ranking", control=(500, 490), treatment=(500, 490)),
    ]
    assert [g.experiment for g in found(rows, experiment(), experiment("ranking"))] == [EXPERIMENT]


def test_other_sources_are_known_by_their_declaration_alone():
    rates = {"hires": {TREATMENT: 0.5}, "messages": {CONTROL: 1.0}, "quote_events": {TREATMENT: 0.1}}
    gaps = found([], experiment(sampling=rates))
    assert [(g.source, g.rows_total, g.rows_affected, g.rows_residual) for g in gaps] == [
        ("quote_events", None, None, None),
        ("hires", None, None, None),
    ]
    assert "hires is declared a sample: control 100.0%, treatment 50.0%" in gaps[1].note


def test_of_a_thousand_logs_that_hold_what_they_should_at_most_a_thousandth_alarms():
    rng, alarms = np.random.default_rng(71), 0
    for _ in range(1000):
        n = rng.integers(20, 3_000, 2)
        logged = rng.binomial(n, rng.uniform(0.9, 1.0))
        rows = pairs(control=(int(n[0]), int(logged[0])), treatment=(int(n[1]), int(logged[1])))
        alarms += len(found(rows, experiment()))
    assert alarms <= 1
