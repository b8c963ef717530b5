"""Whom a late source leaves without an outcome: by arm, the requests that its cutoff makes too young."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.config.types import Experiment
from dagster_pipeline.gaps.evidence import REPAIRED
from dagster_pipeline.gaps.found import FoundGap
from dagster_pipeline.gaps.kinds import touched_metrics
from dagster_pipeline.gaps.measurements import Cohort, Measurements
from dagster_pipeline.statistics.differential import differential

KIND = "stale_source"
_EVERYONE = "immature_low"

_Counts = Mapping[str, tuple[int, int]]
"""Arm → (requests that are too young, all requests)."""


def with_immature_shares(
    gaps: Iterable[FoundGap], measurements: Measurements, experiments: Sequence[Experiment]
) -> Iterator[FoundGap]:
    """The gaps, those of late sources with the share of too young requests by arm, in the first experiment."""
    for gap in gaps:
        counts = _counts(gap.source, measurements, experiments) if gap.kind == KIND else {}
        if not counts:
            yield gap
            continue
        shares = {arm: young / n for arm, (young, n) in counts.items()}
        yield replace(gap, by_variant=shares, differential=differential(counts).differential)


def _counts(source: str, measurements: Measurements, experiments: Sequence[Experiment]) -> _Counts:
    """Counted for the metric that waits longest for the source and has somebody old enough; else for the one that waits longest.

    The longer it waits, the more are too young; one for which all are tells nothing of the source.
    """
    touched = touched_metrics(KIND, source, None, metric_definitions().values())
    waiting = sorted((d for d in touched if d.unit == "request"), key=lambda d: -d.horizon)
    for experiment in experiments:
        found = [counts for d in waiting if (counts := _by_arm(measurements, experiment, d.name))]
        if found:
            telling = (c for c in found if any(young < n for young, n in c.values()))
            return next(telling, found[0])
    return {}


def _by_arm(measurements: Measurements, experiment: Experiment, metric: str) -> _Counts:
    counts = {arm: _too_young(measurements, experiment.id, metric, arm) for arm in experiment.split}
    return {arm: found for arm, found in counts.items() if found[1]}


def _too_young(measurements: Measurements, experiment: str, metric: str, arm: str) -> tuple[int, int]:
    cohort = Cohort(experiment, None, metric, arm)
    everyone = measurements.moments.get((_EVERYONE, cohort))
    mature = measurements.moments.get((REPAIRED, cohort))
    n = everyone.n if everyone else 0
    return n - (mature.n if mature else 0), n
