"""The rollout of a launch as one run sees it: its rules at every daily look, its rollback triggers, its stages.

Pure. What the gate asks of it later, without a database, is in gate/stages.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dagster_pipeline.config.brief import Rollout
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.gaps.daily import daily_sums
from dagster_pipeline.gaps.desk import ExperimentAssessment
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gate.looks import Monitored, monitored, monitored_document
from dagster_pipeline.gate.rollback import Watch, watch_document, watches
from dagster_pipeline.gate.stages import StageAnswer, journal_facts, stage_answer
from dagster_pipeline.register.documents import iso_z, plain
from dagster_pipeline.register.journal import Entry


@dataclass(frozen=True)
class RolloutSection:
    """All of a run that a rollout hangs on, for one experiment."""

    experiment: str
    evaluated_at: datetime
    rollout: Rollout
    monitored: tuple[Monitored, ...]
    watches: tuple[Watch, ...]
    journal: Mapping[str, Any]


def rollout_section(
    config: PlumblineConfig,
    found: ExperimentAssessment,
    measurements: Measurements,
    entries: Iterable[Entry],
    evaluated_at: datetime,
) -> RolloutSection | None:
    """The rollout of one experiment with a brief, by a run's measurements and the journal; None without a brief."""
    experiment = config.experiment(found.experiment) if found.experiment else None
    if experiment is None or found.brief is None:
        return None
    sums = daily_sums(measurements, experiment)
    rollout = found.brief.rollout
    return RolloutSection(
        experiment=experiment.id,
        evaluated_at=evaluated_at,
        rollout=rollout,
        monitored=monitored(found.demands, sums, found.brief.confidence, experiment),
        watches=tuple(watches(rollout, experiment, sums, config.metrics, config.as_of)),
        journal=journal_facts(entries, experiment.id),
    )


def stage_check(
    section: RolloutSection, percent: float, now: datetime, entries: Iterable[Entry] | None = None
) -> StageAnswer:
    """Whether a stage may start, by this run and the journal: as it was then, or ``entries`` as they are now."""
    document = rollout_document(section)
    if entries is not None:
        document |= journal_facts(entries, section.experiment)
    return stage_answer(document, percent, now)


def rollout_document(section: RolloutSection) -> dict[str, Any]:
    """The rollout section of decision.json: all that the gate needs to answer for any stage without a database."""
    rollout = section.rollout
    found: dict[str, Any] = plain(
        {
            "experiment": section.experiment,
            "evaluated_at": iso_z(section.evaluated_at),
            "stages": [
                {"percent": s.percent, "dwell_seconds": s.dwell.total_seconds()} for s in rollout.stages
            ],
            "cap": rollout.stage_cap,
            "monitored": [monitored_document(one) for one in section.monitored],
            "rollback": [watch_document(one) for one in section.watches],
            **section.journal,
        }
    )
    return found
