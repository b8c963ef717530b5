"""Look at files or tables, and propose how to map them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.discovery.bridges import find_bridges
from dagster_pipeline.discovery.matching import SourceChoice, choose
from dagster_pipeline.discovery.names import Synonyms, column_score, synonyms
from dagster_pipeline.discovery.proposal import Experiment, Proposal
from dagster_pipeline.discovery.relations import (
    Candidate,
    Column,
    Connection,
    Relation,
    Unreadable,
    arms,
    contained,
    files_of,
    newest,
    read,
    tables_of,
)
from dagster_pipeline.engines.inspection import one_line
from dagster_pipeline.errors import PlumblineError

_MANY_ARMS = 10


def propose(place: Path, relative_to: Path | None = None) -> Proposal:
    """A mapping of the csv and parquet files below a folder, or of the tables of a DuckDB file.

    ``relative_to`` is the folder it will be saved in: paths below that become relative to it. Without it they
    are absolute, and right wherever it is saved. Raises PlumblineError where there is nothing to look at.
    """
    found = _propose_database(place) if place.is_file() else _propose_folder(place)
    return replace(found, origin=str(place), base=relative_to.resolve() if relative_to else None)


def _propose_folder(folder: Path) -> Proposal:
    if not folder.is_dir():
        raise PlumblineError(
            f"{folder} does not exist; name a folder of csv or parquet files, or a DuckDB file"
        )
    candidates = files_of(folder.resolve())
    if not candidates:
        raise PlumblineError(f"{folder} holds no .csv, .csv.gz or .parquet file; name the folder that does")
    with closing(_connection()) as connection:
        return _propose(connection, candidates)


def _propose_database(path: Path) -> Proposal:
    """The tables of a DuckDB file, which becomes the warehouse."""
    try:
        with closing(_connection(path)) as connection:
            found = _propose(connection, tables_of(connection))
    except duckdb.Error as error:
        raise PlumblineError(f"{path} cannot be read as a DuckDB database: {one_line(str(error))}") from error
    return replace(found, warehouse=path.resolve())


def discover(connection: Connection, candidates: Sequence[Candidate] | None = None) -> str:
    """A proposed plumbline.yml for the candidates, by default every table and view the connection sees."""
    return _propose(connection, tables_of(connection) if candidates is None else candidates).to_yaml()


def _connection(database: Path | None = None) -> Connection:
    connection = duckdb.connect(str(database) if database else ":memory:", read_only=database is not None)
    connection.execute("set TimeZone = 'UTC'")
    # A relation must never be answered by a Python variable that happens to bear its name.
    connection.execute("set python_enable_replacements = false")
    return connection


def _propose(connection: Connection, candidates: Sequence[Candidate]) -> Proposal:
    looked_at = [read(connection, candidate) for candidate in candidates]
    relations = [item for item in looked_at if isinstance(item, Relation)]
    specs, words = source_specs(), synonyms()
    by_name = choose(relations, specs, words)
    shares = _shares(connection, relations, by_name, words)
    choices = choose(relations, specs, words, shares)
    return Proposal(
        sources=tuple(choices.values()),
        bridges=find_bridges(connection, relations, choices, words),
        unreadable=tuple(item for item in looked_at if isinstance(item, Unreadable)),
        unused=_unused(relations, choices),
        experiments=_experiments(connection, choices["assignments"]),
        newest=_newest(connection, choices["requests"]),
    )


def _shares(
    connection: Connection,
    relations: Sequence[Relation],
    choices: dict[str, SourceChoice],
    words: Synonyms,
) -> dict[tuple[str, str, str], float]:
    """How much of each column the parent of each foreign key holds, where the parent is sure by name."""
    shares: dict[tuple[str, str, str], float] = {}
    for logical, targets in words.references.items():
        for parent, key in _parents(choices, targets):
            children = [
                (relation, column.name)
                for relation in relations
                if relation is not parent
                for column in relation.columns
                if _could_refer(relation, column, logical, words)
            ]
            for (child, column), share in zip(
                children, contained(connection, parent, key, children), strict=True
            ):
                where = (child.candidate.address, column, logical)
                shares[where] = max(share, shares.get(where, 0.0))
    return shares


def _could_refer(relation: Relation, column: Column, logical: str, words: Synonyms) -> bool:
    """By its name, or as text of some variety; numbers under a name that says nothing prove nothing."""
    if column.is_timestamp:
        return False
    named = column_score(column.name, logical, relation.candidate.name, words) > 0
    return named or (not column.is_number and column.distinct > 0.001)


def _parents(
    choices: dict[str, SourceChoice], targets: Sequence[tuple[str, str]]
) -> list[tuple[Relation, str]]:
    matches = [(choices[source].best, key) for source, key in targets]
    return [(m.relation, physical) for m, key in matches if m and (physical := m.sure(key))]


def _unused(relations: Sequence[Relation], choices: dict[str, SourceChoice]) -> tuple[Relation, ...]:
    shown = {match.relation.candidate.address for choice in choices.values() for match in choice.matches}
    return tuple(relation for relation in relations if relation.candidate.address not in shown)


def _experiments(connection: Connection, assignments: SourceChoice) -> tuple[Experiment, ...]:
    """The experiments the assignments speak of, with the rows of each arm in the sample."""
    best = assignments.best
    variant, experiment = (best.sure("variant"), best.sure("experiment_id")) if best else (None, None)
    if not best or not variant:
        return ()
    columns = [experiment, variant] if experiment else [variant]
    seen: dict[str, dict[str, int]] = {}
    for *names, rows in arms(connection, best.relation, columns):
        name, arm = names if experiment else ("experiment_1", names[0])
        counts = seen.setdefault(name, {})
        counts[arm.strip().casefold()] = counts.get(arm.strip().casefold(), 0) + int(rows)
    return tuple(Experiment(name, counts) for name, counts in seen.items() if 1 < len(counts) <= _MANY_ARMS)


def _newest(connection: Connection, requests: SourceChoice) -> str | None:
    created_at = requests.best.sure("created_at") if requests.best else None
    return newest(connection, requests.best.relation, created_at) if requests.best and created_at else None
