"""When a dry run of the contract is green, and why one is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.engines.inspection import SourceStatus
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.transform.results import WarehouseBuild


def dry_run_faults(
    experiment: str | None,
    build: WarehouseBuild,
    checks: Sequence[RegisteredCheck],
    gaps: Iterable[Gap],
    coverage: Coverage,
    coverage_required: float,
) -> tuple[str, ...]:
    """Why a dry run is not green, a sentence each; none where it is.

    Green: every source of the configuration was read and has rows, every model was built and holds its invariants,
    every check came to an answer, enough critical fields are watched, and no open gap is a blocker. A check that
    fails is no fault by itself: its gap says what it costs.
    """
    return (
        *_unread(build),
        *_unbuilt(build),
        *_unchecked(checks),
        *_unwatched(coverage, coverage_required),
        *_blockers(experiment, gaps),
    )


def _unread(build: WarehouseBuild) -> Iterator[str]:
    unread = {
        found.name: found.status.value
        for found in build.inspections.values()
        if found.status not in (SourceStatus.OK, SourceStatus.UNMAPPED)
    }
    yield from (f"The source {name} is {status}." for name, status in unread.items())
    for finding in build.mapping.findings:
        if not finding.expected and finding.source not in unread:
            what = ".".join(part for part in (finding.source, finding.column) if part)
            yield f"{what} could not be read as configured ({finding.kind.replace('_', ' ')})."


def _unbuilt(build: WarehouseBuild) -> Iterator[str]:
    broken = [node.name for node in build.result.broken]
    if broken:
        yield f"Models that failed or broke an invariant: {', '.join(broken)}."
    if build.result.error:
        yield f"The build ended early: {build.result.error}."


def _unchecked(checks: Sequence[RegisteredCheck]) -> Iterator[str]:
    errors = sum(registered.check.status is CheckStatus.ERROR for registered in checks)
    if not checks:
        yield "No check ran."
    elif errors:
        yield f"{errors} of {len(checks)} checks could not be evaluated."


def _unwatched(coverage: Coverage, required: float) -> Iterator[str]:
    share = coverage.share
    if share is None or share < required:
        shown = "" if share is None else f" ({share:.0%})"
        yield (
            f"A check watches {coverage.monitored_fields} of {coverage.critical_fields} critical fields{shown}; "
            f"{required:.0%} are needed."
        )


def _blockers(experiment: str | None, gaps: Iterable[Gap]) -> Iterator[str]:
    for gap in gaps:
        is_open = gap.status is not GapStatus.RESOLVED and gap.severity is Severity.BLOCKER
        if is_open and gap.experiment in (None, experiment):
            where = ".".join(part for part in (gap.table, gap.column) if part)
            yield f"A blocker is open: {gap.gap_id} ({gap.kind.replace('_', ' ')}{f' on {where}' if where else ''})."
