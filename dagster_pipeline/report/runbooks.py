"""Where the runbook of a gap kind is: what to query first, who fixes it, how a fix is verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from urllib.parse import quote, urlsplit, urlunsplit

from dagster_pipeline.paths import bundled

RUNBOOKS = "runbooks"
"""The folder of the pages, beside the report's own page."""

_INDEX = "index"
_KEPT_IN_ADDRESS = "/:@[]!$&'*+,;=%~"


@dataclass(frozen=True)
class Runbook:
    """One page of docs/runbooks: its title, and as Markdown the sentence below it and its sections."""

    kind: str
    title: str
    lead: str
    body: str


@cache
def runbooks() -> Mapping[str, Runbook]:
    """Every runbook by gap kind. Raises PlumblineError where the installation lacks them."""
    folder = bundled(f"docs/{RUNBOOKS}")
    found = [_read(path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.md"))]
    return MappingProxyType({runbook.kind: runbook for runbook in found if runbook.kind != _INDEX})


def runbook_name(kind: str) -> str:
    """The page's name beside the report's page, such as ``runbooks/stale_source.html``; "" for a kind that has none."""
    return f"{RUNBOOKS}/{kind}.html" if kind in runbooks() else ""


def runbook_link(kind: str, base: str | None) -> str | None:
    """The page's whole address. None without a base, for a base that is no http(s) address, or a kind without a runbook.

    ``base`` is where the report can be read: the address of its page, or of the folder it lies in. What follows its path
    (a query, a fragment) is about that page and may hold a secret: it is not handed on.
    """
    name = runbook_name(kind)
    if not base or not name:
        return None
    try:
        parts = urlsplit(base)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    folder, _, last = parts.path.rpartition("/")
    if last and not last.endswith((".html", ".htm")):
        folder = f"{folder}/{last}"
    host, path = (quote(part, safe=_KEPT_IN_ADDRESS) for part in (parts.netloc, f"{folder}/{name}"))
    return urlunsplit((parts.scheme, host, path, "", ""))


def _read(kind: str, text: str) -> Runbook:
    title, _, rest = text.partition("\n")
    lead, mark, body = rest.partition("\n## ")
    return Runbook(kind, title.removeprefix("# ").strip(), lead.strip(), f"{mark}{body}".strip())
