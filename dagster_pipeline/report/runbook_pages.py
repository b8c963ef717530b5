"""The runbooks a run needs, as pages beside its report: in its look, self-contained, and about its own gaps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING

from dagster_pipeline.report.gap_view import gap_views
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.runbooks import Runbook, runbook_name, runbooks
from dagster_pipeline.report.templating import rendered_template

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


def runbook_pages(report: RunReport) -> Mapping[str, str]:
    """The page of every kind of gap in the run, by its path beside the report's page."""
    kinds = sorted({gap.kind for gap in report.gaps} & set(runbooks()))
    return {runbook_name(kind): _page(runbooks()[kind], kinds, report) for kind in kinds}


def _page(runbook: Runbook, kinds: Collection[str], report: RunReport) -> str:
    return rendered_template(
        "runbook.html.j2",
        runbook=runbook,
        lead=runbook_html(runbook.lead, kinds),
        body=runbook_html(runbook.body, kinds),
        gaps=gap_views(report, [gap for gap in report.gaps if gap.kind == runbook.kind]),
    )


def runbook_html(text: str, kinds: Collection[str] = ()) -> str:
    """A runbook's Markdown as HTML, markup in it shown as text. A link to the runbook of one of ``kinds`` stays one; other links are left as text."""
    reader = _reader()
    tokens = reader.parse(text)
    for token in tokens:
        if token.children:
            token.children = _linked(token.children, kinds)
    return str(reader.renderer.render(tokens, reader.options, {}))


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415  only a run renders, and many commands import its files

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _linked(children: list[Token], kinds: Collection[str]) -> list[Token]:
    """Links of Markdown never nest, so that a closing one belongs to the last that was opened."""
    kept, is_link = [], False
    for token in children:
        if token.type == "link_open":
            kind, _, suffix = str(token.attrGet("href") or "").rpartition(".")
            is_link = suffix == "md" and kind in kinds
            token.attrSet("href", f"{kind}.html")
        if token.type not in ("link_open", "link_close") or is_link:
            kept.append(token)
    return kept
