"""decision-log.md: what was decided, by whom, on what ground, newest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dagster_pipeline.config.metrics import metric_definitions
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.register.decision_log import DECISION, LogEntry, entry_document
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.escape import markdown_text
from dagster_pipeline.report.words import plural

_PROSE = 4_000
_CELL = 600
_ENDING = re.compile(r"^Chain: ([\d,]+) (?:entry|entries), last digest ([0-9a-f]{64})$")


@dataclass(frozen=True)
class _Told:
    """One entry to be shown; ``same`` are the earlier ones that decided the same on the same ground."""

    entry: LogEntry
    document: Mapping[str, Any] | None
    same: tuple[LogEntry, ...] = ()


def decision_log_markdown(entries: Sequence[LogEntry]) -> str:
    """The whole log, newest first; every value is escaped.

    Runs that decided the same on the same ground, one after the other, are told once, as of the last of them. The last
    line says how many entries there are and the digest of the last one (`stated_end`).
    """
    lines = ["# Decision log", ""]
    if not entries:
        return "\n".join([*lines, "Nothing has been decided yet."]) + "\n"
    for told in reversed(_told(entries)):
        lines += [*_shown(told), ""]
    count = plural(len(entries), "entry", "entries")
    return "\n".join([*lines, f"Chain: {count}, last digest {entries[-1].digest}"]) + "\n"


def stated_end(markdown: str) -> tuple[int, str] | None:
    """The number of entries and the last digest that an exported log ends with; None where it says neither."""
    last = markdown.rstrip().rpartition("\n")[2]
    found = _ENDING.match(last)
    return (int(found[1].replace(",", "")), found[2]) if found else None


def _told(entries: Iterable[LogEntry]) -> list[_Told]:
    told: dict[int, _Told] = {}
    latest: dict[str | None, int] = {}  # experiment → the place of its last decision
    for place, entry in enumerate(entries):
        found = _Told(entry, _document(entry))
        if entry.kind == DECISION:
            before = told.get(latest.get(entry.experiment, -1))
            if before is not None and _is_same(before, found):
                del told[latest[entry.experiment]]
                found = replace(found, same=(*before.same, before.entry))
            latest[entry.experiment] = place
        told[place] = found
    return list(told.values())


def _document(entry: LogEntry) -> Mapping[str, Any] | None:
    try:
        return entry_document(entry)
    except NotEvaluatedError:
        return None


def _ground(told: _Told) -> Mapping[str, Any] | None:
    """What makes two decisions the same: all but their date and figures. None where that can't be said."""
    document = told.document
    try:
        if document is None:
            return None
        chosen = {key: value for key, value in document["chosen_option"].items() if key != "guardrails"}
        kept = {key: value for key, value in document.items() if key not in ("date", "verdict")}
        version = document["data_snapshot"]["brief_version"]
    except (KeyError, TypeError, AttributeError):
        return None
    return {**kept, "chosen_option": chosen, "data_snapshot": version}


def _is_same(before: _Told, now: _Told) -> bool:
    ground = _ground(now)
    return ground is not None and ground == _ground(before)


def _shown(told: _Told) -> list[str]:
    entry, document = told.entry, told.document
    heading = f"## {entry.number}. {_md(entry.title)}"
    unreadable = [
        heading,
        "",
        "This entry can't be read; `plumbline verify` says what is wrong with the log.",
    ]
    if document is None:
        return unreadable
    try:
        body = _decision(document) if entry.kind == DECISION else _act(document)
        return [heading, "", *body, *_same(told.same)]
    except (KeyError, TypeError, ValueError, AttributeError):
        return unreadable


def _same(same: Sequence[LogEntry]) -> Iterator[str]:
    if same:
        first, last = same[0].number, same[-1].number
        where = f"entry {first}" if len(same) == 1 else f"{len(same)} entries from {first} to {last}"
        yield f"- **Decided the same before:** since {_when(same[0].at.isoformat())} ({where})"


def _act(document: Mapping[str, Any]) -> Iterator[str]:
    """Something a person did, from the journal."""
    yield f"- **By:** {_md(document['by'])}"
    yield f"- **Date:** {_when(document['at'])}"
    if document["experiment"]:
        yield f"- **Experiment:** {_md(document['experiment'])}"
    for name, value in document["content"].items():
        if isinstance(value, str | int | float | bool):
            yield f"- **{_md(name).capitalize().replace('_', ' ')}:** {_md(value, _PROSE)}"


def _decision(document: Mapping[str, Any]) -> Iterator[str]:
    """The parts in the order a reader of decisions expects them."""
    decision = document["decision"]
    verdict = decision["verdict"]
    summary = str(decision["summary"]).removeprefix(f"{verdict}: ")
    yield f"- **Decision:** {_md(verdict)}{_reach(decision)}. {_md(summary, _PROSE)}"
    yield f"- **Date:** {_when(document['date'])}"
    yield f"- **Approvers:** {_approvers(document)}"
    yield f"- **Context:** {_md(document['context'] or 'none is given', _PROSE)}"
    yield from _list("Options", map(_option, document["options"]), "the brief names none")
    yield from _snapshot(document["data_snapshot"])
    yield from _chosen(document["chosen_option"])
    yield from _list("Dissent", map(_dissent, document["dissent"]), "none was recorded")
    yield from _list("Actions", map(_action, document["actions"]), "the brief names none")
    yield f"- **Review date:** {_when(document['review_date'])}"


def _reach(decision: Mapping[str, Any]) -> str:
    """How far it goes: where, and up to which stage."""
    parts = [_md(segment) for segment in decision["segments"]]
    parts += [f"up to {_md(decision['stage'])}%"] if decision["stage"] is not None else []
    return f" ({', '.join(parts)})" if parts else ""


def _approvers(document: Mapping[str, Any]) -> str:
    if document["data_snapshot"]["journal_fault"]:
        fault = _md(document["data_snapshot"]["journal_fault"], _CELL)
        return f"nobody counts, since the journal could not be read: {fault}"
    signed = [f"{_md(found['by'])} ({_when(found['at'])})" for found in document["approvers"]]
    return ", ".join(signed) or "nobody has signed this version of the brief"


def _option(option: Mapping[str, Any]) -> str:
    keys = ("description", "benefit", "cost", "risk", "effort")
    parts = [f"{key}: {_md(option[key], _CELL)}" for key in keys if option.get(key)]
    if option.get("rice"):
        parts.append(f"RICE {fmt.number(option['rice']['score'])}")
    return f"{_md(option['name'])}{': ' if parts else ''}{'; '.join(parts)}"


def _snapshot(snapshot: Mapping[str, Any]) -> Iterator[str]:
    version = snapshot["brief_version"]
    gaps = ", ".join(f"{count} {_md(name)}" for name, count in snapshot["open_gaps"].items() if count)
    yield (
        f"- **Data snapshot:** run {_md(snapshot['run_id'])}, data as of {_when(snapshot['as_of'])}; "
        f"{f'brief {_md(str(version)[:12])}' if version else 'no brief'}; open gaps: {gaps or 'none'}; "
        f"configuration {_md(str(snapshot['configuration'] or 'unknown')[:12])}"
    )
    for source in snapshot["sources"]:
        yield f"  - {_source(source)}"


def _source(source: Mapping[str, Any]) -> str:
    if source["rows"] is None:
        return f"{_md(source['source'])}: {_md(source['status'])}"
    newest = f", newest {_when(source['newest'])}" if source["newest"] else ""
    late = ", late" if source["is_late"] else ""
    digest = f", SHA-256 {_md(str(source['digest'])[:12])}" if source["digest"] else ""
    used = fmt.count(source["rows_used"])
    return f"{_md(source['source'])}: {fmt.count(source['rows'])} rows, {used} used{newest}{late}{digest}"


def _chosen(chosen: Mapping[str, Any]) -> Iterator[str]:
    yield f"- **Chosen option:** {_md(chosen['option'])}, {_md(chosen['name'])}{_reach(chosen)}"
    stages = [f"{stage['percent']:g}% for at least {_md(stage['dwell'])}" for stage in chosen["rollout"]]
    yield f"  - Rollout: {', then '.join(stages) or 'the brief names no stages'}"
    for rule in chosen["rollback"]:
        yield (
            f"  - Roll back when {_md(rule['metric'])} falls by {rule['max_fall']:g} from one day to the next on "
            f"{_md(rule['days'])} consecutive days"
        )
    for rule in chosen["guardrails"]:
        yield f"  - Guardrail: {_guardrail(rule)}"


def _guardrail(rule: Mapping[str, Any]) -> str:
    definition = metric_definitions().get(rule["metric"])
    unit = fmt.unit_of(definition)
    names = {"max_increase": "rises by at most", "max_decrease": "falls by at most", "max_bound": "bound"}
    limits = [
        f"{words} {fmt.effect(rule[key], rule['effect'], unit)}"
        for key, words in names.items()
        if rule.get(key) is not None
    ]
    answers = [
        f"{_md(found['variant'] or 'all')} {_md(found['outcome'])} at "
        f"{fmt.effect(found['estimate'], rule['effect'], unit)}"
        for found in rule["answers"]
    ]
    return f"{_md(rule['metric'])} {', '.join(limits)}: {', '.join(answers) or 'not evaluated'}"


def _dissent(found: Mapping[str, Any]) -> str:
    return f"{_md(found['by'])} ({_when(found['at'])}): {_md(found['text'], _PROSE)}"


def _action(action: Mapping[str, Any]) -> str:
    return f"{_md(action['what'], _CELL)}; owner {_md(action['owner'])}; due {_when(action['due'])}"


def _list(title: str, items: Iterable[str], nothing: str) -> Iterator[str]:
    shown = list(items)
    yield f"- **{title}:**{'' if shown else f' {nothing}'}"
    yield from (f"  - {item}" for item in shown)


def _when(moment: str | None) -> str:
    """A stored moment to the minute; midnight is a day."""
    if not moment:
        return "none is set"
    day, _, time = str(moment).partition("T")
    clock = time[:5]
    return _md(day) if clock in ("", "00:00") else f"{_md(day)} {_md(clock)} UTC"


def _md(text: object, longest: int = 300) -> str:
    return markdown_text(text, longest)
