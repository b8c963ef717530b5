"""Child rows whose request exists but whose arm is unknown."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.statistics.bounds.pair import Bounds


@dataclass(frozen=True)
class CountedArm:
    """Requests of an arm, and its rows (for a count) or its requests with a row (for "at least one")."""

    requests: int
    counted: int


def count_bounds(treatment: CountedArm, control: CountedArm, orphans: int) -> Bounds:
    """Δ of rows per request: all orphans are C's, or all T's. Sharp."""
    t, c = treatment, control
    return Bounds(
        t.counted / t.requests - (c.counted + orphans) / c.requests,
        (t.counted + orphans) / t.requests - c.counted / c.requests,
    )


def at_least_one_bounds(treatment: CountedArm, control: CountedArm, parents: int) -> Bounds:
    """Δ of shares with at least one row, when up to ``parents`` requests without one have an orphan."""
    t, c = treatment, control
    to_t, to_c = min(t.requests - t.counted, parents), min(c.requests - c.counted, parents)
    return Bounds(
        t.counted / t.requests - (c.counted + to_c) / c.requests,
        (t.counted + to_t) / t.requests - c.counted / c.requests,
    )
