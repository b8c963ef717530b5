"""``plumbline alerts``: whether a channel can be reached."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from dagster_pipeline.alerts.channels import send
from dagster_pipeline.alerts.compose import report_link
from dagster_pipeline.alerts.message import Message
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.report.escape import visible

TOLD, UNTOLD = 0, 1


def try_channel(config_path: Path, name: str) -> int:
    """Send one test message to a channel of plumbline.yml; gives the exit code, 1 where it was not delivered.

    It touches nothing of what the channel was told. Raises PlumblineError for a channel that is not configured.
    """
    alerts = load_config(config_path).alerts
    channel = next((one for one in alerts.channels if one.name == name), None)
    if channel is None:
        known = ", ".join(repr(one.name) for one in alerts.channels) or "none"
        raise PlumblineError(f"alerts.channels of {config_path} has no {name!r}; it names: {known}.")
    now = datetime.now(UTC)
    delivery = send(channel, _test_message(alerts.link, now), alerts.tries)
    tries = f"{delivery.tries} {'try' if delivery.tries == 1 else 'tries'}"
    if not delivery.told:
        print(f"{visible(name)} was not told: {visible(delivery.detail)} ({tries}).", file=sys.stderr)
        return UNTOLD
    print(f"{visible(name)} was told ({tries}).")
    return TOLD


def _test_message(link: str | None, now: datetime) -> Message:
    lead = (
        f"A test of this channel, {now:%Y-%m-%d %H:%M} UTC.",
        "Nothing happened: alerts of runs will come here.",
    )
    return Message("Plumbline: a test of this channel", lead, report=report_link(link))
