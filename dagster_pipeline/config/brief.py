"""The brief of plumbline.yml: the decision to be made on one experiment, what it takes, and what hangs on it."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from dagster_pipeline.config.frozen import Frozen
from dagster_pipeline.config.metrics import (
    EffectName,
    MetricDefinition,
    definition_in,
    known_metric,
)
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.config.scalars import Duration, Identifier, Instant, Number, Share, Size, Text, between
from dagster_pipeline.config.segments import Segment, is_drawn_before, name_of, read_segment

EMPTY_BRIEF = "has neither criteria nor guardrails: an empty brief is refused, since it decides nothing"
ROLES = ("responsible", "accountable", "consulted", "informed")
"""Names in ``owners`` that are roles in the decision rather than gap kinds or sources."""
SignatureName = Literal["optional", "required"]
_SMALL_STAGE = 10


def _no_percentages(
    definition: MetricDefinition, effect: EffectName | None, limits: dict[str, float | None]
) -> None:
    """A share's difference lies within ±1; a larger limit is a percentage by mistake and would never bind."""
    if definition.kind != "share" or (effect or definition.effect) != "absolute":
        return
    for key, value in limits.items():
        if value is not None and abs(value) > 1:
            raise Refusal(
                f"must lie within ±1 ({definition.name} is a share; one percentage point is 0.01)", at=(key,)
            )


class Criterion(Frozen):
    """What the treatment must reach on one metric, oriented so that higher is better.

    ``min_improvement`` and ``min_delta`` apply to the estimate, ``min_bound`` to the interval's limit; at
    least one is set. ``effect`` None means the metric's default effect.
    """

    metric: Text
    effect: EffectName | None = None
    min_improvement: Number | None = None
    min_delta: Number | None = None
    min_bound: Number | None = None

    @field_validator("metric")
    @classmethod
    def _metric(cls, name: str, info: ValidationInfo) -> str:
        return known_metric(name, info.context)

    @model_validator(mode="after")
    def _sensible(self, info: ValidationInfo) -> Criterion:
        limits = {key: getattr(self, key) for key in ("min_improvement", "min_delta", "min_bound")}
        definition = definition_in(info.context, self.metric)
        relative = (self.effect or definition.effect) == "relative"
        if all(limit is None for limit in limits.values()):
            raise Refusal("needs at least one of min_improvement, min_delta, min_bound")
        if self.min_delta is not None and self.min_improvement is not None:
            raise Refusal("has both min_delta and min_improvement, and both apply to the estimate; keep one")
        if relative and self.min_delta is not None:
            raise Refusal(
                "is for absolute effects; for a relative effect write min_improvement", at=("min_delta",)
            )
        if relative and definition.better == "lower":
            for key, limit in limits.items():
                if limit is not None and limit >= 1:
                    raise Refusal("must be below 1: nothing improves by more than 100% by falling", at=(key,))
        _no_percentages(definition, self.effect, limits)
        return self


class Guardrail(Frozen):
    """What the treatment must not exceed on one metric; raw, an increase is one of treatment over control.

    ``max_increase`` and ``max_decrease`` apply to the estimate, ``max_bound`` to the interval's limit on
    that side (the side that makes the metric worse where neither is set). ``effect`` None means the
    metric's default effect.
    """

    metric: Text
    effect: EffectName | None = None
    max_increase: Size | None = None
    max_decrease: Size | None = None
    max_bound: Size | None = None

    @field_validator("metric")
    @classmethod
    def _metric(cls, name: str, info: ValidationInfo) -> str:
        return known_metric(name, info.context)

    @model_validator(mode="after")
    def _sensible(self, info: ValidationInfo) -> Guardrail:
        limits = {key: getattr(self, key) for key in ("max_increase", "max_decrease", "max_bound")}
        if all(limit is None for limit in limits.values()):
            raise Refusal("needs at least one of max_increase, max_decrease, max_bound")
        definition = definition_in(info.context, self.metric)
        relative = (self.effect or definition.effect) == "relative"
        if relative and self.max_decrease is not None and self.max_decrease >= 1:
            raise Refusal(
                "must be below 1: nothing falls by more than 100%, so it would never bind",
                at=("max_decrease",),
            )
        _no_percentages(definition, self.effect, limits)
        return self


class SeverityPolicy(Frozen):
    """Where δ* divides blocker, high and medium (GAPS.md §5)."""

    blocker_at: Size = 0.25
    high_at: Size = 1.0
    medium_at: Size = 2.0

    @model_validator(mode="after")
    def _ascending(self) -> SeverityPolicy:
        if not self.blocker_at <= self.high_at <= self.medium_at:
            raise Refusal("must ascend: blocker_at ≤ high_at ≤ medium_at")
        return self


class Rice(Frozen):
    """Reach × impact × confidence ÷ effort: a way to rank options (Intercom's). ``reach`` per period, ``effort`` in person-months."""

    reach: Size
    impact: Size
    confidence: Share
    effort: Size

    @property
    def score(self) -> float:
        """The four put together."""
        return self.reach * self.impact * self.confidence / self.effort

    @field_validator("effort")
    @classmethod
    def _some_effort(cls, value: float) -> float:
        return between(0, math.inf, open_low=True)(value)


class Option(Frozen):
    """One of the courses open to who decides; what it brings, costs and risks, in words.

    ``rice`` holds reach, impact, confidence and effort where the team scores its options so.
    """

    name: Text
    description: Text | None = None
    benefit: Text | None = None
    cost: Text | None = None
    risk: Text | None = None
    effort: Text | None = None
    rice: Rice | None = None


class Incident(Frozen):
    """What a bad launch costs: ``cost`` at full traffic, with this probability of it happening."""

    cost: Size
    probability: Share


class Value(Frozen):
    """What the decision is worth in money.

    ``per_day`` is metric → the value of one whole unit of its effect (1.0: for a relative effect 100%, for a share 100 pp)
    per day at full traffic; negative where less is better. ``horizon`` is how long a launch is valued for.
    """

    currency: Text = "USD"
    per_day: dict[Text, Number]
    incident: Incident | None = None
    infrastructure_per_day: Size = 0.0
    horizon: Duration = timedelta(days=28)

    @field_validator("per_day")
    @classmethod
    def _some_value(cls, per_day: dict[str, float]) -> dict[str, float]:
        if not per_day:
            raise Refusal("names no metric: without one a launch is worth nothing")
        return per_day


class Stage(Frozen):
    """A step of the rollout: per cent of the traffic, and how long to stay there at least."""

    percent: Annotated[Number, AfterValidator(between(0, 100, open_low=True))]
    dwell: Duration


class Rollback(Frozen):
    """When to switch the launch off: the metric's daily level falls by ``max_fall`` (absolute, a positive number) from one day to the
    next on ``days`` consecutive days. A day of fewer than ``min_units`` requests is not judged.
    """

    metric: Text
    max_fall: Size
    days: Annotated[int, Field(strict=True, ge=1)] = 2
    min_units: Annotated[int, Field(strict=True, ge=1)] = 100


class Rollout(Frozen):
    """How the launch would go out: stages, ascending; what switches it off; who is told.

    ``cap`` is the stage a PARTIAL may go to, by default the highest of at most 10%. ``webhook_variable`` names the environment
    variable that holds the address to call: an address may be a secret.
    """

    stages: tuple[Stage, ...] = ()
    cap: Annotated[int, Field(strict=True, ge=1, le=99)] | None = None
    rollback: tuple[Rollback, ...] = ()
    webhook_variable: Text | None = None

    @property
    def stage_cap(self) -> int:
        """The stage in per cent that a PARTIAL is capped at."""
        small = [int(stage.percent) for stage in self.stages if 1 <= stage.percent <= _SMALL_STAGE]
        return self.cap or max(small, default=_SMALL_STAGE)

    @field_validator("stages")
    @classmethod
    def _ascending(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        shares = [stage.percent for stage in stages]
        if shares != sorted(set(shares)):
            raise Refusal("must ascend: each stage reaches more of the traffic than the one before")
        return stages


class Readiness(Frozen):
    """What must be there before launch_date: a green dry run at least ``lead`` before it, and the share of critical fields watched."""

    lead: Duration = timedelta(days=21)
    coverage: Share = 0.8


class Action(Frozen):
    """Something somebody does because of the decision."""

    what: Text
    owner: Text
    due: Instant


class Brief(Frozen):
    """The decision to be made on one experiment, and what it takes.

    ``experiment`` is set once loaded. ``segments`` are columns of requests, or
    computed from them (config/segments.py), over which PARTIAL is decided.
    ``max_age`` is how old a verdict the gate accepts. ``owners`` names people by gap kind, source, or role (responsible,
    accountable, consulted, informed). ``cohort`` narrows the decision to requests with these values, column → values.
    ``signature`` says whether the gate lets an unsigned brief pass.
    """

    experiment: Identifier | None = None
    question: Text | None = None
    confidence: Number = 0.90
    segments: Segment | tuple[Segment, ...] | None = None
    criteria: tuple[Criterion, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    owners: dict[Text, Text] = Field(default_factory=dict)
    max_age: Duration = timedelta(days=7)
    policy: SeverityPolicy = SeverityPolicy()
    context: Text | None = None
    cohort: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    options: tuple[Option, ...] = ()
    value: Value | None = None
    rollout: Rollout = Rollout()
    launch_date: Instant | None = None
    readiness: Readiness = Readiness()
    signature: SignatureName = "optional"
    actions: tuple[Action, ...] = ()
    review_date: Instant | None = None

    @property
    def segment_list(self) -> tuple[Segment, ...]:
        """``segments`` as a tuple, however it was written."""
        if self.segments is None:
            return ()
        return self.segments if isinstance(self.segments, tuple) else (self.segments,)

    @property
    def segment_columns(self) -> tuple[str, ...]:
        """What the segments are called: columns of requests, or names of what is computed from them."""
        return tuple(name_of(segment) for segment in self.segment_list)

    def decided_columns(self, unit: str) -> tuple[str, ...]:
        """Those that something may be decided over, where ``unit`` is randomized."""
        return tuple(name for name in self.segment_columns if is_drawn_before(name, unit))

    @field_validator("confidence")
    @classmethod
    def _confidence(cls, value: float) -> float:
        return between(0.5, 1, open_low=True, open_high=True)(value)

    @field_validator("segments", mode="before")
    @classmethod
    def _segments(cls, value: object) -> object:
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            return read_segment(value)
        if not value:
            raise Refusal("must be a column of requests or a list of them")
        return tuple(read_segment(one) for one in value)

    @model_validator(mode="after")
    def _not_empty(self) -> Brief:
        if not self.criteria and not self.guardrails:
            raise Refusal(EMPTY_BRIEF)
        return self
