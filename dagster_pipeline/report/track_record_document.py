"""track_record.json: every judged prediction, every realised effect, and the process figures, unrounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster_pipeline.register.calibration import (
    CalibrationRow,
    Record,
    Tally,
    records_by_kind,
    track_record,
)
from dagster_pipeline.register.documents import Json, iso_z, plain
from dagster_pipeline.register.process import ProcessFigures, Wait
from dagster_pipeline.register.realised import Comparison
from dagster_pipeline.register.track_record import TrackRecord
from dagster_pipeline.report.calibration_view import CONFIDENCE
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.statistics.binomial import exact_interval

SCHEMA_VERSION = 1


def track_record_document(report: RunReport) -> Json:
    """What track_record.json holds."""
    track = report.track_record or TrackRecord()
    rows = track.calibration
    document = {
        "schema_version": SCHEMA_VERSION,
        "run_id": report.run_id,
        "as_of": report.as_of,
        "confidence": CONFIDENCE,
        "calibration": {
            "overall": _record(track_record(rows)),
            "by_kind": {kind: _record(found) for kind, found in records_by_kind(rows).items()},
            "predictions": [_prediction(row) for row in rows],
        },
        "realised": [realised_document(found) for found in track.realised],
        "process": _process(track.process, journal_known=track.journal_fault is None),
        "journal_fault": track.journal_fault,
    }
    return {key: plain(value) for key, value in document.items()}


def _record(record: Record) -> Json:
    return {
        "gaps": record.gaps,
        "ranges": _tally(record.ranges),
        "points": _tally(record.points),
        "directions": _tally(record.directions),
        "expected_directions": _tally(record.guesses),
        "not_comparable": record.incomparable,
    }


def _tally(tally: Tally) -> Json:
    ends = exact_interval(tally.held, tally.scored, CONFIDENCE) if tally.scored else (None, None)
    return {
        "scored": tally.scored,
        "held": tally.held,
        "share": tally.share,
        "lower": ends[0],
        "upper": ends[1],
    }


def _prediction(row: CalibrationRow) -> Json:
    made, came = row.prediction, row.outcome
    return {
        "gap_id": made.gap_id,
        "kind": made.kind,
        "experiment": made.experiment,
        "metric": made.metric,
        "variant": made.variant,
        "predicted_at": made.made_at,
        "healed_at": row.at,
        "run_id": row.run_id,
        "lower": made.lower,
        "upper": made.upper,
        "unmitigated": made.unmitigated,
        "mitigated": made.mitigated,
        "direction": made.direction.value,
        "expected_direction": made.expected_direction.value,
        "claim": made.claim.value if made.claim else None,
        "healed": came.healed,
        "inside": came.is_inside,
        "direction_right": came.direction_right,
        "expected_direction_right": came.expected_right,
        "reason": came.reason,
    }


def realised_document(found: Comparison) -> Json:
    """One realised effect beside its forecast, as plain JSON values."""
    effect, forecast = found.realised, found.forecast
    document = {
        "experiment": effect.experiment,
        "metric": effect.metric,
        "variant": effect.variant,
        "value": effect.value,
        "source": effect.source,
        "by": effect.by,
        "on": effect.on,
        "recorded_at": effect.at,
        "forecast": None
        if forecast is None
        else {
            "run_id": forecast.run_id,
            "decided_at": forecast.decided_at,
            "verdict": forecast.verdict,
            "estimate": forecast.estimate,
            "ci_lower": forecast.ci_lower,
            "ci_upper": forecast.ci_upper,
            "lower": forecast.lower,
            "upper": forecast.upper,
        },
        "inside_interval": found.in_interval,
        "inside_region": found.in_region,
        "error": found.error,
        "reason": found.reason,
    }
    return {key: plain(value) for key, value in document.items()}


def _process(process: ProcessFigures | None, *, journal_known: bool) -> Json | None:
    if process is None:
        return None
    median = process.median_wait
    return {
        "gap_to_decision_seconds_median": None if median is None else median.total_seconds(),
        "gaps_to_decision": [_wait(wait) for wait in process.waits],
        "escalations": process.escalations,
        "actions": _actions(process) if journal_known else None,
    }


def _wait(wait: Wait) -> Json:
    length = wait.length
    return {
        "gap_id": wait.gap_id,
        "opened_at": iso_z(wait.opened_at),
        "decided_at": iso_z(wait.decided_at),
        "verdict": wait.verdict,
        "seconds": None if length is None else length.total_seconds(),
    }


def _actions(process: ProcessFigures) -> Mapping[str, Any]:
    return {
        "judged": process.actions_judged,
        "closed_in_time": process.actions_in_time,
        "share_closed_in_time": process.actions_in_time / process.actions_judged
        if process.actions_judged
        else None,
        "list": [
            {
                "experiment": action.experiment,
                "what": action.what,
                "owner": action.owner,
                "due": action.due,
                "decided_at": iso_z(action.decided_at),
                "closed_at": iso_z(action.closed_at),
                "closed_by": action.closed_by,
                "in_time": action.in_time(process.at),
            }
            for action in process.actions
        ],
    }
