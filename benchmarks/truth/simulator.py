"""Worlds of which the truth is known: both potential outcomes of every request are kept beside the raw tables.

    with warehouse() as connection:
        truth = lay_out(connection, TruthSpec(seed=4))
        truth.effects["hire_rate_7d"]                        # over all requests, treated and not
        run_relations(connection, config_of(truth.world, truth.relations))

The tables are the demo's nine; what may be known of a request under either arm is in the table ``truth.requests``.
"""

# ruff: noqa: S608  (schema and column names come from our own vocabulary)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

import duckdb
import numpy as np

from benchmarks.truth.draws import Draws, draw
from benchmarks.truth.events import as_marketplace, unfold, work_out
from benchmarks.truth.outcomes import NEVER, Outcomes, effects, levels, outcomes_of
from dagster_pipeline.demo.marketplace import CATEGORIES, BoolArray, Marketplace
from dagster_pipeline.demo.spec import TABLES, Unit, WorldSpec, microseconds
from dagster_pipeline.demo.tables import BOOKKEEPING, load_tables, quoted
from dagster_pipeline.errors import PlumblineError

Ramp = Literal["none", "traffic", "arm"]
RAMPS: tuple[Ramp, ...] = ("none", "traffic", "arm")

_WAITS = {"first_quote": "first_quote_seconds", "first_hire": "first_hire_seconds"}


@dataclass(frozen=True)
class TruthSpec:
    """A world's parameters; the same spec always gives the same world. The experiment and its brief are the demo's.

    ``hire_effect`` is added to the 7-day hire rate, ``speedup`` is the share by which every treated quote comes sooner,
    the other effects are relative. ``ramp``: "traffic" grows over the window's first half, both arms alike; in "arm" the
    treatment's share of the units grows from a tenth to nine tenths, and is a half over all of them. With
    ``heterogeneity`` (0 to 1) effects differ by category around the stated mean. ``supply`` is the spread (of the log) of
    the pros' speed and quality, ``busy_days`` that of the days' traffic; on a busy day quotes take longer, but where an
    arm ramps up: there the days would speak for the treatment.
    """

    seed: int = 1
    requests: int = 3_000
    days: int = 28
    days_before: int = 3
    days_after: int = 8
    unit: Unit = "request"
    hire_rate: float = 0.120
    quotes_per_request: float = 3.4
    ticket_rate: float = 0.04
    spam_rate: float = 0.02
    hire_effect: float = 0.004
    speedup: float = 0.18
    quote_effect: float = 0.0
    ticket_effect: float = -0.05
    spam_effect: float = -0.05
    ramp: Ramp = "none"
    heterogeneity: float = 0.0
    supply: float = 0.45
    busy_days: float = 0.08

    def __post_init__(self) -> None:
        if self.ramp not in RAMPS:
            raise PlumblineError(f"Unknown ramp {self.ramp!r} of a world. Allowed: {', '.join(RAMPS)}.")
        if not 0 <= self.hire_rate + self.hire_effect <= 1 or not self.speedup < 1:
            raise PlumblineError("A world's hire rate must stay between 0 and 1, its speedup below 1.")

    @property
    def world(self) -> WorldSpec:
        """The demo's world of the same dates, experiment and size, as a configuration needs it."""
        return WorldSpec(
            requests=self.requests,
            seed=self.seed,
            days=self.days,
            days_before=self.days_before,
            days_after=self.days_after,
            unit=self.unit,
        )


@dataclass(frozen=True)
class Truth:
    """What is known of a world: ``control`` and ``treatment`` are every request's outcomes under either arm.

    ``relations`` are the raw tables by source. Requests outside the window are never treated.
    """

    spec: TruthSpec
    schema: str
    relations: Mapping[str, str]
    draws: Draws
    control: Outcomes
    treatment: Outcomes

    @property
    def world(self) -> WorldSpec:
        """The world as `config_of` takes it."""
        return self.spec.world

    @cached_property
    def levels(self) -> Mapping[str, tuple[float, float]]:
        """Every metric over the whole cohort: nobody treated, everybody treated."""
        return self._levels(self.draws.in_cohort)

    @cached_property
    def effects(self) -> Mapping[str, float]:
        """The sample's average effect of every metric in its default effect, NaN where it has none."""
        return _effects(self.levels)

    def effects_in(self, category: str) -> Mapping[str, float]:
        """The same over one category's requests."""
        place = [c.name for c in CATEGORIES].index(category)
        return _effects(self._levels(self.draws.in_cohort & (self.draws.demand.category == place)))

    def realised(self) -> Outcomes:
        """Every request's outcomes under its own arm."""
        return self.control.mixed(self.treatment, self.draws.demand.treated)

    def _levels(self, chosen: BoolArray) -> dict[str, tuple[float, float]]:
        control, treatment = levels(self.control.where(chosen)), levels(self.treatment.where(chosen))
        return {metric: (control[metric], treatment[metric]) for metric in control}


def _effects(both: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    return effects({m: c for m, (c, _) in both.items()}, {m: t for m, (_, t) in both.items()})


def lay_out(connection: duckdb.DuckDBPyConnection, spec: TruthSpec, schema: str = "raw") -> Truth:
    """Makes a world's raw tables in a new ``schema``, and ``truth.requests``; gives what is known of it.

    ``truth.requests`` has one row per request: request_id, customer_id, session_id, created_at, category, geo, is_cohort,
    variant (null outside the cohort), and first_quote_seconds, first_hire_seconds (null = never), n_quotes, n_quotes_24h,
    n_hires, amount, n_refunded, n_tickets, n_flags: as they came, with ``c_`` before the name as under the control and
    with ``t_`` as under the treatment.
    """
    draws = draw(spec)
    workflows = work_out(spec, draws)
    size, as_of = spec.requests, microseconds(spec.world.as_of)
    both = [
        outcomes_of(unfold(spec, draws, workflows, np.full(size, treated)), draws.demand.created, as_of)
        for treated in (False, True)
    ]
    realised = unfold(spec, draws, workflows, draws.demand.treated)
    _write_tables(connection, spec.world, as_marketplace(spec, draws, realised), schema)
    relations = {table: f"{schema}.{table}" for table in TABLES}
    truth = Truth(spec, schema, relations, draws, *both)
    _write_truth(connection, truth)
    return truth


def _write_tables(
    connection: duckdb.DuckDBPyConnection, world: WorldSpec, market: Marketplace, schema: str
) -> None:
    """The demo's tables without its bookkeeping."""
    workshop = f"{schema}_workshop"
    for name in (schema, workshop):
        connection.execute(f"create schema {quoted(name)}")
    (database,) = connection.execute("select current_database()").fetchone() or ("memory",)
    with connection.cursor() as bench:  # its own search path, the same database
        bench.execute(f"use {quoted(database)}.{quoted(workshop)}")
        load_tables(bench, world, market)
        for table in TABLES:
            bench.execute(
                f"create table {quoted(schema)}.{table} as select * exclude ({', '.join(BOOKKEEPING)}) from {table}"
            )
    connection.execute(f"drop schema {quoted(workshop)} cascade")


def _write_truth(connection: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    connection.execute("create schema if not exists truth")
    known = {"row": np.arange(truth.spec.requests), "arm": truth.draws.demand.arm}
    columns = []
    for prefix, found in (("c_", truth.control), ("t_", truth.treatment), ("", truth.realised())):
        for field in fields(found):
            name = prefix + _WAITS.get(field.name, field.name)
            known[name] = getattr(found, field.name)
            columns.append(f"nullif({name}, {NEVER}) / 1e6 as {name}" if field.name in _WAITS else name)
    connection.register("known_outcomes", known)
    connection.execute(
        f"create or replace table truth.requests as select request_id, customer_id, session_id, created_at, category, geo, "
        f"arm >= 0 as is_cohort, case arm when 0 then '{truth.world.arms[0]}' when 1 then '{truth.world.arms[1]}' end "
        f"as variant, {', '.join(columns)} from {quoted(truth.schema)}.requests inner join known_outcomes "
        "on request_id = 'r' || lpad(row::varchar, 8, '0')"
    )
    connection.unregister("known_outcomes")
