"""Null shares that jump on a date: a producer's changed schema, said with the gap of the column's nulls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.statistics.jumps import Jump, first_jump


def null_jumps(measurements: Measurements) -> Mapping[tuple[str, str], Jump]:
    """The first jump of each column's null share, by (source, column); columns without one are left out."""
    counts: dict[tuple[str, str], dict[date, tuple[int, int]]] = defaultdict(dict)
    for row in measurements.tables.get("daily_nulls", ()):
        if row["column_name"] is None or row["day"] is None:
            continue
        days = counts[row["source_name"], row["column_name"]]
        rows, nulls = days.get(row["day"], (0, 0))
        days[row["day"]] = (rows + row["n_rows"], nulls + row["n_null"])
    found = {place: first_jump(days) for place, days in sorted(counts.items())}
    return {place: jump for place, jump in found.items() if jump is not None}


def jump_words(jump: Jump) -> str:
    """The jump as a sentence's part, such as "null share rose from 0.3% to 12.4% on 2026-10-12: looks like …"."""
    until = "" if jump.until is None else f" and fell back after {jump.until}"
    return (
        f"null share rose from {jump.before:.1%} to {jump.after:.1%} on {jump.day}{until}: "
        "looks like a schema change"
    )
