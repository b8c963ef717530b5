"""Labels and outcomes missing at once: the closed form for a share of two arms (GAPS.md §2)."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_pipeline.statistics.bounds.pair import Bounds


@dataclass(frozen=True)
class Outcomes:
    """Units by outcome: successes, failures, unknown."""

    ones: int
    zeros: int
    unknown: int

    @property
    def n(self) -> int:
        """All units."""
        return self.ones + self.zeros + self.unknown


def joint_share(treatment: Outcomes, control: Outcomes, unlabelled: Outcomes, k: int) -> Bounds:
    """Sharp bounds of p_T − p_C when k of the unlabelled are T's and unknown outcomes may be either.

    U = (T₁ + T_? + min(k, M₁ + M_?))/N_T − (C₁ + M₁ − min(k, M₁))/N_C; L mirrors with the roles of the
    arms.
    """
    rest = unlabelled.n - k
    n_t, n_c = treatment.n + k, control.n + rest
    upper = _most(treatment, unlabelled, k) / n_t - _least(control, unlabelled, k) / n_c
    lower = _least(treatment, unlabelled, rest) / n_t - _most(control, unlabelled, rest) / n_c
    return Bounds(lower, upper)


def _most(arm: Outcomes, unlabelled: Outcomes, taken: int) -> int:
    """Successes of an arm that takes the best of the unlabelled."""
    return arm.ones + arm.unknown + min(taken, unlabelled.ones + unlabelled.unknown)


def _least(arm: Outcomes, unlabelled: Outcomes, taken_by_other: int) -> int:
    """Successes of an arm whose rival took the best of the unlabelled."""
    return arm.ones + unlabelled.ones - min(taken_by_other, unlabelled.ones)
