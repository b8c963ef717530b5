"""A track record with something in every part: claims that held and that did not, a launch, actions in every state."""

from datetime import UTC, datetime, timedelta

from dagster_pipeline.register.calibration import CalibrationRow, Outcome, Prediction
from dagster_pipeline.register.process import ActionState, ProcessFigures, Wait
from dagster_pipeline.register.realised import Comparison, Forecast, Realised
from dagster_pipeline.register.track_record import TrackRecord
from dagster_pipeline.statistics.evidence import Better
from dagster_pipeline.statistics.vocabulary import Direction

THEN = datetime(2026, 11, 3, 6, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 6, 6, 12, tzinfo=UTC)
HIRES, ARM, EXPERIMENT = "hire_rate_7d", "treatment", "quoting_v2"


def a_judged(outcome, **fields):
    defaults = {
        "gap_id": "gap-000000000001", "kind": "stale_source", "experiment": EXPERIMENT, "metric": HIRES,
        "variant": ARM, "made_at": THEN, "better": Better.HIGHER, "lower": -0.01, "upper": 0.03,
        "unmitigated": 0.006, "mitigated": 0.005, "direction": Direction.INFLATES,
        "expected_direction": Direction.INFLATES,
    }  # fmt: skip
    return CalibrationRow("run-2", NOW, Prediction(**(defaults | fields)), outcome)


def a_comparison(**fields):
    effect = {
        "experiment": EXPERIMENT,
        "metric": HIRES,
        "variant": ARM,
        "source": "holdout",
        "by": "Ada Chen",
    }
    realised = Realised(**(effect | fields), value=0.004, on=NOW, at=NOW)
    return Comparison(
        realised, Forecast("run-1", THEN, "GO", 0.005, -0.001, 0.011, -0.01, 0.03), True, True, -0.001
    )


def an_action(what="Replay the lost events", **fields):
    defaults = {
        "owner": "Data platform",
        "due": "2026-11-13T00:00:00Z",
        "decided_at": THEN - timedelta(days=40),
    }
    return ActionState(EXPERIMENT, what, **(defaults | fields))


def a_track_record(text=None, **fields):
    """``text``, where given, stands wherever somebody may have written something."""
    names = {} if text is None else {"experiment": text, "metric": text, "variant": text}
    kinds = {} if text is None else {"kind": text, "gap_id": text}
    said = {} if text is None else {"source": text, "by": text}
    what = text or "Replay the lost events"
    defaults = {
        "calibration": (
            a_judged(Outcome(0.004, True, True, True), **names, **kinds),
            a_judged(Outcome(0.05, False, False, None), **(names or {"metric": "quoted"}), **kinds),
            a_judged(Outcome(0.005, True), lower=0.005, upper=0.005, **(names | kinds or {"kind": "duplicate_rows"})),
            a_judged(Outcome(None, reason=text or "The brief was changed since."), **names, **kinds),
        ),
        "realised": (
            a_comparison(**names, **said),
            Comparison(a_comparison(**names, **said).realised, None, reason=text or "No GO or PARTIAL."),
        ),
        "process": ProcessFigures(
            NOW,
            (Wait(text or "gap-1", THEN, NOW, "HOLD"), Wait(text or "gap-2", THEN)),
            2,
            (
                an_action(what, closed_at=THEN - timedelta(days=20), closed_by=text or "Ada"),
                an_action(what),
                an_action(what, decided_at=THEN),
            ),
        ),
        "journal_fault": text,
    }  # fmt: skip
    return TrackRecord(**(defaults | fields))
