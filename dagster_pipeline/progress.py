"""Where a run tells how far it is; who listens (a bar, plain lines, nobody) is the caller's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Step(StrEnum):
    """The steps of a run, in order."""

    INSPECT = "inspect sources"
    BUILD = "build tables"
    CHECK = "run checks"
    ASSESS = "bound the gaps"
    REGISTER = "update the register"
    DECIDE = "decide"
    REPORT = "write the report"


Listener = Callable[[Step, str, float], None]
"""Told the step, what it is at, and the share of the step that is done."""

_listener: ContextVar[Listener | None] = ContextVar("plumbline_progress", default=None)


def tell(step: Step, detail: str = "", done: float = 0.0) -> None:
    """Tell whoever listens."""
    listener = _listener.get()
    if listener is not None:
        listener(step, detail, done)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within the block, ``listener`` is told of every step."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
