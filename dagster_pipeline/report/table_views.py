"""Metrics by arm, what is absent and checks, ready to be shown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.demands import metric_label
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.format import Unit
from dagster_pipeline.report.model import EffectRow, LevelRow, RunReport, SourceStatus
from dagster_pipeline.report.words import SOURCE_STATUS, kind_title, plural

UNKNOWN = "unknown"
_MOST_CHECKS = 15


@dataclass(frozen=True)
class LevelView:
    """A metric in one arm."""

    value: str
    n: str


@dataclass(frozen=True)
class EffectView:
    """A treatment against the control."""

    variant: str
    estimate: str
    interval: str


@dataclass(frozen=True)
class MetricRow:
    """One metric across the arms, in the order of the table's ``arms``."""

    label: str
    levels: tuple[LevelView, ...]
    effects: tuple[EffectView, ...]


@dataclass(frozen=True)
class MetricsView:
    """One experiment's metrics."""

    experiment: str
    arms: tuple[str, ...]
    rows: tuple[MetricRow, ...]


@dataclass(frozen=True)
class CheckRow:
    """A check that did not pass."""

    where: str
    expectation: str
    failed: bool
    observed: str
    threshold: str
    message: str
    gap_id: str


@dataclass(frozen=True)
class ChecksView:
    """All checks in numbers, and those that did not pass."""

    total: int
    passed: int
    failed: int
    errors: int
    rows: tuple[CheckRow, ...]
    more: int
    coverage: str


def metrics_views(report: RunReport) -> tuple[MetricsView, ...]:
    """One table per experiment, metrics in the catalogue's order."""
    ids = dict.fromkeys(row.experiment for row in report.metrics.levels)
    return tuple(_metrics(experiment, report) for experiment in ids)


def _metrics(experiment: str, report: RunReport) -> MetricsView:
    levels = [row for row in report.metrics.levels if row.experiment == experiment]
    effects = [row for row in report.metrics.effects if row.experiment == experiment]
    arms = _arms(experiment, levels, report)
    named = dict.fromkeys(row.metric for row in levels)
    known = [metric for metric in report.definitions if metric in named]
    metrics = known + [metric for metric in named if metric not in report.definitions]
    rows = tuple(_metric(metric, arms, levels, effects, report) for metric in metrics)
    return MetricsView(visible(experiment), tuple(visible(arm) for arm in arms), rows)


def _arms(experiment: str, levels: Sequence[LevelRow], report: RunReport) -> list[str]:
    """Control first, then the treatments as declared, the unlabelled last."""
    found = dict.fromkeys(row.variant for row in levels)
    declared = next((item for item in report.experiments if item.id == experiment), None)
    if declared is None:
        return sorted(found, key=lambda arm: arm == UNKNOWN)
    order = [declared.control, *(arm for arm in declared.split if arm != declared.control)]
    return [arm for arm in order if arm in found] + [arm for arm in found if arm not in order]


def _metric(
    metric: str,
    arms: Sequence[str],
    levels: Sequence[LevelRow],
    effects: Sequence[EffectRow],
    report: RunReport,
) -> MetricRow:
    unit = fmt.unit_of(report.definitions.get(metric))
    by_arm = {row.variant: row for row in levels if row.metric == metric}
    return MetricRow(
        label=metric_label(metric, report.definitions),
        levels=tuple(_level(by_arm.get(arm), unit) for arm in arms),
        effects=tuple(_effect(row, unit) for row in effects if row.metric == metric),
    )


def _level(row: LevelRow | None, unit: Unit) -> LevelView:
    if row is None:
        return LevelView(fmt.ABSENT, "")
    n = f"n {fmt.count(row.n)}"
    return LevelView(
        fmt.level(row.value, unit) if row.value is not None else visible(row.reason or fmt.ABSENT), n
    )


def _effect(row: EffectRow, unit: Unit) -> EffectView:
    ends = [fmt.effect(end, row.effect, unit) for end in (row.ci_lower, row.ci_upper)]
    interval = "" if row.ci_lower is None and row.ci_upper is None else fmt.between(*ends)
    return EffectView(visible(row.variant), fmt.effect(row.estimate, row.effect, unit), interval)


def absences(report: RunReport) -> tuple[str, ...]:
    """What is not there, in sentences: sources first, then what else the run was told."""
    sentences = [
        f"{visible(source.name)}: {SOURCE_STATUS[source.status].word}. {visible(source.note)}".strip()
        for source in report.sources
        if source.status is not SourceStatus.OK
    ]
    told = (visible(text) for text in (*report.absent, *report.alert_faults))
    return tuple(dict.fromkeys([*sentences, *told]))


def checks_view(report: RunReport) -> ChecksView:
    """Counts over all checks; those that raised come before those that failed."""
    counts = Counter(item.check.status for item in report.checks)
    open_checks = [item for item in report.checks if item.check.status is not CheckStatus.PASSED]
    open_checks.sort(key=lambda item: item.check.status is not CheckStatus.ERROR)
    return ChecksView(
        total=len(report.checks),
        passed=counts[CheckStatus.PASSED],
        failed=counts[CheckStatus.FAILED],
        errors=counts[CheckStatus.ERROR],
        rows=tuple(_check(item) for item in open_checks[:_MOST_CHECKS]),
        more=max(len(open_checks) - _MOST_CHECKS, 0),
        coverage=_coverage(report.coverage),
    )


def _coverage(coverage: Coverage) -> str:
    if not coverage.critical_fields:
        return "No decision was asked for, so no field counts as critical."
    verb = "is" if coverage.monitored_fields == 1 else "are"
    fields = plural(coverage.critical_fields, "field")
    return f"{coverage.monitored_fields:,} of {fields} the decision hangs on {verb} watched by a check."


def _check(item: RegisteredCheck) -> CheckRow:
    check = item.check
    written = fmt.share if _is_share(check) else fmt.number
    return CheckRow(
        where=visible(".".join(part for part in (check.table, check.column) if part)),
        expectation=kind_title(check.gap_kind),
        failed=check.status is CheckStatus.FAILED,
        observed=_figure(check.observed, written),
        threshold=fmt.tidy(_figure(check.threshold, written)),
        message=visible(check.message),
        gap_id=item.gap_id or "",
    )


def _is_share(check: CheckResult) -> bool:
    """Whether what was observed is the share of failing rows, rather than a count or any other figure."""
    if not check.rows_total or check.failing_rows is None or not isinstance(check.observed, int | float):
        return False
    return math.isclose(check.observed, check.failing_rows / check.rows_total, rel_tol=1e-6, abs_tol=1e-12)


def _figure(value: float | str | None, written: Callable[[float], str]) -> str:
    if value is None:
        return fmt.ABSENT
    if isinstance(value, int | float):
        return written(value)
    try:
        return fmt.moment(datetime.fromisoformat(value))
    except ValueError:
        return visible(value)
