"""How old things may grow before Dagster shows them as late: by what plumbline.yml promises, and by nothing else."""

from datetime import timedelta

import dagster as dg

from dagster_pipeline.defs.partitions import known_config

_SHORTEST = timedelta(minutes=1)  # Dagster's own limit


def source_freshness(name: str) -> dg.FreshnessPolicy | None:
    """The freshness a source was promised: its files are to change at least that often. None where nothing is promised."""
    config = known_config()
    source = config.sources.get(name) if config else None
    return _within(source.freshness if source else None)


def verdict_freshness() -> dg.FreshnessPolicy | None:
    """How old a verdict may be at the gate: the shortest max_age of the briefs. None without a brief."""
    config = known_config()
    return _within(min((brief.max_age for brief in config.briefs), default=None) if config else None)


def _within(longest: timedelta | None) -> dg.FreshnessPolicy | None:
    return None if longest is None else dg.FreshnessPolicy.time_window(fail_window=max(longest, _SHORTEST))
