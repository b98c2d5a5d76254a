"""A registered consumer of a gateway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from outbox import InvalidConsumer, InvalidName, Record
from outbox.events import Disconnected
from outbox.remoting.consumer import RemoteConsumer
from outbox.remoting.events import Connected, Processed, Received
from outbox.remoting.outbox import RemoteOutbox
from tests.actors.gateway import Served
from tests.waiting import wait_until


@contextmanager
def running(consumer: RemoteConsumer[Any], handle: Any) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=lambda: consumer.run(handle, stop=stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def totals(records: list[Record[Any]]) -> list[int]:
    return [each.message.total for each in records]  # type: ignore[union-attr]  # of types that are known


def test_it_handles_all_in_order_and_goes_on_where_it_was(served: Served, remote: RemoteOutbox, name: str) -> None:
    consumer, seen = remote.consumer(name, start="latest"), list[Record[Any]]()
    assert consumer.position() is None
    with running(consumer, seen.append):
        wait_until(lambda: consumer.position() is not None)
        last = served.put(1, 2, 3)
        wait_until(lambda: totals(seen) == [1, 2, 3])
    assert consumer.position() == last

    served.put(4)
    with running(remote.consumer(name), seen.append):
        wait_until(lambda: totals(seen) == [1, 2, 3, 4])


def test_a_handler_that_raises_is_called_again_and_nothing_is_passed_over(
    served: Served, remote: RemoteOutbox, name: str
) -> None:
    served.register(name)
    served.put(1, 2)
    seen: list[Record[Any]] = []

    def handle(record: Record[Any]) -> None:
        seen.append(record)
        if len(seen) < 3:
            raise ValueError("not yet")

    with running(remote.consumer(name), handle):
        wait_until(lambda: totals(seen) == [1, 1, 1, 2])


def test_it_rides_out_a_gateway_that_is_away_and_tells(served: Served, name: str) -> None:
    events: list[Any] = []
    seen: list[Record[Any]] = []
    with RemoteOutbox(str(served.client.base_url)) as remote:
        calls = remote._connection._client
        with running(remote.consumer(name, start="latest", on_event=events.append), seen.append):
            wait_until(lambda: served.gateway.components.connected_ids)
            there, calls.base_url = calls.base_url, "http://127.0.0.1:1"  # type: ignore[assignment]  # httpx makes one
            wait_until(lambda: any(isinstance(each, Disconnected) for each in events))
            served.put(1)
            calls.base_url = there
            wait_until(lambda: seen)

    kinds = [type(each) for each in events]
    assert kinds == [Connected, Disconnected, Connected, Received, Processed]


def test_its_position_is_that_of_the_consumer_on_the_server(served: Served, remote: RemoteOutbox, name: str) -> None:
    served.register(name)

    assert remote.consumer(name).position() == served.orders.consumer(f"anonymous.{name}").position()
    assert remote.consumer(name).forget()
    assert not remote.consumer(name).forget()


def test_two_of_one_name_do_not_work_at_the_same_time(served: Served, remote: RemoteOutbox, name: str) -> None:
    served.register(name)
    seen: list[Record[Any]] = []
    with running(remote.consumer(name), seen.append), running(remote.consumer(name), seen.append):
        last = served.put(*range(20))
        wait_until(lambda: {each.seq for each in seen} >= set(range(last - 19, last + 1)))

    in_order = [each.seq for each in seen]
    assert sorted(set(in_order)) == list(range(last - 19, last + 1))


def test_what_cannot_be_a_consumer_is_refused(remote: RemoteOutbox) -> None:
    for wrong in ("live", "a b", "", "a" * 65):
        with pytest.raises(InvalidName):
            remote.consumer(wrong)
    with pytest.raises(InvalidConsumer):
        remote.consumer("a").run(None)  # type: ignore[arg-type]  # what it refuses
