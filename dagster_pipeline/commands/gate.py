"""``plumbline gate``: blocks a launch by its exit code, with the reasons."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gate.decision_file import Configured
from dagster_pipeline.gate.verdict_file import MAX_AGE, WRONG_USAGE, GateResult, check, refusal

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig
    from dagster_pipeline.register.journal import Entry


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
        age = None if max_age is None else age_limit(max_age)
        configured = configured_experiments(config)
    except PlumblineError as error:
        result = refusal(error.exit_code, str(error), experiment)
    else:
        result = check(output, experiment, stage, segments, max_age=age, configured=configured)
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


def age_limit(text: str) -> timedelta:
    """``--max-age`` as a duration. Raises PlumblineError for what is none."""
    from dagster_pipeline.config.problems import Refusal  # noqa: PLC0415
    from dagster_pipeline.config.scalars import duration  # noqa: PLC0415  a tenth of a second of imports

    try:
        return duration(text)
    except Refusal as refused:
        raise PlumblineError(f"--max-age {refused.requirement}, not {text!r}.") from refused


def configured_experiments(config: Path) -> Mapping[str, Configured] | None:
    """What the configuration and its journal say of every experiment; None without a configuration."""
    if not os.path.lexists(config):
        return None
    from dagster_pipeline.config.loader import load_config  # noqa: PLC0415  a quarter of a second of imports
    from dagster_pipeline.register.journal import journal_path, read_journal  # noqa: PLC0415

    loaded = load_config(config)
    journal = read_journal(journal_path(loaded.file))
    return {found.id: _of_experiment(loaded, found.id, journal) for found in loaded.experiments}


def _of_experiment(config: PlumblineConfig, experiment: str, journal: tuple[Entry, ...]) -> Configured:
    from dagster_pipeline.gate.brief_version import brief_status  # noqa: PLC0415
    from dagster_pipeline.register.journal import ROLLED_BACK  # noqa: PLC0415

    brief = config.brief(experiment)
    if brief is None:
        return Configured(MAX_AGE, journal=journal)
    status = brief_status(brief, config.metrics, journal, ())
    acts = {entry.kind for entry in journal if entry.experiment == experiment}
    has_rollout = bool(brief.rollout.stages or brief.rollout.rollback or ROLLED_BACK in acts)
    return Configured(brief.max_age, status.version, status.is_missing_a_signature, has_rollout, journal)
