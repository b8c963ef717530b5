"""``plumbline run``: the Dagster job of the whole line, headless, in this process."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_pipeline.commands.progress_view import shown
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.progress import Step, tell

if TYPE_CHECKING:
    from dagster_pipeline.report.model import RunReport


@dataclass(frozen=True)
class RunOutcome:
    """What a run left: its report, where its files are, and the models of ours that broke."""

    report: RunReport
    output: Path
    broken: tuple[str, ...]


def run(config_path: Path, output: Path, *, debug: bool = False, quiet: bool = False) -> RunOutcome:
    """Run the whole line once and write the files of a run to ``output``.

    Raises ConfigError for a configuration that can't be used, and NotEvaluatedError where the run itself broke
    before it could write its files.
    """
    config = load_config(config_path)
    if not debug:
        # Preview and deprecation notices of the libraries we drive are for us, not for who runs the line.
        warnings.simplefilter("ignore")
    _prepare_environment(config_path, output, config.warehouse.path)
    with shown(quiet=quiet):
        tell(Step.LOAD)
        return _execute(config_path, output, debug=debug)


def _prepare_environment(config_path: Path, output: Path, warehouse: Path | None) -> None:
    os.environ["PLUMBLINE_CONFIG"] = str(config_path.resolve())
    os.environ["PLUMBLINE_OUTPUT"] = str(output.resolve())
    if warehouse is not None:
        os.environ["PLUMBLINE_STATE"] = str(warehouse.parent)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")


def _execute(config_path: Path, output: Path, *, debug: bool) -> RunOutcome:
    from dagster_pipeline.commands.headless import execute_line  # noqa: PLC0415  seconds of imports

    result = execute_line(config_path.resolve(), output.resolve(), debug=debug)
    if result.report is None:
        raise NotEvaluatedError(_broke(result.failure))
    return RunOutcome(result.report, output, result.broken)


def _broke(failure: str) -> str:
    first = failure.strip().splitlines()[0] if failure.strip() else "unknown failure"
    return f"The run broke before it could write its files: {first} Use --debug for the traceback."


def print_outcome(outcome: RunOutcome) -> None:
    """The register as a table, the verdict with its reasons, where the report is."""
    from rich.console import Console  # noqa: PLC0415

    from dagster_pipeline.report.terminal import render_register  # noqa: PLC0415

    console = Console()
    console.print(render_register(outcome.report, outcome.output))
    if outcome.broken:
        print(f"Models that could not be built: {', '.join(outcome.broken)}", file=sys.stderr)
