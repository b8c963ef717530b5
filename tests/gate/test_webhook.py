"""The webhook is tried three times, is told nothing but JSON, and its address is in no message."""

from __future__ import annotations

import pytest

from dagster_pipeline.gate.webhook import call_variable

VARIABLE = "PLUMBLINE_TEST_WEBHOOK"
PAYLOAD = {"event": "rolled_back", "reason": "hire rate fell – „täglich“"}


@pytest.fixture
def called(monkeypatch):
    """Calls an address; gives the delivery and the pauses made."""

    def call(address, timeout=2.0):
        pauses = []
        if address is None:
            monkeypatch.delenv(VARIABLE, raising=False)
        else:
            monkeypatch.setenv(VARIABLE, address)
        return call_variable(VARIABLE, PAYLOAD, timeout=timeout, pause=pauses.append), pauses

    return call


def test_it_is_told_in_json_once(called, receive):
    receiver = receive(204)
    delivery, pauses = called(receiver.address)
    assert (delivery.delivered, delivery.tries, delivery.detail, pauses) == (True, 1, "answered 204", [])
    assert receiver.got == [("/secret-token", "application/json", PAYLOAD)]


def test_a_receiver_that_fails_twice_is_told_the_third_time(called, receive):
    receiver = receive(500, 503, 200)
    delivery, pauses = called(receiver.address)
    assert (delivery.delivered, delivery.tries) == (True, 3)
    assert len(receiver.got) == 3
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize("status", [302, 307, 400, 500])
def test_any_other_answer_is_none_and_no_redirect_is_followed(called, receive, status):
    receiver = receive(status)
    delivery, _ = called(receiver.address)
    assert (delivery.delivered, delivery.tries, delivery.detail) == (False, 3, f"answered {status}")
    assert {path for path, *_ in receiver.got} == {"/secret-token"}


def test_a_receiver_that_is_not_there_is_tried_three_times(called, receive):
    receiver = receive(200)
    receiver.close()
    delivery, pauses = called(receiver.address)
    assert (delivery.delivered, delivery.tries, delivery.detail) == (
        False,
        3,
        "no connection (ConnectionRefusedError)",
    )
    assert len(pauses) == 2


@pytest.mark.parametrize(
    "address",
    [
        "", "file:///etc/secret-token", "ftp://host/secret-token", "secret-token", "javascript:secret-token",
        "http://[secret-token", "http://127.0.0.1:secret-token/", "http://secret token/", "http:///secret-token",
        "http://127.0.0.1:1/\x7fsecret-token", "http://user:secret-token@127.0.0.1:1/",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_told_of_without_being_shown(called, monkeypatch, address):
    monkeypatch.setenv("no_proxy", "*")
    delivery, _ = called(address)
    assert not delivery.delivered
    assert "secret-token" not in delivery.detail


def test_a_variable_that_is_not_set_and_a_brief_without_one_are_told_apart(called):
    assert called(None)[0].detail == f"the environment variable {VARIABLE} is not set"
    assert call_variable(None, PAYLOAD).detail == "the brief names no webhook"
