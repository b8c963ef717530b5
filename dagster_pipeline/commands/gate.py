"""``plumbline gate``: blocks a launch by its exit code, with the reasons."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import click

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gate.verdict_file import MAX_AGE, WRONG_USAGE, GateResult, check, refusal


def gate(
    config: Path,
    output: Path,
    experiment: str | None,
    stage: int | None,
    segments: tuple[str, ...],
    max_age: str | None,
    as_json: bool,
) -> int:
    """Print whether the last run's verdict allows the launch; gives the exit code (DESIGN.md §8).

    The configuration is not needed: where it exists it says which experiments there are and how old a
    verdict each brief accepts, and one that can't be used blocks.
    """
    try:
        age = None if max_age is None else _duration(max_age)
        accepted = _accepted_ages(config)
    except PlumblineError as error:
        result = refusal(error.exit_code, str(error), experiment)
    else:
        result = check(output, experiment, stage, segments, max_age=age, accepted_ages=accepted)
    _show(result, as_json=as_json)
    return result.exit_code


def _show(result: GateResult, *, as_json: bool) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without a minus sign must not turn a GO away
            stream.reconfigure(errors="backslashreplace")
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2, allow_nan=False))
    else:
        for line in result.lines:
            click.echo(line, err=result.exit_code >= WRONG_USAGE)


def _duration(text: str) -> timedelta:
    from dagster_pipeline.config.problems import Refusal  # noqa: PLC0415
    from dagster_pipeline.config.scalars import duration  # noqa: PLC0415  a tenth of a second of imports

    try:
        return duration(text)
    except Refusal as refused:
        raise PlumblineError(f"--max-age {refused.requirement}, not {text!r}.") from refused


def _accepted_ages(config: Path) -> Mapping[str, timedelta] | None:
    """The configured experiments and the age their brief accepts; None without a configuration."""
    if not os.path.lexists(config):
        return None
    from dagster_pipeline.config.loader import load_config  # noqa: PLC0415  a quarter of a second of imports

    loaded = load_config(config)
    briefs = {experiment.id: loaded.brief(experiment.id) for experiment in loaded.experiments}
    return {name: brief.max_age if brief else MAX_AGE for name, brief in briefs.items()}
