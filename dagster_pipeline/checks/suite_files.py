"""Suite files as they stand on disk, read strictly: what a suite says is checked before anything runs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.paths import bundled

_SUITE_KEYS = frozenset({"name", "meta", "expectations"})
_SUITE_META = frozenset({"schema", "table"})
_SUITE_META_OPTIONAL = frozenset({"relation"})
_ENTRY_KEYS = frozenset({"type", "kwargs", "meta"})
_ENTRY_META = frozenset({"gap_kind", "affects", "mitigation"})
_ENTRY_META_OPTIONAL = frozenset({"gap_column", "needs", "required"})
TEAM_NAME = re.compile(r"[A-Za-z0-9_-]+")
TEAM = "team_"
"""What the names of a team's own suites start with, so that they are never taken for Plumbline's."""
TEAM_KIND = "not_evaluated"
"""What a failing rule of a team's own is registered as: nobody has bounded what it does to a metric."""


@dataclass(frozen=True)
class Entry:
    """One expectation of a suite, its placeholders still open.

    ``position`` counts from 0 within the file; ``needs`` None means the column it is about.
    """

    position: int
    type: str
    kwargs: Mapping[str, Any]
    column: str | None
    gap_kind: str
    gap_column: str | None
    affects: tuple[str, ...]
    mitigation: str
    needs: tuple[str, ...] | None
    required: bool


@dataclass(frozen=True)
class SuiteFile:
    """``<name>.json``: the expectations of ``schema``.``relation``, called ``table`` by the user.

    Plumbline's own are named as their relation; a team's may be several for one relation, and start with ``team_``.
    """

    path: Path
    name: str
    schema: str
    relation: str
    table: str
    entries: tuple[Entry, ...]

    @property
    def is_team(self) -> bool:
        """Whether it is the team's rather than Plumbline's."""
        return self.name.startswith(TEAM)

    def place(self, entry: Entry) -> str:
        """Where an entry stands, for messages."""
        return f"{self.path}: expectations[{entry.position}] ({entry.type})"


def suite_files(folder: Path | None = None, metrics: Collection[str] | None = None) -> tuple[SuiteFile, ...]:
    """Every suite of ``folder`` (default: Plumbline's own), sorted by name; needs no configuration.

    ``metrics`` are those a suite may name, by default the built-in ones.
    Raises PlumblineError, naming file and entry, for a file that is not a suite.
    """
    place = folder or bundled("expectations")
    return tuple(_read(path, metrics or tuple(metric_definitions())) for path in _paths(place))


def team_suite_files(folder: Path, metrics: Collection[str]) -> tuple[SuiteFile, ...]:
    """A team's own suites, sorted by name, in the same format; ``meta`` of a suite may name its ``relation``.

    Its rules are required unless they say otherwise (a rule that can't be looked at is an error), and register their
    failures as ``not_evaluated``. Raises PlumblineError, naming file and entry, for a file that is not a suite.
    """
    return tuple(_as_team(_read(path, metrics, required=True)) for path in _paths(folder))


def _paths(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise PlumblineError(f"{folder} holds no suite; expected <relation>.json files")
    return paths


def _as_team(file: SuiteFile) -> SuiteFile:
    if not TEAM_NAME.fullmatch(file.name):
        raise PlumblineError(
            f"{file.path}: the name of a suite is letters, digits, _ and -, such as int_quotes"
        )
    for entry in file.entries:
        if entry.gap_kind != TEAM_KIND:
            raise PlumblineError(
                f"{file.place(entry)}: meta.gap_kind is {entry.gap_kind!r}; gaps of that kind are measured by Plumbline, "
                f"a rule of your own is registered as {TEAM_KIND!r}"
            )
    for key, value in {"schema": file.schema, "relation": file.relation, "table": file.table}.items():
        if not isinstance(value, str) or not value:
            raise PlumblineError(f"{file.path}: meta.{key} must be a text, not {value!r}")
    return replace(file, name=f"{TEAM}{file.name}")


def _read(path: Path, metrics: Collection[str], *, required: bool = False) -> SuiteFile:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlumblineError(f"{path}: not a suite in JSON ({error})") from error
    _expect_keys(f"{path}", content, _SUITE_KEYS)
    _expect_keys(f"{path}: meta", content["meta"], _SUITE_META, _SUITE_META_OPTIONAL)
    if content["name"] != path.stem:
        raise PlumblineError(f"{path}: name is {content['name']!r}; it must be the file's, {path.stem!r}")
    if not isinstance(content["expectations"], list) or not content["expectations"]:
        raise PlumblineError(f"{path}: expectations must be a list with at least one entry")
    entries = tuple(
        replace(found, required=raw["meta"].get("required", required))
        for position, raw in enumerate(content["expectations"])
        for found in [_entry(path, position, raw, metrics)]
    )
    relation = content["meta"].get("relation", content["name"])
    file = SuiteFile(
        path, content["name"], content["meta"]["schema"], relation, content["meta"]["table"], entries
    )
    _refuse_twins(file)
    return file


def _entry(path: Path, position: int, raw: Any, metrics: Collection[str]) -> Entry:
    place = f"{path}: expectations[{position}]"
    _expect_keys(place, raw, _ENTRY_KEYS)
    meta, kwargs = raw["meta"], raw["kwargs"]
    _expect_keys(f"{place}.meta", meta, _ENTRY_META, _ENTRY_META_OPTIONAL)
    _expect_keys(f"{place}.kwargs", kwargs, frozenset(), None)
    _expect_types(place, raw, meta, metrics)
    column = kwargs.get("column")
    return Entry(
        position=position,
        type=raw["type"],
        kwargs=kwargs,
        column=column,
        gap_kind=meta["gap_kind"],
        gap_column=meta.get("gap_column", column),
        affects=tuple(meta["affects"]),
        mitigation=meta["mitigation"],
        needs=tuple(meta["needs"]) if "needs" in meta else None,
        required=meta.get("required", False),
    )


def _expect_types(place: str, raw: dict[str, Any], meta: dict[str, Any], metrics: Collection[str]) -> None:
    texts = {"type": raw["type"], "meta.gap_kind": meta["gap_kind"], "meta.mitigation": meta["mitigation"]}
    for key, value in texts.items():
        if not isinstance(value, str) or not value:
            raise PlumblineError(f"{place}.{key} must be a text, not {value!r}")
    for key in ("affects", "needs"):
        value = meta.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise PlumblineError(f"{place}.meta.{key} must be a list of names, not {value!r}")
    for metric in meta["affects"]:
        if metric not in metrics:
            allowed = ", ".join(metrics)
            raise PlumblineError(f"{place}.meta.affects names no metric: {metric!r}; metrics: {allowed}")


def _expect_keys(
    place: str, value: Any, wanted: frozenset[str], optional: frozenset[str] | None = frozenset()
) -> None:
    """Refuse what is no mapping, lacks a wanted key or has one beyond the optional (None: any)."""
    if not isinstance(value, dict):
        raise PlumblineError(f"{place} must be a mapping, not {type(value).__name__}")
    allowed = ", ".join(sorted(wanted | (optional or frozenset())))
    for problem in _key_problems(value, wanted, optional):
        raise PlumblineError(f"{place} {problem}; keys: {allowed}")


def _key_problems(
    value: dict[str, Any], wanted: frozenset[str], optional: frozenset[str] | None
) -> Iterator[str]:
    yield from (f"lacks {key!r}" for key in sorted(wanted - value.keys()))
    if optional is not None:
        yield from (f"has an unknown key {key!r}" for key in sorted(value.keys() - wanted - optional))


def _refuse_twins(file: SuiteFile) -> None:
    keys = Counter((entry.type, entry.column) for entry in file.entries)
    for entry in file.entries:
        if keys[entry.type, entry.column] > 1:
            raise PlumblineError(f"{file.place(entry)} stands twice for column {entry.column!r}; keep one")
