"""What the data leave open must lie between the two joint readings, whichever way it truly was."""

from __future__ import annotations

import pytest

REQUESTS = [(f"r{n}", "2026-10-02 00:00:00") for n in range(1, 6)]
ASSIGNED = [(f"r{n}", "control", "2026-10-02 00:00:00") for n in range(1, 6)]
SURE_QUOTES = [(f"sure{n}", f"r{n}", "p9", "2026-10-02 03:00:00") for n in range(1, 4)]
# What may have happened, as (soon, late): a quote with two readings, one without a time; hires likewise.
QUOTES = [
    (("q1", "r1", "p1", "2026-10-02 00:10:00"), ("q1", "r1", "p1", "2026-10-04 00:00:00")),
    (("q2", "r2", "p1", "2026-10-02 00:05:00"), ("q2", "r2", "p1", "2026-10-05 00:00:00")),
    (("q3", "r5", "p1", "2026-10-02 00:20:00"), ("q3", "r5", "p1", "2026-11-20 00:00:00")),
]
HIRES = [
    (
        ("h1", "r1", "2026-10-03 00:00:00", "100", "kept"),
        ("h1", "r1", "2026-10-20 00:00:00", "40", "refunded"),
    ),
    (
        ("h2", "r3", "2026-10-03 00:00:00", "70", "refunded"),
        ("h2", "r3", "2026-11-20 00:00:00", "70", "kept"),
    ),
    (
        ("h3", "r4", "2026-10-05 00:00:00", "30", "disputed"),
        ("h3", "r4", "2026-10-05 00:00:00", "30", "kept"),
    ),
]
UNDATED = {"q2": 3, "q3": 3, "h2": 2}


def blank(row, *places):
    return tuple(None if place in places else value for place, value in enumerate(row))


def measure(world):
    """{(metric, reading): (y, d)} of the control, quantiles as (value, 1) with None for infinite."""
    sums = world.execute(
        "select metric, reading, y, d from plumbline_metrics.metric_statistics where segment is null"
    ).fetchall()
    found = {(metric, reading): (y, d) for metric, reading, y, d in sums}
    quantiles = world.execute(
        "select metric, reading, quantile_value from plumbline_metrics.metric_quantiles where segment is null"
    ).fetchall()
    found |= {(m, r): (float("inf") if value is None else value, 1) for m, r, value in quantiles}
    world.close()
    return found


@pytest.fixture(scope="module")
def open_world(build_world):
    """Both readings of q1 and h1 in the table, q2, q3 and h2 without a time, h2 and h3 without an outcome."""
    quotes = [*QUOTES[0], *(blank(soon, 3) for soon, _ in QUOTES[1:])]
    hires = [*HIRES[0], blank(HIRES[1][0], 2, 4), blank(HIRES[2][0], 4)]
    return measure(
        build_world(requests=REQUESTS, assignments=ASSIGNED, quotes=SURE_QUOTES + quotes, hires=hires)
    )


@pytest.mark.parametrize("truth", [0, 1], ids=["all soon", "all late"])
def test_whatever_truly_happened_lies_between_the_joint_readings(build_world, open_world, truth):
    true = measure(
        build_world(
            requests=REQUESTS,
            assignments=ASSIGNED,
            quotes=SURE_QUOTES + [pair[truth] for pair in QUOTES],
            hires=[pair[truth] for pair in HIRES],
        )
    )
    metrics = {metric for metric, _ in true}
    assert {"ttfq_median", "hire_rate_7d", "gmv_per_request", "refund_rate"} <= metrics
    for metric in metrics:
        (y, d), low, high = (
            true[metric, "repaired"],
            open_world[metric, "joint_low"],
            open_world[metric, "joint_high"],
        )
        if metric.startswith("ttfq"):  # the reading with the most quotes has the least seconds
            low, high = high, low
        assert low[0] <= y <= high[0], metric
        assert low[1] <= d <= high[1], metric
