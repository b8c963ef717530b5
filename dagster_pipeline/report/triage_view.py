"""How people work with the gaps, ready to be shown: who has which by when, how each went, how good the alerts are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dagster_pipeline.register.alert_quality import (
    COVERAGE_AT_LEAST,
    FALSE_POSITIVES_BELOW,
    AlertQuality,
    Quality,
    Waits,
)
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.risk import Likelihood
from dagster_pipeline.register.trends import GapTrend, TrendPoint
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.risk_register import RiskRow, nothing_open, risk_rows, run_risks
from dagster_pipeline.report.words import Mark, plural

WEEKS_SHOWN = 8
WIDTH, HEIGHT = 120, 28  # of a small picture, in its own units
_MARGIN = 3
_MET, _MISSED = ("✓", "good"), ("✕", "bad")


@dataclass(frozen=True)
class Sparkline:
    """The share of rows over the last runs: each stretch without a break as the points of an SVG polyline, and its end."""

    stretches: tuple[str, ...]
    last: tuple[float, float]


@dataclass(frozen=True)
class GapWork:
    """One open gap as somebody's work; ``trend`` is None where there is nothing to compare, which ``trend_text`` says."""

    row: RiskRow
    chance: str
    trend: Sparkline | None
    trend_text: str


@dataclass(frozen=True)
class WeekRow:
    """The alerts of a week, or of all of them; ``false_positives`` and ``coverage`` are marked by their targets."""

    week: str
    alerts: str
    false_positives: Mark
    acknowledged: str
    resolved: str
    coverage: Mark


@dataclass(frozen=True)
class TriageView:
    """The section; ``note`` says what is missing where the table of weeks is."""

    summary: str
    gaps: tuple[GapWork, ...]
    weeks: tuple[WeekRow, ...]
    more_weeks: int
    note: str
    targets: str


def triage_view(report: RunReport) -> TriageView:
    """The section of a run."""
    rows = risk_rows(run_risks(report), report.definitions, report.evaluated_at)
    trends = {trend.gap_id: trend for trend in report.trends}
    weeks = _weeks(report.quality)
    return TriageView(
        summary=_summary(rows) or nothing_open(report),
        gaps=tuple(_work(row, trends) for row in rows),
        weeks=weeks[: WEEKS_SHOWN + 1],
        more_weeks=max(0, len(weeks) - WEEKS_SHOWN - 1),
        note=_note(report.quality),
        targets=(
            f"Targets: false positives below {fmt.tidy(fmt.share(FALSE_POSITIVES_BELOW))}, "
            f"at least {fmt.tidy(fmt.share(COVERAGE_AT_LEAST))} of the critical fields watched. "
            "An alert is a gap above info, each time it is opened; it belongs to the week it was raised in."
        ),
    )


def sparkline(trend: GapTrend) -> Sparkline | None:
    """The picture of a trend from zero to its largest share; None where no two shares are known."""
    shares = [_share(point) for point in trend.points]
    known = [share for share in shares if share is not None]
    if len(known) < 2:
        return None
    top, steps = max(known) or 1.0, len(shares) - 1
    placed = [None if share is None else _place(i / steps, share / top) for i, share in enumerate(shares)]
    stretches = _stretches(placed)
    written = tuple(" ".join(f"{x},{y}" for x, y in points) for points in stretches)
    return Sparkline(written, stretches[-1][-1])


def _place(across: float, up: float) -> tuple[float, float]:
    wide, high = WIDTH - 2 * _MARGIN, HEIGHT - 2 * _MARGIN
    return round(_MARGIN + wide * across, 1), round(HEIGHT - _MARGIN - high * up, 1)


def _stretches(points: Iterable[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    found: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            found.append([])
        else:
            found[-1].append(point)
    return [points for points in found if points]


def _share(point: TrendPoint | None) -> float | None:
    """What repairs leave, or all of it where nothing can repair it."""
    if point is None:
        return None
    share = point.share_affected if point.share_residual is None else point.share_residual
    return share if share is not None and math.isfinite(share) else None


def _work(row: RiskRow, trends: Mapping[str, GapTrend]) -> GapWork:
    return GapWork(row, _chance(row.likelihood), *_trend(trends.get(row.gap_id)))


def _chance(likelihood: str) -> str:
    if likelihood == Likelihood.UNKNOWN:
        return "how likely it changes the answer cannot be said"
    return f"{likelihood} to change the answer"


def _trend(trend: GapTrend | None) -> tuple[Sparkline | None, str]:
    if trend is None:
        return None, "no history"
    drawn = sparkline(trend)
    seen = [point for point in trend.points if point is not None]
    if drawn is None:
        return None, f"{plural(len(seen), 'run')} so far"
    known = [share for point in seen if (share := _share(point)) is not None]
    return drawn, f"{fmt.share(known[0])} → {fmt.share(known[-1])} in {plural(len(seen), 'run')}"


def _summary(rows: Sequence[RiskRow]) -> str:
    if not rows:
        return ""
    late, ownerless = sum(row.is_late for row in rows), sum(not row.has_owner for row in rows)
    raised = sum(bool(row.level) for row in rows)
    verbs = [f"{late:,} late", f"{ownerless:,} without an owner", f"{raised:,} escalated"]
    return f"{plural(len(rows), 'open gap')} above info: {', '.join(verbs)}."


def _note(quality: AlertQuality | None) -> str:
    if quality is None:
        return "How good the alerts are is not known: the history of the register was not read."
    return "" if quality.weeks else "No alert has been raised yet."


def _weeks(quality: AlertQuality | None) -> tuple[WeekRow, ...]:
    if quality is None or not quality.weeks:
        return ()
    return tuple(_week(one) for one in (quality.overall, *reversed(quality.weeks)))


def _week(one: Quality) -> WeekRow:
    share = one.false_positive_share
    return WeekRow(
        week=one.week or "all so far",
        alerts=fmt.count(one.alerts),
        false_positives=_held(
            share,
            share is not None and share < FALSE_POSITIVES_BELOW,
            f"{fmt.share(share)} ({one.false_positives:,})",
        ),
        acknowledged=_waits(one.acknowledged),
        resolved=_waits(one.resolved),
        coverage=_covered(one.coverage),
    )


def _covered(coverage: Coverage | None) -> Mark:
    share = coverage.share if coverage else None
    return _held(share, share is not None and share >= COVERAGE_AT_LEAST, fmt.share(share))


def _held(share: float | None, is_met: bool, words: str) -> Mark:
    """A figure held against its target; what is not known meets none and misses none."""
    if share is None:
        return Mark(fmt.ABSENT, "", "calm")
    return Mark(words, *(_MET if is_met else _MISSED))


def _waits(found: Waits) -> str:
    """The mean never stands without those it leaves out."""
    if not found.done and not found.waiting:
        return fmt.ABSENT
    mean = (
        "none yet"
        if found.mean is None
        else f"{fmt.duration(found.mean.total_seconds())} ({found.done:,} done"
    )
    if found.longest_wait is None:
        return mean if found.mean is None else f"{mean}, none waiting)"
    waiting = f"{found.waiting:,} waiting, the longest {fmt.duration(found.longest_wait.total_seconds())}"
    return f"{mean}, {waiting}{'' if found.mean is None else ')'}"
