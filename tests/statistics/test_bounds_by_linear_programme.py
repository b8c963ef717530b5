"""The label bound with strata and the joint bound equal the optimum of a programme that knows nothing of their formulas.

With the arms' sizes known, Δ is linear in how many of each cell an arm takes, so the sharp bound is the optimum of a
linear programme, and of an integer one where requests are whole. Many small cases are solved as one programme of
independent blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import Bounds as Box
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import block_diag
from small_cases import CASES, cases, near

from dagster_pipeline.statistics.bounds.joint import Outcomes, joint_share
from dagster_pipeline.statistics.bounds.label import LabelCounts, known_split, stratified


@dataclass(frozen=True)
class Programme:
    """max or min of gain·x + constant, subject to equal·x = total, unequal·x ≤ room and 0 ≤ x ≤ most."""

    gain: list[float]
    constant: float
    equal: list[list[float]]
    total: list[float]
    unequal: list[list[float]]
    room: list[float]
    most: list[float]


def _optima(programmes: list[Programme], sign: int, whole: bool) -> list[float]:
    """The optimum of each block: largest for sign 1, least for −1."""
    gain = np.concatenate([one.gain for one in programmes])
    equal = block_diag([np.atleast_2d(one.equal) for one in programmes])
    unequal = block_diag([np.atleast_2d(one.unequal) for one in programmes])
    total, room, most = (
        np.concatenate([getattr(one, name) for one in programmes]) for name in ("total", "room", "most")
    )
    if whole:
        constraints = [LinearConstraint(equal, total, total), LinearConstraint(unequal, -np.inf, room)]
        found = milp(
            -sign * gain, integrality=np.ones(len(gain)), bounds=Box(0, most), constraints=constraints
        )
    else:
        bounds = np.column_stack([np.zeros(len(most)), most])
        found = linprog(-sign * gain, A_ub=unequal, b_ub=room, A_eq=equal, b_eq=total, bounds=bounds)
    assert found.success, found.message
    ends = np.cumsum([len(one.gain) for one in programmes])[:-1]
    parts = np.split(gain * found.x, ends)
    return [one.constant + float(part.sum()) for one, part in zip(programmes, parts, strict=True)]


def _hold(programmes: list[Programme], bounds: list, whole: bool) -> None:
    for sign, end in ((1, "upper"), (-1, "lower")):
        for optimum, found in zip(_optima(programmes, sign, whole), bounds, strict=True):
            assert near(getattr(found, end), optimum, 1e-7)


def _strata(random) -> list[tuple[LabelCounts, int]]:
    strata = []
    for _ in range(random.randint(1, 4)):
        n_t, n_c = random.randint(1, 9), random.randint(1, 9)
        counts = LabelCounts(
            n_t,
            random.randint(0, n_t),
            n_c,
            random.randint(0, n_c),
            random.randint(0, 6),
            random.randint(0, 6),
        )
        strata.append((counts, random.choice([0, counts.m, random.randint(0, counts.m)])))
    return strata


def _label_programme(strata: list[tuple[LabelCounts, int]]) -> Programme:
    """x holds, per stratum, the unlabelled successes and failures that are T's."""
    n_t = sum(c.n_t + k for c, k in strata)
    n_c = sum(c.n_c + c.m1 + c.m0 - k for c, k in strata)
    size = 2 * len(strata)
    return Programme(
        gain=[1 / n_t + 1 / n_c, 0.0] * len(strata),
        constant=sum(c.s_t for c, _ in strata) / n_t - sum(c.s_c + c.m1 for c, _ in strata) / n_c,
        equal=[[float(place // 2 == g) for place in range(size)] for g in range(len(strata))],
        total=[k for _, k in strata],
        unequal=[[0.0] * size],
        room=[0.0],
        most=[most for c, _ in strata for most in (c.m1, c.m0)],
    )


@pytest.mark.parametrize("whole", [False, True], ids=["linear", "integer"])
def test_the_label_bound_with_strata_is_the_programmes_optimum(whole):
    worlds = [_strata(random) for random in cases("label programme")]
    _hold([_label_programme(strata) for strata in worlds], [stratified(strata) for strata in worlds], whole)
    single = [strata[:1] for strata in worlds]
    _hold(
        [_label_programme(strata) for strata in single], [known_split(*strata[0]) for strata in single], whole
    )
    corners = [(k == 0, k == counts.m) for strata in worlds for counts, k in strata]
    assert sum(first for first, _ in corners) > 50
    assert sum(last for _, last in corners) > 50


def _joint_programme(t: Outcomes, c: Outcomes, m: Outcomes, k: int) -> Programme:
    """x: unlabelled successes, failures and unknown ones that are T's; unknown ones of T, of C that succeed."""
    n_t, n_c = t.n + k, c.n + m.n - k
    return Programme(
        gain=[1 / n_t + 1 / n_c, 0.0, 0.0, 1 / n_t, -1 / n_c],
        constant=t.ones / n_t - (c.ones + m.ones) / n_c,
        equal=[[1.0, 1.0, 1.0, 0.0, 0.0]],
        total=[k],
        unequal=[[0.0, 0.0, -1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0, 1.0]],
        room=[t.unknown, c.unknown + m.unknown],
        most=[m.ones, m.zeros, m.unknown, t.unknown + m.unknown, c.unknown + m.unknown],
    )


@pytest.mark.parametrize("whole", [False, True], ids=["linear", "integer"])
def test_the_joint_bound_is_the_programmes_optimum(whole):
    worlds = []
    for random in cases("joint programme", CASES + 40):
        t, c, m = (Outcomes(*(random.randint(0, 5) for _ in range(3))) for _ in range(3))
        k = random.choice([0, m.n, random.randint(0, m.n)])
        if t.n + k and c.n + m.n - k:
            worlds.append((t, c, m, k))
    assert len(worlds) >= CASES
    _hold([_joint_programme(*world) for world in worlds], [joint_share(*world) for world in worlds], whole)
