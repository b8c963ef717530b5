"""How a run's progress looks: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dagster_pipeline.progress import Step, listening

_STEPS = tuple(Step)
# Building takes most of the time; the bar should move the way the clock does.
_WEIGHTS = {
    Step.LOAD: 25,
    Step.INSPECT: 2,
    Step.BUILD: 60,
    Step.CHECK: 25,
    Step.ASSESS: 6,
    Step.REGISTER: 2,
    Step.DECIDE: 1,
    Step.REPORT: 4,
}


@contextmanager
def shown(*, quiet: bool = False) -> Iterator[None]:
    """Within the block, show the progress of a run on standard error."""
    if quiet:
        yield
    elif sys.stderr.isatty():
        with _bar():
            yield
    else:
        with listening(_Lines()):
            yield


class _Lines:
    """One line as each step begins."""

    def __init__(self) -> None:
        self._last: Step | None = None
        self._started = time.monotonic()

    def __call__(self, step: Step, detail: str, done: float) -> None:
        if step is not self._last:
            self._last = step
            number = _STEPS.index(step) + 1
            print(
                f"[{number}/{len(_STEPS)}] {step.value} ({time.monotonic() - self._started:.0f} s)",
                file=sys.stderr,
                flush=True,
            )


@contextmanager
def _bar() -> Iterator[None]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(
            "start", total=sum(_WEIGHTS.values()), detail="dbt, Dagster, Great Expectations"
        )

        def update(step: Step, detail: str, done: float) -> None:
            before = sum(_WEIGHTS[s] for s in _STEPS[: _STEPS.index(step)])
            progress.update(
                task, description=step.value, detail=detail[:40], completed=before + _WEIGHTS[step] * done
            )

        with listening(update):
            yield
