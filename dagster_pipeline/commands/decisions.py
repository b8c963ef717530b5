"""``plumbline decisions``: the decision log of the warehouse, and the actions its decisions list."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import NotEvaluatedError, UnsupportedError
from dagster_pipeline.report.escape import visible

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig
    from dagster_pipeline.register.decision_log import LogEntry, RecordedRun

_LONGEST = 1_000


def decisions(config_path: Path, *, as_json: bool) -> int:
    """Print the log, newest decision first, or as a JSON array in its own order; gives the exit code.

    A log whose chain is broken is printed all the same, and said to be broken: the exit code is 3 then.
    """
    from dagster_pipeline.register.decision_log import broken_links  # noqa: PLC0415
    from dagster_pipeline.report.decision_log import decision_log_markdown  # noqa: PLC0415

    config = load_config(config_path)
    entries, runs = published_log(config)
    faults = broken_links(entries, None, runs)
    if as_json:
        print(json.dumps([_document(entry) for entry in entries], indent=2, allow_nan=False))
    else:
        print(decision_log_markdown(entries), end="")
    for fault in faults:
        print(f"BROKEN: {visible(fault, _LONGEST)}", file=sys.stderr)
    return NotEvaluatedError.exit_code if faults else 0


def published_log(config: PlumblineConfig) -> tuple[tuple[LogEntry, ...], tuple[RecordedRun, ...]]:
    """The log of the published warehouse and the runs it knows of.

    Raises NotEvaluatedError where there is no warehouse, no log in it, or one that can't be read.
    """
    import duckdb  # noqa: PLC0415  only here

    from dagster_pipeline.engines.warehouse import read_published  # noqa: PLC0415
    from dagster_pipeline.register.decision_log import read_log, recorded_runs  # noqa: PLC0415

    path = config.warehouse.path
    if path is None:
        raise UnsupportedError(f"The decision log can't be read from {config.warehouse.engine} yet.")
    try:
        with read_published(path) as session:
            return read_log(session), recorded_runs(session)
    except duckdb.CatalogException as error:
        raise NotEvaluatedError(
            f"{path} has no decision log, so there is nothing to verify; do a `plumbline run` first."
        ) from error
    except duckdb.Error as error:
        raise NotEvaluatedError(
            f"The decision log in {path} can't be read ({str(error).splitlines()[0]}); restore the warehouse "
            f"file from a copy."
        ) from error


def close(config_path: Path, action: str, by: str, experiment: str | None, note: str | None) -> None:
    """Put on record that an action of a decision is done.

    Raises PlumblineError where no decision lists it, which names those there are, or where it is closed already, and
    NotEvaluatedError where the log or the journal can't be read.
    """
    from dagster_pipeline.register.journal import journal_path, read_journal  # noqa: PLC0415
    from dagster_pipeline.register.process import close_action, find_action, process_figures  # noqa: PLC0415

    config = load_config(config_path)
    now = datetime.now(UTC)
    path = journal_path(config.file)
    known = process_figures((), published_log(config)[0], read_journal(path), now).actions
    found = find_action(known, action, experiment)
    entry = close_action(path, found, by, note, now)
    print(
        f"Recorded as entry {entry.number} of {visible(path.name)}: {visible(found.what, _LONGEST)} is done. The next "
        f"run counts it."
    )


def _document(entry: LogEntry) -> dict[str, Any]:
    from dagster_pipeline.register.decision_log import entry_document  # noqa: PLC0415
    from dagster_pipeline.register.documents import iso_z, plain  # noqa: PLC0415

    try:
        document: dict[str, Any] | None = entry_document(entry)
    except NotEvaluatedError:
        document = None
    fields = {
        "number": entry.number,
        "run_id": entry.run_id,
        "at": iso_z(entry.at),
        "kind": entry.kind,
        "experiment": entry.experiment,
        "title": entry.title,
        "document": document,
        "previous_digest": entry.previous,
        "digest": entry.digest,
    }
    return {key: plain(value) for key, value in fields.items()}
