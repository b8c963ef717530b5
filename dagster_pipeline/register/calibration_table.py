"""The judged predictions in the warehouse: appended by each run, read back whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.calibration import CalibrationRow, Outcome, Prediction
from dagster_pipeline.register.documents import gap_from_document, plain
from dagster_pipeline.register.store import SCHEMA, SqlSession, insert_rows, naive_utc
from dagster_pipeline.statistics.evidence import Better
from dagster_pipeline.statistics.vocabulary import Direction

_TABLE = "calibration"
_COLUMNS = (
    *("run_id", "judged_at", "gap_id", "kind", "experiment", "metric", "variant", "predicted_at", "better"),
    *("lower_bound", "upper_bound", "unmitigated", "mitigated", "direction", "expected_direction"),
    *("healed", "is_inside", "direction_right", "expected_right", "reason"),
)


def append_calibration(session: SqlSession, rows: Sequence[CalibrationRow]) -> None:
    """Appends what one run judged; needs ``store.prepare``."""
    insert_rows(session, _TABLE, [_row(row) for row in rows])


def read_calibration(session: SqlSession) -> tuple[CalibrationRow, ...]:
    """Every judged prediction, oldest first. Raises NotEvaluatedError where one can't be read."""
    query = f"select {', '.join(_COLUMNS)} from {SCHEMA}.{_TABLE} order by judged_at, run_id, gap_id, metric, variant"  # noqa: S608
    return tuple(_calibration(row) for row in session.execute(query).fetchall())


def gaps_at(session: SqlSession, measured_at: datetime | None) -> tuple[Gap, ...]:
    """The unresolved gaps as the run that began at a time left them; none where there was no such run.

    Raises NotEvaluatedError where one can't be read.
    """
    if measured_at is None:
        return ()
    query = (
        f"select history.gap_id, history.gap from {SCHEMA}.gap_history as history "  # noqa: S608
        f"inner join {SCHEMA}.runs as runs on runs.run_number = history.run_number where runs.evaluated_at = ?"
    )
    rows = session.execute(query, [naive_utc(measured_at)]).fetchall()
    found = (_gap(gap_id, text) for gap_id, text in rows)
    return tuple(gap for gap in found if gap.status is not GapStatus.RESOLVED)


def _gap(gap_id: str, text: str) -> Gap:
    try:
        return gap_from_document(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise NotEvaluatedError(
            f"A state of {gap_id} in {SCHEMA}.gap_history can't be read ({error}); restore the warehouse file from a copy."
        ) from error


def _row(row: CalibrationRow) -> list[Any]:
    made, came = row.prediction, row.outcome
    place = [made.gap_id, made.kind, made.experiment, made.metric, made.variant]
    figures = [made.lower, made.upper, made.unmitigated, made.mitigated]
    values = [
        *place,
        naive_utc(made.made_at),
        made.better.value if made.better else None,
        *map(plain, figures),
        made.direction.value,
        made.expected_direction.value,
        came.healed,
        came.is_inside,
        came.direction_right,
        came.expected_right,
        plain(came.reason),
    ]
    return [row.run_id, naive_utc(row.at), *values]


def _calibration(row: Sequence[Any]) -> CalibrationRow:
    found = dict(zip(_COLUMNS, row, strict=True))
    try:
        return CalibrationRow(
            found["run_id"],
            found["judged_at"].replace(tzinfo=UTC),
            _prediction(found),
            Outcome(
                found["healed"],
                found["is_inside"],
                found["direction_right"],
                found["expected_right"],
                found["reason"],
            ),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise NotEvaluatedError(
            f"A judged prediction of run {found['run_id']} in {SCHEMA}.{_TABLE} can't be read ({error}); restore the "
            f"warehouse file from a copy."
        ) from error


def _prediction(found: Mapping[str, Any]) -> Prediction:
    made_at, better = found["predicted_at"], found["better"]
    return Prediction(
        gap_id=found["gap_id"],
        kind=found["kind"],
        experiment=found["experiment"],
        metric=found["metric"],
        variant=found["variant"],
        made_at=made_at.replace(tzinfo=UTC) if made_at else None,
        better=Better(better) if better else None,
        lower=found["lower_bound"],
        upper=found["upper_bound"],
        unmitigated=found["unmitigated"],
        mitigated=found["mitigated"],
        direction=Direction(found["direction"]),
        expected_direction=Direction(found["expected_direction"]),
    )
