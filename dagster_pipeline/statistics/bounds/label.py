"""Requests whose outcome is seen but whose arm is not: closed forms for a share of two arms.

``dealing`` does the same for every kind of metric and any number of arms; these are its oracle and its
words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dagster_pipeline.statistics.bounds.pair import Bounds

DESIGN_BAND_Z = 2.576  # the band of arm sizes that a design share leaves open holds the truth at 99%


@dataclass(frozen=True)
class LabelCounts:
    """Two labelled arms (n units, s successes) and the unlabelled: ``m1`` successes and ``m0`` failures."""

    n_t: int
    s_t: int
    n_c: int
    s_c: int
    m1: int
    m0: int

    @property
    def m(self) -> int:
        """All unlabelled units."""
        return self.m1 + self.m0

    @property
    def total(self) -> int:
        """All units."""
        return self.n_t + self.n_c + self.m


def known_split(counts: LabelCounts, k: float) -> Bounds:
    """Sharp bounds of p_T − p_C when k of the unlabelled belong to T (clipped to what there is)."""
    k = min(max(k, 0.0), float(counts.m))
    return Bounds(
        lower=_effect(counts, k, max(0.0, k - counts.m0)), upper=_effect(counts, k, min(k, counts.m1))
    )


def nothing_known(counts: LabelCounts) -> Bounds:
    """Sharp bounds over every labelling: all of one outcome to one arm, the rest to the other."""
    n_t, s_t, n_c, s_c, m1, m0 = (
        counts.n_t, counts.s_t, counts.n_c, counts.s_c, counts.m1, counts.m0,
    )  # fmt: skip
    return Bounds(
        lower=s_t / (n_t + m0) - (s_c + m1) / (n_c + m1), upper=(s_t + m1) / (n_t + m1) - s_c / (n_c + m0)
    )


def design_band(counts: LabelCounts, share: float, z: float = DESIGN_BAND_Z) -> Bounds:
    """Bounds when only the design share π of T is known: the extremes over the band's ends and the kinks.

    k ranges over πN − n_T ± z·√(Nπ(1−π)); they hold the truth as often as that band does, not always.
    A band that no labelling reaches refutes the design share: then nothing is known.
    """
    middle = share * counts.total - counts.n_t
    half = z * math.sqrt(counts.total * share * (1 - share))
    low, high = max(0.0, middle - half), min(float(counts.m), middle + half)
    if low > high:
        return nothing_known(counts)
    kinks = [k for k in (counts.m0, counts.m1) if low <= k <= high]
    ends = [known_split(counts, k) for k in (low, high, *kinks)]
    return Bounds(min(end.lower for end in ends), max(end.upper for end in ends))


def stratified(strata: Iterable[tuple[LabelCounts, int]]) -> Bounds:
    """Sharp bounds of the pooled effect with k known in every stratum.

    a_L = Σ max(0, k − m₀), a_U = Σ min(k, m₁), put into the pooled Δ(a) (GAPS.md §2).
    """
    pairs = list(strata)
    pooled = LabelCounts(
        *(
            sum(getattr(counts, name) for counts, _ in pairs)
            for name in ("n_t", "s_t", "n_c", "s_c", "m1", "m0")
        )
    )
    k = sum(k for _, k in pairs)
    low = sum(max(0, k_g - counts.m0) for counts, k_g in pairs)
    high = sum(min(k_g, counts.m1) for counts, k_g in pairs)
    return Bounds(_effect(pooled, k, low), _effect(pooled, k, high))


def post_stratified(strata: Sequence[tuple[LabelCounts, int]]) -> Bounds:
    """Bounds of Σ (N_g/N)·Δ_g, the post-stratified effect: another estimand than the pooled one."""
    total = sum(counts.total for counts, _ in strata)
    ends = [(counts.total / total, known_split(counts, k)) for counts, k in strata]
    return Bounds(sum(w * end.lower for w, end in ends), sum(w * end.upper for w, end in ends))


@dataclass(frozen=True)
class Scenarios:
    """Three stories about the unlabelled. To show, never a bound: they miss the truth almost always."""

    all_treatment: float
    all_control: float
    dropped: float


def scenarios(counts: LabelCounts) -> Scenarios:
    """The effect if all unlabelled were T's, if all were C's, and with them left out."""
    return Scenarios(
        all_treatment=_effect(counts, counts.m, counts.m1),
        all_control=_effect(counts, 0, 0),
        dropped=counts.s_t / counts.n_t - counts.s_c / counts.n_c,
    )


def _effect(counts: LabelCounts, k: float, a: float) -> float:
    """Δ when k unlabelled units, a of them successes, are T's."""
    return (counts.s_t + a) / (counts.n_t + k) - (counts.s_c + counts.m1 - a) / (counts.n_c + counts.m - k)
