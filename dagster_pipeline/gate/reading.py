"""verdict.json read back, strictly: what is not exactly a verdict of a finished run is not evaluated."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.gate.decision import SCHEMA_VERSION, Verdict, Waiver
from dagster_pipeline.gate.decision_file import section_of
from dagster_pipeline.gate.run_files import AGAIN, bytes_of, json_object

_FIRST = "verdict.json"
_OTHERS = "verdicts"
_RECORD = ".run.json"
_DECISION = "decision.json"
_REGISTER = "register.json"

_Check = Callable[[Any], bool]


class UnknownExperimentError(PlumblineError):
    """The run decided on other experiments only."""


@dataclass(frozen=True)
class StoredVerdict:
    """A verdict as a run left it; ``file`` is where it was read from.

    ``section`` is the experiment's part of decision.json, None where that is not beside it.
    """

    file: Path
    experiment: str | None
    verdict: Verdict
    segments: tuple[str, ...]
    stage: int | None
    blocked_by: tuple[str, ...]
    waivers: tuple[Waiver, ...]
    reasons: tuple[str, ...]
    evaluated_at: datetime
    section: Mapping[str, Any] | None = None


def read_verdict(path: Path, experiment: str | None = None) -> StoredVerdict:
    """The verdict on an experiment (None: the first) from an output folder, or from one verdict's file.

    Raises NotEvaluatedError for what is missing, corrupt, self-contradictory or of an interrupted run, and
    UnknownExperimentError where the run decided on other experiments only.
    """
    root, name, is_folder = _place(path)
    record = _finished_run(root)
    _check_register(root, record)
    first = _read(root, name, record)
    if experiment is None or first.experiment == experiment:
        return _with_section(first, root, record)
    known = [first.experiment]
    for other in _other_verdicts(root, record) if is_folder else ():
        found = _read(root, other, record)
        if found.experiment == experiment:
            return _with_section(found, root, record)
        known.append(found.experiment)
    names = ", ".join(sorted({repr(each) for each in known if each is not None})) or "none"
    raise UnknownExperimentError(
        f"{path} holds no verdict on the experiment {experiment!r}; it decides on: {names}."
    )


def _place(path: Path) -> tuple[Path, str, bool]:
    """Output folder, the verdict's name in it, and whether the folder was meant rather than one file."""
    if path.suffix != ".json" or path.is_dir():
        return path, _FIRST, True
    root = path.parent.parent if path.parent.name == _OTHERS else path.parent
    return root, path.relative_to(root).as_posix(), False


def _finished_run(root: Path) -> Mapping[str, str] | None:
    """The digests a finished run recorded by file; None where a verdict was carried here without its record.

    The record starts with a dot, and what copies files between machines often leaves such files behind.
    """
    path = root / _RECORD
    content = bytes_of(path)
    if content is None:
        return None
    record = json_object(path, content)
    if record.get("state") != "finished":
        began = record.get("started_at")
        when = f" of {began}" if isinstance(began, str) else ""
        raise NotEvaluatedError(
            f"The run{when} that writes to {root} is still going or was interrupted; wait for it or {AGAIN}."
        )
    digests = record.get("files")
    if not isinstance(digests, dict):
        raise NotEvaluatedError(f"{path} lists no files; {AGAIN}.")
    return digests


def _check_register(root: Path, record: Mapping[str, str] | None) -> None:
    """A register that was changed since is none that the verdict was decided on; one left elsewhere is nothing to read."""
    content = bytes_of(root / _REGISTER)
    if record is not None and content is not None:
        _hold_to_record(root / _REGISTER, content, record.get(_REGISTER))


def _with_section(found: StoredVerdict, root: Path, record: Mapping[str, str] | None) -> StoredVerdict:
    """The verdict with its part of decision.json. Raises NotEvaluatedError where that is not the run's, or can't be read."""
    path = root / _DECISION
    content = bytes_of(path)
    if content is None:
        if record is not None and _DECISION in record:
            raise NotEvaluatedError(f"{path} is gone, though the last run wrote it; {AGAIN}.")
        return found
    if record is not None:
        _hold_to_record(path, content, record.get(_DECISION))
    section = section_of(json_object(path, content), found.experiment, str(path))
    return replace(found, section=section)


def _hold_to_record(path: Path, content: bytes, digest: Any) -> None:
    if hashlib.sha256(content).hexdigest() != digest:
        raise NotEvaluatedError(
            f"{path} is not the file the last run wrote: it was changed, or a run was interrupted; {AGAIN}."
        )


def _other_verdicts(root: Path, record: Mapping[str, str] | None) -> Iterator[str]:
    """Names of the verdicts on several experiments: of the recorded ones, or of those that are there."""
    if record is not None:
        yield from sorted(name for name in record if PurePosixPath(name).parent == PurePosixPath(_OTHERS))
        return
    yield from sorted(f"{_OTHERS}/{path.name}" for path in (root / _OTHERS).glob("*.json"))


def _read(root: Path, name: str, record: Mapping[str, str] | None) -> StoredVerdict:
    path = root / name
    content = bytes_of(path)
    if content is None:
        raise NotEvaluatedError(f"{path} does not exist; run `plumbline run` first.")
    if record is not None:
        _hold_to_record(path, content, record.get(name))
    document = json_object(path, content)
    _hold_to(_VERDICT, document, str(path))
    for index, item in enumerate(document["criteria"]):
        _hold_to(_CRITERION, item, f"{path}: criteria[{index}]")
    for index, item in enumerate(document["waivers"]):
        _hold_to(_WAIVER, item, f"{path}: waivers[{index}]")
    contradiction = _contradiction(document)
    if contradiction:
        raise NotEvaluatedError(f"{path} contradicts itself: {contradiction}; {AGAIN}.")
    return _stored(path, document)


def _hold_to(shape: Mapping[str, _Check], document: Any, where: str) -> None:
    if not isinstance(document, dict):
        raise NotEvaluatedError(f"{where} is not a JSON object; {AGAIN}.")
    for key, fits in shape.items():
        if key not in document:
            raise NotEvaluatedError(f"{where} lacks {key}; {AGAIN}.")
        if not fits(document[key]):
            raise NotEvaluatedError(f"{where}: {key} has a value it cannot have; {AGAIN}.")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and math.isfinite(value)


def _is_per_cent(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and _moment(value) is not None
    except (ValueError, OverflowError):
        return False


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no time zone")
    return found.astimezone(UTC)


def _or_null(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _one_of(*values: str) -> _Check:
    return lambda value: isinstance(value, str) and value in values


_NUMBER_OR_NULL = _or_null(_is_number)
_FIGURES = ("threshold", "estimate", "ci_lower", "ci_upper", "lower", "upper", "delta_star")
_VERDICT: Mapping[str, _Check] = {
    "schema_version": lambda value: type(value) is int and value == SCHEMA_VERSION,
    "experiment": _or_null(_is_text),
    "verdict": _one_of(*Verdict),
    "segments": _is_texts,
    "stage": _or_null(_is_per_cent),
    "criteria": lambda value: isinstance(value, list),
    "blocked_by": _is_texts,
    "waivers": lambda value: isinstance(value, list),
    "reasons": lambda value: _is_texts(value) and bool(value),
    "as_of": _is_moment,
    "evaluated_at": _is_moment,
}
_CRITERION: Mapping[str, _Check] = {
    "metric": _is_text,
    "variant": _or_null(_is_text),
    "kind": _one_of("criterion", "guardrail"),
    "outcome": _one_of(*Outcome),
    **dict.fromkeys(_FIGURES, _NUMBER_OR_NULL),
}
_WAIVER: Mapping[str, _Check] = {"gap_id": _is_text, "expires_at": _is_moment}


def _contradiction(document: Mapping[str, Any]) -> str | None:
    """What no run of ours would write: a launch allowed without the grounds for it."""
    verdict = Verdict(document["verdict"])
    if verdict is Verdict.HOLD:
        return None
    ground = _ground_contradiction(document)
    if ground is not None:
        return f"a {verdict} {ground}"
    outcomes = {item["outcome"] for item in document["criteria"]}
    if verdict is Verdict.GO and (Outcome.FAILED in outcomes or document["blocked_by"]):
        return "a GO with a criterion that failed or a gap that blocks"
    if verdict is Verdict.PARTIAL and not document["segments"] and document["stage"] is None:
        return "a PARTIAL that allows no segment and no stage"
    return None


def _ground_contradiction(document: Mapping[str, Any]) -> str | None:
    """What a launch that is allowed at all can't rest on."""
    outcomes = {item["outcome"] for item in document["criteria"]}
    if document["experiment"] is None or not any(map(_was_judged, document["criteria"])):
        return "on nothing"
    if Outcome.WAIVED in outcomes and not document["waivers"]:
        return "with a waived criterion and no waiver"
    if outcomes & {Outcome.MISSING, Outcome.STALE, Outcome.ERRORED}:
        return "with a criterion that was not judged"
    return None


def _was_judged(item: Mapping[str, Any]) -> bool:
    """A waived criterion was judged too where it has its figure: only what the gaps hide is waived then."""
    return item["outcome"] != Outcome.WAIVED or item["estimate"] is not None


def _stored(path: Path, document: Mapping[str, Any]) -> StoredVerdict:
    return StoredVerdict(
        file=path,
        experiment=document["experiment"],
        verdict=Verdict(document["verdict"]),
        segments=tuple(document["segments"]),
        stage=document["stage"],
        blocked_by=tuple(document["blocked_by"]),
        waivers=tuple(Waiver(item["gap_id"], _moment(item["expires_at"])) for item in document["waivers"]),
        reasons=tuple(document["reasons"]),
        evaluated_at=_moment(document["evaluated_at"]),
    )
