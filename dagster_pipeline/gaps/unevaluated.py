"""What could not be evaluated is a gap of its own: models that failed, rows that vanished, checks that raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.engines.inspection import SourceStatus, one_line
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.balance import balance_breaches
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.transform.results import WarehouseBuild

_KIND = "not_evaluated"
_FACTS = "int_source_facts"
_VANISHED = (
    "Rows that can not be accounted for may be any rows, so no figure of this run can carry a decision."
)


def with_unevaluated(
    config: PlumblineConfig,
    build: WarehouseBuild,
    checks: Iterable[CheckResult],
    measurements: Measurements,
    found: RunAssessment,
) -> RunAssessment:
    """The assessment with what could not be evaluated, one gap per table or column, at its worst severity.

    What can't be checked because a source or column is not there is no gap of its own: that one is a gap already. Our own
    failures (models that broke, rows that do not add up) stand in the place of a milder gap there: an empty optional
    source that is nobody's concern must not hide that its rows were lost.
    """
    ours = _worst((*_broken_models(build), *_unbalanced(build, measurements)))
    known = {gap.gap_id: gap for gap in found.gaps}
    kept = [
        gap
        for gap in found.gaps
        if gap.gap_id not in ours or gap.severity.rank >= ours[gap.gap_id].severity.rank
    ]
    added = [gap for key, gap in ours.items() if key not in {gap.gap_id for gap in kept}]
    unchecked = _worst(_unchecked(config, build, checks, found))
    more = [gap for key, gap in unchecked.items() if key not in known and key not in ours]
    return replace(found, gaps=(*kept, *added, *more))


def _worst(gaps: Iterable[Gap]) -> dict[str, Gap]:
    worst: dict[str, Gap] = {}
    for gap in gaps:
        if gap.gap_id not in worst or gap.severity.rank > worst[gap.gap_id].severity.rank:
            worst[gap.gap_id] = gap
    return worst


def _broken_models(build: WarehouseBuild) -> Iterator[Gap]:
    """Our own failure: nothing built on it can be trusted, so it blocks whatever the brief says."""
    for node in build.result.broken:
        model = (node.attached_node or node.name).rpartition(".")[2]
        if node.resource_type == "test" and node.attached_node is None:
            what = "does not hold, which is a fault of the pipeline"
        else:
            what = "could not be built" if model == node.name else f"breaks its invariant {node.name}"
        yield _gap(model, None, f"{model} {what}: {node.cause}", Severity.BLOCKER)
    if build.result.error:
        yield _gap("dbt", None, f"dbt could not run: {one_line(build.result.error)}", Severity.BLOCKER)


def _unbalanced(build: WarehouseBuild, measurements: Measurements) -> Iterator[Gap]:
    """Rows that vanished, found from the counts themselves, whether or not dbt's own test of them ran."""
    if _FACTS not in measurements.unread:
        for source, sentence in balance_breaches(build.inspections, measurements.sources):
            yield replace(_gap(source, None, sentence, Severity.BLOCKER), severity_reason=_VANISHED)
    elif not build.result.broken and not build.result.error:
        # What broke is a blocker already; where nothing did, the silence itself has to be one.
        yield _gap(
            _FACTS, None, "No source's rows were counted: the row balance is not known.", Severity.BLOCKER
        )


def _unchecked(
    config: PlumblineConfig, build: WarehouseBuild, checks: Iterable[CheckResult], found: RunAssessment
) -> Iterator[Gap]:
    """Checks that could not run, and those whose failing says that there is nothing to evaluate, or nothing sound."""
    absent = _absent(build)
    demanded = {d.rule.metric for e in found.experiments for d in e.demands}
    for check in checks:
        failed = check.status is CheckStatus.FAILED and check.gap_kind == _KIND
        if not (failed or check.status is CheckStatus.ERROR) or absent & {check.table, *check.rests_on}:
            continue
        blocks = bool(demanded & set(check.affects))
        severity = Severity.BLOCKER if blocks else Severity.INFO if config.briefs else Severity.MEDIUM
        column = None if check.rows_total == 0 else check.gap_column
        yield _gap(check.table, column, f"{check.expectation} on {check.table}: {check.message}", severity)


def _absent(build: WarehouseBuild) -> frozenset[str]:
    """What a finding says is not there: sources, "source.column"; a source too where it lacks a column it can't do without."""
    unread = {name for name, i in build.inspections.items() if i.status is not SourceStatus.OK}
    changed = {(f.source, f.column or "") for f in build.mapping.findings if f.kind == "schema_change"}
    required = {(name, c.name) for name, spec in source_specs().items() for c in spec.columns if c.required}
    return frozenset(
        unread
        | {f"{source}.{column}" for source, column in changed}
        | {source for source, _ in changed & required}
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
