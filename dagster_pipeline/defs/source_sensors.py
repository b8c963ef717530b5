"""Which sources have new data, seen without reading them: a file's size and date of change."""

import glob
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig, Source
from dagster_pipeline.defs.metadata import source_key
from dagster_pipeline.defs.resources import config_path


@dataclass(frozen=True)
class FileState:
    """The files of a source together: how many, their bytes, and when the last of them changed (UTC)."""

    files: int
    size: int
    changed: datetime

    @property
    def mark(self) -> str:
        """What tells one state from another."""
        return f"{self.files}:{self.size}:{self.changed.isoformat()}"


@dg.sensor(
    name="new_data_sensor",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Reports a source as changed when its files have: what freshness and automation go by. docs/dagster.md",
)
def new_data_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Report the sources whose files changed since the last tick; relations of a warehouse can't be seen this way.

    What is seen for the first time is reported only if it changed within its freshness: an old file is no news.
    """
    config = load_config(Path(config_path()))
    now = datetime.now(UTC)
    before: dict[str, str] = json.loads(context.cursor or "{}")
    states = dict(_states(config))
    changed = [
        name
        for name, state in states.items()
        if before.get(name) != state.mark and (name in before or _is_news(config.sources[name], state, now))
    ]
    marks = {name: state.mark for name, state in states.items()}
    reported = [_reported(name, states[name]) for name in changed]
    skipped = None if reported else "No file of a source has changed."
    return dg.SensorResult(asset_events=reported, cursor=json.dumps(before | marks), skip_reason=skipped)


def _states(config: PlumblineConfig) -> Iterator[tuple[str, FileState]]:
    for name, source in config.sources.items():
        state = (
            file_state(source.from_) if source.is_file and source.from_ and name in source_specs() else None
        )
        if state is not None:
            yield name, state


def file_state(origin: str) -> FileState | None:
    """The state of the files a path or pattern names; None where there is none, or they can't be looked at."""
    paths = [Path(origin)] if Path(origin).exists() else [Path(found) for found in sorted(glob.glob(origin))]
    try:
        stats = [path.stat() for path in paths]
    except OSError:
        return None
    if not stats:
        return None
    changed = datetime.fromtimestamp(max(stat.st_mtime for stat in stats), UTC)
    return FileState(len(stats), sum(stat.st_size for stat in stats), changed)


def _is_news(source: Source, state: FileState, now: datetime) -> bool:
    return now - state.changed <= (source.freshness or timedelta.max)


def _reported(name: str, state: FileState) -> dg.AssetMaterialization:
    metadata: Mapping[str, str | int] = {
        "files": state.files,
        "bytes": state.size,
        "changed": state.changed.isoformat(timespec="seconds"),
    }
    return dg.AssetMaterialization(
        source_key(name), description="Its files have changed.", metadata=dict(metadata)
    )
