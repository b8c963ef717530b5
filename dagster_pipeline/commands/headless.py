"""The job of the whole line run headless: the same definitions as in the UI, in this process."""

import gc
import os
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from dagster_pipeline.defs.resources import resources
from dagster_pipeline.register.dry_runs import DryRun
from dagster_pipeline.report.model import RunReport


@dataclass(frozen=True)
class LineResult:
    """What the job came to; ``report`` None where it broke before the files were written, ``dry_runs`` of a readiness run.

    ``folder`` is where its files are, ``untold`` a sentence on each alert channel that could not be told.
    """

    report: RunReport | None
    broken: tuple[str, ...]
    failure: str
    dry_runs: tuple[DryRun, ...] = ()
    folder: Path | None = None
    untold: tuple[str, ...] = ()


def execute_line(config_path: Path, output: Path, *, debug: bool = False, as_of: str = "") -> LineResult:
    """Execute the job once, on an ephemeral instance unless DAGSTER_HOME names one; ``as_of`` is a clock of this run alone."""
    from dagster_pipeline.definitions import defs  # noqa: PLC0415  it loads this package

    # The command line imports without collecting garbage; a run makes enough of its own to want it again.
    gc.freeze()
    gc.enable()

    job = defs.resolve_job_def("plumbline")
    instance = dg.DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.ephemeral()
    with instance:
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=debug,
            resources=resources(str(config_path), str(output), as_of),
            run_config={"loggers": {"console": {"config": {"log_level": "DEBUG" if debug else "CRITICAL"}}}},
        )
        return LineResult(
            _value(result, "report"),
            _broken(result),
            _failure(result),
            _dry_runs(result),
            _folder(result),
            _untold(result),
        )


def _value(result: dg.ExecuteInProcessResult, asset: str) -> RunReport | None:
    try:
        found: RunReport = result.asset_value(asset)
    except Exception:
        return None
    return found


def _folder(result: dg.ExecuteInProcessResult) -> Path | None:
    for found in result.asset_materializations_for_node("report"):
        return Path(str(found.metadata["verdict"].value)).parent
    return None


def _untold(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    try:
        found: tuple[str, ...] = result.asset_value("alerts").faults
    except Exception:
        return ()
    return found


def _dry_runs(result: dg.ExecuteInProcessResult) -> tuple[DryRun, ...]:
    try:
        found: tuple[DryRun, ...] = result.asset_value("published_warehouse").dry_runs
    except Exception:
        return ()
    return found


def _broken(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    try:
        build = result.asset_value("warehouse_build")
    except Exception:
        return ()
    return tuple(node.name for node in build.result.broken)


def _failure(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        data = event.event_specific_data
        error = getattr(data, "error", None)
        if error is not None:
            cause = error
            while cause.cause is not None:
                cause = cause.cause
            return str(cause.message)
    return ""
