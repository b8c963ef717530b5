"""Where a run tells how far it is; who listens (a bar, plain lines, nobody) is the caller's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Step(StrEnum):
    """The steps of a run, in order."""

    LOAD = "load the engine room"
    INSPECT = "inspect sources"
    BUILD = "build tables"
    CHECK = "run checks"
    ASSESS = "bound the gaps"
    REGISTER = "update the register"
    DECIDE = "decide"
    REPORT = "write the report"


Listener = Callable[[Step, str, float], None]
"""Told the step, what it is at, and the share of the step that is done."""

# One run a process, and dbt reports from threads of its own: a plain variable, not one of the caller's context.
_listeners: list[Listener] = []


def tell(step: Step, detail: str = "", done: float = 0.0) -> None:
    """Tell whoever listens."""
    for listener in _listeners:
        listener(step, detail, done)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within the block, ``listener`` is told of every step."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
