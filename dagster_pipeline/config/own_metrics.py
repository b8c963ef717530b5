"""`metrics:` of plumbline.yml: a team's own metrics, over request_metrics or over a table of its own.

What a metric is once loaded is a `MetricDefinition` like any other; here is what may be written, and what is inferred of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dagster_pipeline.config.catalogue import source_specs
from dagster_pipeline.config.frozen import Frozen
from dagster_pipeline.config.metrics import (
    BetterName,
    EffectName,
    FollowsName,
    MetricDefinition,
    MetricKindName,
    MetricTable,
    metric_definitions,
)
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.config.scalars import Duration, Number, Text, TimeZone
from dagster_pipeline.config.sql import tokens
from dagster_pipeline.paths import bundled

_ONE_ORIGIN = "takes either from (a file or a relation) or query (one SELECT), and not both"
UNKNOWN = "unknown"
"""What ``empty`` is called where a request without a row says nothing: null in the file."""

_PREFIX = "metric:"
_NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")
_LONGEST_NAME = 40
_SQL_WORDS = frozenset(
    "and as between case cast else end false in is like not null or then true when".split()  # noqa: SIM905
)
_TIMES = frozenset({"first_quote_seconds", "first_hire_seconds"})
_OF_TABLES = ("request_id", "at", "key", "where", "timezone", "empty", "freshness")


def own_name(metric: str) -> str:
    """Under which name an own metric's inspection and gaps are filed, apart from every source's."""
    return f"{_PREFIX}{metric}"


def is_own_name(table: str) -> bool:
    """Whether a gap's table is an own metric's."""
    return table.startswith(_PREFIX)


def _possible_name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise Refusal(f"must be lower_snake_case, at most {_LONGEST_NAME} characters, such as page_latency")
    if name in metric_definitions():
        raise Refusal(
            "is a built-in metric's name; choose another, so that nobody mistakes one for the other"
        )
    return name


def _empty(value: object) -> object:
    if isinstance(value, bool) or not (isinstance(value, int | float) or value == UNKNOWN):
        raise Refusal("must be a number, or null where a request without a row is not known")
    return value


Name = Annotated[Text, AfterValidator(_possible_name)]


class OwnMetric(Frozen):
    """One metric of a team's own.

    Without ``from`` and ``query`` ``y`` is an expression over request_metrics; with one of them ``y`` is an aggregate over
    the rows of a request. ``d`` is a ratio's denominator. ``empty`` "unknown" stands for null in the file.
    """

    name: Name
    label: Text | None = None
    kind: MetricKindName
    better: BetterName
    effect: EffectName
    y: Text
    d: Text | None = None
    scale: Number = 1.0
    quantile: Number | None = None
    horizon: Duration = Field(default=timedelta(0), validate_default=False)
    needs: tuple[Text, ...] = ()
    from_: Text | None = Field(default=None, alias="from")
    query: Text | None = None
    request_id: Text | None = None
    at: Text | None = None
    key: Text | None = None
    where: Text | None = None
    timezone: TimeZone = "UTC"
    freshness: Duration | None = None
    empty: Annotated[float | Literal["unknown"], BeforeValidator(_empty)] = 0.0

    @property
    def is_of_table(self) -> bool:
        """Whether it is computed from a table of its own."""
        return self.from_ is not None or self.query is not None

    @property
    def columns(self) -> dict[str, str]:
        """What is read of its table besides what ``y`` and ``d`` name: role → the column's name."""
        roles = {"request_id": self.request_id, "at": self.at, "key": self.key}
        return {role: column for role, column in roles.items() if column is not None}

    def definition(self, written: str = "") -> MetricDefinition:
        """The metric as everything else knows it; ``written`` is its origin as the file has it."""
        return MetricDefinition(
            name=self.name,
            kind=self.kind,
            better=self.better,
            effect=self.effect,
            y=self.y,
            d=self.d,
            label=self.label or self.name.replace("_", " ").capitalize(),
            needs=() if self.is_of_table else self.needs or _needs(self.y, self.d),
            scale=self.scale,
            quantile=self.quantile,
            horizon=round(self.horizon.total_seconds()),
            is_own=True,
            follows="either" if self.is_of_table else _follows(self.kind, self.y, self.d),
            table=self._table(written),
        )

    def _table(self, written: str) -> MetricTable | None:
        if self.request_id is None:
            return None
        empty = None if isinstance(self.empty, str) else self.empty
        return MetricTable(
            written or self.from_ or self.query or "",
            self.request_id,
            self.at,
            self.key,
            self.where,
            self.timezone,
            empty,
            round(self.freshness.total_seconds()) if self.freshness is not None else None,
        )

    @model_validator(mode="after")
    def _of_its_kind(self) -> OwnMetric:
        if (self.kind == "quantile") != (self.quantile is not None):
            raise Refusal("is for metrics of kind quantile, which need one, such as 0.95", at=("quantile",))
        if self.quantile is not None and not 0 < self.quantile < 1:
            raise Refusal("must be above 0 and below 1", at=("quantile",))
        if (self.kind == "ratio") != (self.d is not None):
            raise Refusal("is for metrics of kind ratio, which need one: what y is divided by", at=("d",))
        if self.scale <= 0:
            raise Refusal("must be above 0", at=("scale",))
        if self.kind in ("share", "quantile") and self.scale != 1:
            raise Refusal(f"is for means and ratios, not for a {self.kind}", at=("scale",))
        return self

    @model_validator(mode="after")
    def _of_its_origin(self) -> OwnMetric:
        if self.from_ is not None and self.query is not None:
            raise Refusal(_ONE_ORIGIN)
        if self.is_of_table:
            return self._with_a_table()
        for key in _OF_TABLES:
            if key in self.model_fields_set:
                raise Refusal("is for metrics with a table of their own (from or query)", at=(key,))
        self._over_request_metrics()
        return self

    def _with_a_table(self) -> OwnMetric:
        if self.request_id is None:
            raise Refusal(
                "is required: the column of the table that holds the request's id", at=("request_id",)
            )
        if self.needs:
            raise Refusal("is for expressions over request_metrics; this metric has a table", at=("needs",))
        for key in ("horizon", "freshness"):
            if getattr(self, key) and self.at is None:
                raise Refusal("needs at, the column that says when a row happened", at=(key,))
        if self.kind == "share" and self.empty not in (0, 1, UNKNOWN):
            raise Refusal("must be 0, 1 or null: the metric is a share", at=("empty",))
        if self.kind == "quantile" and self.empty != UNKNOWN and float(self.empty) < 0:
            raise Refusal("must be at least 0 or null", at=("empty",))
        if self.kind == "ratio" and self.empty not in (0, UNKNOWN):
            raise Refusal("must be 0 (a request without a row adds nothing) or null", at=("empty",))
        return self

    def _over_request_metrics(self) -> None:
        for key, text in (("y", self.y), ("d", self.d)):
            if text is not None:
                _refuse_unknown_words(key, text)
        known = {f"{name}.{column}" for name, spec in source_specs().items() for column in spec.column_names}
        for index, need in enumerate(self.needs):
            for name in need.split("|"):
                if name not in known:
                    raise Refusal("must name source.column, such as quotes.quoted_at", at=("needs", index))
        if self.kind == "quantile" and not _is_plain_quantile(self.y):
            raise Refusal(
                "must be a column of request_metrics, times or divided by a number, for a quantile", at=("y",)
            )


def as_written(given: Any) -> Any:
    """An entry of the file with ``empty: null`` told apart from no ``empty`` at all."""
    if isinstance(given, dict) and "empty" in given and given["empty"] is None:
        return given | {"empty": UNKNOWN}
    return given


def with_columns_spelt(text: str) -> str:
    """The expression with its columns in lower case, as the models call them."""
    columns = request_metric_columns()
    pieces = (
        p.text.lower() if p.kind == "word" and p.text.lower() in columns else p.text for p in tokens(text)
    )
    return "".join(pieces)


@dataclass(frozen=True)
class RequestColumn:
    """A column of request_metrics that an expression may name, and the mapped columns it is computed from."""

    data_type: str
    needs: tuple[str, ...]


def request_metric_columns() -> Mapping[str, RequestColumn]:
    """The columns of request_metrics that an expression may name: those whose .yml says what they need."""
    return _columns_of(bundled("dbt_project") / "models" / "metrics" / "request_metrics.yml")


@cache
def _columns_of(file: Path) -> dict[str, RequestColumn]:
    with file.open(encoding="utf-8") as stream:
        model = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["models"][0]  # noqa: S506
    metas = {c["name"]: (c, (c.get("config") or {}).get("meta") or {}) for c in model["columns"]}
    return {
        name: RequestColumn(column["data_type"], tuple(meta["needs"]))
        for name, (column, meta) in metas.items()
        if "needs" in meta
    }


def _needs(*texts: str | None) -> tuple[str, ...]:
    columns = request_metric_columns()
    named = [word for text in texts if text for word in _words(text) if word in columns]
    return tuple(dict.fromkeys(need for word in named for need in columns[word].needs))


def _words(text: str) -> list[str]:
    """The words that stand for values: no keywords, no functions, no types, no exponents of numbers."""
    pieces = [p for p in tokens(text) if p.kind != "blank"]
    found: list[str] = []
    before, glued = "", ""
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        word = piece.text.lower()
        is_name = piece.kind == "word" and not (glued.isdigit() and re.fullmatch(r"e[0-9]*", word))
        is_function = following is not None and following.text == "("
        if is_name and word not in _SQL_WORDS and not is_function and before != "as":
            found.append(word)
        before, glued = word, piece.text
    return found


def _refuse_unknown_words(key: str, text: str) -> None:
    columns = request_metric_columns()
    for piece in tokens(text):
        if piece.kind in ("text", "quoted", "hint"):
            message = f"must be made of columns of request_metrics and numbers, without {piece.text[:20]}"
            raise Refusal(f"{message}; allowed: {', '.join(columns)}", at=(key,))
    words = _words(text)
    for word in words:
        if word not in columns:
            message = f"names {word!r}, which is no column of request_metrics that a metric may use"
            raise Refusal(f"{message}; allowed: {', '.join(columns)}", at=(key,))
    if not words:
        raise Refusal(f"names no column of request_metrics; allowed: {', '.join(columns)}", at=(key,))


_FIGURE = r"[0-9]+(?:\.[0-9]+)?"
_TERM = re.compile(rf"(?:{_FIGURE} ?\* ?)?([a-z_0-9]+)(?: ?[*/] ?{_FIGURE})?")
_CASE = re.compile(r"case when (.+) then ([01]) else ([01]) end")
_COMPARED = re.compile(rf"([a-z_0-9]+) ?(<=|<|>=|>|=|is not null|is null) ?({_FIGURE})?")


def _is_plain_quantile(text: str) -> bool:
    found = _TERM.fullmatch(_plain(text))
    return found is not None and found[1] in request_metric_columns()


def _follows(kind: MetricKindName, y: str, d: str | None) -> FollowsName:
    """How the value moves with what gaps leave open, where its form shows it; "either" where it does not."""
    if kind == "quantile":
        term = _TERM.fullmatch(_plain(y))
        return "more" if term and term[1] in _TIMES else "less"
    if kind == "share":
        return _share_follows(y)
    sums = all(_is_sum_of_counts(text) for text in (y, d) if text is not None)
    return "more" if sums else "either"


def _is_sum_of_counts(text: str) -> bool:
    terms = [_TERM.fullmatch(term.strip()) for term in _plain(text).split("+")]
    countable = set(request_metric_columns()) - _TIMES
    return all(term is not None and term[1] in countable for term in terms)


def _share_follows(text: str) -> FollowsName:
    """``case when`` comparisons that all lean one way ``then 1 else 0 end``, or the reverse."""
    found = _CASE.fullmatch(_plain(text))
    if found is None or found[2] == found[3]:
        return "either"
    leanings = {_leaning(part.strip()) for part in re.split(r" and | or ", found[1])}
    if leanings not in ({1}, {-1}):
        return "either"
    rises = (leanings == {1}) == (found[2] == "1")
    return "more" if rises else "less"


def _leaning(comparison: str) -> int:
    """1 where more rows, or sooner ones, can only make it true; -1 where they can only make it false; else 0."""
    found = _COMPARED.fullmatch(comparison)
    if found is None or found[1] not in request_metric_columns():
        return 0
    sign, figure = found[2], found[3]
    if sign.startswith("is"):
        return 0 if figure or found[1] not in _TIMES else 1 if sign == "is not null" else -1
    if found[1] in _TIMES:
        return 1 if sign in ("<", "<=") and figure else 0  # a time that never comes is in no other comparison
    if sign == "=":
        return -1 if figure and float(figure) == 0 else 0
    return 0 if not figure else 1 if sign.startswith(">") else -1


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
