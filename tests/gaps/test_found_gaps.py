"""Which measured rows are gaps."""

import pytest
from small_worlds import CONTROL, EXPERIMENT, HALVES, TREATMENT, row

from dagster_pipeline.gaps.found import found_gaps

SPLITS = {EXPERIMENT: HALVES}


def arms(kind, source, column=None, **by_arm):
    """The rows of the arms: arm=(affected, total)."""
    return [
        row(kind, source, column, arm, total, affected, experiment=EXPERIMENT)
        for arm, (affected, total) in by_arm.items()
    ]


def units(segment=None, experiment=EXPERIMENT, **counts):
    return [
        row(
            "sample_ratio_mismatch",
            "assignments",
            "variant",
            arm,
            n,
            None,
            experiment=experiment,
            segment=segment,
            is_gap=None,
        )
        for arm, n in counts.items()
    ]


def test_one_gap_per_kind_table_and_column_however_many_arms_and_experiments_were_measured():
    rows = [
        row("missing_values", "quotes", "price"),
        row("missing_values", "quotes", "quoted_at"),
        row("missing_values", "hires", "amount"),
        row("duplicate_rows", "quotes"),
        *arms("missing_values", "quotes", "price", control=(5, 50), treatment=(5, 50)),
        *arms("duplicate_rows", "quotes", control=(1, 50), treatment=(9, 50)),
    ]
    places = [(g.kind, g.source, g.column) for g in found_gaps(rows, SPLITS)]
    assert len(places) == len(set(places)) == 4


def test_what_is_no_gap_is_left_out():
    rows = [
        row("duplicate_rows", "quotes", affected=0, is_gap=False),
        *arms("duplicate_rows", "quotes", control=(0, 50)),
    ]
    assert found_gaps(rows, SPLITS) == ()


def test_shares_are_by_arm_in_the_designs_order_and_arms_without_rows_are_left_out():
    rows = [
        row("duplicate_rows", "quotes", total=200, affected=20, residual=5),
        *arms("duplicate_rows", "quotes", unknown=(1, 10), treatment=(4, 40), empty=(0, 0), control=(10, 50)),
    ]
    (gap,) = found_gaps(rows, SPLITS)
    assert list(gap.by_variant.items()) == [(CONTROL, 0.2), (TREATMENT, 0.1), ("unknown", 0.1)]
    assert (gap.share_affected, gap.share_residual) == (0.1, 0.025)
    assert gap.experiment is None


def test_a_defect_that_differs_only_from_those_without_an_arm_is_not_differential():
    """That rows without an arm are worse says nothing of the comparison of the arms."""
    alike = arms(
        "missing_values", "quotes", "price", control=(10, 10_000), treatment=(10, 10_000), unknown=(900, 1000)
    )
    apart = arms("missing_values", "quotes", "price", control=(10, 10_000), treatment=(90, 10_000))
    whole = row("missing_values", "quotes", "price", total=21_000, affected=920)
    assert not found_gaps([whole, *alike], SPLITS)[0].differential
    assert found_gaps([whole, *apart], SPLITS)[0].differential


def test_a_gap_about_no_experiment_shows_its_arms_in_the_first_one_configured():
    rows = [
        row("duplicate_rows", "quotes"),
        row("duplicate_rows", "quotes", None, "new", 10, 1, experiment="ranking"),
        *arms("duplicate_rows", "quotes", control=(1, 50)),
    ]
    splits = SPLITS | {"ranking": {"old": 0.5, "new": 0.5}}
    assert list(found_gaps(rows, splits)[0].by_variant) == [CONTROL]


def test_a_missing_arm_is_a_gap_of_each_experiment():
    rows = [row("missing_variant", "requests", experiment=e) for e in (EXPERIMENT, "ranking")]
    assert [g.experiment for g in found_gaps(rows, SPLITS)] == [EXPERIMENT, "ranking"]


def test_shares_are_null_where_rows_can_not_be_counted():
    (gap,) = found_gaps([row("stale_source", "hires", affected=None)], SPLITS)
    assert gap.share_affected is None
    assert gap.share_residual is None


# --- the ratio test ----------------------------------------------------------------------------


def test_a_ratio_far_off_the_design_is_a_gap_with_its_units_and_figures():
    (gap,) = found_gaps(units(control=10_000, treatment=9_000), SPLITS)
    assert (gap.kind, gap.experiment, gap.source, gap.column) == (
        "sample_ratio_mismatch",
        EXPERIMENT,
        "assignments",
        "variant",
    )
    assert gap.units == {CONTROL: 10_000, TREATMENT: 9_000}
    assert "10,000 of 19,000" in gap.note
    assert "50.0%" in gap.note


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
    assert bool(found_gaps(units(control=control, treatment=treatment), SPLITS)) is fires


def test_segments_share_the_other_half_of_the_false_alarms():
    """The same counts that alarm alone do not among many segments."""
    counts = {CONTROL: 5_182, TREATMENT: 4_818}  # p = 0.00027
    alone = units("category=a", **counts)
    others = [r for i in range(20) for r in units(f"category=b{i}", control=500, treatment=500)]
    assert [g.segment for g in found_gaps(alone, SPLITS)] == ["category=a"]
    assert found_gaps([*alone, *others], SPLITS) == ()


def test_an_arm_without_any_unit_counts_as_none():
    (gap,) = found_gaps(units(control=1000), SPLITS)
    assert gap.units == {CONTROL: 1000, TREATMENT: 0}


def test_a_unit_in_an_arm_that_should_get_none_refutes_the_design():
    splits = {EXPERIMENT: HALVES | {"holdout": 0.0}}
    (gap,) = found_gaps(units(control=500, treatment=500, holdout=5), splits)
    assert gap.units["holdout"] == 5


def test_an_experiment_that_is_not_configured_is_not_tested():
    assert found_gaps(units(experiment="another", control=1000), SPLITS) == ()
