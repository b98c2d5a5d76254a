"""A durable reader as a whole: what it begins with, what stops it and what does not."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from outbox import Outbox, OutboxClosed
from outbox.delivery.durable_reader import DurableReader
from outbox.delivery.ports import Outgoing
from outbox.events import Event, Parked, Started, Stopped, TookOver
from relay import InvalidSettings, Relay
from relay.config import RelayConfig
from relay.encoding.topics import Topics
from relay.errors import Verdict
from relay.testing import MemorySink
from tests.actors.order_service import OrderPlaced
from tests.actors.relay_thread import run_once
from tests.waiting import wait_until


class FailsOnce(MemorySink):
    """Has a fault of its own at the first record."""

    faults = 1

    def send(self, batch: Sequence[Outgoing]) -> int:
        if batch and self.faults:
            self.faults -= 1
            raise KeyError("nobody foresaw it")
        return super().send(batch)


def placed(orders: Outbox) -> None:
    orders.put(OrderPlaced(order_id="1"), standalone=True)
    orders.sequence()


def config(orders: Outbox, heard: list[Event]) -> RelayConfig:
    return RelayConfig(orders, "kafka", "beginning", "stop", lambda: 0.0, Topics(), tell=heard.append)


def test_it_tells_that_it_took_over_and_started_and_stopped(orders: Outbox) -> None:
    heard: list[Event] = []
    placed(orders)

    DurableReader(config(orders, heard), MemorySink()).run(threading.Event(), once=True)

    assert heard[:2] == [TookOver(), Started()]
    assert heard[-1] == Stopped()


def test_a_relay_tells_of_what_it_puts_aside_with_its_message(orders: Outbox) -> None:
    heard: list[Event] = []
    placed(orders)
    sink = MemorySink()
    sink.refused = {1: Verdict.POISON}

    run_once(Relay(orders, sink, on_poison="park-key", on_event=heard.append))

    assert [event.record.message.order_id for event in heard if isinstance(event, Parked)] == ["1"]


def test_its_check_comes_first_and_what_that_raises_ends_it(orders: Outbox) -> None:
    heard: list[Event] = []

    def check() -> None:
        raise InvalidSettings("no such thing")

    with pytest.raises(InvalidSettings, match="no such thing"):
        DurableReader(config(orders, heard), MemorySink()).run(threading.Event(), check=check)

    assert heard == [Stopped()]


def test_an_error_that_nobody_foresaw_ends_a_run_that_was_to_deliver_all(orders: Outbox) -> None:
    placed(orders)

    with pytest.raises(KeyError, match="foresaw"):
        DurableReader(config(orders, []), FailsOnce()).run(threading.Event(), once=True)


def test_else_it_goes_on_from_its_cursor(orders: Outbox) -> None:
    placed(orders)
    sink, stop = FailsOnce(), threading.Event()
    thread = threading.Thread(target=DurableReader(config(orders, []), sink).run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: len(sink.records) == 1, 20, "the record")
    finally:
        stop.set()
        thread.join()


def test_another_number_of_shares_than_it_has_is_refused(orders: Outbox) -> None:
    DurableReader(config(orders, []), MemorySink()).run(threading.Event(), once=True)

    with pytest.raises(InvalidSettings, match=r"has 1 share\(s\), not 3"):
        DurableReader(config(orders, []), MemorySink(), shares=3).run(threading.Event(), once=True)


@pytest.mark.parametrize("stops", [True, False])
def test_an_outbox_that_is_closed_while_it_begins_ends_it_if_it_stops_it_too(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, stops: bool
) -> None:
    stop = threading.Event()

    def closing(start: object) -> None:
        if stops:
            stop.set()
        raise OutboxClosed("this Outbox was closed")

    monkeypatch.setattr(orders, "reader", closing)
    with nullcontext() if stops else pytest.raises(OutboxClosed):
        DurableReader(config(orders, []), MemorySink()).run(stop)
