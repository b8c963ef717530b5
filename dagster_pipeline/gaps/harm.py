"""Large segments that a treatment is proven to harm: fewer hires and more support tickets, both.

Of the ten largest segments, those where hires fall by more than 1 pp and support tickets rise by more than 10%, each by a
one-sided limit: the interval's, and the gate limit at the better end of the joint region, so that no open gap can explain
the harm. Both must be proven, so a segment's level is the larger of the two, and no more is asked of either (the
intersection-union test; Berger 1982, Technometrics 24:295-300). Over the segments and treatments looked at Holm's
procedure holds the chance of calling any of them harmed without cause at the brief's one-sided error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.criteria.multiplicity import holm
from dagster_pipeline.gaps.effects import EffectCalculator, EffectOf
from dagster_pipeline.gaps.measurements import UNKNOWN

HIRES = "hire_rate_7d"
TICKETS = "support_tickets_per_100_requests"
_EFFECTS = {HIRES: "absolute", TICKETS: "relative"}
HIRES_FALL = -0.01
TICKETS_RISE = 0.10
LARGEST = 10
NO_SEGMENTS = "no segment was measured, so that none can be proven to be harmed"
NO_LIMIT = "has no limit there, for want of events or by open gaps"

EffectAt = Callable[[str, str, str, float], EffectOf]
"""The effect on a metric (hires absolute, tickets relative) of a treatment, in a segment, at a two-sided confidence."""


@dataclass(frozen=True)
class HarmedSegment:
    """A segment ("column=value") that a treatment is proven to harm.

    ``hire_limit`` is the most that the difference of hire rates can be (-0.02: a fall of 2 pp at least), ``tickets_limit``
    the least that the relative change of tickets can be, both raw and at the stricter level of the many looked at.
    """

    segment: str
    treatment: str
    hire_limit: float
    tickets_limit: float


@dataclass(frozen=True)
class HarmFound:
    """The segments proven to be harmed, and why harm was not judged (everywhere), in a sentence."""

    harmed: tuple[HarmedSegment, ...] = ()
    unjudged: str | None = None


def harm_found(
    calculator: EffectCalculator,
    available: Mapping[str, MetricDefinition],
    absent: Mapping[str, str],
    effects: Sequence[EffectOf],
    segments: Sequence[str],
) -> HarmFound:
    """Harm to the largest of ``segments``, at the calculator's confidence; ``effects`` are the segments' own at it.

    ``available`` are the metrics of the run, ``absent`` says why others are not.
    """
    reader, treatments = calculator.reader, calculator.design.treatments
    arms = (*calculator.design.split, UNKNOWN)
    sizes = {s: sum(reader.cells(HIRES, arm, "joint", s).total for arm in arms) for s in segments}
    why = {m: absent.get(m, "it was not computed") for m in (HIRES, TICKETS) if m not in available}
    known = {(e.metric, e.variant, e.segment): e for e in effects}

    def effect_at(metric: str, treatment: str, segment: str, confidence: float) -> EffectOf:
        found = known[metric, treatment, segment]
        if not _is_harmful(found):
            return found  # what the brief's own confidence does not show no stricter one does
        stricter = replace(calculator, confidence=confidence)
        return stricter.effect(available[metric], treatment, _EFFECTS[metric], segment)

    unjudged = unjudged_harm(sizes, why, effects, treatments)
    if why:
        return HarmFound((), unjudged)
    return HarmFound(harmed_segments(sizes, treatments, effect_at, calculator.confidence), unjudged)


def harmed_segments(
    sizes: Mapping[str, int], treatments: Sequence[str], effect_at: EffectAt, confidence: float
) -> tuple[HarmedSegment, ...]:
    """The segments proven to be harmed, sorted. ``sizes`` are their cohort requests; ``confidence`` is two-sided."""
    pairs = [(segment, treatment) for segment in largest(sizes) for treatment in treatments]
    looked_at = {str(place): pair for place, pair in enumerate(pairs)}
    proven: dict[str, HarmedSegment] = {}

    def is_proven(place: str, level: float) -> bool:
        found = _harm(*looked_at[place], effect_at, level)
        if found is not None:
            proven[place] = found
        return found is not None

    harmed = (proven[place] for place in holm(looked_at, is_proven, confidence))
    return tuple(sorted(harmed, key=lambda found: (found.segment, found.treatment)))


def _harm(segment: str, treatment: str, effect_at: EffectAt, level: float) -> HarmedSegment | None:
    """The harm as far as it is proven at a two-sided confidence, None where it is not."""
    hires = effect_at(HIRES, treatment, segment, level)
    if not _is_harmful(hires):
        return None
    tickets = effect_at(TICKETS, treatment, segment, level)
    most, least = _better_end(hires), _better_end(tickets)
    if not _is_harmful(tickets) or most is None or least is None:
        return None
    return HarmedSegment(segment, treatment, most, least)


def unjudged_harm(
    sizes: Mapping[str, int],
    absent: Mapping[str, str],
    effects: Sequence[EffectOf],
    treatments: Sequence[str],
) -> str | None:
    """Why harm to segments can't be judged, or not in all of the largest, in a sentence; None where it can.

    ``absent`` says why a metric was not measured. ``effects`` are the segments' own, at any confidence.
    """
    missing = [f"{name} was not measured ({absent[name]})" for name in (HIRES, TICKETS) if name in absent]
    if missing or not sizes:
        return f"Harm to segments was not judged: {'; '.join(missing) or NO_SEGMENTS}."
    wanted = set(largest(sizes))
    open_ends = {
        (e.metric, e.segment)
        for e in effects
        if e.segment in wanted and e.variant in treatments and e.metric in _EFFECTS and _better_end(e) is None
    }
    if not open_ends:
        return None
    names = ", ".join(sorted({str(segment) for _, segment in open_ends}))
    metrics = " and ".join(name for name in (HIRES, TICKETS) if name in {metric for metric, _ in open_ends})
    return f"Harm to {names} can't be proven either way: {metrics} {NO_LIMIT}."


def largest(sizes: Mapping[str, int]) -> tuple[str, ...]:
    """The ten segments with the most requests; of equal ones those first in the alphabet."""
    return tuple(sorted(sizes, key=lambda name: (-sizes[name], name))[:LARGEST])


def _is_harmful(found: EffectOf) -> bool:
    """Whether even the better end is harm."""
    end = _better_end(found)
    if end is None:
        return False
    return end < HIRES_FALL if found.metric == HIRES else end > TICKETS_RISE


def _better_end(found: EffectOf) -> float | None:
    """Hires at the highest, tickets at the lowest that the interval, and the gaps at their best, allow; None without limit."""
    if found.metric == HIRES:
        ends = (found.estimate.ci_upper, found.region.gate_upper)
        return None if ends[0] is None or ends[1] is None else max(ends[0], ends[1])
    ends = (found.estimate.ci_lower, found.region.gate_lower)
    return None if ends[0] is None or ends[1] is None else min(ends[0], ends[1])
