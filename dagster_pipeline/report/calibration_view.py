"""The track record in words: how often the register's claims came true, what launches turned out to do, how the work went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.register.calibration import (
    CalibrationRow,
    Claim,
    Record,
    Tally,
    records_by_kind,
    track_record,
)
from dagster_pipeline.register.process import ProcessFigures
from dagster_pipeline.register.realised import Comparison, Forecast
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.demands import metric_label
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.words import Mark, kind_title, plural
from dagster_pipeline.statistics.binomial import exact_interval

CONFIDENCE = 0.90
_LONGEST = 300
_MOST_ROWS = 12  # predictions of the last healings that the page lists; the file has them all
NOTHING = (
    "Nothing is scored yet: no gap has healed that had been measured before, on data that can be compared."
)
_MARKS = {
    True: Mark("inside", "✓", "good"),
    False: Mark("outside", "✕", "bad"),
    None: Mark("not scored", "–", "calm"),
}


@dataclass(frozen=True)
class TallyRow:
    """One kind of claim: how many were scored and held, the share with its interval."""

    name: str
    scored: str
    held: str
    share: str
    interval: str


@dataclass(frozen=True)
class KindRow:
    """One kind of gap: what of its claims came true; ``left_out`` could not be compared."""

    kind: str
    ranges: str
    points: str
    directions: str
    guesses: str
    left_out: str


@dataclass(frozen=True)
class OutcomeRow:
    """One prediction of a healed gap and the estimate it was held against."""

    gap: str
    label: str
    variant: str
    predicted: str
    healed: str
    mark: Mark
    note: str


@dataclass(frozen=True)
class RealisedRow:
    """One effect after the launch beside its forecast."""

    label: str
    variant: str
    realised: str
    forecast: str
    interval: Mark
    region: Mark
    note: str


@dataclass(frozen=True)
class CalibrationView:
    """The section; ``lines`` are its short form."""

    headline: str
    lines: tuple[str, ...]
    tallies: tuple[TallyRow, ...]
    kinds: tuple[KindRow, ...]
    outcomes: tuple[OutcomeRow, ...]
    realised: tuple[RealisedRow, ...]
    process: tuple[str, ...]
    notes: tuple[str, ...]


def calibration_view(report: RunReport) -> CalibrationView | None:
    """The section of a run; None where the run kept no track record."""
    track = report.track_record
    if track is None:
        return None
    rows = track.calibration
    record = track_record(rows)
    faults = [] if track.journal_fault is None else [_journal_fault(track.journal_fault)]
    realised = tuple(_realised(found, report.definitions) for found in reversed(track.realised))
    process = tuple(process_lines(track.process, journal_known=track.journal_fault is None))
    headline = record_sentence(record)
    return CalibrationView(
        headline=headline,
        lines=(headline, *realised_lines(track.realised), *process, *faults),
        tallies=tuple(_tally_rows(record)) if record.gaps else (),
        kinds=tuple(_kind_row(kind, found) for kind, found in records_by_kind(rows).items()),
        outcomes=tuple(_outcome_rows(rows, report.definitions)),
        realised=realised,
        process=process,
        notes=(*_notes(record), *faults),
    )


def record_sentence(record: Record) -> str:
    """The record in one sentence; that nothing is scored is said, and is no share of anything."""
    if not record.gaps:
        left = plural(record.incomparable, "prediction")
        return f"{NOTHING} {left} could not be compared." if record.incomparable else NOTHING
    gaps = plural(record.gaps, "healed gap")
    parts = [
        _part(record.ranges, "healed estimates lay inside the range predicted"),
        _part(record.directions, "proven directions were right"),
        _part(record.guesses, "expected directions were right"),
    ]
    return f"From {gaps}: {'; '.join(filter(None, parts)) or _part(record.points, 'complete repairs held')}."


def _part(tally: Tally, words: str) -> str:
    return f"{tally.held:,} of {tally.scored:,} {words}" if tally.scored else ""


def _tally_rows(record: Record) -> Iterator[TallyRow]:
    named = {
        "Healed estimate inside the predicted range": record.ranges,
        "Nothing left after repair, and nothing came": record.points,
        "Proven direction right": record.directions,
        "Expected direction right": record.guesses,
    }
    for name, tally in named.items():
        yield TallyRow(name, f"{tally.scored:,}", f"{tally.held:,}", share_text(tally), interval_text(tally))


def share_text(tally: Tally) -> str:
    """The share that held, or that nothing was scored."""
    return "nothing scored yet" if tally.share is None else fmt.share(tally.share)


def interval_text(tally: Tally) -> str:
    """The exact interval of the share, none where nothing was scored."""
    if not tally.scored:
        return fmt.ABSENT
    lower, upper = exact_interval(tally.held, tally.scored, CONFIDENCE)
    return fmt.between(fmt.share(lower), fmt.share(upper))


def _kind_row(kind: str, record: Record) -> KindRow:
    return KindRow(
        kind=kind_title(kind),
        ranges=_of(record.ranges),
        points=_of(record.points),
        directions=_of(record.directions),
        guesses=_of(record.guesses),
        left_out=f"{record.incomparable:,}",
    )


def _of(tally: Tally) -> str:
    return f"{tally.held:,} of {tally.scored:,}" if tally.scored else fmt.ABSENT


def _outcome_rows(
    rows: Sequence[CalibrationRow], definitions: Mapping[str, MetricDefinition]
) -> Iterator[OutcomeRow]:
    """The last healings' ranges, what was outside first; points and what could not be compared are counted only."""
    ranges = [
        row
        for row in rows
        if row.outcome.is_inside is not None
        and (row.prediction.claim is Claim.RANGE or not row.outcome.is_inside)
    ]
    ranges.sort(key=lambda row: row.at, reverse=True)
    ranges.sort(key=lambda row: bool(row.outcome.is_inside))
    for row in ranges[:_MOST_ROWS]:
        made = row.prediction
        definition = definitions.get(made.metric)
        yield OutcomeRow(
            gap=f"{kind_title(made.kind)}, {visible(made.gap_id)}",
            label=metric_label(made.metric, definitions),
            variant=visible(made.variant),
            predicted=fmt.between(_effect(made.lower, definition), _effect(made.upper, definition)),
            healed=_effect(row.outcome.healed, definition),
            mark=_MARKS[row.outcome.is_inside],
            note=f"predicted {fmt.day(made.made_at)}, healed {fmt.day(row.at)}",
        )


def _effect(value: float | None, definition: MetricDefinition | None) -> str:
    kind = definition.effect if definition else "absolute"
    return fmt.effect(value, kind, fmt.unit_of(definition))


def _realised(found: Comparison, definitions: Mapping[str, MetricDefinition]) -> RealisedRow:
    effect, definition = found.realised, definitions.get(found.realised.metric)
    error = "" if found.error is None else f" Off by {_error(found.error, definition)}."
    told = f"{visible(effect.source, _LONGEST)}, {fmt.day(effect.on)}, on record by {visible(effect.by)}."
    return RealisedRow(
        label=metric_label(effect.metric, definitions),
        variant=visible(effect.variant),
        realised=_effect(effect.value, definition),
        forecast=_forecast(found.forecast, definition),
        interval=_MARKS[found.in_interval],
        region=_MARKS[found.in_region],
        note=f"{told}{error} {visible(found.reason or '', _LONGEST)}".strip(),
    )


def _error(error: float, definition: MetricDefinition | None) -> str:
    return fmt.difference(error, definition.effect if definition else "absolute", fmt.unit_of(definition))


def _forecast(forecast: Forecast | None, definition: MetricDefinition | None) -> str:
    if forecast is None:
        return fmt.ABSENT
    limits = fmt.between(_effect(forecast.ci_lower, definition), _effect(forecast.ci_upper, definition))
    return f"{_effect(forecast.estimate, definition)} ({limits})"


def realised_lines(found: Sequence[Comparison]) -> Iterator[str]:
    """How launches turned out, in at most one sentence."""
    known = [one for one in found if one.forecast is not None]
    if not known:
        return
    interval = [one.in_interval for one in known if one.in_interval is not None]
    region = [one.in_region for one in known if one.in_region is not None]
    yield (
        f"After launch: {sum(interval):,} of {len(interval):,} realised effects lay inside the interval forecast, "
        f"{sum(region):,} of {len(region):,} inside the range the gaps allowed."
    )


def process_lines(process: ProcessFigures | None, *, journal_known: bool) -> Iterator[str]:
    """The process figures, a sentence each."""
    if process is None:
        return
    waits = [wait for wait in process.waits if wait.length is not None]
    median = process.median_wait
    if median is not None:
        yield (
            f"From a gap's opening to the first decision after it that names it: {fmt.duration(median.total_seconds())} "
            f"at the median of {plural(len(waits), 'opening')}."
        )
    yield f"{plural(process.escalations, 'escalation')} so far."
    if not process.actions:
        return
    if not journal_known:
        yield "Whether actions were closed is not known."
        return
    yield _actions(process)


def _actions(process: ProcessFigures) -> str:
    judged, waiting = process.actions_judged, len(process.actions) - process.actions_judged
    if not judged:
        return f"Actions: none is judged yet; {waiting:,} within their 30 days."
    share = fmt.share(process.actions_in_time / judged)
    left = f"; {waiting:,} more within their 30 days" if waiting else ""
    return f"Actions closed within 30 days of the decision: {process.actions_in_time:,} of {judged:,} ({share}){left}."


def _notes(record: Record) -> Iterable[str]:
    if record.incomparable:
        yield (
            f"Left out, since they could not be compared: {plural(record.incomparable, 'prediction')}. track_record.json says "
            f"why of each."
        )
    if record.gaps:
        yield (
            f"Intervals are exact at {CONFIDENCE:.0%} (Clopper and Pearson) and take claims as independent. Those of one gap "
            f"are not, so that the truth is less certain than they say."
        )


def _journal_fault(fault: str) -> str:
    return f"The journal can't be read, so realised effects and closed actions are not known: {visible(fault, _LONGEST)}"
