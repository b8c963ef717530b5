"""Single values of plumbline.yml: text, names, numbers, durations, instants, time zones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from dagster_pipeline.config.problems import Refusal

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw])")
_INSTANT_FORM = "must be a date or time such as 2026-10-01 or 2026-10-01T06:30:00Z"
_NAME_LENGTH = 200


def duration(value: object) -> timedelta:
    """``90m``, ``24h``, ``7d`` (s, m, h, d, w; above zero) as a timedelta."""
    if isinstance(value, timedelta):
        found = value
    else:
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise Refusal("must be a number with a unit (s, m, h, d or w), such as 90m, 24h or 7d")
        try:
            found = timedelta(**{_UNITS[match[2]]: float(match[1])})
        except OverflowError as error:
            raise Refusal("is longer than any history; durations look like 24h or 7d") from error
    if found <= timedelta(0):
        raise Refusal("must be longer than zero")
    return found


def instant(value: object) -> datetime:
    """A date or time as a moment in UTC; without an offset it is read as UTC, a date as its midnight."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise Refusal(_INSTANT_FORM) from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if not isinstance(value, datetime):
        raise Refusal(_INSTANT_FORM)
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise Refusal(_INSTANT_FORM) from error


def time_zone(value: str) -> str:
    """An IANA time zone's name, as it was given."""
    if value == "UTC":  # must work where no time zone database is installed
        return value
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = {zone.lower(): zone for zone in sorted(available_timezones())}.get(value.strip().lower())
        meant = f" (did you mean {near!r}?)" if near else ""
        raise Refusal(f"must be an IANA time zone such as UTC or Europe/Berlin{meant}") from error
    return value


def arm_name(value: object) -> str:
    """An experiment arm as the warehouse holds it: trimmed and lower-cased, as SQL's lower() does it.

    A number or a boolean is taken for its text, since arms are often called 0 and 1 or on and off.
    """
    if isinstance(value, bool | int):
        value = str(value)
    if not isinstance(value, str):
        raise Refusal("must be the name of an arm")
    name = value.strip().lower()
    if not name:
        raise Refusal("must be the name of an arm, not blank")
    if name == "unknown":
        raise Refusal("can't be called unknown: that word is kept for requests whose arm is not known")
    return name


def identifier(value: object) -> str:
    """The id of an experiment: results are filed under it, so it is no path."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Refusal("must be text")
    name = value.strip()
    unfit = not name or name.startswith(".") or not name.isprintable() or any(sign in name for sign in "/\\")
    if unfit or len(name) > _NAME_LENGTH:
        raise Refusal(
            "must be a name without slashes, control characters or a leading dot: files are named after it"
        )
    return name


def between(
    low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> Callable[[float], float]:
    """A check that a number lies in a range, whose refusal states the whole range."""
    signs = f"{'above' if open_low else 'at least'} {low:g}"
    if not math.isinf(high):
        signs += f" and {'below' if open_high else 'at most'} {high:g}"

    def check(value: float) -> float:
        inside_low = value > low if open_low else value >= low
        inside_high = value < high if open_high else value <= high
        if not (inside_low and inside_high):
            raise Refusal(f"must be {signs}")
        return value

    return check


def _text(value: object) -> Any:
    if isinstance(value, str) and not value.strip():
        raise Refusal("must not be blank")
    return value


Text = Annotated[str, BeforeValidator(_text), Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Number, AfterValidator(between(0, 1))]
Rate = Annotated[Number, AfterValidator(between(0, 1, open_low=True))]
Size = Annotated[Number, AfterValidator(between(0, math.inf))]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Instant = Annotated[datetime, BeforeValidator(instant)]
TimeZone = Annotated[Text, AfterValidator(time_zone)]
Arm = Annotated[str, BeforeValidator(arm_name)]
Identifier = Annotated[str, BeforeValidator(identifier)]
