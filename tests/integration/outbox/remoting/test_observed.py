"""A registered consumer of a gateway, observed: the program acknowledges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from outbox import InvalidConsumer, Record
from outbox.events import Disconnected
from outbox.gateway.delivery import window
from outbox.gateway.http import event_stream
from outbox.remoting.consumer import RemoteConsumer
from outbox.remoting.events import Connected, Processed
from outbox.remoting.outbox import RemoteOutbox
from tests.actors.gateway import Served
from tests.waiting import wait_until


class Seen:
    """What an observer was given."""

    def __init__(self) -> None:
        self.records: list[Record[Any]] = []
        self.errors: list[Exception] = []
        self.is_completed = False

    @property
    def totals(self) -> list[int]:
        return [each.data["total"] for each in self.records]

    def complete(self) -> None:
        self.is_completed = True


@contextmanager
def observing(consumer: RemoteConsumer[Any]) -> Iterator[Seen]:
    seen = Seen()
    subscription = consumer.observe().subscribe(seen.records.append, seen.errors.append, seen.complete)
    try:
        yield seen
    finally:
        subscription.dispose()
        wait_until(lambda: not consumer.is_running)


def test_what_is_acknowledged_in_any_order_moves_the_position_over_what_has_no_gap(
    served: Served, remote: RemoteOutbox, name: str
) -> None:
    served.register(name)
    last = served.put(1, 2, 3)
    consumer = remote.consumer(name)
    with observing(consumer) as seen:
        wait_until(lambda: seen.totals == [1, 2, 3])
        consumer.ack(seen.records[1])
        consumer.ack(seen.records[0])
        wait_until(lambda: consumer.position() == last - 1)
    with observing(consumer) as again:
        wait_until(lambda: again.totals == [3])
        served.put(4)
        wait_until(lambda: again.totals == [3, 4])


def test_it_goes_on_through_a_lost_connection_and_gives_nothing_twice(
    served: Served, remote: RemoteOutbox, name: str
) -> None:
    events: list[Any] = []
    served.register(name)
    served.put(1, 2)
    consumer = remote.consumer(name, on_event=events.append)
    with observing(consumer) as seen:
        wait_until(lambda: seen.totals == [1, 2])
        consumer.ack(seen.records[0])
        wait_until(lambda: Processed(1) in events)
        served.gateway.components.running(served.component(name)).leave()  # type: ignore[union-attr]  # it runs
        wait_until(lambda: [type(each) for each in events if isinstance(each, Connected | Disconnected)][2:])
        served.put(3)
        wait_until(lambda: seen.totals == [1, 2, 3])


def test_a_gateway_that_has_given_all_it_holds_goes_on_when_something_is_acknowledged(
    served: Served, remote: RemoteOutbox, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MOST_RECORDS", 2)
    monkeypatch.setattr(event_stream, "STALLED_SECONDS", 0.1)
    served.register(name)
    served.put(1, 2, 3, 4)
    consumer = remote.consumer(name)
    with observing(consumer) as seen:
        wait_until(lambda: seen.totals == [1, 2])
        wait_until(lambda: not served.gateway.components.connected_ids)
        for record in list(seen.records):
            consumer.ack(record)
        wait_until(lambda: seen.totals == [1, 2, 3, 4])


def test_records_of_other_keys_are_passed_over(served: Served, remote: RemoteOutbox, name: str) -> None:
    served.register(name)
    served.put(1, order_id="a")
    served.put(2, order_id="b")
    last = served.put(3, order_id="c")
    consumer = remote.consumer(name, key="b")
    with observing(consumer) as seen:
        wait_until(lambda: seen.totals == [2])
        consumer.ack(seen.records[0])
        wait_until(lambda: consumer.position() == last)


def test_it_completes_when_it_is_stopped_and_an_error_is_told(served: Served, remote: RemoteOutbox, name: str) -> None:
    served.register(name)
    consumer = remote.consumer(name)
    with observing(consumer) as seen:
        wait_until(lambda: served.gateway.components.connected_ids)
        errors: list[Exception] = []
        consumer.observe().subscribe(on_error=errors.append)
        wait_until(lambda: errors)
        consumer.stop()
        wait_until(lambda: seen.is_completed)

    assert isinstance(errors[0], InvalidConsumer)
    with pytest.raises(InvalidConsumer):
        consumer.ack("no record")  # type: ignore[arg-type]  # what it refuses
