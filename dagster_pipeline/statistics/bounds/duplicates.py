"""What duplicated rows do to a figure when nobody removes them."""

from __future__ import annotations

from dataclasses import dataclass


def count_bias(mean_t: float, mean_c: float, duplicated_t: float, duplicated_c: float) -> float:
    """Bias of Δ of rows per request when a share of each arm's rows appears twice: μ_T·d_T − μ_C·d_C."""
    return mean_t * duplicated_t - mean_c * duplicated_c


@dataclass(frozen=True)
class DuplicatedShare:
    """A share computed over rows of which some appear twice."""

    observed: float
    bias: float
    effective_size_ratio: float


def duplicated_share(p: float, successes_duplicated: float, failures_duplicated: float) -> DuplicatedShare:
    """The observed share p(1+d₁)/[p(1+d₁) + (1−p)(1+d₀)], its bias, and Kish's effective size per row."""
    ones, zeros = p * (1 + successes_duplicated), (1 - p) * (1 + failures_duplicated)
    squares = p * (1 + 3 * successes_duplicated) + (1 - p) * (1 + 3 * failures_duplicated)
    observed = ones / (ones + zeros)
    return DuplicatedShare(observed, observed - p, (ones + zeros) ** 2 / squares)
