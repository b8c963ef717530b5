"""``plumbline config check``: whether a configuration can be used, without reading any data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_pipeline.checks.suite_files import team_suite_files
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import PlumblineError

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig

_UNSET = re.compile(r": the environment variable (\w+) is not set; ")


def check_configs(files: Sequence[Path], *, with_environment: bool) -> int:
    """Print one line for each file that can be used and every problem of those that can't; gives 0 or 2.

    Without ``with_environment`` a variable that is not set here is no problem: the machine that runs has it.
    """
    return max(_check(file, with_environment=with_environment) for file in files)


def _check(file: Path, *, with_environment: bool) -> int:
    try:
        config = load_config(file)
        if config.suites is not None:
            team_suite_files(config.suites, tuple(config.metrics))
        click.echo(f"{file}: valid, {_counted(config)}")
    except PlumblineError as error:
        problems = str(error).splitlines()
        unset = sorted({found[1] for line in problems if (found := _UNSET.search(line))})
        left = [line for line in problems if with_environment or not _UNSET.search(line)]
        if left:
            click.echo("\n".join(left), err=True)
            return error.exit_code
        click.echo(f"{file}: valid as far as it can be read without {', '.join(unset)}")
    return 0


def _counted(config: PlumblineConfig) -> str:
    sizes = {"source": config.sources, "experiment": config.experiments, "brief": config.briefs}
    return ", ".join(f"{len(found)} {name}{'' if len(found) == 1 else 's'}" for name, found in sizes.items())
