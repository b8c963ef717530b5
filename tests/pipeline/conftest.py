"""Every world is run once a session, in one warm process: imports and the parse of the dbt project are paid once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from line import Line, run_world
from planted_worlds import WORLDS


@pytest.fixture(scope="session", autouse=True)
def _environment_as_it_was() -> Iterator[None]:
    """A run tells its process where it works; the next test file must not hear of it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Line]:
    """The run of a world by its name."""

    @cache
    def line(name: str) -> Line:
        world = WORLDS[name]
        folder = tmp_path_factory.mktemp(name)
        return run_world(folder, world.spec, world.faults, world.edit_config, world.tamper)

    return line
