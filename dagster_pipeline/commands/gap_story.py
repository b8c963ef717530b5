"""What happened to one gap, from its opening on: the events of the warehouse, and what people did since the last run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.register.acts import GapAct, gap_acts
from dagster_pipeline.register.documents import iso_z, plain
from dagster_pipeline.register.journal import read_journal
from dagster_pipeline.report.escape import visible

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig
    from dagster_pipeline.register.history import GapEvent

_LONGEST = 600


@dataclass(frozen=True)
class Moment:
    """One thing that happened; ``by`` None is a run."""

    at: datetime
    event: str
    before: str | None
    after: str | None
    by: str | None
    why: str | None

    def line(self) -> str:
        """For a terminal."""
        change = " → ".join(part for part in (self.before, self.after) if part)
        about = f" ({change})" if change else ""
        reason = f": {self.why}" if self.why else ""
        who = self.by or "a run"
        what = self.event.replace("_", " ")
        return visible(f"{self.at:%Y-%m-%d %H:%M} UTC  {what}{about} by {who}{reason}", _LONGEST)

    def document(self) -> dict[str, Any]:
        """For machines."""
        fields = {"event": self.event, "before": self.before, "after": self.after, "by": self.by}
        return {"at": iso_z(self.at), **{k: plain(v) for k, v in (fields | {"why": self.why}).items()}}


def story(
    config: PlumblineConfig | None, journal: Path, gap_id: str
) -> tuple[tuple[Moment, ...], tuple[str, ...]]:
    """The moments of a gap, oldest first, and why some may be missing, a sentence each."""
    events: tuple[GapEvent, ...] = ()
    acts: tuple[GapAct, ...] = ()
    faults = []
    try:
        events = _stored(config, gap_id)
    except PlumblineError as error:
        faults.append(f"What the warehouse holds is not shown: {error}")
    try:
        acts = gap_acts(read_journal(journal))
    except PlumblineError as error:
        faults.append(f"What people said since the last run is not shown: {error}")
    told = {event.act for event in events}
    new = [act for act in acts if act.gap_id == gap_id and act.digest not in told]
    moments = sorted((*map(_of_event, events), *map(_of_act, new)), key=lambda moment: moment.at)
    return tuple(moments), tuple(faults)


def _stored(config: PlumblineConfig | None, gap_id: str) -> tuple[GapEvent, ...]:
    if config is None:
        raise PlumblineError("there is no configuration that says where the warehouse is (--config).")
    path = config.warehouse.path
    if path is None:
        raise PlumblineError(f"the register can't be read from {config.warehouse.engine} yet.")
    import duckdb  # noqa: PLC0415  only here

    from dagster_pipeline.engines.warehouse import read_published  # noqa: PLC0415
    from dagster_pipeline.register.store import gap_events  # noqa: PLC0415

    try:
        with read_published(path) as session:
            return gap_events(session, gap_id)
    except (duckdb.Error, ValueError) as error:
        raise PlumblineError(f"{path} can't be read ({str(error).splitlines()[0]}).") from error


def _of_event(event: GapEvent) -> Moment:
    return Moment(event.at, event.event.value, event.before, event.after, event.by, event.why)


def _of_act(act: GapAct) -> Moment:
    after = act.owner
    if act.waiver is not None:
        after = f"until {act.waiver.expires_at:%Y-%m-%d %H:%M} UTC"
    return Moment(act.at, act.kind.value.removeprefix("gap_"), None, after, act.by, act.why)
