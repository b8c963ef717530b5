"""Data Docs: the site Great Expectations renders from suites and validation results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

_SITE = "plumbline"
# Great Expectations loads styles and scripts from a dozen hosts; opening a page must not call any of them.
_OUTSIDE = re.compile(
    r"<script\b[^>]*\bsrc=[\"']https?:[^>]*>\s*</script>"
    r"|<(?:link\b[^>]*\bhref|img\b[^>]*\bsrc)=[\"']https?:[^>]*>"
    r"|url\([\"']?https?:[^)]*\)"
    r"|<footer\b.*?</footer>",
    re.IGNORECASE | re.DOTALL,
)
_STYLE = """<style>
body { font: 15px/1.5 sans-serif; margin: 2rem; max-width: 72rem }
td, th { padding: .2rem .8rem; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }
.nav { list-style: none; padding-left: 0 }
.fa-check-circle::before { content: "✓ passed" }
.fa-times::before { content: "✗ failed" }
.fa-exclamation-triangle::before { content: "! raised" }
</style></head>"""


def write_site(context: Any, validated: Sequence[Any], folder: Path) -> None:
    """Render ``validated`` (``ExpectationSuiteValidationResult``) to ``folder``/index.html and beside it."""
    from great_expectations.core import ExpectationSuite  # noqa: PLC0415 - seconds of CPU

    run_time = datetime.now(UTC)
    for result in validated:
        configurations = [each.expectation_config for each in result.results]
        context.suites.add_or_update(ExpectationSuite(name=result.suite_name, expectations=configurations))
        _store(context, result, run_time)
    folder.mkdir(parents=True, exist_ok=True)
    context.add_data_docs_site(_SITE, _site(folder))
    context.build_data_docs(site_names=[_SITE])
    for page in [*folder.rglob("*.html"), *folder.rglob("*.css")]:
        text = _OUTSIDE.sub("", page.read_text(encoding="utf-8"))
        page.write_text(text.replace("</head>", _STYLE, 1), encoding="utf-8")
    _list_pages(folder, {result.suite_name: bool(result.success) for result in validated})


def _list_pages(folder: Path, passed: dict[str, bool]) -> None:
    """Name the pages on the index: its own table is filled by a script from outside."""
    pages = sorted((folder / "validations").rglob("*.html"), key=lambda page: page.stem)
    rows = (
        f'<tr><td><a href="{quote(page.relative_to(folder).as_posix())}">{escape(page.stem)}</a></td>'
        f"<td>{'passed' if passed.get(page.stem) else 'failed'}</td></tr>"
        for page in pages
    )
    table = f"<table><tr><th>Suite</th><th>Status</th></tr>{''.join(rows)}</table></body>"
    index = folder / "index.html"
    index.write_text(index.read_text(encoding="utf-8").replace("</body>", table, 1), encoding="utf-8")


def _store(context: Any, result: Any, run_time: datetime) -> None:
    from great_expectations.core.run_identifier import RunIdentifier  # noqa: PLC0415
    from great_expectations.data_context.types.resource_identifiers import (  # noqa: PLC0415
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    suite = ExpectationSuiteIdentifier(name=result.suite_name)
    run_id = RunIdentifier(run_name=_SITE, run_time=run_time)
    result.meta["run_id"] = run_id
    identifier = ValidationResultIdentifier(
        expectation_suite_identifier=suite,
        run_id=run_id,
        batch_identifier=result.suite_name,
    )
    context.validation_results_store.store_validation_results(
        suite_validation_result=result,
        suite_validation_result_identifier=identifier,
        expectation_suite_identifier=suite,
    )


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
