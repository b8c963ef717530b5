"""All that a renderer needs to know of a run, in one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dagster_pipeline.config.triage import Triage
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.documents import RegisteredCheck, iso_z
from dagster_pipeline.statistics.evidence import EffectKind

if TYPE_CHECKING:
    from dagster_pipeline.config.brief import Brief
    from dagster_pipeline.config.metrics import MetricDefinition
    from dagster_pipeline.config.types import Experiment
    from dagster_pipeline.gaps.contingencies import Contingency
    from dagster_pipeline.gaps.scenarios import ScenarioRow
    from dagster_pipeline.register.alert_quality import AlertQuality
    from dagster_pipeline.register.decision_log import LogEntry
    from dagster_pipeline.register.history import GapEvent
    from dagster_pipeline.register.track_record import TrackRecord
    from dagster_pipeline.register.trends import GapTrend

VerdictDocument = Mapping[str, Any]


class SourceStatus(StrEnum):
    """Whether a source could be read."""

    OK = "ok"
    UNMAPPED = "unmapped"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"


@dataclass(frozen=True)
class SourceFacts:
    """Row balance of one source: what was read, what was set aside and why, what is used.

    Counts are rows, None where they could not be counted. ``newest`` is its newest timestamp up to as_of;
    ``late`` says that it breaches its freshness; ``note`` is one sentence for a person.
    """

    name: str
    status: SourceStatus
    rows_total: int | None = None
    filtered: int | None = None
    quarantined: int | None = None
    duplicates_removed: int | None = None
    conflicts_removed: int | None = None
    orphans_removed: int | None = None
    canonical_rows: int | None = None
    newest: datetime | None = None
    late: bool = False
    note: str = ""

    @property
    def unexplained(self) -> int | None:
        """Rows that are neither used nor accounted for; anything but 0 is our own mistake."""
        if self.rows_total is None or self.canonical_rows is None:
            return None
        aside = (
            self.filtered,
            self.quarantined,
            self.duplicates_removed,
            self.conflicts_removed,
            self.orphans_removed,
        )
        return self.rows_total - sum(count or 0 for count in aside) - self.canonical_rows


@dataclass(frozen=True)
class UnitJoins:
    """Cohort requests of one experiment: all, those that carry their unit's key, those joined to its assignment.

    ``unit`` is request, customer or session; ``by_source`` counts the requests by how their arm is known (assignment,
    exposure_log, tie, undeclared_arm, none) and sums to ``requests``.
    """

    experiment: str
    unit: str
    requests: int
    with_key: int
    assigned: int
    by_source: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LevelRow:
    """One metric in one arm; ``segment`` is "column=value", None for the whole cohort."""

    experiment: str
    metric: str
    variant: str
    n: int
    value: float | None
    reason: str | None = None
    ci_lower: float | None = None
    ci_upper: float | None = None
    segment: str | None = None


@dataclass(frozen=True)
class EffectRow:
    """One metric of one treatment against the control, raw (T − C or T / C − 1)."""

    experiment: str
    metric: str
    variant: str
    effect: EffectKind
    estimate: float | None
    ci_lower: float | None = None
    ci_upper: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None
    segment: str | None = None


@dataclass(frozen=True)
class MetricTables:
    """What metrics.json holds."""

    levels: tuple[LevelRow, ...] = ()
    effects: tuple[EffectRow, ...] = ()
    segment_levels: tuple[LevelRow, ...] = ()
    segment_effects: tuple[EffectRow, ...] = ()


@dataclass(frozen=True)
class ExperimentScenarios:
    """One experiment's brief at the ends of what its gaps allow, and what stands in for estimates they made unusable."""

    experiment: str | None
    rows: tuple[ScenarioRow, ...] = ()
    contingencies: tuple[Contingency, ...] = ()


def _catalogue() -> Mapping[str, MetricDefinition]:
    from dagster_pipeline.config.metrics import metric_definitions  # noqa: PLC0415 (only when not given)

    return metric_definitions()


@dataclass(frozen=True)
class RunReport:
    """One run, ready to be rendered.

    ``verdicts`` are the gate's decisions in the shape of verdict.json, the first one's experiment leading;
    ``dossiers`` are what belongs to each decision beside its verdict, in the shape of decision.json; ``log`` is the whole
    decision log, oldest first; ``events`` are what happened to gaps since the last run. ``absent`` are sentences on what the configuration leaves out and what that costs, beyond what
    ``sources`` and the not_evaluated gaps say; ``alert_faults`` are sentences on what runs before could not tell.
    ``quality`` is how good the alerts were so far (None: not known), ``trends`` each gap over the last runs, ``recent`` what
    happened to gaps in the day before the run.
    """

    run_id: str
    as_of: datetime
    evaluated_at: datetime
    gaps: tuple[Gap, ...]
    checks: tuple[RegisteredCheck, ...]
    coverage: Coverage
    verdicts: tuple[VerdictDocument, ...]
    metrics: MetricTables = field(default_factory=MetricTables)
    scenarios: tuple[ExperimentScenarios, ...] = ()
    sources: tuple[SourceFacts, ...] = ()
    unit_joins: tuple[UnitJoins, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    briefs: tuple[Brief, ...] = ()
    absent: tuple[str, ...] = ()
    dossiers: tuple[Mapping[str, Any], ...] = ()
    log: tuple[LogEntry, ...] = ()
    events: tuple[GapEvent, ...] = ()
    triage: Triage = field(default_factory=Triage)
    track_record: TrackRecord | None = None
    alert_faults: tuple[str, ...] = ()
    quality: AlertQuality | None = None
    trends: tuple[GapTrend, ...] = ()
    recent: tuple[GapEvent, ...] = ()
    definitions: Mapping[str, MetricDefinition] = field(default_factory=_catalogue)

    @property
    def unresolved(self) -> tuple[Gap, ...]:
        """Gaps that are still there, in the order given."""
        return tuple(gap for gap in self.gaps if gap.status is not GapStatus.RESOLVED)

    @property
    def resolved(self) -> tuple[Gap, ...]:
        """Gaps this run found to be gone."""
        return tuple(gap for gap in self.gaps if gap.status is GapStatus.RESOLVED)

    @property
    def decisions(self) -> tuple[VerdictDocument, ...]:
        """The verdicts, or a HOLD that says that nothing was decided: silence is never a GO."""
        return self.verdicts or (_undecided(self.as_of, self.evaluated_at),)


def _undecided(as_of: datetime, evaluated_at: datetime) -> VerdictDocument:
    return {
        "schema_version": 1,
        "experiment": None,
        "verdict": "HOLD",
        "segments": [],
        "stage": None,
        "criteria": [],
        "blocked_by": [],
        "waivers": [],
        "reasons": ["HOLD: no experiment was evaluated, so there is no ground for a launch."],
        "as_of": iso_z(as_of),
        "evaluated_at": iso_z(evaluated_at),
    }
