"""Breaks the raw tables of a world whose truth is known: every kind of gap, at any rate, by seven mechanisms.

with warehouse() as connection:
    truth = lay_out(connection, TruthSpec(seed=4))
    injected = inject(connection, truth, [Injection("missing_variant", "requests", 0.06, "favours_treatment")], seed=4)
    run = run_relations(connection, config_of(truth.world, injected.relations, injected.edit_config))
"""

# ruff: noqa: S608  (table and column names come from our own vocabulary)

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from benchmarks.truth.injectors.bench import Bench
from benchmarks.truth.injectors.counts import count_defects, without
from benchmarks.truth.injectors.places import PLACES, Phase, mechanisms_of, place_of
from benchmarks.truth.injectors.vocabulary import MECHANISMS, RATES, Config, Injected, Injection, Where
from benchmarks.truth.simulator import Truth
from dagster_pipeline.errors import PlumblineError

__all__ = [
    "MECHANISMS",
    "PLACES",
    "RATES",
    "Config",
    "Injected",
    "Injection",
    "Where",
    "inject",
    "mechanisms_of",
]


def inject(
    connection: duckdb.DuckDBPyConnection, truth: Truth, injections: Sequence[Injection], seed: int
) -> Injected:
    """Plants the injections into the world's raw tables and counts what then is wrong with them.

    Deterministic in the seed, whatever the order of the rows: a row's lot hangs on its key. Raises PlumblineError where
    there is no such kind, place or mechanism, or a rate is no share. A rate of 0 changes nothing.
    """
    for injection in injections:
        if not 0 <= injection.rate <= 1:
            raise PlumblineError(f"The rate of {injection} is no share.")
        if injection.mechanism not in place_of(injection).mechanisms:
            allowed = ", ".join(place_of(injection).mechanisms)
            raise PlumblineError(f"No mechanism {injection.mechanism!r} of {injection}. Allowed: {allowed}.")
    bench = Bench(connection, truth, seed)
    _prepare(bench)
    altered = [0] * len(injections)
    _plant(bench, injections, altered, (Phase.GO, Phase.COME, Phase.CHANGE, Phase.FOLLOW))
    planted, residual = count_defects(bench)
    _plant(bench, injections, altered, (Phase.TAKE,))
    taken = {where[1:] for where in bench.uncounted if where[0] in ("schema_change", "not_evaluated")}
    if taken:
        left = without(bench, planted, taken)
        residual = {w: n for w, n in residual.items() if w in left or w not in planted}
        planted = left
    sampling = dict(bench.sampling)

    def edit_config(config: Config) -> None:
        if sampling:
            config["experiments"][0]["sampling"] = {"quote_events": sampling}

    return Injected(
        tuple(injections), truth.relations, planted, residual, bench.uncounted, tuple(altered), edit_config
    )


def _plant(
    bench: Bench, injections: Sequence[Injection], altered: list[int], phases: Sequence[Phase]
) -> None:
    for phase in phases:
        for number, injection in enumerate(injections):
            place = place_of(injection)
            if injection.rate and place.phase is phase:
                altered[number] = place.plant(bench, injection)


def _prepare(bench: Bench) -> None:
    bench.run("create or replace table truth.touched (source varchar, key varchar)")
    bench.run(
        f"create or replace table truth.units as select {bench.unit} as entity_id, min(variant) as variant, "
        "min(category) as category, min(first_hire_seconds) as first_hire_seconds "
        "from truth.requests where is_cohort group by 1"
    )
