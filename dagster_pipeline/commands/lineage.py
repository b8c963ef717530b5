"""``plumbline export openlineage``: the last run as OpenLineage events, in a file. Nothing is sent."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.exports.openlineage import lineage_events, lines_of, read_lineage
from dagster_pipeline.exports.openlineage_datasets import Namespaces
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.writing import write_atomically

FILE = "openlineage.jsonl"


def export_openlineage(
    config_path: Path, output: Path, to: Path | None, namespace: str | None, dataset_namespace: str | None
) -> int:
    """Write the events of the run in ``output`` to a file (default: openlineage.jsonl there).

    ``namespace`` defaults to OPENLINEAGE_NAMESPACE of the environment, else ``plumbline``; that of the warehouse's tables
    to the engine's name. Gives 0 for a run that completed, whatever its verdict; 3 for one that failed or still goes on.
    Raises NotEvaluatedError where no run was ever begun.
    """
    config = load_config(config_path)
    job = namespace or os.environ.get("OPENLINEAGE_NAMESPACE") or "plumbline"
    names = Namespaces(job, dataset_namespace or config.warehouse.engine)
    run = read_lineage(output)
    target = to or output / FILE
    write_atomically(target, lines_of(lineage_events(config, run, names)))
    print(f"Wrote {target}.")
    if run.runs or run.files.fault is not None:
        what = "the run still goes on" if run.runs else str(run.files.fault)
        print(f"Error: {visible(what, 1000)}", file=sys.stderr)
        return NotEvaluatedError.exit_code
    return 0
