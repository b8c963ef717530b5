"""Does a log hold what the ledger holds? Logged ÷ transactional, and what was declared of it."""

from __future__ import annotations

from collections.abc import Mapping

from dagster_pipeline.statistics.lazy_scipy import scipy_stats

LIMIT = 0.9
ALPHA = 0.001
LEAST_CONTRADICTION = 0.02  # of the declared rate: what less than that does to a weight moves nothing


def undersampled(n_transactions: int, n_logged: int, limit: float = LIMIT, alpha: float = ALPHA) -> bool:
    """Whether a log holds less than ``limit`` of the transactions, beyond chance.

    The share is below the limit and the exact binomial P(logged ≤ n_logged) at the limit is below ``alpha``: a log
    that truly holds ``limit`` or more is called sampled with probability ``alpha`` at most. Raises ValueError
    where more is logged than happened.
    """
    _expect_part(n_transactions, n_logged)
    if not n_transactions or n_logged >= limit * n_transactions:
        return False
    return bool(scipy_stats().binom.cdf(n_logged, n_transactions, limit) < alpha)


def undersampled_arms(
    pairs: Mapping[str, tuple[int, int]], limit: float = LIMIT, alpha: float = ALPHA
) -> frozenset[str]:
    """The arms whose log is undersampled, arm → (transactions, logged); ``alpha`` is shared among the arms."""
    share = alpha / max(1, len(pairs))
    return frozenset(arm for arm, (n, logged) in pairs.items() if undersampled(n, logged, limit, share))


def contradiction(n_transactions: int, n_logged: int, declared: float, alpha: float = ALPHA) -> float | None:
    """p of the logged share against a declared rate, None where they agree.

    Exact two-sided binomial test, p < ``alpha``, and off by a fiftieth of the declared rate or more. Where everything
    is declared to be logged a few lost events are no sample: there the share has to be ``undersampled``.
    """
    _expect_part(n_transactions, n_logged)
    if not n_transactions or abs(n_logged / n_transactions - declared) < LEAST_CONTRADICTION * declared:
        return None
    if declared == 1 and not undersampled(n_transactions, n_logged, alpha=alpha):
        return None
    p = float(scipy_stats().binomtest(n_logged, n_transactions, declared).pvalue)
    return p if p < alpha else None


def _expect_part(n_transactions: int, n_logged: int) -> None:
    if not 0 <= n_logged <= n_transactions:
        raise ValueError(f"logged must lie between 0 and {n_transactions:,} transactions, got {n_logged:,}")
