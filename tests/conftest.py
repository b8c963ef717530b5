"""What takes too long for every change runs where it is asked for by its marker: make test-matrix, test-life, test-postgres."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

ASIDE = ("matrix", "postgres", "life")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sets the tests marked ``matrix``, ``postgres`` or ``life`` aside unless the marker expression names them."""
    unasked = [marker for marker in ASIDE if marker not in (config.option.markexpr or "")]
    aside = [item for item in items if any(map(item.get_closest_marker, unasked))]
    if aside:
        config.hook.pytest_deselected(items=aside)
        items[:] = [item for item in items if item not in aside]


class Receiver:
    """A webhook's other end on loopback: gives ``answers`` in turn, the last for good, and keeps what it was sent."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.got = list(answers), []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
                status = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *args: Any) -> None:
                del args

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/secret-token"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Receiver]]:
    """Starts receivers on loopback, past any proxy of this machine, and stops them after the test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    started: list[Receiver] = []

    def start(*answers: int) -> Receiver:
        started.append(Receiver(*answers))
        return started[-1]

    yield start
    for one in started:
        one.close()
