"""Rows never vanish: what came in is used, set aside for a stated reason, or a fault of the pipeline itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus
from dagster_pipeline.gaps.measurements import SourceFact

_READABLE = frozenset({SourceStatus.OK, SourceStatus.EMPTY})


def rows_unaccounted(fact: SourceFact) -> int:
    """Rows that came in and are neither used nor set aside: positive where rows are missing, negative where rows were invented."""
    return fact.rows_in - rows_accounted(fact)


def rows_accounted(fact: SourceFact) -> int:
    """Rows used, filtered out, quarantined, or removed as a copy or for contradicting another."""
    aside = fact.rows_filtered + fact.rows_quarantined + fact.rows_duplicate + fact.rows_conflicting
    return fact.rows_kept + aside


def balance_breaches(
    inspections: Mapping[str, SourceInspection], facts: Mapping[str, SourceFact]
) -> Iterator[tuple[str, str]]:
    """Source and sentence for each readable source whose rows do not add up, or were never counted.

    One row too few or too many is a breach: there is no tolerance, because every row's way is known.
    """
    for name, inspection in inspections.items():
        if inspection.status not in _READABLE or inspection.relation_sql is None:
            continue
        fact = facts.get(name)
        if fact is None:
            yield name, f"The rows of {name} were not counted, so nothing shows that none was lost."
        elif rows_unaccounted(fact):
            yield name, _breach(fact)


def _breach(fact: SourceFact) -> str:
    lost = rows_unaccounted(fact)
    what = f"{lost:,} {'is' if lost == 1 else 'are'} missing" if lost > 0 else f"{-lost:,} too many"
    return (
        f"{fact.rows_in:,} rows of {fact.name} came in, {rows_accounted(fact):,} are accounted for "
        f"({fact.rows_kept:,} used, {fact.rows_filtered:,} filtered out, {fact.rows_quarantined:,} quarantined, "
        f"{fact.rows_duplicate:,} duplicate copies, {fact.rows_conflicting:,} conflicting): {what}. Either the source "
        "changed while it was read (run again), or a model of Plumbline is at fault."
    )
