"""How a text column writes its times: strptime's directives, checked before any row is read."""

from __future__ import annotations

import re
from typing import Any

from dagster_pipeline.config.problems import Refusal

# Directive → the part of a time it gives. A dash (%-d) is taken and means nothing: one digit is read like two anyway.
_PARTS = {
    "Y": "year",
    "y": "year",
    "m": "month",
    "b": "month",
    "B": "month",
    "d": "day",
    "j": "day of the year",
    "H": "hour",
    "I": "hour",
    "p": "AM or PM",
    "M": "minute",
    "S": "second",
    "f": "fraction",
    "z": "offset",
    "a": "weekday",
    "A": "weekday",
}
_DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)
_NEEDS = {"minute": "hour", "second": "minute", "fraction": "second", "offset": "hour", "AM or PM": "hour"}
ALLOWED = ", ".join(f"%{letter}" for letter in _PARTS)


def check_format(text: str) -> str:
    """The format as it was given. Raises Refusal where it names an unknown directive or leaves a time undecided.

    A format must give a day once: a year with month and day, or with the day of the year. A time of day goes from
    the hour down; %I goes with %p.
    """
    letters = _letters(text)
    parts = [_PARTS[letter] for letter in letters]
    for part in dict.fromkeys(parts):
        if parts.count(part) > 1:
            raise _refusal(text, f"gives the {part} twice")
    if "year" not in parts or not ({"month", "day"} <= set(parts) or "day of the year" in parts):
        raise _refusal(text, "gives no full day: it needs a year, and month and day or %j")
    for part, needed in _NEEDS.items():
        if part in parts and needed not in parts:
            raise _refusal(text, f"has the {part} without the {needed}")
    if ("I" in letters) != ("p" in letters):
        raise _refusal(text, "needs %I and %p together, or %H")
    return text


def check_formats(given: Any) -> Any:
    """``{column: format or list of formats}`` as ``{column: tuple of formats}``; what is no mapping is left as it is."""
    if not isinstance(given, dict):
        return given
    return {column: tuple(_checked(column, value)) for column, value in given.items()}


def is_year_first(text: str) -> bool:
    """Whether a format begins as ISO 8601 does, so that the two could read one value differently."""
    return text.lstrip().startswith(("%Y", "%-Y"))


def _checked(column: str, given: Any) -> list[str]:
    formats = list(given) if isinstance(given, list | tuple) else [given]
    if not formats:
        raise Refusal("must be a format or a list of formats, such as %m-%d-%y", at=(column,))
    for index, text in enumerate(formats):
        at = (column, index) if isinstance(given, list | tuple) else (column,)
        if not isinstance(text, str) or not text.strip():
            raise Refusal("must be a format in quotes, such as '%m-%d-%y', or a list of them", at=at)
        try:
            check_format(text)
        except Refusal as refusal:
            raise Refusal(refusal.requirement, at=at) from refusal
    return formats


def _letters(text: str) -> list[str]:
    found: list[str] = []
    for match in _DIRECTIVE.finditer(text):
        if match[2] == "%" and not match[1]:
            continue
        if match[2] not in _PARTS:
            raise _refusal(text, f"has {match[0]!r}")
        found.append(match[2])
    return found


def _refusal(text: str, fault: str) -> Refusal:
    return Refusal(f"must be a format such as '%m-%d-%y': {text[:40]!r} {fault}; allowed: {ALLOWED}")
