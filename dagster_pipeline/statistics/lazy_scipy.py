"""scipy.stats, imported on first use only: the import alone costs about a CPU second."""

from __future__ import annotations

from typing import Any


def scipy_stats() -> Any:
    """The module ``scipy.stats``."""
    from scipy import stats  # noqa: PLC0415 - see the module's docstring

    return stats


def chi2_sf(x: float, df: int) -> float:
    """Upper tail of χ² with ``df`` degrees of freedom; keeps its precision down to 1e-300."""
    return float(scipy_stats().chi2.sf(x, df))
