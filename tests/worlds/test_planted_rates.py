"""Every kind of gap, planted at 0.5, 2, 6 and 18% by group, is found with its exact count, and nothing else is found.

A row takes part in one fault at most, so the faults of a group do not overlap; each group is one world per rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

import pytest
from scipy.stats import binomtest

from benchmarks.compiled_line import CompiledRun, Place, compiled_run, place_of, shown
from dagster_pipeline.demo.faults import Drift, Faults, HourShift, MissingPartition
from dagster_pipeline.demo.world import WorldSpec
from dagster_pipeline.gaps.model import Gap

RATES = (0.005, 0.02, 0.06, 0.18)
IN_EVERY_RUN = (0.02,)
"""Rates of the default suite; the others come with the matrix."""
SPEC = WorldSpec(requests=3_000, seed=31)
WINDOW = "created_at >= '2026-10-01' and created_at < '2026-10-29'"
AS_OF = "'2026-11-06'"
MISMATCH: Place = ("sample_ratio_mismatch", "assignments", "variant")


def _evenly(rate: float) -> tuple[date, ...]:
    """That share of the 39 days of traffic, one at least, none of them beside another or at the ends."""
    count = max(1, round(rate * 39))
    return tuple(date(2026, 10, 3) + timedelta(days=4 * n + 1) for n in range(count))


def _copies(rate: float) -> Faults:
    tables = (
        "requests",
        "quotes",
        "hires",
        "assignments",
        "quote_events",
        "messages",
        "support_tickets",
        "spam_flags",
    )
    return Faults(
        srm=rate,
        duplicates=dict.fromkeys(tables, rate),
        resent_quotes=rate,
        conflicts=dict.fromkeys(("requests", "quotes", "hires", "support_tickets"), rate),
    )


def _holes(rate: float) -> Faults:
    return Faults(
        missing_assignment=rate,
        recovered_assignment=rate,
        missing_quote_variant=rate,
        nulls=dict.fromkeys(
            ("requests.geo", "quotes.quoted_at", "quotes.price", "hires.amount", "hires.outcome", "hires.pro_id",
             "messages.pro_id", "support_tickets.opened_at", "spam_flags.flagged_at"), rate),
        dangling=dict.fromkeys(("quotes", "hires", "messages", "support_tickets", "spam_flags"), rate),
    )  # fmt: skip


def _times(rate: float) -> Faults:
    tables = (
        "requests",
        "quotes",
        "hires",
        "assignments",
        "quote_events",
        "messages",
        "support_tickets",
        "spam_flags",
    )
    return Faults(
        early_quotes=rate,
        shifted_events=rate,
        hour_shift=HourShift("treatment", rate),
        future=dict.fromkeys(tables, rate),
    )


def _exposures(rate: float) -> Faults:
    return Faults(late_assignment=rate, multiple_exposures=rate)


def _words(rate: float) -> Faults:
    named = ("quotes.variant", "quote_events.variant", "assignments.variant", "hires.outcome")
    return Faults(
        miscased=dict.fromkeys(named, rate),
        undeclared=dict.fromkeys(named, rate),
        invalid=dict.fromkeys(("quotes.price", "hires.amount"), rate),
        unreadable=dict.fromkeys(("quotes.price", "hires.amount", "hires.hired_at"), rate),
        missing_partition=(MissingPartition("messages", _evenly(rate)),),
    )


def _mixes(rate: float) -> Faults:
    return Faults(
        sampled_logging=rate,
        drifts=(Drift("category", "dj", rate, arm="treatment"),),
        stale_dashboard=rate,
    )


def _pasts(rate: float) -> Faults:
    return Faults(imbalance=rate)


@dataclass(frozen=True)
class Group:
    """Faults of one rate in one world; ``follows``: places that come of them; ``ignored``: kinds that may come of them."""

    faults: Callable[[float], Faults]
    spec: WorldSpec = SPEC
    follows: frozenset[Place] = frozenset()
    ignored: frozenset[str] = frozenset()


# A dashboard that knew the truth is no longer right about tables that lost rows or times.
_DASHBOARDS = frozenset({"stale_dashboard"})
GROUPS = {
    "copies": Group(_copies, ignored=_DASHBOARDS),
    "holes": Group(_holes, ignored=_DASHBOARDS),
    "times": Group(_times, ignored=_DASHBOARDS),
    "exposures": Group(_exposures),
    "words": Group(_words, follows=frozenset({("missing_variant", "requests", None)}), ignored=_DASHBOARDS),
    "mixes": Group(_mixes, WorldSpec(requests=6_000, seed=31)),
    # Where a customer's requests are in both arms, the past of one arm is the other's too.
    "pasts": Group(_pasts, WorldSpec(requests=6_000, seed=31, days_before=28, unit="customer")),
}
# Kinds of which no row can be counted, or that are found only where chance does not explain them.
STATISTICAL = (
    "sample_ratio_mismatch",
    "missing_partition",
    "sampled_logging",
    "distribution_drift",
    "pre_exposure_imbalance",
)


@dataclass(frozen=True)
class Found:
    """What a planted world came to; ``asked`` are figures taken from its raw tables."""

    gaps: tuple[Gap, ...]
    planted: Mapping[str, int]
    rows: Mapping[str, int]
    asked: Mapping[str, int] = field(default_factory=dict)

    def places(self) -> set[Place]:
        return {place_of(gap) for gap in self.gaps if gap.segment is None}

    def gap(self, place: Place) -> Gap:
        found = [gap for gap in self.gaps if place_of(gap) == place and gap.segment is None]
        assert len(found) == 1, f"{len(found)} gaps {place}; there are {shown(self.gaps)}"
        return found[0]


ASKED = {
    "units": f"select count(distinct entity_id) from raw.assignments where assigned_at <= {AS_OF}",
    "cohort": f"select count(distinct request_id) from raw.requests where {WINDOW}",
    "control": "select count(distinct entity_id) from raw.assignments where lower(trim(variant)) = 'control'",
    "treatment": "select count(distinct entity_id) from raw.assignments where lower(trim(variant)) = 'treatment'",
    "pairs": f"select count(distinct (request_id, pro_id)) from raw.quotes join raw.quote_events using (request_id, pro_id) where quoted_at <= {AS_OF} and event_at <= {AS_OF}",
}


@cache
def planted(group: str, rate: float) -> Found:
    made = GROUPS[group]
    with compiled_run(made.spec, made.faults(rate)) as run:
        return found_in(run)


def found_in(run: CompiledRun) -> Found:
    assert run.world is not None
    asked = {name: run.ask(sql)[0][0] for name, sql in ASKED.items()}
    return Found(run.gaps, run.world.planted, run.world.rows, asked)


def counted_places(ledger: Mapping[str, int]) -> dict[Place, int]:
    """The ledger's countable faults as places of gaps."""
    places: dict[Place, int] = {}
    for name, count in ledger.items():
        kind, table, column = (*name.split("."), None, None)[:3]
        if not name.endswith(".residual") and kind not in STATISTICAL:
            places[kind, table, column] = count
    return places


def total_of(found: Found, place: Place) -> int:
    """What the affected rows are counted out of (DESIGN.md §7)."""
    kind, table, column = place
    other = {
        "multiple_exposures": "units",
        "source_conflict": "pairs",
        "missing_variant": "cohort" if column is None else None,
    }.get(kind)
    return found.asked[other] if other else found.rows[table]


EACH = [pytest.param(rate, marks=() if rate in IN_EVERY_RUN else pytest.mark.matrix) for rate in RATES]
EVERY = [
    pytest.param(group, rate, marks=() if rate in IN_EVERY_RUN else pytest.mark.matrix)
    for group in GROUPS
    for rate in RATES
]


@pytest.mark.parametrize(("group", "rate"), EVERY)
def test_what_can_be_counted_is_counted_exactly(group, rate):
    found = planted(group, rate)
    expected = counted_places(found.planted)
    counts = {place: found.gap(place).rows_affected for place in expected}
    assert counts == expected
    totals = {place: found.gap(place).rows_total for place in expected}
    assert totals == {place: total_of(found, place) for place in expected}


@pytest.mark.parametrize(("group", "rate"), EVERY)
def test_what_no_repair_reaches_is_counted_exactly(group, rate):
    found = planted(group, rate)
    for name, count in found.planted.items():
        if not name.endswith(".residual"):
            continue
        kind, table, column = (*name.removesuffix(".residual").split("."), None)[:3]
        gap = found.gap((kind, table, column))
        assert gap.share_residual == pytest.approx(count / gap.rows_total, rel=1e-12), name


@pytest.mark.parametrize(("group", "rate"), EVERY)
def test_nothing_else_is_found(group, rate):
    found, made = planted(group, rate), GROUPS[group]
    expected = set(counted_places(found.planted)) | made.follows
    others = {place for place in found.places() - expected if place[0] not in (*STATISTICAL, *made.ignored)}
    assert not others, shown([gap for gap in found.gaps if place_of(gap) in others])


@pytest.mark.parametrize(("group", "rate"), EVERY)
def test_the_ratio_of_the_units_is_questioned_where_chance_does_not_explain_it(group, rate):
    found = planted(group, rate)
    control, treatment = found.asked["control"], found.asked["treatment"]
    is_off = binomtest(treatment, control + treatment).pvalue < 0.0005
    assert (MISMATCH in found.places()) == is_off
    assert is_off == ((group, rate) == ("copies", 0.18))


@pytest.mark.parametrize("rate", EACH)
def test_days_without_rows_are_named_and_no_others(rate):
    gap = planted("words", rate).gap(("missing_partition", "messages", None))
    assert (gap.rows_affected, gap.share_affected) == (None, None)
    taken = _evenly(rate)
    named = [day for day in _days() if day.isoformat() in gap.description]
    assert named == list(taken[:5])  # a longer list is cut, and says so
    assert ("and 2 more" in gap.description) == (len(taken) == 7)


def _days() -> list[date]:
    return [date(2026, 9, 28) + timedelta(days=n) for n in range(39)]


@pytest.mark.parametrize(("group", "rate"), EVERY)
def test_no_day_is_missed_that_was_not_taken(group, rate):
    found = {place for place in planted(group, rate).places() if place[0] == "missing_partition"}
    assert found == ({("missing_partition", "messages", None)} if group == "words" else set())


@pytest.mark.parametrize("rate", EACH)
def test_sampling_that_nobody_declared_is_found_below_nine_in_ten_and_counted(rate):
    found = planted("mixes", rate)
    place = ("sampled_logging", "quote_events", None)
    assert (place in found.places()) == (rate > 0.1)
    if rate > 0.1:
        assert found.gap(place).rows_affected == found.planted["sampled_logging.quote_events"]
        assert found.gap(place).by_variant["treatment"] == pytest.approx(rate, abs=0.0005)
        assert found.gap(place).by_variant["control"] == 0
        assert found.gap(place).differential


@pytest.mark.parametrize("rate", EACH[:3])
def test_sampling_that_is_declared_is_a_gap_at_any_rate(rate):
    def declare(config):
        config["experiments"][0]["sampling"] = {"quote_events": {"treatment": 1 - rate}}

    with compiled_run(GROUPS["mixes"].spec, Faults(sampled_logging=rate), edit_config=declare) as run:
        found = found_in(run)
    gap = found.gap(("sampled_logging", "quote_events", None))
    assert gap.rows_affected == found.planted["sampled_logging.quote_events"]


@pytest.mark.parametrize("rate", EACH)
def test_arms_whose_requests_differ_in_kind_are_found_where_chance_does_not_explain_it(rate):
    gaps = [g for g in planted("mixes", rate).gaps if g.kind == "distribution_drift" and g.experiment]
    # 2% of one arm's 1,300 requests are within what a fair draw gives.
    assert [(g.table, g.column, g.experiment) for g in gaps] == (
        [("requests", "category", "quoting_v2")] if rate >= 0.06 else []
    )
    assert all("dj" in gap.description for gap in gaps)


@pytest.mark.parametrize("rate", EACH)
def test_arms_that_differed_before_the_start_are_found_where_chance_does_not_explain_it(rate):
    gaps = [g for g in planted("pasts", rate).gaps if g.kind == "pre_exposure_imbalance"]
    assert [(g.table, g.column, g.experiment) for g in gaps] == (
        [("requests", "customer_id", "quoting_v2")] if rate >= 0.18 else []
    )


@pytest.mark.parametrize(("group", "rate"), EVERY)
def test_no_mix_drifts_that_was_left_alone(group, rate):
    kinds = {"distribution_drift", "pre_exposure_imbalance"}
    found = {place for place in planted(group, rate).places() if place[0] in kinds}
    allowed = {
        "mixes": {("distribution_drift", "requests", "category")},
        "pasts": {("pre_exposure_imbalance", "requests", "customer_id")},
    }
    assert found <= allowed.get(group, set())
