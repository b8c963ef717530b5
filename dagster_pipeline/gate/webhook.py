"""Telling somebody else's system that a launch was switched off: one POST of JSON.

The address may be a secret: it is in no message, whatever goes wrong. Redirects are not followed, since they could lead
the message anywhere.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any

TRIES = 3
TIMEOUT = 5.0
_PAUSE = 1.0
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True)
class Delivery:
    """What became of a call: whether it was taken, after how many tries, and in words without the address."""

    delivered: bool
    tries: int
    detail: str


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other that is no 2xx."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:  # fmt: skip
        """Give no request to follow it with."""
        del req, fp, code, msg, headers, newurl


def call_variable(
    variable: str | None,
    payload: Mapping[str, Any],
    *,
    timeout: float = TIMEOUT,
    pause: Callable[[float], None] = time.sleep,
) -> Delivery:
    """POST the payload to the address an environment variable holds; None is a brief without a webhook. Raises nothing.

    Up to three tries, each waiting longer: for an answer that is no 2xx, or none within ``timeout`` seconds.
    """
    if variable is None:
        return Delivery(False, 0, "the brief names no webhook")
    address = os.environ.get(variable, "").strip()
    if not address:
        return Delivery(False, 0, f"the environment variable {variable} is not set")
    if not address.lower().startswith(_SCHEMES):
        return Delivery(False, 0, f"the environment variable {variable} holds no http or https address")
    body = json.dumps(payload, allow_nan=False).encode("ascii")
    detail = ""
    for number in range(1, TRIES + 1):
        delivered, detail = _post(address, body, timeout)
        if delivered:
            return Delivery(True, number, detail)
        if number < TRIES:
            pause(_PAUSE * 2 ** (number - 1))
    return Delivery(False, TRIES, detail)


def _post(address: str, body: bytes, timeout: float) -> tuple[bool, str]:
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        request = urllib.request.Request(  # noqa: S310  the scheme was looked at
            address, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        with opener.open(request, timeout=timeout) as response:
            return True, f"answered {response.status}"
    except urllib.error.HTTPError as error:
        with error:
            return False, f"answered {error.code}"
    # What these errors say may hold the address: only their kind is told.
    except urllib.error.URLError as error:
        reason = error.reason
        return (
            False,
            f"no connection ({type(reason).__name__ if isinstance(reason, Exception) else 'URLError'})",
        )
    except (OSError, HTTPException, ValueError) as error:
        return False, f"no answer ({type(error).__name__})"
