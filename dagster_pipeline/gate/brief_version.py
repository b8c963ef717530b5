"""Which version of a brief is in force, who signed it, and whether it changed after data were seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.metrics import MetricDefinition
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.brief_changes import brief_changes
from dagster_pipeline.register.brief_history import BriefSeen
from dagster_pipeline.register.documents import iso_z, plain
from dagster_pipeline.register.journal import BRIEF_SIGNED, Entry

# How old a verdict the gate accepts is overruled on its own command line, and whom a machine calls is no part of what
# people agree on: neither changes what is decided, so neither asks for a new signature.
_UNSIGNED: Any = {"max_age": True, "rollout": {"webhook_variable"}}
_SHOWN = 12  # characters of a version that people are shown
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_LONGEST_NAME = 80
_MOST_CHANGES = 5  # that a sentence lists


@dataclass(frozen=True)
class Signature:
    """Somebody's consent to a version of the brief; ``by`` and ``note`` are as they were given."""

    by: str
    at: datetime
    version: str
    note: str | None = None


@dataclass(frozen=True)
class BriefStatus:
    """How the brief in force stands: its version, who signed it, and what changed since.

    ``content`` is what the version says, the document of ``brief_content``; ``policy`` is the brief's ``signature``;
    ``signatures`` are all of this version. ``last_signature`` is the latest of any version, and ``changes`` what changed
    since it. ``first_data_at`` is when the first run saw data of the cohort; ``changed_after_data``: some run that saw
    data was held to another version, and ``changes_after_data`` is what changed since the first.
    """

    version: str
    content: Mapping[str, Any]
    question: str | None
    policy: str
    signatures: tuple[Signature, ...] = ()
    last_signature: Signature | None = None
    changes: tuple[str, ...] = ()
    first_data_at: datetime | None = None
    changed_after_data: bool = False
    changes_after_data: tuple[str, ...] = ()

    @property
    def is_signed(self) -> bool:
        """Whether the latest signature is of exactly this version."""
        return self.last_signature is not None and self.last_signature.version == self.version

    @property
    def is_missing_a_signature(self) -> bool:
        """Whether the brief demands a signature and has none: the gate lets no launch pass then."""
        return self.policy == "required" and not self.is_signed

    @property
    def signed_by(self) -> str | None:
        """Who signed this version last; None where it is not signed."""
        return self.last_signature.by if self.last_signature and self.is_signed else None

    @property
    def signed_at(self) -> datetime | None:
        """When this version was signed last; None where it is not signed."""
        return self.last_signature.at if self.last_signature and self.is_signed else None

    @property
    def signed_version(self) -> str | None:
        """The version of the last signature where that is another one."""
        return self.last_signature.version if self.last_signature and not self.is_signed else None

    @property
    def signed_after_data(self) -> bool:
        """Whether the first signature under this version came after a run had seen data."""
        if not (self.is_signed and self.first_data_at):
            return False
        return min(signature.at for signature in self.signatures) > self.first_data_at

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must stand beside every verdict: that the brief changed, or was signed, after data were seen."""
        return tuple(_remarks(self))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What there is to say about it, names and texts as they were given: escape them where they are shown."""
        return tuple(_sentences(self))


def brief_content(brief: Brief, definitions: Mapping[str, MetricDefinition]) -> dict[str, Any]:
    """What is signed, as plain JSON: ``{"brief": …, "metrics": …}``.

    All of the brief that decides, defaults filled in, and the whole definition of every metric its rules, its value and its
    rollback name. Not in it are ``max_age`` and ``webhook_variable``, which change nothing about what is decided.
    Keys without a value are left out, so that a key a later version of Plumbline adds does not unsign a brief that has
    none. Raises NotEvaluatedError for a metric without a definition.
    """
    content = brief.model_dump(exclude=_UNSIGNED)
    if not isinstance(content["segments"], list | tuple):
        content["segments"] = [content["segments"]] if content["segments"] else []
    for rule in (*content["criteria"], *content["guardrails"]):
        rule["effect"] = rule["effect"] or _definition(rule["metric"], definitions).effect
    metrics = {name: _definition(name, definitions).document() for name in _metrics_of(brief)}
    return {"brief": _canonical(content), "metrics": _canonical(metrics)}


def brief_version(brief: Brief, definitions: Mapping[str, MetricDefinition]) -> str:
    """The version of a brief: the SHA-256 (64 hex) of the canonical JSON of its content; show it by ``short_version``."""
    return content_version(brief_content(brief, definitions))


def content_version(content: Mapping[str, Any]) -> str:
    """The version of a document of ``brief_content``."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def short_version(version: str) -> str:
    """A version as people are shown it."""
    return version[:_SHOWN]


def brief_status(
    brief: Brief,
    definitions: Mapping[str, MetricDefinition],
    journal: Sequence[Entry],
    history: Sequence[BriefSeen],
) -> BriefStatus:
    """How the brief stands by the journal of its signatures and the history of the runs that were held to it.

    Entries and runs of other experiments count for nothing. Raises NotEvaluatedError for a metric without a definition.
    """
    content = brief_content(brief, definitions)
    version = content_version(content)
    signed = [entry for entry in journal if _is_signature_of(entry, brief.experiment)]
    ours = [run for run in history if run.experiment == brief.experiment and run.saw_data]
    seen = sorted(ours, key=lambda run: run.at)
    signatures = tuple(map(_signature, signed))
    return BriefStatus(
        version=version,
        content=content,
        question=brief.question,
        policy=brief.signature,
        signatures=tuple(signature for signature in signatures if signature.version == version),
        last_signature=signatures[-1] if signatures else None,
        changes=_changes_since(signed[-1], version, content) if signed else (),
        first_data_at=seen[0].at if seen else None,
        changed_after_data=any(run.version != version for run in seen),
        changes_after_data=_changes_from(seen[0], version, content) if seen else (),
    )


def brief_document(status: BriefStatus) -> dict[str, Any]:
    """The section ``brief`` of decision.json, as plain JSON."""
    names = ("version", "question", "is_signed", "signed_by", "signed_at", "signed_version", "changes")
    after = ("first_data_at", "changed_after_data", "changes_after_data", "signed_after_data", "sentences")
    document = {name: getattr(status, name) for name in (*names, *after)}
    signatures = [{"by": each.by, "at": each.at, "note": each.note} for each in status.signatures]
    found: dict[str, Any] = plain(
        document | {"signature": status.policy, "signatures": signatures, "content": status.content}
    )
    return found


def _metrics_of(brief: Brief) -> list[str]:
    named = [rule.metric for rule in brief.criteria]
    named += [rule.metric for rule in brief.guardrails]
    named += [trigger.metric for trigger in brief.rollout.rollback]
    return [*dict.fromkeys([*named, *(brief.value.per_day if brief.value else ())])]


def _definition(metric: str, definitions: Mapping[str, MetricDefinition]) -> MetricDefinition:
    if metric not in definitions:
        raise NotEvaluatedError(f"The brief names the metric {metric!r}, which has no definition.")
    return definitions[metric]


def _canonical(value: Any) -> Any:
    """Plain JSON in one form: durations as 28d, moments in UTC, no key without a value, no minus zero."""
    if isinstance(value, Mapping):
        items = {str(key): _canonical(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None and item not in ([], {})}
    if isinstance(value, list | tuple | set | frozenset):
        return [_canonical(item) for item in value]
    if isinstance(value, timedelta):
        return _span(value)
    if isinstance(value, datetime):
        return iso_z(value)
    return value + 0.0 if isinstance(value, float) else plain(value)


def _span(duration: timedelta) -> str:
    """A duration in the largest unit that holds it a whole number of times."""
    seconds = duration.total_seconds()
    size, unit = next(((size, unit) for size, unit in _SPANS if seconds % size == 0), (1, "s"))
    return f"{seconds / size:g}{unit}" if seconds % 1 else f"{int(seconds) // size}{unit}"


def _is_signature_of(entry: Entry, experiment: str | None) -> bool:
    version = entry.content.get("version")
    return entry.kind == BRIEF_SIGNED and entry.experiment == experiment and isinstance(version, str)


def _signature(entry: Entry) -> Signature:
    note = entry.content.get("note")
    return Signature(entry.by, entry.at, entry.content["version"], note if isinstance(note, str) else None)


def _changes_since(signed: Entry, version: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    return () if signed.content["version"] == version else brief_changes(_signed_document(signed), content)


def _changes_from(run: BriefSeen, version: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    return () if run.version == version else brief_changes(run.document, content)


def _signed_document(entry: Entry) -> Mapping[str, Any]:
    document = entry.content.get("document")
    return document if isinstance(document, Mapping) else {}


def _sentences(status: BriefStatus) -> Iterator[str]:
    yield _signature_sentence(status)
    if status.is_missing_a_signature:
        yield "The brief demands a signature: no launch passes the gate until this version has one."
    yield from status.remarks


def _remarks(status: BriefStatus) -> Iterator[str]:
    if status.first_data_at is None:
        return
    first = f"after data were seen (first on {_day(status.first_data_at)})"
    if status.changes_after_data:
        yield f"The brief was changed {first}: {_listed(status.changes_after_data)}."
    elif status.changed_after_data:
        yield f"The brief was changed {first} and changed back: some run was held to another version."
    if status.signed_after_data:
        yield f"This version was signed only {first}."


def _signature_sentence(status: BriefStatus) -> str:
    version, last = short_version(status.version), status.last_signature
    if last is None:
        return f"Version {version} is not signed, and no version before it was."
    if status.is_signed:
        names = dict.fromkeys(f"{_name(each)} on {_day(each.at)}" for each in status.signatures)
        return f"Version {version} is signed by {', '.join(names)}."
    signed = f"{_name(last)} signed version {short_version(last.version)} on {_day(last.at)}"
    return f"Version {version} is not signed: {signed}, and since then: {_listed(status.changes)}."


def _name(signature: Signature) -> str:
    """Short enough that no name crowds out the others."""
    return signature.by if len(signature.by) <= _LONGEST_NAME else f"{signature.by[: _LONGEST_NAME - 1]}…"


def _listed(changes: Sequence[str]) -> str:
    more = len(changes) - _MOST_CHANGES
    return "; ".join([*changes[:_MOST_CHANGES], *([f"and {more} more"] if more > 0 else [])])


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
