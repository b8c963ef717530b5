"""Rules of a contract that Plumbline did not write, as expectations of a suite of the team's own.

Only what says the same is taken over: a rule that would pass where the contract's fails is none. What can't be said is a
NotExpressedError with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dagster_pipeline.config import sql
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.exports import odcs_rules as rules
from dagster_pipeline.exports.odcs_reading import NotExpressedError, Part
from dagster_pipeline.exports.odcs_rules import Json

_OPERATORS = {
    "mustBe": "=",
    "mustNotBe": "<>",
    "mustBeGreaterThan": ">",
    "mustBeGreaterOrEqualTo": ">=",
    "mustBeLessThan": "<",
    "mustBeLessOrEqualTo": "<=",
    "mustBeBetween": "between",
    "mustNotBeBetween": "not between",
}
_TABLE = re.compile(r"\$?\{(?:table|object|model|schema)\}", re.IGNORECASE)
_COLUMN = re.compile(r"\$?\{(?:column|property|field)\}", re.IGNORECASE)
_ENGINES = frozenset({"greatexpectations", "gx"})
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
_COLUMN_LISTS = ("column_list", "column_set")


@dataclass(frozen=True)
class Home:
    """Where a rule stands: the mapped columns of its table (physical and logical name → logical), and its own, if any."""

    columns: Mapping[str, str]
    column: str | None
    engine: str = "duckdb"

    def logical(self, name: object) -> str:
        """What Plumbline calls a column. Raises NotExpressedError for one that is not mapped."""
        found = self.columns.get(name) if isinstance(name, str) else None
        if found is None:
            raise NotExpressedError(f"the column {str(name)[:60]!r} is not mapped in plumbline.yml")
        return found

    def own(self) -> str:
        """The property's column. Raises NotExpressedError where the rule stands at the whole object."""
        if self.column is None:
            raise NotExpressedError("it stands at the object; a rule of this metric needs a property")
        return self.column


def null_share(rule: Part) -> float | None:
    """The share of nulls that a rule allows, None where it is no rule on nulls alone.

    Raises NotExpressedError where its limit is a count of rows, which no share says.
    """
    if _metric(rule) == "nullValues" or (_metric(rule) == "missingValues" and _missing(rule) == [None]):
        return allowed_share(rule)
    return None


def expectations_of(rule: Part, home: Home) -> list[Json]:
    """Type and arguments of the expectations that say what the rule says. Raises NotExpressedError."""
    kind = rule.content.get("type") or ("library" if _metric(rule) else "text")
    reader = _READERS.get(str(kind))
    if reader is None:
        raise NotExpressedError(f"there is no rule of type {str(kind)[:40]!r}")
    return reader(rule, home)


def options_of(column: Part, home: Home) -> Iterator[Json | NotExpressedError]:
    """What ``logicalTypeOptions`` and ``enum`` of a property ask of its values; what can't be said as the error it is."""
    given = column.content.get("logicalTypeOptions")
    options = dict(given) if isinstance(given, dict) else {}
    yield from _ranges(options, column.content.get("logicalType"), home)
    lengths = {f"{key[:3]}_value": options.pop(key) for key in ("minLength", "maxLength") if key in options}
    if lengths:
        yield {"type": rules.LENGTHS, "kwargs": {"column": home.own()} | lengths}
    listed = column.content.get("enum")
    if isinstance(listed, list):
        values = [item.get("value") if isinstance(item, dict) else item for item in listed]
        yield {"type": rules.IN_SET, "kwargs": {"column": home.own(), "value_set": values}}
    for name in options:
        if name not in ("format", "timezone", "defaultTimezone"):
            yield NotExpressedError(f"{name} can not be checked on this engine or type")


def _ranges(options: dict[str, Any], logical_type: object, home: Home) -> Iterator[Json]:
    if logical_type not in ("number", "integer"):
        return
    limits: Json = {}
    for key, name in (("minimum", "min_value"), ("maximum", "max_value")):
        if key in options:
            limits[name] = options.pop(key)
        elif (exclusive := f"exclusive{key.capitalize()}") in options:
            limits |= {name: options.pop(exclusive), f"strict_{key[:3]}": True}
    if limits:
        yield {"type": rules.BETWEEN, "kwargs": {"column": home.own()} | limits}


def _metric(rule: Part) -> str | None:
    return rule.text("metric") or rule.text("rule")  # `rule` is what ODCS 3.0 called it


def _missing(rule: Part) -> list[Any]:
    arguments = rule.content.get("arguments")
    listed = arguments.get("missingValues") if isinstance(arguments, dict) else None
    return listed if isinstance(listed, list) else []


def operator_of(rule: Part) -> tuple[str, Any]:
    """The one comparison of a rule. Raises NotExpressedError where there is none, or more than one."""
    found = [(name, rule.content[name]) for name in _OPERATORS if name in rule.content]
    if len(found) != 1:
        raise NotExpressedError("it needs exactly one comparison (mustBe…)")
    return found[0]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotExpressedError(f"its limit is no number: {str(value)[:40]!r}")
    return value


def allowed_share(rule: Part) -> float:
    """The share of rows that may fail by the rule, inclusive. Raises NotExpressedError where it says no share."""
    operator, value = operator_of(rule)
    limit = _number(value)
    if operator not in ("mustBe", "mustBeLessOrEqualTo", "mustBeLessThan"):
        raise NotExpressedError(f"{operator} is no upper limit for what may fail")
    if operator == "mustBeLessThan" and (limit, rule.content.get("unit")) == (1, None):
        limit = 0  # fewer than one row
    elif operator == "mustBeLessThan" or (operator == "mustBe" and limit != 0):
        raise NotExpressedError(
            f"{operator} {limit} has no equal: an expectation says at most (mustBeLessOrEqualTo)"
        )
    if limit == 0:
        return 0.0
    if rule.content.get("unit") != "percent" or not 0 < limit <= 100:
        raise NotExpressedError("its limit is a count of rows; an expectation says a share (unit: percent)")
    return rules.share_of(limit)


def _mostly(share: float) -> Json:
    return {"mostly": rules.share_of(100 - rules.percent(share))} if share else {}


def _library(rule: Part, home: Home) -> list[Json]:
    metric = _metric(rule)
    reader = _METRICS.get(metric or "")
    if reader is None:
        raise NotExpressedError(f"there is no metric {str(metric)[:40]!r}; metrics: {', '.join(_METRICS)}")
    return reader(rule, home)


def _nulls(rule: Part, home: Home) -> list[Json]:
    return [{"type": rules.NOT_NULL, "kwargs": {"column": home.own()} | _mostly(allowed_share(rule))}]


def _missing_values(rule: Part, home: Home) -> list[Json]:
    listed, share = _missing(rule), allowed_share(rule)
    texts = [value for value in listed if value is not None]
    found = [] if None not in listed else _nulls(rule, home)
    if texts:
        found.append(
            {
                "type": "expect_column_values_to_not_be_in_set",
                "kwargs": {"column": home.own(), "value_set": texts} | _mostly(share),
            }
        )
    if not found:
        raise NotExpressedError("its arguments list no missingValues")
    if share and len(found) > 1:
        raise NotExpressedError("nulls and other missing values together can only be limited to none")
    return found


def _invalid_values(rule: Part, home: Home) -> list[Json]:
    arguments = rule.content.get("arguments")
    listed = arguments.get("validValues") if isinstance(arguments, dict) else None
    if not isinstance(listed, list) or not listed or set(arguments or {}) - {"validValues"}:
        raise NotExpressedError("only validValues can be checked on every engine, not a pattern")
    kwargs = {"column": home.own(), "value_set": list(listed)} | _mostly(allowed_share(rule))
    return [{"type": rules.IN_SET, "kwargs": kwargs}]


def _duplicates(rule: Part, home: Home) -> list[Json]:
    share = allowed_share(rule)
    arguments = rule.content.get("arguments")
    listed = arguments.get("properties") if isinstance(arguments, dict) else None
    names = [home.logical(name) for name in listed] if isinstance(listed, list) else []
    if len(names) > 1:
        if share:
            raise NotExpressedError("duplicates over several columns can only be limited to none")
        return [{"type": rules.COMPOUND, "kwargs": {"column_list": names}}]
    limit = rules.share_of(100 - rules.percent(share)) if share else 1
    column = names[0] if names else home.own()
    return [{"type": rules.UNIQUE_SHARE, "kwargs": {"column": column, "min_value": limit}}]


def _rows(rule: Part, home: Home) -> list[Json]:
    del home
    operator, value = operator_of(rule)
    if rule.content.get("unit") not in (None, "rows"):
        raise NotExpressedError("a number of rows is no percentage")
    limits = value if isinstance(value, list) and len(value) == 2 else [value, value]
    low, high = (int(_number(limit)) for limit in limits)
    if any(limit != int(limit) for limit in limits):
        raise NotExpressedError("a number of rows is a whole number")
    kwargs = {
        "mustBe": {"min_value": low, "max_value": high},
        "mustBeBetween": {"min_value": low, "max_value": high},
        "mustBeGreaterThan": {"min_value": low + 1},
        "mustBeGreaterOrEqualTo": {"min_value": low},
        "mustBeLessThan": {"max_value": high - 1},
        "mustBeLessOrEqualTo": {"max_value": high},
    }.get(operator)
    if kwargs is None or isinstance(value, list) != (operator == "mustBeBetween"):
        raise NotExpressedError(f"{operator} says no range of rows")
    return [{"type": rules.ROW_COUNT, "kwargs": kwargs}]


def _sql(rule: Part, home: Home) -> list[Json]:
    """A query that returns one value becomes one that returns a row where the value is not as it must be."""
    query = rule.text("query")
    if query is None:
        raise NotExpressedError("it has no query")
    if not _TABLE.search(query):
        raise NotExpressedError(
            "its query names tables of its own; write ${table} for the one it is about, which Plumbline fills in"
        )
    if _COLUMN.search(query):
        query = _COLUMN.sub(home.own(), query)
    try:
        checked = sql.check_query(_TABLE.sub("plumbline_table", query), home.engine)
    except Refusal as refusal:
        raise NotExpressedError(f"its query {refusal.requirement}") from refusal
    condition = _condition(*operator_of(rule))
    checked = checked.replace("plumbline_table", "{batch}")
    wrapped = f"select * from ({checked}) as found(value) where value is null or not (value {condition})"  # noqa: S608
    return [{"type": rules.UNEXPECTED_ROWS, "kwargs": {"unexpected_rows_query": wrapped}}]


def _condition(operator: str, value: Any) -> str:
    sign = _OPERATORS[operator]
    if sign.endswith("between"):
        if not isinstance(value, list) or len(value) != 2:
            raise NotExpressedError(f"{operator} needs two numbers")
        low, high = (_number(limit) for limit in value)
        return f"{sign} {low!r} and {high!r}"
    return f"{sign} {_number(value)!r}"


def _custom(rule: Part, home: Home) -> list[Json]:
    engine = rule.text("engine") or ""
    if re.sub(r"[^a-z]", "", engine.lower()) not in _ENGINES:
        raise NotExpressedError(f"its engine is {engine[:40]!r}; only rules of {rules.ENGINE} can be run")
    given = rule.content.get("implementation")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise NotExpressedError("its implementation is no mapping and no JSON") from error
    kind = given.get("type") or given.get("expectation_type") if isinstance(given, dict) else None
    kwargs = given.get("kwargs", {}) if isinstance(given, dict) else None
    if not isinstance(kind, str) or not isinstance(kwargs, dict):
        raise NotExpressedError("its implementation needs a type and kwargs")
    if "regex" in kind:
        raise NotExpressedError("patterns can not be checked on every engine")
    return [{"type": _snake(kind), "kwargs": _renamed(kwargs, home)}]


def _snake(kind: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()


def _renamed(kwargs: Mapping[str, Any], home: Home) -> Json:
    """The arguments with every column under its logical name; the property's own where none is named."""
    found = dict(kwargs)
    for key in _COLUMN_ARGUMENTS:
        if key in found:
            found[key] = home.logical(found[key])
    for key in _COLUMN_LISTS:
        if isinstance(found.get(key), list):
            found[key] = [home.logical(name) for name in found[key]]
    if home.column is not None and not set(found) & {*_COLUMN_ARGUMENTS, *_COLUMN_LISTS}:
        found = {"column": home.column} | found
    return found


def _text(rule: Part, home: Home) -> list[Json]:
    del rule, home
    raise NotExpressedError("it is text for people to read, with nothing to run")


_Reader = Callable[[Part, Home], list[Json]]
_METRICS: dict[str, _Reader] = {
    "nullValues": _nulls,
    "missingValues": _missing_values,
    "invalidValues": _invalid_values,
    "duplicateValues": _duplicates,
    "rowCount": _rows,
}
_READERS: dict[str, _Reader] = {"library": _library, "sql": _sql, "custom": _custom, "text": _text}
