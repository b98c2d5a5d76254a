"""A Kafka that cannot be reached: what is said of the reason."""

from __future__ import annotations

import socket

import pytest

from relay.errors import Unreachable
from relay.kafka import topic_admin
from relay.kafka.sink import KafkaSink


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_admin, "CHECK_SECONDS", 1.0)


def test_what_the_client_knows_of_the_fault_is_said() -> None:
    with pytest.raises(Unreachable, match="Connection refused"):
        KafkaSink("127.0.0.1:1").check([])


def test_a_listener_that_says_nothing_leaves_what_to_look_at() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(Unreachable, match=r"check host, port and security\.protocol"),
    ):
        KafkaSink(f"127.0.0.1:{silent.getsockname()[1]}").check([])
