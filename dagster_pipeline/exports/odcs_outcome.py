"""What an imported contract comes to: suites of the team's own, and keys of plumbline.yml that differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from dagster_pipeline.config.types import WHOLE_TABLE, Thresholds
from dagster_pipeline.exports.odcs import yaml_text
from dagster_pipeline.exports.odcs_collected import Collected, Place
from dagster_pipeline.exports.odcs_reading import LeftOut
from dagster_pipeline.exports.odcs_rules import Json


@dataclass(frozen=True)
class TeamSuite:
    """A suite file to write: ``<name>.json`` in the folder that plumbline.yml names under ``suites``."""

    name: str
    schema: str
    relation: str
    table: str
    entries: tuple[Json, ...]

    def text(self) -> str:
        """The file."""
        meta = {"schema": self.schema, "table": self.table}
        if self.relation != self.name:
            meta["relation"] = self.relation
        document = {"name": self.name, "meta": meta, "expectations": list(self.entries)}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class ImportedContract:
    """What a contract comes to.

    ``fragment`` holds keys of plumbline.yml that differ from the configuration's, ``already`` counts rules that Plumbline's
    own suites run as they stand, ``left_out`` is what is not taken over.
    """

    suites: tuple[TeamSuite, ...]
    fragment: Json
    already: int
    left_out: tuple[LeftOut, ...]

    def fragment_text(self) -> str:
        """The keys as YAML, empty where nothing differs."""
        return yaml_text(self.fragment) if self.fragment else ""


def suites_of(found: Collected) -> Iterator[TeamSuite]:
    """The team's suites as they were, with the contract's other rules in the first of their relation that has room."""
    suites: dict[str, tuple[Place, list[Json]]] = {
        name: (place, [entries[position] for position in sorted(entries)])
        for name, (place, entries) in found.team.items()
    }
    for place, entries in found.loose.items():
        for entry in entries:
            _put(suites, place, entry)
    for name, ((schema, relation, table), entries) in sorted(suites.items()):
        yield TeamSuite(name, schema, relation, table, tuple(entries))


def _put(suites: dict[str, tuple[Place, list[Json]]], place: Place, entry: Json) -> None:
    """A suite holds one rule of a type for a column; a second one goes to a further suite of the relation."""
    relation, number = place[1], 1
    while True:
        name = relation if number == 1 else f"{relation}_{number}"
        where, entries = suites.setdefault(name, (place, []))
        if where == place and not any(_twins(entry, other) for other in entries):
            entries.append(entry)
            return
        number += 1


def _twins(one: Json, other: Json) -> bool:
    return (one["type"], one["kwargs"].get("column")) == (other["type"], other["kwargs"].get("column"))


def fragment_of(found: Collected) -> Json:
    """The keys that differ from the configuration's, in its order."""
    fragment: Json = {}
    sources = {
        name: {"freshness": _duration(promise)}
        for name, promise in found.freshness.items()
        if found.config.sources[name].freshness != promise
    }
    if sources:
        fragment["sources"] = sources
    if thresholds := _thresholds(found):
        fragment["thresholds"] = thresholds
    decided = [found.config.triage.owners, *(brief.owners for brief in found.config.briefs)]
    owners = {
        role: name
        for role, name in found.owners.items()
        if not any(known.get(role) == name for known in decided)
    }
    if owners:
        fragment["triage"] = {"owners": owners}
    return fragment


def _thresholds(found: Collected) -> Json:
    changed: Json = {}
    for (table, column, name), (share, where) in found.shares.items():
        if name not in Thresholds.names() or not 0 <= share <= 1:
            found.leave(where, f"{name[:40]!r} is no threshold, or {share} no share")
            continue
        if found.config.thresholds.value(name, table, None if column == WHOLE_TABLE else column) != share:
            tables = changed.setdefault(table, {})
            (tables if column == WHOLE_TABLE else tables.setdefault(column, {}))[name] = share
    return changed


def _duration(promise: timedelta) -> str:
    for unit, length in (("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
        if promise % length == timedelta(0):
            return f"{promise // length}{unit}"
    return f"{int(promise.total_seconds())}s"
