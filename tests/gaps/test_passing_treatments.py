"""Which treatments pass on their own: the level is shared by all that could have been picked."""

from __future__ import annotations

import pytest
from small_worlds import CONTROL, EXPERIMENT, UNKNOWN, Request, config, experiment, mapping, measure, row

from dagster_pipeline.config.brief import Brief, Criterion
from dagster_pipeline.gaps.assess import assess

SHARE, N = "hire_rate_7d", 1_000
BETTER = Criterion(metric=SHARE, min_bound=0.0)
SHOWN_ALONE, SHOWN_PLAINLY, NOTHING = 147, 185, 120
"""Of 1,000 hired against 120: z = 1.78 (past 5%, not past 2.5%), z = 4.0, z = 0."""


def hired(arm: str, hires: int) -> list[Request]:
    return [Request(arm, 1.0)] * hires + [Request(arm, 0.0)] * (N - hires)


def passing(rows=(), unlabelled: int = 0, criteria=(BETTER,), **hires: int) -> tuple[str, ...]:
    arms = {CONTROL: 1 / (1 + len(hires))} | {arm: 1 / (1 + len(hires)) for arm in hires}
    requests = hired(CONTROL, 120) + [request for arm, k in hires.items() for request in hired(arm, k)]
    world = measure({SHARE: requests + [Request(UNKNOWN, 1.0)] * unlabelled}, rows=rows)
    briefs = [Brief(experiment=EXPERIMENT, criteria=criteria)] if criteria else []
    found = assess(config([experiment(split=arms)], briefs=briefs), mapping([SHARE]), world)
    return found.experiments[0].passing_treatments


@pytest.mark.parametrize(
    ("hires", "expected"),
    [
        ({"a": SHOWN_ALONE}, ("a",)),
        ({"a": SHOWN_ALONE, "b": NOTHING}, ()),
        ({"a": SHOWN_PLAINLY, "b": NOTHING}, ("a",)),
        ({"a": SHOWN_ALONE, "b": SHOWN_PLAINLY}, ("a", "b")),
        ({"a": NOTHING, "b": NOTHING}, ()),
    ],
    ids=["the only one", "picked of two", "plain", "after the other has passed", "none"],
)
def test_a_treatment_passes_at_its_share_of_the_level(hires, expected):
    assert passing(**hires) == expected


def test_a_treatment_that_the_open_gaps_could_turn_does_not_pass():
    plain = {"a": SHOWN_PLAINLY, "b": NOTHING}
    gap = row("missing_variant", "requests", experiment=EXPERIMENT, total=3_100, affected=100, residual=100)
    assert passing([gap], 100, **plain) == ()


def test_without_a_brief_no_treatment_passes():
    assert passing(criteria=(), a=SHOWN_PLAINLY) == ()
