"""Whether the data so far can decide a rule of the brief, what more it takes, and what each rollout stage could tell.

"Not enough data" and "no effect" look alike in a verdict, and are opposites: the one asks for patience, the other for a
different idea. docs/power.md says how they are told apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from dagster_pipeline.config.brief import Stage
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.criteria.aims import Aim, Scale, aim_of, scale_of
from dagster_pipeline.criteria.figures import about, counted, distance, label_of, size_of
from dagster_pipeline.criteria.rules import Condition, Quantity, Rule, Side
from dagster_pipeline.statistics.evidence import Estimate, Region
from dagster_pipeline.statistics.normal import two_sided_z
from dagster_pipeline.statistics.power import POWER, Arms, minimum_detectable, pooled_spread, standard_error

_DAY = timedelta(days=1)
_NO_INTERVAL = "its interval does not exist"
_MOST_DAYS = 3650


class Reading(StrEnum):
    """What the sample so far says of one rule."""

    ENOUGH = "enough"  # the interval decides the rule, one way or the other
    NOT_ENOUGH_DATA = (
        "not_enough_data"  # the interval holds a threshold, and the sample is too small to expect else
    )
    NO_EFFECT = "no_effect"  # the interval excludes every effect that would matter
    CLOSE_CALL = "close_call"  # the sample is as large as needed, and the effect lies at a threshold
    NOT_EVALUATED = "not_evaluated"  # there is no estimate or no interval, which says nothing of an effect


@dataclass(frozen=True)
class Pace:
    """Units that came in, in all arms and without one, over this many days."""

    units: int
    days: float


@dataclass(frozen=True)
class PowerQuestion:
    """One rule of the brief on one treatment, and the sample it was measured with.

    ``n_treatment`` and ``n_control`` count what ``definition.unit`` says. ``pace`` is None where no time is known.
    ``repairs`` names the open gaps that widen the region, widest first.
    """

    rule: Rule
    definition: MetricDefinition
    effect: str
    variant: str
    estimate: Estimate
    region: Region
    n_treatment: int
    n_control: int
    pace: Pace | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class StagePower:
    """What a rollout stage could tell by the end of its dwell time: ``percent`` in the treatment, the rest in the control.

    ``minimum_detectable`` is None where an arm has nobody, or nothing is known of the spread or the pace.
    """

    percent: float
    n_treatment: int | None
    n_control: int | None
    minimum_detectable: float | None


@dataclass(frozen=True)
class PowerAnswer:
    """How far the sample reaches for one rule of the brief on one treatment.

    ``bound`` and ``hope`` are raw effects; ``needed_effect`` and ``minimum_detectable`` are distances from the bound
    towards the hope, raw in the metric's effect (for relative effects the detectable ratio is found on the log scale).
    ``needed_sample`` is of both arms in their present proportion, ``more_days`` how much longer that takes at the present
    pace. None means not known, or that no sample will do. ``more_data_helps`` is False where the open gaps alone leave
    more room than the needed effect: sampling does not narrow a region; None without an estimate.
    """

    metric: str
    variant: str
    kind: str
    effect: str
    n_treatment: int
    n_control: int
    bound: float
    hope: float | None
    standard_error: float | None
    minimum_detectable: float | None
    needed_effect: float | None
    needed_sample: Arms | None
    more_days: float | None
    region_width: float | None
    more_data_helps: bool | None
    stages: tuple[StagePower, ...]
    reading: Reading
    sentence: str


def power_answer(question: PowerQuestion, confidence: float, stages: Sequence[Stage] = ()) -> PowerAnswer:
    """The answer for one rule; ``confidence`` is the brief's two-sided one, the power 0.80."""
    case = _Case(question, confidence)
    needed = case.needed_sample
    return PowerAnswer(
        metric=question.rule.metric,
        variant=question.variant,
        kind=question.rule.kind.value,
        effect=question.effect,
        n_treatment=question.n_treatment,
        n_control=question.n_control,
        bound=case.aim.bound,
        hope=case.aim.hope,
        standard_error=case.error,
        minimum_detectable=case.raw_distance(case.detectable(case.arms)),
        needed_effect=case.raw_distance(case.needed),
        needed_sample=needed,
        more_days=case.more_days,
        region_width=case.region_width,
        more_data_helps=None if question.estimate.value is None else not case.is_beyond_data,
        stages=tuple(_stage(case, stage) for stage in stages),
        reading=case.reading,
        sentence=_sentence(case),
    )


class _Case:
    """One question with what follows from it, on the scale of its effect."""

    def __init__(self, question: PowerQuestion, confidence: float) -> None:
        self.question = question
        self.confidence = confidence
        self.scale: Scale = scale_of(question.effect)
        self.aim: Aim = aim_of(question.rule, self.scale)
        self.needed = self.aim.needed(self.scale)
        self.arms = Arms(question.n_treatment, question.n_control)
        self.error = _standard_error(question.estimate, self.scale, confidence)
        self.reading = self._reading()

    def detectable(self, arms: Arms) -> float | None:
        """The minimum detectable effect with these arms, on the scale."""
        if self.error is None or not (arms.can_compare and self.arms.can_compare):
            return None
        then = standard_error(pooled_spread(self.error, self.arms), arms)
        return minimum_detectable(then, self.confidence)

    def raw_distance(self, apart: float | None) -> float | None:
        """A distance on the scale as one of raw effects, from the bound towards the hope."""
        if apart is None:
            return None
        start = self.aim.bound
        size = abs(self.scale.moved(start, self.aim.sign * apart) - start)
        return size if math.isfinite(size) else None

    @property
    def times(self) -> float | None:
        """How many times the present sample is needed."""
        now = self.detectable(self.arms)
        if now is None or self.needed is None:
            return None
        times = (now / self.needed) ** 2
        return times if math.isfinite(times) else None

    @property
    def needed_sample(self) -> Arms | None:
        """Both arms, in their present proportion."""
        if self.times is None:
            return None
        return Arms(
            *(math.ceil(self.times * n * (1 - 1e-12)) for n in (self.arms.treatment, self.arms.control))
        )

    @property
    def more_days(self) -> float | None:
        """Days until the needed sample is in at the present pace; 0 where it is."""
        pace = self.question.pace
        if self.times is None or pace is None or pace.units <= 0 or pace.days <= 0:
            return None
        return max(0.0, (self.times - 1) * pace.days)

    @property
    def region_width(self) -> float | None:
        """Upper − lower of the joint region, raw; None without limit."""
        region = self.question.region
        if region.lower is None or region.upper is None:
            return None
        return region.upper - region.lower

    @property
    def is_beyond_data(self) -> bool:
        """Whether the region alone is wider than the needed effect, or has no limit."""
        region = self.question.region
        if region.lower is None or region.upper is None:
            return self.question.estimate.value is not None
        width = self.scale.at(region.upper) - self.scale.at(region.lower)
        return self.needed is not None and not width <= self.needed

    @property
    def is_passed(self) -> bool:
        """Whether the interval shows that every condition holds."""
        return all(self._shows(found) for found in self.question.rule.conditions)

    def _reading(self) -> Reading:
        estimate = self.question.estimate
        if estimate.value is None or (estimate.ci_lower is None and estimate.ci_upper is None):
            return Reading.NOT_EVALUATED
        if self.is_passed:
            return Reading.ENOUGH
        if any(self._refutes(found) for found in self.question.rule.conditions):
            return Reading.NO_EFFECT if self._is_nothing() else Reading.ENOUGH
        now = self.detectable(self.arms)
        if now is not None and self.needed is not None and now <= self.needed:
            return Reading.CLOSE_CALL
        return Reading.NOT_ENOUGH_DATA

    def _shows(self, condition: Condition) -> bool:
        """Whether the interval shows that the condition holds: a limit beside it speaks for one on the estimate."""
        estimate, rule = self.question.estimate, self.question.rule
        has_limit = any(f.quantity is Quantity.LIMIT and f.side is condition.side for f in rule.conditions)
        near = estimate.ci_lower if condition.side is Side.LOWER else estimate.ci_upper
        if condition.quantity is Quantity.ESTIMATE and has_limit:
            near = estimate.value
        return near is not None and condition.holds(near)

    def _refutes(self, condition: Condition) -> bool:
        """Whether even the interval's far end misses the threshold; an end without limit misses nothing."""
        estimate = self.question.estimate
        far = estimate.ci_upper if condition.side is Side.LOWER else estimate.ci_lower
        return far is not None and not condition.holds(far)

    def _is_nothing(self) -> bool:
        """Whether the interval holds no improvement that counts, and no harm of that size either."""
        estimate, least = self.question.estimate, self.aim.matters_from
        if least is None or estimate.ci_lower is None or estimate.ci_upper is None:
            return False
        return -least < estimate.ci_lower and estimate.ci_upper < least


def _standard_error(estimate: Estimate, scale: Scale, confidence: float) -> float | None:
    """Half the interval's width over z, on the scale; of an interval open at one end the half that is there."""
    if estimate.value is None:
        return None
    ends = [scale.at(end) for end in (estimate.ci_lower, estimate.ci_upper) if end is not None]
    if not ends:
        return None
    half = (ends[1] - ends[0]) / 2 if len(ends) == 2 else abs(ends[0] - scale.at(estimate.value))
    error = half / two_sided_z(confidence)
    return error if math.isfinite(error) and error > 0 else None


def _stage(case: _Case, stage: Stage) -> StagePower:
    """What comes in during the dwell time at the present pace, split as the stage says."""
    pace = case.question.pace
    if pace is None or pace.days <= 0:
        return StagePower(stage.percent, None, None, None)
    coming = pace.units / pace.days * (stage.dwell / _DAY)
    treated = int(coming * stage.percent / 100)
    arms = Arms(treated, int(coming) - treated)
    detectable = case.raw_distance(case.detectable(arms))
    return StagePower(stage.percent, arms.treatment, arms.control, detectable)


# --- in words --------------------------------------------------------------------------------------


def _sentence(case: _Case) -> str:
    question = case.question
    subject = f"{label_of(question.definition)} ({question.variant})"
    told = {
        Reading.ENOUGH: _enough,
        Reading.NO_EFFECT: _no_effect,
        Reading.CLOSE_CALL: _close_call,
        Reading.NOT_ENOUGH_DATA: _not_enough,
        Reading.NOT_EVALUATED: _not_evaluated,
    }[case.reading](case)
    return " ".join([f"{subject}: {told}.", *_of_region(case)])


def _enough(case: _Case) -> str:
    answer = "the rule holds" if case.is_passed else "the rule is missed"
    return f"the data are enough: the interval shows that {answer} ({_sample(case.arms, case)})"


def _no_effect(case: _Case) -> str:
    least = size_of(case.aim.matters_from or 0.0, case.question.definition, case.question.effect)
    return (
        f"the data are enough and show no effect that would matter: an improvement of {least} is excluded, "
        f"and so is a loss of that size ({_sample(case.arms, case)})"
    )


def _close_call(case: _Case) -> str:
    return (
        f"the sample is as large as the rule needs ({_sample(case.arms, case)}, which tell {_detectable(case)} apart), "
        "and the effect lies too near the threshold to say on which side"
    )


def _not_enough(case: _Case) -> str:
    start = f"not enough data, which is not the same as no effect: {_sample(case.arms, case)}"
    reach = f"{start} tell {_detectable(case)} from the bound in four of five cases"
    if case.detectable(case.arms) is None:
        return f"{start} leave an interval that decides nothing"
    if case.needed is None:
        return f"{reach}, and the rule names no effect beyond its bound, so no needed sample follows from it"
    wanted = f"{reach}; the rule needs {_apart(case.raw_distance(case.needed) or 0.0, case)}"
    return (
        wanted if case.needed_sample is None else f"{wanted}, which takes {_needed(case, case.needed_sample)}"
    )


def _not_evaluated(case: _Case) -> str:
    estimate = case.question.estimate
    why = estimate.reason or (_NO_INTERVAL if estimate.value is not None else "it has no estimate")
    return (
        f"not evaluated ({why}); this says neither that there is no effect nor that more data would show one"
    )


def _of_region(case: _Case) -> Iterable[str]:
    if not case.is_beyond_data:
        return
    width = case.region_width
    room = "it without a limit" if width is None else f"a range of {_apart(width, case)}"
    than = "" if width is None or case.needed is None else ", wider than what the rule needs to tell apart"
    repairs = case.question.repairs
    cure = f"repair of {' and '.join(repairs[:2])} will" if repairs else "repair of the open gaps will"
    yield f"The open gaps alone leave {room}{than}: more data will not help; {cure}."


def _needed(case: _Case, needed: Arms) -> str:
    sample = f"about {_sample(Arms(about(needed.treatment), about(needed.control)), case)}"
    days = case.more_days
    if days is None:
        return sample
    if days > _MOST_DAYS:
        return f"{sample} (more than ten years at the present pace)"
    return f"{sample} ({counted(math.ceil(days), 'more day')} at the present pace)"


def _sample(arms: Arms, case: _Case) -> str:
    unit = "pro" if case.question.definition.unit == "pro" else "request"
    return f"{arms.treatment:,} and {counted(arms.control, unit)}"


def _detectable(case: _Case) -> str:
    apart = case.raw_distance(case.detectable(case.arms))
    return "effects of a size that has no figure" if apart is None else _apart(apart, case)


def _apart(size: float, case: _Case) -> str:
    return distance(size, case.question.definition, case.question.effect)


# --- as a document ---------------------------------------------------------------------------------


def power_document(answer: PowerAnswer) -> dict[str, Any]:
    """One answer as plain JSON values; null where a figure is not known."""
    sample = answer.needed_sample
    return {
        "metric": answer.metric,
        "variant": answer.variant,
        "kind": answer.kind,
        "effect": answer.effect,
        "n_treatment": answer.n_treatment,
        "n_control": answer.n_control,
        "power": POWER,
        "bound": answer.bound,
        "hope": answer.hope,
        "standard_error": answer.standard_error,
        "minimum_detectable": answer.minimum_detectable,
        "needed_effect": answer.needed_effect,
        "needed_sample": sample and {"n_treatment": sample.treatment, "n_control": sample.control},
        "more_days": answer.more_days,
        "region_width": answer.region_width,
        "more_data_helps": answer.more_data_helps,
        "stages": [_stage_document(stage) for stage in answer.stages],
        "reading": answer.reading.value,
        "sentence": answer.sentence,
    }


def _stage_document(stage: StagePower) -> dict[str, Any]:
    return {
        "percent": stage.percent,
        "n_treatment": stage.n_treatment,
        "n_control": stage.n_control,
        "minimum_detectable": stage.minimum_detectable,
    }
