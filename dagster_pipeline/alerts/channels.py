"""Sending one message to one channel, through Apprise. The address is a secret: it is in no log, message or error.

Apprise knows how to talk to each service; everything else of it is off: attachments, its store on disk, plugins from a folder,
redirects and its own retries.
"""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_pipeline.alerts.message import LONGEST, Message
from dagster_pipeline.criteria.vocabulary import Severity

if TYPE_CHECKING:
    from apprise import NotifyBase, NotifyType

    from dagster_pipeline.config.triage import Alerts, Channel

TIMEOUT = 20.0
"""Seconds one try may take."""
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# Who logs addresses: Apprise what it calls, urllib3 the path of each request.
_TALKATIVE = ("apprise", "urllib3", "requests", "oauthlib", "requests_oauthlib", "asyncio")
_ANSWER = re.compile(r"\berror=(\d{3})\b")
_ROOM_FOR_TITLE = 250


@dataclass(frozen=True)
class Delivery:
    """What became of one message to one channel: whether it was taken, after how many tries, and in words without the address."""

    channel: str
    told: bool
    tries: int
    detail: str
    events: int = 0


def send(
    channel: Channel, message: Message, tries: int, *, pause: Callable[[float], None] = time.sleep
) -> Delivery:
    """Send one message, up to ``tries`` times with growing pauses. Raises nothing."""
    address = os.environ.get(channel.url_variable, "").strip()
    if not address:
        return Delivery(channel.name, False, 0, f"the environment variable {channel.url_variable} is not set")
    detail = ""
    for number in range(1, tries + 1):
        told, detail, is_final = _try(address, channel.url_variable, message)
        if told or is_final:
            return Delivery(channel.name, told, number, detail, message.events if told else 0)
        if number < tries:
            pause(min(_PAUSE * 2 ** (number - 1), _LONGEST_PAUSE))
    return Delivery(channel.name, False, tries, detail)


def tell_failure(
    alerts: Alerts, text: str, *, pause: Callable[[float], None] = time.sleep
) -> tuple[Delivery, ...]:
    """Tell every channel that a run broke, so that no register says anything. Raises nothing.

    ``text`` says what broke, in plain text; it may hold anything.
    """
    from dagster_pipeline.alerts.compose import report_link  # noqa: PLC0415  only then
    from dagster_pipeline.alerts.defused import defused  # noqa: PLC0415

    lines = tuple(defused(line, 600) for line in text.splitlines()[:20] if line.strip())
    message = Message(
        "Plumbline: the run failed", lines, report=report_link(alerts.link), worst=Severity.BLOCKER
    )
    return tuple(send(channel, message, alerts.tries, pause=pause) for channel in alerts.channels)


def _try(address: str, variable: str, message: Message) -> tuple[bool, str, bool]:
    """Whether it was taken, in words, and whether another try is of no use."""
    try:
        with _silenced():
            service = _service(address)
            if service is None:
                return False, f"the environment variable {variable} holds no address Apprise knows", True
            return *_sent(service, message), False
    # What it says may hold the address: only its kind is told.
    except Exception as error:
        return False, f"could not be sent ({type(error).__name__})", False


def _service(address: str) -> NotifyBase | None:
    """The service an address stands for; None where it is no address, or several, of which one could fail alone."""
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415  seconds of imports
    from apprise.utils.parse import parse_urls  # noqa: PLC0415

    if len(parse_urls(address)) > 1:  # type: ignore[no-untyped-call]
        return None
    asset = AppriseAsset(
        app_id="Plumbline",
        app_desc="Plumbline",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        storage_mode="memory",
        service_timeout=TIMEOUT,
        default_service_retry=0,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
    )
    return Apprise.instantiate(address, asset=asset)


def _sent(service: NotifyBase, message: Message) -> tuple[bool, str]:
    from apprise import Apprise, NotifyFormat  # noqa: PLC0415

    sender = Apprise(asset=service.asset)
    sender.add(service)
    room = min(LONGEST, _room(service))
    is_text = service.resolve_format(NotifyFormat.MARKDOWN) is NotifyFormat.TEXT
    result = sender.notify(
        body=message.text(room) if is_text else message.markdown(room),
        title=message.title,
        notify_type=_tone(message),
        body_format=NotifyFormat.TEXT if is_text else NotifyFormat.MARKDOWN,
        interpret_escapes=False,
    )
    if result:
        return True, "delivered"
    if result.timeout_count:
        return False, f"no answer within {TIMEOUT:g} s"
    answers = [found[1] for entry in result.logs() if (found := _ANSWER.search(entry.message))]
    return False, f"answered {answers[-1]}" if answers else "no connection, or refused"


def _room(service: NotifyBase) -> int:
    """Characters for the body: a service without titles puts the title before it."""
    if service.title_maxlen > 0:
        return int(service.body_maxlen)
    return max(service.body_maxlen - _ROOM_FOR_TITLE, service.body_maxlen // 3)


def _tone(message: Message) -> NotifyType:
    """The colour and the sign that services have for it."""
    from apprise import NotifyType  # noqa: PLC0415

    if message.worst is Severity.BLOCKER:
        return NotifyType.FAILURE
    if message.worst in (Severity.HIGH, Severity.MEDIUM):
        return NotifyType.WARNING
    return NotifyType.INFO


@contextmanager
def _silenced() -> Iterator[None]:
    """Nothing of what the libraries log reaches a handler; Apprise's own capture of warnings works on."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    before = [(one, one.level, one.propagate, one.handlers) for one in loggers]
    for one in loggers:
        one.propagate, one.handlers = False, [logging.NullHandler()]
        one.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level, propagate, handlers in before:
            one.propagate, one.handlers = propagate, handlers
            one.setLevel(level)
