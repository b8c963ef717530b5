"""The one-page report: one HTML file that loads nothing from anywhere and runs no script."""

from __future__ import annotations

from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.page import page
from dagster_pipeline.report.templating import rendered_template


def render_html(report: RunReport) -> str:
    """Gives the whole page; every value is escaped by the template engine."""
    treatments = {row.variant for row in report.metrics.effects}
    treatments |= {str(item["variant"]) for document in report.decisions for item in document["criteria"]}
    return rendered_template("report.html.j2", page=page(report), several_treatments=len(treatments) > 1)
