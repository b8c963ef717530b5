"""Difference in differences against row-level regressions, and against the truth of made-up launches."""

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from dagster_pipeline.statistics.difference_in_differences import (
    CELLS,
    Clusters,
    clustered_variance,
    difference_in_differences,
)
from dagster_pipeline.statistics.evidence import Better, EffectKind, Metric, MetricKind

MEAN = Metric("quotes", MetricKind.MEAN, Better.HIGHER, EffectKind.ABSOLUTE, scale=100.0)
RELATIVE = replace(MEAN, effect=EffectKind.RELATIVE)
SIGNS = np.array([1.0, -1.0, -1.0, 1.0])


def launch(seed, rows=800, days=(6, 9), effect=0.0, exposed=0.5, denominators=False):
    """Rows of a launch: touched or not, before or after, on a day that moves everybody's outcome, in a place."""
    rng = np.random.default_rng(seed)
    after = rng.random(rows) < 0.5
    day = np.where(after, days[0] + rng.integers(0, days[1], rows), rng.integers(0, days[0], rows))
    place = rng.integers(0, 8, rows)
    touched = place < 4
    treated = touched & after & (rng.random(rows) < exposed)
    shock = rng.normal(0, 0.3, sum(days))[day]
    y = 3 + 0.5 * touched + 0.7 * after + shock + effect * treated + rng.normal(0, 1, rows)
    d = rng.integers(1, 4, rows).astype(float) if denominators else np.ones(rows)
    return {"y": y * d, "d": d, "touched": touched, "after": after, "day": day, "place": place}


def clusters(rows, by, stratum):
    names = np.unique(rows[by])
    y, d = np.zeros((len(names), 4)), np.zeros((len(names), 4))
    for column, (touched, after) in enumerate(CELLS):
        inside = (rows["touched"] == touched) & (rows["after"] == after)
        for number, name in enumerate(names):
            y[number, column] = rows["y"][inside & (rows[by] == name)].sum()
            d[number, column] = rows["d"][inside & (rows[by] == name)].sum()
    strata = [int(rows[stratum][rows[by] == name][0]) for name in names]
    return Clusters(y, d, np.array(strata))


def by_day(rows):
    return clusters(rows, "day", "after")


def by_place(rows):
    return clusters(rows, "place", "touched")


def levels_of(found):
    return found.y.sum(axis=0) / found.d.sum(axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_interaction_of_a_regression_on_the_rows(seed):
    rows = launch(seed, effect=1.0)
    design = np.column_stack(
        [np.ones(len(rows["y"])), rows["touched"], rows["after"], rows["touched"] & rows["after"]]
    ).astype(float)
    fitted = sm.OLS(rows["y"], design).fit()
    found = difference_in_differences([by_day(rows)], MEAN, 1.0, 0.90)
    assert found.value == pytest.approx(100 * fitted.params[3], rel=1e-9)
    assert found.control == pytest.approx(fitted.params[:3].sum(), rel=1e-9)
    assert found.treatment == pytest.approx(fitted.params.sum(), rel=1e-9)


@pytest.mark.parametrize(("by", "stratum"), [("day", "after"), ("place", "touched")])
def test_its_error_is_the_clustered_one_of_two_regressions_each_with_its_own_clusters(by, stratum):
    rows = launch(7)
    other = "touched" if stratum == "after" else "after"
    expected = 0.0
    for side in (False, True):
        inside = rows[stratum] == side
        fitted = sm.OLS(
            rows["y"][inside], np.column_stack([np.ones(inside.sum()), rows[other][inside].astype(float)])
        ).fit(cov_type="cluster", cov_kwds={"groups": rows[by][inside], "use_correction": False})
        g = len(np.unique(rows[by][inside]))
        expected += fitted.cov_params()[1, 1] * g / (g - 1)
    found = clusters(rows, by, stratum)
    assert clustered_variance(found, levels_of(found), SIGNS) == pytest.approx(expected, rel=1e-9)


def test_the_interval_has_students_t_of_the_fewest_clusters_and_the_scale_of_the_metric():
    rows = launch(3, days=(4, 9))
    clustering = by_day(rows)
    found = difference_in_differences([clustering], MEAN, 0.5, 0.90)
    error = math.sqrt(clustered_variance(clustering, levels_of(clustering), SIGNS))
    half = 100 * stats.t.ppf(0.95, 3) * error / 0.5
    assert found.lower == pytest.approx(found.value - half)
    assert found.upper == pytest.approx(found.value + half)


def test_a_ratio_and_a_relative_effect_have_the_error_of_their_own_slopes():
    rows = launch(5, effect=0.8, denominators=True)
    clustering = by_day(rows)
    found = difference_in_differences([clustering], RELATIVE, 0.5, 0.90)
    levels = levels_of(clustering)

    def relative(m):
        return (m[3] / (m[2] + m[1] - m[0]) - 1) / 0.5

    steps = np.eye(4) * 1e-6
    slopes = np.array([(relative(levels + s) - relative(levels - s)) / 2e-6 for s in steps])
    error = math.sqrt(clustered_variance(clustering, levels, slopes))
    fewest = min(np.bincount(clustering.stratum))
    assert found.value == pytest.approx(relative(levels))
    assert found.upper - found.value == pytest.approx(stats.t.ppf(0.95, fewest - 1) * error, rel=1e-6)
    assert found.treatment / found.control - 1 == pytest.approx(found.value)


def test_the_widest_of_the_clusterings_counts_and_one_with_a_lone_cluster_does_not():
    rows = launch(11)
    days, places = by_day(rows), by_place(rows)
    alone = [difference_in_differences([c], MEAN, 0.5, 0.90) for c in (days, places)]
    both = difference_in_differences([days, places], MEAN, 0.5, 0.90)
    assert both.upper == pytest.approx(max(found.upper for found in alone))
    assert both.lower == pytest.approx(min(found.lower for found in alone))
    lonely = replace(places, stratum=np.array([1] * 7 + [0]))
    assert difference_in_differences([lonely, days], MEAN, 0.5, 0.90) == alone[0]
    assert difference_in_differences([lonely], MEAN, 0.5, 0.90) is None


def test_there_is_none_without_every_cell_or_with_a_counterfactual_below_zero():
    clustering = by_day(launch(2))
    for column in range(4):
        d = clustering.d.copy()
        d[:, column] = 0
        assert difference_in_differences([replace(clustering, d=d)], MEAN, 0.5, 0.90) is None
    assert difference_in_differences([], MEAN, 0.5, 0.90) is None
    nothing = Clusters(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0, dtype=int))
    assert difference_in_differences([nothing], MEAN, 0.5, 0.90) is None
    falling = clustering.y.copy()
    falling[:, 2] = -10 * clustering.d[:, 2]
    assert difference_in_differences([replace(clustering, y=falling)], RELATIVE, 0.5, 0.90) is None
    assert difference_in_differences([replace(clustering, y=falling)], MEAN, 0.5, 0.90) is not None


def test_it_holds_the_effect_on_the_treated_as_often_as_it_says():
    """Half of the touched were treated: the touched as a whole moved by half the effect."""
    held = 0
    for seed in range(150):
        found = difference_in_differences(
            [by_day(launch(1_000 + seed, rows=400, effect=1.0))], MEAN, 0.5, 0.90
        )
        held += found.lower <= 100.0 <= found.upper
    assert stats.binomtest(held, 150, 0.90).pvalue > 1e-3 or held > 135
