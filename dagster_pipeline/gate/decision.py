"""What the gate is asked and what it answers: the shape of verdict.json (DESIGN.md §7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.criteria.vocabulary import Outcome, Severity
from dagster_pipeline.register.documents import iso_z, plain

SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """GO: everywhere. PARTIAL: named segments, or up to a rollout stage. HOLD: not now."""

    GO = "GO"
    PARTIAL = "PARTIAL"
    HOLD = "HOLD"

    @property
    def rank(self) -> int:
        """0 for HOLD up to 2 for GO."""
        return ["HOLD", "PARTIAL", "GO"].index(self.value)


@dataclass(frozen=True)
class Answer:
    """One criterion or guardrail of one treatment, evaluated.

    ``outcome`` is the base answer. ``joint_passes`` says whether it still passes with every gap that is open
    and not waived at its worst; None where that is not known, which counts as no. All figures are raw effects
    (T − C or T / C − 1): ``threshold`` is the limit the base answer came closest to, ``lower`` and ``upper``
    the joint region. The last four only serve the sentences: ``effect`` is absolute or relative (None: the
    metric's default), ``joint_figure`` what the joint answer looked at (G₁ or the region's worse end) and
    ``joint_threshold`` the limit it was held to, ``definition`` the metric's, which a team's own metric brings along.
    ``rests_on_waiver`` says that it passes jointly only because somebody accepts a gap; verdict.json then calls it waived.
    ``counts_settled`` says that its joint figures still hold what people accepted or called resolved.
    """

    metric: str
    variant: str | None
    kind: Literal["criterion", "guardrail"]
    outcome: Outcome
    joint_passes: bool | None
    threshold: float | None = None
    estimate: float | None = None
    ci_lower: float | None = None
    ci_upper: float | None = None
    lower: float | None = None
    upper: float | None = None
    delta_star: float | None = None
    effect: str | None = None
    joint_figure: float | None = None
    joint_threshold: float | None = None
    definition: MetricDefinition | None = None
    rests_on_waiver: bool = False
    counts_settled: bool = False


@dataclass(frozen=True)
class OpenGap:
    """A gap that touches the decision; ``flips`` says that its worst case alone turns the verdict.

    ``opens`` are the metrics that it leaves open by itself, ``explains`` the answers (metric, variant) whose joint region
    is its own, and ``loss`` names what it shows: gaps of one loss (rows of several tables that lack the same requests)
    are closed together. ``turns`` are the answers (metric, variant) that its worst case alone would turn, ``hides`` those whose figure it
    makes unknown. A waiver counts only with an expiry: ``is_waived`` without ``waiver_expires_at`` is no waiver. ``resolved_by``
    names who said, after the run, that the gap is resolved.
    """

    gap_id: str
    kind: str
    severity: Severity
    status: str
    flips: bool
    metrics: tuple[str, ...]
    description: str
    is_waived: bool = False
    waiver_expires_at: datetime | None = None
    opens: tuple[str, ...] = ()
    explains: tuple[tuple[str, str | None], ...] = ()
    loss: str | None = None
    turns: tuple[tuple[str, str | None], ...] = ()
    hides: tuple[tuple[str, str | None], ...] = ()
    resolved_by: str | None = None


@dataclass(frozen=True)
class SegmentAnswer:
    """Whether one segment passes on its own, at levels that hold over all segments looked at (Holm)."""

    segment: str
    passes_base: bool
    passes_joint: bool


@dataclass(frozen=True)
class Harm:
    """A large segment that a treatment is proven to harm: hires down and support up, each beyond its limit.

    ``hires`` and ``tickets`` are the proven limits, raw: hires fell by at least this much, tickets rose by at least.
    """

    segment: str
    variant: str
    hires: float
    tickets: float


@dataclass(frozen=True)
class DecisionInputs:
    """All that a decision hangs on, for one experiment.

    ``has_criteria`` says whether the brief demands anything; ``answers`` holds every demand × treatment;
    ``stage_cap`` is the rollout stage in per cent that a PARTIAL is capped at. ``residual_variant`` is the share of cohort
    requests whose arm stays unknown, ``harmed`` the large segments that are proven to be harmed, ``unready`` why the
    launch is not ready, in sentences; ``rehearsal`` says why this run decides nothing; ``remarks`` stand beside the verdict
    whatever it is. ``passing_treatments`` would
    pass on their own and ``without`` says what the cohort would do without one of its segments, both with
    multiplicity held. Raises ValueError for a cap outside 1 to 99, which would be no cap.
    """

    experiment: str | None
    has_brief: bool
    has_criteria: bool
    is_known_experiment: bool
    answers: tuple[Answer, ...]
    gaps: tuple[OpenGap, ...]
    segments: tuple[SegmentAnswer, ...]
    as_of: datetime
    evaluated_at: datetime
    stage_cap: int = 10
    residual_variant: float = 0.0
    harmed: tuple[Harm, ...] = ()
    unready: tuple[str, ...] = ()
    rehearsal: str | None = None
    remarks: tuple[str, ...] = ()
    passing_treatments: tuple[str, ...] = ()
    without: tuple[SegmentAnswer, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.stage_cap <= 99:
            raise ValueError(f"stage_cap must lie between 1 and 99 per cent, not {self.stage_cap}")


@dataclass(frozen=True)
class Waiver:
    """A gap whose risk somebody accepts, until when."""

    gap_id: str
    expires_at: datetime


@dataclass(frozen=True)
class Decision:
    """The verdict on one experiment and its grounds; the first of ``reasons`` sums it up.

    ``segments`` (column=value) and ``stage`` (per cent) are what a PARTIAL allows; ``blocked_by`` are the
    gaps to repair or to accept before the launch can go further.
    """

    experiment: str | None
    verdict: Verdict
    segments: tuple[str, ...]
    stage: int | None
    criteria: tuple[Answer, ...]
    blocked_by: tuple[str, ...]
    waivers: tuple[Waiver, ...]
    reasons: tuple[str, ...]
    as_of: datetime
    evaluated_at: datetime


_CRITERION_KEYS = (
    *("metric", "variant", "kind", "outcome", "threshold", "estimate"),
    *("ci_lower", "ci_upper", "lower", "upper", "delta_star"),
)


def to_json(decision: Decision) -> dict[str, Any]:
    """What verdict.json holds; NaN and infinity become null."""
    return {
        "schema_version": SCHEMA_VERSION,
        "experiment": plain(decision.experiment),
        "verdict": decision.verdict.value,
        "segments": plain(decision.segments),
        "stage": decision.stage,
        "criteria": [_criterion(answer) for answer in decision.criteria],
        "blocked_by": plain(decision.blocked_by),
        "waivers": [
            {"gap_id": plain(waiver.gap_id), "expires_at": iso_z(waiver.expires_at)}
            for waiver in decision.waivers
        ],
        "reasons": plain(decision.reasons),
        "as_of": iso_z(decision.as_of),
        "evaluated_at": iso_z(decision.evaluated_at),
    }


def _criterion(answer: Answer) -> dict[str, Any]:
    figures = {key: getattr(answer, key) for key in _CRITERION_KEYS}
    outcome = Outcome.WAIVED if answer.rests_on_waiver else answer.outcome
    return {key: plain(value) for key, value in (figures | {"outcome": outcome.value}).items()}
