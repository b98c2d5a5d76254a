"""Where a gateway may listen."""

from __future__ import annotations

import socket

import pytest

from outbox import InvalidArgument
from outbox.gateway.serving import check_bind, is_loopback, listening


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_what_only_this_machine_reaches_needs_no_tokens(host: str) -> None:
    assert is_loopback(host)
    check_bind(host, has_tokens=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_what_others_reach_does(host: str) -> None:
    check_bind(host, has_tokens=True)
    with pytest.raises(InvalidArgument, match="outbox token add"):
        check_bind(host, has_tokens=False)


def test_a_port_that_is_taken_is_named() -> None:
    with listening("127.0.0.1", 0) as place:
        port = place.getsockname()[1]
        with pytest.raises(InvalidArgument, match=str(port)):
            listening("127.0.0.1", port)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone has it")
def test_a_client_that_was_unplugged_is_noticed() -> None:
    with listening("127.0.0.1", 0) as place, socket.create_connection(place.getsockname()) as client:
        accepted, _ = place.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        assert client.fileno() >= 0
