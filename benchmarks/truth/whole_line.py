"""Some of the worlds through the whole pipeline: files in, Dagster, dbt and Great Expectations, files out.

What the compiled line says of a world must be what the pipeline writes of it: the same gaps with the same counts and
severities, the same effects and regions, the same verdict.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.compiled_line import warehouse
from benchmarks.truth.injectors import inject
from benchmarks.truth.plan import World
from benchmarks.truth.simulator import lay_out
from dagster_pipeline.commands.run import run
from dagster_pipeline.demo.story import config_text

Record = Mapping[str, Any]
WORLDS = 40


@dataclass(frozen=True)
class WholeLine:
    """How many worlds went through the whole pipeline, and of how many it said something else."""

    worlds: int
    unlike: int


def chosen(worlds: Sequence[World], count: int = WORLDS) -> list[World]:
    """As many faulty worlds, evenly out of the plan."""
    faulty = [world for world in worlds if world.injections]
    step = max(1, len(faulty) // count)
    return faulty[::step][:count]


def differences(world: World, record: Record) -> list[str]:
    """What the pipeline's files say otherwise than the world's record; empty where they agree."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = _written(world, folder)
        run(config, folder / "out", quiet=True)
        files = {n: json.loads((folder / "out" / f"{n}.json").read_text("utf-8")) for n in _FILES}
    return [*_gap_differences(record, files["register"]), *_effect_differences(record, files["metrics"])] + (
        [] if files["verdict"]["verdict"] == record["verdict"] else [f"verdict {files['verdict']['verdict']}"]
    )


_FILES = ("register", "metrics", "verdict")


def _written(world: World, folder: Path) -> Path:
    """The world's tables as files, and its plumbline.yml beside them."""
    with warehouse() as connection:
        truth = lay_out(connection, world.spec)
        injected = inject(connection, truth, world.injections, world.seed)
        origins = {}
        for table, relation in injected.relations.items():
            connection.execute(f"copy {relation} to '{folder / table}.parquet' (format parquet)")
            origins[table] = f"{table}.parquet"
    values = yaml.safe_load(config_text(truth.world, origins))
    injected.edit_config(values)
    path = folder / "plumbline.yml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def _gap_differences(record: Record, register: Mapping[str, Any]) -> Iterator[str]:
    ours = {_place(g): (g["severity"], g["affected"]) for g in record["gaps"]}
    theirs = {_place(g): (g["severity"], g["rows_affected"]) for g in register["gaps"]}
    for place in sorted(ours.keys() | theirs.keys(), key=str):
        if ours.get(place) != theirs.get(place):
            yield f"{place}: {ours.get(place)} in the compiled line, {theirs.get(place)} in the pipeline"


def _place(gap: Mapping[str, Any]) -> tuple[str | None, ...]:
    return gap["kind"], gap["table"], gap["column"], gap["segment"]


def _effect_differences(record: Record, metrics: Mapping[str, Any]) -> Iterator[str]:
    names = (("value", "estimate"), ("lower", "lower"), ("upper", "upper"))
    theirs = {effect["metric"]: effect for effect in metrics["effects"]}
    for metric, effect in record["effects"].items():
        for ours, name in names:
            if not _alike(effect[ours], theirs[metric][name]):
                yield f"{metric} {name}: {effect[ours]} and {theirs[metric][name]}"


def _alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
