"""A run as events of OpenLineage (https://openlineage.io/spec/2-0-2): that it started, and how it ended.

A run whose files are missing, corrupt or of an interrupted run ends in FAIL with the reason, never in COMPLETE.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_pipeline import __version__
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.exports.openlineage_datasets import (
    OWN_FACETS,
    PRODUCER,
    SPEC,
    Json,
    Namespaces,
    facet,
    gaps_facet,
    homeless_gaps,
    input_datasets,
    output_datasets,
)
from dagster_pipeline.exports.reading import Launch, StoredRun, read_run
from dagster_pipeline.gate.run_files import read_object
from dagster_pipeline.register.documents import from_iso_z, iso_z, plain
from dagster_pipeline.report.run_record import read_record

JOB = "plumbline.run"
_ANY_AGE = timedelta(days=365_000)  # how old a run is matters to a launch, not to what was read and written


@dataclass(frozen=True)
class LineageRun:
    """A run to tell of: when it began and ended (None: it still goes), the clock of its data, and its files as they stand."""

    run_id: str
    started_at: datetime
    ended_at: datetime | None
    as_of: datetime | None
    files: StoredRun

    @property
    def runs(self) -> bool:
        """Whether it still goes on, so that nobody knows how it ends."""
        return self.ended_at is None


def read_lineage(output: Path, now: datetime | None = None) -> LineageRun:
    """The run whose record ``output`` holds.

    Raises NotEvaluatedError where no run was ever begun there: there is nothing to tell of. A run that left no whole files
    has their fault in ``files``.
    """
    at = now or datetime.now(UTC)
    record = read_record(output)
    files = read_run(output, Launch(max_age=_ANY_AGE), now=at)
    started = _moment(record.get("started_at")) or _moment(record.get("finished_at")) or at
    if record.get("state") == "running" and _is_alive(record.get("pid")):
        return LineageRun(str(record["run_id"]), started, None, None, files)
    ended = _moment(record.get("finished_at")) if files.fault is None else None
    return LineageRun(str(record["run_id"]), started, ended or at, _as_of(output, files), files)


def lineage_events(config: PlumblineConfig, run: LineageRun, names: Namespaces) -> tuple[Json, ...]:
    """START, and COMPLETE or FAIL; START alone of a run that still goes on.

    Sources are named as plumbline.yml has them (see `dataset_name`); COMPLETE has every check and every gap of the run.
    """
    start = _event("START", run.started_at, run, names) | {"inputs": input_datasets(config, names, None)}
    if run.ended_at is None:
        return (start,)
    if run.files.fault is not None:
        failed = _event("FAIL", run.ended_at, run, names)
        error = {"message": plain(run.files.fault), "programmingLanguage": "PYTHON"}
        failed["run"]["facets"]["errorMessage"] = facet("1-0-1/ErrorMessageRunFacet", **error)
        return start, failed | {"inputs": input_datasets(config, names, None)}
    ended = _event("COMPLETE", run.ended_at, run, names)
    ended["run"]["facets"] |= _outcome(config, run.files)
    inputs, outputs = input_datasets(config, names, run.files), output_datasets(names, run.files)
    return start, ended | {"inputs": inputs, "outputs": outputs}


def lines_of(events: Sequence[Mapping[str, Any]]) -> str:
    """The events as JSON lines, in ASCII."""
    return "".join(json.dumps(event, allow_nan=False) + "\n" for event in events)


def _event(kind: str, at: datetime, run: LineageRun, names: Namespaces) -> Json:
    job_facets = {
        "jobType": facet(
            "2-0-4/JobTypeJobFacet", processingType="BATCH", integration="PLUMBLINE", jobType="RUN"
        ),
        "documentation": facet(
            "1-1-0/DocumentationJobFacet",
            description="Repairs and checks the tables a decision rests on, and says whether they can carry it.",
        ),
    }
    return {
        "eventType": kind,
        "eventTime": iso_z(at),
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": _run_id(run.run_id), "facets": _run_facets(run)},
        "job": {"namespace": names.job, "name": JOB, "facets": job_facets},
        "inputs": [],
        "outputs": [],
    }


def _run_facets(run: LineageRun) -> Json:
    engine = facet("1-1-1/ProcessingEngineRunFacet", version=__version__, name="Plumbline")
    found = {"processing_engine": engine}
    if run.as_of is not None:
        found["nominalTime"] = facet("1-0-1/NominalTimeRunFacet", nominalStartTime=iso_z(run.as_of))
    return found


def _outcome(config: PlumblineConfig, files: StoredRun) -> Json:
    """What was decided, and the gaps that are about no source."""
    verdicts = [
        {
            "experiment": judged.stored.experiment,
            "verdict": judged.stored.verdict.value,
            "blocked_by": list(judged.stored.blocked_by),
        }
        for judged in files.verdicts
    ]
    own = {"_producer": PRODUCER, "_schemaURL": f"{OWN_FACETS}#/$defs/PlumblineVerdictsRunFacet"}
    found: Json = {"plumbline_verdicts": own | {"verdicts": plain(verdicts)}}
    if gaps := homeless_gaps(config, files):
        found["plumbline_gaps"] = gaps_facet(gaps, "PlumblineGapsRunFacet")
    return found


def _run_id(run_id: str) -> str:
    """OpenLineage asks for a UUID; a run id that is none is named by one."""
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:plumbline:run:{run_id}"))


def _moment(text: object) -> datetime | None:
    try:
        return from_iso_z(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _is_alive(pid: object) -> bool:
    """Whether the process of a run is still there; one of another machine counts as gone."""
    if isinstance(pid, bool) or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _as_of(output: Path, files: StoredRun) -> datetime | None:
    if files.fault is not None:
        return None
    return _moment(read_object(output / "register.json").get("as_of"))
