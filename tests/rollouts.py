"""The smallest plumbline.yml with a brief, and a trigger that fired: what the tests of the rollout start from."""

TRIGGER = {
    "metric": "hire_rate_7d", "variant": "treatment", "days": ["2026-10-08", "2026-10-09"], "falls": [0.012, 0.015],
    "max_fall": 0.01, "reason": "hire_rate_7d of treatment fell",
}  # fmt: skip


def config_with(**brief):
    """The configuration as YAML holds it; ``brief`` adds to its brief."""
    return {
        "version": 1,
        "warehouse": {"engine": "duckdb", "path": ".plumbline/warehouse.duckdb"},
        "sources": {
            "requests": {
                "from": "r.parquet",
                "columns": {"request_id": "request_id", "created_at": "created_at"},
            }
        },
        "experiments": [{"id": "x", "control": "control", "split": {"control": 0.5, "treatment": 0.5}}],
        "brief": {"experiment": "x", "guardrails": [{"metric": "hire_rate_7d", "max_decrease": 0.01}]}
        | brief,
    }
