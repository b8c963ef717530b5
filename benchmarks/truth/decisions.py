"""Whose decisions lose least: ours, and four habits people have (ignore, drop, skew, hold on any failed check).

The loss of a decision is what the true effects say it cost (`habits.launch_value`). A habit's threshold can be moved until it
lets as many bad launches through as ours does, so that prudence alone wins nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.score import Share, share

Record = Mapping[str, Any]
OURS = "plumbline"


@dataclass(frozen=True)
class Line:
    """One way to decide: wrong GOs among bad worlds, missed GOs among good ones, mean regret."""

    name: str
    wrong_go: Share
    missed_go: Share
    regret: float
    regret_error: float

    @property
    def worlds(self) -> int:
        """Worlds with something to lose or to win."""
        return self.wrong_go.n + self.missed_go.n


def as_practised(records: Sequence[Record]) -> list[Line]:
    """Every way to decide as people do it, on the same worlds."""
    value = _values(records)
    return [_line(name, go, value) for name, go in _choices(records, {}).items()]


def at_our_wrong_go(records: Sequence[Record]) -> list[Line]:
    """Every habit with its threshold moved until it has our share of wrong GOs, or less."""
    value = _values(records)
    ours = _choices(records, {})[OURS]
    allowed = int(((ours == 1) & (value < 0)).sum())
    shifts = {name: _shift(_margins(records, name), value < 0, allowed) for name in _habit_names(records)}
    return [_line(name, go, value) for name, go in _choices(records, shifts).items()]


def wrong_go_where_twin_fails(records: Sequence[Record], standard_errors: float = 2.0) -> Share:
    """GOs in faulty worlds whose clean twin fails a rule of the brief by that many standard errors."""
    by_id = {r["id"]: r for r in records}
    twins = [(r, by_id[r["twin"]]) for r in records if r["group"] != "clean" and r["twin"] in by_id]
    return share(r["verdict"] == "GO" for r, twin in twins if fails_clearly(twin, standard_errors))


def fails_clearly(twin: Record, standard_errors: float) -> bool:
    """Whether the clean world's estimate misses some threshold by that many of its standard errors."""
    return any(
        _shortfall(rule, quantity, side, threshold) > standard_errors
        for rule in twin["rules"]
        for quantity, side, threshold in rule["conditions"]
    )


def _shortfall(rule: Record, quantity: str, side: str, threshold: float) -> float:
    """Standard errors by which the estimate lies beyond the threshold; a limit is missed where the estimate is."""
    del quantity
    if None in (rule["value"], rule["ci_lower"], rule["ci_upper"]):
        return 0.0
    error = (rule["ci_upper"] - rule["ci_lower"]) / (2 * 1.6448536269514722)
    beyond = threshold - rule["value"] if side == "lower" else rule["value"] - threshold
    return beyond / error if error > 0 else 0.0


def _values(records: Sequence[Record]) -> NDArray[np.float64]:
    return np.array([r["value"] for r in records])


def _habit_names(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(records[0]["habits"])


def _margins(records: Sequence[Record], name: str) -> NDArray[np.float64]:
    return np.array([r["habits"][name] for r in records])


def _choices(records: Sequence[Record], shifts: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
    """The share of the traffic each lets through, by world; a habit knows only all and nothing."""
    ours = {OURS: np.array([r["share"] for r in records])}
    habits = {name: _margins(records, name) >= shifts.get(name, 0.0) for name in _habit_names(records)}
    return ours | {name: go.astype(np.float64) for name, go in habits.items()}


def _shift(margins: NDArray[np.float64], is_bad: NDArray[np.bool_], allowed: int) -> float:
    """The least threshold at which no more than ``allowed`` bad worlds are let through."""
    bad = np.sort(margins[is_bad])[::-1]
    return -np.inf if allowed >= len(bad) else float(np.nextafter(bad[allowed], np.inf))


def _line(name: str, launched: NDArray[np.float64], value: NDArray[np.float64]) -> Line:
    """A launch in part has its part of the loss, and of what was forgone."""
    regret = launched * np.maximum(0.0, -value) + (1 - launched) * np.maximum(0.0, value)
    return Line(
        name,
        share((launched[value < 0] == 1).tolist()),
        share((launched[value > 0] < 1).tolist()),
        float(regret.mean()),
        float(regret.std(ddof=1) / np.sqrt(len(regret))),
    )
