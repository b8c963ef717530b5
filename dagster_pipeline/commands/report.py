"""``plumbline report``: the last run's summary on the terminal."""

from __future__ import annotations

from pathlib import Path

from dagster_pipeline.errors import NotEvaluatedError


def report(output: Path) -> None:
    """Print summary.md and the path of the HTML report."""
    summary, page = output / "summary.md", output / "report" / "index.html"
    if not summary.exists() or not page.exists():
        raise NotEvaluatedError(f"There is no report in {output}; run `plumbline run` first.")
    print(summary.read_text(encoding="utf-8"))
    print(f"Report: {page}")
