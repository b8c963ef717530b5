"""What a person reads beside an asset or a check: gaps, row balance, columns. Words and figures are the report's."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.engines.inspection import SourceInspection
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.report.runbooks import runbook_name
from dagster_pipeline.report.summary import register_markdown
from dagster_pipeline.report.words import kind_title, place
from dagster_pipeline.transform.lineage import RAW_SOURCE, Parents

COLUMN_SCHEMA = "dagster/column_schema"
COLUMN_LINEAGE = "dagster/column_lineage"
MAX_ORIGINS = 4
"""Source columns named in a column's description."""
MAX_ROWS = 50
"""Gaps shown in one table; the register itself is never cut."""


def source_key(name: str) -> dg.AssetKey:
    """The raw source as an asset that others make."""
    return dg.AssetKey(["sources", name])


def check_severity(gap: Gap | None) -> dg.AssetCheckSeverity:
    """How loud a failing check is: as loud as its gap. What may turn the decision is an error, the rest a warning."""
    serious = gap is not None and gap.severity.rank >= Severity.HIGH.rank
    return dg.AssetCheckSeverity.ERROR if serious else dg.AssetCheckSeverity.WARN


def unresolved(gaps: Iterable[Gap]) -> list[Gap]:
    """The gaps that are still there, in the order given (the register's: worst first)."""
    return [gap for gap in gaps if gap.status is not GapStatus.RESOLVED]


def gap_facts(gap: Gap, label: str = "gap") -> dict[str, Any]:
    """One gap's id, severity with its reason, size, and what it does to the metric whose answer changes first."""
    facts: dict[str, Any] = {
        label: f"{kind_title(gap.kind)} in {place(gap)} ({gap.gap_id})",
        "severity": gap.severity.value,
        "why": gap.severity_reason,
        "what": gap.description,
        "share_affected": gap.share_affected,
        "share_left": gap.share_residual,
        "runbook": runbook_name(gap.kind) or None,
    }
    deciding = _deciding(gap)
    if deciding is not None:
        facts |= {
            "moves": f"{deciding.metric} of {deciding.variant}",
            "direction": deciding.direction.value,
            "delta_star": deciding.delta_star,
        }
    return shown_figures(facts)


def shown_figures(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are known, figures to four digits: more are noise to who compares them with a threshold."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in facts.items()
        if value is not None
    }


def _deciding(gap: Gap) -> Impact | None:
    """The impact with the smallest δ*; the first one where none can change an answer."""
    known = [impact for impact in gap.metrics if impact.delta_star is not None]
    return min(known, key=lambda i: i.delta_star or 0.0) if known else next(iter(gap.metrics), None)


def gaps_table(gaps: Iterable[Gap]) -> dg.MarkdownMetadataValue:
    """Gaps as the register shows them, the first ``MAX_ROWS`` of them."""
    listed = list(gaps)
    more = f"\n{len(listed) - MAX_ROWS:,} more, in register.json.\n" if len(listed) > MAX_ROWS else ""
    return dg.MetadataValue.md(register_markdown(listed[:MAX_ROWS]) + more)


def column_schema(
    types: Mapping[str, str], descriptions: Mapping[str, str], roots: Mapping[str, Iterable[str]]
) -> dg.TableSchema:
    """Columns as they are, with what is said of each and the source columns its values come from (``roots``).

    Dagster's own view of column lineage is not in its open-source UI, so that the descriptions have to tell it.
    """
    return dg.TableSchema(
        [
            dg.TableColumn(
                name, kind, description=_described(descriptions.get(name, ""), roots.get(name, ()))
            )
            for name, kind in types.items()
        ]
    )


def _described(description: str, roots: Iterable[str]) -> str | None:
    origins = sorted(roots)
    more = f" and {len(origins) - MAX_ORIGINS} more" if len(origins) > MAX_ORIGINS else ""
    origin = f"From {', '.join(origins[:MAX_ORIGINS])}{more}." if origins else ""
    return f"{description} {origin}".strip() or None


def source_columns(inspection: SourceInspection) -> dg.MarkdownMetadataValue:
    """A source's columns with their types and what plumbline.yml takes them for."""
    mapped = {physical: logical for logical, physical in inspection.columns.items()}
    lines = [
        f"| {markdown_text(name, 100)} | {markdown_text(kind, 60)} | {mapped.get(name, 'not used')} |"
        for name, kind in inspection.physical_columns.items()
    ]
    return dg.MetadataValue.md("\n".join(["| column | type | used as |", "|---|---|---|", *lines]))


def column_lineage(
    model: str, parents: Mapping[str, Parents], source: SourceInspection | None
) -> dg.TableColumnLineage:
    """Lineage of a model's columns; what staging reads leads to the source's own column."""
    return dg.TableColumnLineage(
        {
            column: [dep for relation, name in sorted(found) for dep in _deps(model, relation, name, source)]
            for column, found in parents.items()
            if found
        }
    )


def _deps(
    model: str, relation: str, column: str, source: SourceInspection | None
) -> Iterable[dg.TableColumnDep]:
    if relation != RAW_SOURCE:
        yield dg.TableColumnDep(dg.AssetKey(relation), column)
    elif source is not None and column in source.physical_columns:
        yield dg.TableColumnDep(source_key(model.removeprefix("stg_")), column)
