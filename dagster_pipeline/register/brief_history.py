"""Which version of a brief each run was held to, and whether that run saw data of the cohort."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.register.documents import plain
from dagster_pipeline.register.store import SCHEMA, SqlSession, insert_rows, naive_utc

_TABLE = "brief_history"


@dataclass(frozen=True)
class BriefSeen:
    """The brief one run was held to: its version, and in ``document`` what that version says, as plain JSON.

    ``at`` is when the run decided, in UTC. ``saw_data`` is whether it read at least one request of the experiment's cohort.
    """

    run_id: str
    at: datetime
    experiment: str
    version: str
    document: Mapping[str, Any]
    saw_data: bool


def append_briefs(session: SqlSession, briefs: Sequence[BriefSeen]) -> None:
    """Appends what one run's briefs were; needs ``store.prepare``."""
    insert_rows(session, _TABLE, [_row(brief) for brief in briefs])


def read_brief_history(session: SqlSession) -> tuple[BriefSeen, ...]:
    """Every brief of every run, oldest first. Raises NotEvaluatedError where one can't be read."""
    columns = "run_id, seen_at, experiment, version, document, saw_data"
    query = f"select {columns} from {SCHEMA}.{_TABLE} order by seen_at, run_id, experiment"  # noqa: S608
    return tuple(_brief(*row) for row in session.execute(query).fetchall())


def _row(brief: BriefSeen) -> list[Any]:
    document = json.dumps(plain(brief.document), allow_nan=False)
    when = naive_utc(brief.at)
    return [brief.run_id, when, plain(brief.experiment), brief.version, document, brief.saw_data]


def _brief(
    run_id: str, at: datetime, experiment: str, version: str, document: str, saw_data: bool
) -> BriefSeen:
    try:
        found = json.loads(document)
        return BriefSeen(run_id, at.replace(tzinfo=UTC), experiment, version, found, bool(saw_data))
    except (ValueError, TypeError, AttributeError) as error:
        raise NotEvaluatedError(
            f"The brief of run {run_id} in {SCHEMA}.{_TABLE} can't be read ({error}); restore the warehouse file "
            f"from a copy."
        ) from error
