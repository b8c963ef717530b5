"""``plumbline verify``: whether the decision log, the journal and the output folder are what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_pipeline.commands.decisions import published_log
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.register.journal import Entry, journal_path, read_journal
from dagster_pipeline.report.decision_log import stated_end
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.run_record import changed_files, finished_run
from dagster_pipeline.report.words import plural

if TYPE_CHECKING:
    from dagster_pipeline.register.decision_log import LogEntry, RecordedRun

_EXPORT = "decision-log.md"
_LONGEST = 1_000


@dataclass(frozen=True)
class Checked:
    """What was checked, in one line with its counts, and what is wrong with it, a sentence each."""

    line: str
    faults: tuple[str, ...] = ()


def verify(config_path: Path, output: Path) -> int:
    """Print what was checked and what is wrong; gives 0 where all is whole, else 3.

    Raises NotEvaluatedError where there is no warehouse or no log to verify.
    """
    config = load_config(config_path)
    entries, runs = published_log(config)
    if not entries:
        raise NotEvaluatedError(
            f"The decision log in {config.warehouse.path} is empty, so there is nothing to verify; do a "
            f"`plumbline run` first."
        )
    journal, fault = _journal(journal_path(config.file))
    found = (
        check_log(entries, runs, journal),
        check_journal(journal_path(config.file), journal, fault, entries),
        check_output(output, entries, runs),
    )
    faults = [sentence for checked in found for sentence in checked.faults]
    for line in (*(checked.line for checked in found), *(f"BROKEN: {sentence}" for sentence in faults)):
        print(visible(line, _LONGEST))
    print("Whole." if not faults else f"Not whole: {plural(len(faults), 'fault')}.")
    return NotEvaluatedError.exit_code if faults else 0


def check_log(
    entries: Sequence[LogEntry], runs: Sequence[RecordedRun], journal: Sequence[Entry] | None
) -> Checked:
    """The chain, each run's decisions, and the copies of the journal (None: it can't be read)."""
    from dagster_pipeline.register.decision_log import broken_links, unlogged_runs  # noqa: PLC0415

    unlogged = unlogged_runs(entries, runs)
    before = f", {plural(unlogged, 'run')} before the log began" if unlogged else ""
    last = entries[-1]
    line = (
        f"Decision log: {_entries(entries)} of {plural(len(runs) - unlogged, 'run')}{before}; the last is entry "
        f"{last.number}, digest {last.digest}"
    )
    return Checked(line, broken_links(entries, journal, runs))


def check_journal(
    path: Path, journal: Sequence[Entry] | None, fault: str | None, entries: Sequence[LogEntry]
) -> Checked:
    """The journal's own chain, and how many of its entries the log holds."""
    from dagster_pipeline.register.decision_log import DECISION  # noqa: PLC0415

    if journal is None:
        return Checked(f"Journal: {path.name} can't be read", (fault or "The journal can't be read.",))
    copied = sum(entry.kind != DECISION for entry in entries)
    return Checked(f"Journal: {_entries(journal)} in {path.name}, {copied} copied into the log")


def check_output(output: Path, entries: Sequence[LogEntry], runs: Sequence[RecordedRun]) -> Checked:
    """The files of the output folder against the record of the last run, and that run against the log."""
    try:
        record = finished_run(output)
    except NotEvaluatedError as error:
        return Checked(f"Output folder: {output}", (str(error),))
    digests: Mapping[str, Any] = record["files"]
    faults = (
        *changed_files(output, digests),
        *_other_run(output, record["run_id"], runs),
        *_other_log(output, digests, entries),
    )
    return Checked(
        f"Output folder: {plural(len(digests), 'file')} of run {record['run_id']} in {output}", faults
    )


def _entries(found: Sequence[object]) -> str:
    return plural(len(found), "entry", "entries")


def _journal(path: Path) -> tuple[tuple[Entry, ...] | None, str | None]:
    try:
        return read_journal(path), None
    except NotEvaluatedError as error:
        return None, str(error)


def _other_run(output: Path, run_id: str, runs: Sequence[RecordedRun]) -> Iterator[str]:
    last = runs[-1].run_id if runs else None
    if run_id != last:
        yield (
            f"{output} holds the files of run {run_id}, and the last run in the warehouse is {last or 'none'}: name "
            f"that run's folder with --output, or run `plumbline run` again."
        )


def _other_log(output: Path, digests: Mapping[str, Any], entries: Sequence[LogEntry]) -> Iterator[str]:
    """The exported log names the digest it ended with: a log written anew from the start has another one there."""
    if _EXPORT not in digests:
        return
    try:
        end = stated_end((output / _EXPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # said already: the file is missing or changed
    if end is None or (end[0], end[1]) not in {(entry.number, entry.digest) for entry in entries}:
        yield f"{output / _EXPORT} ends with an entry that is not in the decision log of the warehouse."
