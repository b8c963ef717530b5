"""Figures inside sentences: effects in the metric's unit, money, counts; three significant digits."""

from __future__ import annotations

import math

from dagster_pipeline.config.metrics import MetricDefinition

MINUS = "−"
NOT_KNOWN = "not known"
_DIGITS = 3


def label_of(definition: MetricDefinition) -> str:
    """What a reader calls the metric."""
    return definition.label.removesuffix("(s)").strip()


def size_of(effect_size: float, definition: MetricDefinition, effect: str) -> str:
    """An effect without its sign: per cent of a relative one, percentage points of a share's."""
    if effect == "relative":
        return f"{_significant(effect_size * 100)}%"
    return distance(effect_size, definition, effect)


def distance(apart: float, definition: MetricDefinition, effect: str) -> str:
    """How far apart two effects lie; of relative effects and of shares in percentage points."""
    is_share = definition.kind in ("share", "ratio") and definition.scale == 1
    if effect == "relative" or is_share:
        return f"{_significant(apart * 100)} pp"
    return f"{_significant(apart)}{' s' if definition.kind == 'quantile' else ''}"


def money(amount: float | None, currency: str) -> str:
    """Money with its currency: 525,000 USD, −1,230 USD; not known where there is no figure."""
    if amount is None or not math.isfinite(amount):
        return NOT_KNOWN
    size = _significant(abs(amount))
    sign = MINUS if amount < 0 and size.strip("0.,") else ""
    return f"{sign}{size} {currency}"


def money_range(lower: float | None, upper: float | None, currency: str) -> str:
    """Two ends; one that is missing has no limit."""
    if lower is None and upper is None:
        return "no limits"
    if lower is None:
        return f"at most {money(upper, currency)}"
    if upper is None:
        return f"at least {money(lower, currency)}"
    return f"{money(lower, currency)} to {money(upper, currency)}"


def counted(size: int, noun: str) -> str:
    """``1 request``, ``3,000 requests``."""
    return f"{size:,} {noun if size == 1 else noun + 's'}"


def about(size: int) -> int:
    """A count to three significant digits, rounded up: a sample that was computed is no exact figure."""
    step = int(10.0 ** max(0, len(str(size)) - _DIGITS))
    return -(-size // step) * step


def _significant(size: float) -> str:
    if size == 0:
        return "0"
    decimals = _DIGITS - 1 - math.floor(math.log10(abs(size)))
    text = f"{round(size, decimals):,.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
