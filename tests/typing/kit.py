"""What mypy and pyright see of the test kit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

from bson import ObjectId
from reactivex import Observable

from outbox import AsyncOutbox, Consumer, Location, Outbox, Record
from outbox.testing import DeadLetter, FakeClock, MemoryOutbox, MemorySession, OutboxFactory, assert_published, drain


class Price:
    def model_dump(self) -> dict[str, Any]:
        return {}


def put_in_memory(price: Price) -> None:
    orders = MemoryOutbox(messages=[Price], clock=FakeClock())
    session = MemorySession()
    with session.start_transaction():
        assert_type(orders.put(price, session=session), ObjectId)
        assert_type(orders.put([price], session=session), list[ObjectId])
        assert_type(orders.put(price, session=session, if_changed=bool(price)), ObjectId | None)
    assert_type(orders.observe(), Observable[Record[Any]])
    assert_type(orders.read(), Iterator[Record[Any]])
    assert_type(orders.consumer("prices", types=[Price]), Consumer[Price])
    assert_type(orders.find(ObjectId()), Location)
    assert_type(orders.dead_letters, list[DeadLetter])
    orders.status()  # type: ignore[attr-defined]  # not in memory


def look(orders: Outbox, memory: MemoryOutbox) -> None:
    for face in (orders, memory):
        assert_type(assert_published(face, Price, cents=1), Record[Price])
        assert_type(assert_published(face, "price"), Record[Any])
        assert_type(drain(face), list[Record[Any]])


async def look_later(orders: AsyncOutbox) -> None:
    assert_type(await assert_published(orders, Price), Record[Price])
    assert_type(await drain(orders, 1.0), list[Record[Any]])


def make(outbox_factory: OutboxFactory) -> None:
    assert_type(outbox_factory(messages=[Price]), Outbox)
