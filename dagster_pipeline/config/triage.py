"""How a team works with its gaps: who owns them, how fast, who is told, and how long a risk may be accepted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dagster_pipeline.config.frozen import Frozen
from dagster_pipeline.config.problems import Refusal
from dagster_pipeline.config.scalars import Duration, Size, Text

SeverityName = Literal["blocker", "high", "medium", "low", "info"]

_HOURS = timedelta(hours=1)


class Agreed(Frozen):
    """The SLA: how long after it was opened a gap of each severity may stay unresolved. Nobody waits for info."""

    blocker: Duration = 24 * _HOURS
    high: Duration = 72 * _HOURS
    medium: Duration = 14 * 24 * _HOURS
    low: Duration = 30 * 24 * _HOURS

    def within(self, severity: str) -> timedelta | None:
        """How long a gap of that severity may stay unresolved; None where nothing is agreed."""
        found: timedelta | None = getattr(self, severity, None)
        return found


class Escalation(Frozen):
    """When a gap nobody deals with is raised, and to whom.

    A blocker that is open for longer than ``after`` is raised to level 1, and to level 2 after twice as long; a gap that can turn
    the decision (δ* ≤ 1) and has no owner is raised to level 1 by the run after the one that opened it, and to level 2 after
    ``after``. ``level_1`` and ``level_2`` name who is told.
    """

    after: Duration = 48 * _HOURS
    level_1: tuple[Text, ...] = ()
    level_2: tuple[Text, ...] = ()

    def contacts(self, level: int) -> tuple[str, ...]:
        """Who is told at a level: at level 2 those of level 1 too."""
        return self.level_1 + (self.level_2 if level > 1 else ()) if level else ()


class WaiverPolicy(Frozen):
    """What a waiver may be: at most ``longest`` long; it covers a share of up to (1 + ``tolerance``) × the one it was granted at.

    ``approvers`` are those who may approve one; empty means anybody but the owner of the gap.
    """

    longest: Duration = 30 * 24 * _HOURS
    tolerance: Size = 0.1
    approvers: tuple[Text, ...] = ()


class Triage(Frozen):
    """``triage`` of plumbline.yml. ``owners`` names people by gap kind or source, where no brief's ``owners`` does."""

    owners: dict[Text, Text] = Field(default_factory=dict)
    sla: Agreed = Agreed()
    escalation: Escalation = Escalation()
    waivers: WaiverPolicy = WaiverPolicy()


class Channel(Frozen):
    """One place alerts go to; ``url_variable`` names the environment variable that holds its Apprise address (a secret).

    It is told of gaps of at least ``least`` severity.
    """

    name: Text
    url_variable: Annotated[Text, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    least: SeverityName = "high"


class Alerts(Frozen):
    """``alerts`` of plumbline.yml. ``link`` is where the report and the register can be read by who is told (an http(s) address).

    ``digest`` sends the daily checkpoint too; ``tries`` is how often a channel is called before it counts as failing.
    """

    channels: tuple[Channel, ...] = ()
    link: Text | None = None
    digest: bool = False
    tries: Annotated[int, Field(strict=True, ge=1, le=10)] = 3

    @field_validator("link")
    @classmethod
    def _an_address(cls, link: str | None) -> str | None:
        if link is not None and not link.lower().startswith(("http://", "https://")):
            raise Refusal("must be an http or https address")
        return link

    @model_validator(mode="after")
    def _names_differ(self) -> Alerts:
        names = [channel.name for channel in self.channels]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise Refusal(f"names two channels {repeated!r}; each needs a name of its own", at=("channels",))
        return self


def owner_of(owners: Mapping[str, str], kind: str, table: str | None) -> str | None:
    """Who owns gaps of that kind in that source: the kind's owner goes before the source's."""
    return owners.get(kind) or (owners.get(table) if table else None)
