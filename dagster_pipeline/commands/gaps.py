"""``plumbline gaps list`` and ``show``: the register of the last run, and what people did about it since."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_pipeline.commands.gap_story import Moment, story
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.triage import Triage
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.gaps.model import Gap, GapStatus
from dagster_pipeline.register.acts import GapAct
from dagster_pipeline.register.documents import gap_document, gap_from_document, iso_z
from dagster_pipeline.register.history import fold_acts, register_order
from dagster_pipeline.register.journal import journal_path, read_journal
from dagster_pipeline.register.lifecycle import due_at, waiver_end
from dagster_pipeline.register.risk import is_late
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.run_record import acts_since, finished_run
from dagster_pipeline.report.runbooks import runbook_name

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig

_LONGEST = 2_000
_KEPT_APART = ("metrics", "lifecycle")


@dataclass(frozen=True)
class Register:
    """The gaps as they are now: those of register.json with what people did ``since`` that file was written.

    ``fault`` says why nothing could be added to what register.json holds.
    """

    gaps: tuple[Gap, ...]
    since: tuple[GapAct, ...] = ()
    fault: str | None = None

    def gap(self, gap_id: str) -> Gap | None:
        """One gap, None where the register does not hold it."""
        return next((gap for gap in self.gaps if gap.gap_id == gap_id), None)


@dataclass(frozen=True)
class Wanted:
    """What a list is to hold; an empty choice is no restriction.

    Without ``everything`` gaps of severity info and resolved ones are left out, unless they are asked for by name.
    """

    severities: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    unowned: bool = False
    late: bool = False
    everything: bool = False

    def holds(self, gap: Gap, is_late: bool) -> bool:
        """Whether a gap belongs in the list."""
        named = (
            (self.severities, gap.severity.value),
            (self.kinds, gap.kind),
            (self.tables, gap.table),
            (self.statuses, gap.status.value),
            (tuple(map(_folded, self.owners)), _folded(gap.owner)),
        )
        if any(choice and value not in choice for choice, value in named):
            return False
        if (self.unowned and gap.owner) or (self.late and not is_late):
            return False
        return self.everything or self._matters(gap)

    def _matters(self, gap: Gap) -> bool:
        is_noted = gap.severity.value == "info" and gap.status is not GapStatus.RESOLVED
        if is_noted and not self.severities:
            return False
        return gap.status is not GapStatus.RESOLVED or bool(self.statuses)


def list_gaps(config: Path, output: Path, *, as_json: bool, wanted: Wanted | None = None) -> None:
    """Print the gaps, worst first. Raises NotEvaluatedError where there is no register that can be read."""
    wanted, now = wanted or Wanted(), datetime.now(UTC)
    loaded = configured(config)
    register, sla = read_register(output, config), _triage(loaded).sla
    known = {gap.kind for gap in register.gaps}
    _expect_kinds(wanted.kinds, known)
    found = [gap for gap in register.gaps if wanted.holds(gap, is_late(gap, due_at(gap, sla), now))]
    if register.fault:
        print(f"Not shown: what people did since. {visible(register.fault, _LONGEST)}", file=sys.stderr)
    if as_json:
        print(json.dumps([gap_document(gap) for gap in found], indent=2, allow_nan=False))
        return
    for gap in found:
        print(_line(gap, due_at(gap, sla), now))
    if not found:
        print(_none(wanted))


def _none(wanted: Wanted) -> str:
    if wanted == Wanted():
        return "No open gap above info."
    return "No gap." if wanted == Wanted(everything=True) else "No such gap."


def _line(gap: Gap, due: datetime | None, now: datetime) -> str:
    place = visible(".".join(part for part in (gap.table, gap.column) if part))
    share = "" if gap.share_affected is None else f"{gap.share_affected:.2%} affected"
    name = (
        f"{gap.gap_id}  {gap.severity.value:<8} {gap.status.value:<12} {gap.kind:<22} {place:<32} {share:<17}"
    )
    return f"{name} {visible(gap.owner or 'no owner'):<20} {_when(gap, due, now)}".rstrip()


def _when(gap: Gap, due: datetime | None, now: datetime) -> str:
    if due is None:
        return ""
    if gap.status is GapStatus.ACCEPTED:
        return waiver_end(gap, now) or f"waived until {due:%Y-%m-%d %H:%M} UTC"
    return f"{fmt.span(now - due)} late" if due < now else f"due in {fmt.span(due - now)}"


def show_gap(gap_id: str, config: Path, output: Path, *, as_json: bool) -> None:
    """Print one gap in full, with its story. Raises PlumblineError for an id that the register does not hold."""
    loaded = configured(config)
    register = read_register(output, config)
    gap = register.gap(gap_id)
    if gap is None:
        raise unknown_gaps([gap_id], output)
    shown = _Shown(gap, _triage(loaded), datetime.now(UTC), *story(loaded, journal_path(config), gap_id))
    if as_json:
        print(json.dumps(gap_document(gap) | shown.document(), indent=2, allow_nan=False))
        return
    for line in shown.lines(output):
        print(line)


@dataclass(frozen=True)
class _Shown:
    """A gap with its dates and its story; ``faults`` say what the story lacks."""

    gap: Gap
    triage: Triage
    now: datetime
    moments: tuple[Moment, ...]
    faults: tuple[str, ...]
    due: datetime | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "due", due_at(self.gap, self.triage.sla))

    @property
    def told(self) -> tuple[str, ...]:
        return self.triage.escalation.contacts(self.gap.life.level)

    def document(self) -> dict[str, Any]:
        return {
            "due_at": iso_z(self.due),
            "is_late": is_late(self.gap, self.due, self.now),
            "escalated_to": list(self.told),
            "runbook": runbook_name(self.gap.kind) or None,
            "events": [moment.document() for moment in self.moments],
            "events_faults": list(self.faults),
        }

    def lines(self, output: Path) -> Iterator[str]:
        document = gap_document(self.gap)
        for key, value in document.items():
            if key not in _KEPT_APART:
                yield f"{key:<16} {visible(value, _LONGEST)}"
        for impact in document["metrics"]:
            yield (
                f"  {impact['metric']} ({visible(impact['variant'])}): {impact['direction']}, "
                f"region [{impact['lower']}, {impact['upper']}]"
            )
        yield from self._dates()
        if name := runbook_name(self.gap.kind):
            yield f"{'runbook':<16} {output / 'report' / name}"
        yield "story"
        yield from (f"  {moment.line()}" for moment in self.moments)
        yield from (f"  {visible(fault, _LONGEST)}" for fault in self.faults)

    def _dates(self) -> Iterator[str]:
        when = _when(self.gap, self.due, self.now)
        if when:
            yield f"{'due':<16} {iso_z(self.due)} ({when})"
        waiver = self.gap.life.waiver
        if waiver is not None:
            scope = f", for {waiver.scope} only" if waiver.scope else ""
            covers = "" if waiver.share is None else f", up to {waiver.share * (1 + waiver.tolerance):.3%}"
            people = f"owned by {waiver.owner}, approved by {waiver.approver}"
            text = f"until {waiver.expires_at:%Y-%m-%d %H:%M} UTC{covers}{scope}, {people}: {waiver.why}"
            yield f"{'waiver':<16} {visible(text, _LONGEST)}"
        if self.gap.life.level:
            names = ", ".join(self.told) or "nobody is named (triage.escalation)"
            yield f"{'escalated':<16} level {self.gap.life.level}: {visible(names, _LONGEST)}"


def read_register(output: Path, config: Path) -> Register:
    """The gaps of register.json with what people did since. Raises NotEvaluatedError where it can't be read."""
    path = output / "register.json"
    try:
        documents = json.loads(path.read_text(encoding="utf-8"))["gaps"]
        gaps = tuple(map(gap_from_document, documents))
    except FileNotFoundError:
        raise NotEvaluatedError(f"{path} does not exist; run `plumbline run` first.") from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise NotEvaluatedError(f"{path} can not be read ({error}); run `plumbline run` again.") from error
    try:
        since = _acts_since(output, journal_path(config))
    except NotEvaluatedError as error:
        return Register(gaps, fault=str(error))
    if not since:
        return Register(gaps)
    folded, _ = fold_acts({gap.gap_id: gap for gap in gaps}, since, "")
    return Register(tuple(sorted(folded.values(), key=register_order)), since)


def _acts_since(output: Path, journal: Path) -> tuple[GapAct, ...]:
    if not journal.exists():
        return ()
    return acts_since(finished_run(output).get("journal"), read_journal(journal))


def configured(config: Path) -> PlumblineConfig | None:
    """The configuration where there is one; a register can be read without. Raises ConfigError for one that can't be used."""
    return load_config(config) if config.exists() else None


def unknown_gaps(gap_ids: Iterable[str], output: Path) -> PlumblineError:
    """The refusal of ids that the register does not hold."""
    names = ", ".join(map(repr, gap_ids))
    return PlumblineError(
        f"No gap {names} in {output / 'register.json'}; `plumbline gaps list --all` lists them."
    )


def _expect_kinds(kinds: Iterable[str], present: set[str]) -> None:
    """Raises PlumblineError for a kind that there is not, rather than show an empty list."""
    missing = [kind for kind in kinds if kind not in present]
    if not missing:
        return
    from dagster_pipeline.gaps.kinds import gap_kinds  # noqa: PLC0415  reads a file for each kind

    unknown = [kind for kind in missing if kind not in gap_kinds()]
    if unknown:
        allowed = ", ".join(sorted({*gap_kinds(), *present}))
        raise PlumblineError(f"No gap kind {', '.join(map(repr, unknown))}; there are: {allowed}.")


def _triage(config: PlumblineConfig | None) -> Triage:
    return config.triage if config else Triage()


def _folded(text: str | None) -> str | None:
    return None if text is None else " ".join(text.split()).casefold()
