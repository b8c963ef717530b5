"""Dry runs of the contract before launch: in the warehouse they ran on, and in the journal the launch's gate reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_pipeline.register.documents import from_iso_z, iso_z, plain
from dagster_pipeline.register.journal import DRY_RUN, Entry, append_entry
from dagster_pipeline.register.store import SqlSession, insert_rows, naive_utc

RECORDED_BY = "plumbline run --readiness"
_TABLE = "dry_runs"


@dataclass(frozen=True)
class DryRun:
    """One run of the contract on staging data, for one experiment's brief; ``at`` is when it ran, in UTC.

    ``reasons`` say why it is not green. ``brief_version`` is the brief it was held to, None where that has none;
    ``critical_fields`` and ``monitored_fields`` are those of that brief.
    """

    run_id: str
    at: datetime
    experiment: str
    brief_version: str | None
    is_green: bool
    reasons: tuple[str, ...]
    critical_fields: int
    monitored_fields: int
    as_of: datetime


def append_dry_runs(session: SqlSession, dry_runs: Sequence[DryRun]) -> None:
    """Appends the dry runs of one run to the warehouse; needs ``store.prepare``."""
    insert_rows(session, _TABLE, [_row(found) for found in dry_runs])


def record_dry_runs(journal: Path, dry_runs: Iterable[DryRun]) -> tuple[Entry, ...]:
    """Appends them to a journal, which goes from staging to production with the configuration.

    Raises what ``append_entry`` raises.
    """
    return tuple(
        append_entry(
            journal,
            kind=DRY_RUN,
            by=RECORDED_BY,
            experiment=found.experiment,
            content=_content(found),
            at=found.at,
        )
        for found in dry_runs
    )


def journal_dry_runs(journal: Iterable[Entry]) -> tuple[DryRun, ...]:
    """The dry runs a journal tells of, in its order; one that can't be read is left out, so it is never a green one."""
    found = (_from_entry(entry) for entry in journal if entry.kind == DRY_RUN)
    return tuple(dry_run for dry_run in found if dry_run is not None)


def _content(found: DryRun) -> Mapping[str, Any]:
    content: Mapping[str, Any] = plain(
        {
            "run_id": found.run_id,
            "is_green": found.is_green,
            "brief_version": found.brief_version,
            "critical_fields": found.critical_fields,
            "monitored_fields": found.monitored_fields,
            "as_of": iso_z(found.as_of),
            "reasons": found.reasons,
        }
    )
    return content


def _from_entry(entry: Entry) -> DryRun | None:
    content = entry.content
    try:
        as_of = from_iso_z(content["as_of"])
        if entry.experiment is None or as_of is None:
            return None
        return DryRun(
            run_id=str(content["run_id"]),
            at=entry.at,
            experiment=entry.experiment,
            brief_version=content["brief_version"],
            is_green=content["is_green"] is True,
            reasons=tuple(map(str, content["reasons"])),
            critical_fields=int(content["critical_fields"]),
            monitored_fields=int(content["monitored_fields"]),
            as_of=as_of,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _row(found: DryRun) -> list[Any]:
    reasons = json.dumps(plain(found.reasons))
    figures = [found.critical_fields, found.monitored_fields]
    head = [found.run_id, naive_utc(found.at), plain(found.experiment), found.brief_version]
    return [*head, found.is_green, reasons, *figures, naive_utc(found.as_of)]
