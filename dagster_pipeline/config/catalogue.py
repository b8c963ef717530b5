"""The sources and columns that can be mapped, read from the yml files of the staging models.

A source is one ``stg_<source>.yml``; its mappable columns are those with a ``meta.role``. The other columns
of a staging model are ours, made on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.paths import bundled

DataType = Literal["text", "timestamp", "double"]
Role = Literal["key", "foreign_key", "timestamp", "variant", "attribute"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PREFIX = "stg_"


@dataclass(frozen=True)
class ColumnSpec:
    """A logical column of a source. ``required``: the source says nothing without it."""

    name: str
    data_type: DataType
    role: Role
    required: bool = False


@dataclass(frozen=True)
class SourceSpec:
    """A source that can be mapped, and its columns in the order of the staging model."""

    name: str
    columns: tuple[ColumnSpec, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The logical names that ``sources.<name>.columns`` may hold."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> ColumnSpec | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def of_role(self, role: Role) -> tuple[ColumnSpec, ...]:
        """The columns that play this role."""
        return tuple(column for column in self.columns if column.role == role)


def source_specs() -> dict[str, SourceSpec]:
    """Every source that can be mapped, by name in alphabetical order; read once.

    Raises PlumblineError where the staging models are missing or a file can't be understood.
    """
    return dict(_specs(bundled("dbt_project") / "models" / "staging"))


@cache
def _specs(folder: Path) -> dict[str, SourceSpec]:
    specs = {spec.name: spec for file in sorted(folder.glob(f"{_PREFIX}*.yml")) for spec in _read(file)}
    if not specs:
        raise PlumblineError(f"{folder} holds no {_PREFIX}<source>.yml; Plumbline's own models are missing")
    return dict(sorted(specs.items()))


def _read(file: Path) -> list[SourceSpec]:
    with file.open(encoding="utf-8") as stream:
        text = yaml.load(stream, Loader=_LOADER) or {}  # noqa: S506 - the safe loader, in C if there is one
    models = [model for model in text.get("models") or () if str(model.get("name", "")).startswith(_PREFIX)]
    return [_source(file, model) for model in models]


def _source(file: Path, model: dict[str, Any]) -> SourceSpec:
    columns = [_column(file, column) for column in model.get("columns") or ()]
    return SourceSpec(
        name=str(model["name"]).removeprefix(_PREFIX),
        columns=tuple(column for column in columns if column is not None),
    )


def _column(file: Path, column: dict[str, Any]) -> ColumnSpec | None:
    meta = (column.get("config") or {}).get("meta") or column.get("meta") or {}
    if "role" not in meta:
        return None
    _expect(file, f"{column['name']}.data_type", column.get("data_type"), get_args(DataType))
    _expect(file, f"{column['name']}.meta.role", meta["role"], get_args(Role))
    return ColumnSpec(column["name"], column["data_type"], meta["role"], bool(meta.get("required", False)))


def _expect(file: Path, key: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise PlumblineError(f"{file}: {key} is {value!r}; allowed: {', '.join(allowed)}")
