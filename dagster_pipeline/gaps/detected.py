"""Every gap of a run: what the warehouse counted, and what the statistics find in its aggregates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.gaps.drifts import found_drifts
from dagster_pipeline.gaps.found import FoundGap, found_gaps
from dagster_pipeline.gaps.imbalance import found_imbalance
from dagster_pipeline.gaps.immature import with_immature_shares
from dagster_pipeline.gaps.jumps import jump_words, null_jumps
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.partitions import found_partitions
from dagster_pipeline.gaps.ratio import found_mismatches
from dagster_pipeline.gaps.sampled_logging import found_sampled_logging


def detected_gaps(config: PlumblineConfig, measurements: Measurements) -> tuple[FoundGap, ...]:
    """Gaps of every kind that needs nothing but the measurements. A dashboard is held against levels, later."""
    return tuple(_found(config, measurements))


def _found(config: PlumblineConfig, measurements: Measurements) -> Iterator[FoundGap]:
    experiments = config.experiments
    counted = found_gaps(measurements.rows, {e.id: e.split for e in experiments})
    yield from with_immature_shares(counted, measurements, experiments)
    yield from found_mismatches(measurements, experiments, config.as_of)
    yield from found_partitions(measurements, experiments)
    yield from found_sampled_logging(measurements, experiments)
    yield from found_drifts(measurements, experiments)
    yield from found_imbalance(measurements, experiments)


def remarks_on(measurements: Measurements) -> Mapping[tuple[str, str, str | None], str]:
    """What else there is to say of a gap, by kind, source and column: a null share that jumps on a date."""
    return {
        (kind, source, column): _sentence(jump_words(jump))
        for (source, column), jump in null_jumps(measurements).items()
        for kind in ("missing_values", "missing_variant")
    }


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:].rstrip('.')}."
