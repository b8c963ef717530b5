"""Arms that differed before the experiment began: a covariate of the customers' past, by the arm their units drew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gaps.drifts import p_words
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.statistics.imbalance import Covariate, Imbalance, imbalance

ALPHA = 0.001
"""False-alarm rate of a whole run, split over experiments, covariates and treatments.

pre_period_products keeps the histograms of an adjustment from 3 standard errors on: more than any p below this needs.
"""

_KIND = "pre_exposure_imbalance"
_LABELS = {
    "requests": "requests before",
    "hired_within_7d": "requests before that were hired within 7 days",
    "quoted_within_30m": "requests before that were quoted within 30 minutes",
}


@dataclass(frozen=True)
class _Arm:
    """An arm's sums of one covariate, and its sum on the plain scale."""

    sums: Covariate
    total: float


@dataclass(frozen=True)
class _Tested:
    """One treatment against the control in one covariate."""

    experiment: str
    covariate: str
    names: tuple[str, str]
    arms: tuple[_Arm, _Arm]
    found: Imbalance


def found_imbalance(measurements: Measurements, experiments: Sequence[Experiment]) -> Iterator[FoundGap]:
    """A gap for every experiment whose arms differ in a covariate from before it; it says which, and by how much."""
    tested = list(_tests(measurements.tables.get("pre_period_sums", ()), experiments))
    for experiment in experiments:
        fired = [t for t in tested if t.experiment == experiment.id and t.found.p < ALPHA / len(tested)]
        if fired:
            note = "; ".join(_words(t) for t in sorted(fired, key=lambda t: t.found.p))
            yield FoundGap(_KIND, experiment.id, "requests", "customer_id", None, None, None, None, note=note)


def _tests(rows: Sequence[Mapping[str, Any]], experiments: Sequence[Experiment]) -> Iterator[_Tested]:
    arms = {(row["experiment_id"], row["covariate"], row["variant"]): _arm(row) for row in rows}
    for experiment in experiments:
        for covariate in _LABELS:
            control = arms.get((experiment.id, covariate, experiment.control))
            for treatment in experiment.treatments:
                treated = arms.get((experiment.id, covariate, treatment))
                if treated is None or control is None:
                    continue
                found = imbalance(treated.sums, control.sums)
                if found is not None:
                    names = (treatment, experiment.control)
                    yield _Tested(experiment.id, covariate, names, (treated, control), found)


def _arm(row: Mapping[str, Any]) -> _Arm:
    return _Arm(Covariate(row["n_units"], row["x"], row["xx"], row["xxx"]), row["total"])


def _words(tested: _Tested) -> str:
    means = [arm.total / arm.sums.n for arm in tested.arms]
    if tested.covariate == "requests":
        shown = [f"{mean:.3f} a unit" for mean in means]
    else:
        shown = [f"{mean:.1%}" for mean in means]
    told = " against ".join(
        f"{name} {figure} of {arm.sums.n:,}"
        if tested.covariate != "requests"
        else f"{name} {figure} ({arm.sums.n:,})"
        for name, figure, arm in zip(tested.names, shown, tested.arms, strict=True)
    )
    return f"{_LABELS[tested.covariate]}: {told} (p {p_words(tested.found.p)})"
