"""What gaps leave open of a team's own metrics: nothing is known of them but their form and their rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import CONTROL, TREATMENT, design

from dagster_pipeline.config.metrics import MetricDefinition, MetricTable
from dagster_pipeline.gaps.defined import definition_of, is_of_pros, statistic_of
from dagster_pipeline.gaps.kinds import touched_metrics
from dagster_pipeline.gaps.measurements import NO_MOMENTS
from dagster_pipeline.gaps.opened import UnknownRows, can_count, with_unknown_rows
from dagster_pipeline.gaps.own_metrics import is_anywhere, why_unlimited
from dagster_pipeline.gaps.places import Place
from dagster_pipeline.statistics.evidence import ArmEvidence, Cells, MetricEvidence, Moments
from dagster_pipeline.statistics.regions import joint_region

ROWS = MetricTable("crashes.parquet", "req")


def own(kind="share", follows="either", table=None, y="y", **fields) -> MetricDefinition:
    extra = {"d": "d"} if kind == "ratio" else {"quantile": 0.5} if kind == "quantile" else {}
    return MetricDefinition(
        "mine", kind, "lower", "absolute", y, "Mine", (), is_own=True, follows=follows, table=table, **extra, **fields
    )  # fmt: skip


CRASHES = own("mean", table=ROWS, y="count(*)")


def test_a_metric_carries_the_definition_it_comes_from():
    assert definition_of(statistic_of(CRASHES)) is CRASHES
    assert not is_of_pros(statistic_of(CRASHES))


def test_a_mean_of_ones_own_may_be_negative_and_a_share_may_not():
    assert statistic_of(own("mean")).support == (None, None)
    assert statistic_of(own("share")).support == (0.0, 1.0)


def test_a_gap_of_an_own_table_touches_its_metric_alone():
    other = MetricDefinition("other", "mean", "lower", "absolute", "y", "Other", (), is_own=True)
    assert touched_metrics("orphan_rows", "metric:mine", None, [CRASHES, other]) == [CRASHES]
    assert touched_metrics("missing_values", "quotes", "quoted_at", [CRASHES, other]) == []
    assert touched_metrics("missing_variant", "requests", None, [CRASHES]) == [CRASHES]


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (CRASHES, True),
        (own("mean", table=ROWS, y="COUNT( * )"), True),
        (own("mean", table=ROWS, y="sum(ms)"), False),
        (own("mean", table=MetricTable("c", "req", empty=1.0), y="count(*)"), False),
        (own("ratio", table=ROWS, y="count(*)"), False),
        (own("share", table=ROWS), True),
        (own("quantile", table=ROWS), True),
    ],
)
def test_rows_of_nobody_can_be_counted_only_where_each_adds_one(definition, expected):
    assert can_count(definition, "metric:mine") is expected


@pytest.mark.parametrize(
    ("kind", "column", "found"),
    [
        ("missing_values", "req", UnknownRows("metric:mine", 7)),
        ("missing_values", None, None),
        ("orphan_rows", None, UnknownRows("metric:mine", 7, requests=7)),
        ("conflicting_keys", "id", UnknownRows("metric:mine", 14, counted=True)),
        ("duplicate_rows", None, None),
    ],
)
def test_which_rows_of_an_own_table_may_be_anybodys(kind, column, found):
    assert Place(kind, "metric:mine", column, 7, None, {}).unknown_rows == found


ANYWHERE = [
    (own("share"), "missing_values", "quotes", "quoted_at", True),
    (own("share"), "source_conflict", "quotes", "quoted_at", True),
    (own("share"), "conflicting_keys", "hires", None, True),
    (own("share"), "missing_values", "quotes", "request_id", False),
    (own("share", "less"), "missing_values", "quotes", "quoted_at", False),
    (CRASHES, "conflicting_keys", "requests", None, False),
    (
        own("mean", table=MetricTable("c", "req", "at"), horizon=60),
        "conflicting_keys",
        "requests",
        None,
        True,
    ),
]


@pytest.mark.parametrize(("definition", "kind", "source", "column", "expected"), ANYWHERE)
def test_a_gap_leaves_a_metric_anywhere_only_where_its_form_says_nothing(
    definition, kind, source, column, expected
):
    assert is_anywhere(definition, kind, source, column) is expected


@pytest.mark.parametrize(
    ("definition", "kind", "source", "column", "word"),
    [
        (own("mean"), "timestamp_disorder", "quotes", "quoted_at", "moves"),
        (own("mean"), "orphan_rows", "quotes", None, "outcome"),
        (own("mean", "more"), "orphan_rows", "quotes", None, None),
        (own("mean"), "orphan_rows", "spam_flags", None, None),
        (CRASHES, "orphan_rows", "quotes", None, None),
        (CRASHES, "missing_values", "metric:mine", None, "outcome"),
        (CRASHES, "missing_values", "metric:mine", "req", None),
        (own("mean", table=ROWS, y="sum(ms)"), "missing_values", "metric:mine", "req", "door"),
        (own("ratio", table=ROWS), "conflicting_keys", "metric:mine", "id", "door"),
        (own("ratio", table=ROWS), "duplicate_rows", "metric:mine", None, None),
        (own("mean", table=MetricTable("c", "req", empty=3.0)), "missing_values", "requests", "request_id", "outcome"),
        (own("share"), "orphan_rows", "quotes", None, None),
    ],
)  # fmt: skip
def test_why_a_mean_has_no_limit(definition, kind, source, column, word):
    reason = why_unlimited(definition, kind, source, column, 1)
    assert (reason is None) if word is None else (word in reason)
    assert why_unlimited(definition, kind, source, column, 0) is None


def arm(values) -> ArmEvidence:
    found = np.array(sorted(values), dtype=float)
    n, y = len(found), float(found.sum())
    moments = Moments(n, n, y, n, float((found**2).sum()), n, y)
    return ArmEvidence(moments, Cells(found, found, np.ones(n), np.ones(n, dtype=np.int64)))


def effects_if(values: dict[str, list[float]], rows: int, levels, fills):
    """Every effect there is where at most so many requests have any other value instead."""
    everyone = [(name, i) for name, own in values.items() for i in range(len(own))]
    for wrong in itertools.combinations(everyone, min(rows, len(everyone))):
        for fill in itertools.product(fills, repeat=len(wrong)):
            world = {name: list(own) for name, own in values.items()}
            for (name, i), value in zip(wrong, fill, strict=True):
                world[name][i] = value
            yield levels(world[TREATMENT]) - levels(world[CONTROL])


@settings(max_examples=40)
@given(st.data(), st.integers(0, 2), st.sampled_from(["share", "quantile"]))
def test_rows_of_nobody_may_take_a_request_to_either_end(data, rows, kind):
    choices = [0.0, 1.0] if kind == "share" else [3.0, 5.0, 9.0]
    values = {
        name: data.draw(st.lists(st.sampled_from(choices), min_size=3, max_size=4)) for name in (TREATMENT, CONTROL)
    }  # fmt: skip
    metric = statistic_of(own(kind, table=ROWS))
    evidence = MetricEvidence(metric, CONTROL, design().split, {name: arm(v) for name, v in values.items()})
    region = joint_region(with_unknown_rows(evidence, UnknownRows("metric:mine", rows)), TREATMENT, 0.9)

    def level(found):
        return sum(found) / len(found) if kind == "share" else sorted(found)[(len(found) + 1) // 2 - 1]

    low = -np.inf if region.lower is None else region.lower
    high = np.inf if region.upper is None else region.upper
    fills = [0.0, 1.0] if kind == "share" else [0.0, 4.0, 1e6]
    found = list(effects_if(values, rows, level, fills))
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
    if rows == 0:
        assert (low, high) == (pytest.approx(found[0]), pytest.approx(found[0]))


def test_rows_of_a_request_that_is_nowhere_may_be_of_one_more_request():
    evidence = MetricEvidence(
        statistic_of(own("share", table=ROWS)), CONTROL, design().split, {TREATMENT: arm([0, 1]), CONTROL: arm([0, 1])},
        ArmEvidence(NO_MOMENTS, Cells(*(np.empty(0) for _ in range(3)), np.empty(0, dtype=np.int64))),
    )  # fmt: skip
    opened = with_unknown_rows(evidence, UnknownRows("metric:mine", 1, requests=1))
    assert opened.unlabelled is not None
    assert opened.unlabelled.missing == 1
