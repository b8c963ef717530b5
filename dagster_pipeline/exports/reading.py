"""The files of a finished run read back for export, strictly: what is not exactly a run's is a fault, never a pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_pipeline.checks.result import CheckStatus
from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.gate.decision_file import Configured
from dagster_pipeline.gate.reading import StoredVerdict, read_verdict
from dagster_pipeline.gate.run_files import AGAIN, bytes_of, json_object, read_object
from dagster_pipeline.gate.verdict_file import WRONG_USAGE, GateResult, check
from dagster_pipeline.register.documents import from_iso_z, gap_from_document
from dagster_pipeline.register.history import register_order
from dagster_pipeline.report.run_record import RUN_RECORD, finished_run

REGISTER = "register.json"
_FIRST, _OTHERS = "verdict.json", "verdicts"
_GAP_ID = re.compile(r"gap-[0-9a-f]{12}")
_FIGURES = ("threshold", "estimate", "ci_lower", "ci_upper", "lower", "upper", "delta_star")
_KIND = re.compile(r"[a-z][a-z0-9_]*")


class RefusedByGateError(PlumblineError):
    """The gate would not answer; ``exit_code`` is what it ended with (2 or 3)."""

    def __init__(self, answer: GateResult) -> None:
        super().__init__(" ".join(answer.lines))
        self.exit_code = answer.exit_code


@dataclass(frozen=True)
class Launch:
    """What the gate is asked: how far (per cent) and where a launch would go, and how old a verdict may be.

    Without ``experiment`` every verdict is shown, and ``stage`` and ``segments`` are about the first, as with the gate.
    """

    experiment: str | None = None
    stage: int | None = None
    segments: tuple[str, ...] = ()
    max_age: timedelta | None = None


@dataclass(frozen=True)
class StoredCriterion:
    """One criterion or guardrail of a verdict, with its figures as they stand in the file."""

    metric: str
    variant: str | None
    kind: str
    outcome: Outcome
    figures: Mapping[str, float | None]


@dataclass(frozen=True)
class JudgedVerdict:
    """A verdict, its demands, and what the gate answers to the launch."""

    stored: StoredVerdict
    criteria: tuple[StoredCriterion, ...]
    answer: GateResult


@dataclass(frozen=True)
class StoredCheck:
    """One check of register.json."""

    suite: str
    expectation: str
    table: str
    column: str | None
    status: CheckStatus
    observed: float | str | bool | None
    threshold: float | str | bool | None
    gap_id: str | None


@dataclass(frozen=True)
class StoredRun:
    """A run at the moment ``at``; with a ``fault`` there is nothing else in it, and ``exit_code`` is 2 or 3."""

    at: datetime
    run_id: str = ""
    verdicts: tuple[JudgedVerdict, ...] = ()
    gaps: tuple[Gap, ...] = ()
    checks: tuple[StoredCheck, ...] = ()
    fault: str | None = None
    exit_code: int = 0

    @property
    def unresolved(self) -> tuple[Gap, ...]:
        """The gaps that are still there, worst first."""
        found = (gap for gap in self.gaps if gap.status is not GapStatus.RESOLVED)
        return tuple(sorted(found, key=register_order))

    def gap(self, gap_id: str | None) -> Gap | None:
        """The gap of that id; None where there is no such id."""
        return next((gap for gap in self.gaps if gap.gap_id == gap_id), None)


def read_run(
    output: Path,
    launch: Launch | None = None,
    *,
    configured: Mapping[str, Configured] | None = None,
    now: datetime | None = None,
) -> StoredRun:
    """The run whose files ``output`` holds; ``configured`` is what plumbline.yml says now, as for the gate.

    Raises nothing of ours: what is missing, corrupt, stale, of two runs or not known is the run's ``fault``.
    """
    at = now or datetime.now(UTC)
    try:
        before = _record(output)
        run = _whole(output, tuple(_judged(output, launch or Launch(), configured, at)), at)
        if _record(output) != before:
            raise NotEvaluatedError(f"A run wrote to {output} while it was read; try again.")
        return run
    except PlumblineError as error:
        return unread(error, at)


def unread(error: PlumblineError, at: datetime | None = None) -> StoredRun:
    """What stands for a run that can't be shown."""
    return StoredRun(at or datetime.now(UTC), fault=str(error), exit_code=error.exit_code)


def _judged(
    output: Path, launch: Launch, configured: Mapping[str, Configured] | None, at: datetime
) -> Iterator[JudgedVerdict]:
    """The verdict on the launch first, then those on the other experiments (none where one was named)."""
    asked = check(
        output, launch.experiment, launch.stage, launch.segments,
        now=at, max_age=launch.max_age, configured=configured,
    )  # fmt: skip
    if asked.exit_code >= WRONG_USAGE:
        raise RefusedByGateError(asked)
    for path in _verdict_files(output):
        stored, criteria = _verdict(path)
        is_asked = stored.experiment == asked.experiment
        if is_asked and path != output / _FIRST and launch.experiment is None:
            continue  # verdict.json again, under its experiment's name
        if launch.experiment is not None and not is_asked:
            continue
        answer = asked if is_asked else check(path, now=at, max_age=launch.max_age, configured=configured)
        if answer.exit_code >= WRONG_USAGE:
            raise RefusedByGateError(answer)
        yield JudgedVerdict(stored, criteria, answer)
        if launch.experiment is not None:
            return


def _record(output: Path) -> bytes | None:
    """The run's record as it stands, which every run rewrites before anything else; None where it was left behind."""
    return bytes_of(output / RUN_RECORD)


def _verdict_files(output: Path) -> list[Path]:
    """verdict.json and those beside it: of the finished run's record, or the ones there are where it was left behind."""
    if (output / RUN_RECORD).exists():
        names = sorted(name for name in finished_run(output)["files"] if name.startswith(f"{_OTHERS}/"))
        return [output / _FIRST, *(output / name for name in names)]
    return [output / _FIRST, *sorted((output / _OTHERS).glob("*.json"))]


def _verdict(path: Path) -> tuple[StoredVerdict, tuple[StoredCriterion, ...]]:
    """A verdict as the gate reads it, and its criteria from the very same bytes."""
    content = bytes_of(path)
    stored = read_verdict(path)
    if content is None or bytes_of(path) != content:
        raise NotEvaluatedError(f"{path} was written anew while it was read; try again.")
    return stored, tuple(map(_criterion, json_object(path, content)["criteria"]))


def _criterion(item: Mapping[str, Any]) -> StoredCriterion:
    figures = {key: item[key] for key in _FIGURES}
    return StoredCriterion(item["metric"], item["variant"], item["kind"], Outcome(item["outcome"]), figures)


def _whole(output: Path, verdicts: tuple[JudgedVerdict, ...], at: datetime) -> StoredRun:
    """The run with its register. Raises NotEvaluatedError where that is missing, corrupt or of another run."""
    path = output / REGISTER
    document = read_object(path)
    try:
        gaps = tuple(map(_gap, document["gaps"]))
        checks = tuple(map(_check, document["checks"]))
        as_of, run_id = from_iso_z(document["as_of"]), document["run_id"]
        _expect(isinstance(run_id, str) and bool(run_id), "run_id")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotEvaluatedError(f"{path} is not a register ({error}); {AGAIN}.") from error
    known = [gap.gap_id for gap in gaps]
    named = {name for found in verdicts for name in _named(found.stored)} | {item.gap_id for item in checks}
    if len(set(known)) < len(known) or named - {None} - set(known):
        raise NotEvaluatedError(
            f"{path} is not the register of the verdict beside it: it lacks a gap that is named, or has one twice; {AGAIN}."
        )
    for found in verdicts:
        if from_iso_z(read_object(found.stored.file).get("as_of")) != as_of:
            raise NotEvaluatedError(f"{path} and {found.stored.file} are of two runs; {AGAIN}.")
    return StoredRun(at, run_id, verdicts, gaps, checks)


def _named(stored: StoredVerdict) -> set[str | None]:
    return {*stored.blocked_by, *(waiver.gap_id for waiver in stored.waivers)}


def _gap(item: Any) -> Gap:
    for key in ("description", "severity_reason", "mitigation", "residual_risk", "contingency"):
        _expect(isinstance(item[key], str), f"a gap's {key}")
    for key in ("experiment", "table", "column", "segment", "owner"):
        _expect(item[key] is None or isinstance(item[key], str), f"a gap's {key}")
    for key in ("rows_total", "rows_affected", "share_affected", "share_residual"):
        _expect(item[key] is None or _is_number(item[key]), f"a gap's {key}")
    _expect(bool(_GAP_ID.fullmatch(item["gap_id"])), "a gap's gap_id")
    _expect(bool(_KIND.fullmatch(item["kind"])), "a gap's kind")
    return gap_from_document(item)


def _check(item: Any) -> StoredCheck:
    for key in ("suite", "expectation", "table"):
        _expect(isinstance(item[key], str), f"a check's {key}")
    for key in ("column", "gap_id"):
        _expect(item[key] is None or isinstance(item[key], str), f"a check's {key}")
    for key in ("observed", "threshold"):
        _expect(item[key] is None or isinstance(item[key], str | int | float), f"a check's {key}")
    fields = {key: item[key] for key in StoredCheck.__dataclass_fields__}
    return StoredCheck(**(fields | {"status": CheckStatus(item["status"])}))


def _expect(fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(f"{what} has a value it cannot have")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
