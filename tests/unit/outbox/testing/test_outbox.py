"""The outbox in memory refuses what the real one refuses, and shows what a reader would see."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import (
    InvalidHeaders,
    InvalidMessage,
    MessageTooLarge,
    Outbox,
    TransactionRequired,
    UnknownMessage,
    tombstone,
)
from outbox.archive import Archive
from outbox.errors import NotInMemory
from outbox.messages.limits import RESERVED_HEADERS
from outbox.testing import FakeClock, MemoryOutbox, MemorySession
from tests.actors.catalogue import BasketLine, Price, Viewed, line, price, viewed
from tests.actors.order_service import OrderCancelled, OrderPlaced, StockCounted, placed, totals
from tests.actors.running import Handled, running
from tests.waiting import wait_until


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


def test_every_name_of_an_outbox_is_there_or_refused_by_name(orders: MemoryOutbox) -> None:
    names = {name for name in dir(Outbox) if not name.startswith("_")}
    missing = sorted(name for name in names if not hasattr(orders, name))

    assert missing == ["declared", "drop", "latest", "projection", "reader", "running", "sequences", "status"]
    for name in [*missing, "log", "collections"]:
        assert name in (MemoryOutbox.__doc__ or "")
        with pytest.raises(NotInMemory, match=f"has no {name}: "):
            getattr(orders, name)
    with pytest.raises(AttributeError, match="no attribute 'misspelt'") as unknown:
        orders.misspelt  # noqa: B018  # type: ignore[attr-defined]
    assert not isinstance(unknown.value, NotInMemory)


def test_what_is_put_in_a_memory_transaction_is_there_once_it_commits(orders: MemoryOutbox) -> None:
    with MemorySession() as session:
        with session.start_transaction():
            id = orders.put(placed(1), session=session)
            assert orders.records == []
            assert orders.find(id).place == "unknown"
        assert totals(orders.records) == [1]
        with contextlib.suppress(ZeroDivisionError), session.start_transaction():
            orders.put(placed(2), session=session)
            raise ZeroDivisionError
        with pytest.raises(TransactionRequired):
            orders.put(placed(3), session=session)
        session.with_transaction(lambda session: orders.put([placed(4), placed(5)], session=session))

    assert totals(orders.records) == [1, 4, 5]


def test_what_a_transaction_said_of_an_id_counts_once_it_commits() -> None:
    memory = MemoryOutbox(messages=[Price])
    put = partial(memory.put, if_changed=True)
    session = MemorySession()
    session.start_transaction()
    assert put(price("a", 1), session=session) is not None
    assert put(price("a", 1), session=session) is None
    session.abort_transaction()
    with session.start_transaction():
        assert put(price("a", 1), session=session) is not None

    assert put(price("a", 1), standalone=True) is None


def test_messages_have_the_date_of_the_clock() -> None:
    clock = FakeClock(date=datetime(2025, 6, 1, tzinfo=UTC))
    orders = MemoryOutbox(messages=[OrderPlaced], clock=clock)
    orders.put(placed(1), standalone=True)
    clock.advance(3600)
    orders.put(placed(2), standalone=True)

    assert [record.created.hour for record in orders.records] == [0, 1]
    assert totals(orders.read(datetime(2025, 6, 1, 1, tzinfo=UTC))) == [2]


def test_a_roll_over_leaves_what_a_consumer_has_not_handled(orders: MemoryOutbox) -> None:
    orders.put([placed(1), placed(2), placed(3)], standalone=True)
    consumer = orders.consumer("billing")
    with running(consumer, Handled()):
        consumer.wait_caught_up()
    consumer.reset(1)

    orders.roll_over(3)

    assert totals(orders.records) == [2, 3]
    consumer.forget()
    orders.roll_over(9)
    assert totals(orders.records) == [3]


def test_no_thread_is_left_after_close() -> None:
    before = set(threading.enumerate())
    with MemoryOutbox(messages=[OrderPlaced]) as orders:
        completed = threading.Event()
        orders.observe("earliest").subscribe(on_completed=completed.set)
        consumer = orders.consumer("billing", concurrency=4)
        thread = threading.Thread(target=consumer.run, args=[lambda record: None])
        thread.start()
        orders.put(placed(1), standalone=True)
        consumer.wait_caught_up(30)
    thread.join(30)

    assert completed.wait(30)
    wait_until(lambda: set(threading.enumerate()) <= before, 30, "all threads to end")


def test_an_archive_is_refused_not_passed_over(tmp_path: Path) -> None:
    with MemoryOutbox(messages=[OrderPlaced]) as orders:
        with pytest.raises(NotInMemory, match="archive= is not in memory"):
            orders.read(0, archive=Archive(tmp_path))
        with pytest.raises(NotInMemory, match="archive= is not in memory"):
            orders.consumer("billing", start=0, archive=Archive(tmp_path))
