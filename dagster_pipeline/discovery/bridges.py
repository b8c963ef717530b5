"""Tables between a child and its parent: a quote may know its invite, and only the invite its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dagster_pipeline.discovery.matching import SourceChoice, SourceMatch, match_source
from dagster_pipeline.discovery.names import Synonyms
from dagster_pipeline.discovery.relations import Connection, Relation, contained

_HELD = 0.95


@dataclass(frozen=True)
class Bridge:
    """``child`` joins ``table`` on ``child_key`` = ``key``; ``columns``: logical name → the table's."""

    child: SourceMatch
    table: Relation
    child_key: str
    key: str
    columns: Mapping[str, str]


def find_bridges(
    connection: Connection,
    relations: Sequence[Relation],
    choices: Mapping[str, SourceChoice],
    words: Synonyms,
) -> tuple[Bridge, ...]:
    """For each source that lacks required columns, the tables that could bring them by a join."""
    lacking = [choice.best for choice in choices.values() if choice.best and choice.best.unsure_required]
    return tuple(
        bridge
        for child in lacking
        for table in relations
        if table is not child.relation and (bridge := _bridge(connection, child, table, words))
    )


def _bridge(connection: Connection, child: SourceMatch, table: Relation, words: Synonyms) -> Bridge | None:
    brought = _brought(child, table, words)
    if not all(choice.spec.name in brought for choice in child.unsure_required):
        return None
    for column, key in _shared_keys(child.relation, table, words):
        if contained(connection, table, key, [(child.relation, column)])[0] >= _HELD:
            return Bridge(child, table, column, key, brought)
    return None


def _shared_keys(child: Relation, table: Relation, words: Synonyms) -> list[tuple[str, str]]:
    """Columns of one name, unique in the table: joining on them repeats no row of the child."""
    return [
        (column.name, other.name)
        for column in child.columns
        for other in table.columns
        if words.words(column.name) == words.words(other.name)
        and other.distinct == 1.0
        and not other.is_timestamp
    ]


def _brought(child: SourceMatch, table: Relation, words: Synonyms) -> dict[str, str]:
    """Logical columns the child lacks and the table has; a guess will do, a person reads the query."""
    there = match_source(table, child.spec, words, {})
    found = {choice.spec.name: choice.best for choice in there.columns if choice.best}
    lacking = [choice.spec for choice in child.columns if child.sure(choice.spec.name) is None]
    wanted = [spec for spec in lacking if spec.role in ("foreign_key", "attribute")]
    return {spec.name: found[spec.name].physical for spec in wanted if spec.name in found}
