"""The last run's decision taken again after an act on a gap: its files written anew, and the new verdict on record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.gate.reading import StoredVerdict, read_verdict
from dagster_pipeline.register.acts import ActKind, GapAct
from dagster_pipeline.register.journal import DECISION_NOTED, append_entry, journal_path, read_journal
from dagster_pipeline.report.run_record import acts_since

if TYPE_CHECKING:
    from dagster_pipeline.report.stored_run import StoredRun

DECIDING = frozenset({ActKind.ACCEPT, ActKind.RESOLVE, ActKind.FALSE_POSITIVE, ActKind.REOPEN})
"""Acts that a verdict may hang on; who owns a gap or has seen it changes none."""
_WAIT_SECONDS = 2.0
_ABOUT = "gaps"


@dataclass(frozen=True)
class VerdictChange:
    """The verdict on one experiment before and after; ``is_changed`` also where only its limits or waivers differ."""

    experiment: str | None
    before: str
    after: str
    reason: str
    is_changed: bool

    @property
    def sentence(self) -> str:
        """For a person."""
        name = self.experiment or "no experiment"
        if self.before == self.after:
            return f"Verdict on {name} stays {self.after}. {self.reason}"
        return f"Verdict on {name}: {self.before} → {self.after}. {self.reason}"

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {"experiment": self.experiment, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class DecidedAgain:
    """The verdicts taken again, none where no act could move one; ``fault`` says why they stay as they are."""

    changes: tuple[VerdictChange, ...] = ()
    fault: str | None = None


def decide_stored_run(config: PlumblineConfig, output: Path, acts: Sequence[GapAct]) -> DecidedAgain:
    """Decide the run in ``output`` again, with everything people did since, and note each verdict that differs.

    ``acts`` are those just recorded: what can't be decided now is decided by the next run, so nothing is raised.
    """
    if not any(act.kind in DECIDING for act in acts):
        return DecidedAgain()
    try:
        with _alone(config, output):
            changes = _decided(config, output)
    except PlumblineError as error:
        return DecidedAgain(fault=str(error))
    for change in changes:
        if change.is_changed:
            _note(config, change, acts)
    return DecidedAgain(changes)


def _decided(config: PlumblineConfig, output: Path) -> tuple[VerdictChange, ...]:
    # A second of imports, which only those need who come this far.
    from dagster_pipeline.report.files import write_outputs  # noqa: PLC0415
    from dagster_pipeline.report.redecide import decide_again  # noqa: PLC0415
    from dagster_pipeline.report.stored_run import read_stored_run  # noqa: PLC0415

    run, at = read_stored_run(output), datetime.now(UTC)
    _expect_recent(run, config, at)
    journal = read_journal(journal_path(config.file))
    names = [verdict["experiment"] for verdict in run.report.decisions]
    before = {name: read_verdict(output, name) for name in names}
    report = decide_again(run, acts_since(run.journal, journal), at)
    write_outputs(report, output, run, len(journal))
    return tuple(_change(before[name], read_verdict(output, name)) for name in names)


def _expect_recent(run: StoredRun, config: PlumblineConfig, at: datetime) -> None:
    """Raises NotEvaluatedError where a brief no longer accepts the run: a new date must not make old data look new."""
    age = at - run.report.evaluated_at
    for brief in config.briefs:
        if age > brief.max_age:
            raise NotEvaluatedError(
                f"the run is {age / timedelta(days=1):.1f} days old, and the brief accepts "
                f"{brief.max_age / timedelta(days=1):g}; run `plumbline run` again."
            )


def _change(before: StoredVerdict, after: StoredVerdict) -> VerdictChange:
    return VerdictChange(
        after.experiment,
        before.verdict.value,
        after.verdict.value,
        after.reasons[0],
        _limits(before) != _limits(after),
    )


def _limits(found: StoredVerdict) -> tuple[object, ...]:
    return (found.verdict, found.segments, found.stage, found.blocked_by, found.waivers)


def _note(config: PlumblineConfig, change: VerdictChange, acts: Sequence[GapAct]) -> None:
    """What the next run copies into the decision log: the verdict, and whose act it rests on."""
    because = [{"act": act.kind.value, "gap_id": act.gap_id, "entry": act.digest} for act in acts]
    content = {
        "about": _ABOUT,
        "verdict": change.after,
        "before": change.before,
        "because": because,
        "text": change.sentence,
    }
    append_entry(
        journal_path(config.file),
        kind=DECISION_NOTED,
        by=acts[0].by,
        experiment=change.experiment,
        content=content,
    )


@contextmanager
def _alone(config: PlumblineConfig, output: Path) -> Iterator[None]:
    """Neither a run nor somebody else's decision writes meanwhile. Raises WarehouseBusyError where one does."""
    from dagster_pipeline.engines.storage import RunLock  # noqa: PLC0415

    anchor = config.warehouse.path or output / ".state.json"
    try:
        anchor.parent.mkdir(parents=True, exist_ok=True)
        lock = RunLock(anchor, "of a decision taken again")
        lock.acquire(_WAIT_SECONDS)
    except OSError as error:
        raise NotEvaluatedError(
            f"{anchor} can't be locked ({error.strerror or error}), so a run could write at the same time."
        ) from error
    try:
        yield
    finally:
        lock.release()
