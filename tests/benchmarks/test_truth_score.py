"""The benchmark's figures from records made by hand: what is wrong must be counted as wrong."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.truth import decisions, page, score
from benchmarks.truth.plan import CLEAN_WORLDS, DECISION, DECISION_WORLDS, FAULTY_WORLDS, planned
from benchmarks.truth.score import Share
from benchmarks.truth.whole_line import WholeLine

METRIC = "hire_rate_7d"
PLACE = ("missing_values", "hires", "hired_at")


def effect(value=0.01, lower=None, upper=None, gate=0.02):
    low, high = value if lower is None else lower, value if upper is None else upper
    return {
        "value": value, "ci_lower": value - 0.02, "ci_upper": value + 0.02,
        "lower": low, "upper": high, "gate_lower": low - gate, "gate_upper": high + gate,
    }  # fmt: skip


def rule(value=0.01, threshold=-0.005):
    return {
        "metric": METRIC, "effect": "absolute", "conditions": [["estimate", "lower", threshold]], "base": "passed",
        "joint": "passed", "value": value, "ci_lower": value - 0.02, "ci_upper": value + 0.02,
    }  # fmt: skip


def record(id_="w1", *, twin=None, injections=(), gaps=(), planted=(), **changes):
    habits = {} if not injections else {"habits": {"drop": 1.0}}
    return {
        "id": id_, "twin": twin or id_, "group": "single" if injections else "clean", "regime": "clearly passing",
        "injections": list(injections), "truth": {METRIC: 0.01}, "effects": {METRIC: effect()}, "negligible": {METRIC: 0.001},
        "rules": [rule()], "gaps": list(gaps), "planted": [list(p) for p in planted], "altered": [1] * len(injections),
        "verdict": "GO", "share": 1.0, "base_passes": True, "value": 1.0,
    } | habits | changes  # fmt: skip


def fault(rate=0.06, mechanism="at_random", kind=PLACE[0], place="hires.hired_at"):
    return {"kind": kind, "place": place, "rate": rate, "mechanism": mechanism}


def gap(place=PLACE, *, affected=5, severity="high", **impact):
    impacts = [{"metric": METRIC, "unmitigated": 0.01, "mitigated": 0.01, "lower": 0.0, "upper": 0.02,
                "delta_star": None, "direction": "either", "expected": "none", "flips": False} | impact]  # fmt: skip
    return {
        "kind": place[0], "table": place[1], "column": place[2], "segment": None, "severity": severity,
        "affected": affected, "share": 0.06, "residual": 0.06, "differential": False, "impacts": impacts,
    }  # fmt: skip


def twins(**changes):
    """A clean world and the same with one fault."""
    faulty = {"injections": [fault()], "gaps": [gap()], "planted": [(*PLACE, 5)]} | changes
    return [record("w1"), record("w1f0", twin="w1", **faulty)]


def test_only_a_gap_above_info_in_a_clean_world_is_a_false_alarm():
    quiet = record("w1", gaps=[gap(severity="info")])
    found = score.false_alarms([quiet, record("w2", gaps=[gap(severity="low")])])
    assert found == {"any kind": Share(1, 2), "missing_values": Share(1, 2)}


def test_a_planted_gap_that_is_not_registered_or_miscounted_is_a_miss():
    assert score.recall(twins())[PLACE[0], 0.06] == score.Recall(Share(1, 1), Share(1, 1))
    assert score.recall(twins(gaps=[]))[PLACE[0], 0.06] == score.Recall(Share(0, 1), Share(0, 1))
    assert score.recall(twins(gaps=[gap(affected=6)]))[PLACE[0], 0.06] == score.Recall(
        Share(1, 1), Share(0, 1)
    )
    uncounted = twins(planted=[(*PLACE, None)])
    assert score.recall(uncounted)[PLACE[0], 0.06] == score.Recall(Share(1, 1), Share(0, 0))


@pytest.mark.parametrize(
    ("direction", "unmitigated", "is_wrong"),
    [
        ("inflates", 0.03, False),
        ("inflates", 0.005, True),
        ("deflates", 0.005, False),
        ("deflates", 0.03, True),
        ("none", 0.0105, False),
        ("none", 0.03, True),
        ("toward_zero", 0.005, False),
        ("toward_zero", 0.03, True),
        ("either", 0.5, False),
    ],
)
def test_a_direction_is_wrong_where_the_bias_goes_elsewhere(direction, unmitigated, is_wrong):
    found = score.directions(twins(gaps=[gap(direction=direction, unmitigated=unmitigated)]))
    assert bool(found.wrong) is is_wrong
    assert sum(found.proved.values()) == 1


def test_what_is_expected_is_judged_where_the_bias_exceeds_its_error():
    biased = {"unmitigated": 0.05, "expected": "inflates"}
    assert score.directions(twins(gaps=[gap(**biased)])).expected_right == Share(1, 1)
    assert score.directions(twins(gaps=[gap(**biased | {"expected": "deflates"})])).expected_right == Share(
        0, 1
    )
    guessless = score.directions(twins(gaps=[gap(**biased | {"expected": "none"})]))
    assert (guessless.expected_right, guessless.no_guess) == (Share(0, 0), Share(1, 1))
    small = score.directions(twins(gaps=[gap(unmitigated=0.011, expected="inflates")]))
    assert (small.expected_right, small.no_guess) == (Share(0, 0), Share(0, 0))


@pytest.mark.parametrize(
    ("lower", "upper", "is_held"), [(0.012, 0.012, True), (0.01, 0.01, False), (None, None, True)]
)
def test_where_the_clean_world_leaves_nothing_open_its_full_cohort_is_what_a_region_must_hold(
    lower, upper, is_held
):
    """An estimate leaves out what is not old enough; a region does not."""
    faulty = effect() | {"lower": lower, "upper": upper}
    worlds = twins(effects={METRIC: faulty})
    worlds[0]["effects"] = {METRIC: effect(0.01, 0.012, 0.012)}
    assert (score.regions(worlds, lambda _: True).held.hits == 1) is is_held


def test_a_region_that_ends_short_of_the_twins_estimate_is_a_miss_and_one_without_ends_holds_everything():
    def held(lower, upper):
        return score.regions(
            twins(effects={METRIC: effect(0.02) | {"lower": lower, "upper": upper}}), lambda _: True
        )

    assert held(0.0, 0.02).held == Share(1, 1)
    assert held(0.011, 0.02).held == Share(0, 1)
    assert held(None, 0.02).held == Share(1, 1)
    assert held(None, 0.005).held == Share(0, 1)
    assert held(None, None).unlimited == Share(1, 1)


def test_a_world_of_which_not_every_fault_was_found_is_told_apart():
    (found,) = score.pairs(twins())
    (missed,) = score.pairs(twins(gaps=[]))
    assert (score.everything_was_found(found), score.everything_was_found(missed)) == (True, False)


def test_an_injection_that_picked_no_row_is_no_faulty_world():
    assert score.pairs(twins(altered=[0])) == []


def test_the_tight_side_is_the_one_at_which_the_truth_lies():
    edge = {"injections": [fault(mechanism="adversarial_up")], "truth": {METRIC: 0.0}}
    inside = twins(effects={METRIC: effect(0.01, 0.0, 0.02)}, **edge)
    assert score.coverage(inside, METRIC) == (Share(1, 1), Share(1, 1))
    short = twins(effects={METRIC: effect(0.05, 0.03, 0.07)}, **edge)
    assert score.coverage(short, METRIC) == (Share(0, 1), Share(0, 1))
    elsewhere = twins(injections=[fault()], effects={METRIC: effect()})
    assert score.coverage(elsewhere, METRIC) == (Share(0, 0), Share(0, 0))


def test_widths_are_compared_where_something_is_open():
    region = {METRIC: effect(0.01, 0.0, 0.022)}
    assert score.width_ratios(twins(effects=region, brute={METRIC: [0.0, 0.02]})) == {
        METRIC: (pytest.approx(1.1), 1)
    }
    assert score.width_ratios(twins(effects=region, brute={METRIC: [0.01, 0.01]})) == {}


def test_a_go_where_the_clean_twin_fails_clearly_is_counted():
    clean, faulty = twins()
    failing = clean | {"rules": [rule(-0.05)]}
    assert decisions.wrong_go_where_twin_fails([failing, faulty]) == Share(1, 1)
    assert decisions.wrong_go_where_twin_fails([failing, faulty | {"verdict": "HOLD"}]) == Share(0, 1)
    assert decisions.wrong_go_where_twin_fails([clean, faulty]) == Share(0, 0)
    twinless = faulty | {"id": "d1", "twin": "", "group": DECISION}
    assert decisions.wrong_go_where_twin_fails([failing, twinless]) == Share(0, 0)


def test_habits_are_compared_at_the_wrong_gos_that_ours_has():
    """A habit that lets every launch through is held back until it lets no more bad ones through than ours."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=400)
    margins = values + rng.normal(size=400)
    worlds = [
        record(f"w{i}f0", twin="w", injections=[fault()], value=float(v), habits={"drop": float(m)}, share=float(m > 1))
        for i, (v, m) in enumerate(zip(values, margins, strict=True))
    ]  # fmt: skip
    practised = {line.name: line for line in decisions.as_practised(worlds)}
    assert practised["drop"].wrong_go.hits > practised[decisions.OURS].wrong_go.hits
    level = {line.name: line for line in decisions.at_our_wrong_go(worlds)}
    assert level["drop"].wrong_go.hits == level[decisions.OURS].wrong_go.hits
    ours = level[decisions.OURS]
    expected = np.mean([max(0.0, -v) if m > 1 else max(0.0, v) for v, m in zip(values, margins, strict=True)])
    assert ours.regret == pytest.approx(expected)


def test_the_plan_is_the_same_each_time_and_pairs_every_faulty_world_with_its_twin():
    worlds = planned(60, 90, 8, seed=3)
    assert worlds == planned(60, 90, 8, seed=3)
    assert sum(not w.injections for w in worlds) == 60
    assert sum(bool(w.injections) and w.group != DECISION for w in worlds) == 90
    clean = {w.id: w for w in worlds if not w.injections}
    assert all(clean[w.twin].spec == w.spec for w in worlds if w.group != DECISION)
    assert all(
        w.spec.unit == "customer" for w in worlds for i in w.injections if i.kind == "pre_exposure_imbalance"
    )


def test_the_whole_plan_holds_every_fault_at_every_rate_by_every_mechanism():
    worlds = planned()
    assert sum(not w.injections for w in worlds) == CLEAN_WORLDS
    assert sum(bool(w.injections) for w in worlds) == FAULTY_WORLDS + DECISION_WORLDS
    singles = {str(w.injections[0]) for w in worlds if w.group == "single"}
    assert len(singles) == sum(w.group == "single" for w in worlds)
    assert {w.group for w in worlds} == {"clean", "single", "pair", "triple", "edge", DECISION}


def test_a_launch_in_part_has_its_part_of_the_loss():
    bad, good = (
        {"injections": [fault()], "value": v, "share": 0.1, "verdict": "PARTIAL"} for v in (-2.0, 3.0)
    )
    worlds = [record("a", **bad), record("b", **good)]
    ours = next(line for line in decisions.as_practised(worlds) if line.name == decisions.OURS)
    assert ours.regret == pytest.approx((0.1 * 2 + 0.9 * 3) / 2)
    assert (ours.wrong_go, ours.missed_go) == (Share(0, 1), Share(1, 1))


def test_the_page_shows_every_figure_and_says_how_many_worlds_could_not_be_looked_at():
    decided = [
        record(f"d{i}", twin="", injections=[fault()], value=v, group=DECISION)
        for i, v in enumerate((-1.0, 2.0))
    ]
    measured = [one | {"code": "0123abcd"} for one in (*twins(), *decided)]
    found = page.figures([*measured, {"id": "w9", "error": "it broke"}])
    assert found["worlds"] == {"clean": 1, "faulty": 1, "errors": 1, "code": ["0123abcd"]}
    text = page.page(found | {"whole_line": WholeLine(40, 2)}, 7)
    for said in (
        "1 clean worlds and 1 with planted faults",
        "seed 7",
        "(`benchmarks.truth.run.fingerprint`): `0123abcd`.",
        "40 of the faulty worlds went through the whole pipeline too",
        "in 2 of them",
        "**1 worlds could not be looked at",
        "1 of 1, exact 1",
        "2 worlds of 10,000 requests",
    ):
        assert said in text
