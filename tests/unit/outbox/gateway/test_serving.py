"""Where a gateway may listen."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from outbox import InvalidArgument
from outbox.gateway.serving import check_bind, listening, listening_at
from outbox.serving.loopback import is_loopback


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


def test_a_unix_socket_is_for_its_owner_and_group_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with listening_at(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(InvalidArgument, match="in use"), listening_at(path):
            pass

    assert not path.exists()


def test_a_unix_socket_that_nobody_serves_any_more_is_taken_and_a_file_is_not(tmp_path: Path) -> None:
    path, file = tmp_path / "gateway.sock", tmp_path / "file"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    file.write_text("mine")
    with listening_at(path), pytest.raises(InvalidArgument), listening_at(file):
        pass

    assert file.read_text() == "mine"
