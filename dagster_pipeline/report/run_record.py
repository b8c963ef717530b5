"""The record of the run whose files an output folder holds, and whether they are still what it wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.run_files import read_object
from dagster_pipeline.register.acts import GapAct, gap_acts
from dagster_pipeline.register.journal import Entry

RUN_RECORD = ".run.json"


def read_record(output: Path) -> Mapping[str, Any]:
    """What the last run that began there recorded. Raises NotEvaluatedError where none has."""
    path = output / RUN_RECORD
    found = read_object(path)
    if not isinstance(found.get("run_id"), str):
        raise NotEvaluatedError(f"{path} is no record of a run.")
    return found


def finished_run(output: Path) -> Mapping[str, Any]:
    """What the last run recorded: its ``run_id`` and the sha256 of each of its ``files``.

    Raises NotEvaluatedError where no run has finished there.
    """
    path, found = output / RUN_RECORD, read_record(output)
    if found.get("state") != "finished":
        raise NotEvaluatedError(f"{path}: run {found['run_id']} is still going or was interrupted.")
    if not isinstance(found.get("files"), dict) or not found["files"]:
        raise NotEvaluatedError(f"{path} lists no files.")
    return found


def changed_files(output: Path, digests: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for every file that is missing or not what the run wrote."""
    for name, digest in digests.items():
        path = output / name
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            yield f"{output / RUN_RECORD} names {name!r}, which is not in the folder."
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            yield f"{path} is missing ({error.strerror or error})."
            continue
        if hashlib.sha256(content).hexdigest() != digest:
            yield f"{path} is not the file the run wrote."


def acts_since(known: Any, journal: Sequence[Entry]) -> tuple[GapAct, ...]:
    """What people did about gaps since a run that knew the first ``known`` entries of the journal, None if it could not read it.

    Raises NotEvaluatedError where nobody can tell: the run could not read the journal, or the journal is a shorter one.
    """
    if type(known) is not int:
        raise NotEvaluatedError("The last run could not read the journal, so what it left out is not known.")
    if known > len(journal):
        raise NotEvaluatedError(
            f"The journal has {len(journal)} entries, and the last run read {known} of it."
        )
    return gap_acts(journal[known:])
