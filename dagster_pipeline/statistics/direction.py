"""Which way a gap makes the treatment look (GAPS.md §3): proved by the region, expected from the repair."""

from __future__ import annotations

from dagster_pipeline.statistics.evidence import Better
from dagster_pipeline.statistics.vocabulary import Direction

_ROUNDING = 1e-12
_WORTH_A_GUESS = 0.1


def bias_interval(
    unmitigated: float | None, lower: float | None, upper: float | None
) -> tuple[float | None, float | None]:
    """The bias of the unrepaired estimate, raw: [unmitigated − upper, unmitigated − lower].

    An end is None where the estimate or the region's end is.
    """
    if unmitigated is None:
        return None, None
    return (
        None if upper is None else unmitigated - upper,
        None if lower is None else unmitigated - lower,
    )


def epsilon(limit: float | None, threshold: float | None) -> float:
    """A bias too small to matter: a tenth of the interval limit's distance to the threshold, else 0."""
    return 0.0 if limit is None or threshold is None else abs(limit - threshold) / 10


def direction(
    unmitigated: float | None,
    lower: float | None,
    upper: float | None,
    better: Better,
    negligible: float = 0.0,
    only_shrinks: bool = False,
) -> Direction:
    """What the region proves of the bias: the first that holds of GAPS.md §3's five words.

    ``lower`` and ``upper`` are raw, None where unbounded: one finite side may still prove a direction.
    ``negligible`` is GAPS.md's ε; ``only_shrinks`` says that the mechanism can do nothing else.
    """
    low, high = _oriented(*bias_interval(unmitigated, lower, upper), better)
    slack = _ROUNDING * max(1.0, abs(unmitigated or 0.0))
    if low is not None and high is not None and max(abs(low), abs(high)) <= negligible + slack:
        return Direction.NONE
    if low is not None and low >= -slack:
        return Direction.INFLATES
    if high is not None and high <= slack:
        return Direction.DEFLATES
    return Direction.TOWARD_ZERO if only_shrinks else Direction.EITHER


def expected_direction(
    unmitigated: float | None,
    mitigated: float | None,
    better: Better,
    negligible: float = 0.0,
    region: tuple[float | None, float | None] = (None, None),
) -> Direction:
    """The sign of what the repair took away: a best guess, allowed to be wrong.

    No guess (``either``) where the repair took away less than a tenth of the width of the ``region`` (lower, upper; raw)
    that it left open, unless the region proves the side: what the repair could not reach weighs more than what it showed.
    """
    if unmitigated is None or mitigated is None:
        return Direction.EITHER
    shift = unmitigated - mitigated
    if abs(shift) <= negligible + _ROUNDING * max(1.0, abs(unmitigated)):
        return Direction.NONE
    lower, upper = region
    if lower is not None and upper is not None and lower < unmitigated < upper:
        guess_at = _WORTH_A_GUESS * (upper - lower)
    else:
        guess_at = 0.0
    if abs(shift) < guess_at:
        return Direction.EITHER
    return Direction.INFLATES if (shift > 0) == (better is Better.HIGHER) else Direction.DEFLATES


def _oriented(low: float | None, high: float | None, better: Better) -> tuple[float | None, float | None]:
    """The interval with higher meaning better: a lower-is-better metric turns round."""
    if better is Better.HIGHER:
        return low, high
    return (None if high is None else -high), (None if low is None else -low)
