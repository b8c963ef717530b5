"""Whether what the register said of a gap came true: its claims, held against the estimate once the gap has healed. Pure.

Whether a claim can be judged is settled before anybody looks at how it came out, so that what is scored does not depend
on what is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.register.history import EventKind, GapEvent
from dagster_pipeline.statistics.evidence import Better
from dagster_pipeline.statistics.vocabulary import Direction

if TYPE_CHECKING:
    from dagster_pipeline.register.estimates import Figure

_ROUNDING = 1e-9
_MAY_BRING_REQUESTS = frozenset({"orphan_rows", "missing_partition", "sample_ratio_mismatch"})
"""Kinds that may heal by requests coming back; of the others the cohort must stay the same."""


class Claim(StrEnum):
    """What the register claimed: that the truth lies in a range, or that the repair leaves nothing open."""

    RANGE = "range"
    POINT = "point"


@dataclass(frozen=True)
class Prediction:
    """What the register said one gap does to one metric of one treatment, in the metric's default effect and raw.

    ``lower`` and ``upper`` are the region with this gap alone open, None where it had no limit; ``unmitigated`` is the
    estimate without the repair. ``made_at`` is when the run that last measured the gap began.
    """

    gap_id: str
    kind: str
    experiment: str | None
    metric: str
    variant: str
    made_at: datetime | None
    better: Better | None
    lower: float | None
    upper: float | None
    unmitigated: float | None
    mitigated: float | None
    direction: Direction
    expected_direction: Direction

    @property
    def claim(self) -> Claim | None:
        """What it claims of the estimate's size; None where it sets no limit, so that nothing could prove it wrong."""
        if self.lower is None and self.upper is None:
            return None
        return Claim.POINT if _is_point(self.lower, self.upper) else Claim.RANGE


@dataclass(frozen=True)
class Outcome:
    """How a prediction came out; None in a field where there was nothing to score.

    ``reason`` says why the whole can't be judged, or why no range is scored; None where one is.
    """

    healed: float | None
    is_inside: bool | None = None
    direction_right: bool | None = None
    expected_right: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class CalibrationRow:
    """One prediction of a gap that a run found healed, and its outcome; ``at`` is when that run began."""

    run_id: str
    at: datetime
    prediction: Prediction
    outcome: Outcome


@dataclass(frozen=True)
class Before:
    """The register when the prediction was made: its unresolved gaps and the run's estimates."""

    gaps: tuple[Gap, ...]
    figures: tuple[Figure, ...]


def judge(prediction: Prediction, healed: float | None, fault: str | None = None) -> Outcome:
    """How a prediction came out, given the healed estimate; ``fault`` says why the two can't be compared.

    Nothing is scored where they can't be compared or there is no finite estimate. ``either`` and ``none`` name no side, and
    are not scored; a proven direction holds where there turned out to be no bias, a guessed one does not.
    """
    if fault is not None:
        return Outcome(_finite(healed), reason=fault)
    value = _finite(healed)
    if value is None:
        return Outcome(None, reason="There is no estimate now.")
    bias = _bias(prediction, value)
    is_inside = _inside(prediction, value)
    return Outcome(
        value,
        is_inside=is_inside,
        direction_right=_proven_right(prediction, value, bias),
        expected_right=_guess_right(prediction.expected_direction, bias),
        reason="It set no limit, so nothing could be outside." if is_inside is None else None,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _slack(*values: float | None) -> float:
    return _ROUNDING * max(1.0, *(abs(value) for value in values if value is not None))


def _is_point(lower: float | None, upper: float | None) -> bool:
    return lower is not None and upper is not None and upper - lower <= _slack(lower, upper)


def _inside(prediction: Prediction, healed: float) -> bool | None:
    if prediction.claim is None:
        return None
    slack = _slack(healed, prediction.lower, prediction.upper)
    above = prediction.lower is None or healed >= prediction.lower - slack
    return above and (prediction.upper is None or healed <= prediction.upper + slack)


def _bias(prediction: Prediction, healed: float) -> float | None:
    """How much too good the treatment looked without the repair, 0 within rounding; None where that is not known."""
    unmitigated = _finite(prediction.unmitigated)
    if unmitigated is None or prediction.better is None:
        return None
    bias = unmitigated - healed
    if abs(bias) <= _slack(unmitigated, healed):
        return 0.0
    return bias if prediction.better is Better.HIGHER else -bias


def _proven_right(prediction: Prediction, healed: float, bias: float | None) -> bool | None:
    if bias is None:
        return None
    if prediction.direction is Direction.INFLATES:
        return bias >= 0
    if prediction.direction is Direction.DEFLATES:
        return bias <= 0
    if prediction.direction is Direction.TOWARD_ZERO:
        seen = prediction.unmitigated or 0.0
        return seen * healed >= 0 and abs(seen) <= abs(healed) + _slack(seen, healed)
    return None


def _guess_right(expected: Direction, bias: float | None) -> bool | None:
    if bias is None or expected not in (Direction.INFLATES, Direction.DEFLATES):
        return None
    return bias > 0 if expected is Direction.INFLATES else bias < 0


# --- which predictions a run can judge, and against what ---------------------------------------


def healed_gaps(prior: Iterable[Gap], events: Iterable[GapEvent]) -> tuple[Gap, ...]:
    """The gaps, as last known, that a run measured and no longer found; not those that a person called resolved."""
    resolved = {event.gap_id for event in events if event.event is EventKind.RESOLVED and event.by is None}
    return tuple(gap for gap in prior if gap.gap_id in resolved)


def calibrate(
    healed: Iterable[Gap],
    before: Callable[[Gap], Before],
    now: Before,
    *,
    run_id: str,
    at: datetime,
) -> tuple[CalibrationRow, ...]:
    """Every prediction of the healed gaps with its outcome.

    ``before`` gives the register at the run that last measured a gap, ``now`` this run's: all its gaps, those it resolved
    included, and its estimates.
    """
    return tuple(_row(gap, impact, before(gap), now, run_id, at) for gap in healed for impact in gap.metrics)


def _row(gap: Gap, impact: Impact, before: Before, now: Before, run_id: str, at: datetime) -> CalibrationRow:
    then = _figures_of(gap, impact, before.figures)
    figure = _same(then[0], now.figures) if len(then) == 1 else None
    prediction = _prediction(gap, impact, then[0] if len(then) == 1 else None)
    if len(then) > 1:
        fault: str | None = (
            "Several experiments have this estimate, and the register does not say whose it was."
        )
    elif not then:
        fault = "The run that made the prediction did not record what its estimate was about."
    elif figure is None:
        fault = "The metric was not computed in this run."
    else:
        fault = _changed(gap, then[0], figure) or _disturbed(gap, impact, before.gaps, now.gaps)
    outcome = judge(prediction, figure.estimate if figure else None, fault)
    return CalibrationRow(run_id, at, prediction, outcome)


def _prediction(gap: Gap, impact: Impact, then: Figure | None) -> Prediction:
    return Prediction(
        gap_id=gap.gap_id,
        kind=gap.kind,
        experiment=then.experiment if then else gap.experiment,
        metric=impact.metric,
        variant=impact.variant,
        made_at=gap.last_seen,
        better=then.better if then else None,
        lower=impact.lower,
        upper=impact.upper,
        unmitigated=impact.unmitigated,
        mitigated=impact.mitigated,
        direction=impact.direction,
        expected_direction=impact.expected_direction,
    )


def _figures_of(gap: Gap, impact: Impact, figures: Sequence[Figure]) -> list[Figure]:
    """The estimates an impact may be of: a gap about no experiment does not say which, its estimate does."""
    return [
        figure
        for figure in figures
        if (figure.metric, figure.variant) == (impact.metric, impact.variant)
        and gap.experiment in (None, figure.experiment)
        and figure.estimate == impact.mitigated
    ]


def _same(figure: Figure, figures: Sequence[Figure]) -> Figure | None:
    key = (figure.experiment, figure.metric, figure.variant)
    return next((one for one in figures if (one.experiment, one.metric, one.variant) == key), None)


_PARTS = {
    "experiment": "The experiment's design was changed since.",
    "brief": "The brief was changed since.",
    "metric": "The metric's definition was changed since.",
    "sources": "How a source is read was changed since.",
}


def _changed(gap: Gap, then: Figure, now: Figure) -> str | None:
    """Why the two estimates are not about the same requests at the same age; None where they are."""
    for part, sentence in _PARTS.items():
        if then.basis.get(part) is None or then.basis.get(part) != now.basis.get(part):
            return sentence
    if then.as_of != now.as_of and not now.is_timeless:
        return "The metric counts every later row, and as_of has moved."
    if now.is_of_requests and not _is_same_cohort(gap, then, now):
        return f"The cohort has {now.requests:,} requests now and had {then.requests:,}."
    return _unripe(gap, then, now)


def _is_same_cohort(gap: Gap, then: Figure, now: Figure) -> bool:
    may_grow = gap.kind in _MAY_BRING_REQUESTS or gap.table == "requests"
    return now.requests == then.requests or (may_grow and now.requests > then.requests)


def _unripe(gap: Gap, then: Figure, now: Figure) -> str | None:
    """A late source's region is about all of the cohort; any other gap's about those who were mature."""
    if gap.kind != "stale_source" and then.as_of == now.as_of and then.too_young == now.too_young:
        return None
    if now.too_young:
        return f"{now.too_young:,} requests of the cohort are still too young for an outcome."
    if then.too_young and gap.kind != "stale_source":
        return f"{then.too_young:,} requests were too young for an outcome then, and count now."
    return None


def _disturbed(gap: Gap, impact: Impact, before: Sequence[Gap], now: Sequence[Gap]) -> str | None:
    """Which other gap may have moved the estimate in the meantime; None where there is none.

    A gap whose repair leaves nothing open moves nothing. One that stayed as it was moves both estimates alike.
    """
    then_by_id = {other.gap_id: other for other in before if other.gap_id != gap.gap_id}
    now_by_id = {other.gap_id: other for other in now if other.gap_id != gap.gap_id}
    for other_id in sorted({*then_by_id, *now_by_id}):
        then, later = then_by_id.get(other_id), now_by_id.get(other_id)
        found = _meddling(gap, impact, then, later)
        if found is not None:
            return found
    return None


def _meddling(gap: Gap, impact: Impact, then: Gap | None, now: Gap | None) -> str | None:
    was_open = then is not None and _leaves_open(then, impact)
    is_open = now is not None and _leaves_open(now, impact)
    if then is not None and was_open and _tells_the_same(gap, impact, then):
        return _of_the_same_rows(gap, impact, then, still_open=is_open)
    if not was_open and not is_open:
        return None
    if then is not None and now is not None and was_open and is_open:
        return None if _is_unchanged(then, now) else f"{_named(now)} changed too."
    if now is not None and is_open:
        return f"{_named(now)} was opened since."
    return f"{_named(then)} was closed too." if then is not None else None


def _leaves_open(gap: Gap, impact: Impact) -> bool:
    """Whether a gap still open leaves this metric of this treatment anything but a point."""
    if gap.status is GapStatus.RESOLVED:
        return False
    own = [i for i in gap.metrics if (i.metric, i.variant) == (impact.metric, impact.variant)]
    return any(not _is_point(i.lower, i.upper) for i in own)


def _tells_the_same(gap: Gap, impact: Impact, other: Gap) -> bool:
    """Gaps of one loss (rows of several tables that lack the same requests) make one prediction, not several."""
    if other.kind != gap.kind or _is_point(impact.lower, impact.upper):
        return False
    ends = (impact.metric, impact.variant, impact.lower, impact.upper)
    return any((i.metric, i.variant, i.lower, i.upper) == ends for i in other.metrics)


def _of_the_same_rows(gap: Gap, impact: Impact, other: Gap, *, still_open: bool) -> str | None:
    if still_open:
        return f"{_named(other)} tells of the same loss and is still open."
    return f"It is counted with {other.gap_id}, which told the same." if other.gap_id < gap.gap_id else None


def _is_unchanged(then: Gap, now: Gap) -> bool:
    counts = [_counts(gap) for gap in (then, now)]
    return None not in counts[0] and counts[0] == counts[1]


def _counts(gap: Gap) -> tuple[int | None, int | None]:
    """Rows affected and rows left after repair; None where they can't be counted."""
    if gap.rows_total is None or gap.share_residual is None:
        return gap.rows_affected, None
    return gap.rows_affected, round(gap.share_residual * gap.rows_total)


def _named(gap: Gap | None) -> str:
    if gap is None:
        return "Another gap"
    place = ".".join(part for part in (gap.table, gap.column) if part)
    return f"{gap.gap_id} ({gap.kind}{' on ' if place else ''}{place})"


# --- the record so far -------------------------------------------------------------------------


@dataclass(frozen=True)
class Tally:
    """How many claims were scored, and how many of them held."""

    scored: int
    held: int

    @property
    def share(self) -> float | None:
        """The share that held; None where nothing is scored yet, which is neither good nor bad."""
        return self.held / self.scored if self.scored else None


@dataclass(frozen=True)
class Record:
    """The track record of some predictions.

    ``ranges``: the healed estimate was inside the region; ``points``: the repair left nothing open, and the estimate stayed
    what it was; ``directions`` as proven, ``guesses`` as expected. ``gaps`` counts the healed gaps behind what is scored,
    ``incomparable`` the predictions that could not be judged.
    """

    ranges: Tally
    points: Tally
    directions: Tally
    guesses: Tally
    gaps: int
    incomparable: int


def track_record(rows: Iterable[CalibrationRow]) -> Record:
    """The record of all rows together."""
    rows = tuple(rows)
    judged = [row for row in rows if _is_scored(row.outcome)]
    inside = {
        claim: [row.outcome.is_inside for row in rows if row.prediction.claim is claim] for claim in Claim
    }
    return Record(
        ranges=_tally(inside[Claim.RANGE]),
        points=_tally(inside[Claim.POINT]),
        directions=_tally(row.outcome.direction_right for row in rows),
        guesses=_tally(row.outcome.expected_right for row in rows),
        gaps=len({(row.run_id, row.prediction.gap_id) for row in judged}),
        incomparable=len(rows) - len(judged),
    )


def records_by_kind(rows: Iterable[CalibrationRow]) -> Mapping[str, Record]:
    """The record of each kind of gap, in the order of their names."""
    rows = tuple(rows)
    kinds = sorted({row.prediction.kind for row in rows})
    return {kind: track_record(row for row in rows if row.prediction.kind == kind) for kind in kinds}


def _is_scored(outcome: Outcome) -> bool:
    return any(
        found is not None for found in (outcome.is_inside, outcome.direction_right, outcome.expected_right)
    )


def _tally(found: Iterable[bool | None]) -> Tally:
    scored = [one for one in found if one is not None]
    return Tally(len(scored), sum(scored))
