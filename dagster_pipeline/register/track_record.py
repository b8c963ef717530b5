"""How right the register has been so far: its claims on gaps, its forecasts of effects, and the work around them."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.register.calibration import CalibrationRow
from dagster_pipeline.register.process import ProcessFigures
from dagster_pipeline.register.realised import Comparison


@dataclass(frozen=True)
class TrackRecord:
    """All judged predictions, all realised effects beside their forecasts, and the process figures.

    ``journal_fault`` says why what people put on record could not be read: realised effects and closed actions are
    unknown then, and not none.
    """

    calibration: tuple[CalibrationRow, ...] = ()
    realised: tuple[Comparison, ...] = ()
    process: ProcessFigures | None = None
    journal_fault: str | None = None
