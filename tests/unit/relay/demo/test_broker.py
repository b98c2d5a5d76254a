"""The demo's mock broker, read back as a consumer would."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from relay.demo import broker
from relay.demo.broker import Delivered, MockBroker, read_back
from relay.kafka.sink import KafkaSink
from tests.waiting import wait_until


@pytest.fixture
def mock() -> Iterator[MockBroker]:
    with closing(MockBroker()) as mock:
        mock.make_topic("orders")
        yield mock


def test_what_a_sink_delivers_is_read_back_in_the_order_of_its_key(mock: MockBroker) -> None:
    acknowledged: list[int] = []
    sink = KafkaSink(mock.bootstrap)
    with closing(sink):
        sink.open(acknowledged.append)
        sink.send([(seq, "orders", "k", b"{}", [("id", f"id {seq}"), ("seq", str(seq))]) for seq in (1, 2, 3)])

        def all_acknowledged() -> bool:
            sink.poll(0.05)
            return len(acknowledged) == 3

        wait_until(all_acknowledged, 30, "the records to be acknowledged")

    assert read_back(mock.bootstrap, "orders") == [Delivered(f"id {seq}", seq, "k") for seq in (1, 2, 3)]


def test_a_ctrl_c_while_a_client_is_made_counts_afterwards() -> None:
    done: list[str] = []

    def client(_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("made")

    before = signal.signal(signal.SIGINT, lambda *_: done.append("interrupted"))
    try:
        broker._made(client, {})
    finally:
        signal.signal(signal.SIGINT, before)

    assert done == ["made", "interrupted"]
