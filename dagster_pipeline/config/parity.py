"""`parity:` of plumbline.yml: pairs of relations that must hold the same value under the same key.

Types and what can be judged from their own values. Ids, experiments and arms are held against the rest of the file
by `dagster_pipeline.config.references`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from dagster_pipeline.config.frozen import Frozen
from dagster_pipeline.config.metrics import known_metric
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.config.scalars import Identifier, Number, Share, Size, Text, TimeZone, between
from dagster_pipeline.config.sql import tokens

ValueType = Literal["number", "timestamp", "text", "boolean"]
Unmatched = Literal["report", "conflict", "ignore"]
SideName = Literal["left", "right"]
SIDES: tuple[SideName, SideName] = ("left", "right")

READABLE = {
    "plumbline_canonical": ("requests", "quotes", "hires", "experiment_assignments"),
    "plumbline_metrics": ("request_metrics", "experiment_requests", "metric_statistics", "metric_quantiles"),
}
"""Relations of Plumbline's own that a side may read, by schema: they are built anew before anything is compared."""

_SCHEMAS = frozenset({*READABLE, "plumbline_staging", "plumbline_intermediate", "plumbline_gaps"})
_ONE_ORIGIN = "needs either from (a file or a relation) or query (one SELECT), and not both"


def _key_columns(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _possible_key(columns: tuple[str, ...]) -> tuple[str, ...]:
    if not columns:
        raise Refusal("must be a column or a list of columns that together tell one row from another")
    for column in columns:
        if columns.count(column) > 1:
            raise Refusal(f"names {column!r} twice")
    return columns


def _known_metric(name: str, info: ValidationInfo) -> str:
    return known_metric(name, info.context)


Key = Annotated[tuple[Text, ...], BeforeValidator(_key_columns), AfterValidator(_possible_key)]
MetricName = Annotated[Text, AfterValidator(_known_metric)]
RelativeTolerance = Annotated[Number, AfterValidator(between(0, 1, open_high=True))]


class ParitySide(Frozen):
    """One of the two relations: where it is read from, the columns of its key, the column of its value.

    Exactly one of ``from_`` (an absolute file path or glob, or a relation name) and ``query`` is set. ``timezone`` is
    how timestamps without an offset are read; ``where`` leaves rows out of the comparison.
    """

    from_: Text | None = Field(default=None, alias="from")
    query: Text | None = None
    key: Key
    value: Text
    where: Text | None = None
    timezone: TimeZone = "UTC"

    @property
    def columns(self) -> dict[str, str]:
        """What is read of it, as `Source.columns`: role → the column's name. Roles are key 1, key 2, … and value."""
        keys = {f"key {number}": column for number, column in enumerate(self.key, start=1)}
        return keys | {"value": self.value}

    @property
    def reads_our_models(self) -> bool:
        """Whether it reads what this run builds: its columns can be looked at only once that is built."""
        return any(True for _ in _our_relations(self.from_ or self.query or ""))

    @model_validator(mode="after")
    def _one_origin(self) -> ParitySide:
        if (self.from_ is None) == (self.query is None):
            raise Refusal(_ONE_ORIGIN)
        return self

    @model_validator(mode="after")
    def _readable(self) -> ParitySide:
        allowed = [f"{schema}.{name}" for schema, names in READABLE.items() for name in names]
        for schema, name in _our_relations(self.from_ or self.query or ""):
            if name not in READABLE.get(schema, ()):
                message = (
                    f"reads {schema}.{name}, which is none of Plumbline's relations that can be compared; "
                )
                at = "from" if self.from_ is not None else "query"
                raise Refusal(f"{message}allowed: {', '.join(allowed)}", at=(at,))
        return self


class Parity(Frozen):
    """Two relations that must agree: under each key both have, the same value.

    Numbers agree where abs(left - right) ≤ max(``tolerance``, ``relative_tolerance`` · max(abs(left), abs(right))),
    timestamps where they lie at most ``tolerance`` seconds apart, text where it is equal once trimmed; nothing agrees
    with nothing only. ``type`` None is decided by the columns' types. ``by`` is the column of left that holds the arm,
    ``request`` the one that holds the request whose arm it is. ``threshold`` None is the contract's
    ``source_conflict_share``; ``metrics`` are those a conflict puts in doubt.
    """

    id: Identifier
    left: ParitySide
    right: ParitySide
    type: ValueType | None = None
    tolerance: Size = 0.0
    relative_tolerance: RelativeTolerance = 0.0
    unmatched: Unmatched = "report"
    by: Text | None = None
    request: Text | None = None
    experiment: Identifier | None = None
    threshold: Share | None = None
    metrics: tuple[MetricName, ...] = ()

    @property
    def request_column(self) -> str | None:
        """The column of left that holds a request's id: ``request``, else a part of the key called request_id."""
        if self.request is not None or self.by is not None:
            return self.request
        return next((column for column in self.left.key if column.casefold() == "request_id"), None)

    def side(self, name: SideName) -> ParitySide:
        """Its left or right side."""
        return self.left if name == "left" else self.right

    def columns(self, name: SideName) -> dict[str, str]:
        """What is read of a side, role → column: the key, the value, and of left what tells the arm."""
        telling = {"by": self.by, "request": self.request_column} if name == "left" else {}
        return self.side(name).columns | {role: column for role, column in telling.items() if column}

    @model_validator(mode="after")
    def _comparable(self) -> Parity:
        here, there = len(self.left.key), len(self.right.key)
        if here != there:
            message = f"must have as many columns as left.key ({here}), in the same order; it has {there}"
            raise Refusal(message, at=("right", "key"))
        if self.by is not None and self.request is not None:
            raise Refusal("is given beside by, and both tell the arm; keep one", at=("request",))
        return self

    @model_validator(mode="after")
    def _tolerable(self) -> Parity:
        if self.type in ("text", "boolean"):
            for key in ("tolerance", "relative_tolerance"):
                if getattr(self, key):
                    raise Refusal(f"is for numbers and timestamps; {self.type} agrees or does not", at=(key,))
        if self.type == "timestamp" and self.relative_tolerance:
            message = "is for numbers; timestamps take tolerance, in seconds"
            raise Refusal(message, at=("relative_tolerance",))
        return self


def inspection_name(parity_id: str, side: SideName) -> str:
    """Under which name a side's inspection is filed, apart from every source's."""
    return f"parity.{parity_id}.{side}"


def _our_relations(text: str) -> Iterator[tuple[str, str]]:
    """Schema and name of every relation of Plumbline's own that a relation name or a query mentions."""
    pieces = [
        piece.text.strip('"').lower() for piece in tokens(text) if piece.kind in ("word", "quoted", "sign")
    ]
    for schema, dot, name in zip(pieces, pieces[1:], pieces[2:], strict=False):
        if schema in _SCHEMAS and dot == ".":
            yield schema, name
