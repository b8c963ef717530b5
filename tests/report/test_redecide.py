"""Whatever people say about gaps, and in whatever order: the verdict is the one that follows from where the gaps stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_pipeline.gaps.model import GapStatus, GapWaiver
from dagster_pipeline.register.acts import ActKind, GapAct
from dagster_pipeline.register.lifecycle import waiver_in_force
from dagster_pipeline.report.redecide import decide_again
from tests.commands.triage_cases import a_run

BEGAN = datetime(2026, 11, 6, 6, tzinfo=UTC)
RUN = a_run(BEGAN)
BLOCKING = RUN.report.gaps[0].gap_id
IDS = [*(gap.gap_id for gap in RUN.report.gaps), "gap-of-another-warehouse"]


def an_act(kind, gap_id=BLOCKING, after=1, days=2, scope=None, share=0.06):
    at = BEGAN + timedelta(hours=after)
    waiver = GapWaiver("Bo", "Mo", "why", scope, at, at + timedelta(days=days), share, 0.1)
    is_waiver = kind is ActKind.ACCEPT
    return GapAct(
        kind, gap_id, "Bo", at, "why", "Ops", waiver if is_waiver else None, digest=f"{kind}{after}"
    )


ACTS = st.lists(
    st.builds(
        an_act, st.sampled_from(ActKind), st.sampled_from(IDS), st.integers(1, 40), st.integers(1, 3),
        st.sampled_from([None, "quoting_v2", "other"]), st.sampled_from([0.01, 0.06]),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ACTS, st.integers(0, 120))
def test_a_go_rests_on_a_word_that_holds_and_on_nothing_else(acts, hours):
    at = BEGAN + timedelta(hours=hours)
    found = decide_again(RUN, acts, at)
    gap = next(gap for gap in found.gaps if gap.gap_id == BLOCKING)
    waiver = gap.life.waiver
    is_waived = waiver is not None and waiver.scope != "other" and waiver_in_force(gap, at)
    is_settled = gap.status is GapStatus.RESOLVED or is_waived
    # A waiver that ran out blocks, whatever it was for: somebody meant to look at that gap by now.
    has_expired = any(_is_expired(gap, at) for gap in found.gaps)
    assert (found.verdicts[0]["verdict"] == "GO") == (is_settled and not has_expired)
    assert bool(found.verdicts[0]["waivers"]) <= any(g.status is GapStatus.ACCEPTED for g in found.gaps)
    assert {gap.gap_id for gap in found.gaps} == {gap.gap_id for gap in RUN.report.gaps}


def _is_expired(gap, at):
    waiver = gap.life.waiver
    return waiver is not None and waiver.scope != "other" and waiver.expires_at <= at


@settings(max_examples=30, deadline=None)
@given(ACTS)
def test_the_stored_run_is_asked_and_never_the_last_answer(acts):
    """Deciding twice, or in between, changes nothing: what was measured is kept apart from what people said."""
    at = BEGAN + timedelta(hours=50)
    decide_again(RUN, acts[:2], at)
    assert decide_again(RUN, acts, at) == decide_again(RUN, acts, at)
    assert a_run(BEGAN) == RUN


def test_what_was_measured_stays_as_it_was_measured():
    found = decide_again(RUN, [an_act(ActKind.ACCEPT)], BEGAN + timedelta(hours=2))
    assert (found.as_of, found.metrics, found.checks, found.run_id) == (
        RUN.report.as_of, RUN.report.metrics, RUN.report.checks, RUN.report.run_id
    )  # fmt: skip
    for before, after in zip(RUN.report.verdicts[0]["criteria"], found.verdicts[0]["criteria"], strict=True):
        assert {**after, "outcome": None} == {**before, "outcome": None}


def test_without_a_word_the_verdict_is_the_runs_own():
    at = BEGAN + timedelta(hours=1)
    assert decide_again(RUN, [], at).verdicts == RUN.report.verdicts


@pytest.mark.parametrize("share", [0.01, None])
def test_a_waiver_of_less_than_the_gap_is_waives_nothing(share):
    act = an_act(ActKind.ACCEPT, share=share)
    assert decide_again(RUN, [act], BEGAN + timedelta(hours=2)).verdicts[0]["verdict"] == "HOLD"
