"""A backlog is read at its subscriber's own pace, with flat memory."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from outbox import Outbox, Record
from outbox.log import batch
from outbox.log.batch import Batch
from outbox.readers.reader import LogReader
from tests.actors.order_service import new_outbox
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB") as outbox:
        yield outbox


def _backlog(orders: Outbox, batches: int) -> None:
    """Batches of 500 records of 1 KB, straight into the log."""
    rest = bson.encode({"type": "order.placed", "key": None, "headers": {}, "data": {"note": "x" * 900}})[4:]
    for n in range(batches):
        records = [batch.record(ObjectId().binary, n, rest) for _ in range(500)]
        orders.collections.log.insert_one(RawBSONDocument(batch.pack(n * 500 + 1, 0, n * 500 + 1, records)))


@pytest.mark.heavy
def test_a_large_backlog_is_read_with_flat_memory(database: Database[Document]) -> None:
    """Goes red when there is a queue between the log and a subscriber: 60,000 records take 150 MB in Python."""
    with new_outbox(database, sequence=False) as orders:
        _backlog(orders, 120)
        done = threading.Event()

        def on_next(record: Record[Any]) -> None:
            if record.seq == 60_000:
                done.set()

        tracemalloc.start()
        try:
            orders.observe("earliest").subscribe(on_next)
            assert done.wait(60)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak < 50 << 20


def test_a_slow_subscriber_is_read_no_further_ahead_than_one_read(database: Database[Document]) -> None:
    """RxPY has no back-pressure of its own: here it is that nothing is read while `on_next` runs."""
    with new_outbox(database, sequence=False) as orders:
        _backlog(orders, 40)
        reads: list[int] = []
        first, go_on = threading.Event(), threading.Event()
        subscriber = Subscriber()

        def slow(record: Record[Any]) -> None:
            first.set()
            assert go_on.wait(30)
            subscriber.on_next(record)

        with pytest.MonkeyPatch.context() as patch:
            read = LogReader.read_batches

            def counting(self: LogReader) -> list[Batch]:
                reads.append(self.position)
                return read(self)

            patch.setattr(LogReader, "read_batches", counting)
            orders.observe("earliest").subscribe(slow)
            assert first.wait(30)
            assert reads == [1]
            go_on.set()
            wait_until(lambda: len(subscriber.records) == 20_000, 30, "the backlog")
