"""Run suites with Great Expectations on the built warehouse: one CheckResult per check.

An expectation that raises is an error of its own: it is run once more alone, so that it can neither pass, nor
merely fail, nor take others with it. What could not be looked at (a relation that was not built, a source
that could not be read, a table without rows) is an error as well.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from dagster_pipeline.checks import readings
from dagster_pipeline.checks.readings import Reading
from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.checks.suite_files import SuiteFile
from dagster_pipeline.checks.suites import Check, Suite
from dagster_pipeline.checks.validation import Validator
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.engines import load_engine

_log = logging.getLogger(__name__)


def run_checks(
    database_path: Path,
    suites: Sequence[Suite],
    config: PlumblineConfig,
    relations_available: Collection[str],
    data_docs: Path | None = None,
) -> tuple[CheckResult, ...]:
    """Validate ``suites`` on the database file; results in the order of suites and entries.

    ``relations_available`` are the names of the relations that were built, as the suites are named; of any
    other every check is an error. With ``data_docs`` the Data Docs site of Great Expectations is written to
    that folder. The file is opened read-only and is free again when this returns.

    Raises PlumblineError, naming file and entry, where a suite asks for an expectation there is none of.
    """
    url = load_engine(config.warehouse.engine).checks_url(database_path)
    with Validator(url) as validator:
        validator.prepare(suites)
        results = tuple(
            result for suite in suites for result in _run_suite(validator, suite, relations_available)
        )
        if data_docs is not None:
            _write_data_docs(validator, data_docs)
    return results


def _write_data_docs(validator: Validator, folder: Path) -> None:
    try:
        validator.write_data_docs(folder)
    except Exception:
        # The site is a convenience; losing the results for it would blind the register.
        _log.warning("Data Docs could not be written to %s", folder, exc_info=True)


def _run_suite(validator: Validator, suite: Suite, available: Collection[str]) -> Iterable[CheckResult]:
    relation = suite.file.relation
    if relation not in available:
        return [_not_evaluated(suite.file, check, f"{relation} was not built") for check in suite.checks]
    runnable = [check for check in suite.checks if check.obstacle is None]
    found = validator.validate(suite, runnable) if runnable else {}
    rows = readings.row_count(found.values())
    return [_result(suite.file, check, found.get(check.entry.position), rows) for check in suite.checks]


def _result(file: SuiteFile, check: Check, reading: Reading | None, rows: int | None) -> CheckResult:
    if reading is None:
        return _not_evaluated(file, check, check.obstacle or "no result came back")
    if reading.error is not None:
        return _not_evaluated(file, check, reading.error, rows)
    if reading.is_vacuous or (rows == 0 and not reading.counts_table):
        reason = f"{file.relation} has no row" if rows == 0 else f"{check.entry.column} has no value"
        return _not_evaluated(file, check, reason, rows)
    return _evaluated(file, check, reading, rows)


def _evaluated(file: SuiteFile, check: Check, reading: Reading, rows: int | None) -> CheckResult:
    return CheckResult(
        suite=file.name,
        expectation=check.entry.type,
        table=file.table,
        column=check.entry.column,
        status=CheckStatus.PASSED if reading.success else CheckStatus.FAILED,
        observed=reading.observed,
        threshold=check.threshold,
        failing_rows=reading.failing_rows,
        rows_total=rows,
        gap_kind=check.entry.gap_kind,
        affects=check.entry.affects,
        mitigation=check.entry.mitigation,
        message=readings.in_words(reading, check.threshold),
        gap_column=check.entry.gap_column,
        position=check.entry.position,
        rests_on=check.rests_on,
    )


def _not_evaluated(file: SuiteFile, check: Check, reason: str, rows: int | None = None) -> CheckResult:
    return CheckResult(
        suite=file.name,
        expectation=check.entry.type,
        table=file.table,
        column=check.entry.column,
        status=CheckStatus.ERROR,
        observed=None,
        threshold=check.threshold,
        failing_rows=None,
        rows_total=rows,
        gap_kind=check.entry.gap_kind,
        affects=check.entry.affects,
        mitigation=check.entry.mitigation,
        message=f"not evaluated: {reason}",
        gap_column=check.entry.gap_column,
        position=check.entry.position,
        rests_on=check.rests_on,
    )
