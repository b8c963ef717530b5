"""Arms that differed before the start, from the sums the warehouse gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from dagster_pipeline.gaps.imbalance import found_imbalance
from tests.gaps.small_worlds import CONTROL, EXPERIMENT, TREATMENT, experiment, measure

ONE = (experiment(),)


def row(covariate, variant, x, plain=None, owner=EXPERIMENT):
    x = np.asarray(x, dtype=float)
    total = float(np.sum(x if plain is None else plain))
    return {
        "experiment_id": owner, "variant": variant, "covariate": covariate, "n_units": len(x), "x": float(x.sum()),
        "xx": float((x**2).sum()), "xxx": float((x**3).sum()), "total": total,
    }  # fmt: skip


def requests(variant, counts, owner=EXPERIMENT):
    return row("requests", variant, np.log1p(counts), counts, owner)


def share(variant, hired, units, covariate="hired_within_7d"):
    return row(covariate, variant, [1.0] * hired + [0.0] * (units - hired))


def imbalances(rows, experiments=ONE):
    measured = replace(measure({}), tables={"pre_period_sums": tuple(rows)})
    return list(found_imbalance(measured, experiments))


def test_an_arm_whose_customers_hired_more_before_is_a_gap_of_the_experiment():
    (gap,) = imbalances([share(CONTROL, 480, 4_000), share(TREATMENT, 680, 4_000)])
    assert (gap.kind, gap.experiment, gap.source, gap.column) == (
        "pre_exposure_imbalance", EXPERIMENT, "requests", "customer_id",
    )  # fmt: skip
    assert (gap.rows_total, gap.rows_affected, gap.rows_residual) == (None, None, None)
    assert gap.note.startswith(
        "requests before that were hired within 7 days: treatment 17.0% of 4,000 against control 12.0% of 4,000 (p = "
    )


def test_counts_of_requests_are_tested_on_the_log_scale_and_told_as_they_are():
    (gap,) = imbalances([requests(CONTROL, [0, 1, 1, 2] * 500), requests(TREATMENT, [1, 1, 2, 2] * 500)])
    assert "treatment 1.500 a unit (2,000) against control 1.000 a unit (2,000)" in gap.note


def test_all_covariates_that_differ_are_told_in_one_gap_the_surest_first():
    (gap,) = imbalances(
        [
            share(CONTROL, 480, 4_000), share(TREATMENT, 680, 4_000),
            share(CONTROL, 400, 4_000, "quoted_within_30m"), share(TREATMENT, 900, 4_000, "quoted_within_30m"),
        ]
    )  # fmt: skip
    assert gap.note.index("quoted within 30 minutes") < gap.note.index("hired within 7 days")


def test_arms_that_were_alike_and_arms_that_are_absent_are_silent():
    assert imbalances([share(CONTROL, 480, 4_000), share(TREATMENT, 490, 4_000)]) == []
    assert imbalances([share(CONTROL, 480, 4_000), share("beta", 900, 4_000)]) == []
    assert imbalances([share(CONTROL, 480, 4_000)]) == []
    assert imbalances([]) == []


def test_a_world_without_a_past_is_silent():
    assert imbalances([requests(CONTROL, [0] * 900), requests(TREATMENT, [0] * 800)]) == []


def test_only_the_experiment_that_is_off_is_a_gap():
    experiments = (experiment("one"), experiment("two"))
    rows = [
        requests(CONTROL, [0, 1] * 800, "one"), requests(TREATMENT, [0, 1] * 800, "one"),
        requests(CONTROL, [0, 1] * 800, "two"), requests(TREATMENT, [1, 2] * 800, "two"),
    ]  # fmt: skip
    assert [gap.experiment for gap in imbalances(rows, experiments)] == ["two"]


def test_clean_tables_stay_silent():
    """1,000 clean experiments of 800 customers at 0.1%, one arm a fifth; few have a settled past, some ask very often."""
    rng, alarms = np.random.default_rng(51), 0
    for _ in range(1_000):
        treated = rng.random(800) < 0.2
        counts = np.floor(rng.pareto(1.5, 800))
        settled = rng.random(800) < 0.4
        rows = []
        for variant, own in ((TREATMENT, treated), (CONTROL, ~treated)):
            rows.append(requests(variant, counts[own]))
            for covariate, rate in (("hired_within_7d", 0.08), ("quoted_within_30m", 0.7)):
                past = rng.binomial(1 + np.minimum(counts, 50).astype(int), rate) / (
                    1 + np.minimum(counts, 50)
                )
                rows.append(row(covariate, variant, past[own & settled]))
        alarms += bool(imbalances(rows))
    assert alarms <= stats.binom.isf(1e-3, 1_000, 0.001)
