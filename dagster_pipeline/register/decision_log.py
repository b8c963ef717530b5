"""The decision log in the warehouse: what each run decided and what people did, every entry chained to the one before.

An entry's digest is the SHA-256 of the digest before it and of the canonical JSON of everything else in the entry. A
change to any field, and an entry taken out, put in or moved, therefore breaks the chain. Two things the chain alone
can't show, and each is held against something outside it: entries taken off the end against the table of runs (each
left its decisions), and copies of what people did against the journal they were copied from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.register.documents import iso_z, plain
from dagster_pipeline.register.journal import Entry
from dagster_pipeline.register.store import SCHEMA, SqlSession, insert_rows, naive_utc

DECISION = "decision"
_TABLE = "decision_log"
_START = "0" * 64  # what the first entry names as the one before it
_COLUMNS = "entry_number, run_id, entry_at, kind, experiment, title, document, previous_digest, digest"
_NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LogEntry:
    """One entry of the log. ``number`` counts from 1, ``at`` is in UTC, ``document`` is JSON text.

    ``kind`` is "decision" or the kind of the journal's entry that was copied; ``run_id`` the run that wrote it. All
    text is as it was given: escape it for the place it is shown in.
    """

    number: int
    run_id: str
    at: datetime
    kind: str
    experiment: str | None
    title: str
    document: str
    previous: str
    digest: str


@dataclass(frozen=True)
class DecisionRecord:
    """What a run decided on one experiment; ``document`` holds plain JSON values."""

    experiment: str | None
    title: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class RecordedRun:
    """A run of the register and the experiments it decided on (None: a decision on no experiment)."""

    run_id: str
    experiments: tuple[str | None, ...]


def append_decisions(
    session: SqlSession,
    run_id: str,
    at: datetime,
    decisions: Sequence[DecisionRecord],
    journal: Sequence[Entry] = (),
) -> tuple[LogEntry, ...]:
    """Appends what is new in the journal, then one entry per decision, and gives the new entries.

    ``at`` is when the run decided. A journal's entry is copied once, known by its digest. Needs ``store.prepare``.
    """
    number, digest = _last(session)
    copied = _copied(session)
    # Only a run decides: an entry of that kind in a journal would pass for a decision here.
    acts = [entry for entry in journal if entry.kind != DECISION and entry.digest not in copied]
    drafts = [_copy_of(entry, run_id) for entry in acts]
    drafts += [_decision(record, run_id, at) for record in decisions]
    entries: list[LogEntry] = []
    for place, draft in enumerate(drafts, start=number + 1):
        linked = replace(draft, number=place, previous=digest)
        digest = entry_digest(linked)
        entries.append(replace(linked, digest=digest))
    insert_rows(session, _TABLE, [_row(entry) for entry in entries])
    return tuple(entries)


def read_log(session: SqlSession) -> tuple[LogEntry, ...]:
    """All entries in the order of their numbers, as they stand there: whether the chain holds is for ``broken_links``."""
    query = f"select {_COLUMNS} from {SCHEMA}.{_TABLE} order by entry_number, digest"  # noqa: S608
    return tuple(_entry(row) for row in session.execute(query).fetchall())


def recorded_runs(session: SqlSession) -> tuple[RecordedRun, ...]:
    """The runs the register knows of, oldest first. Raises NotEvaluatedError where one can't be read."""
    query = f"select run_id, verdicts from {SCHEMA}.runs order by run_number"  # noqa: S608
    return tuple(_recorded(run_id, verdicts) for run_id, verdicts in session.execute(query).fetchall())


def entry_digest(entry: LogEntry) -> str:
    """The SHA-256, in hex, that belongs to an entry: of the digest before it and of all its other fields."""
    fields = {
        "number": entry.number,
        "run_id": entry.run_id,
        "at": iso_z(entry.at),
        "kind": entry.kind,
        "experiment": entry.experiment,
        "title": entry.title,
        "document": entry.document,
    }
    return hashlib.sha256((entry.previous + _canonical(fields)).encode("utf-8", "surrogatepass")).hexdigest()


def entry_document(entry: LogEntry) -> dict[str, Any]:
    """An entry's document. Raises NotEvaluatedError where it is no JSON object."""
    try:
        found = json.loads(entry.document)
    except (ValueError, RecursionError) as error:
        raise NotEvaluatedError(
            f"Entry {entry.number} of the decision log can't be read ({error})."
        ) from error
    if not isinstance(found, dict):
        raise NotEvaluatedError(f"Entry {entry.number} of the decision log holds no document.")
    return found


def broken_links(
    entries: Sequence[LogEntry], journal: Sequence[Entry] | None, runs: Sequence[RecordedRun] = ()
) -> tuple[str, ...]:
    """What is wrong with the log, one sentence per finding that names the entry; empty where it is whole.

    ``journal`` None means that it is not at hand, so that copies are not held against it. Runs before the first one in
    the log are of a time without a log, and are not missed.
    """
    copies = () if journal is None else _journal_faults(entries, journal)
    return (*_chain_faults(entries), *_missing_decisions(entries, runs), *copies)


def unlogged_runs(entries: Sequence[LogEntry], runs: Sequence[RecordedRun]) -> int:
    """How many runs came before the first one in the log."""
    return len(runs) - len(_logged(entries, runs))


def _chain_faults(entries: Sequence[LogEntry]) -> Iterator[str]:
    number, digest = 0, _START
    for entry in entries:
        if entry.number != number + 1:
            yield (
                f"Entry {entry.number} stands where entry {number + 1} belongs: entries were removed, added or moved."
            )
        if entry.previous != digest:
            yield f"Entry {entry.number} does not continue the entry before it: one of the two was changed."
        if entry.digest != entry_digest(entry):
            yield f"Entry {entry.number} ({entry.kind}) is not what was written: its hash differs."
        number, digest = entry.number, entry.digest


def _logged(entries: Sequence[LogEntry], runs: Sequence[RecordedRun]) -> Sequence[RecordedRun]:
    """The runs from the first one in the log on."""
    named = {entry.run_id for entry in entries}
    first = next((place for place, run in enumerate(runs) if run.run_id in named), 0)
    return runs[first:]


def _missing_decisions(entries: Sequence[LogEntry], runs: Sequence[RecordedRun]) -> Iterator[str]:
    found = {(entry.run_id, entry.experiment) for entry in entries if entry.kind == DECISION}
    for run in _logged(entries, runs):
        for experiment in run.experiments:
            if (run.run_id, experiment) not in found:
                about = f"on {experiment!r}" if experiment else "on no experiment"
                yield f"The decision of run {run.run_id} {about} is missing: an entry was removed."


def _journal_faults(entries: Sequence[LogEntry], journal: Sequence[Entry]) -> Iterator[str]:
    there = {entry.digest: _journal_document(entry) for entry in journal}
    seen: set[str] = set()
    for entry in entries:
        if entry.kind == DECISION:
            continue
        try:
            copy = entry_document(entry)
        except NotEvaluatedError as error:
            yield str(error)
            continue
        digest = str(copy.get("digest"))
        if digest in seen:
            yield f"Entry {entry.number} ({entry.kind}) copies an entry of the journal a second time."
        elif there.get(digest) != copy:
            yield (
                f"Entry {entry.number} ({entry.kind}, by {copy.get('by')}) copies entry {copy.get('number')} of the "
                f"journal, which is no longer there or was changed."
            )
        seen.add(digest)


def _last(session: SqlSession) -> tuple[int, str]:
    query = f"select entry_number, digest from {SCHEMA}.{_TABLE} order by entry_number desc limit 1"  # noqa: S608
    rows = session.execute(query).fetchall()
    return (rows[0][0] or 0, rows[0][1] or "") if rows else (0, _START)


def _copied(session: SqlSession) -> set[str]:
    """Digests of the journal's entries that are in the log; one that can't be read is copied again, and seen by verify."""
    query = f"select {_COLUMNS} from {SCHEMA}.{_TABLE} where kind <> ?"  # noqa: S608
    found: set[str] = set()
    for row in session.execute(query, [DECISION]).fetchall():
        try:
            found.add(str(entry_document(_entry(row)).get("digest")))
        except NotEvaluatedError:
            continue
    return found


def _copy_of(entry: Entry, run_id: str) -> LogEntry:
    title = f"{entry.kind.replace('_', ' ')} by {entry.by}"
    document = _canonical(_journal_document(entry))
    return LogEntry(0, run_id, entry.at, entry.kind, _clean(entry.experiment), plain(title), document, "", "")


def _decision(record: DecisionRecord, run_id: str, at: datetime) -> LogEntry:
    # The document's own order is the one it is read in, so its keys are not sorted.
    document = json.dumps(plain(record.document), allow_nan=False)
    return LogEntry(0, run_id, at, DECISION, _clean(record.experiment), plain(record.title), document, "", "")


def _journal_document(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = plain(asdict(entry) | {"at": iso_z(entry.at)})
    return found


def _clean(text: str | None) -> str | None:
    return None if text is None else str(plain(text))


def _canonical(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _row(entry: LogEntry) -> list[Any]:
    place = [entry.number, entry.run_id, naive_utc(entry.at), entry.kind, entry.experiment]
    return [*place, entry.title, entry.document, entry.previous, entry.digest]


def _entry(row: Iterable[Any]) -> LogEntry:
    """A row as it is: what somebody emptied or spoiled shows in its hash, not as a failure to read."""
    number, run_id, at, kind, experiment, title, document, previous, digest = row
    texts = [str(text or "") for text in (title, document, previous, digest)]
    moment = at.replace(tzinfo=UTC) if isinstance(at, datetime) else _NO_TIME
    return LogEntry(number or 0, str(run_id or ""), moment, str(kind or ""), experiment, *texts)


def _recorded(run_id: str, verdicts: str) -> RecordedRun:
    try:
        names = list(json.loads(verdicts))
    except (ValueError, TypeError) as error:
        raise NotEvaluatedError(
            f"Run {run_id} in {SCHEMA}.runs can't be read ({error}); restore the warehouse file from a copy."
        ) from error
    return RecordedRun(str(run_id), tuple(name or None for name in names))
