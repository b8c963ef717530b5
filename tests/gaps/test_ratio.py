"""The ratio test of an experiment: looked at once, or daily."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from small_worlds import AS_OF, CONTROL, EXPERIMENT, HALVES, TREATMENT, experiment, measure, row

from dagster_pipeline.gaps.ratio import found_mismatches

START = date(2026, 10, 1)
RUNNING = AS_OF.replace(month=10, day=20)
EXPERIMENTS = (experiment(),)


def units(segment=None, name=EXPERIMENT, **counts):
    return [
        row("sample_ratio_mismatch", "assignments", "variant", arm, n, None, experiment=name, segment=segment, is_gap=None)
        for arm, n in counts.items()
    ]  # fmt: skip


def days(counts, name=EXPERIMENT):
    """Units by day: arm → a count per day, the last one without a date if it is named ``undated``."""
    return tuple(
        {"experiment_id": name, "variant": arm, "day": START + timedelta(days=i), "n_units": int(n)}
        for arm, series in counts.items()
        for i, n in enumerate(series)
    )


def found(rows, experiments=EXPERIMENTS, as_of=AS_OF, by_day=None):
    tables = {} if by_day is None else {"assignment_days": by_day}
    return list(found_mismatches(replace(measure({}, rows=rows), tables=tables), experiments, as_of))


def daily(counts, **fields):
    """An experiment still running, its units counted by day."""
    totals = {arm: int(sum(series)) for arm, series in counts.items()}
    return found(units(**totals), (experiment(**fields),), RUNNING, days(counts))


# --- looked at once ----------------------------------------------------------------------------


def test_a_ratio_far_off_the_design_is_a_gap_with_its_units_and_figures():
    (gap,) = found(units(control=10_000, treatment=9_000))
    assert (gap.kind, gap.experiment, gap.source, gap.column) == (
        "sample_ratio_mismatch",
        EXPERIMENT,
        "assignments",
        "variant",
    )
    assert gap.units == {CONTROL: 10_000, TREATMENT: 9_000}
    assert (gap.rows_total, gap.rows_affected, gap.rows_residual) == (19_000, None, None)
    assert gap.note.startswith("p = 4e-13, control 10,000 of 19,000 for a design share of 50.0%, treatment")


@pytest.mark.parametrize(
    ("control", "treatment", "fires"),
    [
        (500_000, 500_000, False),
        (50_569, 49_431, True),  # p = 0.0003
        (50_537, 49_463, False),  # p = 0.0007: below 0.001, above half of it
        (10_006_500, 9_993_500, False),  # p = 0.0037
        (100_050_000, 99_950_000, False),  # p of 1e-12, but a deviation of 0.00025 moves no decision
    ],
)
def test_the_whole_experiment_is_tested_at_half_of_the_false_alarms_and_a_least_deviation(
    control, treatment, fires
):
    assert bool(found(units(control=control, treatment=treatment))) is fires


def test_segments_share_the_other_half_of_the_false_alarms():
    """The same counts that alarm alone do not among many segments."""
    counts = {CONTROL: 5_182, TREATMENT: 4_818}  # p = 0.00027
    alone = units("category=a", **counts)
    others = [r for i in range(20) for r in units(f"category=b{i}", control=500, treatment=500)]
    assert [g.segment for g in found(alone)] == ["category=a"]
    assert found([*alone, *others]) == []


def test_an_arm_without_any_unit_counts_as_none():
    (gap,) = found(units(control=1000))
    assert gap.units == {CONTROL: 1000, TREATMENT: 0}


def test_a_unit_in_an_arm_that_should_get_none_refutes_the_design_however_it_is_looked_at():
    split = HALVES | {"holdout": 0.0}
    for looks in ("once", "daily"):
        (gap,) = found(units(control=500, treatment=500, holdout=5), (experiment(split=split, looks=looks),))
        assert gap.units["holdout"] == 5


def test_an_experiment_that_is_not_configured_is_not_tested():
    assert found(units(name="another", control=1000)) == []


def test_of_a_thousand_clean_experiments_looked_at_once_about_one_alarms():
    """All units and three segments share 0.001: five or more of a thousand have a chance of 0.4%."""
    rng, alarms = np.random.default_rng(81), 0
    for _ in range(1000):
        segments = rng.multinomial(int(rng.integers(500, 50_000)), [0.5, 0.3, 0.2])
        treated = rng.binomial(segments, 0.5)
        rows = [
            *units(control=int((segments - treated).sum()), treatment=int(treated.sum())),
            *(
                r
                for i, (n, t) in enumerate(zip(segments, treated, strict=True))
                for r in units(f"category={i}", control=int(n - t), treatment=int(t))
            ),
        ]
        alarms += bool(found(rows))
    assert alarms <= 4


# --- looked at daily ---------------------------------------------------------------------------


def test_until_the_window_ends_the_sequential_test_alone_decides():
    """p of χ² is 0.0003, which one look may act on and the twentieth may not."""
    counts = {CONTROL: [2_528] * 20, TREATMENT: [2_472] * 20}
    assert len(found(units(control=50_560, treatment=49_440), by_day=days(counts))) == 1
    assert daily(counts) == []
    assert daily(counts, looks="once") != []


def test_a_loss_that_goes_on_is_found_with_the_looks_it_took():
    counts = {CONTROL: [1_000] * 15, TREATMENT: [930] * 15}
    (gap,) = daily(counts)
    assert "in the sequential test over 15 daily looks, control 15,000 of 28,950" in gap.note
    assert gap.units == {CONTROL: 15_000, TREATMENT: 13_950}


def test_what_one_look_has_shown_later_looks_can_not_unsay():
    """The units of the first week were lost, the others even it out but for a tenth of a point."""
    broken = {CONTROL: [1_000] * 7 + [1_000] * 13, TREATMENT: [800] * 7 + [1_080] * 13}
    (gap,) = daily(broken)
    even = {CONTROL: [20_000], TREATMENT: [19_640]}
    assert daily(even) == []
    assert gap.units == {CONTROL: 20_000, TREATMENT: 19_640}


def test_a_deviation_too_small_to_matter_is_no_gap_at_any_look():
    counts = {CONTROL: [10_008_000] * 20, TREATMENT: [9_992_000] * 20}
    assert daily(counts) == []


def test_segments_are_left_out_of_daily_looks():
    rows = units("category=a", control=10_000, treatment=5_000)
    assert len(found(rows)) == 1
    assert found(rows, as_of=RUNNING) == []


def test_without_days_the_units_so_far_are_one_look_and_undated_units_come_last():
    totals = units(control=15_000, treatment=13_950)
    (whole,) = found(totals, as_of=RUNNING)
    assert "over 1 daily look," in whole.note
    undated = (*days({CONTROL: [1_000] * 14, TREATMENT: [930] * 14}),
               {"experiment_id": EXPERIMENT, "variant": CONTROL, "day": None, "n_units": 1_000},
               {"experiment_id": EXPERIMENT, "variant": TREATMENT, "day": None, "n_units": 930})  # fmt: skip
    (gap,) = found(totals, as_of=RUNNING, by_day=undated)
    assert "over 14 daily looks," in gap.note
    assert gap.rows_total == 28_950


def test_nobody_assigned_yet_is_no_mismatch():
    assert daily({CONTROL: [], TREATMENT: []}) == []
    assert found([], as_of=RUNNING) == []


@pytest.mark.parametrize(
    "split", [HALVES, {CONTROL: 0.8, TREATMENT: 0.1, "other": 0.1}], ids=["halves", "three arms"]
)
def test_of_a_thousand_clean_experiments_looked_at_daily_none_or_one_alarms(split):
    """The last day's p is the least of all looks, so it counts every alarm there would have been on the way."""
    rng, alarms, arms = np.random.default_rng(91), 0, list(split)
    for _ in range(1000):
        sizes = rng.poisson(float(rng.choice([30, 300, 3_000])), 28)
        drawn = rng.multinomial(sizes, list(split.values()))
        alarms += bool(daily({arm: drawn[:, i] for i, arm in enumerate(arms)}, split=split))
    assert alarms <= 1


def test_what_lost_requests_may_explain_in_a_segment_is_no_mismatch_of_its_own():
    """Their arms are known and their segments are not: overall they count, and any segment may have lost them."""
    in_segments = [*units("category=a", control=5_000, treatment=4_500), *units("category=b", control=5_000, treatment=5_000)]  # fmt: skip
    assert found([*units(control=10_000, treatment=10_000), *in_segments]) == []
    assert [g.segment for g in found([*units(control=10_000, treatment=9_620), *in_segments])] == [
        "category=a"
    ]


def test_requests_without_an_arm_may_be_what_an_arm_lacks():
    """A mismatch that they can explain is theirs to bound; one beyond them is a mismatch of what is left."""
    assert found(units(control=10_000, treatment=9_000, unknown=1_000)) == []
    (gap,) = found(units(control=10_000, treatment=8_000, unknown=1_000))
    assert gap.units == {CONTROL: 10_000, TREATMENT: 9_000}
