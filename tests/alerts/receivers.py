"""A mail server on this machine, for real."""

import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller


@dataclass
class Mails:
    """What came in, oldest first; ``answers`` are given in turn, the last one for good."""

    address: str
    answers: list
    got: list = field(default_factory=list)
    calls: int = 0

    def answer(self):
        self.calls += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def mail_server(*answers):
    """A server whose answers that are no 250 are what it says instead of taking the mail."""

    class Handler:
        async def handle_DATA(self, server, session, envelope):
            answer = mails.answer()
            if answer.startswith("250"):
                mails.got.append(message_from_bytes(envelope.content, policy=policy.default))
            return answer

    with socket.socket() as probe:  # aiosmtpd calls the port it was given, so 0 will not do
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"mailto://127.0.0.1:{port}?from=plumbline@example.com&to=ops@example.com&mode=insecure"
    mails = Mails(address, list(answers) or ["250 OK"])
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()
