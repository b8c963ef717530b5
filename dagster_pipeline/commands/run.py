"""``plumbline run``: the Dagster job of the whole line, headless, in this process."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_pipeline.checks.suite_files import team_suite_files
from dagster_pipeline.commands.progress_view import shown
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.register.journal import journal_path, read_journal

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig
    from dagster_pipeline.register.dry_runs import DryRun
    from dagster_pipeline.report.model import RunReport


@dataclass(frozen=True)
class DryRunRequest:
    """A run that is a dry run of the contract; ``recorded_for`` is the plumbline.yml whose journal is told (None: its own)."""

    recorded_for: Path | None = None


@dataclass(frozen=True)
class RunOutcome:
    """What a run left: its report, where its files are, the models of ours that broke, and of a readiness run its dry runs.

    ``untold`` is a sentence on each alert channel that could not be told.
    """

    report: RunReport
    output: Path
    broken: tuple[str, ...]
    dry_runs: tuple[DryRun, ...] = ()
    untold: tuple[str, ...] = ()


def run(
    config_path: Path,
    output: Path,
    *,
    debug: bool = False,
    quiet: bool = False,
    readiness: DryRunRequest | None = None,
    as_of: str | None = None,
) -> RunOutcome:
    """Run the whole line once and write the files of a run to ``output``; with ``readiness`` as a dry run.

    ``as_of`` is the clock of this run alone. Where it lies before what the register stands at, the run is a look back: its
    files go to ``days/<day>`` below ``output``, and nothing of today changes.

    Raises ConfigError for a configuration that can't be used, PlumblineError for a suite of the team's own that can't, and
    NotEvaluatedError where the run itself broke before it could write its files.
    """
    config = load_config(config_path)
    if config.suites is not None:
        team_suite_files(config.suites, tuple(config.metrics))
    if readiness is not None:
        _expect_a_launch(config, readiness)
    if not debug:
        # Preview and deprecation notices of the libraries we drive are for us, not for who runs the line.
        warnings.simplefilter("ignore")
    _prepare_environment(config_path, output, config.warehouse.path)
    with _told(readiness), shown(quiet=quiet):
        tell(Step.LOAD)
        return _execute(config_path, output, debug=debug, as_of=as_of or "")


@contextmanager
def _told(readiness: DryRunRequest | None) -> Iterator[None]:
    """The line is told that it is a dry run, and the next one in this process is none."""
    if readiness is None:
        yield
        return
    before = {name: os.environ.get(name) for name in ("PLUMBLINE_READINESS", "PLUMBLINE_READINESS_FOR")}
    recorded_for = readiness.recorded_for
    os.environ["PLUMBLINE_READINESS"] = "1"
    os.environ["PLUMBLINE_READINESS_FOR"] = str(recorded_for.absolute()) if recorded_for else ""
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _expect_a_launch(config: PlumblineConfig, readiness: DryRunRequest) -> None:
    """Raises PlumblineError for a dry run that nobody could be told of, before anything is run."""
    recorded_for = readiness.recorded_for
    told = config if recorded_for is None else load_config(recorded_for)
    if not {brief.experiment for brief in config.briefs} & {brief.experiment for brief in told.briefs}:
        raise PlumblineError(
            f"{config.file} has no brief on an experiment that {told.file} has one on, so there is no launch to be "
            f"ready for."
        )
    read_journal(journal_path(told.file))


def _prepare_environment(config_path: Path, output: Path, warehouse: Path | None) -> None:
    os.environ["PLUMBLINE_CONFIG"] = str(config_path.absolute())
    os.environ["PLUMBLINE_OUTPUT"] = str(output.resolve())
    if warehouse is not None:
        os.environ["PLUMBLINE_STATE"] = str(warehouse.parent)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")


def _execute(config_path: Path, output: Path, *, debug: bool, as_of: str) -> RunOutcome:
    from dagster_pipeline.commands.headless import execute_line  # noqa: PLC0415  seconds of imports

    result = execute_line(config_path.absolute(), output.resolve(), debug=debug, as_of=as_of)
    if result.report is None:
        raise NotEvaluatedError(_broke(result.failure))
    return RunOutcome(result.report, result.folder or output, result.broken, result.dry_runs, result.untold)


def _broke(failure: str) -> str:
    first = failure.strip().splitlines()[0] if failure.strip() else "unknown failure"
    return f"The run broke before it could write its files: {first} Use --debug for the traceback."


def print_outcome(outcome: RunOutcome) -> None:
    """The register as a table, the verdict with its reasons, where the report is."""
    from rich.console import Console  # noqa: PLC0415

    from dagster_pipeline.report.escape import visible  # noqa: PLC0415
    from dagster_pipeline.report.terminal import render_register  # noqa: PLC0415

    console = Console()
    console.print(render_register(outcome.report, outcome.output))
    if outcome.broken:
        print(f"Models that could not be built: {', '.join(outcome.broken)}", file=sys.stderr)
    for fault in outcome.untold:
        print(f"Alerts: {visible(fault, 600)}", file=sys.stderr)
    for dry_run in outcome.dry_runs:
        console.print(_dry_run_line(dry_run), markup=False, highlight=False)


def _dry_run_line(dry_run: DryRun) -> str:
    from dagster_pipeline.report.escape import visible  # noqa: PLC0415

    state = "green" if dry_run.is_green else "not green"
    watched = f"{dry_run.monitored_fields} of {dry_run.critical_fields} critical fields watched"
    first = f"Dry run for {visible(dry_run.experiment)}: {state}; {watched}."
    return "\n".join([first, *(f"  {visible(reason, 600)}" for reason in dry_run.reasons)])
