"""What could not be evaluated is a gap of its own: models that failed, checks that raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.engines.inspection import SourceStatus, one_line
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.transform.results import WarehouseBuild

_KIND = "not_evaluated"


def unevaluated_gaps(
    config: PlumblineConfig, build: WarehouseBuild, checks: Iterable[CheckResult], found: RunAssessment
) -> tuple[Gap, ...]:
    """One gap per model that broke and per table whose checks could not run, unless its source is a gap already."""
    known = {gap.gap_id for gap in found.gaps}
    gaps: dict[str, Gap] = {}
    for gap in (*_broken_models(build), *_errored_checks(config, build, checks, found)):
        if gap.gap_id not in known:
            gaps.setdefault(gap.gap_id, gap)
    return tuple(gaps.values())


def _broken_models(build: WarehouseBuild) -> Iterator[Gap]:
    """Our own failure: nothing built on it can be trusted, so it blocks whatever the brief says."""
    for node in build.result.broken:
        yield _gap(
            node.name, None, f"{node.name} could not be built: {one_line(node.message)}", Severity.BLOCKER
        )
    if build.result.error:
        yield _gap("dbt", None, f"dbt could not run: {one_line(build.result.error)}", Severity.BLOCKER)


def _errored_checks(
    config: PlumblineConfig, build: WarehouseBuild, checks: Iterable[CheckResult], found: RunAssessment
) -> Iterator[Gap]:
    unread = {i.name for i in build.inspections.values() if i.status is not SourceStatus.OK}
    demanded = {d.rule.metric for e in found.experiments for d in e.demands}
    for check in checks:
        if check.status is not CheckStatus.ERROR or check.table in unread:
            continue
        blocks = bool(demanded & set(check.affects))
        severity = Severity.BLOCKER if blocks else Severity.INFO if config.briefs else Severity.MEDIUM
        yield _gap(
            check.table, check.column, f"{check.expectation} on {check.table}: {check.message}", severity
        )


def _gap(table: str, column: str | None, description: str, severity: Severity) -> Gap:
    kind = gap_kinds()[_KIND]
    reason = {
        Severity.BLOCKER: "What the decision rests on could not be evaluated.",
        Severity.MEDIUM: "The contract could not be checked; no brief says what it decides.",
        Severity.INFO: "No metric of the brief needs it.",
    }[severity]
    return Gap(
        gap_id=gap_id(_KIND, None, table, column, None),
        kind=_KIND,
        experiment=None,
        table=table,
        column=column,
        segment=None,
        description=description,
        status=GapStatus.OPEN,
        severity=severity,
        severity_reason=reason,
        rows_total=None,
        rows_affected=None,
        share_affected=None,
        share_residual=None,
        mitigation=kind.mitigation,
        residual_risk=kind.residual_risk,
        contingency=kind.contingency,
    )
