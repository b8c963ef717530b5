"""Figures for people: three significant digits, a unit, a sign where it matters; never 0.0123456."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dagster_pipeline.statistics.evidence import EffectKind

if TYPE_CHECKING:
    from dagster_pipeline.config.metrics import MetricDefinition

MINUS = "−"
ABSENT = "–"
_DIGITS = 3
_MOST_DECIMALS = 2
_FINEST = 0.0001


class Unit(StrEnum):
    """What a metric's level is counted in."""

    SHARE = "share"  # of one, shown as per cent
    SECONDS = "seconds"  # shown as s, min, h or days
    NUMBER = "number"


def unit_of(definition: MetricDefinition | None) -> Unit:
    """A metric's unit: quantiles are of seconds, shares and unscaled ratios of counts are shares of one.

    Of a team's own metrics only shares are known to be any; their times and ratios are in units of the team's own.
    """
    if definition is None:
        return Unit.NUMBER
    if definition.is_own:
        return Unit.SHARE if definition.kind == "share" else Unit.NUMBER
    if definition.kind == "quantile":
        return Unit.SECONDS
    if definition.kind == "share" or (definition.kind == "ratio" and (definition.scale or 1.0) == 1.0):
        return Unit.SHARE
    return Unit.NUMBER


def number(value: float | None, *, signed: bool = False) -> str:
    """Three significant digits, but never fewer than the whole units: 12.3, 0.123, 1,235."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if 0 < abs(value) < _FINEST:
        sign = MINUS if value < 0 else "+" if signed else ""
        return f"{sign}<{_FINEST}"
    return _signed(_significant(abs(value)), value, signed=signed)


def count(value: int | None) -> str:
    """A whole number with thousands marked."""
    return ABSENT if value is None else f"{value:,}".replace("-", MINUS)


def share(value: float | None) -> str:
    """A share of one as per cent; what is not quite nothing or all is never shown as 0% or 100%."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if 0 < abs(value) < 0.00005:
        return "<0.01%"
    if 0.99995 <= value < 1:
        return ">99.99%"
    if 0.9995 <= value < 1:
        return f"{value * 100:.2f}%"
    return _signed(_significant(abs(value) * 100, _MOST_DECIMALS), value, signed=False) + "%"


def duration(seconds: float | None, *, signed: bool = False) -> str:
    """Seconds in the unit a person would say them in."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    size = abs(seconds)
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h")):
        if size < limit:
            return f"{_signed(_significant(size / divisor), seconds, signed=signed)} {unit}"
    return f"{_signed(_significant(size / 86_400), seconds, signed=signed)} days"


def level(value: float | None, unit: Unit) -> str:
    """A metric's level in one arm."""
    if unit is Unit.SHARE:
        return share(value)
    return duration(value) if unit is Unit.SECONDS else number(value)


def effect(value: float | None, kind: EffectKind | str, unit: Unit) -> str:
    """An effect with its sign: +0.42 pp, −17.9%, −3.2 min."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if kind == EffectKind.RELATIVE:
        return _percent(value)
    if unit is Unit.SHARE:
        return f"{_points(value)} pp"
    return duration(value, signed=True) if unit is Unit.SECONDS else number(value, signed=True)


def difference(value: float | None, kind: EffectKind | str, unit: Unit) -> str:
    """A difference of two effects, such as a bias; of relative effects it is percentage points."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if kind == EffectKind.RELATIVE:
        return f"{_points(value)} pp"
    return effect(value, kind, unit)


def between(lower: str, upper: str) -> str:
    """Two written figures as a range, the shared unit said once, an open end in words."""
    if lower == ABSENT and upper == ABSENT:
        return "no limits"
    if lower == ABSENT:
        return f"at most {upper}"
    if upper == ABSENT:
        return f"at least {lower}"
    if lower == upper:
        return lower
    return f"{_without_shared_unit(lower, upper)} to {upper}"


def headroom(delta_star: float | None) -> str:
    """δ* in words: how much of the worst case it takes to change the answer."""
    if delta_star is None:
        return "cannot change it"
    if delta_star <= 0:
        return "already changes it"
    if delta_star <= 1:
        return f"{share(delta_star)} of the worst case"
    return "over 100 × the worst case" if delta_star > 100 else f"{number(delta_star)} × the worst case"


def tidy(figure: str) -> str:
    """A figure somebody chose, without the zeros that only say it was measured: 10.0% is 10%."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", figure).replace(". ", " ").replace(".%", "%").rstrip(".")


def span(length: timedelta) -> str:
    """A length of time as a person says it: whole hours up to two days, then whole days."""
    hours = length / timedelta(hours=1)
    if hours < 1:
        return "under 1 h"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def moment(value: datetime | None) -> str:
    """Date and minute in UTC."""
    if value is None:
        return ABSENT
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M} UTC"


def day(value: datetime | None) -> str:
    """The date in UTC."""
    return moment(value)[:10] if value is not None else ABSENT


def _percent(value: float) -> str:
    if 0 < abs(value) < 0.00005:
        return f"{'+' if value > 0 else MINUS}<0.01%"
    return _signed(_significant(abs(value) * 100, _MOST_DECIMALS), value, signed=True) + "%"


def _points(value: float) -> str:
    if 0 < abs(value) < 0.00005:
        return f"{'+' if value > 0 else MINUS}<0.01"
    return _signed(_significant(abs(value) * 100, _MOST_DECIMALS), value, signed=True)


def _significant(size: float, most_decimals: int = 12) -> str:
    if size == 0:
        return "0"
    magnitude = math.floor(math.log10(size))
    wanted = _DIGITS - 1 - magnitude
    decimals = min(max(wanted, 0), most_decimals)
    rounded = round(size, decimals)
    if rounded >= 10 ** (magnitude + 1) and 0 < decimals == wanted:  # 9.999 became 10.00
        decimals -= 1
    return f"{rounded:,.{decimals}f}"


def _signed(size: str, value: float, *, signed: bool) -> str:
    if not any(digit in "123456789" for digit in size):
        return "0"
    if value < 0:
        return MINUS + size
    return f"+{size}" if signed else size


def _without_shared_unit(lower: str, upper: str) -> str:
    unit = upper.partition(" ")[2]
    if unit and lower.endswith(f" {unit}"):
        return lower.removesuffix(f" {unit}")
    return lower
