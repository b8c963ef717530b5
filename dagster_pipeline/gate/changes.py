"""If true, then do: which single change would turn the verdict (a gap repaired, a segment left out, a launch made ready).

Each change is made to the inputs and the decision taken again, so that a sentence never promises more than `decide` would give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gate import reasons as say
from dagster_pipeline.gate.decide import decide, is_in_force
from dagster_pipeline.gate.decision import Answer, Decision, DecisionInputs, OpenGap, Verdict
from dagster_pipeline.register.documents import plain

_RESOLVED = "resolved"
_MISSING_VARIANT = "missing_variant"


@dataclass(frozen=True)
class Change:
    """One change, and the verdict it would give. ``what`` are gap ids, or the segment left out."""

    kind: Literal["gap", "all_gaps", "segment", "readiness"]
    what: tuple[str, ...]
    verdict: Verdict
    sentence: str


def changes(inputs: DecisionInputs, decision: Decision) -> tuple[Change, ...]:
    """Every single change that moves the verdict toward GO; where no single repair does, all repairs together.

    A repair is taken to leave the estimates as they are: it closes what was open and nothing else.
    """
    single = [*_ready(inputs, decision), *_repairs(inputs, decision), *_segments(inputs, decision)]
    if not any(found.kind == "gap" for found in single):
        single += _all_repairs(inputs, decision)
    return tuple(single)


def change_documents(found: tuple[Change, ...]) -> list[dict[str, Any]]:
    """The changes as JSON values."""
    return [
        {
            "kind": change.kind,
            "what": plain(change.what),
            "verdict": change.verdict.value,
            "sentence": plain(change.sentence),
        }
        for change in found
    ]


def _ready(inputs: DecisionInputs, decision: Decision) -> Iterator[Change]:
    if not inputs.unready:
        return
    verdict = _improved(replace(inputs, unready=()), decision)
    if verdict is not None:
        yield Change("readiness", (), verdict, f"Once the launch is ready the verdict would be {verdict}.")


def _repairs(inputs: DecisionInputs, decision: Decision) -> Iterator[Change]:
    for gaps in _losses(inputs):
        verdict = _improved(_without(inputs, gaps), decision)
        if verdict is not None:
            name = say.listed([f"{gap.kind} ({gap.gap_id})" for gap in gaps])
            loss = "" if len(gaps) == 1 else ", which show one loss,"
            verb = "is" if len(gaps) == 1 else "are"
            yield Change(
                "gap",
                tuple(gap.gap_id for gap in gaps),
                verdict,
                f"If {name}{loss} {verb} repaired and the estimates stay as they are, the verdict would be {verdict}.",
            )


def _all_repairs(inputs: DecisionInputs, decision: Decision) -> Iterator[Change]:
    gaps = _open(inputs)
    repaired = replace(
        _without(inputs, gaps), answers=tuple(replace(a, joint_passes=True) for a in inputs.answers)
    )
    verdict = _improved(repaired, decision) if len(gaps) > 1 else None
    if verdict is not None:
        what = tuple(gap.gap_id for gap in gaps if gap.opens or gap.flips)
        yield Change(
            "all_gaps",
            what,
            verdict,
            f"No single repair is known to turn it; with all that the open gaps hide brought to light and the estimates "
            f"as they are, the verdict would be {verdict}.",
        )


def _segments(inputs: DecisionInputs, decision: Decision) -> Iterator[Change]:
    """The rest of the cohort is a launch in part: never more than PARTIAL."""
    if decision.verdict is not Verdict.HOLD or _improved(_passing(inputs), decision) is None:
        return
    for rest in inputs.without:
        if rest.passes_base and rest.passes_joint:
            yield Change(
                "segment",
                (rest.segment,),
                Verdict.PARTIAL,
                f"Without {rest.segment} every demand of the brief holds, also with the open gaps at their worst, at levels "
                f"that hold over all segments that could be left out (Holm): the rest could launch.",
            )


def _passing(inputs: DecisionInputs) -> DecisionInputs:
    """As if every demand that was judged held: whether anything else stands in the way."""
    answers = tuple(
        replace(a, outcome=Outcome.PASSED, joint_passes=True)
        if a.outcome is Outcome.FAILED
        else replace(a, joint_passes=True)
        for a in inputs.answers
    )
    return replace(inputs, answers=answers, gaps=tuple(replace(gap, flips=False) for gap in inputs.gaps))


def _improved(inputs: DecisionInputs, decision: Decision) -> Verdict | None:
    found = decide(inputs).verdict
    return found if found.rank > decision.verdict.rank else None


def _open(inputs: DecisionInputs) -> tuple[OpenGap, ...]:
    return tuple(
        gap for gap in inputs.gaps if gap.status != _RESOLVED and not is_in_force(gap, inputs.evaluated_at)
    )


def _losses(inputs: DecisionInputs) -> list[tuple[OpenGap, ...]]:
    """The open gaps, those of one loss together: repairing the loss closes them all."""
    by_loss: dict[str, list[OpenGap]] = {}
    for gap in _open(inputs):
        by_loss.setdefault(gap.loss or gap.gap_id, []).append(gap)
    return [tuple(gaps) for gaps in by_loss.values()]


def _without(inputs: DecisionInputs, gaps: tuple[OpenGap, ...]) -> DecisionInputs:
    left = tuple(gap for gap in inputs.gaps if gap not in gaps)
    has_arms = any(gap.kind == _MISSING_VARIANT for gap in gaps)
    return replace(
        inputs,
        gaps=left,
        answers=tuple(
            _answered(answer, gaps, _open(replace(inputs, gaps=left))) for answer in inputs.answers
        ),
        residual_variant=0.0 if has_arms else inputs.residual_variant,
    )


def _answered(answer: Answer, closed: tuple[OpenGap, ...], left: tuple[OpenGap, ...]) -> Answer:
    """The joint answer with some gaps closed: it is the base answer where they alone left the metric open."""
    explained = any((answer.metric, answer.variant) in gap.explains for gap in closed)
    alone = explained and not any(answer.metric in gap.opens for gap in left)
    return replace(answer, joint_passes=True) if alone and answer.outcome is Outcome.PASSED else answer
