"""pydantic's findings in the words of someone who writes YAML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from dagster_pipeline.config.lines import Document
from dagster_pipeline.config.problems import KeyPath, Problem, Refusal, choices, kind_of, shown

_WANTED = {
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "path_type": "must be text",
    "dict_type": "must be a mapping (key: value)",
    "model_type": "must be a mapping (key: value)",
    "model_attributes_type": "must be a mapping (key: value)",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "finite_number": "must be a finite number",
}


def problems_of(
    error: ValidationError, model: type[BaseModel], at: KeyPath, document: Document
) -> Iterator[Problem]:
    """Each finding of a failed validation of ``model`` at key ``at``, with its line."""
    for detail in error.errors(include_url=False):
        loc: KeyPath = tuple(step for step in detail["loc"] if step != "[key]")
        within, message = _message(detail, model, loc, document, (*at, *loc))
        path = (*at, *loc, *within)
        yield Problem(path, message, document.line(path))


def allowed_keys(model: type[BaseModel]) -> list[str]:
    """The keys of a model as they are written in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _message(
    detail: ErrorDetails, model: type[BaseModel], loc: KeyPath, document: Document, path: KeyPath
) -> tuple[KeyPath, str]:
    """A finding's sentence, and the way from its key to the part that is wrong."""
    kind, value = detail["type"], detail["input"]
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Refusal):
        return cause.at, _refused(cause, value, document, path)
    if kind == "missing":
        return (), "is required"
    if kind == "extra_forbidden":
        owner = _model_at(model, loc[:-1])
        return (), f"unknown key{choices(loc[-1], allowed_keys(owner) if owner else [])}"
    if kind == "literal_error":
        allowed = _literal_values(model, loc)
        return (), f"must be one of {', '.join(allowed)}{_not(value, document, path)}{_meant(value, allowed)}"
    if kind in _WANTED:
        return (), f"{_WANTED[kind]}{_not_kind(value, document, path, quotable=kind == 'string_type')}"
    return (), f"{detail['msg']}{_not(value, document, path)}"


def _refused(cause: Refusal, value: Any, document: Document, path: KeyPath) -> str:
    if cause.key_at_fault:
        return f"{cause.requirement}{choices(cause.at[-1], cause.allowed)}"
    for step in cause.at:
        value = value.get(step) if isinstance(value, dict) else None
    found = (
        "" if isinstance(value, dict | list) or value is None else _not(value, document, (*path, *cause.at))
    )
    return f"{cause.requirement}{found}{choices(value, cause.allowed) if cause.allowed else ''}"


def _not(value: object, document: Document, path: KeyPath) -> str:
    # What came out of the environment may be a secret: the reference is shown, not what it stands for.
    if path in document.written:
        return f", not {shown(document.written[path])}"
    return f", not {kind_of(value) if isinstance(value, dict | list) or value is None else shown(value)}"


def _not_kind(value: object, document: Document, path: KeyPath, *, quotable: bool) -> str:
    if path in document.written or isinstance(value, dict | list) or value is None:
        return _not(value, document, path)
    advice = "; quote it if it is meant as text" if quotable else ""
    return f", not {kind_of(value)} ({shown(value)}){advice}"


def _meant(value: object, allowed: list[str]) -> str:
    return choices(value, allowed).partition(";")[0] if isinstance(value, str) else ""


def _literal_values(model: type[BaseModel], loc: KeyPath) -> list[str]:
    owner = _model_at(model, loc[:-1])
    field = owner.model_fields.get(str(loc[-1])) if owner else None
    return [str(value) for value in _literals(field.annotation)] if field else []


def _literals(annotation: Any) -> Iterator[object]:
    for part in get_args(annotation):
        yield from [part] if isinstance(part, str | int) else _literals(part)


def _model_at(model: type[BaseModel], loc: KeyPath) -> type[BaseModel] | None:
    """The model that stands at a key, found through the fields' types."""
    for step in loc:
        if isinstance(step, int):
            continue
        found = _inner_model(_field(model, step))
        if found is None:
            return None
        model = found
    return model


def _field(model: type[BaseModel], key: str) -> FieldInfo | None:
    return next((field for name, field in model.model_fields.items() if key in (name, field.alias)), None)


def _inner_model(field: FieldInfo | None) -> type[BaseModel] | None:
    waiting: list[Any] = [field.annotation] if field else []
    while waiting:
        part = waiting.pop()
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
        waiting.extend(get_args(part))
    return None
