"""Great Expectations on the built tables, and what every check and source came to once the gaps are graded.

Asset checks are shown after the register: only then is it known whether a failing check can turn the decision, and a
check is exactly as loud as its gap.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import dagster as dg

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.checks.runner import run_checks
from dagster_pipeline.checks.suite_files import Entry, SuiteFile, suite_files
from dagster_pipeline.checks.suites import load_suites
from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.defs.groups import GROUPS
from dagster_pipeline.defs.metadata import (
    check_severity,
    gap_facts,
    gaps_table,
    shown_figures,
    source_key,
    unresolved,
)
from dagster_pipeline.defs.register import Registered
from dagster_pipeline.defs.resources import PlumblineRun
from dagster_pipeline.gaps.balance import balance_breaches, rows_unaccounted
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.progress import Step, tell
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.register.history import NOT_EVALUATED
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.report.runbooks import runbook_name
from dagster_pipeline.report.words import plural
from dagster_pipeline.transform.results import WarehouseBuild

GAP_REGISTER = dg.AssetKey("gap_register")
_GRADED = [GAP_REGISTER, dg.AssetKey("measurements"), dg.AssetKey("warehouse_build")]
OPEN_GAPS, ROW_BALANCE = "open_gaps", "row_balance"


@dg.asset(group_name=GROUPS["checks"], kinds={"greatexpectations"})
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
    context.add_output_metadata({**counts, "not_passed": dg.MetadataValue.md(_table(results))})
    return results


def _table(results: list[CheckResult]) -> str:
    lines = [
        "| " + " | ".join(markdown_text(str(cell), 200) for cell in _cells(r)) + " |"
        for r in results
        if r.status is not CheckStatus.PASSED
    ]
    header = "| table | column | looks for | status | what was found |"
    return "\n".join([header, "|---|---|---|---|---|", *lines]) if lines else "Every check passed."


def _cells(result: CheckResult) -> tuple[str, ...]:
    return result.table, result.column or "", result.gap_kind, result.status.value, result.message


@cache
def _files() -> tuple[SuiteFile, ...]:
    return suite_files()


@cache
def _names() -> dict[tuple[str, int], str]:
    """Check names by suite and position: what is looked for, where; numbered only where that names two."""
    names: dict[tuple[str, int], str] = {}
    for file in _files():
        plain = {entry.position: _plain_name(entry) for entry in file.entries}
        for position, name in plain.items():
            same = [p for p, other in plain.items() if other == name]
            number = f"_{same.index(position) + 1}" if len(same) > 1 else ""
            names[file.name, position] = name + number
    return names


def _plain_name(entry: Entry) -> str:
    """The gap kind, but for our own contracts, which are all of one kind, the rule."""
    rule = entry.type.removeprefix("expect_").removeprefix("column_").removeprefix("values_to_")
    rule = rule.removeprefix("table_").removesuffix("_to_be_between")
    kind = rule if entry.gap_kind == NOT_EVALUATED else entry.gap_kind
    return f"{kind}__{entry.gap_column}" if entry.gap_column else kind


def _is_wanted(context: dg.AssetCheckExecutionContext, asset: dg.AssetKey, name: str) -> bool:
    return dg.AssetCheckKey(asset, name) in context.selected_asset_check_keys


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            name=_names()[file.name, entry.position],
            asset=file.name,
            description=f"{entry.type} on {entry.column or 'the table'}. Repair: {entry.mitigation}. Runbook: report/{runbook_name(entry.gap_kind)}.",
            additional_deps=[GAP_REGISTER],
            metadata={
                "gap_kind": entry.gap_kind,
                "runbook": runbook_name(entry.gap_kind),
                "affects": list(entry.affects),
                "expectation": entry.type,
                "suite": f"expectations/{file.name}.json, entry {entry.position}",
            },
        )
        for file in _files()
        for entry in file.entries
    ],
    ins={"gap_register": dg.AssetIn()},
    can_subset=True,
)
def expectations(
    context: dg.AssetCheckExecutionContext, gap_register: Registered, plumbline: PlumblineRun
) -> Iterator[dg.AssetCheckResult]:
    """The results of `check_results` on the models they are about. Never blocking: the launch is what is blocked."""
    if plumbline.is_look_back:  # a check shows how it is today
        return
    gaps = {gap.gap_id: gap for gap in gap_register.merged.gaps}
    for registered in gap_register.checks:
        result = registered.check
        # A team's own rules have no asset check: definitions are loaded before any configuration is read.
        name = _names().get((result.suite, result.position))
        if name is not None and _is_wanted(context, dg.AssetKey(result.suite), name):
            yield _shown(name, registered, gaps)


def _shown(name: str, registered: RegisteredCheck, gaps: Mapping[str, Gap]) -> dg.AssetCheckResult:
    """A check that raised without a gap to its name is the loudest: nobody has said what that costs."""
    result = registered.check
    gap = gaps.get(registered.gap_id or "")
    passed = result.status is CheckStatus.PASSED
    unexplained = result.status is CheckStatus.ERROR and gap is None
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=result.suite,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if unexplained else check_severity(gap),
        description=result.message or None,
        metadata=_observed(result) | ({} if passed or gap is None else gap_facts(gap)),
    )


def _observed(result: CheckResult) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "status": result.status.value,
        "observed": result.observed,
        "threshold": result.threshold,
        "failing_rows": result.failing_rows,
        "rows": result.rows_total,
        "gap_kind": result.gap_kind,
    }
    return shown_figures(facts)


@dg.multi_asset_check(
    specs=[
        *(
            dg.AssetCheckSpec(
                name=OPEN_GAPS,
                asset=source_key(name),
                description=f"Whether {name} has open gaps above info, and how bad the worst is.",
                additional_deps=_GRADED,
            )
            for name in source_specs()
        ),
        dg.AssetCheckSpec(
            name=OPEN_GAPS,
            asset=GAP_REGISTER,
            description="Whether there is any open gap above info, and how bad the worst is.",
        ),
        *(
            dg.AssetCheckSpec(
                name=ROW_BALANCE,
                asset=source_key(name),
                description=f"Rows of {name}: read = used + filtered out + quarantined + removed. One row off is an error.",
                additional_deps=_GRADED,
            )
            for name in source_specs()
        ),
    ],
    ins={"gap_register": dg.AssetIn(), "measurements": dg.AssetIn(), "warehouse_build": dg.AssetIn()},
    can_subset=True,
)
def gaps_and_rows(
    context: dg.AssetCheckExecutionContext,
    gap_register: Registered,
    measurements: Measurements,
    warehouse_build: WarehouseBuild,
    plumbline: PlumblineRun,
) -> Iterator[dg.AssetCheckResult]:
    """For each source, what the register holds against it and whether all its rows are accounted for."""
    if plumbline.is_look_back:
        return
    gaps = unresolved(gap_register.merged.gaps)
    found = [_open_gaps(GAP_REGISTER, gaps)]
    found += [_open_gaps(source_key(name), [g for g in gaps if g.table == name]) for name in source_specs()]
    found += _row_balances(warehouse_build, measurements)
    for result in found:
        if _is_wanted(context, result.asset_key or GAP_REGISTER, result.check_name or ""):
            yield result


def _open_gaps(asset: dg.AssetKey, gaps: list[Gap]) -> dg.AssetCheckResult:
    matter = [gap for gap in gaps if gap.severity is not Severity.INFO]
    notes = len(gaps) - len(matter)
    worst = max(matter, key=lambda gap: gap.severity.rank, default=None)
    return dg.AssetCheckResult(
        check_name=OPEN_GAPS,
        asset_key=asset,
        passed=worst is None,
        severity=check_severity(worst),
        description=_in_words(matter, notes),
        metadata={"open_gaps": len(matter), "notes": notes}
        | ({} if worst is None else gap_facts(worst, "worst_gap"))
        | ({"gaps": gaps_table(gaps)} if gaps else {}),
    )


def _in_words(matter: list[Gap], notes: int) -> str:
    aside = f" {plural(notes, 'note')} beside." if notes else ""
    if not matter:
        return f"No open gap above info.{aside}"
    counts = {s: sum(gap.severity is s for gap in matter) for s in sorted(Severity, key=lambda s: -s.rank)}
    return f"{', '.join(f'{n} {s.value}' for s, n in counts.items() if n)}.{aside}"


def _row_balances(build: WarehouseBuild, measurements: Measurements) -> Iterable[dg.AssetCheckResult]:
    breaches = dict(balance_breaches(build.inspections, measurements.sources))
    for name in source_specs():
        fact = measurements.sources.get(name)
        inspection = build.inspections.get(name)
        if name not in breaches and (fact is None or inspection is None or inspection.relation_sql is None):
            continue  # there is nothing to count
        counts = {} if fact is None else {
            "read": fact.rows_in, "used": fact.rows_kept, "filtered_out": fact.rows_filtered,
            "quarantined": fact.rows_quarantined, "duplicate_copies": fact.rows_duplicate,
            "conflicting": fact.rows_conflicting, "unaccounted": rows_unaccounted(fact),
        }  # fmt: skip
        yield dg.AssetCheckResult(
            check_name=ROW_BALANCE,
            asset_key=source_key(name),
            passed=name not in breaches,
            severity=dg.AssetCheckSeverity.ERROR,
            description=breaches.get(name) or "Every row is accounted for.",
            metadata=counts,
        )
