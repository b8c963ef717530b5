"""Where in plumbline.yml a gap has its source: the line an editor or a review shows it at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_pipeline.config.lines import Document, read_document
from dagster_pipeline.config.own_metrics import own_name
from dagster_pipeline.config.problems import KeyPath
from dagster_pipeline.gaps.model import Gap

_LARGEST = 1_000_000  # bytes


@dataclass(frozen=True)
class ConfigPlaces:
    """The configuration as a file of the repository; ``name`` is its path there, with slashes.

    ``document`` is None where the file is not at hand or can't be read: then every place is the file as a whole.
    """

    name: str
    document: Document | None = None

    def line(self, gap: Gap) -> int:
        """The 1-based line of the gap's column, of its source, or of its experiment; 1 where the file names none."""
        document = self.document
        if document is None or not isinstance(document.data, dict):
            return 1
        paths = (path for path in _paths(gap, document.data) if path in document.lines)
        return next((document.lines[path] for path in paths), 1)


def config_places(config: Path, root: Path) -> ConfigPlaces:
    """The places of a configuration in the repository whose checkout is ``root``.

    A file outside it goes by its bare name: nobody else has the folders of this machine.
    """
    try:
        name = config.resolve().relative_to(root.resolve()).as_posix()
    except (ValueError, OSError):
        name = config.name
    return ConfigPlaces(name, _document(config))


def _document(config: Path) -> Document | None:
    try:
        if config.stat().st_size > _LARGEST:
            return None
        # Only the lines are wanted, so that no variable of the environment is.
        return read_document(config.read_text(encoding="utf-8-sig"), {})
    except (OSError, ValueError):
        return None


def _paths(gap: Gap, data: Mapping[str, Any]) -> Iterator[KeyPath]:
    """Where the gap could be written, the nearest first."""
    if gap.table is not None:
        if gap.column is not None:
            yield "sources", gap.table, "columns", gap.column
        yield "sources", gap.table
        yield from _items(data, "parity", "id", lambda name: name == gap.table)
        yield from _items(data, "metrics", "name", lambda name: own_name(name) == gap.table)
    if gap.experiment is not None:
        yield from _items(data, "experiments", "id", lambda name: name == gap.experiment)


def _items(data: Mapping[str, Any], key: str, named: str, fits: Any) -> Iterator[KeyPath]:
    items = data.get(key)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and fits(str(item.get(named))):
            yield key, index
