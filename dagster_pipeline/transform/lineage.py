"""Which columns a model's columns are made from, read from its compiled SQL: derived, never kept by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

RAW_SOURCE = "raw_source"
"""The name under which a staging model reads its raw relation; lineage ends there, whatever the relation is."""

Parents = frozenset[tuple[str, str]]
"""(relation, column) pairs; the relation is ``RAW_SOURCE`` for what staging reads."""


def column_parents(sql: str, columns: Mapping[str, list[str]], dialect: str) -> dict[str, Parents]:
    """For each column the statement gives, the columns of relations it reads its value from.

    ``columns`` are the columns of every relation the statement may read, so that ``select *`` can be told apart. What only
    decides which rows there are (filters, join conditions, groupings) or which value is taken (``case when``) is no
    parent, unless a value is made of nothing else. Raises sqlglot's errors for what it can not read.
    """
    # Nobody but who looks at lineage pays for the import.
    import sqlglot  # noqa: PLC0415
    from sqlglot.optimizer.qualify import qualify  # noqa: PLC0415
    from sqlglot.optimizer.scope import build_scope  # noqa: PLC0415

    # The types play no part; relations are told apart by their name alone, since no two models share one.
    schema: dict[str, object] = {
        relation: dict.fromkeys(names, "text") for relation, names in columns.items()
    }
    # The models spell every name one way, and a source's columns must keep the spelling they were found with.
    dialect = f"{dialect}, normalization_strategy=case_sensitive"
    tree = sqlglot.parse_one(sql, dialect=dialect)
    for table in tree.find_all(sqlglot.exp.Table):
        table.set("db", None)
        table.set("catalog", None)
    qualified: Any = qualify(tree, dialect=dialect, schema=schema, validate_qualify_columns=False)
    root = build_scope(qualified)
    if root is None:
        return {}
    resolver = _Resolver()
    return {name: resolver.parents(root, name) for name in qualified.named_selects}


def source_roots(parents: Mapping[str, Mapping[str, Parents]], model: str, column: str) -> frozenset[str]:
    """The "source.column" names a model's column comes from in the end, over every model whose parents are known."""
    roots: set[str] = set()
    seen: set[tuple[str, str]] = set()
    todo = [(model, column)]
    while todo:
        place = todo.pop()
        for relation, name in parents.get(place[0], {}).get(place[1], ()) if place not in seen else ():
            if relation == RAW_SOURCE:
                roots.add(f"{place[0].removeprefix('stg_')}.{name}")
            else:
                todo.append((relation, name))
        seen.add(place)
    return frozenset(roots)


class _Resolver:
    """Follows columns through the parts (sqlglot's scopes) of one statement; each part's column is followed once."""

    def __init__(self) -> None:
        self.parents = cache(self._parents)

    def _parents(self, scope: Any, column: str) -> Parents:
        if scope.set_operation_scopes:
            # The branches of a union match by position, and the first one names the columns.
            position = scope.expression.named_selects.index(column)
            names = [branch.expression.named_selects[position] for branch in scope.set_operation_scopes]
            found = [self.parents(b, n) for b, n in zip(scope.set_operation_scopes, names, strict=True)]
            return frozenset().union(*found)
        return frozenset(self._of_projection(scope, column))

    def _of_projection(self, scope: Any, column: str) -> Iterator[tuple[str, str]]:
        projection = next((p for p in scope.expression.selects if p.alias_or_name == column), None)
        if projection is None:
            return
        for read in _values([c for c in scope.columns if _is_within(c, projection)]):
            # Columns of a relation nobody described stay unqualified, and a raw relation is read alone.
            alias = read.table or RAW_SOURCE
            if alias in scope.sources:
                yield from self._of_column(scope.sources[alias], alias, read.name)
        for inner in scope.subquery_scopes:
            if _is_within(inner.expression, projection):
                for name in inner.expression.named_selects:
                    yield from self.parents(inner, name)

    def _of_column(self, origin: Any, alias: str, column: str) -> Parents:
        if alias == RAW_SOURCE:
            return frozenset({(RAW_SOURCE, column)})
        is_part = hasattr(origin, "set_operation_scopes")  # of the statement, rather than a relation it reads
        return self.parents(origin, column) if is_part else frozenset({(str(origin.name), column)})


def _values(reads: list[Any]) -> list[Any]:
    """The columns a value comes from; those of a `case when` only where the value comes from nowhere else."""
    return [read for read in reads if not _is_condition(read)] or reads


def _is_condition(node: Any) -> bool:
    while node.parent is not None:
        if node.parent.key == "if" and node.arg_key == "this":
            return True
        node = node.parent
    return False


def _is_within(node: Any, ancestor: Any) -> bool:
    while node is not None and node is not ancestor:
        node = node.parent
    return node is ancestor


def built_columns(connection: Any) -> dict[str, dict[str, str]]:
    """Columns and types, in their order, of every relation of the models in the warehouse, by its name."""
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_schema like 'plumbline~_%' escape '~' order by table_name, ordinal_position"
    ).fetchall()
    for relation, column, data_type in rows:
        found.setdefault(relation, {})[column] = data_type
    return found
