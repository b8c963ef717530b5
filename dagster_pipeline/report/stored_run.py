"""What a run measured and decided on, kept beside its files, so that people's acts can be decided on without a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_pipeline import __version__
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.decision import DecisionInputs
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.run_record import changed_files, finished_run
from dagster_pipeline.report.stored_values import decoded, encoded

STATE = ".state.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class StoredRun:
    """A run as it was measured, whatever people said since.

    ``inputs`` are what each verdict was decided on, in the order of the report's verdicts; ``journal`` is how many entries
    of the people's journal the run knew, None where it could not read it.
    """

    report: RunReport
    inputs: tuple[DecisionInputs, ...]
    journal: int | None


def stored_text(run: StoredRun) -> str:
    """The content of the state file."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "written_by": __version__,
        "journal": run.journal,
        "inputs": encoded(run.inputs),
        "report": encoded(run.report),
    }
    return json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"


def read_stored_run(output: Path) -> StoredRun:
    """The last run of an output folder.

    Raises NotEvaluatedError, with the reason, where it left no state, is still going, or where the state or any other of
    its files is not what it wrote.
    """
    record = finished_run(output)
    digests = record["files"]
    if STATE not in digests:
        raise NotEvaluatedError(f"Run {record['run_id']} in {output} left nothing to decide on again.")
    changed = next(changed_files(output, {name: d for name, d in digests.items() if name != STATE}), None)
    if changed is not None:
        raise NotEvaluatedError(changed)
    found = _read(output / STATE, digests[STATE])
    if found.report.run_id != record["run_id"]:
        raise NotEvaluatedError(f"{output / STATE} is of another run.")
    return found


def _read(path: Path, digest: Any) -> StoredRun:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotEvaluatedError(f"{path} is missing ({error.strerror or error}).") from error
    # Before anything of it is read: what is made from it is what the gate lets pass.
    if hashlib.sha256(content).hexdigest() != digest:
        raise NotEvaluatedError(f"{path} is not the file the run wrote.")
    try:
        document = json.loads(content)
        version = (document["schema_version"], document["written_by"])
        if version != (SCHEMA_VERSION, __version__):
            raise ValueError(f"version {version[1]} wrote it, and this is {__version__}")
        return _run(decoded(document["report"]), decoded(document["inputs"]), document["journal"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotEvaluatedError(f"{path} can't be read ({error}).") from error


def _run(report: Any, inputs: Any, journal: Any) -> StoredRun:
    if not isinstance(report, RunReport) or any(not isinstance(one, DecisionInputs) for one in inputs):
        raise ValueError("it holds no run")
    if len(inputs) != len(report.verdicts):
        raise ValueError("it does not say what each verdict was decided on")
    return StoredRun(report, inputs, journal)
