"""Days as partitions of the line, and what is known of plumbline.yml when the code location is loaded."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import dagster as dg

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.defs.resources import config_path
from dagster_pipeline.errors import PlumblineError

_WITHOUT_AN_EXPERIMENT = timedelta(days=365)


@cache
def known_config() -> PlumblineConfig | None:
    """plumbline.yml as it was when this location was loaded; None where it can't be read (a run then says why)."""
    try:
        return load_config(Path(config_path()))
    except (PlumblineError, OSError):
        return None


def first_day(config: PlumblineConfig | None, today: datetime) -> datetime:
    """The first day that may be looked at: the earliest experiment's first; without one, a year before ``today``."""
    windows = [found.window.start for found in config.experiments if found.window] if config else []
    start = min(windows, default=today - _WITHOUT_AN_EXPERIMENT)
    return start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


DAYS = dg.DailyPartitionsDefinition(start_date=first_day(known_config(), datetime.now(UTC)), timezone="UTC")
"""The days of UTC that are over. A run of a day sees what was dated by the end of it."""
