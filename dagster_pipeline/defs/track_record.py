"""What a run adds to the track record: its estimates, and what became of the predictions on the gaps it found healed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.gate.dossier import Acts
from dagster_pipeline.register import store
from dagster_pipeline.register.calibration import Before, calibrate, healed_gaps
from dagster_pipeline.register.calibration_table import append_calibration, gaps_at, read_calibration
from dagster_pipeline.register.decision_log import LogEntry
from dagster_pipeline.register.estimates import append_figures, figures_at, figures_of
from dagster_pipeline.register.history import Merged
from dagster_pipeline.register.process import process_figures
from dagster_pipeline.register.realised import compared, realised_effects
from dagster_pipeline.register.store import SqlSession
from dagster_pipeline.register.track_record import TrackRecord


def append_track_record(
    session: SqlSession,
    run: PlumblineRun,
    assessment: RunAssessment,
    measurements: Measurements,
    merged: Merged,
    brief_versions: Mapping[str, str],
) -> None:
    """Judge what healed since the last run and append it with this run's estimates; before the run itself is appended."""
    now = figures_of(run.config, assessment, measurements, run.started_at, brief_versions)
    rows = calibrate(
        healed_gaps(store.latest_gaps(session), merged.events),
        lambda gap: _before(session, gap),
        Before(merged.gaps, now),
        run_id=run.run_id,
        at=run.started_at,
    )
    append_figures(session, run.run_id, now)
    append_calibration(session, rows)


def _before(session: SqlSession, gap: Gap) -> Before:
    """The register as the run that last measured the gap left it."""
    if gap.last_seen is None:
        return Before((), ())
    return Before(gaps_at(session, gap.last_seen), figures_at(session, gap.last_seen))


def track_record(
    session: SqlSession, merged: Merged, acts: Acts, log: Sequence[LogEntry], at: datetime
) -> TrackRecord:
    """The record so far, this run included."""
    events = (*store.all_events(session), *merged.events)
    return TrackRecord(
        calibration=read_calibration(session),
        realised=compared(realised_effects(acts.journal), log),
        process=process_figures(events, log, acts.journal, at),
        journal_fault=acts.fault,
    )
