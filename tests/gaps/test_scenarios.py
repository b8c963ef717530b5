"""The brief's answers at the ends of what the gaps allow, and the skew scenarios, which are no bounds."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import (
    CONTROL,
    EXPERIMENT,
    HALVES,
    TREATMENT,
    UNKNOWN,
    Request,
    config,
    definition,
    design,
    level_of,
    mapping,
    measure,
    row,
)

from dagster_pipeline.config.brief import Brief, Criterion, Guardrail
from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gaps.effects import EffectCalculator, OpenGaps
from dagster_pipeline.gaps.evidence import EvidenceReader, statistic_of
from dagster_pipeline.gaps.measurements import Cohort, Measurements
from dagster_pipeline.gaps.scenarios import OF_PROS, skewed_estimate
from dagster_pipeline.statistics.effects import effect
from dagster_pipeline.statistics.evidence import Cells, Moments

VECTORS = json.loads((Path(__file__).parents[1] / "statistics" / "vectors.json").read_text())
SHARE, RATIO, MEDIAN, PROS = "hire_rate_7d", "refund_rate", "ttfq_median", "pro_return_rate_7d"
HIRES = Criterion(metric=SHARE, min_delta=-0.005, min_bound=-0.010)


def hired(counts, gaps=()):
    """Measurements of requests with an outcome: arm → (requests, of them hired)."""
    moments, cells = {}, {}
    for arm, (n, ones) in counts.items():
        cohort = Cohort(EXPERIMENT, None, SHARE, arm)
        sums = Moments(n, n, float(ones), float(n), float(ones), float(n), float(ones))
        values = np.array([1.0, 0.0])
        for reading in ("repaired", "joint_low", "joint_high", "variant_from_quotes"):
            moments[reading, cohort] = sums
        for basis in ("observed", "joint"):
            cells[basis, cohort] = Cells(values, values, np.ones(2), np.array([ones, n - ones]))
    unknown = counts.get(UNKNOWN, (0, 0))[0]
    total = sum(n for n, _ in counts.values())
    missing = [row("missing_variant", "requests", experiment=EXPERIMENT, total=total, affected=unknown)]
    return Measurements(moments, {}, cells, {}, tuple(missing if unknown else ()), {}, frozenset())


def skews(name, requests):
    """The two scenarios' effects on a metric."""
    measured = measure({name: requests})
    calculator = EffectCalculator(EvidenceReader(measured, design()), design(), 0.90, OpenGaps())
    evidence = calculator.reader.observed(statistic_of(definition(name)))
    return [skewed_estimate(calculator, evidence, TREATMENT, arm) for arm in (TREATMENT, CONTROL)]


def rows_of(measured, *rules, name=SHARE):
    guards = tuple(rule for rule in rules if isinstance(rule, Guardrail))
    criteria = tuple(rule for rule in rules if isinstance(rule, Criterion))
    brief = Brief(experiment=EXPERIMENT, criteria=criteria, guardrails=guards)
    return assess(config(briefs=[brief]), mapping([name]), measured).experiments[0].scenarios


def test_the_skew_scenarios_are_the_worked_ones_and_the_sharp_bound_lies_far_outside_them():
    """The figures of the vector label_skew_6pct."""
    case = next(v for v in VECTORS if v["id"] == "label_skew_6pct")
    n = case["inputs"]
    counts = {TREATMENT: (n["n_T"], n["s_T"]), CONTROL: (n["n_C"], n["s_C"]), UNKNOWN: (n["m"], n["s_M"])}
    (found,) = rows_of(hired(counts), HIRES)
    assert found.skew.all_in_treatment.value == pytest.approx(case["expected"]["all_T"], abs=1e-9)
    assert found.skew.all_in_control.value == pytest.approx(case["expected"]["all_C"], abs=1e-9)
    assert found.base.value == pytest.approx(case["expected"]["drop"], abs=1e-9)
    assert found.unlabelled == n["m"]
    assert found.worst.value < case["expected"]["all_T"] - 0.01
    assert found.best.value > case["expected"]["all_C"] + 0.01


VALUES = {SHARE: (0.0, 1.0), "quotes_per_request": (0.0, 1.0, 4.0), MEDIAN: (30.0, 60.0, 90.0, math.inf)}


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_skew_is_the_effect_with_those_requests_in_that_arm(name, data):
    values = st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=5)
    t, c, rest = (data.draw(values) for _ in range(3))
    requests = [Request(arm, y) for arm, ys in ((TREATMENT, t), (CONTROL, c), (UNKNOWN, rest)) for y in ys]
    metric = statistic_of(definition(name))
    for found, (of_t, of_c) in zip(skews(name, requests), ((t + rest, c), (t, c + rest)), strict=True):
        levels = [level_of(ys, metric) for ys in (of_t, of_c)]
        expected = effect(*[None if math.isinf(level) else level for level in levels], metric)
        assert found.value == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_a_skewed_ratio_takes_both_its_sums_along():
    requests = [
        Request(TREATMENT, 1.0, d=2.0),
        Request(CONTROL, 1.0, d=4.0),
        Request(UNKNOWN, 3.0, d=3.0),
    ]
    in_treatment, in_control = (found.value for found in skews(RATIO, requests))
    assert in_treatment == pytest.approx(4 / 5 - 1 / 4)
    assert in_control == pytest.approx(1 / 2 - 4 / 7)


def test_a_coarse_histogram_moves_a_skewed_median_by_no_more_than_half_a_bin():
    seconds = np.random.default_rng(5).lognormal(7, 1, size=900)
    requests = [
        Request(arm, float(round(y)))
        for arm, ys in zip((TREATMENT, CONTROL, UNKNOWN), np.split(seconds, 3), strict=True)
        for y in ys
    ]
    measured = measure({MEDIAN: requests})
    binned = {key: cells_in_bins(cells) for key, cells in measured.cells.items()}
    exact = [found.value for found in skews(MEDIAN, requests)]
    reader = EvidenceReader(type(measured)(**{**vars(measured), "cells": binned}), design())
    calculator = EffectCalculator(reader, design(), 0.90, OpenGaps())
    evidence = reader.observed(statistic_of(definition(MEDIAN)))
    for arm, expected in zip((TREATMENT, CONTROL), exact, strict=True):
        found = skewed_estimate(calculator, evidence, TREATMENT, arm)
        assert found.value == pytest.approx(expected, abs=0.003 * (1 + expected))
        assert found.ci_lower <= found.value <= found.ci_upper


def cells_in_bins(cells):
    """Every value widened to a bin of half a per cent, as the warehouse's histograms have them."""
    low, high = cells.low * 0.9975, cells.high * 1.0025
    return type(cells)(low, high, cells.d, cells.count)


def test_where_every_request_has_an_arm_there_is_no_skew_and_nothing_is_open():
    (found,) = rows_of(hired({TREATMENT: (1000, 124), CONTROL: (1000, 120)}), HIRES)
    assert found.skew is None
    assert found.unlabelled == 0
    assert not found.is_open
    assert found.best.value == found.base.value == found.worst.value


def test_best_and_worst_are_the_ends_on_the_rules_own_sides():
    """A criterion on a rate fears the lower end, a guardrail on an increase the upper one."""
    world = hired({TREATMENT: (9000, 1116), CONTROL: (9000, 1080), UNKNOWN: (1000, 120)})
    criterion, guardrail = rows_of(world, HIRES, Guardrail(metric=SHARE, max_increase=0.02))
    assert criterion.worst.value < criterion.base.value < criterion.best.value
    assert criterion.worst.limit < criterion.worst.value
    assert (guardrail.worst.value, guardrail.best.value) == (criterion.best.value, criterion.worst.value)
    assert criterion.is_open


@pytest.mark.parametrize(
    ("lift", "unlabelled", "outcomes"),
    [
        (0.010, 60, (Outcome.PASSED, Outcome.PASSED, Outcome.PASSED)),
        (0.004, 2000, (Outcome.PASSED, Outcome.PASSED, Outcome.FAILED)),
        (-0.008, 2000, (Outcome.PASSED, Outcome.FAILED, Outcome.FAILED)),
        (-0.060, 60, (Outcome.FAILED, Outcome.FAILED, Outcome.FAILED)),
    ],
)
def test_the_answer_never_gets_better_from_best_to_worst(lift, unlabelled, outcomes):
    arms = {TREATMENT: (20_000, round(20_000 * (0.12 + lift))), CONTROL: (20_000, 2_400)}
    (found,) = rows_of(hired(arms | {UNKNOWN: (unlabelled, round(unlabelled * 0.12))}), HIRES)
    assert (found.best.outcome, found.base.outcome, found.worst.outcome) == outcomes


def test_a_metric_that_was_not_computed_has_no_figure_in_any_case():
    brief = Brief(experiment=EXPERIMENT, criteria=(HIRES,))
    found = assess(config(briefs=[brief]), mapping([]), measure({}))
    (missing,) = found.experiments[0].scenarios
    cases = (missing.best, missing.base, missing.worst)
    assert {case.value for case in cases} == {None}
    assert {case.outcome for case in cases} == {Outcome.MISSING}
    assert all(case.reason for case in cases)


def test_a_region_without_a_limit_leaves_that_case_unanswered():
    """A late hires table leaves refunds without a limit: no case but the estimate can be told."""
    requests = [Request(arm, y) for arm in (TREATMENT, CONTROL) for y in (0.0, 0.0, 1.0)]
    late = row("stale_source", "hires", affected=None, total=None, note="late")
    rule = Criterion(metric=RATIO, min_delta=-0.5)
    (found,) = rows_of(measure({RATIO: requests}, rows=[late]), rule, name=RATIO)
    assert found.base.outcome is Outcome.PASSED
    assert (found.worst.value, found.worst.outcome) == (None, Outcome.MISSING)
    assert found.worst.reason


def test_a_pro_is_in_no_arm_that_a_skew_could_give_him():
    requests = [Request(arm, y) for arm in (*HALVES, UNKNOWN) for y in (0.0, 1.0)]
    (found,) = rows_of(measure({PROS: requests}), Criterion(metric=PROS, min_delta=-1.0), name=PROS)
    assert found.skew.all_in_treatment.reason == OF_PROS
    assert found.skew.all_in_treatment.outcome is Outcome.MISSING


def severity_reason(counts, from_quotes):
    """What is said of requests without an arm, where the quotes alone give the arms of ``from_quotes``."""
    joined, quoted = hired(counts), hired(from_quotes)
    read = {key: value for key, value in joined.moments.items() if key[0] != "variant_from_quotes"}
    read |= {key: value for key, value in quoted.moments.items() if key[0] == "variant_from_quotes"}
    brief = Brief(experiment=EXPERIMENT, criteria=(HIRES,))
    (gap,) = assess(config(briefs=[brief]), mapping([SHARE]), replace(joined, moments=read)).gaps
    return gap.severity, gap.severity_reason


JOINED = {TREATMENT: (18_800, 2_350), CONTROL: (18_800, 2_256), UNKNOWN: (2_400, 264)}
QUOTED = {TREATMENT: (16_400, 2_050), CONTROL: (16_400, 1_968), UNKNOWN: (7_200, 852)}


def test_the_join_makes_a_blocker_of_18_per_cent_a_high_gap_of_6():
    """The experiment of the vectors tipping_hire_label18 and label_split_18pct, before and after the join."""
    severity, reason = severity_reason(JOINED, QUOTED)
    assert severity is Severity.HIGH
    assert "Without the join, by the variants of the quotes alone, it would be a blocker: " in reason
    share = int(re.search(r"blocker: (\d+)% of the worst case would flip GO to HOLD", reason)[1]) / 100
    tipping = next(v for v in VECTORS if v["id"] == "tipping_hire_label18")
    assert share == pytest.approx(tipping["expected"]["delta_star"], abs=0.02)


def test_a_join_that_saves_nothing_is_not_praised():
    assert "join" not in severity_reason(JOINED, JOINED)[1]
