"""The full matrix through the whole line: each column and each source broken in every way, one at a time.

Whatever is broken, the run ends with every file of DESIGN.md §7 valid against its schema, the right gap, and no traceback
(`run_line` holds each run to it). Most of an hour: make test-matrix.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.line import Line, make_world, run_line
from tests.worlds.breaks import (
    ADDRESSES,
    COLUMN_BREAKS,
    PLAIN,
    SOURCE_BREAKS,
    SOURCES,
    ColumnBreak,
    break_column,
)

pytestmark = pytest.mark.pipeline
# Through the whole line in the default suite: the one that takes most with it.
IN_EVERY_RUN = {("requests.created_at", "of another type")}


class Workshop:
    """A good world that is copied, broken and run; what a good run built is in the warehouse of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_world(folder, PLAIN)
        self._whole = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def mended(self) -> Path:
        """The folder as it was made, apart from the warehouse and the output."""
        for path in [path for path in self._folder.iterdir() if path.is_file()]:
            path.unlink()
        for name, content in self._whole.items():
            (self._folder / name).write_bytes(content)
        return self._folder

    def run(self) -> Line:
        return run_line(self._folder / "plumbline.yml")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("matrix"))


COLUMN_CASES = [
    pytest.param(
        address,
        found,
        id=f"{address} {found.name}",
        marks=() if (address, found.name) in IN_EVERY_RUN else pytest.mark.matrix,
    )
    for address in ADDRESSES
    for found in COLUMN_BREAKS
]


@pytest.mark.parametrize(("address", "found"), COLUMN_CASES)
def test_a_broken_column_ends_in_files_and_a_gap_that_names_it(workshop, address: str, found: ColumnBreak):
    break_column(workshop.mended(), address, found)
    line = workshop.run()
    assert line.outcome.broken == ()
    table, column = address.split(".")
    kinds = [gap["kind"] for gap in line.gaps if (gap["table"], gap["column"]) == (table, column)]
    assert kinds == ([found.kind] if found.kind else [])
    if found.kind is None:
        assert line.gaps == []
        assert line.verdict["verdict"] == "GO"


@pytest.mark.matrix
@pytest.mark.parametrize("way", SOURCE_BREAKS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_broken_source_ends_in_files_and_a_gap_that_names_it(workshop, source: str, way: str):
    SOURCE_BREAKS[way](workshop.mended(), source)
    line = workshop.run()
    assert line.outcome.broken == ()
    assert line.gap("not_evaluated", source)["rows_affected"] is None
