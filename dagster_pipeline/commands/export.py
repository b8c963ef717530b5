"""``plumbline export``: the last run for a CI system. Blocking stays the gate's work; what was not evaluated ends with 2 or 3."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from dagster_pipeline.commands.gate import age_limit, configured_experiments
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.exports.places import ConfigPlaces, config_places
from dagster_pipeline.exports.reading import Launch, StoredRun, read_run, unread
from dagster_pipeline.exports.wording import LONGEST, calm
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.writing import write_atomically

# Where the checkout lies: GitHub Actions, Azure Pipelines, GitLab CI, Jenkins; else the current folder.
_CHECKOUTS = ("GITHUB_WORKSPACE", "BUILD_SOURCESDIRECTORY", "CI_PROJECT_DIR", "WORKSPACE")


def export(artefact: str, config: Path, output: Path, to: Path | None, **asked: Any) -> int:
    """Write one artefact of the run in ``output`` to a file, or to standard output without ``to``.

    ``asked`` is what the gate is asked: experiment, stage, segments, max_age (a text such as 24h).

    Gives 0 where the run could be shown, whatever its verdict; else what the gate ends with (2 or 3), and the artefact
    holds the error. Raises PlumblineError where ``to`` can't be written.
    """
    try:
        run = read_run(output, _launch(**asked), configured=configured_experiments(config))
    except PlumblineError as error:
        run = unread(error)
    text = _renderer(artefact)(run, config)
    if to is None:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.flush()
    else:
        write_atomically(to, text)
    if run.fault is not None:
        click.echo(f"Error: {calm(visible(run.fault, LONGEST))}", err=True)
    return run.exit_code


def _launch(
    experiment: str | None, stage: int | None, segments: tuple[str, ...], max_age: str | None
) -> Launch:
    return Launch(experiment, stage, segments, None if max_age is None else age_limit(max_age))


def _renderer(artefact: str) -> Callable[[StoredRun, Path], str]:
    """What renders an artefact; only that is imported."""
    rendering: Mapping[str, Callable[[StoredRun, Path], str]] = {
        "junit": _junit,
        "sarif": _sarif,
        "github": _github,
        "azure": _azure,
        "summary": _summary,
    }
    return rendering[artefact]


def _junit(run: StoredRun, config: Path) -> str:
    from dagster_pipeline.exports.junit import junit  # noqa: PLC0415

    del config
    return junit(run)


def _sarif(run: StoredRun, config: Path) -> str:
    from dagster_pipeline.exports.sarif import sarif  # noqa: PLC0415

    return sarif(run, _places(config), _link(config))


def _github(run: StoredRun, config: Path) -> str:
    from dagster_pipeline.exports.annotations import github  # noqa: PLC0415

    return github(run, _places(config))


def _azure(run: StoredRun, config: Path) -> str:
    from dagster_pipeline.exports.annotations import azure  # noqa: PLC0415

    return azure(run, _places(config))


def _summary(run: StoredRun, config: Path) -> str:
    from dagster_pipeline.exports.step_summary import step_summary  # noqa: PLC0415

    del config
    return step_summary(run)


def _places(config: Path) -> ConfigPlaces:
    root = next((os.environ[name] for name in _CHECKOUTS if os.environ.get(name)), ".")
    return config_places(config, Path(root))


def _link(config: Path) -> str | None:
    """Where the report can be read (``alerts.link``); None where the configuration names no place or can't be used."""
    from dagster_pipeline.config.loader import load_config  # noqa: PLC0415

    try:
        return load_config(config).alerts.link
    except PlumblineError:
        return None
