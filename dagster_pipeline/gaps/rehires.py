"""Rehires: what follows a request is looked for among all of its customer's requests, in the cohort or not.

A hire that is lost, undated, or of an unknown customer may be anybody's rehire, and nothing limits whose: where a gap leaves
one open the metric has no region, never a narrow one. Gaps about which arm a request is in bound it as any other ratio.
"""

from __future__ import annotations

from dagster_pipeline.config.metrics import MetricDefinition

REHIRES = "rehire_rate_30d"
ANYBODYS_REHIRE = "unidentified: any open row may be the rehire of any customer, or hide one"
TOO_YOUNG = "unidentified: some requests are too young to show a rehire"
_ABOUT_ARMS = frozenset(
    {
        "missing_variant",
        "late_assignment",
        "multiple_exposures",
        "sample_ratio_mismatch",
        "pre_exposure_imbalance",
        "distribution_drift",
        "stale_dashboard",
    }
)


def why_open(definition: MetricDefinition, kind: str, source: str, residual: int) -> str | None:
    """Why the gap leaves rehires without a region, None for other metrics and where it leaves nothing open."""
    if definition.name != REHIRES or kind in _ABOUT_ARMS or kind == "duplicate_rows":
        return None
    if kind in ("sampled_logging", "missing_partition", "stale_source"):
        return ANYBODYS_REHIRE if source in ("requests", "hires") else None
    return ANYBODYS_REHIRE if residual else None
