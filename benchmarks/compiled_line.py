"""The line from raw tables to graded gaps without files: the project's own compiled SQL on an in-memory DuckDB.

dbt compiles the models once per mapping (names, types, clock, experiments); the statements it would have run are then
executed, in dependency order, on any number of worlds of that mapping. Nothing here repeats a definition: configuration,
inspection, mapping, models, reading and assessment are the project's. What it leaves out of a run is Great Expectations,
Dagster, the register's history and the files. A world of 3,000 requests takes about a second after the compilation.

    with compiled_run(WorldSpec(requests=3_000, seed=4), Faults(sampled_logging=0.18)) as run:
        run.gap("sampled_logging", "quote_events").description
        run.ask("select count(*) from raw.quote_events")
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import yaml

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.story import config_text
from dagster_pipeline.demo.world import TablesInMemory, WorldSpec, generate_in_memory
from dagster_pipeline.engines.duckdb import DuckDBEngine
from dagster_pipeline.engines.inspection import SourceInspection
from dagster_pipeline.gaps.assess import RunAssessment, assess
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.gaps.measurements import Measurements, read_measurements
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner, vars_argument
from dagster_pipeline.transform.mapping import WarehouseMapping, build_mapping

Config = dict[str, Any]
Place = tuple[str, str | None, str | None]
"""What a gap is about: kind, table, column."""

_DATABASE = "warehouse"
_SETTINGS = (
    "set TimeZone = 'UTC'",
    "set threads = 1",  # most of the time is spent planning; many worlds run side by side
    "set preserve_insertion_order = false",
    # A relation must never be answered by a Python variable that happens to bear its name.
    "set python_enable_replacements = false",
)


@dataclass(frozen=True)
class CompiledModel:
    """One model as dbt would run it: where its rows go, and the query that gives them."""

    name: str
    relation: str
    query: str


@dataclass(frozen=True)
class CompiledProject:
    """Models in the order of their dependencies; ``invariants`` are dbt's tests of them: queries by name that give no row."""

    models: tuple[CompiledModel, ...]
    invariants: Mapping[str, str]


@dataclass(frozen=True)
class CompiledRun:
    """What came of one world: the connection still holds every relation of the warehouse."""

    connection: duckdb.DuckDBPyConnection
    config: PlumblineConfig
    mapping: WarehouseMapping
    world: TablesInMemory | None

    @cached_property
    def measurements(self) -> Measurements:
        """The aggregates, read as a run reads them."""
        models = tuple(f"gap_{kind}" for kind in gap_kinds())
        built = frozenset(model.name for model in compiled_project(self.mapping).models)
        return read_measurements(self.connection, built, models)

    @cached_property
    def assessment(self) -> RunAssessment:
        """Every gap, bounded and graded."""
        return assess(self.config, self.mapping, self.measurements)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps of the run."""
        return self.assessment.gaps

    def places(self) -> set[Place]:
        """What the gaps are about, those of a segment of their own left out."""
        return {place_of(gap) for gap in self.gaps if gap.segment is None}

    def gap(self, kind: str, table: str | None = None, column: str | None = None) -> Gap:
        """The one gap of that kind in that place."""
        found = [g for g in self.gaps if place_of(g) == (kind, table, column) and g.segment is None]
        assert len(found) == 1, f"{len(found)} gaps {kind} on {table}.{column}; there are {shown(self.gaps)}"
        return found[0]

    def broken_invariants(self) -> list[str]:
        """dbt's tests of our own promises (grain, keys, rows that never vanish) that this world breaks."""
        invariants = compiled_project(self.mapping).invariants
        return [
            name
            for name, sql in invariants.items()
            if self.ask(f"select 1 from ({sql}) as broken limit 1")  # noqa: S608
        ]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the warehouse and the raw tables (schema ``raw``)."""
        return self.connection.execute(sql).fetchall()


def place_of(gap: Gap) -> Place:
    """Kind, table and column of a gap."""
    return gap.kind, gap.table, gap.column


def shown(gaps: Sequence[Gap]) -> list[str]:
    """The gaps in a line each, for a message."""
    return sorted(f"{g.severity.value} {g.kind} {g.table}.{g.column}: {g.description}" for g in gaps)


@contextmanager
def compiled_run(
    spec: WorldSpec,
    faults: Faults | None = None,
    *,
    edit_config: Callable[[Config], None] | None = None,
    tamper: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
) -> Iterator[CompiledRun]:
    """A world made in memory and brought through the compiled line.

    ``tamper`` changes the raw tables (schema ``raw``) before anything reads them, ``edit_config`` the plain values of
    plumbline.yml, whose relative paths mean nothing here.
    """
    with warehouse() as connection:
        world = generate_in_memory(connection, spec, faults)
        if tamper:
            tamper(connection)
        yield run_relations(connection, config_of(spec, world.relations, edit_config), world)


@contextmanager
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty in-memory database that goes by the name the compiled statements use."""
    with duckdb.connect() as connection:
        connection.execute(f"attach ':memory:' as {_DATABASE}")
        connection.execute(f"use {_DATABASE}")
        for setting in _SETTINGS:
            connection.execute(setting)
        yield connection


def run_relations(
    connection: duckdb.DuckDBPyConnection, config: PlumblineConfig, world: TablesInMemory | None = None
) -> CompiledRun:
    """Inspects the configured sources as they lie in the connection (or in files) and builds every model there."""
    mapping = build_mapping(config, _InMemoryEngine().inspect_in(connection, config))
    build_models(connection, compiled_project(mapping).models)
    return CompiledRun(connection, config, mapping, world)


class PreparedLine:
    """The line with its statements planned once for many worlds of one mapping: planning takes three quarters of a build.

    A world is made in a database of its own beside the warehouse, and its tables are copied over:

        with line.forge() as connection:
            world = lay_out(connection, spec)
            run = line.bring(config)

    What is planned must hold for any rows, so the optimizers that look at a table's least and greatest values are off.
    Tables are emptied by every world but never shrink: a line is thrown away after some worlds.
    """

    _OF_THE_ROWS = "statistics_propagation,compressed_materialization,empty_result_pullup"

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.worlds = 0
        self._variables: str | None = None
        self._models: Sequence[CompiledModel] = ()
        self.connection.execute(f"attach ':memory:' as {_DATABASE}")
        for setting in (*_SETTINGS, f"set disabled_optimizers = '{self._OF_THE_ROWS}'"):
            self.connection.execute(setting)

    @contextmanager
    def forge(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """An empty database to make a world in; it is gone afterwards."""
        self.connection.execute("attach ':memory:' as forge")
        self.connection.execute("use forge")
        try:
            yield self.connection
        finally:
            self.connection.execute(f"use {_DATABASE}")
            self.connection.execute("detach forge")

    def bring(self, config: PlumblineConfig) -> CompiledRun | None:
        """The world in the forge through the line; None where its mapping is not the one this line has planned."""
        mapping = build_mapping(config, _InMemoryEngine().inspect_in(self.connection, config))
        variables = json.dumps(mapping.variables)
        if self._variables not in (None, variables):
            return None
        relations = [source.from_ for source in config.sources.values() if source.from_]
        self.connection.execute(f"use {_DATABASE}")
        if self._variables is None:
            self._plan(mapping, relations)
            self._variables = variables
        else:
            self._refill(relations)
        self.worlds += 1
        return CompiledRun(self.connection, config, mapping, None)

    def _plan(self, mapping: WarehouseMapping, relations: Sequence[str]) -> None:
        self.connection.execute("create schema if not exists raw")
        for relation in relations:
            self.connection.execute(f"create table {relation} as select * from forge.{relation}")  # noqa: S608
        self._models = compiled_project(mapping).models
        build_models(self.connection, self._models)
        for model in self._models:
            self.connection.execute(f"prepare {model.name} as insert into {model.relation} {model.query}")

    def _refill(self, relations: Sequence[str]) -> None:
        for relation in relations:
            self.connection.execute(f"truncate {relation}")
            self.connection.execute(f"insert into {relation} select * from forge.{relation}")  # noqa: S608
        for model in self._models:
            self.connection.execute(f"truncate {model.relation}")
            self.connection.execute(f"execute {model.name}")


def build_models(connection: duckdb.DuckDBPyConnection, models: Sequence[CompiledModel]) -> None:
    """Creates each model's table; the models come in the order of their dependencies."""
    for schema in dict.fromkeys(model.relation.rpartition(".")[0] for model in models):
        connection.execute(f"create schema if not exists {schema}")
    for model in models:
        connection.execute(f"create or replace table {model.relation} as {model.query}")


def compiled_project(mapping: WarehouseMapping) -> CompiledProject:
    """The project as dbt compiles it with this mapping; compiled once per mapping and process."""
    return _compiled(json.dumps(mapping.variables))


def config_of(
    spec: WorldSpec, origins: Mapping[str, str], edit: Callable[[Config], None] | None = None
) -> PlumblineConfig:
    """The configuration of a world whose tables are read from ``origins``."""
    text = config_text(spec, origins)
    if edit:
        values = yaml.safe_load(text)
        edit(values)
        text = yaml.safe_dump(values, sort_keys=False)
    return _config(text)


@cache
def _config(text: str) -> PlumblineConfig:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plumbline.yml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, {})


@cache
def _compiled(variables: str) -> CompiledProject:
    with tempfile.TemporaryDirectory() as folder:
        return _Compiler(Path(folder) / f"{_DATABASE}.duckdb", Path(folder)).compile(json.loads(variables))


class _InMemoryEngine(DuckDBEngine):
    """DuckDB whose relations lie in an open connection rather than in a database file."""

    def inspect_in(
        self, connection: duckdb.DuckDBPyConnection, config: PlumblineConfig
    ) -> dict[str, SourceInspection]:
        names = dict.fromkeys([*source_specs(), *config.sources])
        sources = {name: self._inspect_one(connection, name, config.sources.get(name)) for name in names}
        return sources | self.inspect_metrics(connection, config)


class _Compiler(DbtProjectRunner):
    """The runner of a run, stopped before it executes anything."""

    def compile(self, variables: Mapping[str, Any]) -> CompiledProject:
        manifest = self.manifest()
        arguments = ["compile", "--exclude", "resource_type:unit_test"]
        result = self._invoke(
            [*arguments, "--vars", vars_argument({"plumbline": variables})], manifest=manifest
        )
        assert result.success, result.exception or [r.message for r in result.result.results]
        nodes = [found.node for found in result.result.results]
        models = [node for node in nodes if node.resource_type == "model"]
        others = [node.name for node in models if node.config.materialized != "table"]
        assert not others, f"only tables are built here, not {others}"
        return CompiledProject(
            tuple(CompiledModel(n.name, n.relation_name, n.compiled_code) for n in _in_order(models)),
            {node.name: node.compiled_code for node in nodes if node.resource_type == "test"},
        )


def _in_order(nodes: Sequence[Any]) -> list[Any]:
    by_id = {node.unique_id: node for node in nodes}
    parents = {key: {p for p in node.depends_on.nodes if p in by_id} for key, node in by_id.items()}
    return [by_id[key] for key in TopologicalSorter(parents).static_order()]
