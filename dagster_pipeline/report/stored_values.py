"""Values of our own frozen types as plain JSON and back: what a run decided on, kept until somebody decides again.

Never pickle: reading makes nothing but enums, data classes and configuration models that are defined in the rooms named
here, from the fields they have.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel

from dagster_pipeline.register.documents import plain

_PACKAGE = "dagster_pipeline"
_ROOMS = frozenset({"config", "checks", "statistics", "criteria", "gaps", "register", "gate", "report"})
_TAG = "$"
_NOT_FINITE = ("inf", "-inf", "nan")


def encoded(value: Any) -> Any:
    """A value as JSON can hold it, with what it takes to read it back; what is of no known type becomes plain text or numbers."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return {_TAG: "enum", "of": _name_of(type(value)), "value": value.value}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_TAG: "float", "value": str(float(value))}
    return _encoded_object(value)


def _encoded_object(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        return _made(value, "data", names)
    if isinstance(value, BaseModel):
        private = {name: encoded(item) for name, item in (value.__pydantic_private__ or {}).items()}
        return _made(value, "model", list(type(value).model_fields)) | {"private": private}
    if isinstance(value, Mapping):
        return _encoded_mapping(value)
    if isinstance(value, Set):
        return {_TAG: "set", "items": sorted(map(encoded, value), key=repr)}
    if isinstance(value, Sequence):
        items = [encoded(item) for item in value]
        return items if isinstance(value, tuple) else {_TAG: "list", "items": items}
    return _encoded_time(value)


def _encoded_time(value: Any) -> Any:
    if isinstance(value, datetime):
        return {_TAG: "time", "value": value.isoformat()}
    if isinstance(value, date):
        return {_TAG: "date", "value": value.isoformat()}
    if isinstance(value, timedelta):
        return {_TAG: "span", "value": [value.days, value.seconds, value.microseconds]}
    return plain(value)


def _encoded_mapping(value: Mapping[Any, Any]) -> Any:
    if all(type(key) is str and key != _TAG for key in value):
        return {key: encoded(item) for key, item in value.items()}
    return {_TAG: "pairs", "items": [[encoded(key), encoded(item)] for key, item in value.items()]}


def _made(value: Any, how: str, names: Sequence[str]) -> dict[str, Any]:
    fields = {name: encoded(getattr(value, name)) for name in names}
    return {_TAG: how, "of": _name_of(type(value)), "fields": fields}


def _name_of(kind: type) -> str:
    return f"{kind.__module__.removeprefix(f'{_PACKAGE}.')}:{kind.__qualname__}"


def decoded(document: Any) -> Any:
    """Reads back what ``encoded`` gave. Raises ValueError, TypeError or KeyError for anything else."""
    if isinstance(document, list):
        return tuple(map(decoded, document))
    if not isinstance(document, dict):
        return document
    if _TAG not in document:
        return {key: decoded(item) for key, item in document.items()}
    try:
        read = _READERS[document[_TAG]]
    except KeyError as error:
        raise ValueError(f"{document[_TAG]!r} is nothing that is stored") from error
    return read(document)


def _enum(document: Mapping[str, Any]) -> Enum:
    kind = _type_of(document["of"])
    if not issubclass(kind, Enum):
        raise ValueError(f"{document['of']} is no enum")
    found: Enum = kind(document["value"])
    return found


def _data(document: Mapping[str, Any]) -> Any:
    kind = _type_of(document["of"])
    if not dataclasses.is_dataclass(kind):
        raise ValueError(f"{document['of']} is no data class")
    return kind(**_fields(document))


def _model(document: Mapping[str, Any]) -> BaseModel:
    """A piece of the configuration: it was validated when plumbline.yml was loaded, and is not read from text again."""
    kind, fields = _type_of(document["of"]), _fields(document)
    if not issubclass(kind, BaseModel) or set(fields) != set(kind.model_fields):
        raise ValueError(f"{document['of']} has other fields")
    found = kind.model_construct(**fields)
    for name, value in document["private"].items():
        if name not in kind.__private_attributes__:
            raise ValueError(f"{document['of']} has no {name}")
        setattr(found, name, decoded(value))
    return found


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: decoded(value) for name, value in document["fields"].items()}


def _type_of(name: str) -> type:
    module, _, kind = name.partition(":")
    if module.partition(".")[0] not in _ROOMS or not kind.isidentifier():
        raise ValueError(f"{name} is nothing that is stored")
    try:
        found = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), kind)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name} is not known to this version") from error
    if not isinstance(found, type) or _name_of(found) != name:
        raise ValueError(f"{name} is nothing that is stored")
    return found


def _float(document: Mapping[str, Any]) -> float:
    if document["value"] not in _NOT_FINITE:
        raise ValueError(f"{document['value']!r} is no number")
    return float(document["value"])


def _time(document: Mapping[str, Any]) -> datetime:
    found = datetime.fromisoformat(document["value"])
    return found if found.tzinfo is None else found.astimezone(UTC)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "enum": _enum,
    "data": _data,
    "model": _model,
    "float": _float,
    "time": _time,
    "date": lambda document: date.fromisoformat(document["value"]),
    "span": lambda document: timedelta(*document["value"]),
    "list": lambda document: list(map(decoded, document["items"])),
    "set": lambda document: frozenset(map(decoded, document["items"])),
    "pairs": lambda document: {decoded(key): decoded(item) for key, item in document["items"]},
}
