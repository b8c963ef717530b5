"""The expressions of metrics.yml at their limits, which DESIGN.md §5 says are inclusive."""

from __future__ import annotations

import pytest

MADE = "2026-10-02 00:00:00"


def seconds(count: float) -> str:
    """A time so long after every request of this world."""
    from datetime import datetime, timedelta

    return (datetime.fromisoformat(MADE) + timedelta(seconds=count)).isoformat(
        sep=" ", timespec="microseconds"
    )


JUST = 0.000001
MINUTES, DAYS = 60, 86_400


@pytest.fixture(scope="module")
def levels(build_world):
    """{(metric, arm): (y, d)}: every event of the control at the limit, of the treatment a microsecond later."""
    arms = {"r1": ("control", 0.0), "r2": ("treatment", JUST)}
    world = build_world(
        requests=[(r, MADE) for r in arms] + [("r3", MADE)],
        assignments=[(r, arm, MADE) for r, (arm, _) in arms.items()] + [("r3", "control", MADE)],
        quotes=[
            row
            for r, (_, late) in arms.items()
            for row in (
                (f"{r}-before", r, "p0", seconds(-10)),
                (f"{r}-a", r, "p1", seconds(30 * MINUTES + late)),
                (f"{r}-b", r, "p2", seconds(2 * 3600)),
                (f"{r}-c", r, "p3", seconds(DAYS + late)),
                (f"{r}-d", r, "p4", seconds(40 * DAYS)),
                (f"{r}-e", r, "p5", seconds(80 * DAYS)),
            )
        ],
        hires=[
            row
            for r, (_, late) in arms.items()
            for row in (
                (f"{r}-h", r, seconds(3 * DAYS + late), "100", "Refunded"),
                (f"{r}-i", r, seconds(40 * DAYS), "20.5", "kept"),
                (f"{r}-j", r, seconds(80 * DAYS), "1", "disputed"),
            )
        ]
        + [("r3-h", "r3", seconds(7 * DAYS), None, "disputed")],
        support_tickets=[("t1", "r1", seconds(50 * DAYS)), ("t2", "r1", seconds(80 * DAYS))],
        spam_flags=[("r2-a", seconds(DAYS)), ("r2-e", seconds(DAYS)), ("nobodys", seconds(DAYS))],
    )
    rows = world.execute(
        "select metric, variant, y, d from plumbline_metrics.metric_statistics "
        "where reading = 'repaired' and segment is null"
    ).fetchall()
    world.close()
    return {(metric, arm): (y, d) for metric, arm, y, d in rows}


@pytest.mark.parametrize(
    ("metric", "control", "treatment"),
    [
        ("quoted", (1, 2), (1, 1)),
        ("quoted_within_30m", (1, 2), (0, 1)),
        ("three_quotes_within_24h", (1, 2), (0, 1)),
        ("hire_rate_3d", (1, 2), (0, 1)),
        ("hire_rate_7d", (2, 2), (1, 1)),
        ("quotes_per_request", (5, 2), (5, 1)),
        ("gmv_per_request", (120.5, 2), (120.5, 1)),
        ("refund_rate", (2, 3), (1, 2)),
        ("support_tickets_per_100_requests", (1, 2), (0, 1)),
        ("spam_flags_per_1000_quotes", (0, 5), (2, 5)),
    ],
)
def test_limits_are_inclusive_and_counts_end_only_with_the_clock(levels, metric, control, treatment):
    assert levels[metric, "control"] == pytest.approx(control)
    assert levels[metric, "treatment"] == pytest.approx(treatment)
