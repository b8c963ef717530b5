"""The one-page report: one HTML file that loads nothing from anywhere and runs no script."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.page import page


def render_html(report: RunReport) -> str:
    """Gives the whole page; every value is escaped by the template engine."""
    shown = page(report)
    treatments = {row.variant for row in report.metrics.effects}
    treatments |= {str(item["variant"]) for document in report.decisions for item in document["criteria"]}
    template = _templates().get_template("report.html.j2")
    return template.render(page=shown, several_treatments=len(treatments) > 1)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("dagster_pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
