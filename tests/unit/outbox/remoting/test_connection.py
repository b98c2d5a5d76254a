"""Calls that are made again until they are answered."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from outbox import InvalidArgument
from outbox.errors import OutboxClosed
from outbox.remoting import connection
from outbox.remoting.connection import Connection, headers_of, pause
from outbox.remoting.wire import Ask, RemoteUnavailable

ASK = Ask("GET", "/healthz")


@pytest.mark.parametrize("url", ["127.0.0.1:8321", "ftp://x", "http://x:port", "unix://name.sock", None])
def test_what_is_no_address_is_refused(url: Any) -> None:
    with pytest.raises(InvalidArgument, match="address"):
        Connection(url, None)


@pytest.mark.parametrize("token", ["a b", "a\r\nb", "é"])
def test_what_is_no_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        headers_of(token)

    assert token not in str(refused.value)


def test_pauses_are_doubled_up_to_three_seconds() -> None:
    assert 0.05 <= pause(1, 0) <= 0.1
    assert 1.5 <= pause(99, 0) <= 3
    assert pause(1, 7) == 7


def test_a_gateway_that_does_not_answer_is_tried_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TRY_SECONDS", 0.3)
    with pytest.raises(RemoteUnavailable):
        Connection("http://127.0.0.1:1", None).call(ASK)


def test_what_lasts_ends_with_its_stop() -> None:
    stop = threading.Event()
    stop.set()

    assert Connection("http://127.0.0.1:1", None).lasting(ASK, connection.Reach(None), stop) is None


def test_closed_it_says_so() -> None:
    closed = Connection("http://127.0.0.1:1", None)
    closed.close()
    with pytest.raises(OutboxClosed):
        closed.once(ASK)
