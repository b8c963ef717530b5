"""``plumbline digest``: the daily checkpoint as it stands now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_pipeline.commands.gaps import Register, configured, read_register
from dagster_pipeline.commands.gate import configured_experiments
from dagster_pipeline.config.triage import Triage
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.gate.verdict_file import GO, GateResult, check, refusal
from dagster_pipeline.register.checkpoint import Blocked, checkpoint, recent
from dagster_pipeline.register.documents import gap_from_document
from dagster_pipeline.register.history import GapEvent, fold_acts
from dagster_pipeline.register.journal import journal_path, read_journal
from dagster_pipeline.register.process import ActionState, process_figures
from dagster_pipeline.report.digest import digest_document, digest_markdown

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig
    from dagster_pipeline.register.decision_log import LogEntry


@dataclass(frozen=True)
class _Told:
    """What the warehouse knows to have happened and to have been decided, or why it can't be read."""

    events: tuple[GapEvent, ...] = ()
    log: tuple[LogEntry, ...] = ()
    fault: str | None = None


def digest(config: Path, output: Path, *, as_json: bool) -> None:
    """Print the checkpoint of this moment as Markdown, or for machines.

    What changed is of the last day. What can't be looked at (the warehouse, the journal, a channel) is said in it. Raises
    NotEvaluatedError where there is no register that can be read.
    """
    loaded, now = configured(config), datetime.now(UTC)
    register = read_register(output, config)
    told = _told(loaded)
    since = _since(output, register, told.events)
    found = checkpoint(
        register.gaps,
        recent((*told.events, *since), now),
        tuple(_blocks(config, output, now)),
        loaded.triage if loaded else Triage(),
        now,
        tuple(_unknown(register, told.fault, loaded)),
        _actions(told, config, now),
    )
    print(
        json.dumps(digest_document(found), indent=2, allow_nan=False) if as_json else digest_markdown(found),
        end="",
    )
    if as_json:
        print()


def _since(output: Path, register: Register, events: Sequence[GapEvent]) -> tuple[GapEvent, ...]:
    """What people did that no run has written down yet, as the next run will."""
    known = {event.act for event in events if event.act}
    documents = json.loads((output / "register.json").read_text(encoding="utf-8"))["gaps"]
    gaps = {gap.gap_id: gap for gap in map(gap_from_document, documents)}
    return fold_acts(gaps, [act for act in register.since if act.digest not in known], "")[1]


def _blocks(config: Path, output: Path, now: datetime) -> Iterator[Blocked]:
    """What the gate says of every experiment now: an old verdict, an expired waiver or a missing signature blocks too."""
    try:
        known = configured_experiments(config)
    except PlumblineError as error:
        yield _blocked(refusal(error.exit_code, str(error)))
        return
    for experiment in known or [None]:
        yield _blocked(check(output, experiment, now=now, configured=known))


def _blocked(found: GateResult) -> Blocked:
    """The first line only sums up where another follows."""
    return Blocked(
        experiment=found.experiment,
        verdict=found.verdict,
        is_blocked=found.exit_code != GO,
        blocked_by=found.blocked_by,
        reason=found.lines[1 if len(found.lines) > 1 else 0],
        evaluated_at=found.evaluated_at,
    )


def _unknown(register: Register, fault: str | None, config: PlumblineConfig | None) -> Iterator[str]:
    from dagster_pipeline.alerts.dispatch import alert_faults  # noqa: PLC0415  only where there are channels

    if fault:
        yield f"What runs changed is not known: {fault}"
    if register.fault:
        yield f"What people did since the last run is not known: {register.fault}"
    if config is not None and config.alerts.channels and config.warehouse.path is not None:
        yield from alert_faults(config.warehouse.path, config.alerts)


def _told(config: PlumblineConfig | None) -> _Told:
    path = config.warehouse.path if config else None
    if path is None:
        return _Told(fault="there is no configuration that says where the warehouse is (--config).")
    import duckdb  # noqa: PLC0415  only here

    from dagster_pipeline.engines.warehouse import read_published  # noqa: PLC0415
    from dagster_pipeline.register.decision_log import read_log  # noqa: PLC0415
    from dagster_pipeline.register.store import all_events  # noqa: PLC0415

    try:
        with read_published(path) as session:
            return _Told(all_events(session), read_log(session))
    except (duckdb.Error, ValueError, PlumblineError) as error:
        return _Told(fault=f"{path} can't be read ({str(error).splitlines()[0]}).")


def _actions(told: _Told, config: Path, now: datetime) -> tuple[ActionState, ...]:
    """The actions of all decisions; none is taken for closed where the journal can't be read, which is said elsewhere."""
    try:
        journal = read_journal(journal_path(config))
    except PlumblineError:
        journal = ()
    return process_figures((), told.log, journal, now).actions
