"""Which measured rows are gaps."""

from small_worlds import CONTROL, EXPERIMENT, HALVES, TREATMENT, row

from dagster_pipeline.gaps.found import found_gaps

SPLITS = {EXPERIMENT: HALVES}


def arms(kind, source, column=None, **by_arm):
    """The rows of the arms: arm=(affected, total)."""
    return [
        row(kind, source, column, arm, total, affected, experiment=EXPERIMENT)
        for arm, (affected, total) in by_arm.items()
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


def test_what_only_a_statistic_can_judge_is_left_to_it():
    unjudged = [
        row("missing_partition", "quotes", affected=None, is_gap=None),
        *(
            row(
                "sample_ratio_mismatch",
                "assignments",
                "variant",
                arm,
                n,
                None,
                experiment=EXPERIMENT,
                is_gap=None,
            )
            for arm, n in ((CONTROL, 1000), (TREATMENT, 1))
        ),
    ]
    assert found_gaps(unjudged, SPLITS) == ()


def test_shares_are_null_where_rows_can_not_be_counted():
    (gap,) = found_gaps([row("stale_source", "hires", affected=None)], SPLITS)
    assert gap.share_affected is None
    assert gap.share_residual is None
