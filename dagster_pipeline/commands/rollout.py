"""``plumbline rollout``: where a launch stands, and the record of each stage that starts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.gate.kill_switch import WEBHOOK, read_decision, rollouts_of
from dagster_pipeline.gate.stages import StageAnswer, stage_answer, unanswered_triggers, with_journal
from dagster_pipeline.register.journal import (
    DECISION_NOTED,
    STAGE_STARTED,
    Entry,
    append_entry,
    journal_path,
    read_journal,
)
from dagster_pipeline.report.escape import visible

ALLOWED, BLOCKED = 0, 1
_LONGEST = 600


def start_stage(
    config: Path, output: Path, experiment: str | None, percent: float, by: str, force_reason: str | None
) -> int:
    """Record that a stage starts, unless the last run or the journal forbids it; gives the exit code.

    With ``force_reason`` it is recorded all the same, with the reason and what was overridden.
    """
    loaded = load_config(config)
    name = _experiment(loaded, experiment)
    journal = journal_path(config)
    entries = read_journal(journal)
    now = datetime.now(UTC)
    answer, document = _asked(loaded, output, name, entries, percent, now)
    if not answer.allowed and force_reason is None:
        print(f"Not started: {percent:g}% of {visible(name)}.")
        for reason in answer.reasons:
            print(f"  {visible(reason, _LONGEST)}")
        print("To start it all the same: --force --reason TEXT, which is recorded.")
        return BLOCKED
    content: dict[str, Any] = {"percent": percent, "forced": not answer.allowed, "seen": len(entries)}
    if not answer.allowed:
        content |= {
            "reason": force_reason,
            "against": list(answer.reasons),
            "overrides": _overridden(document),
        }
    entry = append_entry(journal, kind=STAGE_STARTED, by=by, experiment=name, content=content, at=now)
    how = "Started by force" if content["forced"] else "Started"
    print(f"{how}: {percent:g}% of {visible(name)} (entry {entry.number} of {journal}).")
    return ALLOWED


def show_rollout(config: Path, output: Path, experiment: str | None, *, as_json: bool) -> None:
    """Print every stage with what stands in its way, guardrails at their daily looks, triggers, and what was recorded.

    Raises NotEvaluatedError where decision.json or the journal can't be read.
    """
    loaded = load_config(config)
    name = _experiment(loaded, experiment)
    entries = read_journal(journal_path(config))
    document = with_journal(_document(output, name), entries)
    now = datetime.now(UTC)
    try:
        percents = [stage["percent"] for stage in document["stages"]]
        answers = [_asked(loaded, output, name, entries, percent, now)[0] for percent in percents]
        if as_json:
            shown = {**document, "answers": [_answer_document(one) for one in answers]}
            print(json.dumps(shown, indent=2, allow_nan=False))
        else:
            print("\n".join([f"Rollout of {visible(name)}", *_lines(document, answers, entries)]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotEvaluatedError(
            f"the rollout of {name!r} in {output / 'decision.json'} can't be read ({error!r}); run `plumbline run` again."
        ) from error


def _experiment(config: PlumblineConfig, experiment: str | None) -> str:
    """The experiment asked for, or the first with a brief."""
    names = [brief.experiment for brief in config.briefs if brief.experiment]
    if experiment is None and names:
        return names[0]
    if experiment not in names or experiment is None:
        shown = ", ".join(map(repr, names)) or "none"
        raise PlumblineError(f"There is no brief on {experiment!r}; there are briefs on: {shown}.")
    return experiment


def _document(output: Path, experiment: str) -> Mapping[str, Any]:
    found = rollouts_of(read_decision(output))
    if experiment not in found:
        raise NotEvaluatedError(
            f"{output / 'decision.json'} says nothing of the rollout of {experiment!r}; run `plumbline run` again."
        )
    return found[experiment]


def _asked(
    config: PlumblineConfig,
    output: Path,
    experiment: str,
    entries: tuple[Entry, ...],
    percent: float,
    now: datetime,
) -> tuple[StageAnswer, Mapping[str, Any] | None]:
    """The answer for one stage by the last run, which is no answer where it is missing or too old."""
    try:
        document = with_journal(_document(output, experiment), entries)
    except NotEvaluatedError as error:
        return _refused(percent, str(error)), None
    answer = stage_answer(document, percent, now)
    brief = config.brief(experiment)
    late = _staleness(document, now, brief.max_age if brief else timedelta(0))
    if late is None:
        return answer, document
    return _refused(percent, late, answer), document


def _refused(percent: float, why: str, answer: StageAnswer | None = None) -> StageAnswer:
    known = answer or StageAnswer(
        percent, is_known=False, started_at=None, dwell_left=None, passed=(), failed=(), missing=(),
        allowed=False, reasons=(),
    )  # fmt: skip
    return StageAnswer(**{**vars(known), "allowed": False, "reasons": (why, *known.reasons)})


def _staleness(document: Mapping[str, Any], now: datetime, max_age: timedelta) -> str | None:
    try:
        evaluated_at = datetime.fromisoformat(document["evaluated_at"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return "decision.json does not say when it was evaluated; run `plumbline run` again."
    if now - evaluated_at > max_age:
        return (
            f"decision.json is stale: evaluated {evaluated_at:%Y-%m-%d %H:%M} UTC; run `plumbline run` again."
        )
    return None


def _overridden(document: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The triggers a forced start answers for beside the rollbacks in the journal."""
    try:
        found = [] if document is None else unanswered_triggers(document)
        return [{key: trigger[key] for key in ("metric", "variant", "days")} for trigger in found]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []  # a section that can't be read names none to answer for


def _answer_document(answer: StageAnswer) -> dict[str, Any]:
    left, started = answer.dwell_left, answer.started_at
    return {
        "percent": answer.percent,
        "allowed": answer.allowed,
        "started_at": started.isoformat().replace("+00:00", "Z") if started else None,
        "dwell_left_seconds": left.total_seconds() if left is not None else None,
        "reasons": list(answer.reasons),
        "notes": list(answer.notes),
    }


def _lines(
    document: Mapping[str, Any], answers: Sequence[StageAnswer], entries: tuple[Entry, ...]
) -> Iterator[str]:
    for answer in answers:
        yield from _stage_lines(answer)
    if not answers:
        yield "  The brief names no stages."
    for one in document["monitored"]:
        yield _look_line(one)
    for one in document["rollback"]:
        yield from _trigger_lines(one)
    yield from _journal_lines(document, entries)


def _stage_lines(answer: StageAnswer) -> Iterator[str]:
    since = f", started {answer.started_at:%Y-%m-%d %H:%M} UTC" if answer.started_at else ""
    yield f"  {answer.percent:g}%: {'may start' if answer.allowed else 'may not start'}{since}"
    for said in (*answer.reasons, *answer.notes):
        yield f"      {visible(said, _LONGEST)}"


def _look_line(one: Mapping[str, Any]) -> str:
    settled = [look for look in one["looks"] if look["lower"] is not None]
    last = settled[-1] if settled else None
    where = f"[{last['lower']:+.4g}, {last['upper']:+.4g}] after {last['day']}" if last else one["reason"]
    return f"  {one['kind']} {visible(one['metric'])} of {visible(one['variant'])}: {visible(one['state'])}, {visible(where)}"


def _trigger_lines(one: Mapping[str, Any]) -> Iterator[str]:
    said = one["reason"] or (one["trigger"] or {}).get("reason") or "has not fired"
    yield f"  rollback on {visible(one['metric'])} of {visible(one['variant'])}: {visible(said, _LONGEST)}"
    unjudged = [move for move in one["moves"] if move["move"] == "unjudged"]
    if unjudged:
        yield f"      {len(unjudged)} of {len(one['moves'])} days unjudged; the last: {visible(unjudged[-1]['why'])}"


def _journal_lines(document: Mapping[str, Any], entries: tuple[Entry, ...]) -> Iterator[str]:
    for one in document["starts"]:
        forced = f", by force: {visible(one['reason'])}" if one["forced"] else ""
        yield f"  entry {one['number']}: {visible(one['percent'])}% started {one['at']} by {visible(one['by'])}{forced}"
    for one in document["rollbacks"]:
        yield f"  entry {one['number']}: rolled back {one['at']}: {visible(one['reason'], _LONGEST)}"
    for entry in entries:
        is_ours = entry.kind == DECISION_NOTED and entry.experiment == document["experiment"]
        if is_ours and entry.content.get("about") == WEBHOOK:
            yield f"  entry {entry.number}: {visible(entry.content.get('text'), _LONGEST)}"
