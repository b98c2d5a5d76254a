"""The shop's unit tests: no server, no waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from examples.testing.service import Billing, OrderBilled, OrderPlaced, Shop
from outbox import Outbox
from outbox.testing import MemoryOutbox, MemorySession, assert_published, drain


class Shelf:
    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def take(self, pieces: int, session: Any) -> None:
        if pieces > self.pieces:
            raise ValueError(f"{pieces} pieces: there are {self.pieces}")
        self.pieces -= pieces


@pytest.fixture
def orders() -> Iterator[MemoryOutbox]:
    with MemoryOutbox(messages=[OrderPlaced, OrderBilled]) as orders:
        yield orders


@contextmanager
def billing(orders: MemoryOutbox) -> Iterator[None]:
    """Bills what is ordered inside the `with`, on a thread, as the service does."""
    handler = Billing(cast(Outbox, orders), cents=250)
    consumer = orders.consumer("billing", types=[OrderPlaced], attempts=3)
    thread = threading.Thread(target=consumer.run_in_transaction, args=[handler.bill])
    thread.start()
    consumer.wait_caught_up()  # it has begun
    try:
        yield
    finally:
        consumer.stop()
        thread.join()


def place(orders: MemoryOutbox, order_id: str, pieces: int, stock: int = 10_000) -> None:
    session = MemorySession()
    with session.start_transaction():
        Shop(cast(Outbox, orders), Shelf(stock)).place(order_id, pieces, session)


def test_an_order_is_told_of(orders: MemoryOutbox) -> None:
    place(orders, "42", pieces=3)

    assert_published(orders, OrderPlaced, order_id="42", pieces=3)


def test_an_order_that_cannot_be_served_is_told_to_nobody(orders: MemoryOutbox) -> None:
    with pytest.raises(ValueError, match="there are 2"):
        place(orders, "42", pieces=3, stock=2)

    assert orders.records == []


def test_an_order_is_billed_once(orders: MemoryOutbox) -> None:
    with billing(orders):
        place(orders, "42", pieces=3)
        drain(orders)

    assert_published(orders, OrderBilled, order_id="42", cents=750)
    assert [record.type for record in orders.records] == ["order.placed", "order.billed"]


def test_an_absurd_order_is_put_aside_with_what_follows_it(orders: MemoryOutbox) -> None:
    with billing(orders):
        place(orders, "42", pieces=1001)
        place(orders, "42", pieces=1)
        place(orders, "43", pieces=1)
        drain(orders)

    assert [(letter.record.key, letter.state) for letter in orders.dead_letters] == [("42", "dead"), ("42", "parked")]
    assert_published(orders, OrderBilled, order_id="43", cents=250)
