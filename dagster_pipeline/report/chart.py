"""Geometry of the small picture beside a criterion, in per cent of its width. Drawing is the template's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dagster_pipeline.report.demands import Limit

_MARGIN = 0.08  # of the span, on both sides
_LABEL_ROOM = 32.0  # per cent within which a centred label would leave the picture


@dataclass(frozen=True)
class Bar:
    """From ``start`` over ``width`` per cent; an open end has no limit in that direction."""

    start: float
    width: float
    open_left: bool = False
    open_right: bool = False

    @property
    def end(self) -> float:
        """Where the bar ends, in per cent."""
        return round(self.start + self.width, 2)


@dataclass(frozen=True)
class Tick:
    """A labelled line; ``anchor`` keeps its label inside the picture."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True)
class Chart:
    """Where everything stands. ``forbidden`` are the zones on the wrong side of the limits."""

    zero: float
    show_zero: bool
    estimate: float | None
    interval: Bar | None
    region: Bar | None
    target: Tick | None
    bound: Tick | None
    forbidden: tuple[Bar, ...]


@dataclass(frozen=True)
class Span:
    """A lower and an upper end, None without a limit; ``known`` is false where nothing is known of it."""

    lower: float | None
    upper: float | None
    known: bool = True


def chart(
    estimate: float | None, interval: Span, region: Span, limits: Sequence[Limit], labels: Sequence[str]
) -> Chart | None:
    """Places an effect, its interval, its region and its limits on one scale that contains zero.

    ``labels`` are the limits' written figures. None where nothing was measured, or only zero.
    """
    values = [estimate, interval.lower, interval.upper, region.lower, region.upper]
    measured = [value for value in values if value is not None and math.isfinite(value)]
    placed = [*measured, *(limit.value for limit in limits)]
    if not measured or max(map(abs, placed)) == 0:
        return None
    scale = _Scale.over([0.0, *placed])
    ticks = [(limit, _tick(scale.at(limit.value), text)) for limit, text in zip(limits, labels, strict=True)]
    target = next((tick for limit, tick in ticks if not limit.on_interval), None)
    bound = next((tick for limit, tick in ticks if limit.on_interval), None)
    zero = scale.at(0.0)
    return Chart(
        zero=zero,
        show_zero=target is None or abs(target.x - zero) > _LABEL_ROOM,
        estimate=None if estimate is None else scale.at(estimate),
        interval=scale.bar(interval),
        region=scale.bar(region),
        target=target,
        bound=bound,
        forbidden=_forbidden(limits, scale),
    )


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> _Scale:
        margin = (max(values) - min(values)) * _MARGIN
        return cls(min(values) - margin, max(values) + margin)

    def at(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def bar(self, span: Span) -> Bar | None:
        if not span.known:
            return None
        start = 0.0 if span.lower is None else self.at(span.lower)
        end = 100.0 if span.upper is None else self.at(span.upper)
        return Bar(start, round(max(end - start, 0.0), 2), span.lower is None, span.upper is None)


def _tick(x: float, label: str) -> Tick:
    anchor = "start" if x < _LABEL_ROOM else "end" if x > 100 - _LABEL_ROOM else "middle"
    return Tick(x, label, anchor)


def _forbidden(limits: Sequence[Limit], scale: _Scale) -> tuple[Bar, ...]:
    """Per side, the limit the range is held against: the interval's, or else the estimate's."""
    zones = []
    for at_least in (True, False):
        side = [limit for limit in limits if limit.at_least is at_least]
        deciding = [limit for limit in side if limit.on_interval] or side
        if deciding:
            x = scale.at(deciding[0].value)
            zones.append(Bar(0.0, x) if at_least else Bar(x, round(100 - x, 2)))
    return tuple(zones)
