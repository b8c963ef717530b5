"""Units that met the other arm's treatment, or carry its label: the effect shrinks by a known factor."""

from __future__ import annotations


def crossover_factor(crossed_t: float, crossed_c: float) -> float:
    """Intention-to-treat over effect on compliers: 1 − x_T − x_C (Bloom 1984; exclusion, monotonicity)."""
    return 1 - crossed_t - crossed_c


def label_flip_factor(flipped_t: float, flipped_c: float) -> float:
    """Observed over true Δ when shares of the arms belong, at random, to the other: 1 − ε_T − ε_C."""
    return 1 - flipped_t - flipped_c
