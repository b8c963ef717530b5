"""What takes too long for every change runs where it is asked for by its marker: make test-matrix."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sets the tests marked ``matrix`` aside unless the marker expression names them."""
    if "matrix" in (config.option.markexpr or ""):
        return
    aside = [item for item in items if item.get_closest_marker("matrix")]
    if aside:
        config.hook.pytest_deselected(items=aside)
        items[:] = [item for item in items if not item.get_closest_marker("matrix")]
