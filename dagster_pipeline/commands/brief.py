"""``plumbline brief``: the decision brief and the meeting pack, and who signed which version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.gate.brief_version import BriefStatus, brief_status, short_version
from dagster_pipeline.gate.reading import read_verdict
from dagster_pipeline.register.brief_history import BriefSeen
from dagster_pipeline.register.documents import from_iso_z
from dagster_pipeline.register.journal import BRIEF_SIGNED, append_entry, journal_path, read_journal
from dagster_pipeline.report.brief_page import LastRun, brief_page
from dagster_pipeline.report.brief_text import brief_html, brief_markdown, meeting_html, meeting_markdown
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.meeting_page import meeting_page, pre_reads
from dagster_pipeline.report.writing import write_atomically

DECISION = "decision.json"


@dataclass(frozen=True)
class _Case:
    """The brief asked for, how it stands, and what the last run made of it."""

    config: PlumblineConfig
    brief: Brief
    status: BriefStatus
    last: LastRun | None


def brief(
    config: Path,
    output: Path,
    experiment: str | None,
    folder: Path | None,
    length: int,
    *,
    meeting: bool,
    as_markdown: bool,
) -> None:
    """Print the brief, or with ``meeting`` the pack of a meeting of ``length`` minutes.

    With ``folder`` it is written there as Markdown and HTML instead; the pack with the brief, which is to be read before.
    """
    case = _case(config, output, experiment)
    texts = {} if meeting and folder is None else _brief_texts(case)
    if meeting:
        texts |= _meeting_texts(case, output, folder, length)
    if folder is None:
        print(next(text for name, text in texts.items() if name.endswith(".md") == as_markdown), end="")
        return
    for name, text in texts.items():
        write_atomically(folder / name, text)
        print(f"Wrote {visible(folder / name)}")


def sign(config_path: Path, by: str, experiment: str | None, note: str | None) -> None:
    """Record in the journal that somebody accepts the brief as it stands; needs no warehouse and no run.

    Says so and records nothing where they have signed this very version and it is signed still.
    """
    config = load_config(config_path)
    brief = _chosen(config, experiment)
    path = journal_path(config.file)
    status = brief_status(brief, config.metrics, read_journal(path), ())
    what = f"version {short_version(status.version)} of the brief on {visible(brief.experiment)}"
    name = by.strip()
    if status.is_signed and name.casefold() in {each.by.casefold() for each in status.signatures}:
        print(f"{visible(name)} has signed {what} already; nothing was recorded.")
        return
    content: dict[str, Any] = {"version": status.version, "document": status.content}
    if note and note.strip():
        content["note"] = note.strip()
    entry = append_entry(path, kind=BRIEF_SIGNED, by=name, experiment=brief.experiment, content=content)
    print(f"{visible(entry.by)} signed {what}.")
    if status.changes:
        print(f"Changed since the last signature: {visible('; '.join(status.changes), 1_000)}.")
    print(f"Recorded as entry {entry.number} of {visible(path)}; commit it beside the configuration.")


def _chosen(config: PlumblineConfig, experiment: str | None) -> Brief:
    """The brief asked for, or the only one. Raises PlumblineError naming those there are."""
    names = ", ".join(repr(brief.experiment) for brief in config.briefs)
    if not config.briefs:
        raise PlumblineError(f"{config.file}: has no brief; `plumbline init` shows how one is written.")
    if experiment is None and len(config.briefs) > 1:
        raise PlumblineError(f"There are several briefs: name one with --experiment; there are: {names}.")
    found = config.briefs[0] if experiment is None else config.brief(experiment)
    if found is None:
        raise PlumblineError(f"The experiment {experiment!r} has no brief; there are briefs on: {names}.")
    return found


def _case(config_path: Path, output: Path, experiment: str | None) -> _Case:
    config = load_config(config_path)
    chosen = _chosen(config, experiment)
    section = _brief_section(output, chosen.experiment)
    return _Case(config, chosen, _status(config, chosen, section), _last_run(output, chosen, section))


def _brief_texts(case: _Case) -> dict[str, str]:
    about = case.config.experiment(case.brief.experiment or "")
    page = brief_page(case.brief, about, case.config.metrics, case.status, case.last)
    return {"brief.md": brief_markdown(page), "brief.html": brief_html(page)}


def _meeting_texts(case: _Case, output: Path, folder: Path | None, minutes: int) -> dict[str, str]:
    reads = pre_reads(output, folder / "brief.html" if folder else None)
    page = meeting_page(case.brief, case.config.metrics, case.status, case.last, reads, minutes)
    return {"meeting.md": meeting_markdown(page), "meeting.html": meeting_html(page)}


def _status(config: PlumblineConfig, brief: Brief, section: Mapping[str, Any] | None) -> BriefStatus:
    """The brief by the journal and by the last run's decision.json, which knows what the runs before it were held to."""
    seen = _seen(section, brief.experiment) if section else None
    journal = read_journal(journal_path(config.file))
    status = brief_status(brief, config.metrics, journal, (seen,) if seen else ())
    if section and section.get("version") == status.version and section.get("changed_after_data") is True:
        changes = tuple(map(str, section.get("changes_after_data") or ()))
        return replace(status, changed_after_data=True, changes_after_data=changes)
    return status


def _seen(section: Mapping[str, Any], experiment: str | None) -> BriefSeen | None:
    """The last run's brief, where data had been seen by then."""
    at, document = section.get("first_data_at"), section.get("content")
    try:
        first = from_iso_z(at) if isinstance(at, str) else None
    except ValueError:
        return None
    if first is None or not isinstance(document, dict):
        return None
    return BriefSeen("", first, experiment or "", str(section.get("version")), document, saw_data=True)


def _last_run(output: Path, brief: Brief, section: Mapping[str, Any] | None) -> LastRun | None:
    """What the last run decided; None where none has left anything."""
    if not (output / "verdict.json").exists() and not (output / ".run.json").exists():
        return None
    try:
        stored = read_verdict(output, brief.experiment)
    except PlumblineError as error:
        return LastRun(None, problem=str(error))
    version = (section or {}).get("version")
    return LastRun(
        verdict=stored.verdict.value,
        decided_at=stored.evaluated_at,
        version=version if isinstance(version, str) else None,
        reason=stored.reasons[0] if stored.reasons else None,
    )


def _brief_section(output: Path, experiment: str | None) -> Mapping[str, Any] | None:
    """The brief's part of decision.json; None where there is no such file. Raises NotEvaluatedError where it is corrupt."""
    path = output / DECISION
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = [item for item in document["experiments"] if item["experiment"] == experiment]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotEvaluatedError(f"{path} can not be read ({error}); run `plumbline run` again.") from error
    section = found[0].get("brief") if found and isinstance(found[0], dict) else None
    return section if isinstance(section, dict) else None
