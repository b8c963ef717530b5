"""Great Expectations on the built tables; each expectation shows as a check of the model it looks at."""

from collections.abc import Iterator
from functools import cache

import dagster as dg

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.checks.runner import run_checks
from dagster_pipeline.checks.suite_files import SuiteFile, suite_files
from dagster_pipeline.checks.suites import load_suites
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.transform.results import WarehouseBuild

CHECK_RESULTS = dg.AssetKey("check_results")


@dg.asset(group_name="checks")
def check_results(
    context: dg.AssetExecutionContext, warehouse_build: WarehouseBuild, plumbline: PlumblineRun
) -> list[CheckResult]:
    """One result per expectation: passed, failed, or error where it could not be evaluated."""
    tell(Step.CHECK)
    config = plumbline.config
    found = run_checks(
        plumbline.session.build_path,
        load_suites(config, warehouse_build.inspections),
        config,
        warehouse_build.result.built,
        data_docs=plumbline.output_folder / "data_docs",
    )
    results = list(found)
    counts = {status.value: sum(r.status is status for r in results) for status in CheckStatus}
    context.add_output_metadata({**counts, "failed_checks": dg.MetadataValue.md(_table(results))})
    return results


def _table(results: list[CheckResult]) -> str:
    lines = [
        f"| {r.table} | {r.column or ''} | {r.expectation} | {r.status.value} | {r.observed} | {r.threshold} |"
        for r in results
        if r.status is not CheckStatus.PASSED
    ]
    return "\n".join(
        [
            "| table | column | expectation | status | observed | threshold |",
            "|---|---|---|---|---|---|",
            *lines,
        ]
    )


@cache
def _files() -> tuple[SuiteFile, ...]:
    return suite_files()


def _check_name(suite: str, position: int) -> str:
    entry = next(e for file in _files() if file.name == suite for e in file.entries if e.position == position)
    column = f"_{entry.column}" if entry.column else ""
    rule = entry.type.removeprefix("expect_").replace("column_values_to_", "").replace("column_", "")
    return f"{position:02d}{column}_{rule}"


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            name=_check_name(file.name, entry.position),
            asset=file.name,
            description=entry.mitigation,
            additional_deps=[CHECK_RESULTS],
            metadata={"gap_kind": entry.gap_kind, "affects": list(entry.affects)},
        )
        for file in _files()
        for entry in file.entries
    ],
    ins={"check_results": dg.AssetIn()},
    can_subset=True,
)
def expectations(
    context: dg.AssetCheckExecutionContext, check_results: list[CheckResult]
) -> Iterator[dg.AssetCheckResult]:
    """The results of `check_results`, shown on the models they are about. Never blocking: the launch is what is blocked."""
    wanted = {(key.asset_key.to_user_string(), key.name) for key in context.selected_asset_check_keys}
    for result in check_results:
        name = _check_name(result.suite, result.position)
        if (result.suite, name) in wanted:
            yield _shown(name, result)


def _shown(name: str, result: CheckResult) -> dg.AssetCheckResult:
    errored = result.status is CheckStatus.ERROR
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=result.suite,
        passed=result.status is CheckStatus.PASSED,
        severity=dg.AssetCheckSeverity.ERROR if errored else dg.AssetCheckSeverity.WARN,
        description=result.message or None,
        metadata={
            "status": result.status.value,
            "observed": str(result.observed),
            "threshold": str(result.threshold),
            "gap_kind": result.gap_kind,
        }
        | ({} if result.failing_rows is None else {"failing_rows": result.failing_rows}),
    )
