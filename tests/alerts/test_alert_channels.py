"""Sending through Apprise to a real receiver and a real mail server: retried, never raising, the address never shown."""

import ast
import json
import logging
import re
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from alert_worlds import a_channel, some_alerts
from apprise import NotifyFormat
from receivers import mail_server

from dagster_pipeline.alerts import channels
from dagster_pipeline.alerts.channels import send, tell_failure
from dagster_pipeline.alerts.defused import defused
from dagster_pipeline.alerts.message import Item, Message
from dagster_pipeline.criteria.vocabulary import Severity

VARIABLE = "ALERTS_OPS"
TOKEN = "s3cr3t-t0ken"  # noqa: S105  of a receiver of this test
MESSAGE = Message(
    "Plumbline: HOLD; 1 blocker gap",
    ("Verdict on quoting_v2: GO → HOLD.",),
    (Item("■ Blocker: Late data, hires", ("Owner: R&D",), "https://x.example/runbooks/stale_source.html"),),
    report="https://x.example/",
    events=2,
    worst=Severity.BLOCKER,
)


@pytest.fixture
def hook(receive, monkeypatch):
    """A receiver of json:// messages, whose address with all its secrets is in the environment."""

    def start(*answers):
        receiver = receive(*(answers or (200,)))
        port = receiver.server.server_port
        monkeypatch.setenv(VARIABLE, f"json://user:{TOKEN}@127.0.0.1:{port}/{TOKEN}/?-key={TOKEN}")
        return receiver

    return start


def sent(message=MESSAGE, tries=3):
    """The delivery, and the pauses made between the tries."""
    pauses = []
    return send(a_channel(variable=VARIABLE), message, tries, pause=pauses.append), pauses


# --- HTTP --------------------------------------------------------------------------------------


def test_a_receiver_gets_the_message_once(hook):
    receiver = hook()
    delivery, pauses = sent()
    assert (delivery.told, delivery.tries, delivery.detail, delivery.events) == (True, 1, "delivered", 2)
    assert pauses == []
    ((_, _, body),) = receiver.got
    assert body["title"] == MESSAGE.title
    assert body["message"] == MESSAGE.markdown()
    assert body["type"] == "failure"
    assert body["attachments"] == []


def test_a_receiver_that_fails_twice_is_called_again_with_growing_pauses(hook):
    receiver = hook(500, 503, 200)
    delivery, pauses = sent()
    assert (delivery.told, delivery.tries) == (True, 3)
    assert len(receiver.got) == 3
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[1]


def test_a_receiver_that_always_fails_is_given_up_with_its_answer(hook):
    receiver = hook(503)
    delivery, pauses = sent()
    assert (delivery.told, delivery.tries, delivery.detail, delivery.events) == (False, 3, "answered 503", 0)
    assert (len(receiver.got), len(pauses)) == (3, 2)


def test_a_redirect_is_not_followed(hook):
    receiver = hook(302)
    assert not sent(tries=1)[0].told
    assert len(receiver.got) == 1


def test_nobody_listening_is_a_failing_channel(hook):
    hook().close()
    delivery, _ = sent(tries=2)
    assert (delivery.told, delivery.tries, delivery.detail) == (False, 2, "no connection, or refused")


def test_a_receiver_that_never_answers_is_left_in_the_end(monkeypatch):
    monkeypatch.setattr(channels, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(VARIABLE, f"json://127.0.0.1:{silent.getsockname()[1]}")
        delivery, _ = sent(tries=1)
    assert (delivery.told, delivery.detail) == (False, "no answer within 0.2 s")


@pytest.mark.parametrize(("title", "body", "room"), [(250, 32_768, 32_768), (0, 2_000, 1_750), (0, 160, 53)])
def test_a_service_without_titles_has_less_room_for_the_body(title, body, room):
    assert channels._room(SimpleNamespace(title_maxlen=title, body_maxlen=body)) == room


@pytest.mark.parametrize(
    "address",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    ],
)
def test_no_messenger_finds_a_mention_or_a_link_of_a_value(address):
    hostile = "<!channel> @everyone [a](https://evil.example) <@U123|x> &lt;!here&gt;"
    body = Message("t", items=(Item(defused(hostile)),)).markdown()
    shown = channels._service(address).dialect_convert(body, body_format=NotifyFormat.MARKDOWN)
    assert not re.search(r"(?<!\\)<[!@]|@everyone|&lt;!|://", shown)


# --- the address -------------------------------------------------------------------------------


def test_a_variable_that_is_not_set_is_said(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    delivery, pauses = sent()
    assert (delivery.told, delivery.tries, pauses) == (False, 0, [])
    assert delivery.detail == f"the environment variable {VARIABLE} is not set"


@pytest.mark.parametrize(
    "address",
    [
        TOKEN,
        f"unheard-of://{TOKEN}",
        f"json://127.0.0.1/{TOKEN}, json://127.0.0.1/b",
        "slack://" + TOKEN,
        "json://",
    ],
)
def test_an_address_that_can_not_be_used_is_said_without_showing_it(monkeypatch, address, caplog):
    monkeypatch.setenv(VARIABLE, address)
    with caplog.at_level(logging.DEBUG):
        delivery, pauses = sent()
    assert (delivery.told, pauses) == (False, [])
    assert VARIABLE in delivery.detail
    assert TOKEN not in delivery.detail + caplog.text


@pytest.mark.parametrize("answers", [(200,), (500,)])
def test_the_address_is_in_no_log_even_where_everything_is_logged(hook, caplog, capfd, answers):
    hook(*answers)
    loud = logging.StreamHandler(sys.stderr)
    logging.getLogger("urllib3").addHandler(loud)
    logging.getLogger("apprise").addHandler(loud)
    try:
        with caplog.at_level(1), caplog.at_level(1, "apprise"), caplog.at_level(1, "urllib3"):
            delivery, _ = sent(tries=1)
    finally:
        logging.getLogger("urllib3").removeHandler(loud)
        logging.getLogger("apprise").removeHandler(loud)
    shown = caplog.text + "".join(capfd.readouterr()) + repr(delivery)
    assert TOKEN not in shown
    assert "127.0.0.1" not in shown


def test_loggers_are_left_as_they_were(hook):
    hook()
    names = ("apprise", "urllib3")
    before = [(one.level, one.propagate, list(one.handlers)) for one in map(logging.getLogger, names)]
    sent(tries=1)
    assert [(o.level, o.propagate, list(o.handlers)) for o in map(logging.getLogger, names)] == before


def test_what_a_library_raises_reaches_nobody(hook, monkeypatch):
    hook()

    def broken(*_):
        raise RuntimeError(f"json://{TOKEN}")

    monkeypatch.setattr(channels, "_sent", broken)
    delivery, _ = sent(tries=1)
    assert (delivery.told, delivery.detail) == (False, "could not be sent (RuntimeError)")


def test_apprise_keeps_nothing_on_disk_and_loads_nothing_from_it():
    service = channels._service(f"json://127.0.0.1/{TOKEN}")
    assert str(service.asset.storage_mode.value) == "memory"
    assert service.asset.storage_path is None
    assert service.asset.plugin_paths == []
    assert service.redirects is False


def test_apprise_is_only_imported_to_send():
    """It loads every service it knows: seconds that a quiet run has no use for."""
    for file in Path(channels.__file__).parent.glob("*.py"):
        top = [
            node
            for node in ast.parse(file.read_text("utf-8")).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert "apprise" not in "".join(map(ast.unparse, top)), file.name


# --- mail --------------------------------------------------------------------------------------


def test_a_mail_server_gets_subject_text_and_html(monkeypatch):
    with mail_server() as mails:
        monkeypatch.setenv(VARIABLE, mails.address)
        delivery, _ = sent()
    assert delivery.told
    (mail,) = mails.got
    assert mail["Subject"] == MESSAGE.title
    assert (mail["From"], mail["To"]) == ("plumbline@example.com", "ops@example.com")
    assert "https://x.example/runbooks/stale_source.html" in mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert '<a href="https://x.example/">' in html
    assert "R&amp;D" in html
    assert list(mail.iter_attachments()) == []


def test_a_mail_server_that_is_busy_twice_gets_the_mail_once(monkeypatch):
    with mail_server("451 try later", "451 try later", "250 OK") as mails:
        monkeypatch.setenv(VARIABLE, mails.address)
        delivery, _ = sent()
    assert (delivery.told, delivery.tries, mails.calls, len(mails.got)) == (True, 3, 3, 1)


# --- a run that broke --------------------------------------------------------------------------


def test_every_channel_is_told_of_a_run_that_broke(hook):
    receiver = hook()
    (delivery,) = tell_failure(some_alerts(), "stg_quotes: @channel\n<b>could not be built</b>")
    assert delivery.told
    ((_, _, body),) = receiver.got
    assert body["title"] == "Plumbline: the run failed"
    assert "＠channel" in body["message"]
    assert not {"@", "<b>"} & set(body["message"].split())
    assert json.dumps(body)
