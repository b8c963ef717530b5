"""Telling the channels of a run: each gets its one message, what could not be told waits, and what became of it is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from dagster_pipeline.alerts.channels import Delivery, send
from dagster_pipeline.alerts.compose import News, Told, compose, told_after
from dagster_pipeline.alerts.defused import defused
from dagster_pipeline.alerts.message import Message
from dagster_pipeline.alerts.outbox import (
    locked,
    newcomer,
    outbox_path,
    put_aside,
    read_outbox,
    with_fault,
    write_outbox,
)
from dagster_pipeline.config.triage import Alerts, Channel
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.register.documents import Json, plain
from dagster_pipeline.report import format as fmt

Send = Callable[[Channel, Message, int], Delivery]
QUIET = "nothing to tell"


@dataclass(frozen=True)
class Deliveries:
    """What became of a run's alerts, channel by channel; ``fault`` is what keeps it from being remembered, if anything."""

    run_id: str
    channels: tuple[Delivery, ...] = ()
    fault: str | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence for each channel that could not be told, and for what else went wrong."""
        untold = [f"{d.channel} was not told: {d.detail}." for d in self.channels if not d.told]
        return (*untold, *([self.fault] if self.fault else ()))


@dataclass
class _Outbox:
    """What is known of the channels, written down after each of them: a run that ends early repeats nothing."""

    path: Path
    known: dict[str, Told] = field(default_factory=dict)
    is_written: bool = False
    fault: str | None = None

    def keep(self, name: str, told: Told) -> None:
        if self.is_written and self.known[name] == told:
            return
        self.known[name] = told
        try:
            write_outbox(self.path, self.known)
            self.is_written = True
        except PlumblineError as error:
            self.fault = f"What was told can't be remembered, so it will be told again: {error}"


def dispatch(
    news: News, alerts: Alerts, warehouse: Path, *, sender: Send = send, now: datetime | None = None
) -> Deliveries:
    """Tell every channel what it was not told yet, and give what became of it. Raises nothing but PlumblineError.

    The state is beside ``warehouse``. Only one process at a time does this. Raises PlumblineError where the lock can't be had.
    """
    at = now or datetime.now(UTC)
    path = outbox_path(warehouse)
    with locked(path):
        outbox = _opened(path, alerts, news, at)
        failing = failing_channels(outbox.known, alerts)
        found = [_tell(news, alerts, channel, outbox, failing, sender, at) for channel in alerts.channels]
    return Deliveries(news.report.run_id, tuple(found), outbox.fault)


def failing_channels(known: Mapping[str, Told], alerts: Alerts) -> dict[str, str]:
    """A sentence on every configured channel that could not be reached the last time, by name."""
    return {
        channel.name: f"{channel.name} could not be told since {fmt.moment(told.failing_since)}: {told.fault}."
        for channel in alerts.channels
        if (told := known.get(channel.name)) is not None and told.fault is not None
    }


def alert_faults(warehouse: Path, alerts: Alerts) -> tuple[str, ...]:
    """What runs before this one could not tell, a sentence each; for the report."""
    known = read_outbox(outbox_path(warehouse)) if alerts.channels else {}
    if known is None:
        return ("Nobody knows what the alert channels were told: the file of it can't be read.",)
    return tuple(failing_channels(known, alerts).values())


def alerts_document(found: Deliveries) -> Json:
    """What alerts.json holds."""
    return {
        "schema_version": 1,
        "run_id": plain(found.run_id),
        "channels": [
            {
                "name": plain(one.channel),
                "told": one.told,
                "tries": one.tries,
                "detail": plain(one.detail),
                "events": one.events,
            }
            for one in found.channels
        ],
        "fault": plain(found.fault),
    }


def _opened(path: Path, alerts: Alerts, news: News, at: datetime) -> _Outbox:
    known = read_outbox(path)
    if known is None:
        put_aside(path)
    fresh = newcomer(news.events, news.report.run_id, at, is_lost=known is None)
    names = [channel.name for channel in alerts.channels]
    is_written = known is not None and known.keys() == set(names)
    return _Outbox(path, {name: (known or {}).get(name, fresh) for name in names}, is_written)


def _tell(
    news: News,
    alerts: Alerts,
    channel: Channel,
    outbox: _Outbox,
    failing: Mapping[str, str],
    sender: Send,
    at: datetime,
) -> Delivery:
    before = outbox.known[channel.name]
    others = [defused(said, 400) for name, said in failing.items() if name != channel.name]
    message = compose(news, channel, alerts, before, others)
    if message is None:
        quiet = replace(told_after(news, before), failing_since=before.failing_since, fault=before.fault)
        outbox.keep(channel.name, quiet)
        return Delivery(channel.name, True, 0, QUIET)
    delivery = sender(channel, message, alerts.tries)
    told = told_after(news, before) if delivery.told else with_fault(before, delivery.detail, at)
    outbox.keep(channel.name, told)
    return delivery


def written(channels: Sequence[Delivery]) -> str:
    """The deliveries on one line each, for a log or an asset."""
    return "\n".join(
        f"{defused(one.channel)}: {'told' if one.told else 'NOT told'}, {defused(one.detail)}"
        for one in channels
    )
