"""decision.json read back by the gate: who signed, which brief was decided on, how far the rollout may go.

Standard library only. What can't be read is never allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.stages import stage_allowed, switched_off, with_journal
from dagster_pipeline.register.journal import Entry

_SHOWN = 12


@dataclass(frozen=True)
class Configured:
    """What plumbline.yml and its journal say of one experiment now, after the run.

    ``max_age`` is the age of a verdict that its brief accepts, ``version`` its brief's version (None: there is no brief),
    ``lacks_signature`` whether that demands a signature and has none, ``has_rollout`` whether it names stages or
    rollbacks. ``journal`` holds what people did, of every experiment.
    """

    max_age: timedelta
    version: str | None = None
    lacks_signature: bool = False
    has_rollout: bool = False
    journal: tuple[Entry, ...] = ()


def check_version(section: Mapping[str, Any] | None, now: Configured | None) -> None:
    """Raises NotEvaluatedError where the verdict was decided on another version of the brief than the one in force."""
    if section is None or now is None or now.version is None:
        return
    decided = _brief(section).get("version")
    if decided != now.version:
        shown = str(decided)[:_SHOWN] if decided else "none"
        raise NotEvaluatedError(
            f"The verdict was decided on another version of the brief ({shown}; in force is {now.version[:_SHOWN]}): "
            f"run `plumbline run` again."
        )


def launch_barriers(
    section: Mapping[str, Any] | None, now: Configured | None, stage: int | None, at: datetime
) -> Iterator[str]:
    """What stands in the way of a launch beside the verdict: a signature that lacks, a stage that may not start, a kill switch.

    ``section`` is the experiment's part of decision.json, None where only verdict.json is at hand.
    """
    yield from _unsigned(section, now)
    if section is None:
        if now is not None and now.has_rollout:
            yield "The brief names a rollout, and without decision.json nobody can say how far it may go."
        return
    rollout = section.get("rollout")
    if rollout is None:
        return
    if not isinstance(rollout, Mapping):
        yield from switched_off({})
        return
    document = rollout if now is None else with_journal(rollout, now.journal)
    # A brief without stages may still have been switched off by hand, after the run as well.
    if any(document.get(key) != [] for key in ("stages", "rollback", "rollbacks", "starts")):
        yield from switched_off(document) if stage is None else stage_allowed(document, stage, at)[1]


def _unsigned(section: Mapping[str, Any] | None, now: Configured | None) -> Iterator[str]:
    if now is not None:
        lacks, version = now.lacks_signature, now.version
    else:
        brief = _brief(section) if section is not None else {}
        lacks, version = (
            brief.get("signature") == "required" and brief.get("is_signed") is not True,
            brief.get("version"),
        )
    if lacks:
        yield (
            f"The brief demands a signature, and version {str(version)[:_SHOWN]} has none: `plumbline brief sign --by NAME`."
        )


def _brief(section: Mapping[str, Any]) -> Mapping[str, Any]:
    brief = section.get("brief")
    return brief if isinstance(brief, Mapping) else {}


def section_of(document: Mapping[str, Any], experiment: str | None, where: str) -> Mapping[str, Any] | None:
    """One experiment's part of decision.json, None for a verdict on none.

    Raises NotEvaluatedError where the document is not in its shape, or says nothing of the experiment.
    """
    sections = document.get("experiments")
    if not isinstance(sections, list) or not all(isinstance(one, Mapping) for one in sections):
        raise NotEvaluatedError(f"{where} lists no experiments; run `plumbline run` again.")
    found = next((one for one in sections if one.get("experiment") == experiment), None)
    if found is None and experiment is not None:
        raise NotEvaluatedError(f"{where} says nothing of {experiment!r}; run `plumbline run` again.")
    return found
