"""How gaps went from day to day, as a small drawing that needs nothing beside itself: no script, no font, no link."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from dagster_pipeline.report.escape import visible

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 24, 12, 26
# Those of the report (templates/style.css).
_COLOURS = {"blocker": "#7a0f1c", "high": "#b3380f", "medium": "#7d5100", "low": "#2a5a8c", "info": "#565d6b"}
_LONGEST_NAME = 120
_LABEL = 11  # height of a number


@dataclass(frozen=True)
class Line:
    """One gap: ``points`` are (moment, share of rows; None where that is not known), oldest first."""

    name: str
    severity: str
    points: tuple[tuple[datetime, float | None], ...]

    def number(self, among: Sequence[Line]) -> int:
        """What it is called in the drawing: its place among the lines, from 1."""
        return among.index(self) + 1


def trend_plot(lines: Sequence[Line]) -> str | None:
    """An SVG of the shares over time, from zero to the largest; None where no two moments are there to compare.

    A moment without a known share breaks the line rather than be drawn through.
    """
    moments = sorted({at for line in lines for at, _ in line.points})
    shares = [share for line in lines for run in _runs(line.points) for _, share in run]
    if len(moments) < 2 or not shares:
        return None
    frame = _Frame(moments[0], moments[-1], max(shares) or 1.0)
    drawn = "".join(_drawn(line, frame) for line in lines) + _labels(lines, frame)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="sans-serif" font-size="11">'
        f"<title>Share of rows by day</title>{_axes(frame)}{drawn}</svg>"
    )


def svg_data_uri(svg: str) -> str:
    """The drawing as an address that holds it whole, for a picture in Markdown."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


@dataclass(frozen=True)
class _Frame:
    first: datetime
    last: datetime
    top: float

    def x(self, at: datetime) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * ((at - self.first) / (self.last - self.first)), 1)

    def y(self, share: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share / self.top, 1)


def _axes(frame: _Frame) -> str:
    bottom, top = frame.y(0), frame.y(frame.top)
    return (
        f'<path d="M{_LEFT} {top}V{bottom}H{WIDTH - _RIGHT}" fill="none" stroke="#cbd5e0"/>'
        f'<text x="{_LEFT - 6}" y="{top + 4}" text-anchor="end" fill="#565d6b">{frame.top:.3g}</text>'
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end" fill="#565d6b">0</text>'
        f'<text x="{_LEFT}" y="{HEIGHT - 8}" fill="#565d6b">{frame.first:%Y-%m-%d}</text>'
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 8}" text-anchor="end" fill="#565d6b">{frame.last:%Y-%m-%d}</text>'
    )


def _drawn(line: Line, frame: _Frame) -> str:
    colour = _colour(line)
    runs = _runs(line.points)
    paths = "".join(
        f'<polyline points="{" ".join(f"{frame.x(at)},{frame.y(share)}" for at, share in run)}" '
        f'fill="none" stroke="{colour}" stroke-width="1.5"/>'
        for run in runs
    )
    dots = "".join(
        f'<circle cx="{frame.x(at)}" cy="{frame.y(share)}" r="2" fill="{colour}"/>'
        for run in runs
        for at, share in run
    )
    return f"<g><title>{escape(visible(line.name, _LONGEST_NAME))}</title>{paths}{dots}</g>"


def _colour(line: Line) -> str:
    return _COLOURS.get(line.severity, _COLOURS["info"])


def _labels(lines: Sequence[Line], frame: _Frame) -> str:
    """Each line's number at its end, lifted where it would cover the one below it."""
    ends = [(*_runs(line.points)[-1][-1], line) for line in lines if _runs(line.points)]
    free = float(HEIGHT)
    drawn = []
    for at, share, line in sorted(ends, key=lambda end: end[1]):
        height = min(frame.y(share) + 4, free)
        free = height - _LABEL
        number = line.number(lines)
        drawn.append(f'<text x="{frame.x(at) + 5}" y="{height}" fill="{_colour(line)}">{number}</text>')
    return "".join(drawn)


def _runs(points: Sequence[tuple[datetime, float | None]]) -> list[list[tuple[datetime, float]]]:
    """The stretches without a break."""
    runs: list[list[tuple[datetime, float]]] = [[]]
    for at, share in points:
        if share is None or not math.isfinite(share):
            runs.append([])
        else:
            runs[-1].append((at, share))
    return [run for run in runs if run]
