"""Lists and tables in Markdown, every value escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dagster_pipeline.report.escape import markdown_text

LONGEST = 600
"""Characters of a list's item or a table's cell."""


def bullets(title: str, items: Sequence[str]) -> Iterator[str]:
    """A list under its title (none where that is empty); nothing at all without items."""
    if not items:
        return
    yield ""
    if title:
        yield title
        yield ""
    yield from (f"- {markdown_text(item, LONGEST)}" for item in items)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table; the header is ours and stands as it is."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(markdown_text(cell, LONGEST) for cell in row)} |"
