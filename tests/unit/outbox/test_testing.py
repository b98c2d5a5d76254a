"""The outbox in memory refuses what the real one refuses, and shows what a reader would see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import InvalidHeaders, InvalidMessage, MessageTooLarge, TransactionRequired, UnknownMessage, tombstone
from outbox.messages.limits import RESERVED_HEADERS
from outbox.testing import FakeClock, MemoryOutbox
from tests.actors.catalogue import BasketLine, Price, Viewed, line, price, viewed
from tests.actors.order_service import OrderCancelled, OrderPlaced, StockCounted, placed, totals


@pytest.fixture
def orders() -> MemoryOutbox:
    return MemoryOutbox(messages=[OrderPlaced, StockCounted])


def test_a_message_that_was_put_is_a_record(orders: MemoryOutbox) -> None:
    id = orders.put(placed(9), headers={"tenant": "acme"}, standalone=True)
    [record] = orders.records

    assert (record.seq, record.id, record.type, record.key) == (1, id, "order.placed", "42")
    assert (record.headers, record.data) == ({"tenant": "acme"}, {"order_id": "42", "total": 9})
    assert record.message == placed(9)
    assert abs(datetime.now(UTC) - record.created) < timedelta(minutes=1)


def test_a_sequence_of_messages_is_numbered_in_its_order(orders: MemoryOutbox) -> None:
    orders.put(placed(1), standalone=True)
    ids = orders.put([placed(2), placed(3)], standalone=True)

    assert [record.id for record in orders.records[1:]] == ids
    assert [record.seq for record in orders.records] == [1, 2, 3]
    assert totals(orders.records) == [1, 2, 3]


def test_a_put_without_a_transaction_must_say_that_it_is_standalone(orders: MemoryOutbox) -> None:
    """Or code that forgets its session would pass its unit tests and be refused in production."""
    with pytest.raises(TransactionRequired, match="standalone=True"):
        orders.put(placed(1))
    with MongoClient[Any](connect=False) as client, client.start_session() as session:
        with pytest.raises(TransactionRequired, match="no transaction"):
            orders.put(placed(1), session=session)
        with session.start_transaction():
            orders.put(placed(2), session=session)
            with pytest.raises(TransactionRequired, match="standalone=True"):
                orders.put(placed(3), session=session, standalone=True)
        with session.bind(end_session=False), session.start_transaction():
            orders.put(placed(4))

    assert totals(orders.records) == [2, 4]


def test_a_class_that_was_not_given_is_unknown(orders: MemoryOutbox) -> None:
    with pytest.raises(UnknownMessage, match="OrderCancelled"):
        orders.put(OrderCancelled(order_id="42"), standalone=True)


@pytest.mark.parametrize("invalid", [placed(-1), OrderPlaced(total=1), "text", b"bytes", None])
def test_what_is_no_valid_message_is_refused(orders: MemoryOutbox, invalid: Any) -> None:
    with pytest.raises(InvalidMessage):
        orders.put(invalid, standalone=True)


@pytest.mark.parametrize(
    "headers",
    [*({name: "x"} for name in RESERVED_HEADERS), {"n": 1}, {1: "n"}, {"": "x"}, {"a\0": "x"}],
)
def test_headers_that_are_reserved_or_no_text_are_refused(orders: MemoryOutbox, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidHeaders):
        orders.put(placed(1), headers=headers, standalone=True)


def test_one_bad_message_of_a_sequence_refuses_them_all(orders: MemoryOutbox) -> None:
    with pytest.raises(InvalidMessage):
        orders.put([placed(1), placed(-1)], standalone=True)

    assert orders.records == []


def test_a_message_over_the_limit_is_too_large() -> None:
    orders = MemoryOutbox(messages=[OrderPlaced], max_message_bytes=500)
    orders.put(placed(1, note="x" * 300), standalone=True)

    with pytest.raises(MessageTooLarge, match="max_message_bytes=500"):
        orders.put(placed(1, note="x" * 400), standalone=True)


def test_a_fake_clock_moves_only_when_told_to() -> None:
    clock = FakeClock(5)
    clock.advance(1.5)

    assert clock.monotonic() == 6.5
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)


def test_in_memory_only_what_changes_something_is_put_if_so_asked() -> None:
    memory = MemoryOutbox(messages=[Price, BasketLine, Viewed])
    put = partial(memory.put, standalone=True, if_changed=True)

    assert put(price("a", 1)) is not None
    assert put(price("a", 1)) is None
    assert [id is None for id in put([price("a", 2), price("a", 2), line("o", 7, 1)])] == [False, True, False]
    assert put(tombstone(Price, key="a")) is not None
    assert put(tombstone(Price, key="a")) is None
    assert put(price("a", 2)) is not None
    memory.put(price("a", 3), standalone=True)
    assert put(price("a", 3)) is None
    assert memory.put(price("a", 3), standalone=True) is not None
    with pytest.raises(InvalidMessage, match="not compacted"):
        put([price("z", 1), viewed("x")])
    assert [record.seq for record in memory.records] == list(range(1, 8))
