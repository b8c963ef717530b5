"""What a run leaves behind: every file whole or not there, the verdict last, and a record that says so."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from dagster_pipeline.gate.dossier import decision_document
from dagster_pipeline.register.documents import iso_z, plain
from dagster_pipeline.report.decision_log import decision_log_markdown
from dagster_pipeline.report.digest import run_digest
from dagster_pipeline.report.documents import (
    json_text,
    metrics_document,
    register_document,
    verdict_document,
)
from dagster_pipeline.report.html import render_html
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.risk_register import run_risk_register
from dagster_pipeline.report.run_record import RUN_RECORD
from dagster_pipeline.report.runbook_pages import runbook_pages
from dagster_pipeline.report.scenario_document import scenarios_document
from dagster_pipeline.report.spreadsheet import register_csv
from dagster_pipeline.report.stored_run import STATE, StoredRun, stored_text
from dagster_pipeline.report.summary import render_summary
from dagster_pipeline.report.track_record_document import track_record_document
from dagster_pipeline.report.writing import write_atomically

VERDICTS = "verdicts"
_LONGEST_NAME = 120


def begin_run(output: Path, run_id: str) -> None:
    """Marks the folder as being written to: until ``write_outputs`` is done, nothing in it is decided."""
    record = {"schema_version": 1, "state": "running", "run_id": run_id, "pid": os.getpid()}
    _write_record(output, {**record, "started_at": iso_z(datetime.now(UTC))})


def write_outputs(
    report: RunReport, output: Path, run: StoredRun | None = None, journal: int | None = None
) -> tuple[Path, ...]:
    """Writes all files of a run and gives their paths; verdict.json comes last.

    ``run`` is what can be decided on again without a run, and ``journal`` how many entries of the people's journal the
    files know of (None: those that ``run`` knew).

    Everything is rendered before anything is written. Verdicts of experiments that are no longer there are
    removed. Ends with the record of the run in state "finished", with the sha256 of every file. Raises
    PlumblineError where the folder can't be written to; the record then still says "running".
    """
    texts = ({} if run is None else {STATE: stored_text(run)}) | dict(rendered(report))
    known = run.journal if journal is None and run is not None else journal
    started = _started_at(output, report.run_id)
    for name, text in texts.items():
        write_atomically(output / name, text)
    _remove_other_verdicts(output, texts)
    digests = {name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in texts.items()}
    record = {"schema_version": 1, "state": "finished", "run_id": report.run_id, "pid": os.getpid()}
    finished = iso_z(datetime.now(UTC))
    _write_record(
        output, {**record, "started_at": started, "finished_at": finished, "journal": known, "files": digests}
    )
    return tuple(output / name for name in texts)


def rendered(report: RunReport) -> Mapping[str, str]:
    """Every file's text by its path below the output folder, in the order of writing."""
    decisions = report.decisions
    texts = {
        "register.json": json_text(register_document(report)),
        "metrics.json": json_text(metrics_document(report)),
        "scenarios.json": json_text(scenarios_document(report)),
        "decision.json": json_text(decision_document(report.run_id, report.as_of, report.dossiers)),
        "track_record.json": json_text(track_record_document(report)),
        "decision-log.md": decision_log_markdown(report.log),
        "register.csv": register_csv(report.gaps),
        "risk-register.md": run_risk_register(report),
        "digest.md": run_digest(report),
        "summary.md": render_summary(report),
        "report/index.html": render_html(report),
        **{f"report/{name}": text for name, text in runbook_pages(report).items()},
    }
    if len(decisions) > 1:
        texts |= {verdict_path(d["experiment"]): json_text(verdict_document(d)) for d in decisions}
    return texts | {"verdict.json": json_text(verdict_document(decisions[0]))}


def verdict_path(experiment: str | None) -> str:
    """Where the verdict on one of several experiments goes; an id can't lead out of the folder."""
    name = quote(plain(experiment or "none"), safe="")
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode('ascii')).hexdigest()[:12]}"
    return str(PurePosixPath(VERDICTS) / f"{name}.json")


def _write_record(output: Path, record: Mapping[str, Any]) -> None:
    write_atomically(output / RUN_RECORD, json_text(plain(record)))


def _started_at(output: Path, run_id: str) -> str | None:
    """When this run began, if its own record says so."""
    try:
        record = json.loads((output / RUN_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = isinstance(record, dict) and record.get("run_id") == run_id
    return record.get("started_at") if same else None


def _remove_other_verdicts(output: Path, texts: Mapping[str, str]) -> None:
    """A verdict this run did not write is of an experiment it did not decide on: stale, so dangerous."""
    for path in (output / VERDICTS).glob("*.json"):
        if f"{VERDICTS}/{path.name}" not in texts:
            path.unlink(missing_ok=True)
