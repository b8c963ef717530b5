"""What a look back at an earlier day found: kept beside the register's history, never in it.

The register is a story told forwards: who saw a gap first, who accepted it, when it went. A run of an earlier day has no
place in that story, so that it gets rows of its own, by the day it looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.register.documents import plain
from dagster_pipeline.register.store import SCHEMA, SqlSession, insert_rows, naive_utc, prepare

LOOK_BACK = "look back at an earlier day: not a decision of today"
"""Why the run of an earlier day decides nothing (DecisionInputs.rehearsal)."""

_DAYS, _GAPS = "look_backs", "look_back_gaps"


@dataclass(frozen=True)
class LookBack:
    """One look back: the clock it was given (``as_of``), when it ran (``at``), the gaps it measured and its failed checks."""

    run_id: str
    as_of: datetime
    at: datetime
    gaps: tuple[Gap, ...]
    checks_failed: int


@dataclass(frozen=True)
class GapOnDay:
    """How large one gap was by a day: ``share`` is what repairs leave of it, or all of it where nothing can repair it."""

    gap_id: str
    as_of: datetime
    severity: str
    share: float | None


def state_as_of(session: SqlSession) -> datetime | None:
    """The clock of the run the register stands at; None before the first."""
    prepare(session)
    query = f"select as_of from {SCHEMA}.runs order by run_number desc limit 1"  # noqa: S608 (constants)
    found = session.execute(query).fetchall()
    return found[0][0].replace(tzinfo=UTC) if found and found[0][0] is not None else None


def append_look_back(session: SqlSession, found: LookBack) -> None:
    """Appends what a look back found; needs ``store.prepare``."""
    clock = naive_utc(found.as_of)
    insert_rows(session, _GAPS, [_gap_row(found.run_id, clock, gap) for gap in found.gaps])
    head = [found.run_id, clock, naive_utc(found.at)]
    insert_rows(session, _DAYS, [[*head, len(found.gaps), found.checks_failed]])


def gaps_by_day(session: SqlSession) -> tuple[GapOnDay, ...]:
    """Every gap by the clock it was measured at, oldest first: of the register's runs and of look backs.

    Of several measurements at one clock the latest counts, and of run and look back the run. Needs ``prepare``.
    """
    told = _measured(session, _GAPS, _DAYS, "looked_at") | _measured(
        session, "gap_history", "runs", "evaluated_at"
    )
    return tuple(sorted(told.values(), key=lambda found: (found.as_of, found.gap_id)))


def _measured(session: SqlSession, gaps: str, runs: str, ran_at: str) -> dict[tuple[str, datetime], GapOnDay]:
    query = f"""
        select g.gap_id, r.as_of, g.severity, coalesce(g.share_residual, g.share_affected)
        from {SCHEMA}.{gaps} g inner join {SCHEMA}.{runs} r on r.run_id = g.run_id
        order by r.{ran_at}
    """  # noqa: S608 (constants)
    rows = session.execute(query).fetchall()
    found = (GapOnDay(i, as_of.replace(tzinfo=UTC), s, _finite(share)) for i, as_of, s, share in rows)
    return {(one.gap_id, one.as_of): one for one in found}


def _finite(share: float | None) -> float | None:
    return share if share is not None and math.isfinite(share) else None


def _gap_row(run_id: str, clock: datetime | None, gap: Gap) -> Sequence[Any]:
    named = [plain(v) for v in (gap.gap_id, gap.kind, gap.experiment, gap.table, gap.column, gap.segment)]
    figures = [gap.rows_total, gap.rows_affected, gap.share_affected, gap.share_residual]
    return [run_id, clock, *named, gap.severity.value, *map(plain, figures)]
