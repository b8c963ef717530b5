"""Drives the whole line on a world in this process, and reads back every file it left, as its users would."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import yaml

from dagster_pipeline.commands.run import DryRunRequest, RunOutcome, run
from dagster_pipeline.demo.faults import Faults
from dagster_pipeline.demo.story import write_config
from dagster_pipeline.demo.world import World, WorldSpec, generate
from dagster_pipeline.report.documents import schema
from tests.independent.recompute import recompute

Config = dict[str, Any]
Place = tuple[str, str | None, str | None]
"""What a gap is about: kind, table, column."""

FILES = (
    "register.json",
    "verdict.json",
    "metrics.json",
    "scenarios.json",
    "decision.json",
    "track_record.json",
    "decision-log.md",
    "register.csv",
    "summary.md",
    "report/index.html",
    ".run.json",
)
COUNTED = (
    "requests",
    "quotes",
    "hires",
    "assignments",
    "quote_events",
    "messages",
    "support_tickets",
    "spam_flags",
)


@dataclass(frozen=True)
class Line:
    """One run of the line, as its files tell it; ``rows`` and ``planted`` are what the world was made with."""

    config: Path
    output: Path
    outcome: RunOutcome
    world: World | None

    def read(self, name: str) -> Any:
        """A JSON file of the run."""
        return json.loads((self.output / name).read_text(encoding="utf-8"))

    @cached_property
    def register(self) -> Any:
        """register.json."""
        return self.read("register.json")

    @cached_property
    def verdict(self) -> Any:
        """verdict.json."""
        return self.read("verdict.json")

    @cached_property
    def metrics(self) -> Any:
        """metrics.json."""
        return self.read("metrics.json")

    @property
    def planted(self) -> Mapping[str, int]:
        """Counts by "<kind>.<table>[.<column>]" that the world was made with."""
        assert self.world is not None
        return self.world.planted

    @property
    def gaps(self) -> list[Any]:
        """The unresolved gaps."""
        return [gap for gap in self.register["gaps"] if gap["status"] != "resolved"]

    @property
    def resolved(self) -> list[Any]:
        """The gaps this run found to be gone."""
        return [gap for gap in self.register["gaps"] if gap["status"] == "resolved"]

    def places(self, *, above_info: bool = False) -> set[Place]:
        """What the unresolved gaps are about."""
        return {place_of(gap) for gap in self.gaps if not above_info or gap["severity"] != "info"}

    def gap(self, kind: str, table: str | None = None, column: str | None = None) -> Any:
        """The one unresolved gap of that kind in that place."""
        found = [
            gap for gap in self.gaps if place_of(gap) == (kind, table, column) and gap["segment"] is None
        ]
        assert len(found) == 1, (
            f"{len(found)} gaps {kind} on {table}.{column}; there are {sorted(map(str, self.places()))}"
        )
        return found[0]

    def ask(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query in which every table name stands for its raw file."""
        with duckdb.connect() as connection:
            for file in self.config.parent.glob("*.parquet"):
                connection.execute(f"create view {file.stem} as select * from '{file}'")
            return connection.execute(sql, values or None).fetchall()

    def number(self, sql: str) -> Any:
        """The single answer to such a query."""
        return self.ask(sql)[0][0]

    def source(self, name: str) -> Any:
        """What the report says became of a source's rows."""
        return next(source for source in self.outcome.report.sources if source.name == name)


def place_of(gap: Mapping[str, Any]) -> Place:
    """Kind, table and column of a gap of register.json."""
    return gap["kind"], gap["table"], gap["column"]


def planted_places(planted: Mapping[str, int]) -> dict[Place, int]:
    """The ledger of a world as places of gaps, with the rows each must count; what is left after repair apart."""
    found: dict[Place, int] = {}
    for name, count in planted.items():
        kind, table, column = (*name.split("."), None, None)[:3]
        if not name.endswith(".residual"):
            found[kind, table, column] = count
    return found


def make_world(
    folder: Path,
    spec: WorldSpec,
    faults: Faults | None = None,
    edit_config: Callable[[Config], None] | None = None,
    tamper: Callable[[Path], None] | None = None,
) -> World:
    """Writes a world and its plumbline.yml; ``tamper`` changes the files, ``edit_config`` the configuration."""
    world = generate(spec, folder, faults)
    path = write_config(folder, world)
    if tamper:
        tamper(folder)
    if edit_config:
        change_config(path, edit_config)
    return world


def change_config(path: Path, edit: Callable[[Config], None]) -> None:
    """Rewrites plumbline.yml with an edit applied to its plain values."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    edit(config)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def run_line(
    config: Path,
    world: World | None = None,
    output: Path | None = None,
    readiness: DryRunRequest | None = None,
) -> Line:
    """One run, held to what every run owes whatever its data is like; with ``readiness`` a dry run."""
    output = output or config.parent / "out"
    line = Line(config, output, run(config, output, quiet=True, readiness=readiness), world)
    assert_files(line)
    assert_rows_balance(line)
    return line


def run_world(
    folder: Path,
    spec: WorldSpec,
    faults: Faults | None = None,
    edit_config: Callable[[Config], None] | None = None,
    tamper: Callable[[Path], None] | None = None,
) -> Line:
    """A world made and run."""
    world = make_world(folder, spec, faults, edit_config, tamper)
    return run_line(folder / "plumbline.yml", world)


def assert_files(line: Line) -> None:
    """Every file of DESIGN.md §7 is there, valid against its schema, and of one run; none of them shows a traceback."""
    texts = {name: (line.output / name).read_text(encoding="utf-8") for name in FILES}
    jsonschema.validate(line.register, schema("register"))
    jsonschema.validate(line.metrics, schema("metrics"))
    jsonschema.validate(line.read("scenarios.json"), schema("scenarios"))
    jsonschema.validate(line.read("decision.json"), schema("decision"))
    jsonschema.validate(line.read("track_record.json"), schema("track_record"))
    verdicts = [
        line.verdict,
        *map(json.loads, (p.read_text("utf-8") for p in line.output.glob("verdicts/*.json"))),
    ]
    for verdict in verdicts:
        jsonschema.validate(verdict, schema("verdict"))
    rows = list(csv.DictReader(io.StringIO(texts["register.csv"].lstrip("\ufeff"))))
    assert {row["gap_id"] for row in rows} == {gap["gap_id"] for gap in line.register["gaps"]}
    assert json.loads(texts[".run.json"])["state"] == "finished"
    assert json.loads(texts[".run.json"])["run_id"] == line.register["run_id"] == line.outcome.report.run_id
    assert not [name for name, text in texts.items() if "Traceback (most recent call last)" in text]
    assert not list(line.output.rglob("*.tmp"))


def assert_rows_balance(line: Line) -> None:
    """Rows in = kept + quarantined + duplicates + conflicts + filtered, for every source that could be read."""
    for source in line.outcome.report.sources:
        if source.name not in COUNTED or source.status.value != "ok":
            continue
        aside = (source.filtered, source.quarantined, source.duplicates_removed, source.conflicts_removed)
        assert source.rows_total == source.canonical_rows + sum(aside), source
        if line.world is not None and not line.outcome.broken:
            assert source.rows_total == raw_rows(line, source.name), source


def raw_rows(line: Line, source: str) -> int:
    """Rows of the source's raw file, as a reader of its own counts them."""
    origin = yaml.safe_load(line.config.read_text(encoding="utf-8"))["sources"][source]["from"]
    with duckdb.connect() as connection:
        found = connection.execute(f"select count(*) from '{line.config.parent / origin}'").fetchone()
    return int(found[0])


def assert_metrics_equal_recomputation(
    line: Line, experiment: str | None = None, without: Sequence[str] = ()
) -> None:
    """metrics.json holds the levels and effects that SQL of its own finds in the raw files, and no others.

    ``without`` names sources and "source.column" that the recomputation is not told of, and the metrics that need
    them are not compared: for what is mapped but not there.
    """
    config = yaml.safe_load(line.config.read_text(encoding="utf-8"))
    for source, _, column in (name.partition(".") for name in without):
        del (config["sources"][source]["columns"] if column else config["sources"])[column or source]
    expected = recompute(line.config.parent, config, experiment)
    design = next(e for e in config["experiments"] if experiment in (None, e["id"]))
    own = [
        row
        for row in line.metrics["levels"]
        if row["experiment"] == design["id"] and row["variant"] != "unknown"
    ]
    levels = {(row["metric"], row["variant"]): (row["n"], row["value"]) for row in own}
    effects = {
        (row["metric"], row["variant"]): row["estimate"]
        for row in line.metrics["effects"]
        if row["experiment"] == design["id"]
    }
    if without:
        names = {metric for metric, _ in expected["levels"]}
        levels = {key: found for key, found in levels.items() if key[0] in names}
        effects = {key: found for key, found in effects.items() if key[0] in names}
    differences = [*unlike(levels, expected["levels"]), *unlike(effects, expected["effects"])]
    assert not differences, "\n".join(differences)


def unlike(found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> list[str]:
    """Where two tables of figures differ: counts by anything, other figures by more than 1e-9 of themselves."""
    keys = sorted({*found, *expected}, key=str)
    absent = object()
    return [
        f"{key}: {found.get(key, 'absent')} is not {expected.get(key, 'absent')}"
        for key in keys
        if not _alike(found.get(key, absent), expected.get(key, absent))
    ]


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(_alike(a, b) for a, b in zip(one, other, strict=True))
    if (isinstance(one, float) and isinstance(other, float | int)) or (
        isinstance(other, float) and isinstance(one, int)
    ):
        return abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    return one == other


def plumbline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "COLUMNS": "160"}
    start = "from dagster_pipeline.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
